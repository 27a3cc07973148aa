"""Claims about rankings and their files, on plain entries and on small logs."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import io
import json
import os
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from microbench_tasks.catalog import pinned_release, table1
from microbench_tasks.data import source_identity
from microbench_tasks.leaderboard import data as identity
from microbench_tasks.leaderboard import entries as submitted
from microbench_tasks.leaderboard import files, tables
from microbench_tasks.leaderboard import ranking as rankings
from microbench_tasks.leaderboard.data import Data
from microbench_tasks.leaderboard.entries import Entry, entries_of
from microbench_tasks.leaderboard.page import as_html
from microbench_tasks.leaderboard.ranking import Leaderboard, Versus, rank, ranks_of
from microbench_tasks.leaderboard.records import as_csv, as_json, csv_text, pairs_as_csv
from microbench_tasks.leaderboard.text import as_markdown
from microbench_tasks.metrics.intervals import ABOUT_IMAGES, accuracy_interval, macro_interval
from microbench_tasks.metrics.paired import compare_models, compare_pair
from microbench_tasks.runs import logs, rescoring
from microbench_tasks.tasks.results import microbench_process_results, score_boxes
from microbench_tasks.util.errors import DataError
from microbench_tasks.util.text_safety import markdown_text, printable_line

COARSE = "microbench_coarse"
DEMO = Data("demo", '[{"source": "demo", "sha256": "0123456789abcdef"}]')
OTHER_DEMO = Data("demo", '[{"source": "demo", "sha256": "fedcba9876543210"}]')
LOCAL = Data("local", '[{"source": "folder", "sha256": "aaaabbbbcccc"}]')
RELEASE = Data("release", '[{"source": "hub", "revision": "3f2c5b59"}]')
HOSTILE = [
    "=1+1",
    "+cmd|' /C calc'!A0",
    "-2",
    "@SUM(A1)",
    "＝1",
    "a|b",
    "a\\|b",
    "a\\",
    "`code`",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[click](https://evil.example)",
    "https://evil.example",
    "www.evil.example",
    "**bold**",
    "_a_ ~~b~~",
    "two\nlines\r\n| x |",
    "\u202egnp.exe",
    "\x1b[31mred",
    "$\\frac{1}{0}$",
    '"quoted", and more',
    "&lt;b&gt;",
]

# Table 1, copied by hand: accuracy and half width as printed.
TABLE1 = {
    COARSE: "GPT-4o 62.68 0.35, CogVLM 52.05 0.35, QwenVLM 49.85 0.35, BiomedCLIP 47.57 0.34, ALIGN 40.7 0.34, OpenCLIP 36.34 0.33, PaliGemma 36.29 0.33, CLIP 35.41 0.34, PLIP 31.11 0.32, CONCH 27.84 0.31, QuiltNet 26.58 0.31, Random 18.34 0.27",
    "microbench_fine": "GPT-4o 51.73 0.82, BiomedCLIP 34.65 0.75, CONCH 33.64 0.72, ALIGN 31.9 0.72, CLIP 30.09 0.71, OpenCLIP 29.36 0.69, CogVLM 28.18 0.70, QuiltNet 27.85 0.69, QwenVLM 27.81 0.70, PLIP 25.49 0.68, PaliGemma 21.29 0.64, Random 19.13 0.60",
    "microbench_cognition": "GPT-4o 62.00 9.00, QwenVLM 41.00 10.00, CogVLM 41.00 10.00, OpenCLIP 38.33 8.33, ALIGN 31.00 9.00, CLIP 28.00 9.00, PaliGemma 25.00 8.00, BiomedCLIP 25.00 8.00, CONCH 18.00 7.00, Random 17.00 7.00, PLIP 17.00 7.00, QuiltNet 13.00 6.00",
}
PRINTED = {group: [tuple(entry.split()) for entry in line.split(", ")] for group, line in TABLE1.items()}


def entry(
    model,
    scores,
    group=COARSE,
    data=DEMO,
    version=1.0,
    questions_per_image=2,
    right="A",
    tasks=("domain", "stain", "modality"),
):
    scores = np.array(scores, dtype=float)
    questions = tuple(
        (f"{group}_{tasks[0]}", number, f"set/{number // questions_per_image:04d}", right)
        for number in range(len(scores))
    )
    return Entry(
        model,
        group,
        data,
        version,
        questions,
        scores,
        {"acc_strict": scores.mean(), "unparsed": 0.125, "chance": 0.25, "majority": 0.375},
        {f"{group}_{task}": scores.mean() for task in tasks},
    )


def answers(rate, seed, number=200):
    return np.random.default_rng(seed).random(number) < rate


def board(entries, models=None):
    return Leaderboard(tuple(rank(entries, models or list(dict.fromkeys(found.model for found in entries)))))


@pytest.fixture(scope="module")
def three():
    """A good model, and two of which neither is known to be better."""
    return [entry("middling", answers(0.5, 1)), entry("good", answers(0.95, 2)), entry("like it", answers(0.47, 3))]


# --- ranks ---------------------------------------------------------------------------


def test_models_that_are_not_known_to_differ_share_a_rank(three):
    [ranking] = rank(three, ["good", "middling", "like it"])
    assert [(row.entry.model, row.place) for row in ranking.rows] == [
        ("good", "1"),
        ("middling", "2="),
        ("like it", "2="),
    ]
    assert [row.versus_next and row.versus_next.verdict for row in ranking.rows] == ["better", "tie", None]


def test_a_row_has_the_mean_its_interval_by_image_and_the_comparison_with_the_next(three):
    [ranking] = rank(three, ["good", "middling", "like it"])
    images = np.arange(200) // 2
    good, middling = three[1].scores, three[0].scores
    row = ranking.rows[0]
    assert row.entry.score == pytest.approx(good.mean())
    assert row.interval == accuracy_interval(good, images)
    assert row.versus_next.difference == pytest.approx(good.mean() - middling.mean())
    expected = compare_models([found.scores for found in three], images)
    assert (row.versus_next.low, row.versus_next.high, row.versus_next.p) == (
        expected.low[1, 0],
        expected.high[1, 0],
        expected.p[1, 0],
    )
    assert (ranking.num_questions, ranking.num_images) == (200, 100)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_the_order_of_submissions_changes_no_file(order, three):
    expected, found = (
        board([three[index] for index in indices], ["good", "middling", "like it"]) for indices in ((0, 1, 2), order)
    )
    for make in (as_markdown, as_csv, as_json):
        assert make(found, with_paper=True) == make(expected, with_paper=True)


def right_about(*ranges):
    """Answers to 100 questions, one about each image: right within the ranges."""
    return np.array([any(start <= number < end for start, end in ranges) for number in range(100)])


# A is better than B: it alone is right on 14 questions, and B alone on none.
# A and C differ on 50 and 35, B and C on 36 and 35.
INTRANSITIVE = {"A": right_about((0, 60)), "B": right_about((0, 46)), "C": right_about((0, 10), (60, 95))}


def intransitive(models):
    return [entry(model, INTRANSITIVE[model], questions_per_image=1) for model in models]


def test_a_rank_is_one_more_than_the_number_of_models_that_are_better():
    [ranking] = rank(intransitive("ABC"), list("ABC"))
    # McNemar's exact tests: A against B 2 / 2^14, A against C of 85 at least 50, B against C of 71 at least 36.
    assert ranking.comparison.pair_p[0, 1] == pytest.approx(2 / 2**14)
    assert ranking.comparison.pair_p[0, 2] == pytest.approx(stats.binomtest(50, 85).pvalue)
    assert [(row.entry.model, row.place) for row in ranking.rows] == [("A", "1="), ("B", "2"), ("C", "1=")]
    verdicts = [ranking.versus(*pair).verdict for pair in ((0, 1), (0, 2), (1, 2), (1, 0))]
    assert verdicts == ["better", "tie", "tie", "worse"]


def test_a_rank_below_that_of_a_lower_score_is_said():
    found, ordered = board(intransitive("ABC")), board(intransitive("AB"))
    said = "A model ranks below one of a lower score here"
    assert said in as_markdown(found, with_paper=False) and said in as_html(found, with_paper=False)
    assert said not in as_markdown(ordered, with_paper=False)


def test_ranks_count_better_models():
    """Each model is right on 20 images more than the next: all are told apart but for the last two, which are alike."""
    scores = [np.arange(100) < number for number in (90, 70, 50, 50)]
    assert ranks_of(compare_models(scores, np.arange(100))) == [1, 2, 3, 3]


def test_equal_models_are_named_in_the_order_of_the_alphabet_and_tied():
    [ranking] = rank([entry("b", answers(0.5, 1)), entry("a", answers(0.5, 1))], ["a", "b"])
    assert [(row.entry.model, row.place) for row in ranking.rows] == [("a", "1="), ("b", "1=")]
    assert (ranking.rows[0].versus_next.difference, ranking.rows[0].versus_next.p) == (0, 1)


def test_a_model_alone_is_first_and_compared_with_no_one():
    [ranking] = rank([entry("alone", answers(0.5, 1))], ["alone"])
    assert [(row.place, row.versus_next) for row in ranking.rows] == [("1", None)]


# --- what is not ranked together -----------------------------------------------------


def test_other_data_and_other_versions_are_ranked_apart_and_said():
    entries = [
        entry("a", answers(0.5, 1)),
        entry("b", answers(0.5, 2), data=OTHER_DEMO),
        entry("c", answers(0.5, 3), version=2.0),
        entry("d", answers(0.5, 4), data=RELEASE),
    ]
    rankings = rank(entries, ["a", "b", "c", "d", "e"])
    assert [[row.entry.model for row in ranking.rows] for ranking in rankings] == [["d"], ["a"], ["c"], ["b"]]
    assert rankings[1].absent == {
        "b": "other data: demo (fedcba98)",
        "c": "other version of the tasks: 2.0",
        "d": "other data: release (3f2c5b59)",
        "e": "did not answer all of microbench_coarse",
    }


def test_a_model_without_a_group_is_not_in_its_ranking():
    both = [entry("a", answers(0.5, 1), group=group) for group in (COARSE, "microbench_fine")]
    coarse, fine = rank([*both, entry("b", answers(0.5, 2))], ["a", "b"])
    assert [row.entry.model for row in coarse.rows] != [] and coarse.absent == {}
    assert fine.absent == {"b": "did not answer all of microbench_fine"}


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (
            entry("b", answers(0.5, 2, number=198)),
            "a has document 198 of microbench_coarse_domain about 'set/0099' with the right answer A, and b has not",
        ),
        (
            entry("b", answers(0.5, 2), right="B"),
            "One of them is incomplete or was changed. Check both with microbench verify",
        ),
    ],
)
def test_other_questions_on_the_same_data_are_refused(other, message):
    with pytest.raises(DataError, match=re.escape(message)):
        rank([entry("a", answers(0.9, 1)), other], ["a", "b"])


def test_the_same_questions_about_other_images_are_refused():
    """The digest of the documents covers their pixels; questions name images only."""
    entries = [
        dataclasses.replace(entry(model, answers(0.5, 1)), asked={"microbench_coarse_domain": digest * 64})
        for model, digest in (("a", "1"), ("b", "2"))
    ]
    differ = "but the digests of their documents of microbench_coarse_domain, images included, differ"
    with pytest.raises(DataError, match=differ):
        rank(entries, ["a", "b"])
    assert len(rank([entries[0], dataclasses.replace(entries[1], asked=entries[0].asked)], ["a", "b"])) == 1


def test_nothing_to_rank_is_an_error():
    with pytest.raises(DataError, match="nothing to rank"):
        rank([], ["a"])


def test_a_name_that_two_submissions_have_is_told_apart_by_digest():
    folders = [Path("one"), Path("two"), Path("three")]
    assert submitted.names_of([("clip", "1" * 64), ("clip", "2" * 64), ("plip", "3" * 64)], folders) == [
        "clip (11111111)",
        "clip (22222222)",
        "plip",
    ]


@pytest.mark.parametrize(
    "other", ["Demo  CLIP", "Demo\u00a0CLIP", "Demo CLIP\n", "Ｄemo CLIP", "Demo\u2003CLIP", "\u3000Demo CLIP"]
)
def test_names_that_read_the_same_are_told_apart_by_digest(other):
    assert submitted.names_of([("Demo CLIP", "1" * 64), (other, "2" * 64)], [Path("one"), Path("two")]) == [
        "Demo CLIP (11111111)",
        f"{other} (22222222)",
    ]


def test_names_that_differ_in_what_cannot_be_seen_are_told_apart_by_digest():
    names = submitted.names_of([("clip\u200b", "1" * 64), ("clip\ufe0f", "2" * 64)], [Path("one"), Path("two")])
    assert [printable_line(name) for name in names] == ["clip\ufffd (11111111)", "clip\ufffd (22222222)"]


def test_a_submission_named_twice_is_refused():
    with pytest.raises(DataError, match="two: is the same submission as one"):
        submitted.names_of([("clip", "1" * 64), ("clip", "1" * 64)], [Path("one"), Path("two")])


def test_a_name_made_to_look_like_one_told_apart_is_refused():
    with pytest.raises(DataError, match=r"look alike even with the submissions' digests added: clip \(11111111\)"):
        submitted.names_of(
            [("clip", "1" * 64), ("clip", "2" * 64), ("clip  (11111111)", "3" * 64)],
            [Path("one"), Path("two"), Path("three")],
        )


def test_the_order_of_absent_models_is_the_alphabets():
    [ranking] = rank([entry("m", answers(0.5, 1))], ["z", "m", "b"])
    assert list(ranking.absent) == ["b", "z"]


def killed(name, folder):
    os._exit(9)


def test_a_reader_that_is_killed_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(submitted, "_name_and_digest", lambda folder: ("m", "1" * 64))
    monkeypatch.setattr(submitted, "_read", killed)
    with pytest.raises(DataError, match="was killed, most likely for lack of memory"):
        rankings.load([tmp_path])


# --- from scored answers to entries --------------------------------------------------


def question(number, kind, dataset="jung_et_al_2022", answer_idx=0):
    return {
        "image_id": str(number),
        "dataset": dataset,
        "kind": kind,
        "options": ["yes", "no"],
        "answer_idx": answer_idx,
    }


def logged(folder, task, docs, responses):
    samples = [
        {"doc_id": number, "target": str(doc["answer_idx"]), "filtered_resps": response, "input": "?"}
        | microbench_process_results(doc, [response])
        for number, (doc, response) in enumerate(zip(docs, responses, strict=False))
    ]
    (folder / f"run_samples_{task}.jsonl").write_text("".join(json.dumps(sample) + "\n" for sample in samples))


def logged_coarse(folder, responses=("A", "B", "A")):
    for kind in ("domain", "subdomain", "modality", "submodality", "stain"):
        logged(folder, f"{COARSE}_{kind}", [question(number, kind) for number in range(3)], responses)
    return rescoring.rescore(logs.find_run([folder]))


def hub_sources(tasks):
    return dict.fromkeys(tasks, source_identity.release_identity())


def test_an_entry_has_the_groups_figures(tmp_path):
    rescored = logged_coarse(tmp_path)
    [found] = entries_of("m", rescored, hub_sources(rescored.samples), 1.0)
    assert found.score == pytest.approx(2 / 3) == rescored.scores[COARSE]["acc"]
    assert found.figures == {
        "acc_strict": pytest.approx(2 / 3),
        "unparsed": 0,
        "acc_macro": pytest.approx(2 / 3),
        "chance": 0.5,
        "majority": 1.0,
    }
    assert found.by_task == {
        f"{COARSE}_{kind}": pytest.approx(2 / 3) for kind in ("domain", "subdomain", "modality", "submodality", "stain")
    }
    assert len({image for _, _, image, _ in found.questions}) == 3 and len(found.questions) == 15


def test_the_rankings_interval_is_the_groups_interval_by_image(tmp_path):
    rescored = logged_coarse(tmp_path)
    [ranking] = rank(entries_of("m", rescored, hub_sources(rescored.samples), 1.0), ["m"])
    interval = ranking.rows[0].interval
    assert (interval.low, interval.high) == (
        rescored.scores[COARSE]["acc_image_ci_low"],
        rescored.scores[COARSE]["acc_image_ci_high"],
    )


def test_questions_outside_the_papers_total_are_not_ranked(tmp_path):
    from microbench_tasks import catalog

    for task in catalog.tasks_named([catalog.FINE_GROUP]):
        datasets = catalog.TASKS[task].datasets
        # Right about the first dataset of each task alone.
        logged(
            tmp_path,
            task,
            [question(number, "classification", dataset) for number, dataset in enumerate(datasets)],
            ["A"] + ["B"] * (len(datasets) - 1),
        )
    rescored = rescoring.rescore(logs.find_run([tmp_path]))
    [found] = entries_of("m", rescored, hub_sources(rescored.samples), 1.0)
    # Thirteen tasks about 22 datasets, of which eulenberg's two others are outside.
    assert len(found.scores) == 20
    assert found.score == pytest.approx(13 / 20)
    assert len(found.outside) == 2 and len(found.strict) == 20


def test_intervals_of_other_metrics_are_the_groups_own(tmp_path):
    from microbench_tasks import catalog

    for task in catalog.tasks_named([catalog.FINE_GROUP]):
        datasets = catalog.TASKS[task].datasets
        questions = [question(number, "classification", dataset) for dataset in datasets for number in range(3)]
        logged(tmp_path, task, questions, ["A", "B", "A, I think"] * (len(questions) // 3))
    rescored = rescoring.rescore(logs.find_run([tmp_path]))
    [ranking] = rank(entries_of("m", rescored, hub_sources(rescored.samples), 1.0), ["m"])
    expected, intervals = rescored.scores[catalog.FINE_GROUP], ranking.rows[0].intervals
    for metric, names in (("acc", "acc_image_ci"), ("acc_macro", "acc_macro_ci")):
        ends = (intervals[metric].low, intervals[metric].high)
        assert ends == pytest.approx((expected[f"{names}_low"], expected[f"{names}_high"]), abs=1e-12)
    assert ranking.rows[0].entry.strict.mean() == pytest.approx(expected["acc_strict"])


def test_a_tag_of_boxes_is_ranked_by_grit(tmp_path):
    from microbench_tasks import catalog

    for task in catalog.tasks_named([catalog.LOCALIZATION_GROUP]):
        doc = {
            "image_id": "7",
            "dataset": catalog.TASKS[task].datasets[0],
            "kind": "boxes",
            "expression": "nucleus",
            "width": 100,
            "height": 100,
            "boxes": [[0.0, 0.0, 10.0, 10.0]],
        }
        response = '[{"x1": 0, "y1": 0, "x2": 10, "y2": 5}]'
        items = score_boxes(doc, response, "pixels_xyxy", (100, 100))
        sample = {"doc_id": 0, "target": json.dumps(doc["boxes"]), "filtered_resps": response, "input": "?"} | items
        (tmp_path / f"run_samples_{task}.jsonl").write_text(json.dumps(sample) + "\n")
    rescored = rescoring.rescore(logs.find_run([tmp_path]))
    [ranking] = rank(entries_of("m", rescored, hub_sources(rescored.samples), 1.0), ["m"])
    assert ranking.metric == "grit"
    # One box that covers half of the only gold box.
    assert ranking.rows[0].entry.score == pytest.approx(0.5, abs=1e-6)
    assert ranking.rows[0].entry.figures == {"boxes_unparsed": 0}


@pytest.mark.parametrize("change", [{"answer_idx": 1}, {"options": ["yes", "never"]}, {"image_id": "other"}])
def test_a_right_answer_an_option_or_an_image_changed_in_one_log_is_found_beside_another(change, tmp_path):
    entries = []
    for model in ("honest", "forged"):
        (tmp_path / model).mkdir()
        rescored = logged_coarse(tmp_path / model)
        if model == "forged":
            logged(
                tmp_path / model,
                f"{COARSE}_stain",
                [question(0, "stain"), question(1, "stain") | change, question(2, "stain")],
                ["A", "B", "A"],
            )
            rescored = rescoring.rescore(logs.find_run([tmp_path / model]))
        entries += entries_of(model, rescored, hub_sources(rescored.samples), 1.0)
    with pytest.raises(DataError, match="document 1 of microbench_coarse_stain"):
        rank(entries, ["honest", "forged"])


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
        ({"source": "elsewhere", "sha256": "0" * 64}, "expected a source of hub, folder, demo, got 'elsewhere'"),
        ({"source": ["demo"]}, "expected a source of hub, folder, demo, got ['demo']"),
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


# --- the paper's table ---------------------------------------------------------------


@pytest.mark.parametrize("group", PRINTED)
def test_table_1_has_the_printed_digits(group):
    assert [(found.model, found.accuracy, found.half_width) for found in table1.table1(group)] == PRINTED[group]


def test_the_papers_table_has_no_localization():
    assert table1.table1("microbench_localization") == ()


def test_a_reported_interval_is_the_half_width_on_both_sides_digit_by_digit():
    best = table1.table1(COARSE)[0]
    assert (str(best.score), [str(end) for end in best.ends]) == ("0.6268", ["0.6233", "0.6303"])


def rows_of(markdown):
    """The cells of a Markdown page's tables by the rule of GitHub's tables: a pipe divides unless a backslash stands before it."""
    return [
        [cell.strip() for cell in re.split(r"(?<!\\)(?:\\\\)*\|", line)[1:-1]]
        for line in markdown.splitlines()
        if line.startswith("| ")
    ]


@pytest.mark.parametrize("group", PRINTED)
def test_reported_rows_stand_by_score_without_a_rank_in_every_file(group, three):
    entries = [entry(found.model, found.scores, group) for found in three]
    found = board(entries)
    rows = [cells for cells in rows_of(as_markdown(found, with_paper=True)) if cells[2] == "reported, not re-run"]
    assert [(cells[0], cells[1], cells[4]) for cells in rows] == [
        ("–", model, f"{accuracy} ± {half}") for model, accuracy, half in PRINTED[group]
    ]
    lines = list(csv.DictReader(io.StringIO(as_csv(found, with_paper=True))))
    assert [float(line["score"]) for line in lines] == sorted((float(line["score"]) for line in lines), reverse=True)
    reported = [line for line in lines if line["origin"] == "reported, not re-run"]
    assert [(line["model"], line["as_printed"], line["rank"], line["p_adjusted"]) for line in reported] == [
        (model, f"{accuracy} ± {half}", "", "") for model, accuracy, half in PRINTED[group]
    ]
    [ranking] = json.loads(as_json(found, with_paper=True))["rankings"]
    assert [
        (row["model"], row["accuracy_percent"], row["half_width_percent"]) for row in ranking["reported"]["rows"]
    ] == PRINTED[group]
    page = as_html(found, with_paper=True)
    assert all(f"{accuracy} ± {half}" in page for _, accuracy, half in PRINTED[group])


def test_the_next_run_is_a_run_though_reported_rows_stand_between():
    found = board([entry("high", answers(0.9, 1)), entry("low", answers(0.3, 2))])
    high = next(line for line in csv.DictReader(io.StringIO(as_csv(found, with_paper=True))) if line["model"] == "high")
    assert high["next_model"] == "low" and high["verdict"] == "better"


def test_without_the_paper_no_file_names_its_models(three):
    for make in (as_markdown, as_csv, as_json, as_html):
        text = make(board(three), with_paper=False)
        assert "GPT-4o" not in text and "not re-run" not in text


# --- data that are not the release ---------------------------------------------------


@pytest.mark.parametrize(
    ("data", "caution"),
    [
        (DEMO, "not comparable with the paper's or with any on the release"),
        (LOCAL, "Local data, not the release (local (aaaabbbb)): these figures are not comparable with the paper's"),
    ],
)
def test_demo_and_local_data_are_marked_in_every_file(data, caution):
    found = board([entry("m", answers(0.5, 1), data=data)])
    markdown, page = (make(found, with_paper=True) for make in (as_markdown, as_html))
    assert caution in markdown
    assert caution in unescaped(page)
    assert [cells[2] for cells in rows_of(markdown) if cells[1] == "m"] == [data.kind]
    assert [line["data"] for line in csv.DictReader(io.StringIO(as_csv(found, with_paper=False)))] == [data.kind]
    [ranking] = json.loads(as_json(found, with_paper=True))["rankings"]
    assert ranking["data"]["kind"] == data.kind and caution in ranking["data"]["caution"]


def test_cognition_questions_may_be_the_papers_for_all_we_know():
    [ranking] = rank([entry("m", answers(0.5, 1), "microbench_cognition", LOCAL)], ["m"])
    assert "nothing here shows that these are the paper's" in ranking.caution


def test_a_hash_that_is_markup_is_not_shown_as_such():
    hostile = Data("demo", json.dumps([{"source": "demo", "sha256": "<script>|a|"}]))
    assert hostile.shown() == "demo (scripta)"


def test_every_ranking_says_that_its_data_are_as_stated(three):
    found = board([*three, entry("d", answers(0.5, 4), data=RELEASE)])
    said = "Data as stated by the submissions; microbench verify compares each with the data."
    markdown, page, record = (make(found, with_paper=False) for make in (as_markdown, as_html, as_json))
    assert markdown.count(said) == page.count(said) == record.count(said) == len(found.rankings) == 2


def test_what_intervals_are_about_is_said_once_though_there_are_several_rankings(three):
    found = board([*three, entry("d", answers(0.5, 4), data=RELEASE)])
    assert len(found.rankings) == 2
    assert as_markdown(found, with_paper=False).count(ABOUT_IMAGES) == 1
    assert unescaped(as_html(found, with_paper=False)).count(ABOUT_IMAGES) == 1


def test_the_release_needs_no_caution():
    found = board([entry("m", answers(0.5, 1), data=RELEASE)])
    assert all("not comparable" not in make(found, with_paper=True) for make in (as_markdown, as_json, as_html))


def test_the_picture_tells_demo_and_reported_rows_apart(three, monkeypatch):
    from microbench_tasks.render import plots

    drawn = []
    bars = plots.interval_bars
    monkeypatch.setattr(plots, "interval_bars", lambda **arguments: drawn.append(arguments) or bars(**arguments))
    as_html(board(three), with_paper=True)
    [options] = drawn
    labels, values, lows, highs = (options[name] for name in ("labels", "values", "lows", "highs"))
    assert len(labels) == 15 and labels[0] == "1 good (demo data)"
    assert [labels[row] for row in options["hollow"]] == [f"{model} (reported)" for model, *_ in PRINTED[COARSE]]
    gpt = labels.index("GPT-4o (reported)")
    assert (lows[gpt], values[gpt], highs[gpt]) == (0.6233, 0.6268, 0.6303)
    assert (options["chance"], options["majority"]) == (0.25, 0.375)


# --- names of strangers --------------------------------------------------------------


class Page(HTMLParser):
    """The texts and tags of a page."""

    def __init__(self, text):
        super().__init__()
        self.texts, self.tags = [], []
        self.feed(text)

    def handle_data(self, data):
        self.texts.append(data)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))


def unescaped(page):
    return " ".join(Page(page).texts)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_text_in_markdown_csv_and_json(name):
    found = board([entry(name, answers(0.9, 1)), entry("next", answers(0.5, 2))])
    markdown = as_markdown(found, with_paper=False)
    [header, _, first, second, *pairs] = rows_of(markdown)
    assert len(first) == len(header) == len(second)
    assert [len(cells) for cells in pairs] == [3] * 4
    assert re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", first[1]) == printable_line(name)
    for make in (as_csv, pairs_as_csv):
        for line in csv.DictReader(io.StringIO(make(found, with_paper=False))):
            assert line["model"][0] not in "=+-@＝"
            assert None not in line and None not in line.values()
    [ranking] = json.loads(as_json(found, with_paper=False))["rankings"]
    assert ranking["rows"][0]["model"] == name


def test_hostile_names_are_text_on_the_page():
    found = board([entry(name, answers(0.9, seed)) for seed, name in enumerate(HOSTILE)])
    page = Page(as_html(found, with_paper=False))
    assert all(printable_line(name) in page.texts for name in HOSTILE)
    assert not any(
        "onerror" in attributes or not attributes.get("href", "#").startswith(("#", "data:"))
        for _, attributes in page.tags
    )
    assert [tag for tag, _ in page.tags].count("script") == 1


@pytest.mark.parametrize(
    ("name", "rendered"),
    [
        ("<b>x</b>", "&lt;b&gt;x&lt;/b&gt;"),
        ("[a](https://e.example)", "[a](https://e.example)"),
        ("a\\|b", "a\\|b"),
        ("*x* `y` _z_", "*x* `y` _z_"),
        ("demo_clip", "demo_clip"),
    ],
)
def test_a_markdown_reader_sees_the_name(name, rendered):
    markdown_it = pytest.importorskip("markdown_it")
    page = (
        markdown_it.MarkdownIt("commonmark")
        .enable("table")
        .render(as_markdown(board([entry(name, answers(0.9, 1))]), with_paper=False))
    )
    assert f"<td>{rendered}</td>" in page or f">{rendered}</td>" in page


def test_a_plain_name_stays_as_it_is():
    for name in ("org/model-1.5_B", "demo_clip", "Model v2"):
        assert markdown_text(name) == csv_text(name) == printable_line(name) == name


def test_what_turns_or_hides_text_is_made_visible():
    assert printable_line("a\u202eb\u200bc\x1b[0m\nd") == "a\ufffdb\ufffdc\ufffd[0m d"
    assert (
        printable_line("a\u034fb\ufe0fc\u3164d\u2800e\uffa0f\U000e0101") == "a\ufffdb\ufffdc\ufffdd\ufffde\ufffdf\ufffd"
    )


# --- files ---------------------------------------------------------------------------


def test_the_csv_has_all_figures_in_full(three):
    found = board(three)
    lines = list(csv.DictReader(io.StringIO(as_csv(found, with_paper=False))))
    for line, row in zip(lines, found.rankings[0].rows, strict=True):
        assert (
            line["model"],
            int(line["rank"]),
            float(line["score"]),
            float(line["score_low"]),
            float(line["score_high"]),
        ) == (row.entry.model, row.rank, row.entry.score, row.interval.low, row.interval.high)
        assert (int(line["n"]), int(line["images"]), float(line["acc_strict"]), float(line["chance"])) == (
            200,
            100,
            row.entry.figures["acc_strict"],
            0.25,
        )


def test_json_and_csv_have_every_pair(three):
    found = board(three)
    [ranking] = json.loads(as_json(found, with_paper=False))["rankings"]
    pairs = ranking["pairs"]
    lines = list(csv.DictReader(io.StringIO(pairs_as_csv(found, with_paper=True))))
    assert [(pair["model"], pair["against"], pair["verdict"]) for pair in pairs] == [
        ("good", "middling", "better"),
        ("good", "like it", "better"),
        ("middling", "like it", "tie"),
    ]
    images, (middling, good, like_it) = np.arange(200) // 2, [found.scores for found in three]
    expected = compare_models([middling, good, like_it], images)
    assert [pair["p_adjusted"] for pair in pairs] == [expected.p[1, 0], expected.p[1, 2], expected.p[0, 2]]
    for pair, line, models in zip(pairs, lines, [(good, middling), (good, like_it), (middling, like_it)], strict=True):
        alone = compare_pair(*models, images)
        figures = (alone.difference, alone.p, alone.standard_error, alone.num_discordant, alone.num_clusters)
        names = ("difference", "p", "standard_error", "discordant_images", "images")
        assert tuple(pair[name] for name in names) == pytest.approx(figures)
        assert tuple(float(line[name]) for name in names) == pytest.approx(figures)
        assert pair["correlation"] == pytest.approx(np.corrcoef(*models)[0, 1])
        assert pair["difference_low"] < alone.low and alone.high < pair["difference_high"]


def test_a_correlation_that_does_not_exist_is_left_out():
    found = board([entry("always right", [1] * 40), entry("half", [0, 1] * 20)])
    [ranking] = json.loads(as_json(found, with_paper=False))["rankings"]
    assert ranking["pairs"][0]["correlation"] is None
    assert next(csv.DictReader(io.StringIO(pairs_as_csv(found, with_paper=False))))["correlation"] == ""


def test_pages_show_all_pairs_of_up_to_twelve_models():
    entries = [entry(f"m{number:02d}", answers(0.5, number, 60)) for number in range(13)]
    few, many = board(entries[:12]), board(entries)
    assert "All pairs by acc" in as_markdown(few, with_paper=False)
    assert "All pairs by acc" not in as_markdown(many, with_paper=False)
    assert len(json.loads(as_json(many, with_paper=False))["rankings"][0]["pairs"]) == 13 * 12 / 2


def test_the_square_of_pairs_has_verdict_and_difference():
    found = board(intransitive("ABC"))
    square = [cells for cells in rows_of(as_markdown(found, with_paper=False)) if len(cells) == 4][2:]
    assert square == [
        ["1 A", "", "better +14.00", "tie +15.00"],
        ["2 B", "worse -14.00", "", "tie +1.00"],
        ["3 C", "tie -15.00", "tie -1.00", ""],
    ]


# --- what stands beside the scores ---------------------------------------------------


def two_metrics(model, seed):
    """Answers to three tasks of 60, 30 and 10 questions about 50 images, and to 20 questions outside the total."""
    rng = np.random.default_rng(seed)
    sizes = {"domain": 60, "stain": 30, "modality": 10}
    numbers = [(task, number) for task, size in sizes.items() for number in range(size)]
    asked = [(f"{COARSE}_{task}", number, f"set{number % 2}/{number % 50:03d}", "A") for task, number in numbers]
    outside = tuple((f"{COARSE}_stain", number, f"set0/{number:03d}", "A") for number in range(100, 120))
    scores, strict, others = rng.random(100) < 0.6, rng.random(100) < 0.4, rng.random(20) < 0.5
    return Entry(
        model=model,
        group=COARSE,
        data=DEMO,
        version=1.0,
        questions=tuple(sorted(asked)),
        scores=scores.astype(float),
        figures={"acc_macro": 0.5, "acc_strict": strict.mean()},
        by_task={},
        strict=strict.astype(float),
        outside=outside,
        outside_scores=others.astype(float),
    )


def test_strict_and_macro_accuracies_are_compared_as_well():
    entries = [two_metrics(model, seed) for seed, model in enumerate("abc")]
    [ranking] = rank(entries, list("abc"))
    assert list(ranking.comparisons) == ["acc", "acc_strict", "acc_macro"]
    one, other = (row.entry for row in ranking.rows[:2])
    assert ranking.versus(0, 1, "acc_strict").difference == pytest.approx(one.strict.mean() - other.strict.mean())

    def macro(found):
        tasks = np.array([task for task, _, _, _ in found.questions + found.outside])
        scores = np.hstack([found.scores, found.outside_scores])
        return np.mean([scores[tasks == task].mean() for task in np.unique(tasks)])

    assert ranking.versus(0, 1, "acc_macro").difference == pytest.approx(macro(one) - macro(other))
    tasks, _, images, _ = zip(*one.questions + one.outside, strict=False)
    scores = np.hstack([one.scores, one.outside_scores])
    assert ranking.rows[0].intervals["acc_macro"] == macro_interval(scores, tasks, images)
    lines = csv.DictReader(io.StringIO(pairs_as_csv(Leaderboard((ranking,)), with_paper=False)))
    assert [line["metric"] for line in lines] == ["acc"] * 3 + ["acc_strict"] * 3 + ["acc_macro"] * 3


def test_ranks_go_by_the_main_metric_alone():
    scores = [entry("a", answers(0.9, 1)), entry("b", answers(0.5, 2))]
    swapped = [
        dataclasses.replace(found, strict=other.scores) for found, other in zip(scores, scores[::-1], strict=False)
    ]
    [ranking] = rank(swapped, ["a", "b"])
    assert [(row.entry.model, row.rank) for row in ranking.rows] == [("a", 1), ("b", 2)]
    assert ranking.versus(0, 1, "acc_strict").verdict == "worse"


def test_questions_outside_the_total_must_be_the_same_too():
    one, other = two_metrics("a", 1), two_metrics("b", 2)
    changed = dataclasses.replace(other, outside=(*other.outside[:-1], (f"{COARSE}_stain", 119, "set0/119", "B")))
    with pytest.raises(DataError, match="document 119 of microbench_coarse_stain"):
        rank([one, changed], ["a", "b"])


def test_the_page_has_the_square_and_every_pair_in_full(three):
    page = as_html(board(three), with_paper=False)
    text = unescaped(page)
    assert "All pairs by acc, in points" in text and "Pairs in full" in text
    for said in ("better +", "worse -", "paired SE", "discordant images", "own p"):
        assert said in text


def test_numbers_levels_and_what_can_be_found_stand_beside_a_ranking(three):
    entries = [dataclasses.replace(found, figures={"chance": 0.25, "majority": 0.4}) for found in three]
    found = board(entries)
    [ranking] = found.rankings
    of_pairs = ranking.comparison.smallest[np.triu_indices(3, 1)]
    median, least, most = (f"{100 * found(of_pairs):.2f}" for found in (np.median, np.min, np.max))
    smallest = f"finds 80 times in 100: {median} points (median over its pairs; {least} to {most})"
    for make in (as_markdown, as_html):
        page = make(found, with_paper=False)
        numbers, levels = "200 questions about 100 images of 1 dataset", "chance 25.00, majority answer 40.00"
        for said in (numbers, levels, smallest, ABOUT_IMAGES):
            assert said in (unescaped(page) if make is as_html else page)


def test_one_pair_has_one_smallest_difference_and_few_images_have_none():
    two = [entry("a", answers(0.9, 1)), entry("b", answers(0.5, 2))]
    few = [dataclasses.replace(found, questions=found.questions[:4], scores=found.scores[:4]) for found in two]
    assert "points (median" not in as_markdown(board(two), with_paper=False)
    # Two images have p = 1/2 at least.
    assert "too few images here to find a difference" in as_markdown(board(few), with_paper=False)


def test_the_papers_half_width_is_cut_at_all_right():
    assert [str(end) for end in table1.Reported("m", "98.5", "2.0").ends] == ["0.965", "1"]


def test_files_are_written_for_readers_and_programs(tmp_path, three):
    written = files.write(board(three), tmp_path / "new" / "folder", with_paper=True)
    names = ["leaderboard.md", "leaderboard.csv", "leaderboard-pairs.csv", "leaderboard.html", "leaderboard.json"]
    assert [path.name for path in written] == names
    assert sorted(path.name for path in (tmp_path / "new" / "folder").iterdir()) == sorted(names)


@pytest.fixture(scope="module")
def earlier(three, tmp_path_factory):
    folder = tmp_path_factory.mktemp("earlier")
    files.write(board(three), folder, with_paper=False)
    return folder


def test_an_earlier_leaderboard_is_written_over_and_other_files_stay(earlier, tmp_path, three):
    out = shutil.copytree(earlier, tmp_path / "out")
    (out / "notes.txt").write_text("mine")
    (out / "leaderboard.csv").unlink()
    files.write(board(three), out, with_paper=True)
    assert (out / "notes.txt").read_text() == "mine" and "GPT-4o" in (out / "leaderboard.csv").read_text()


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("leaderboard.md", lambda path: path.write_text("mine")),
        ("leaderboard.html", lambda path: path.unlink() or path.mkdir()),
        ("leaderboard.csv", lambda path: path.unlink() or path.symlink_to("elsewhere")),
        (
            "leaderboard.json",
            lambda path: path.write_text(path.read_text().replace('"notes": []', '"notes": ["mine"]')),
        ),
        ("leaderboard.json", lambda path: path.write_text("[" * 100_000)),
        (
            "leaderboard.md",
            lambda path: [other.unlink() for other in path.parent.iterdir()] and path.write_text("mine"),
        ),
    ],
)
def test_a_file_that_no_leaderboard_wrote_is_not_written_over_and_no_other_is_written(
    name, damage, earlier, tmp_path, three
):
    out = shutil.copytree(earlier, tmp_path / "out")
    damage(out / name)
    before = {path: path.read_bytes() if path.is_file() else None for path in out.iterdir()}
    with pytest.raises(DataError, match=f"{name}: exists, and is not an unchanged file of an earlier leaderboard"):
        files.write(board(three), out, with_paper=True)
    assert {path: path.read_bytes() if path.is_file() else None for path in out.iterdir()} == before


def test_a_folder_that_cannot_be_written_is_refused():
    with pytest.raises(DataError, match="/proc/x/y: nothing can be written in /proc "):
        files.check_folder(Path("/proc/x/y"))


def test_a_file_is_no_folder_to_write_to(tmp_path, three):
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(DataError, match="taken is a file"):
        files.write(board(three), tmp_path / "taken", with_paper=False)
    assert (tmp_path / "taken").read_text() == "mine"


def test_what_a_submission_needs_to_be_known_for_is_said(three):
    found = Leaderboard(tuple(rank(three, ["good", "middling", "like it"])), ("good: 2 figure(s) differ <b>",))
    assert "- good\\: 2 figure\\(s\\) differ \\<b\\>" in as_markdown(found, with_paper=False)
    assert json.loads(as_json(found, with_paper=False))["notes"] == ["good: 2 figure(s) differ <b>"]
    assert "good: 2 figure(s) differ <b>" in unescaped(as_html(found, with_paper=False))


def test_a_group_with_fewer_than_three_tasks_has_no_radar():
    pictures = as_html(
        board([entry("m", answers(0.5, 1), "microbench_cognition", tasks=("all",))]), with_paper=False
    ).count("<img ")
    assert pictures == 1


@pytest.mark.parametrize(
    ("low", "shown"), [(-1e-15, "+0.00"), (-0.00004, "+0.00"), (-0.00006, "-0.01"), (0.00006, "+0.01")]
)
def test_what_rounds_to_nothing_has_no_minus(low, shown):
    assert f"[{shown}, +20.00]" in tables.against(Versus("next", 0.1, low, 0.2, 0.06, verdict="tie"))
