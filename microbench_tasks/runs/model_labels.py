"""Name the model of a run in a few words: by the name in a list of models, or by its type and its checkpoint."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from microbench_tasks.runs.run_records import RunRecord
from microbench_tasks.util import privacy
from microbench_tasks.util.argument_text import parse_arguments

# Arguments of the harness's models that name weights. The harness names folders after one of the first ones.
CHECKPOINTS = (
    *("model", "pretrained", "peft", "delta", "model_version", "model_name", "model_id", "path", "engine"),
    *("model_path", "model_base", "base_model", "model_id_name", "peft_model", "vision_model", "language_model"),
    *("pretrained_llm", "pretrained_vit", "pretrained_llama_model", "pretrained_llama_proj_model", "projection_path"),
)
# Arguments that choose other weights of these names.
CHOICES = ("revision", "subfolder", "variant", "merge_with", "merge", "alpha", "density")
# Separate the arguments of a model, and the prefix of a checkpoint from its path.
_DIVIDERS = re.compile("([,=]|:(?!//))")
# Say where a checkpoint is, and not which it is.
_PREFIXES = re.compile("^(local-dir|hf-hub):")
_MAX_LENGTH = 40


def short_label(record: RunRecord, fallback: str) -> str:
    """Return the name of the run's model in a list, or else its type with its checkpoint.

    Args:
        record: of the run.
        fallback: the name if there is no record of the model.

    `apart` tells equal labels apart.

    >>> short_label(RunRecord.model_validate({"config": {"model": "clip", "model_args": "model=/x/tuned,seed=1"}}), "")
    'clip (tuned)'
    """
    if record.name_in_list:
        return record.name_in_list
    shown = shown_arguments(record.config.model_args)
    parts = [_end(shown[name]) for name in CHECKPOINTS if shown.get(name)]
    parts += [f"{name}={_end(shown[name])}" for name in CHOICES if shown.get(name)]
    return _with(record.config.model or fallback, parts)


def full_label(record: RunRecord, fallback: str) -> str:
    """Return the type of the run's model with all of its arguments; local paths are cut to their last part."""
    return with_arguments(record.config.model or fallback, shown_arguments(record.config.model_args))


def with_arguments(model: str, arguments: Mapping[str, str]) -> str:
    """Add arguments, all with their names, to the type of a model."""
    typed = ",".join(f"{name}={value}" for name, value in arguments.items())
    return f"{model} ({typed})" if typed else model


def shown_arguments(arguments: Any) -> dict[str, str]:
    """Return the arguments of a model by name, without secrets; local paths are cut to their last part."""
    return {
        name: _without_folders(str(value)) for name, value in parse_arguments(privacy.redact_secrets(arguments)).items()
    }


def apart(labels: Sequence[str], arguments: Sequence[Mapping[str, str]]) -> list[str]:
    """Return the labels; equal ones get as many arguments as are needed to tell their models apart, where any do.

    >>> apart(["clip", "clip", "plip"], [{}, {"precision": "bf16", "batch_size": "8"}, {"seed": "1"}])
    ['clip', 'clip (precision=bf16)', 'plip']
    """
    result = list(labels)
    for label in dict.fromkeys(labels):
        same = [number for number, other in enumerate(labels) if other == label]
        names = _telling([arguments[number] for number in same])
        for number in same:
            of_run = arguments[number]
            result[number] = _with(label, [f"{name}={of_run[name]}" for name in names if name in of_run])
    return result


def _telling(arguments: Sequence[Mapping[str, str]]) -> list[str]:
    """Return the names of arguments that tell runs apart, those that tell most of them apart first."""
    left = list(dict.fromkeys(name for of_run in arguments for name in of_run))
    chosen: list[str] = []
    while left and _num_different(arguments, chosen) < len(arguments):
        best = max(left, key=lambda name: _num_different(arguments, [*chosen, name]))
        if _num_different(arguments, [*chosen, best]) == _num_different(arguments, chosen):
            break
        chosen.append(best)
        left.remove(best)
    return chosen


def _num_different(arguments: Sequence[Mapping[str, str]], names: Sequence[str]) -> int:
    return len({tuple(of_run.get(name) for name in names) for of_run in arguments})


def _with(label: str, parts: Sequence[str]) -> str:
    """Add parts in brackets to a label, which may have some."""
    if not parts:
        return label
    return f"{label[:-1]}, {', '.join(parts)})" if label.endswith(")") else f"{label} ({', '.join(parts)})"


def _without_folders(text: str) -> str:
    # Part by part, as a path may contain spaces.
    return "".join(map(privacy.redact_paths, _DIVIDERS.split(text)))


def _end(value: str) -> str:
    """Return the last part of a path or of a name on the Hub, or of each in a list, cut if it is long."""
    ends = ",".join(_ends(value.strip("[]")))
    return ends if len(ends) <= _MAX_LENGTH else f"{ends[: _MAX_LENGTH - 1]}…"


def _ends(value: str) -> Iterator[str]:
    for part in value.split(","):
        yield _PREFIXES.sub("", part.strip().rstrip("/")).rpartition("/")[2]
