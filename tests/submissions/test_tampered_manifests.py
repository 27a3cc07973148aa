"""Claims about forged fields of submission.json: each is caught although figures, texts and digests match."""

from __future__ import annotations

import pytest

from microbench_tasks.catalog import pinned_release
from tests.support import forging, tiny_runs
from tests.support.tamperings import (
    COGNITION_DATA,
    DATA,
    FILES,
    FIRST,
    RECORD,
    SAMPLES,
    SCHEMA,
    SCORES,
    Tampering,
    assert_caught,
    at,
    manifest,
    samples,
)
from tests.support.tiny_runs import BOXES, COARSE, COGNITION

CAUGHT = (
    # What was asked about.
    Tampering(
        "other documents", at("data", "asked", FIRST, sha256="0" * 64), DATA, "images included, have the digest 0000"
    ),
    Tampering(
        "other number of documents",
        at("data", "asked", FIRST, num_documents=3),
        RECORD,
        "metadata.asked says 3 documents",
        forging.with_texts,
    ),
    Tampering(
        "no record of the documents",
        manifest(lambda content: content["data"]["asked"].pop(FIRST)),
        SCHEMA,
        f"data.asked: {FIRST} is missing",
        forging.with_texts,
    ),
    Tampering(
        "documents of a task without samples",
        at("data", "asked", microbench_fine_pollen={"sha256": "0" * 64, "num_documents": 1}),
        SCHEMA,
        "data.asked: microbench_fine_pollen has no samples",
    ),
    Tampering("manifest of version 1", at(schema_version=1), SCHEMA, "Run microbench submit again"),
    Tampering(
        "manifest of version 2",
        at(schema_version=2),
        SCHEMA,
        "2 has bootstrap intervals for all scores, and neither the majority answer",
    ),
    Tampering(
        "another revision of the release",
        at(
            "data",
            "sources",
            **dict.fromkeys(
                (*COARSE, BOXES),
                {
                    "source": "hub",
                    "id": pinned_release.HUB_ID,
                    "config": "perception",
                    "revision": "0" * 40,
                    "sha256": "0" * 64,
                    "is_release": False,
                },
            ),
        ),
        RECORD,
        "data.kind is release, but data.sources are local",
    ),
    Tampering(
        "a hash that is not the release's",
        at(
            "data",
            "sources",
            **dict.fromkeys((*COARSE, BOXES), {"source": "folder", "sha256": "0" * 64, "is_release": True}),
        ),
        SCHEMA,
        "is_release is true, which sha256 contradicts",
    ),
    Tampering(
        "other cognition questions",
        at("data", "sources", COGNITION, sha256="0" * 64),
        COGNITION_DATA,
        "is not what the submission is about",
    ),
    # Dates, versions, numbers.
    Tampering(
        "a date that does not exist",
        at("run", date="2099-99-99T99:99:99Z"),
        SCHEMA,
        "run.date: 2099-99-99T99:99:99Z does not exist",
    ),
    Tampering(
        "30 February", at("run", date="2026-02-30T00:00:00Z"), SCHEMA, "run.date: 2026-02-30T00:00:00Z does not exist"
    ),
    Tampering(
        "a date in the future",
        at("run", date="2099-01-01T00:00:00Z"),
        SCHEMA,
        "run.date: 2099-01-01T00:00:00Z is in the future",
    ),
    Tampering(
        "a date before the benchmark",
        at("run", date="2019-05-05T00:00:00Z"),
        SCHEMA,
        "is before the benchmark was published",
    ),
    Tampering(
        "a certified version",
        at("versions", microbench="9.9 certified"),
        SCHEMA,
        "versions.microbench: expected a version number such as 1.2.3, got '9.9 certified'",
    ),
    Tampering(
        "a version yet to come",
        at("versions", microbench="9.9.9"),
        SCHEMA,
        "versions.microbench: 9.9.9 is newer than this version",
    ),
    Tampering(
        "a version that never was", at("versions", microbench="0.0.1"), SCHEMA, "microbench-lmms has no version 0.0.1"
    ),
    Tampering(
        "a package's version that is a sentence",
        at("versions", "packages", torch="the best"),
        SCHEMA,
        "versions.packages.torch",
    ),
    Tampering(
        "another version of the tasks",
        at("versions", task=99.5),
        RECORD,
        "task version 99.5: this package asks and scores as version",
    ),
    Tampering(
        "a paper's interval of another seed",
        at("settings", "interval", "paper", seed=7),
        RECORD,
        "interval settings (metadata.interval): expected",
    ),
    Tampering(
        "an interval of another method",
        at("settings", "interval", "quoted", method="mine"),
        RECORD,
        "interval settings (metadata.interval): expected",
    ),
    Tampering(
        "a level of one's own",
        at("settings", "interval", "quoted", confidence_level=0.5),
        RECORD,
        "interval settings (metadata.interval): expected",
    ),
    Tampering(
        "a number of samples that is no whole one",
        at("num_samples", **{FIRST: 4.0}),
        SCHEMA,
        f"num_samples.{FIRST}: expected a whole number, got 4.0",
        tiny_runs.refreshed,
    ),
    Tampering(
        "a seed that is a truth value",
        at("seeds", torch=True),
        SCHEMA,
        "seeds.torch: expected a whole number, got True",
    ),
    Tampering(
        "precision other than recorded",
        at("model", precision="fp64"),
        SCHEMA,
        "model.precision: is 'fp64', but loaded_model and model_args say 'bf16'",
    ),
    # Surplus keys.
    Tampering("human_verified", at(human_verified=True), SCHEMA, "unknown field 'human_verified'"),
    Tampering(
        "human_verified in the model", at("model", human_verified=True), SCHEMA, "unknown field 'human_verified'"
    ),
    Tampering(
        "human_verified in the checkpoint's record",
        at("model", "loaded_model", human_verified=True),
        SCHEMA,
        "unknown field 'human_verified'",
    ),
    Tampering(
        "human_verified among packages",
        at("versions", "packages", human_verified="1.0"),
        SCHEMA,
        "unknown field 'human_verified'. Expected 'datasets', 'pillow'",
    ),
    Tampering(
        "human_verified in a data source",
        at("data", "sources", COGNITION, human_verified=True),
        SCHEMA,
        "data.sources.microbench_cognition",
    ),
    Tampering(
        "human_verified among scores",
        at("scores", FIRST, human_verified=1.0),
        SCORES,
        f"scores.{FIRST}.human_verified is 1.0; the samples give nothing",
        forging.with_texts,
    ),
    Tampering(
        "human_verified in a sample",
        samples(lambda found: found[0].update(human_verified=True)),
        SAMPLES,
        "human_verified: unknown field",
    ),
    Tampering(
        "predicted other than the response says",
        samples(lambda found: found[2]["acc"].update(predicted=found[2]["acc"]["gold"])),
        SAMPLES,
        "acc.predicted: unknown field",
    ),
    Tampering(
        "an empty folder",
        lambda folder: (folder / "human_verified").mkdir(),
        FILES,
        "human_verified does not belong to this submission",
    ),
    # Characters.
    Tampering(
        "a name that turns around",
        at("model", name="CLIP \u202egnp"),
        SCHEMA,
        r"model.name: contains a character that does not print: 'CLIP \u202egnp'",
    ),
    Tampering(
        "an argument that cannot be seen",
        at("model", model_args="model=clip,\u200bprecision=bf16"),
        SCHEMA,
        r"model.model_args: contains a character that does not print",
    ),
    Tampering(
        "a key that cannot be seen",
        at("model", "loaded_model", files={"fold\u200ber": "clip"}),
        SCHEMA,
        "model.loaded_model.files: a key contains a character",
    ),
    Tampering(
        "an address that is a script",
        at("model", url="javascript:alert(1)"),
        SCHEMA,
        "model.url: expected a URL that starts with http:// or https://, got 'javascript:alert(1)'",
    ),
    # Settings that add to a prompt, or cut an answer.
    Tampering(
        "a system prompt",
        at("model", model_args="model=clip,precision=bf16,system_prompt=Think."),
        RECORD,
        "model.model_args: system_prompt",
    ),
    Tampering(
        "an answer cut at a word",
        at("model", "generation_kwargs", FIRST, until=["B"]),
        RECORD,
        f"model.generation_kwargs.{FIRST}: until: it cuts the answer",
    ),
)


@pytest.mark.parametrize("tampering", CAUGHT, ids=lambda tampering: tampering.name)
def test_a_tampering_with_all_digests_renewed_is_caught_with_its_reason(tampering, folder):
    assert_caught(tampering, folder)
