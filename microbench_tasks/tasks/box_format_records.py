"""Check the record of a box format in a results file or a submission against the format that the run must have used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from microbench_tasks.tasks.box_format_choice import (
    CHOSEN_BY_OPTION,
    LIMIT_ARGUMENTS,
    ChosenFormat,
    LoadedFamily,
    default_format,
    format_of_family,
)
from microbench_tasks.tasks.box_format_setting import SET_BY_USER, SETTING, parse_format
from microbench_tasks.tasks.box_formats import FORMAT_BY_NAME, FORMAT_OF_MODEL, LOADED_BY_TYPE
from microbench_tasks.tasks.image_resizing import QWEN2_5_FACTOR
from microbench_tasks.util.errors import DataError


def record_problems(
    record: Mapping[str, Any], model: str | None, model_args: Mapping[str, Any], model_type: str | None = None
) -> list[str]:
    """List where the record of a format (`ChosenFormat.record`) is not what `choose_format` returns for a model.

    Args:
        record: of a results file or a submission.
        model: the harness's id of the model that was run.
        model_args: the arguments that it was given.
        model_type: of transformers, of the loaded checkpoint; None if the run does not record it.
    """
    chosen_by = record.get("chosen_by")
    if chosen_by in (SETTING, CHOSEN_BY_OPTION):
        problems = _pair_problems(record, model) or _set_by_user_problems(record, chosen_by)
    elif model == LOADED_BY_TYPE and model_type is not None:
        problems = _differences(record, format_of_family(_family_of(record, model_type)))
    else:
        # A task gets no model id if the harness did not create the model itself.
        is_unnamed = chosen_by == default_format(None).chosen_by and model not in FORMAT_OF_MODEL
        problems = _differences(record, default_format(None if is_unnamed else model))
    return problems or _limit_problems(record, model_args)


def _family_of(record: Mapping[str, Any], model_type: str) -> LoadedFamily:
    """Return a family of this type whose processor has the recorded limits."""
    limits = record.get("limits")
    if isinstance(limits, list | tuple) and len(limits) == 2 and all(type(limit) is int for limit in limits):
        return LoadedFamily(model_type, (limits[0], limits[1]), QWEN2_5_FACTOR)
    return LoadedFamily(model_type)


def _differences(record: Mapping[str, Any], expected: ChosenFormat) -> list[str]:
    own = _as_json(expected)
    fields = [*own, *(field for field in record if field not in own)]
    return [
        f"{field} is {record.get(field)!r:.200}, expected {own.get(field)!r:.200}"
        for field in fields
        if record.get(field) != own.get(field)
    ]


def _pair_problems(record: Mapping[str, Any], model: str | None) -> list[str]:
    """Report a convention that contradicts the table's entry for this model and prompt."""
    known = None if model is None else FORMAT_OF_MODEL.get(model)
    if known is None or record.get("prompt") != known.template or record.get("convention") == known.convention:
        return []
    stated = record.get("convention")
    return [f"convention is {stated!r:.200}, but {model} asked with this prompt writes {known.convention}"]


def _set_by_user_problems(record: Mapping[str, Any], chosen_by: str) -> list[str]:
    """Report a record that no setting can produce: neither a format of the table nor a changed one."""
    if any(_as_json(ChosenFormat(known, chosen_by)) == record for known in FORMAT_BY_NAME.values()):
        return []
    source = str(record.get("source"))
    name = source.removeprefix(SET_BY_USER)
    if name not in FORMAT_BY_NAME or not source.startswith(SET_BY_USER):
        return [f"source is {source!r:.200}, which is not what {chosen_by} records with this convention and prompt"]
    # With limits alone, the prompt for a second try stays.
    base = {"format": name, "limits": record.get("limits")}
    settings = (base, base | {field: record.get(field) for field in ("convention", "prompt")})
    try:
        possible = [_as_json(ChosenFormat(parse_format(setting, chosen_by), chosen_by)) for setting in settings]
    except DataError as error:
        return [str(error).rstrip(".")]
    if record in possible:
        return []
    return [f"it differs from what {chosen_by} records for a format that was changed from {name}"]


def _limit_problems(record: Mapping[str, Any], model_args: Mapping[str, Any]) -> list[str]:
    limits = record.get("limits")
    if not limits:
        return []
    given = [model_args.get(name, limit) for name, limit in zip(LIMIT_ARGUMENTS, limits, strict=False)]
    if list(map(str, given)) == list(map(str, limits)):
        return []
    return [f"limits is {limits}, but the model's arguments {' and '.join(LIMIT_ARGUMENTS)} set {given}"]


def _as_json(chosen: ChosenFormat) -> dict[str, Any]:
    return {field: list(value) if isinstance(value, tuple) else value for field, value in chosen.record().items()}
