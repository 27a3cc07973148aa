"""Convert results and samples to what the harness's Weights & Biases logger can log completely.

The logger of lmms-eval 0.7.3 stops at the first value that it does not expect, and leaves out the rest.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas


# Parts of the results that the logger logs by itself.
_LOGGED = ("results", "groups", "configs", "config")


def loggable(results: Mapping[str, Any]) -> dict[str, Any]:
    """Return results that the logger can log completely.

    - Empty lists are removed, because the logger stops at them. The harness keeps them as mean and error of values that
      are not metrics.
    - What the logger would save only in a file, which W&B does not keep offline, is added to the settings of the run:
      numbers of samples, the model that was loaded, and times.

    Args:
        results: what the harness's ``evaluate`` returns; not modified.
    """
    parts = {
        part: {name: _without_empty_lists(values) for name, values in results[part].items()}
        for part in ("results", "groups")
        if part in results
    }
    records = {name: value for name, value in results.items() if name not in _LOGGED}
    return {**results, **parts, "config": records | results.get("config", {})}


def _without_empty_lists(values: Mapping[str, Any]) -> dict[str, Any]:
    return {metric: value for metric, value in values.items() if not (isinstance(value, list) and not value)}


def with_arguments(samples: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return samples with the fields ``arguments`` and ``resps``, which the logger reads for its tables.

    Writing the samples file removes these fields. They are restored from ``input``, ``resps`` and ``filtered_resps``,
    with the prompt and the first response. A sample that has its arguments is unchanged.
    """
    return [dict(sample) if _has_arguments(sample) else {**sample, **_arguments(sample)} for sample in samples]


def _has_arguments(sample: Mapping[str, Any]) -> bool:
    # The evaluator logs the arguments of one request as a flat list.
    return "arguments" in sample and not isinstance(sample["arguments"][0], str)


def with_logged_metrics(config: Mapping[str, Any], samples: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a task's config with those metrics that all samples have: some are logged only with ``--repeats``."""
    return {
        **config,
        "metric_list": [
            entry for entry in config["metric_list"] if all(entry["metric"] in sample for sample in samples)
        ],
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
    """Return a table of samples whose cells are numbers and texts.

    A column of W&B has one type, and mappings have one type only if all their fields have. So each field of a metric's
    log becomes a column, such as ``acc.predicted``. Lists become JSON; a missing field is None.
    """
    import pandas

    columns: dict[str, list[Any]] = {}
    for name in table.columns:
        for row, cell in enumerate(table[name]):
            for path, value in _fields(name, cell):
                columns.setdefault(path, [None] * len(table))[row] = value
    # As objects: pandas would convert None among texts to a number (nan).
    return pandas.DataFrame(columns, dtype=object)


def _fields(path: str, cell: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(cell, Mapping):
        for key, value in cell.items():
            yield from _fields(f"{path}.{key}", value)
    else:
        yield path, json.dumps(cell) if isinstance(cell, (list, tuple)) else cell
