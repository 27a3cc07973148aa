"""Runs with --use_cache that go on where an earlier one stopped."""

from __future__ import annotations

import pytest
from independent import StandIn, reply
from lmms_eval import evaluator
from lmms_eval.api.instance import GenerationResult

from microbench_tasks import resuming

TASK = "microbench_coarse_domain"
COUNT = 60
PIECE = 20


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
def small_pieces(monkeypatch, demo_folder):
    monkeypatch.setenv("MICROBENCH_DATASET", "demo")
    monkeypatch.setattr(resuming, "PIECE", PIECE)


def evaluate(model, cache):
    return evaluator.simple_evaluate(model=model, tasks=[TASK], limit=COUNT, use_cache=str(cache), bootstrap_iters=0)


def test_a_run_that_stops_keeps_every_whole_piece_and_the_next_asks_the_rest_only(tmp_path):
    model = Stopping(lambda prompt, image: reply(prompt) or "A", limit=2 * PIECE)
    with pytest.raises(RuntimeError, match="stopped"):
        evaluate(model, tmp_path)
    assert len(model.asked[TASK]) == 2 * PIECE
    model.limit = COUNT
    resumed = evaluate(model, tmp_path)
    assert len(model.asked[TASK]) == COUNT
    whole = evaluator.simple_evaluate(model=StandIn(model.answer), tasks=[TASK], limit=COUNT, bootstrap_iters=0)
    assert resumed["results"][TASK] == whole["results"][TASK]


@pytest.mark.parametrize("failure", ["[LMMS_EVAL_REQUEST_FAILED after 5 retries] Error code: 500", GenerationResult(text="[LMMS_EVAL_BUDGET_EXCEEDED]"), GenerationResult(text=None)])
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


def test_a_damaged_database_of_an_earlier_run_costs_its_answers_only(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(resuming.logger, "warning", said.append)
    damaged = tmp_path / "runs" / "earlier" / "rank_0.db"
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(b"no database, but long enough for SQLite to read a header that it does not know" * 20)
    model = StandIn(lambda prompt, image: "A")
    evaluate(model, tmp_path)
    assert len(model.asked[TASK]) == COUNT
    [warning] = said
    assert str(damaged) in warning
