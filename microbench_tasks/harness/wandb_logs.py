"""What the harness's Weights & Biases logger is given, in a form of which it can log all.

The logger of lmms-eval 0.7.3 stops at the first thing that it does not expect, says so in one
line of the log, and leaves out the rest.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas


# What the logger takes from the results by itself.
_LOGGED = ("results", "groups", "configs", "config")


def loggable(results: Mapping[str, Any]) -> dict[str, Any]:
    """The results of a run as the logger can log all of them.

    Entries that hold no figure, at which it would end before its tables, are left out: the empty
    lists that the harness keeps in place of the mean, and of the error, of what a sample logs
    beside its metrics. What it would log in a file alone, which W&B does not keep offline (numbers
    of samples, the model that was loaded, times), is put beside the run's settings.

    Args:
        results: as the harness's evaluation returns them; they stay as they are.
    """
    parts = {
        part: {name: _without_empty_lists(figures) for name, figures in results[part].items()}
        for part in ("results", "groups")
        if part in results
    }
    records = {name: value for name, value in results.items() if name not in _LOGGED}
    return {**results, **parts, "config": records | results.get("config", {})}


def _without_empty_lists(figures: Mapping[str, Any]) -> dict[str, Any]:
    return {metric: value for metric, value in figures.items() if not (isinstance(value, list) and not value)}


def with_arguments(samples: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Samples as the logger makes its tables of them: it reads ``arguments`` and ``resps``, which writing the samples file took away.

    The prompt and the first response are put back from ``input``, ``resps`` and ``filtered_resps``; a sample that has its arguments stays as it is.
    """
    return [dict(sample) if _has_arguments(sample) else {**sample, **_arguments(sample)} for sample in samples]


def _has_arguments(sample: Mapping[str, Any]) -> bool:
    # The evaluator logs the arguments of one request as a flat list.
    return "arguments" in sample and not isinstance(sample["arguments"][0], str)


def with_logged_metrics(config: Mapping[str, Any], samples: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a task's config with those metrics that all samples have: some are logged only with ``--repeats``."""
    listed = config["metric_list"]
    return {
        **config,
        "metric_list": [entry for entry in listed if all(entry["metric"] in sample for sample in samples)],
    }


def _arguments(sample: Mapping[str, Any]) -> dict[str, Any]:
    response = _first(sample["filtered_resps"])
    prompt = sample["input"] if "input" in sample else sample["arguments"][0]
    return {"arguments": [[prompt]], "resps": [[_first(sample.get("resps", response))]], "filtered_resps": [response]}


def _first(responses: str | Sequence[str]) -> Any:
    while isinstance(responses, list) and responses:
        responses = responses[0]
    return responses


def flattened(table: pandas.DataFrame) -> pandas.DataFrame:
    """A table of samples whose cells are numbers and texts: a column ``acc.predicted`` for each field of what a metric logs.

    A column of W&B has one type, and mappings are of one type only if all their fields are. Lists become JSON; a field that a sample lacks is None.
    """
    import pandas

    columns: dict[str, list[Any]] = {}
    for name in table.columns:
        for row, cell in enumerate(table[name]):
            for path, value in _fields(name, cell):
                columns.setdefault(path, [None] * len(table))[row] = value
    # As objects, or pandas makes numbers (nan) of the None among texts.
    return pandas.DataFrame(columns, dtype=object)


def _fields(path: str, cell: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(cell, Mapping):
        for key, value in cell.items():
            yield from _fields(f"{path}.{key}", value)
    else:
        yield path, json.dumps(cell) if isinstance(cell, (list, tuple)) else cell
