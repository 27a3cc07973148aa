"""Logs of single tasks as the harness writes them, for claims about reading and scoring them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from microbench_tasks.runs import found_runs, rescoring
from microbench_tasks.runs.rescoring import Rescored
from microbench_tasks.tasks.localization import microbench_localization_process_results
from microbench_tasks.tasks.results import microbench_process_results

RUN = "20260101_000000"
TASK = "microbench_coarse_modality"
BOX_TASK = "microbench_localization_opencell_nuclei"
OPTIONS = ["light", "electron", "none of the above"]
PROMPT = "Answer with a single letter, no extra details.\nQuestion:Which?\nA) light\nB) electron\nC) none of the above"


def question(number: int, gold: int = 0) -> dict[str, Any]:
    """Return the document of a question whose right option has the position ``gold``."""
    return {
        "image_id": str(number),
        "dataset": "acevedo_et_al_2020",
        "kind": "modality",
        "options": OPTIONS,
        "answer_idx": gold,
    }


def logged_sample(number: int, response: str, gold: int = 0) -> dict[str, Any]:
    """Return a sample as the harness writes it: items, response and prompt, no document."""
    logged = {"doc_id": number, "target": str(gold), "filtered_resps": response, "input": PROMPT}
    return logged | microbench_process_results(question(number, gold), [response])


def logged_boxes(response: str, target: str) -> dict[str, Any]:
    """Return a sample about one gold box, in an image of 200 by 100 pixels, of a model with the format of Qwen3-VL."""
    doc = {
        "image_id": "7",
        "dataset": "opencell",
        "kind": "boxes",
        "expression": "nucleus",
        "width": 200,
        "height": 100,
        "boxes": [[20.0, 10.0, 40.0, 30.0]],
    }
    items = microbench_localization_process_results.for_model("qwen3_vl", None)(doc, [response])
    return {"doc_id": 0, "target": target, "filtered_resps": response, "input": "Locate"} | items


def write_samples(folder: Path, samples: list[dict[str, Any]], task: str = TASK, run: str = RUN) -> Path:
    """Write the samples file of a task."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{run}_samples_{task}.jsonl"
    path.write_text("".join(json.dumps(entry) + "\n" for entry in samples))
    return path


def write_results(
    folder: Path,
    effective: int = 2,
    original: int = 2,
    results: dict[str, Any] | None = None,
    **metadata: Any,
) -> Path:
    """Write the parts of a results file that are read; by default of a task that nobody redefined."""
    metadata = {"definition": {"fields": {}, "differs": {}}} | metadata
    path = folder / f"{RUN}_results.json"
    content = {
        "results": results or {},
        "configs": {TASK: {"metadata": metadata}},
        "n-samples": {TASK: {"effective": effective, "original": original}},
        "config": {"offset": 0},
    }
    path.write_text(json.dumps(content))
    return path


def rescore(*paths: Path) -> Rescored:
    """Score the one run among some files and folders again."""
    return rescoring.rescore(found_runs.find_run(paths))
