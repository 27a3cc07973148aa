"""Models behind a server, asked by the harness's own clients: prompts, pixels, failures, and runs that are killed."""

from __future__ import annotations

import collections
import hashlib
import itertools
import json
import math
import os
import re
import signal
import threading
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from lmms_eval import evaluator
from loguru import logger
from PIL import Image

from microbench_tasks.harness.guard import model_guard
from microbench_tasks.harness.served.circuit_breaker import ServerStoppedError
from microbench_tasks.report import calibration
from tests.support import commands
from tests.support.chat_server import Reply, serving
from tests.support.commands import SCRIPTS, results_in
from tests.support.independent import (
    BOXES,
    FINE,
    KINDS,
    OUTSIDE,
    box_cases,
    box_reply,
    dataset_of,
    grit,
    neutral_prompt,
    protocol_prompt,
    protocol_score,
    raw_questions,
    raw_rows,
    reply,
    shown,
)

TASK = "microbench_coarse_stain"
KIND = "stain"
# Questions of each task that `served_run` asks: all of a fine task and of localization.
LIMIT = 80


@pytest.fixture(scope="module")
def rows(demo_folder):
    return raw_rows(demo_folder)


def model_args(server, **options):
    """For a client that gives up at once."""
    return ",".join(
        f"{name}={value}"
        for name, value in (
            {"model": "stand-in", "base_url": server.url, "api_key": "none", "max_retries": 1, "retry_backoff_s": 0}
            | options
        ).items()
    )


def evaluate(server, tasks, model="openai", options=None, **settings):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MICROBENCH_DATASET", "demo")
        return evaluator.simple_evaluate(
            model=model, model_args=model_args(server, **(options or {})), tasks=tasks, bootstrap_iters=0, **settings
        )


def answer(prompt, pixels):
    """By prompt and the image's size, as an independent computation can tell too."""
    image = Image.new("RGB", (pixels.shape[1], pixels.shape[0]))
    return Reply(box_reply(prompt, image)[0] if prompt.startswith("Detect") else sized_reply(prompt, image.size))


def sized_reply(prompt, size):
    return reply(prompt) if size[0] % 3 else prompt.split("\n")[2][0]


def expected_questions(rows, kind):
    """(prompt, pixels, size, question) of every question of a kind."""
    asked = []
    for row, question in raw_questions(rows, kind):
        pixels = shown(row)
        asked.append((protocol_prompt(question), pixels, (pixels.shape[1], pixels.shape[0]), question))
    return asked


def questions_of_the_run(rows, kind):
    """Those that `served_run` asks: the first of a kind; of classification all, as no task has more."""
    found = expected_questions(rows, kind)
    if kind != "classification":
        return found[:LIMIT]
    datasets = collections.Counter(dataset_of(row) for row, _ in raw_questions(rows, kind))
    assert all(sum(datasets[name] for name in names) <= LIMIT for names in FINE.values())
    return found


# --- what a server receives, and what becomes of its answers ---


@pytest.fixture(scope="module")
def served_run(demo_folder):
    with serving(answer) as server:
        tasks = ["microbench_vqa", "microbench_localization"]
        results = evaluate(server, tasks, options={"num_concurrent": 8}, limit=LIMIT)
    return server, results


def test_the_server_sees_the_papers_prompts_with_the_releases_pixels_and_nothing_else(served_run, rows):
    server, _ = served_run
    expected = collections.Counter()
    for kind in (*KINDS, "classification"):
        expected.update((prompt, pixels.tobytes()) for prompt, pixels, _, _ in questions_of_the_run(rows, kind))
    for task in BOXES:
        assert len(box_cases(rows, task)) <= LIMIT
        for row, name, _ in box_cases(rows, task):
            pixels = shown(row)
            expected[neutral_prompt(name, (pixels.shape[1], pixels.shape[0])), pixels.tobytes()] += 1
    assert server.faults == []
    assert collections.Counter(server.asked) == expected


def test_decoding_is_greedy_with_the_references_room_for_an_answer(served_run):
    server, _ = served_run
    assert {(payload["temperature"], payload["max_tokens"]) for payload in server.payloads} == {(0, 2048), (0, 4096)}


@pytest.mark.parametrize("kind", KINDS)
def test_coarse_accuracies_equal_the_independent_ones(kind, served_run, rows):
    scores = [
        protocol_score(sized_reply(prompt, size), question)
        for prompt, _, size, question in questions_of_the_run(rows, kind)
    ]
    assert 0.05 < np.mean(scores) < 0.95
    assert served_run[1]["results"][f"microbench_coarse_{kind}"]["acc,none"] == pytest.approx(
        np.mean(scores), abs=1e-12
    )


def test_the_fine_accuracy_equals_the_independent_one(served_run, rows):
    datasets_of_questions = [dataset_of(row) for row, _ in raw_questions(rows, "classification")]
    assert set(datasets_of_questions) == {name for names in FINE.values() for name in names}
    scores = [
        protocol_score(sized_reply(prompt, size), question)
        for dataset, (prompt, _, size, question) in zip(
            datasets_of_questions, questions_of_the_run(rows, "classification"), strict=True
        )
        if dataset not in OUTSIDE
    ]
    assert served_run[1]["groups"]["microbench_fine"]["acc,none"] == pytest.approx(np.mean(scores), abs=1e-12)


@pytest.mark.parametrize("task", BOXES)
def test_localization_scores_equal_the_independent_ones(task, served_run, rows):
    scores = []
    for row, name, gold in box_cases(rows, task):
        height, width = shown(row).shape[:2]
        scores.append(
            grit(box_reply(neutral_prompt(name, (width, height)), Image.new("RGB", (width, height)))[1], gold)
        )
    assert served_run[1]["results"][f"microbench_localization_{task}"]["grit,none"] == pytest.approx(
        np.mean(scores), abs=1e-9
    )


def test_the_asynchronous_client_gets_the_same_figures(served_run):
    with serving(answer) as server:
        results = evaluate(server, [TASK], model="async_openai", options={"num_cpus": 8}, limit=LIMIT)
    assert server.faults == []
    expected = served_run[1]["results"][TASK]
    assert {name: value for name, value in results["results"][TASK].items() if not name.startswith("alias")} == {
        name: value for name, value in expected.items() if not name.startswith("alias")
    }


# --- models that think aloud ---

# What a model writes, with {right} for the right letter and {wrong} for another; whether it is right by the paper's
# rule and by the strict one; the kind of response.
THOUGHTS = {
    "closed": ("<think>\nIt may be {wrong}. The answer is {wrong}?\n</think>\n\n{right}", 1, 1, None),
    "closed, opened by the chat template": ("It may be {wrong}. The answer is {wrong}.\n</think>\n{right}", 1, 1, None),
    "closed, another tag": ("<analysis>{wrong} or {right}</analysis>{right}", 1, 1, None),
    "closed, and a sentence": ("<think>{wrong}</think>The answer is {right}.", 0, 1, None),
    "unclosed": ("<think>The answer is {right}. But wait", 0, 0, "truncated"),
    "unmarked": ("Let me look. The nuclei are dark, so {wrong} is unlikely.\n\nThe answer is {right}.", 0, 1, None),
    "unmarked, undecided": ("Let me look. It could be {right} or {wrong}.", 0, 0, "unparsed"),
    "nothing but thoughts": ("<think>The answer is {right}.</think>", 0, 0, "empty"),
}


# --- probabilities of letters --------------------------------------------------------------


def with_probabilities(prompt, pixels):
    """The answer is the most probable letter; letters of 0.01 or less are not listed."""
    letters = [line[0] for line in prompt.split("\n") if line[1:3] == ") "]
    if not letters:
        return Reply("[]", tokens={"[]": 0.9, "A": 0.1})
    rng = np.random.default_rng(zlib.crc32(prompt.encode()))
    shares = rng.dirichlet(np.ones(len(letters)) / 2) * 0.9
    tokens = dict(zip(letters, shares.tolist(), strict=True))
    return Reply(max(tokens, key=tokens.get), tokens={name: share for name, share in tokens.items() if share > 0.01})


@pytest.mark.parametrize(
    ("client", "concurrency"), [("openai", {"num_concurrent": 8}), ("async_openai", {"num_cpus": 8})]
)
def test_the_probabilities_of_letters_that_a_server_gives_are_those_of_the_report(
    client, concurrency, rows, demo_folder, monkeypatch, tmp_path
):
    monkeypatch.setenv("MICROBENCH_LOGPROBS", "20")
    # With the demo set, but no answers of other runs.
    (tmp_path / "microbench").mkdir()
    (tmp_path / "microbench" / demo_folder.name).symlink_to(demo_folder)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    tasks = [TASK, "microbench_localization_glands"]
    with serving(with_probabilities) as server:
        results = evaluate(server, tasks, model=client, options=concurrency, limit=LIMIT, log_samples=True)
    assert results["served_model"]["top_logprobs"] == 20
    items, prompts = [], [prompt for prompt, _, _, _ in questions_of_the_run(rows, KIND)]
    for sample in results["samples"][TASK]:
        expected = with_probabilities(prompts[sample["doc_id"]], None)
        # Absent letters are absent, and never 0.
        assert sample["acc"]["probabilities"] == pytest.approx(dict(sorted(expected.tokens.items())), abs=1e-12)
        assert sample["acc_strict"]["predicted"] == expected.text
        items.append(sample["acc"])
    assert any(len(item["probabilities"]) < len(item["options"]) for item in items)
    for sample in results["samples"]["microbench_localization_glands"]:
        assert sample["filtered_resps"] == ["[]"]
    # Confidence and outcome of each answer, and their error in 15 bins, with numpy alone.
    confidence = np.array([max(shares := list(item["probabilities"].values())) / sum(shares) for item in items])
    right = np.array([max(item["probabilities"], key=item["probabilities"].get) == item["gold"] for item in items])
    bins = np.clip(np.ceil(confidence * 15).astype(int), 1, 15)
    gaps = [abs((right - confidence)[bins == number].sum()) for number in range(1, 16)]
    measured = calibration.measure_calibration(items)
    assert measured.bins.expected_calibration_error == pytest.approx(sum(gaps) / len(items), abs=1e-9)
    assert calibration.count_probabilities(items).missing == 0


def test_thoughts_are_no_answers_in_any_form(demo_folder, rows):
    asked = raw_questions(rows, KIND)[: len(THOUGHTS)]
    replies = {}
    for (row, question), (form, *_) in zip(asked, THOUGHTS.values(), strict=False):
        gold = question["answer_idx"]
        replies[protocol_prompt(question), shown(row).tobytes()] = form.format(
            right="ABCDEFGH"[gold], wrong="B" if gold == 0 else "A"
        )
    with serving(lambda prompt, pixels: Reply(replies[prompt, pixels.tobytes()])) as server:
        results = evaluate(server, [TASK], limit=len(THOUGHTS), log_samples=True)
    kinds = [
        None if sample["unparsed"]["kind"] == "parsed" else sample["unparsed"]["kind"]
        for sample in results["samples"][TASK]
    ]
    found = [
        (sample["acc"]["acc"], sample["acc_strict"]["score"], kind)
        for sample, kind in zip(results["samples"][TASK], kinds, strict=False)
    ]
    assert dict(zip(THOUGHTS, found, strict=True)) == {
        name: tuple(expected) for name, (_, *expected) in THOUGHTS.items()
    }


# --- servers that fail ---

# In percent of the questions, as a hash of the question decides.
FAULTS = {"500": 10, "429": 10, "malformed": 8, "empty": 8, "long": 4}
# Questions of each task.
ASKED = 80
FAILED = ("500", "429", "malformed")


def fault_of(key):
    """The fault that a question meets, if any; the same each time."""
    place = int.from_bytes(hashlib.sha256(repr(key).encode()).digest()[:4], "big") % 100
    for name, share in FAULTS.items():
        if place < share:
            return name
        place -= share
    return None


def faulty(prompt, pixels):
    quoting = json.dumps({"error": {"message": f"B) failed. The answer is A. {prompt}"}}).encode()
    return {
        "500": Reply(status=500, raw=quoting),
        "429": Reply(status=429, raw=quoting),
        "malformed": Reply(raw=b'{"choices": [{"message"'),
        "empty": Reply(""),
        "long": Reply("lorem ipsum " * 8600),
        None: Reply(prompt.split("\n")[2][0]),
    }[fault_of((prompt, pixels.tobytes()))]


@pytest.mark.parametrize(("client", "concurrency"), [("openai", "num_concurrent"), ("async_openai", "num_cpus")])
def test_exactly_the_questions_that_fail_count_as_unparsed_and_a_second_run_asks_them_again(
    client, concurrency, rows, demo_folder, tmp_path, monkeypatch
):
    from microbench_tasks.tasks import answer_warnings

    said = []
    monkeypatch.setattr(answer_warnings.logger, "warning", said.append)
    kinds = ("domain", "stain")
    tasks = [f"microbench_coarse_{kind}" for kind in kinds]
    expected = {kind: expected_questions(rows, kind)[:ASKED] for kind in kinds}
    faults = {kind: [fault_of((prompt, pixels.tobytes())) for prompt, pixels, _, _ in expected[kind]] for kind in kinds}
    counts = collections.Counter(fault for found in faults.values() for fault in found)
    assert all(counts[name] >= 3 for name in FAULTS)
    with serving(faulty) as server:
        settings = {"model": client, "options": {concurrency: 8}, "use_cache": str(tmp_path), "limit": ASKED}
        results = evaluate(server, tasks, log_samples=True, **settings)
        server.asked.clear()
        server.answer = answer
        again = evaluate(server, tasks, **settings)
    figures = [results["results"][task] for task in tasks]
    assert sum(found["failed,none"] for found in figures) == sum(counts[name] for name in FAILED)
    assert sum(
        (collections.Counter(found["unparsed_by_kind,none"]) for found in figures), collections.Counter()
    ) == collections.Counter(
        empty=counts["empty"], failed=sum(counts[name] for name in FAILED), unparsed=counts["long"]
    )
    for kind in kinds:
        samples = results["samples"][f"microbench_coarse_{kind}"]
        assert [sample["failed"]["failed"] for sample in samples] == [fault in FAILED for fault in faults[kind]]
        scores = [
            0.0 if fault else float(question["answer_idx"] == 0)
            for fault, (*_, question) in zip(faults[kind], expected[kind], strict=True)
        ]
        assert [sample["acc"]["acc"] for sample in samples] == scores
        named = [sample["acc"]["image"] for sample in samples if sample["failed"]["failed"]]
        [warning] = [text for text in said if f"({kind})" in text]
        assert all(name in warning for name in named)
    unanswered = collections.Counter(
        (prompt, pixels.tobytes())
        for kind in kinds
        for prompt, pixels, _, _ in expected[kind]
        if fault_of((prompt, pixels.tobytes())) in FAILED
    )
    assert collections.Counter(server.asked) == unanswered
    assert [again["results"][task]["failed,none"] for task in tasks] == [0, 0]


@pytest.mark.parametrize("client", ["openai", "async_openai"])
def test_a_message_without_content_is_an_empty_answer(client, demo_folder):
    with serving(lambda prompt, pixels: Reply(None)) as server:
        results = evaluate(server, [TASK, "microbench_localization_glands"], model=client, limit=4)
    assert results["results"][TASK]["unparsed_by_kind,none"] == {"empty": 4}
    assert results["results"][TASK]["acc,none"] == 0
    assert results["results"]["microbench_localization_glands"]["grit,none"] == 0


def test_a_server_that_hangs_costs_its_questions_and_no_more(demo_folder, rows):
    slow = protocol_prompt(raw_questions(rows, KIND)[1][1]), shown(raw_questions(rows, KIND)[1][0]).tobytes()
    released = threading.Event()

    def hang(prompt, pixels):
        if (prompt, pixels.tobytes()) == slow:
            released.wait(30)
        return Reply("A")

    with serving(hang) as server:
        results = evaluate(server, [TASK], model="async_openai", options={"timeout": 1}, limit=4, log_samples=True)
        released.set()
    assert [sample["failed"]["failed"] for sample in results["samples"][TASK]] == [False, True, False, False]


# --- servers that do not answer ---

# With it, the client itself would ask again; the server's own count shows that it does not.
AGAIN = (("x-should-retry", "true"),)


def refusal(status):
    return Reply(status=status, raw=json.dumps({"error": {"message": "said the server"}}).encode(), headers=AGAIN)


@pytest.fixture
def own_cache(tmp_path, monkeypatch, demo_folder):
    """Keep answers of runs without --use_cache in a folder of the test."""
    monkeypatch.setattr(model_guard, "_UNFINISHED", str(tmp_path / "unfinished"))
    return tmp_path / "unfinished"


@pytest.mark.parametrize(
    ("client", "reply", "requests", "reason"),
    [
        ("openai", refusal(401), 1, "api_key=KEY"),
        ("openai", refusal(403), 1, "may use this model"),
        ("async_openai", refusal(404), 1, "model=NAME"),
        ("openai", refusal(400), 3, "takes images"),
        ("openai", refusal(500), 8, "HTTP 500: said the server"),
        ("async_openai", Reply(hangs_up=True), 8, "disconnected"),
        ("openai", Reply(raw=b"<html><title>Sign in</title></html>"), 8, "web page (Sign in)"),
    ],
)
def test_a_server_that_never_answers_ends_the_run_after_few_requests_with_the_reason(
    client, reply, requests, reason, own_cache
):
    with (
        serving(lambda prompt, pixels: reply) as server,
        pytest.raises(ServerStoppedError, match=re.escape(reason)),
    ):
        evaluate(server, [TASK], model=client, options={"max_retries": 5})
    assert len(server.asked) == requests
    # There is nothing to keep.
    assert list(own_cache.glob("*")) == []


@pytest.mark.parametrize("is_named", [True, False])
def test_a_server_that_dies_half_way_keeps_its_answers_and_only_the_rest_is_asked_again(is_named, own_cache, tmp_path):
    count, half = 40, 20
    said = []
    sink = logger.add(lambda message: said.append(message.record["message"]), level="INFO")
    settings = {"options": {"num_concurrent": 4, "max_retries": 2}, "limit": count}
    cache = {"use_cache": str(tmp_path / "cache")} if is_named else {}
    with serving(
        lambda prompt, pixels: answer(prompt, pixels) if len(server.answered) < half else refusal(503)
    ) as server:
        with pytest.raises(ServerStoppedError) as stopped:
            evaluate(server, [TASK], **settings, **cache)
        folder = Path(re.search(r"--use_cache (\S+) asks", str(stopped.value))[1])
        assert is_named == (folder == tmp_path / "cache")
        answered = collections.Counter(server.answered)
        # As many as were under way when the first of them was counted may be answered as well.
        assert half <= sum(answered.values()) < half + 4
        server.asked.clear()
        server.answer = answer
        results = evaluate(server, [TASK], use_cache=str(folder), **settings)
    logger.remove(sink)
    assert not answered & collections.Counter(server.asked)
    assert len(server.asked) == count - sum(answered.values())
    assert results["results"][TASK]["failed,none"] == 0
    known = sum(answered.values())
    assert results["served_model"]["from_disk"] == known
    assert any(f"ResponseCache stats: {known} hits, {count - known} misses" in message for message in said)
    assert any(f"{known} answers from disk, {count - known} questions asked" in message for message in said)


def test_retry_after_is_obeyed_and_costs_no_answer(own_cache):
    busy = Reply(status=429, raw=b"{}", headers=(("Retry-After", "0.2"), *AGAIN))
    numbers = itertools.count()
    with serving(lambda prompt, pixels: busy if next(numbers) % 4 == 2 else answer(prompt, pixels)) as server:
        results = evaluate(server, [TASK], options={"num_concurrent": 4}, limit=12)
    assert results["results"][TASK]["failed,none"] == 0
    assert len(server.answered) == 12
    # All is saved, so that nothing is kept beside it.
    assert list(own_cache.glob("*")) == []


# --- runs that are killed ---


# Questions of the runs that are killed.
COUNT = 100


def start(server, cache, out, **options):
    arguments = ["--model", "openai", "--model_args", model_args(server, **options), "--tasks", TASK]
    arguments += ["--limit", COUNT, "--use_cache", cache, "--output_path", out, "--log_samples"]
    return commands.start(SCRIPTS / "lmms_eval", *arguments)


@pytest.mark.parametrize("concurrency", [1, 8])
def test_a_killed_run_goes_on_where_it_was_and_ends_with_the_same_results(concurrency, rows, demo_folder, tmp_path):
    expected = expected_questions(rows, KIND)[:COUNT]
    half = COUNT // 2
    victims = []
    lock = threading.Lock()

    def killing(prompt, pixels):
        with lock:
            if victims and len(server.answered) >= half:
                os.kill(victims.pop().pid, signal.SIGKILL)
                time.sleep(0.2)
        return answer(prompt, pixels)

    with serving(killing) as server:
        with start(server, tmp_path / "cache", tmp_path / "killed", num_concurrent=concurrency) as process:
            victims.append(process)
            assert process.finished().returncode == -signal.SIGKILL
        before = list(server.asked)
        assert half <= len(before) < len(expected)
        with start(server, tmp_path / "cache", tmp_path / "resumed", num_concurrent=concurrency) as process:
            done = process.finished()
        assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
        # Answers that had not reached the client when it died were not answers: at most one for each request in flight.
        assert len(expected) <= len(server.asked) <= len(expected) + concurrency
        assert set(server.asked) == {(prompt, pixels.tobytes()) for prompt, pixels, _, _ in expected}
    with serving(answer) as server:
        whole = evaluate(server, [TASK], options={"num_concurrent": concurrency}, limit=COUNT, log_samples=True)
    assert results_in(tmp_path / "resumed")["results"][TASK] == json.loads(json.dumps(whole["results"][TASK]))
    items = [
        name
        for name in whole["samples"][TASK][0]
        if isinstance(whole["samples"][TASK][0][name], dict) and name != "doc"
    ]
    assert "acc" in items
    assert [[sample[name] for name in items] for sample in samples(tmp_path / "resumed")] == [
        [sample[name] for name in items] for sample in whole["samples"][TASK]
    ]


def samples(folder):
    [path] = folder.rglob(f"*_samples_{TASK}.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_budget_of_tokens_ends_the_questions_but_not_the_run_and_the_rest_can_be_asked_later(demo_folder, tmp_path):
    with serving(answer) as server:
        # Each reply reports 10 tokens.
        results = evaluate(
            server, [TASK], options={"num_concurrent": 1}, use_cache=str(tmp_path), max_tokens=200, limit=50
        )
        answered = len(server.asked)
        assert math.isclose(answered, 20, abs_tol=1)
        assert results["results"][TASK]["failed,none"] == 50 - answered
        results = evaluate(server, [TASK], options={"num_concurrent": 1}, use_cache=str(tmp_path), limit=50)
        assert len(server.asked) == 50
    assert results["results"][TASK]["failed,none"] == 0
