"""Claims about the typed records of ``submission.json`` and the JSON schema that is generated from them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from operator import setitem
from typing import Any

import jsonschema
import pytest
from pydantic import ValidationError

from microbench_tasks.submissions import json_schema
from microbench_tasks.submissions.manifest_checks import find_schema_problems
from microbench_tasks.submissions.manifest_model import SCHEMA_VERSION, Manifest
from microbench_tasks.tasks import yaml_values
from tests.support.tiny_runs import BOXES, COARSE, COGNITION

TASK = COARSE[0]
SCHEMA = json_schema.build_schema()
SHA256 = "0123456789abcdef" * 4
COUNTS = {"questions": 4, "images": 4, "datasets": 1}
MANIFEST: dict[str, Any] = {
    "schema_version": 4,
    "model": {
        "name": "My CLIP",
        "url": "https://huggingface.co/me/my-clip",
        "harness_model": "open_clip",
        "backend": "OpenCLIP",
        "model_args": "model=clip,precision=bf16",
        "loaded_model": {
            "checkpoint": "clip",
            "files": None,
            "architecture": {"width": 8},
            "weights_sha256": SHA256,
            "preprocessing": ["resize"],
            "padding": "longest",
            "context_length": 77,
            "tokenizer": None,
            "precision": "bf16",
            "device": "cpu",
            "compiled": False,
            "merge": {"alpha": 0.5},
            "texts_cut": ["a long text"],
            "questions_cut_alike": 0,
        },
        "precision": "bf16",
        "gen_kwargs": None,
        "generation_kwargs": {task: {"max_new_tokens": 100} for task in (TASK, BOXES, COGNITION)},
    },
    "data": {
        "kind": "local",
        "sources": {
            TASK: {"source": "folder", "sha256": SHA256, "is_release": False},
            BOXES: {
                "source": "hub",
                "id": "me/cells",
                "config": "perception",
                "revision": "main",
                "sha256": SHA256,
                "is_release": False,
            },
            COGNITION: {"source": "demo", "version": "1.0", "seed": 1, "sha256": SHA256},
        },
        "asked": {task: {"sha256": SHA256, "num_documents": 4} for task in (TASK, BOXES, COGNITION)},
    },
    "versions": {"microbench": "0.1.0", "task": 2.0, "lmms_eval": "unknown", "packages": {"torch": "2.4.0+cu121"}},
    "settings": {
        "interval": {
            "paper": {"method": "basic", "confidence_level": 0.95, "num_resamples": 9999, "seed": 42},
            "quoted": {"method": "Clopper-Pearson", "confidence_level": 0.95},
        },
        "boxes": {
            "convention": "pixels_xyxy",
            "prompt": "Find {class}.",
            "prompt_when_empty": None,
            "limits": [1, 2],
            "source": "neutral",
            "chosen_by": "default",
        },
    },
    "seeds": {"random": 0, "numpy": None, "torch": 1234, "fewshot": 1234},
    "run": {"name": "20260102_030405", "date": "2026-01-02T03:04:05Z", "samples_url": "https://example.org"},
    "num_samples": {TASK: 4, BOXES: 4, COGNITION: 4},
    "num_in_total": {TASK: 4, COGNITION: 4},
    "chance": {TASK: 0.25, COGNITION: 1},
    "majority": {TASK: 0.5, COGNITION: 1},
    "scores": {
        TASK: {"acc": 0.75, "acc_ci_low": None, "unparsed_by_kind": {"refusal": 1}, "counts": COUNTS},
        BOXES: {"grit": 1, "boxes_counts": COUNTS},
    },
    "files": {"README.md": SHA256, f"samples/{TASK}.jsonl.gz": SHA256},
    "digest": SHA256,
}
# A value of every kind, and values that break or meet the conditions of single fields.
VALUES = (None, True, 0, -1, 0.5, 2.0, "", "a b", "x\n", "demo", SHA256, [1, 2], {"x": 1})


def is_integer(checker, value):
    """JSON Schema counts 2.0 as an integer; the file form does not."""
    return isinstance(value, int) and not isinstance(value, bool)


def validator():
    checker = jsonschema.Draft202012Validator.TYPE_CHECKER.redefine("integer", is_integer)
    return jsonschema.validators.extend(jsonschema.Draft202012Validator, type_checker=checker)(SCHEMA)


def places(value: Any, place: tuple = ()) -> Iterator[tuple]:
    """Yield the place of each value in a JSON value, as keys from the outside in."""
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield (*place, key)
        yield from places(value[key], (*place, key))


def changed(place: tuple, change: Callable[[Any, Any], object]) -> dict:
    """Return the manifest after a change: a function of the object that has the place's last key, and of that key."""
    content = copy.deepcopy(MANIFEST)
    parent = content
    for key in place[:-1]:
        parent = parent[key]
    change(parent, place[-1])
    return content


def variants() -> Iterator[tuple[str, dict]]:
    """Yield the manifest with one change: a value replaced or removed, or a field added to an object."""
    for place in places(MANIFEST):
        yield f"{place} removed", changed(place, lambda parent, key: parent.pop(key))
        for value in VALUES:
            yield f"{place} = {value!r}", changed(place, lambda parent, key, value=value: setitem(parent, key, value))
    for place in {place[:-1] for place in places(MANIFEST) if isinstance(place[-1], str)}:
        for name in ("human_verified", "microbench_x", "Not a name"):
            for value in (1, "1.0", {}, MANIFEST["data"]["sources"][BOXES]):
                added = changed((*place, name), lambda parent, key, value=value: setitem(parent, key, value))
                yield f"{place} with {name}: {value!r}", added


def test_the_shipped_schema_is_the_one_of_the_records():
    assert json_schema.SCHEMA_FILE.read_text(encoding="utf-8") == json_schema.format_schema(), (
        "run python scripts/write_schema.py"
    )


def test_the_schema_is_one_and_documents_every_field():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)

    # Of these parts the description of the whole is enough.
    described_as_a_whole = {"Asked", "Boxes", "Counts", "PaperInterval", "QuotedInterval"}
    sources = {name for name in SCHEMA["$defs"] if name.endswith("Source")}
    records = {"submission": SCHEMA} | SCHEMA["$defs"]
    undocumented = [
        f"{name}.{field}"
        for name, record in records.items()
        for field, stated in record["properties"].items()
        if name not in described_as_a_whole | sources and "description" not in stated | _referenced(stated)
    ]
    assert undocumented == []
    assert [name for name, record in records.items() if "description" not in record] == []


def _referenced(stated):
    return SCHEMA["$defs"][stated["$ref"].rpartition("/")[2]] if "$ref" in stated else {}


def test_the_schema_names_the_packages_that_runs_record():
    names = SCHEMA["$defs"]["Versions"]["properties"]["packages"]["propertyNames"]["enum"]
    assert {"lmms-eval", *names} == set(yaml_values.PACKAGES)


def test_the_records_and_the_schema_accept_and_refuse_the_same():
    schema, disagreements, verdicts = validator(), [], {True: 0, False: 0}
    for name, content in [("unchanged", MANIFEST), *variants()]:
        try:
            Manifest.model_validate(content)
        except ValidationError:
            fits_records = False
        else:
            fits_records = True
        verdicts[fits_records] += 1
        if schema.is_valid(content) != fits_records:
            disagreements.append(name)
    assert disagreements == []
    assert verdicts[True] > 100 and verdicts[False] > 1_000


def test_the_records_give_back_the_content_of_the_file():
    assert Manifest.model_validate(MANIFEST).model_dump(exclude_unset=True) == MANIFEST


def test_numbers_keep_their_kind():
    """So the text that is made of a manifest does not depend on who reads it."""
    manifest = Manifest.model_validate(MANIFEST)
    assert [repr(number) for number in (manifest.versions.task, manifest.scores[BOXES].value("grit"))] == ["2.0", "1"]


def test_the_schema_version_is_the_one_of_the_records():
    assert Manifest.model_validate(MANIFEST).schema_version == SCHEMA_VERSION


@pytest.mark.parametrize(
    ("place", "value", "problem"),
    [
        (("model", "name"), 5, "model.name: expected a text, got 5"),
        (("model", "name"), "x\n", r"model.name: expected one line of 1 to 200 printable characters"),
        (("model", "url"), None, "model.url: expected a text, got None"),
        (("model", "model_args"), 5, "model.model_args: expected a text or an object, got 5"),
        (("model", "loaded_model", "compiled"), 1, "model.loaded_model.compiled: expected true or false, got 1"),
        (("model", "loaded_model", "texts_cut"), [1], "model.loaded_model.texts_cut[0]: expected a text, got 1"),
        (("model", "generation_kwargs", TASK), 5, f"model.generation_kwargs.{TASK}: expected an object, got 5"),
        (("data", "kind"), "best", "data.kind: expected 'release', 'demo', 'local' or 'own', got 'best'"),
        (("data", "sources", TASK, "sha256"), 5, f"data.sources.{TASK}.sha256: expected a text, got 5"),
        (("data", "sources", TASK), {"source": "demo"}, f"data.sources.{TASK}.version: is missing"),
        (("data", "sources", TASK, "path"), "/data", f"data.sources.{TASK}: unknown field 'path'. Leave it out"),
        (("settings", "boxes", "limits"), [1], "settings.boxes.limits: expected at least 2 items"),
        (("seeds", "torch"), 1.5, "seeds.torch: expected a whole number, got 1.5"),
        (("num_samples", TASK), 0, f"num_samples.{TASK}: expected greater than or equal to 1, got 0"),
        (("num_samples", "other"), 1, "num_samples: unknown field 'other'. Expected the name of a task or group"),
        (("chance", TASK), 1.5, f"chance.{TASK}: expected less than or equal to 1, got 1.5"),
        (("scores", TASK, "acc"), "high", f"scores.{TASK}.acc: expected a whole number or a number, got 'high'"),
        (("scores", TASK, "counts", "images"), -1, f"scores.{TASK}.counts.images: expected greater than or equal to 0"),
        (("digest",), "abc", "digest: expected a SHA-256 of 64 hexadecimal digits, got 'abc'"),
        (("best",), True, "unknown field 'best'. Leave it out"),
    ],
)
def test_a_problem_names_the_field_and_what_was_expected(place, value, problem):
    content = changed(place, lambda parent, key: setitem(parent, key, value))
    problems = find_schema_problems(content)
    assert any(found.startswith(f"submission.json, {problem}") for found in problems), problems
