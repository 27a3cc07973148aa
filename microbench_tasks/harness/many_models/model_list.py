"""Read a list of models: a YAML file, or one that ships with the package."""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from microbench_tasks.catalog import model_lists
from microbench_tasks.util import privacy
from microbench_tasks.util.errors import DataError
from microbench_tasks.util.text_safety import printable_line

_KEYS = ("model", "model_args", "name", "batch_size")
# Names of folders on every file system, which also stand in the harness's comma-separated options.
_SAFE_NAME = re.compile(r"\w[\w .+()-]{0,99}")
# Folders for files about all models.
RESERVED_NAMES = ("leaderboard", "submissions")
_LONGEST_DEFAULT_NAME = 60
# Arguments whose values need no name in front of them.
_NAMING_ARGUMENTS = ("model", "pretrained")
_EXAMPLE = "models: [{model: clip}, {model: open_clip, model_args: {model: ViT-B-32, pretrained: openai}}]"


@dataclass(frozen=True)
class Entry:
    """One model of a list.

    Attributes:
        position: in the file, from 1.
        name: unique in the file, and safe as the name of a folder.
        model: as for ``lmms_eval --model``.
        model_args: as for ``lmms_eval --model_args``; empty if there are none.
        batch_size: as for ``lmms_eval --batch_size``; None if the entry has none.
    """

    position: int
    name: str
    model: str
    model_args: str = ""
    batch_size: str | None = None


def load(source: str) -> tuple[Path, list[Entry]]:
    """Read the list of models that ``source`` names: a file, or the name of a list that ships with the package.

    Returns:
        The path of the file, and its entries.

    Raises:
        DataError: there is no such file, or it is not a valid list; the message lists all problems with their places.
    """
    path = Path(source)
    shipped = model_lists.shipped()
    if not path.is_file() and source in shipped:
        path = shipped[source]
    if not path.is_file():
        close = difflib.get_close_matches(source, [*shipped, *map(str, path.parent.glob("*.y*ml"))], 3)
        raise DataError(
            f"{source}: no such file. {_did_you_mean(close)}"
            f"Name a YAML file, or a list of this package: {', '.join(shipped)}."
        )
    content = _parse(path)
    if not isinstance(content, Mapping) or not isinstance(content.get("models"), list):
        raise DataError(f"{path}: expected a list under the key models, such as {_EXAMPLE}")
    problems = [
        f"unknown key {name!r} beside models. {_did_you_mean(difflib.get_close_matches(str(name), ['models']))}"
        "All options but those of single models are given on the command line."
        for name in content
        if name != "models"
    ]
    if not content["models"]:
        problems.append(f"the list is empty. Write at least one model, such as {_EXAMPLE}")
    entries = list(_entries(content["models"], problems.append))
    entries = list(_with_names(entries, problems.append))
    if problems:
        raise DataError(listed_problems(path, problems))
    return path, entries


def listed_problems(path: Path, problems: Iterable[str]) -> str:
    """Return the message of an error about the list at ``path``."""
    listed = [" ".join(problem.split()) for problem in problems]
    return f"{path}: {len(listed)} problem(s), and nothing was run:" + "".join(f"\n  - {text}" for text in listed)


# --- from YAML to entries ------------------------------------------------------------


class _StrictLoader(yaml.SafeLoader):
    """Refuse a key that occurs twice in a mapping, of which YAML would keep the last value."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} occurs twice; a dash (-) begins the next entry", key.start_mark
                )
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


def _parse(path: Path) -> Any:
    try:
        return yaml.load(path.read_text(encoding="utf-8"), _StrictLoader)
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise DataError(f"{path}{line}: not valid YAML: {error.problem}.") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DataError(f"{path}: cannot be read as YAML ({error}).") from error


def _entries(content: list[Any], report: Callable[[str], None]) -> Iterator[Entry]:
    """Yield the valid entries, their names still as stated, empty if there is none; report all problems."""
    for position, stated in enumerate(content, start=1):
        problems = [f"entry {position}: {problem}" for problem in _entry_problems(stated)]
        for problem in problems:
            report(problem)
        if not problems:
            batch_size = stated.get("batch_size")
            yield Entry(
                position,
                stated.get("name") or "",
                stated["model"],
                model_args_text(stated.get("model_args") or ""),
                None if batch_size is None else str(batch_size),
            )


def _entry_problems(stated: Any) -> Iterator[str]:
    if not isinstance(stated, Mapping):
        yield f"expected a mapping such as {{model: clip}}, got {_shown(stated)}. Write model: in front of a name."
        return
    for key in stated:
        if key not in _KEYS:
            close = difflib.get_close_matches(str(key), _KEYS)
            yield f"unknown key {printable_line(str(key))!r}. {_did_you_mean(close)}Expected {', '.join(_KEYS)}."
    if "model" not in stated:
        yield "has no model. Write model: with a name as for lmms_eval --model."
    elif not isinstance(stated["model"], str) or not stated["model"]:
        yield f"model: expected a name as for lmms_eval --model, got {_shown(stated['model'])}."
    name = stated.get("name")
    if name is not None:
        yield from _name_problems(name)
    batch_size = stated.get("batch_size")
    is_number = type(batch_size) is not bool and re.fullmatch("[1-9][0-9]*", str(batch_size))
    # Some of the harness's own models choose a size themselves: auto, auto:4.
    is_auto = isinstance(batch_size, str) and batch_size.startswith("auto")
    if batch_size is not None and not is_number and not is_auto:
        yield f"batch_size: expected a positive whole number, got {_shown(batch_size)}."
    try:
        model_args_text(stated.get("model_args") or "")
    except ValueError as error:
        yield f"model_args: {error}"


def _name_problems(name: Any) -> Iterator[str]:
    if not isinstance(name, str):
        yield f"name: expected a text, got {_shown(name)}. Put it in quotation marks."
    elif not _SAFE_NAME.fullmatch(name) or name.endswith((" ", ".")):
        yield (
            f"name: {_shown(name)} cannot be the name of a folder. Use up to 100 letters, digits, spaces and "
            "- _ . + ( ), with a letter or a digit first."
        )
    elif name.casefold() in RESERVED_NAMES:
        yield f"name: {name} is the folder of another output. Choose another name."


def model_args_text(stated: Any) -> str:
    """Return model arguments as ``lmms_eval --model_args`` takes them.

    Args:
        stated: a text, which is checked, or a mapping.

    Raises:
        ValueError: the harness would read other arguments than those stated.

    >>> model_args_text({"model": "./my clip", "merge_with": ["a", "b"], "alpha": 0.5, "compile": True})
    'model=./my clip,merge_with=[a,b],alpha=0.5,compile=True'
    """
    from lmms_eval.utils import simple_parse_args_string

    if isinstance(stated, str):
        try:
            simple_parse_args_string(stated)
        except ValueError as error:
            raise ValueError(f"expected name=value,name=value, got {_shown(stated)}.") from error
        return stated.strip()
    if not isinstance(stated, Mapping):
        raise ValueError(f"expected a text (name=value,name=value) or a mapping, got {_shown(stated)}.")
    texts = {str(name): _value_text(str(name), value) for name, value in stated.items()}
    text = ",".join(f"{name}={value}" for name, value in texts.items())
    try:
        read = simple_parse_args_string(text)
    except ValueError:
        read = {}
    for name, value in texts.items():
        if not _is_read_as(read.get(name), value):
            raise ValueError(
                f"{name}: {_shown(stated[name])} cannot be passed on, since commas, quotation marks and brackets "
                "separate the arguments of lmms_eval. Rename the file, or use a link to it."
            )
    return text


def _value_text(name: str, value: Any) -> str:
    if isinstance(value, list):
        return f"[{','.join(_value_text(name, part) for part in value)}]"
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    if not isinstance(value, (str, int, float)):
        raise ValueError(f"{name}: expected a text, a number, true or false, a list or a mapping, got {_shown(value)}.")
    return str(value)


def _is_read_as(read: Any, text: str) -> bool:
    # The harness reads numbers and truth values; 0.50 and 0.5 are the same.
    if isinstance(read, (bool, int)):
        return str(read).casefold() == text.casefold() or str(read) == text.lstrip("0")
    return float(text) == read if isinstance(read, float) else read == text.strip()


# --- names ---------------------------------------------------------------------------


def _with_names(entries: list[Entry], report: Callable[[str], None]) -> Iterator[Entry]:
    """Yield the entries with a unique name each; report names and entries that occur twice."""
    # Folders of some file systems do not distinguish small and capital letters.
    first_of: dict[str, Entry] = {}
    for entry in entries:
        name = entry.name or _default_name(entry)
        first = first_of.setdefault(name.casefold(), entry)
        is_same = not entry.name and (first.model, first.model_args) == (entry.model, entry.model_args)
        if first is not entry and not entry.name and not is_same:
            # The first entry keeps the short name, so that a list can grow at its end.
            name = f"{name}_{_short_hash(f'{entry.model} {entry.model_args}')}"
            first = first_of.setdefault(name.casefold(), entry)
            is_same = first is not entry
        if first is not entry:
            what = f"the model {entry.model} with these model_args" if is_same else f"the name {name}"
            advice = "Remove one of them, or give it a name." if is_same else "Give each a name of its own."
            report(f"entry {entry.position}: {what} is in entry {first.position}, too. {advice}")
        yield dataclasses.replace(entry, name=name)


def _default_name(entry: Entry) -> str:
    """Return a readable name from model and arguments, which may be the same for several entries.

    >>> _default_name(Entry(1, "", "open_clip", "model=ViT-B-32,pretrained=./runs/epoch 3.pt"))
    'open_clip_ViT-B-32_epoch-3.pt'
    >>> _default_name(Entry(1, "", "plip", "merge_with=clip,alpha=0.5"))
    'plip_merge_with-clip_alpha-0.5'
    """
    from lmms_eval.utils import simple_parse_args_string

    parts = [entry.model]
    for name, value in simple_parse_args_string(privacy.redact_secrets(entry.model_args)).items():
        last = str(value).strip("[]/").rpartition("/")[2]
        parts.append(last if name in _NAMING_ARGUMENTS else f"{name}-{last}")
    name = "_".join(re.sub(r"[^\w.+-]+", "-", part).strip("-") for part in parts)[:_LONGEST_DEFAULT_NAME]
    return f"{name}_model" if name.casefold() in RESERVED_NAMES else name.rstrip(".")


def _short_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _did_you_mean(close: list[str]) -> str:
    return f"Did you mean {' or '.join(close)}? " if close else ""


def _shown(value: Any) -> str:
    return printable_line(f"{value!r:.80}")
