"""Runs of a few questions whose answers a test states, for claims about comparing runs."""

from __future__ import annotations

import json
from pathlib import Path

from microbench_tasks.analysis.comparison import RunComparison, compare_runs
from microbench_tasks.analysis.loaded_runs import Run, load_run
from microbench_tasks.analysis.pair_differences import PairDifference
from microbench_tasks.tasks.localization import microbench_localization_process_results
from microbench_tasks.tasks.results import microbench_process_results

NAME = "20260102_030405"
MODALITY, DOMAIN = "microbench_coarse_modality", "microbench_coarse_domain"
COARSE = tuple(f"microbench_coarse_{kind}" for kind in ("domain", "subdomain", "modality", "submodality", "stain"))
BOXES = "microbench_localization_opencell_nuclei"
SOURCE = {"source": "folder", "sha256": "ab" * 32, "is_release": False}
_BOX = [20.0, 10.0, 40.0, 30.0]


def question(number: int, task: str = MODALITY, questions_per_image: int = 1) -> dict:
    """The document of a question whose right answer is A."""
    return {
        "image_id": str(number // questions_per_image),
        "dataset": "acevedo_et_al_2020",
        "kind": task.rpartition("_")[2],
        "options": ["light", "electron", "none of the above"],
        "answer_idx": 0,
    }


def sample(number: int, response, task: str = MODALITY, questions_per_image: int = 1) -> dict:
    items = microbench_process_results(question(number, task, questions_per_image), [response])
    return {"doc_id": number, "target": "0", "filtered_resps": response, "input": "?"} | items


def box_sample(number: int, response: str) -> dict:
    doc = {
        **{"image_id": str(number), "dataset": "opencell", "kind": "boxes", "expression": "nucleus"},
        **{"width": 200, "height": 100, "boxes": [_BOX]},
    }
    items = microbench_localization_process_results.for_model("qwen3_vl", None)(doc, [response])
    return {"doc_id": number, "target": json.dumps([_BOX]), "filtered_resps": response, "input": "?"} | items


def answered(letters, task: str = MODALITY, questions_per_image: int = 1) -> list[dict]:
    """Samples of questions 0, 1, …, one for each letter (A is right)."""
    return [sample(number, letter, task, questions_per_image) for number, letter in enumerate(letters)]


def write(folder: Path, samples: dict[str, list[dict]], model: str = "model", name: str = NAME, **metadata) -> Path:
    """Write the samples and the record of a run; ``metadata`` adds to that of each task."""
    folder.mkdir(parents=True, exist_ok=True)
    for task, of_task in samples.items():
        lines = "".join(json.dumps(entry) + "\n" for entry in of_task)
        (folder / f"{name}_samples_{task}.jsonl").write_text(lines)
    stated = {"definition": {"fields": {}, "differs": {}}, "dataset": SOURCE} | metadata
    record = {
        "results": {},
        "configs": {task: {"metadata": stated} for task in samples},
        "n-samples": {task: {"effective": len(found), "original": len(found)} for task, found in samples.items()},
        "config": {"offset": 0, "model": model},
    }
    (folder / f"{name}_results.json").write_text(json.dumps(record))
    return folder


def loaded(folder: Path, samples: dict[str, list[dict]], model: str = "model", **metadata) -> Run:
    return load_run(write(folder, samples, model, **metadata))


def compared(folder: Path, *letters, task: str = MODALITY, questions_per_image: int = 1) -> RunComparison:
    """Compare runs that answer one task with these letters."""
    runs = [
        loaded(folder / str(number), {task: answered(of_run, task, questions_per_image)}, f"model {number}")
        for number, of_run in enumerate(letters)
    ]
    return compare_runs(runs)


def row_of(comparison: RunComparison, name: str = MODALITY, metric: str = "acc") -> PairDifference:
    """The one difference in a metric of a task or group."""
    [row] = [row for row in comparison.of_metric(metric) if row.name == name]
    return row
