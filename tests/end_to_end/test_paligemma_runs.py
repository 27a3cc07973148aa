"""PaliGemma through the real harness, shrunk, against transformers alone: prompts, letters, boxes, cache, processes."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from PIL import Image

from microbench_tasks.parsing.boxes.parser import parse_boxes
from tests.support import tiny_paligemma
from tests.support.commands import SCRIPTS, results_in, run, run_processes
from tests.support.independent import (
    BOXES,
    KINDS,
    LETTERS,
    box_cases,
    grit,
    protocol_prompt,
    protocol_score,
    raw_questions,
    raw_rows,
    shown,
)

LIMIT = 9
SETTINGS = [
    "--tasks",
    "microbench_coarse,microbench_localization",
    "--limit",
    LIMIT,
    "--gen_kwargs",
    f"max_new_tokens={tiny_paligemma.NEW_TOKENS}",
    "--log_samples",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_paligemma.save(tmp_path_factory.mktemp("paligemma") / "tiny")


@pytest.fixture(scope="module")
def plain(folder):
    before = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()
    yield tiny_paligemma.Plain(folder)
    transformers.logging.set_verbosity(before)


@pytest.fixture(scope="module")
def rows(demo_folder):
    return raw_rows(demo_folder)


def finished(process):
    assert process.returncode == 0, process.stdout[-3000:] + process.stderr[-3000:]
    return process


def command(folder, out, *further):
    return [
        "--model",
        "paligemma",
        "--model_args",
        f"model={folder},device=cpu",
        *SETTINGS,
        "--output_path",
        out,
        *further,
    ]


@pytest.fixture(scope="module")
def first_run(folder, demo_folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    return finished(run(SCRIPTS / "lmms_eval", *command(folder, out, "--use_cache", out / "cache"))), out


def samples(out, task):
    [path] = Path(out).rglob(f"*_samples_{task}.jsonl")
    return sorted((json.loads(line) for line in path.read_text().splitlines()), key=lambda sample: sample["doc_id"])


def figures(out):
    found = results_in(out)
    return {name: found[name] for name in ("results", "groups", "n-samples", "loaded_model")}


@pytest.mark.parametrize("kind", KINDS)
def test_questions_are_asked_in_the_protocols_words_and_answered_as_by_transformers_alone(kind, first_run, plain, rows):
    found = samples(first_run[1], f"microbench_coarse_{kind}")
    pairs = raw_questions(rows, kind)[:LIMIT]
    for sample, (row, question) in zip(found, pairs, strict=True):
        image, prompt = Image.fromarray(shown(row)), protocol_prompt(question)
        text, item = plain.text(image, prompt), sample["acc"]
        assert sample["filtered_resps"].rpartition("\n")[0].lstrip() == text.lstrip()
        shares = plain.shares(image, prompt, LETTERS[: len(question["options"])])
        assert list(item["probabilities"].values()) == pytest.approx(shares, abs=1e-5)
        assert item["acc"] == protocol_score(text.strip(), question)


def boxes_in(token_ids, tokenizer, size):
    """Read bins from the tokens' numbers: the first four between semicolons, y before x, each bin / 1024 of a side."""
    first = tokenizer.convert_tokens_to_ids("<loc0000>")
    parts = [[]]
    for token_id in token_ids:
        if first <= token_id < first + 1024:
            parts[-1].append(token_id - first)
        # A piece may hold more than a semicolon; rows that pad the matrix stand for no piece.
        parts += [[] for _ in range((tokenizer.convert_ids_to_tokens(token_id) or "").count(";"))]
    width, height = size
    quads = [part[:4] for part in parts if len(part) >= 4]
    return [
        [x1 / 1024 * width, y1 / 1024 * height, x2 / 1024 * width, y2 / 1024 * height] for y1, x1, y2, x2 in quads
    ], any(0 < len(part) < 4 for part in parts)


def test_boxes_are_those_that_the_written_tokens_mean(first_run, plain, rows):
    kinds = {"with boxes": 0, "asked again": 0, "broken groups": 0}
    for task in BOXES:
        found = samples(first_run[1], f"microbench_localization_{task}")
        for sample, (row, name, gold) in zip(found, box_cases(rows, task)[:LIMIT], strict=True):
            image = Image.fromarray(shown(row))
            tokens = plain.tokens(image, f"detect {name}")
            if plain.text(image, f"detect {name}") == "":
                kinds["asked again"] += 1
                tokens = plain.tokens(image, f"segment {name}; {name}")
            response = sample["filtered_resps"]
            assert response == plain.processor.decode(tokens, skip_special_tokens=True).strip()
            expected, broken = boxes_in(tokens, plain.processor.tokenizer, image.size)
            read = parse_boxes(response, sample["grit"]["convention"], image.size).boxes
            np.testing.assert_allclose(read, np.array(expected).reshape(-1, 4), atol=1e-9)
            assert sample["grit"]["grit"] == pytest.approx(grit(expected, gold), abs=1e-9)
            kinds["with boxes"] += bool(expected)
            kinds["broken groups"] += broken
    assert min(kinds.values()) > 0, kinds


def test_the_second_try_is_logged_and_its_prompt_recorded(first_run):
    done, out = first_run
    assert "answers were empty: asking again, as in 'segment " in done.stdout + done.stderr
    recorded = results_in(out)["configs"]["microbench_localization_glands"]["metadata"]["boxes"]
    assert (recorded["prompt"], recorded["prompt_when_empty"], recorded["chosen_by"]) == (
        "detect {class}",
        "segment {class}; {class}",
        "model paligemma",
    )


def test_the_results_file_says_what_was_loaded(first_run, folder):
    loaded = results_in(first_run[1])["loaded_model"]
    state = transformers.PaliGemmaForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).state_dict()
    import hashlib

    digest = hashlib.sha256()
    for name in sorted(state):
        digest.update(
            f"{name} {state[name].dtype} {tuple(state[name].shape)}\n".encode()
            + state[name].contiguous().numpy().tobytes()
        )
    assert loaded["weights_sha256"] == digest.hexdigest()
    assert (loaded["checkpoint"], loaded["precision"]) == (str(folder), "fp32")


def test_a_second_run_is_answered_from_the_cache_and_other_weights_are_not(first_run, folder, tmp_path):
    """By the harness's own command, with another batch size."""
    _, out = first_run
    again = finished(
        run(
            SCRIPTS / "lmms-eval",
            *command(folder, tmp_path / "again", "--use_cache", out / "cache", "--batch_size", "5"),
        )
    )
    # The harness keeps no empty answers.
    empty = [
        sample
        for task in BOXES
        for sample in samples(out, f"microbench_localization_{task}")
        if sample["filtered_resps"] == ""
    ]
    assert set(re.findall(r"Answering: .*?/(\d+) ", again.stderr)) == {str(len(empty))}
    assert figures(tmp_path / "again") == figures(out)
    kept = {path.name: path.read_bytes() for path in folder.iterdir()}
    try:
        tiny_paligemma.save(folder, seed=4)
        other = finished(run(SCRIPTS / "lmms_eval", *command(folder, tmp_path / "other", "--use_cache", out / "cache")))
    finally:
        for name, content in kept.items():
            (folder / name).write_bytes(content)
    assert "Answering" in other.stdout + other.stderr
    assert (
        figures(tmp_path / "other")["loaded_model"]["weights_sha256"] != figures(out)["loaded_model"]["weights_sha256"]
    )


def test_two_processes_give_identical_results(first_run, folder, tmp_path):
    for done in run_processes(2, sys.executable, "-m", "lmms_eval", *command(folder, tmp_path, "--batch_size", "3")):
        finished(done)
    assert figures(tmp_path) == figures(first_run[1])
    for task in ("microbench_coarse_stain", "microbench_localization_synthetic_cells"):
        # Probabilities depend on the batch by their last digits.
        one, two = (
            [sample["filtered_resps"].split('\n{"prob')[0] for sample in samples(out, task)]
            for out in (tmp_path, first_run[1])
        )
        assert one == two
