"""List the samples of a run as rows of one table: questions and boxes in the same columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from microbench_tasks.analysis.loaded_runs import Run
from microbench_tasks.catalog.questions import LETTERS
from microbench_tasks.runs.rescoring import ScoredSample
from microbench_tasks.tasks.item_intervals import unit_of
from microbench_tasks.tasks.items import num_answers

# All columns, in order; those of the other kind of task are None.
COLUMNS = (
    *("task", "doc_id", "image", "image_id", "dataset", "kind", "cluster", "prompt", "response", "num_answers"),
    *("score", "strict_score", "in_total", "failed", "response_kind"),
    *("options", "gold", "gold_text", "predicted", "predicted_text", "strict_predicted", "rule"),
    *("probabilities", "gold_probability"),
    *("expression", "width", "height", "num_gold_boxes", "num_predicted_boxes"),
    *("num_matched_boxes", "gold_boxes"),
)


def sample_rows(run: Run) -> Iterator[dict[str, Any]]:
    """Yield a row for each sample of a run, by task and document; each has all of `COLUMNS`."""
    for task, samples in run.rescored.samples.items():
        for sample in samples:
            own = _box_fields(sample.items) if "grit" in sample.items else _question_fields(sample.items)
            yield dict.fromkeys(COLUMNS) | _shared_fields(task, sample) | own


def _shared_fields(task: str, sample: ScoredSample) -> dict[str, Any]:
    item = sample.items["acc" if "acc" in sample.items else "grit"]
    return {
        "task": task,
        "doc_id": sample.doc_id,
        **{name: item[name] for name in ("image", "image_id", "dataset", "kind")},
        "cluster": unit_of(item),
        "prompt": sample.prompt,
        "response": sample.response,
        "num_answers": num_answers(sample.items),
        "score": float(item["score"]),
        "failed": bool(sample.items["failed"]["failed"]),
    }


def _question_fields(items: Mapping[str, Any]) -> dict[str, Any]:
    item, strict, probabilities = items["acc"], items["acc_strict"], items["acc"]["probabilities"]
    return {
        "strict_score": float(strict["score"]),
        "in_total": item["in_total"],
        "response_kind": items["unparsed"]["kind"],
        "options": list(item["options"]),
        "gold": item["gold"],
        "gold_text": _option(item, item["gold"]),
        "predicted": item["predicted"],
        "predicted_text": _option(item, item["predicted"]),
        "strict_predicted": strict["predicted"],
        "rule": strict["rule"],
        "probabilities": probabilities,
        "gold_probability": None if probabilities is None else probabilities.get(item["gold"]),
    }


def _box_fields(items: Mapping[str, Any]) -> dict[str, Any]:
    item = items["grit"]
    return {
        "in_total": True,
        "response_kind": items["boxes_unparsed"]["kind"],
        **{name: item[name] for name in ("expression", "width", "height")},
        "num_gold_boxes": len(item["boxes"]),
        "num_predicted_boxes": item["num_predicted"],
        "num_matched_boxes": items["boxes_f1"]["matched"],
        "gold_boxes": item["boxes"],
    }


def _option(item: Mapping[str, Any], letter: str | None) -> str | None:
    return None if letter is None else item["options"][LETTERS.index(letter)]
