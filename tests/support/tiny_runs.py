"""Write runs of a few questions as the harness does: a results file and a samples file per task, without a model."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from microbench_tasks import catalog
from microbench_tasks.data import document_digest, task_data
from microbench_tasks.runs import found_runs, rescoring
from microbench_tasks.tasks import definition_records, yaml_values
from microbench_tasks.tasks.localization import microbench_localization_process_results
from microbench_tasks.tasks.results import microbench_process_results
from tests.support import release
from tests.support.independent import LETTERS, neutral_prompt, protocol_prompt

NAME = "20260102_030405"
COARSE = tuple(f"microbench_coarse_{kind}" for kind in ("domain", "subdomain", "modality", "submodality", "stain"))
BOXES = "microbench_localization_opencell_nuclei"
COGNITION = "microbench_cognition"
NUM_IMAGES, NUM_STAINS = 4, 4


def data(folder: Path) -> Path:
    """Four images with coarse questions, two with boxes, and three cognition questions about two images."""
    rows = [release.row(number) for number in range(NUM_IMAGES)]
    rows += [
        release.row(10 + number, "opencell", polygon=[release.instance("nucleus", [2, 2, 9 + number, 9])])
        for number in range(2)
    ]
    release.write_parquet(folder, rows)
    release.write_cognition(
        folder / "cognition" / "test",
        {
            "a.png": [release.cognition_question(), release.cognition_question(1)],
            "b.png": [release.cognition_question(2)],
        },
    )
    return folder


def right_but_for_every_third(number, doc):
    """The right letter, or the next one; of boxes the gold ones, or none."""
    wrong = number % 3 == 2
    if "boxes" in doc:
        return (
            "[]"
            if wrong
            else json.dumps([dict(zip(("x1", "y1", "x2", "y2"), box, strict=False)) for box in doc["boxes"]])
        )
    return LETTERS[(doc["answer_idx"] + wrong) % len(doc["options"])]


def samples(task: str, answer=right_but_for_every_third) -> list[dict]:
    """As the harness logs them, of the data source at hand."""
    return [
        _sample(task, number, doc, answer(number, doc))
        for number, doc in enumerate(_documents(task).remove_columns("image"))
    ]


def _sample(task, number, doc, response):
    if catalog.task_of(task).subject == "boxes":
        items = microbench_localization_process_results.for_model("open_clip", None)(doc, [response])
        prompt, target = neutral_prompt(doc["expression"], (doc["width"], doc["height"])), json.dumps(doc["boxes"])
    else:
        items, prompt, target = (
            microbench_process_results(doc, [response]),
            protocol_prompt(doc),
            str(doc["answer_idx"]),
        )
    return (
        {"doc_id": number, "target": target, "filtered_resps": response, "doc_hash": "0" * 64}
        | items
        | {"input": prompt}
    )


def write(folder: Path, logged: dict[str, list[dict]], **recorded) -> Path:
    """Write a run's files.

    The results file contains the samples' own figures and what is ``recorded``, by default of the current data source.
    """
    folder.mkdir(parents=True)
    for task, found in logged.items():
        (folder / f"{NAME}_samples_{task}.jsonl").write_text("".join(json.dumps(sample) + "\n" for sample in found))
    results = recorded or record(logged)
    figures = rescoring.rescore(found_runs.find_run([folder])).scores
    results["results"] = {
        name: {f"{metric},none": value for metric, value in found.items()} for name, found in figures.items()
    }
    (folder / f"{NAME}_results.json").write_text(json.dumps(results))
    return folder


# Of the machine that ran the model, as far as it said.
COMMIT = "0123456789" * 4
PACKAGES = {"lmms-eval": "0.7.4", "transformers": "4.57.0"}


def record(logged: dict[str, list[dict]]) -> dict:
    """What the results file says of a run on the data source at hand, but for its figures."""
    configs = {
        task: {"metadata": metadata(task), "generation_kwargs": {"until": [], "max_new_tokens": 100}} for task in logged
    }
    return {
        "configs": configs,
        "n-samples": {task: {"original": len(found), "effective": len(found)} for task, found in logged.items()},
        "n-shot": dict.fromkeys(logged, 0),
        "config": {
            "model": "open_clip",
            "model_args": "model=/home/me/clip,precision=bf16",
            "limit": None,
            "offset": 0,
            "gen_kwargs": "",
            "random_seed": 0,
            "numpy_seed": 1234,
            "torch_seed": 1234,
            "fewshot_seed": 1234,
            "resolved_cli_args": {"predict_only": False, "timezone": "Asia/Singapore"},
        },
        "loaded_model": {
            "checkpoint": "local-dir:/home/me/clip",
            "files": {"folder": "/home/me/clip"},
            "weights_sha256": "ab" * 32,
            "precision": "bf16",
        },
        "system_instruction": None,
        "date": NAME,
    }


def metadata(task: str) -> dict:
    stated = yaml_values.COGNITION_METADATA if task == COGNITION else yaml_values.METADATA
    boxes = (
        {"boxes": microbench_localization_process_results.for_model("open_clip", None).record()}
        if catalog.task_of(task).subject == "boxes"
        else {}
    )
    return (
        stated
        | boxes
        | {"microbench_commit": COMMIT}
        | {"packages": PACKAGES, "asked": document_digest.digest(_documents(task)), "definition": definition(task)}
    )


def definition(task: str) -> dict:
    """The record of a task that nobody redefined."""
    return {
        "model": "open_clip",
        "fields": definition_records.expected_fields(task, "open_clip", is_chat=False),
        "differs": {},
    }


def _documents(task):
    return task_data.resolve(catalog.task_of(task)).documents(catalog.task_of(task))


def edited(path: Path, edit) -> None:
    """Let ``edit`` change the content of a JSON file in place."""
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


def refreshed(folder: Path) -> Path:
    """A submission with the digests of its files as they are now: what a careful forger does."""

    def renew(manifest):
        manifest["files"] = {
            name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in manifest["files"]
        }
        rest = {name: value for name, value in manifest.items() if name != "digest"}
        manifest["digest"] = hashlib.sha256(
            json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()
        ).hexdigest()

    edited(folder / "submission.json", renew)
    return folder
