"""Runs with --use_cache that go on where an earlier one stopped."""

from __future__ import annotations

import contextlib
import sqlite3

import pytest
from lmms_eval import evaluator
from lmms_eval.api.instance import GenerationResult

from microbench_tasks.harness import resuming
from microbench_tasks.harness.patches import answering as answering_patches
from tests.support.independent import StandIn, reply

TASK = "microbench_coarse_domain"
COUNT = 60
BATCH_SIZE = 20


class Stopping(StandIn):
    """Answers until it has been asked ``limit`` times, then raises."""

    def __init__(self, answer, limit):
        super().__init__(answer)
        self.limit = limit

    def generate_until(self, requests):
        if len(self.asked[TASK]) >= self.limit:
            raise RuntimeError("stopped")
        return super().generate_until(requests)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch, demo_folder):
    monkeypatch.setenv("MICROBENCH_DATASET", "demo")
    monkeypatch.setattr(resuming, "BATCH_SIZE", BATCH_SIZE)


def evaluate(model, cache, **settings):
    settings = {"tasks": [TASK], "limit": COUNT, "use_cache": str(cache), "bootstrap_iters": 0} | settings
    return evaluator.simple_evaluate(model=model, **settings)


def test_a_run_that_stops_keeps_every_whole_batch_and_the_next_asks_the_rest_only(tmp_path):
    model = Stopping(lambda prompt, image: reply(prompt) or "A", limit=2 * BATCH_SIZE)
    with pytest.raises(RuntimeError, match="stopped"):
        evaluate(model, tmp_path)
    assert len(model.asked[TASK]) == 2 * BATCH_SIZE
    model.limit = COUNT
    resumed = evaluate(model, tmp_path)
    assert len(model.asked[TASK]) == COUNT
    whole = evaluator.simple_evaluate(model=StandIn(model.answer), tasks=[TASK], limit=COUNT, bootstrap_iters=0)
    assert resumed["results"][TASK] == whole["results"][TASK]


@pytest.mark.parametrize(
    "failure",
    [
        "[LMMS_EVAL_REQUEST_FAILED after 5 retries] Error code: 500",
        GenerationResult(text="[LMMS_EVAL_BUDGET_EXCEEDED]"),
        GenerationResult(text=None),
    ],
)
def test_failures_are_scored_as_such_and_asked_again(failure, tmp_path):
    answers = {True: failure, False: "A"}
    broken = True
    model = StandIn(lambda prompt, image: answers[broken and len(model.asked[TASK]) % 3 == 0])
    results = evaluate(model, tmp_path)
    assert results["results"][TASK]["unparsed,none"] == pytest.approx(1 / 3)
    # A null message is an empty answer, not a failed request.
    assert results["results"][TASK]["failed,none"] == (0 if getattr(failure, "text", failure) is None else COUNT // 3)
    broken = False
    results = evaluate(model, tmp_path)
    assert len(model.asked[TASK]) == COUNT + COUNT // 3
    assert results["results"][TASK]["unparsed,none"] == 0


# --- damaged caches ---


def answering(letter="A"):
    return StandIn(lambda prompt, image: letter)


@pytest.fixture
def warnings(monkeypatch):
    messages = []
    monkeypatch.setattr(resuming.logger, "warning", messages.append)
    return messages


def test_a_damaged_database_of_an_earlier_run_is_renamed_and_costs_its_answers_only(tmp_path, warnings):
    damaged = tmp_path / "runs" / "earlier" / "rank_0.db"
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(b"no database, but long enough for SQLite to read a header that it does not know" * 20)
    model = answering()
    evaluate(model, tmp_path)
    assert len(model.asked[TASK]) == COUNT
    [warning] = warnings
    assert str(damaged) in warning and "rank_0.db.damaged" in warning
    assert not damaged.exists()


def test_a_damaged_cache_is_renamed_and_the_next_run_has_a_whole_one(tmp_path, warnings):
    (tmp_path / "cache.db").write_bytes(b"no database, but long enough for SQLite to read a header" * 40)
    model = answering()
    evaluate(model, tmp_path)
    evaluate(model, tmp_path)
    assert len(model.asked[TASK]) == COUNT
    assert len(warnings) == 1 and (tmp_path / "cache.db.damaged").exists()


# What stands in the place of an answer's JSON.
DAMAGE = ["no JSON", '"cut off', "", "null", "5", '{"a": 1}', "[]", b"\xff\xfe", b'"B \xff"', "[" * 100_000]


def test_damaged_answers_are_named_and_asked_again_and_no_others(tmp_path, warnings):
    model = answering("A")
    evaluate(model, tmp_path)
    with contextlib.closing(sqlite3.connect(tmp_path / "cache.db")) as database, database:
        for doc_id, damage in enumerate(DAMAGE):
            database.execute("UPDATE responses SET response = ? WHERE doc_id = ?", (damage, doc_id))
    model.answer = lambda prompt, image: "B"
    results = evaluate(model, tmp_path, log_samples=True)
    responses = [sample["resps"][0][0] for sample in results["samples"][TASK]]
    assert responses == ["B"] * len(DAMAGE) + ["A"] * (COUNT - len(DAMAGE))
    [warning] = warnings
    assert f"{len(DAMAGE)} damaged answer(s)" in warning and f"{TASK} document 0" in warning
    evaluate(model, tmp_path)
    assert len(model.asked[TASK]) == COUNT + len(DAMAGE)


def test_a_run_whose_answers_cannot_be_merged_ends_with_its_results_and_the_next_finds_them(tmp_path, monkeypatch):
    stale = tmp_path / "runs" / "stale"
    stale.mkdir(parents=True)
    (stale / ".ready").touch()
    (stale / "rank_0.audit.jsonl").write_bytes(b"\xff\xfe\n5\n")
    messages = []
    monkeypatch.setattr(answering_patches.logger, "warning", messages.append)
    model = answering()
    assert evaluate(model, tmp_path)["results"][TASK]["failed,none"] == 0
    evaluate(model, tmp_path)
    assert len(model.asked[TASK]) == COUNT
    assert all("cannot be merged" in message for message in messages) and len(messages) == 2


def test_a_database_of_the_same_run_identifier_may_be_damaged(tmp_path, monkeypatch, warnings):
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    own = tmp_path / "runs" / "7" / "rank_0.db"
    own.parent.mkdir(parents=True)
    own.write_bytes(b"no database, but long enough for SQLite to read a header that it does not know" * 20)
    model = answering()
    evaluate(model, tmp_path)
    assert len(model.asked[TASK]) == COUNT and len(warnings) == 1
