"""Claims about the data of submissions: the release, the demo set, others."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from pathlib import Path

import pytest

from microbench_tasks.catalog import pinned_release
from microbench_tasks.data import source_identity
from microbench_tasks.leaderboard import data as identity
from microbench_tasks.leaderboard.data import Data
from microbench_tasks.leaderboard.entries import entries_of
from microbench_tasks.leaderboard.ranking import rank
from microbench_tasks.util.errors import DataError
from tests.support.leaderboards import (
    COARSE,
    LOCAL,
    RELEASE,
    answers,
    entry,
    hub_sources,
    logged_coarse,
)


def test_a_copy_of_the_release_is_the_release_and_a_changed_one_is_not(tmp_path):
    rescored = logged_coarse(tmp_path)
    whole = hashlib.sha256("\n".join(pinned_release.RELEASE_SHARDS).encode()).hexdigest()
    copy, changed = (
        {"source": "folder", "sha256": sha256, "is_release": is_release}
        for sha256, is_release in ((whole, True), ("0" * 64, False))
    )
    on_hub, copied, other = (
        entries_of("m", rescored, sources, 1.0)[0].data
        for sources in (
            hub_sources(rescored.samples),
            dict.fromkeys(rescored.samples, copy),
            dict.fromkeys(rescored.samples, changed),
        )
    )
    assert on_hub == copied and on_hub.kind == "release"
    assert other.kind == "local"


def test_one_task_on_other_data_makes_the_group_local(tmp_path):
    rescored = logged_coarse(tmp_path)
    sources = hub_sources(rescored.samples) | {f"{COARSE}_stain": {"source": "folder", "sha256": "0" * 64}}
    [found] = entries_of("m", rescored, sources, 1.0)
    assert found.data.kind == "local"


def test_the_release_has_no_cognition_questions():
    on_hub = {
        "source": "hub",
        "id": pinned_release.HUB_ID,
        "config": "cognition",
        "revision": "a" * 40,
        "sha256": "0" * 64,
    }
    [ranking] = rank(
        [entry("m", answers(0.5, 1), "microbench_cognition", identity.data_of("microbench_cognition", [on_hub]))], ["m"]
    )
    assert ranking.data.kind == "local"
    assert (
        "nothing here shows that these are the paper's (121 about 54 images; here are 200 about 100)" in ranking.caution
    )


DEMO_SOURCE = {"source": "demo", "version": 1, "seed": 5, "sha256": "ab" * 32}
OTHER_FOLDER = {"source": "folder", "sha256": "0" * 64, "is_release": False}


@pytest.mark.parametrize(
    ("whole", "other"),
    [
        (DEMO_SOURCE, {"source": "demo", "sha256": "ab" * 32}),
        (DEMO_SOURCE, DEMO_SOURCE | {"seed": 6}),
        (OTHER_FOLDER, {"source": "folder", "sha256": "0" * 64}),
    ],
)
def test_the_content_hash_alone_says_what_data_are_the_same(whole, other):
    assert identity.data_of(COARSE, [whole]) == identity.data_of(COARSE, [other])


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (DEMO_SOURCE | {"note": 1}, "unknown field 'note' for a source of demo"),
        (OTHER_FOLDER | {"path": "here"}, "unknown field 'path' for a source of folder"),
        ({"source": "demo", "version": 1}, "sha256: expected [0-9a-f]{64}, got None"),
        (DEMO_SOURCE | {"sha256": "AB" * 32}, "sha256: expected [0-9a-f]{64}, got 'ABAB"),
        (
            {"source": "hub", "id": pinned_release.HUB_ID, "config": pinned_release.HUB_CONFIG},
            "revision: expected [0-9a-f]{40}, got None",
        ),
        (
            {
                "source": "hub",
                "id": pinned_release.HUB_ID,
                "config": pinned_release.HUB_CONFIG,
                "revision": pinned_release.HUB_REVISION,
            },
            "sha256: expected [0-9a-f]{64}, got None",
        ),
        (source_identity.release_identity() | {"sha256": "0" * 64}, "is_release contradicts the hash"),
        ({"source": "elsewhere", "sha256": "0" * 64}, "expected a source of hub, folder, demo, own, got 'elsewhere'"),
        ({"source": ["demo"]}, "expected a source of hub, folder, demo, own, got ['demo']"),
        (OTHER_FOLDER | {"is_release": True}, "is_release contradicts the hash"),
        (
            {
                "source": "folder",
                "sha256": hashlib.sha256("\n".join(pinned_release.RELEASE_SHARDS).encode()).hexdigest(),
            },
            "is_release contradicts the hash",
        ),
    ],
)
def test_a_source_that_no_run_records_is_refused_by_submission_and_task(found, message, coarse):
    sources = dict.fromkeys(coarse.samples, DEMO_SOURCE)
    identity.check_sources(Path("posing"), coarse, sources)
    with pytest.raises(DataError, match=re.escape(f"posing: submission.json, data.sources.{COARSE}_stain: {message}")):
        identity.check_sources(Path("posing"), coarse, sources | {f"{COARSE}_stain": found})


@pytest.fixture(scope="module")
def coarse(tmp_path_factory):
    return logged_coarse(tmp_path_factory.mktemp("coarse"))


@pytest.mark.parametrize(
    ("cells", "glands", "said"),
    [
        (1105, 80, ""),
        (9, 80, "numbers of images differ from it (9 of opencell, of which the release has 1,105)"),
        (1105, 81, "(81 of sirinukunwattana_et_al_2016, of which the release has 80)"),
    ],
)
def test_boxes_of_other_numbers_of_images_than_the_releases_are_said(cells, glands, said):
    images = [
        *(f"opencell/{number}" for number in range(cells)),
        *(f"sirinukunwattana_et_al_2016/{number}" for number in range(glands)),
    ]
    questions = tuple(
        ("microbench_localization_glands", number, image, "nucleus") for number, image in enumerate(images)
    )
    found = dataclasses.replace(
        entry("m", answers(0.5, 1, len(images)), "microbench_localization", RELEASE), questions=questions
    )
    [ranking] = rank([found], ["m"])
    assert said in ranking.caution and bool(said) == bool(ranking.caution)


def test_cognition_questions_may_be_the_papers_for_all_we_know():
    [ranking] = rank([entry("m", answers(0.5, 1), "microbench_cognition", LOCAL)], ["m"])
    assert "nothing here shows that these are the paper's" in ranking.caution


def test_a_hash_that_is_markup_is_not_shown_as_such():
    hostile = Data("demo", json.dumps([{"source": "demo", "sha256": "<script>|a|"}]))
    assert hostile.shown() == "demo (scripta)"
