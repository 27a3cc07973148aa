"""transformers_vlm through the real harness, shrunk, against transformers alone: letters, boxes, cache, processes."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import transformers
from PIL import Image

from microbench_tasks.parsing.boxes.parser import parse_boxes
from tests.support import tiny_vlm
from tests.support.commands import SCRIPTS, results_in, run, run_processes
from tests.support.independent import LETTERS, box_cases, grit, protocol_prompt, protocol_score, raw_questions, raw_rows
from tests.support.independent import shown as micrograph

LIMIT = 8
TASKS = "microbench_coarse_modality,microbench_fine_pollen,microbench_localization_glands"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_vlm.save(tmp_path_factory.mktemp("vlm") / "tiny", "qwen2_5_vl")


@pytest.fixture(scope="module")
def plain(folder):
    before = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()
    yield tiny_vlm.Plain(folder)
    transformers.logging.set_verbosity(before)


def finished(process):
    assert process.returncode == 0, process.stdout[-3000:] + process.stderr[-3000:]
    return process


def command(folder, out, *further, tasks=TASKS, limit=LIMIT):
    return [
        "--model",
        "transformers_vlm",
        "--model_args",
        f"model={folder},device=cpu",
        "--tasks",
        tasks,
        *(["--limit", limit] if limit else []),
        "--gen_kwargs",
        f"max_new_tokens={tiny_vlm.NEW_TOKENS}",
        "--log_samples",
        "--output_path",
        out,
        *further,
    ]


@pytest.fixture(scope="module")
def first_run(folder, demo_folder, tmp_path_factory):
    """A run that answers half of the questions, and then the whole, which asks the other half."""
    out = tmp_path_factory.mktemp("out")
    cached = ["--use_cache", out / "cache"]
    half = finished(run(SCRIPTS / "lmms_eval", *command(folder, out / "half", *cached, limit=LIMIT // 2)))
    return half, finished(run(SCRIPTS / "lmms_eval", *command(folder, out / "whole", *cached))), out / "whole"


def num_asked(process):
    return sum(int(count) for count in set(re.findall(r"Answering: .*?/(\d+) ", process.stderr)))


def samples(out, task):
    [path] = Path(out).rglob(f"*_samples_{task}.jsonl")
    return sorted((json.loads(line) for line in path.read_text().splitlines()), key=lambda sample: sample["doc_id"])


def test_a_second_run_asks_only_what_is_left(first_run):
    half, whole, _ = first_run
    # Three tasks, of which each run answers four questions more; batches of a run are as large as the cache stores.
    assert "Answering" in half.stderr and "Answering" in whole.stderr
    assert num_asked(half) == num_asked(whole) == 3 * LIMIT // 2


def test_questions_are_asked_in_the_protocols_words_and_answered_as_by_transformers_alone(
    first_run, plain, demo_folder
):
    found = samples(first_run[2], "microbench_coarse_modality")
    pairs = raw_questions(raw_rows(demo_folder), "modality")[:LIMIT]
    for sample, (row, question) in zip(found, pairs, strict=True):
        image, prompt = Image.fromarray(micrograph(row)), protocol_prompt(question)
        text, item = plain.text(image, prompt), sample["acc"]
        assert sample["filtered_resps"].rpartition("\n")[0].lstrip() == text.lstrip()
        shares = plain.shares(image, prompt, LETTERS[: len(question["options"])])
        assert list(item["probabilities"].values()) == pytest.approx(shares, abs=1e-5)
        assert item["acc"] == protocol_score(text.strip(), question)


def test_boxes_are_asked_for_and_read_as_the_type_of_the_checkpoint_writes_them(first_run, plain, demo_folder):
    task = "glands"
    recorded = results_in(first_run[2])["configs"][f"microbench_localization_{task}"]["metadata"]["boxes"]
    assert (recorded["chosen_by"], recorded["convention"]) == ("model type qwen2_5_vl", "pixels_xyxy_model_input")
    # The limits of the checkpoint's own processor.
    assert recorded["limits"] == [4 * 28 * 28, 9 * 28 * 28]
    numbers_of = tiny_vlm.box_tokens(tiny_vlm.FAMILIES["qwen2_5_vl"].box_scale)
    num_boxes = 0
    for sample, (row, name, gold) in zip(
        samples(first_run[2], f"microbench_localization_{task}"),
        box_cases(raw_rows(demo_folder), task)[:LIMIT],
        strict=True,
    ):
        original = Image.fromarray(micrograph(row))
        grid = plain.processor.image_processor(original, return_tensors="pt")["image_grid_thw"][0].tolist()
        seen = (grid[2] * tiny_vlm.PATCH, grid[1] * tiny_vlm.PATCH)
        image = original.resize(seen, Image.Resampling.BICUBIC)
        prompt = recorded["prompt"].replace("{class}", name)
        written = [plain.processor.tokenizer.decode(token) for token in plain.tokens(image, prompt)]
        assert sample["filtered_resps"].strip() == plain.text(image, prompt).strip()
        scale = np.array([original.width / seen[0], original.height / seen[1]] * 2)
        expected = [list(numbers_of[token] * scale) for token in written if token in numbers_of]
        read = parse_boxes(sample["filtered_resps"], recorded["convention"], original.size, seen).boxes
        np.testing.assert_allclose(read, np.reshape(expected, (-1, 4)), atol=1e-9)
        assert sample["grit"]["grit"] == pytest.approx(grit(expected, gold), abs=1e-9)
        num_boxes += len(expected)
    assert num_boxes > 5


def test_the_results_file_says_what_was_loaded_and_how_it_was_asked(first_run, folder):
    loaded = results_in(first_run[2])["loaded_model"]
    assert (loaded["checkpoint"], loaded["precision"]) == (str(folder), "fp32")
    assert loaded["architecture"]["model_type"] == "qwen2_5_vl"
    assert "<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>QUESTION" in loaded["prompt"]["example"]


def test_two_processes_give_identical_results(first_run, folder, tmp_path):
    for done in run_processes(2, sys.executable, "-m", "lmms_eval", *command(folder, tmp_path, "--batch_size", "3")):
        finished(done)
    one, two = results_in(tmp_path), results_in(first_run[2])
    for name in ("results", "n-samples", "loaded_model"):
        assert one[name] == two[name]


def test_a_whole_run_about_boxes_can_be_submitted_and_verified(folder, demo_folder, tmp_path):
    task = "microbench_localization_glands"
    finished(run(SCRIPTS / "lmms_eval", *command(folder, tmp_path / "out", tasks=task, limit=None)))
    made = tmp_path / "made"
    finished(run(SCRIPTS / "microbench", "submit", tmp_path / "out", "--model-name", "Tiny", "--out", made))
    finished(run(SCRIPTS / "microbench", "verify", made))
    assert json.loads((made / "submission.json").read_text())["settings"]["boxes"]["limits"] == [3136, 7056]


def test_a_clip_is_refused_before_anything_is_asked(tmp_path):
    transformers.CLIPConfig().save_pretrained(tmp_path / "clip")
    done = run(SCRIPTS / "lmms_eval", *command(tmp_path / "clip", tmp_path / "out"))
    assert done.returncode != 0
    assert "use --model transformers_clip --model_args model=" in done.stdout + done.stderr
