"""Claims about forgeries that no check can find: each passes, and is listed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from microbench_tasks.data import source_identity
from microbench_tasks.submissions import limits, manifest_file
from microbench_tasks.submissions.manifest_model import Manifest
from microbench_tasks.tasks import box_format_choice, box_format_setting, recorded_values
from tests.support.forging import (
    as_far_as_possible,
    change_manifest,
    change_samples,
    failures,
)
from tests.support.tamperings import FIRST, LETTERS, at, both, drop_task, samples
from tests.support.tiny_runs import BOXES, COARSE

RECORDED = "prompt for boxes (metadata.boxes): "
NEW_PROMPT = "Give the boxes of every {class} as numbers from 0 to 1000."


def all_right(found):
    for sample in found:
        sample.update(filtered_resps=LETTERS[int(sample["target"])], score=1.0)


def swap_answers(found):
    """Documents 0 and 2: the wrong answer is given elsewhere."""
    found[0].update(filtered_resps="Z", score=0.0)
    found[2].update(filtered_resps=LETTERS[int(found[2]["target"])], score=1.0)


def by_hand(folder):
    """Another prompt and convention, as a setting would give them, in the record and in each sample."""
    made = box_format_choice.ChosenFormat(
        box_format_setting.parse_format({"convention": "grid1000_xyxy", "prompt": NEW_PROMPT}, "x"),
        box_format_setting.SETTING,
    )
    change_manifest(folder, lambda content: content["settings"].update(boxes=json.loads(json.dumps(made.record()))))

    def ask(found):
        for sample in found:
            sample["grit"]["convention"] = "grid1000_xyxy"
            sample.update(
                input=NEW_PROMPT.replace("{class}", sample["grit"]["expression"]), filtered_resps="[]", score=0.0
            )

    change_samples(folder, BOXES, ask)


def on_the_hub(folder):
    at("data", "sources", **dict.fromkeys((*COARSE, BOXES), source_identity.release_identity()))(folder)


UNKNOWABLE = (
    ("another name", at("model", name="GPT-9"), "model"),
    ("another checkpoint", at("model", "loaded_model", weights_sha256="0" * 64), "model"),
    (
        "another precision everywhere",
        both(at("model", "loaded_model", precision="fp32"), at("model", precision="fp32")),
        "model",
    ),
    ("another class", at("model", backend="lmms_eval.models.chat.gpt9.GPT9"), "model"),
    ("other arguments", at("model", model_args="model=gpt9,precision=bf16"), "arguments"),
    ("other settings of generation", at("model", "generation_kwargs", FIRST, temperature=1.5), "arguments"),
    ("all answers right", samples(all_right), "answers"),
    ("answers at other places", samples(swap_answers), "answers"),
    ("a format of boxes by hand", by_hand, "boxes"),
    ("a date in the past", at("run", date="2025-05-05T00:00:00Z"), "date"),
    ("another name of the run", at("run", name="20250505_000000"), "date"),
    ("another commit", at("versions", commit="f" * 40), "environment"),
    ("other packages", at("versions", "packages", torch="2.0.0"), "environment"),
    ("other seeds", at("seeds", torch=7), "environment"),
    ("a task left out", drop_task(FIRST), "selection"),
    ("the Hub instead of a copy", on_the_hub, "source"),
)


@pytest.mark.parametrize(
    ("edit", "limit"), [(edit, limit) for _, edit, limit in UNKNOWABLE], ids=[name for name, *_ in UNKNOWABLE]
)
def test_what_no_check_can_know_passes_and_is_listed(edit, limit, folder, original):
    edit(folder)
    as_far_as_possible(folder)
    assert failures(folder) == {}
    assert manifest_file.read_manifest(folder)["digest"] != manifest_file.read_manifest(original)["digest"]
    assert limit in {found.name for found in limits.LIMITS}


def test_every_field_is_checked_or_listed():
    """A field of the manifest is named by a limit, or by a tampering that is caught."""
    checked = {
        "schema_version",
        "data.kind",
        "data.asked",
        "versions.task",
        "settings.interval",
        "num_samples",
        "num_in_total",
        "chance",
        "majority",
        "scores",
        "files",
    }
    listed = {field for limit in limits.LIMITS for field in limit.fields}
    fields = set()
    for name, stated in Manifest.model_fields.items():
        is_split = name in ("model", "data", "versions", "settings", "run")
        fields |= {f"{name}.{field}" for field in stated.annotation.model_fields} if is_split else {name}
    assert fields == checked | listed


def test_the_definition_that_ran_is_no_part_of_a_submission(original):
    """So only submit can compare it, and the list says so."""
    assert "definition" not in (original / "submission.json").read_text()
    assert recorded_values.FUNCTION not in (original / "submission.json").read_text()
    assert any(limit.name == "definition" for limit in limits.LIMITS)


def test_the_documentation_lists_what_no_check_can_know_word_for_word():
    page = (Path(__file__).parents[2] / "docs" / "submissions.md").read_text()
    # Its lines are broken elsewhere.
    assert " ".join(f"- {line}" for line in limits.as_lines()) in " ".join(page.split())
