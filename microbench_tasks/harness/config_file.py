"""Check the YAML file of ``--config`` before the harness reads it, which ends with a traceback for a wrong one."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from microbench_tasks.harness import own_options
from microbench_tasks.util.errors import DataError
from microbench_tasks.util.suggestions import did_you_mean
from microbench_tasks.util.text_safety import printable_line

# The harness splits these texts itself, and fails for lists and mappings; with the form that it reads.
_TEXTS = {
    "model": "NAME",
    "tasks": "NAME,NAME",
    "model_args": "NAME=VALUE,NAME=VALUE",
    "gen_kwargs": "NAME=VALUE,NAME=VALUE",
    "output_path": "FOLDER",
}
# Settings of the environment, which the harness takes out before it compares the keys.
_ENVIRONMENT = "env"


def check(config: str, known: Collection[str]) -> None:
    """Check a file of ``--config``.

    Args:
        config: its path.
        known: names of the harness's options, as keys of the file.

    Raises:
        DataError: it cannot be read, or has keys or values that the harness would refuse; lists all problems.
    """
    where = f"--config {printable_line(config)}"
    try:
        content = yaml.safe_load(Path(config).read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{where}: cannot be read ({error.strerror}). Name a YAML file.") from error
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise DataError(f"{where}{line}: not valid YAML: {error.problem}.") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise DataError(f"{where}: cannot be read as YAML ({error}).") from error
    # An empty list is no run, and would end well.
    runs = content if content and isinstance(content, list) else [content]
    problems = [
        f"{f'run {position}: ' if len(runs) > 1 else ''}{problem}"
        for position, stated in enumerate(runs, start=1)
        for problem in _find_problems(stated, known)
    ]
    if problems:
        raise DataError(f"{where}: {len(problems)} problem(s):" + "".join(f"\n  - {problem}" for problem in problems))


def _find_problems(stated: Any, known: Collection[str]) -> Iterator[str]:
    if not isinstance(stated, Mapping):
        yield f"expected options such as tasks: microbench_coarse, got {printable_line(f'{stated!r:.80}')}."
        return
    if not isinstance(stated.get(_ENVIRONMENT) or {}, Mapping):
        yield f"{_ENVIRONMENT}: expected a mapping of names to values."
    ours = {option.removeprefix("--").replace("-", "_"): option for option in own_options.names()}
    for key in stated:
        if key in known or key == _ENVIRONMENT:
            continue
        name = str(key).removeprefix("--").replace("-", "_")
        if name in ours:
            yield f"{key}: type {ours[name]} on the command line instead."
        else:
            close = f"Write {name}." if name in known else did_you_mean(name, known).rstrip()
            yield f"{printable_line(str(key))} is unknown. {close or 'lmms_eval --help lists all options.'}"
    for key, form in _TEXTS.items():
        if isinstance(stated.get(key), (list, dict)):
            yield f"{key}: expected a text, got {printable_line(f'{stated[key]!r:.80}')}. Write {key}: {form}."
