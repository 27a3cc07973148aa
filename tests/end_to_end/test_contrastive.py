"""Contrastive models through the real harness: its multiple_choice tasks, cache, processes and results file."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import datasets
import lmms_eval
import numpy as np
import open_clip
import pytest
import torch
from lmms_eval import evaluator
from safetensors.torch import load_file, save_file

from microbench_adapters.models import smoke_test
from tests.support import questions, tiny_clip
from tests.support.commands import SCRIPTS, launched, run, run_processes

ANSWERS = ["A", "B", "C", "D"]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return tiny_clip.save(tmp_path_factory.mktemp("clip") / "tiny", seed=3)


def results_of(folder):
    [path] = Path(folder).rglob("*_results.json")
    return json.loads(path.read_text())


def samples_of(folder, task):
    [path] = Path(folder).rglob(f"*_samples_{task}.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()]


def finished(process):
    assert process.returncode == 0, process.stdout[-3000:] + process.stderr[-3000:]
    return process


# --- a multiple_choice task that ships with the harness ---


@pytest.fixture(scope="module")
def seedbench(tmp_path_factory):
    """SEED-Bench's columns with 24 drawn images, and the harness's own definition of the task on them."""
    where = tmp_path_factory.mktemp("seedbench")
    options = ["a red micrograph", "a green tissue", "a blue cell", "none of the above"]
    golds = np.random.default_rng(0).integers(4, size=questions.COUNT)
    rows = [
        {
            "image": [image],
            "question": "What is seen here?",
            "answer": ANSWERS[golds[index]],
            **{f"choice_{letter}": text for letter, text in zip("abcd", np.roll(options, index), strict=False)},
            "data_type": "image",
            "question_id": str(index),
        }
        for index, image in enumerate(questions.images())
    ]
    features = datasets.Features(
        {name: datasets.Value("string") for name in rows[0] if name != "image"}
        | {"image": datasets.List(datasets.Image())}
    )
    datasets.Dataset.from_list(rows, features=features).to_parquet(where / "data" / "test.parquet")
    shipped = Path(lmms_eval.__file__).parent / "tasks" / "seedbench"
    (where / "tasks").mkdir()
    shutil.copy(shipped / "utils.py", where / "tasks")
    text = (
        (shipped / "seedbench_ppl.yaml")
        .read_text()
        .replace("lmms-lab-encoder/SEED-Bench", str(where / "data"))
        .replace('"seedbench_ppl"', "seedbench_ppl_local")
        .replace("  token: True", "  token: False")
    )
    (where / "tasks" / "seedbench_ppl_local.yaml").write_text(text)
    return where / "tasks", rows


def test_a_multiple_choice_task_of_the_harness_gives_the_accuracy_of_a_hand_computation(tiny, seedbench, tmp_path):
    tasks, rows = seedbench
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{tiny}")
    tokenizer = open_clip.get_tokenizer(f"local-dir:{tiny}")
    model.eval()
    right = []
    for row in rows:
        # The harness's context is "<question> Answer :"; its delimiter a space.
        texts = [f"What is seen here? Answer : {row[f'choice_{letter}']}" for letter in "abcd"]
        with torch.no_grad():
            image = model.encode_image(preprocess(row["image"][0])[None], normalize=True)
            best = int((model.encode_text(tokenizer(texts), normalize=True) @ image.T).argmax())
        right.append(ANSWERS[best] == row["answer"])
    assert 0 < np.mean(right) < 1
    # With a cache, and again with what the first run may have left in it.
    for number in range(2):
        out, cache = tmp_path / str(number), tmp_path / "cache"
        finished(
            run(
                SCRIPTS / "lmms_eval",
                "--model",
                "open_clip",
                "--model_args",
                f"model={tiny}",
                "--include_path",
                tasks,
                "--tasks",
                "seedbench_ppl_local",
                "--output_path",
                out,
                "--use_cache",
                cache,
            )
        )
        assert results_of(out)["results"]["seedbench_ppl_local"]["acc,none"] == pytest.approx(np.mean(right))


# --- what was loaded stands in the results file ---


@pytest.fixture(scope="module")
def demo_rows(demo_folder, tmp_path_factory):
    """An eighth of the demo set, and the same in another order."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    where = tmp_path_factory.mktemp("rows")
    [path] = sorted(demo_folder.rglob("test*.parquet"))[:1]
    table = pq.read_table(path)
    table = table.take(pa.array(range(0, len(table), 8)))
    orders = {"straight": np.arange(len(table)), "shuffled": np.random.default_rng(1).permutation(len(table))}
    for name, order in orders.items():
        (where / name).mkdir()
        pq.write_table(table.take(pa.array(order)), where / name / "test-00000-of-00001.parquet")
    return where


@pytest.fixture(scope="module")
def straight(demo_rows, tmp_path_factory):
    out = tmp_path_factory.mktemp("straight")
    finished(
        run(
            SCRIPTS / "lmms_eval",
            "--model",
            "demo_clip",
            "--tasks",
            "microbench_coarse",
            "--output_path",
            out,
            "--log_samples",
            "--use_cache",
            out / "cache",
            data=demo_rows / "straight",
        )
    )
    return out


def test_the_results_file_says_what_was_loaded(straight):
    loaded = results_of(straight)["loaded_model"]
    folder = Path(loaded["files"]["folder"])
    state = load_file(folder / loaded["files"]["weights"])
    import hashlib

    digest = hashlib.sha256()
    for name in sorted(state):
        digest.update(
            f"{name} {state[name].dtype} {tuple(state[name].shape)}\n".encode()
            + state[name].contiguous().numpy().tobytes()
        )
    assert loaded["weights_sha256"] == digest.hexdigest()
    assert loaded["architecture"] == json.loads((folder / "open_clip_config.json").read_text())["model_cfg"]
    assert loaded["preprocessing"]["mean"] == [0.5] * 3
    assert (loaded["context_length"], loaded["precision"], loaded["texts_cut"], loaded["questions_cut_alike"]) == (
        96,
        "fp32",
        [],
        0,
    )
    assert set(loaded["tokenizer"]) == {"class", "sha256"}


def figures(folder):
    results = results_of(folder)
    return {name: results[name] for name in ("results", "groups", "n-samples", "versions", "loaded_model")}


def answers(folder):
    """Letter and probabilities by image and kind of question; image ids are unique within a dataset only."""
    found = {}
    for path in Path(folder).rglob("*_samples_*.jsonl"):
        for line in path.read_text().splitlines():
            item = json.loads(line)["acc"]
            found[item["dataset"], item["image_id"], item["kind"]] = (item["predicted"], item["probabilities"])
    return found


def assert_same_answers(one, other):
    one, other = answers(one), answers(other)
    assert one.keys() == other.keys() and one
    for key, (letter, shares) in one.items():
        assert letter == other[key][0]
        assert shares == pytest.approx(other[key][1], abs=1e-5)


@pytest.mark.parametrize("batch_size", [1, 7, 64])
def test_batch_sizes_give_identical_results(straight, demo_rows, tmp_path, batch_size):
    finished(
        run(
            SCRIPTS / "lmms_eval",
            "--model",
            "demo_clip",
            "--tasks",
            "microbench_coarse",
            "--batch_size",
            batch_size,
            "--output_path",
            tmp_path,
            "--log_samples",
            data=demo_rows / "straight",
        )
    )
    found, expected = figures(tmp_path), figures(straight)
    assert (found["loaded_model"].pop("batch_size"), expected["loaded_model"].pop("batch_size")) == (batch_size, 64)
    assert found == expected
    assert_same_answers(tmp_path, straight)


def test_the_order_of_the_rows_gives_identical_results(straight, demo_rows, tmp_path):
    finished(
        run(
            SCRIPTS / "lmms_eval",
            "--model",
            "demo_clip",
            "--tasks",
            "microbench_coarse",
            "--output_path",
            tmp_path,
            "--log_samples",
            data=demo_rows / "shuffled",
        )
    )
    shuffled, expected = figures(tmp_path), figures(straight)
    assert_same_answers(tmp_path, straight)
    for part in ("results", "groups"):
        for task, values in expected[part].items():
            for metric, value in values.items():
                # The harness's own standard errors are sums in the order of the rows.
                assert shuffled[part][task][metric] == (
                    pytest.approx(value, abs=1e-12) if isinstance(value, float) else value
                ), (task, metric)
    assert shuffled["loaded_model"] == expected["loaded_model"]


def test_two_processes_share_the_encoding_and_give_identical_results(straight, demo_rows, tmp_path):
    """Tasks differ in their documents: both processes ask about many images, and one of them encodes each."""
    program = tmp_path / "run.py"
    program.write_text(
        "import atexit, json, os, pathlib, sys\n"
        "from microbench_adapters.named_models import demo_clip\n"
        "counts = {'encode_images': 0, 'encode_texts': 0}\n"
        "def counting(name):\n"
        "    encode = getattr(demo_clip, name)\n"
        "    def counted(self, batch):\n"
        "        counts[name] += len(next(iter(batch.values())))\n"
        "        return encode(self, batch)\n"
        "    return counted\n"
        "for name in counts:\n"
        "    setattr(demo_clip, name, counting(name))\n"
        "where = pathlib.Path(sys.argv.pop()) / (os.environ.get('RANK', 'alone') + '.json')\n"
        "atexit.register(lambda: where.write_text(json.dumps(counts)))\n"
        "import runpy\n"
        "runpy.run_module('lmms_eval', run_name='__main__')\n"
    )
    arguments = ["--model", "demo_clip", "--tasks", "microbench_coarse", "--log_samples", "--output_path"]
    finished(run(sys.executable, program, *arguments, tmp_path / "one", tmp_path, data=demo_rows / "straight"))
    for done in run_processes(
        2, sys.executable, program, *arguments, tmp_path / "two", tmp_path, data=demo_rows / "straight"
    ):
        finished(done)
    assert figures(tmp_path / "two") == figures(straight)
    assert_same_answers(tmp_path / "two", straight)
    alone, first, second = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("alone", "0", "1"))
    for name, tried in (("encode_images", len(smoke_test.images())), ("encode_texts", len(smoke_test.TEXTS))):
        # Every process tries its model first.
        assert (first[name] - tried) + (second[name] - tried) == alone[name] - tried
        assert abs(first[name] - second[name]) <= 1


def test_a_second_run_is_answered_from_the_cache_with_identical_results(straight, demo_rows, tmp_path):
    again = finished(
        run(
            SCRIPTS / "lmms_eval",
            "--model",
            "demo_clip",
            "--tasks",
            "microbench_coarse",
            "--output_path",
            tmp_path,
            "--use_cache",
            straight / "cache",
            data=demo_rows / "straight",
        )
    )
    assert "served from cache" in again.stdout + again.stderr
    assert "Encoding images" not in again.stdout + again.stderr
    assert figures(tmp_path) == figures(straight)


def test_other_weights_behind_the_same_path_are_not_answered_from_the_cache(tiny, demo_rows, tmp_path):
    folder = shutil.copytree(tiny, tmp_path / "model")
    found = []
    for seed in (3, 4):
        weights = tiny_clip.save(tmp_path / f"seed_{seed}", seed=seed)
        shutil.copy(weights / "open_clip_model.safetensors", folder)
        command = [
            SCRIPTS / "lmms_eval",
            "--model",
            "open_clip",
            "--model_args",
            f"model={folder}",
            "--tasks",
            "microbench_coarse_stain",
            "--use_cache",
            tmp_path / "cache",
            "--log_samples",
        ]
        finished(run(*command, "--output_path", tmp_path / f"out_{seed}", data=demo_rows / "straight"))
        found.append(
            (results_of(tmp_path / f"out_{seed}")["loaded_model"]["weights_sha256"], answers(tmp_path / f"out_{seed}"))
        )
    assert found[0][0] != found[1][0]
    assert found[0][1] != found[1][1]


def test_texts_that_are_cut_stand_in_the_results_file_also_from_the_cache(tiny, demo_rows, tmp_path):
    """Captions of stains have more than 6 tokens with start and end; of 4 words, all options keep the same ones."""
    folder = shutil.copytree(tiny, tmp_path / "model")
    config = json.loads((folder / "open_clip_config.json").read_text())
    config["model_cfg"]["text_cfg"]["context_length"] = 6
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    state = load_file(folder / "open_clip_model.safetensors")
    save_file(
        state | {"positional_embedding": state["positional_embedding"][:6].contiguous()},
        folder / "open_clip_model.safetensors",
    )
    found = []
    for number in range(2):
        command = [
            SCRIPTS / "lmms_eval",
            "--model",
            "open_clip",
            "--model_args",
            f"model={folder}",
            "--tasks",
            "microbench_coarse_stain",
            "--use_cache",
            tmp_path / "cache",
        ]
        finished(run(*command, "--output_path", tmp_path / str(number), "--log_samples", data=demo_rows / "straight"))
        found.append(results_of(tmp_path / str(number))["loaded_model"])
    tokenizer = open_clip.get_tokenizer("ViT-B-32")
    options = [
        text for sample in samples_of(tmp_path / "0", "microbench_coarse_stain") for text in sample["acc"]["options"]
    ]
    assert found[0] == found[1]
    assert found[0]["texts_cut"] == sorted(found[0]["texts_cut"]) and found[0]["texts_cut"]
    assert all(len(tokenizer.encode(text)) + 2 > 6 for text in found[0]["texts_cut"])
    assert any(option in text for option in options for text in found[0]["texts_cut"])
    assert found[0]["questions_cut_alike"] > 0


def test_a_process_without_a_question_keeps_none_waiting(demo_rows, tmp_path):
    arguments = ("--model", "demo_clip", "--tasks", "microbench_coarse_stain", "--limit", "1")
    command = (sys.executable, "-m", "lmms_eval", *arguments, "--output_path", tmp_path)
    for done in run_processes(2, *command, data=demo_rows / "straight"):
        finished(done)
    assert results_of(tmp_path)["n-samples"]["microbench_coarse_stain"]["effective"] == 1


def test_torchrun_sets_what_the_tests_set_for_processes_that_work_together(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "import json, os, pathlib\n"
        "pathlib.Path(__file__).with_name(os.environ['RANK']).write_text(json.dumps(dict(os.environ)))\n"
    )
    launcher = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")
    finished(run(*launcher, program))
    for rank in range(2):
        found = json.loads((tmp_path / str(rank)).read_text())
        ours = launched(rank, 2, found["MASTER_PORT"])
        # The name of this machine, which need not be that of the interface.
        assert found.pop("MASTER_ADDR") and ours.pop("MASTER_ADDR")
        assert {name: found[name] for name in ours} == ours


def test_one_failing_process_ends_the_whole_run(tmp_path):
    """The other one would wait for it at a barrier for hours."""
    program = tmp_path / "run.py"
    program.write_text(
        "import os\n"
        "from microbench_adapters.named_models import demo_clip\n"
        "load = demo_clip.load_image\n"
        "def failing(self, choice):\n"
        "    if os.environ['RANK'] == '1':\n"
        "        raise OSError('one bad image')\n"
        "    return load(self, choice)\n"
        "demo_clip.load_image = failing\n"
        "import runpy\n"
        "runpy.run_module('lmms_eval', run_name='__main__')\n"
    )
    command = [sys.executable, program, "--model", "demo_clip", "--tasks", "microbench_coarse_stain"]
    # No launcher ends the other one here.
    both = run_processes(2, *command)
    assert all(done.returncode != 0 for done in both)
    assert "one bad image" in both[1].stdout + both[1].stderr
    assert "Process 2 of 2 failed, and the run ends. OSError: one bad image" in both[1].stdout + both[1].stderr


# --- microbench sweep ---


def test_a_sweep_writes_the_results_of_single_runs_and_reads_checkpoints_once(tiny, demo_rows, tmp_path):
    other = tiny_clip.save(tmp_path / "other", seed=4)
    model_args = f"model={other},merge_with={tiny}"
    swept = finished(
        run(
            SCRIPTS / "microbench",
            "sweep",
            "--alpha",
            "0:1:0.5",
            "--model",
            "open_clip",
            "--model_args",
            model_args,
            "--tasks",
            "microbench_coarse",
            "--output_path",
            tmp_path / "sweep",
            data=demo_rows / "straight",
        )
    )
    rows = json.loads((tmp_path / "sweep" / "sweep.json").read_text())
    assert [row["alpha"] for row in rows] == [0, 0.5, 1]
    lines = swept.stdout.strip().splitlines()[-3:]
    written = [json.loads((tmp_path / "sweep" / row["results"]).read_text()) for row in rows]
    for row, line, results in zip(rows, lines, written, strict=False):
        group = results["groups"]["microbench_coarse"]
        assert row["figures"]["microbench_coarse"]["acc"] == group["acc,none"]
        assert line == (
            f"| {row['alpha']:g} | {group['acc,none']:.4f} [{group['acc_image_ci_low,none']:.4f}, "
            f"{group['acc_image_ci_high,none']:.4f}] |"
        )
    out = tmp_path / "single"
    finished(
        run(
            SCRIPTS / "lmms_eval",
            "--model",
            "open_clip",
            "--model_args",
            f"{model_args},alpha=0.5",
            "--tasks",
            "microbench_coarse",
            "--output_path",
            out,
            data=demo_rows / "straight",
        )
    )
    assert figures(out) == {name: written[1][name] for name in figures(out)}
    # Ends: the checkpoints themselves.
    hashes = [results["loaded_model"]["weights_sha256"] for results in written]
    assert [hashes[0], hashes[2]] == [part["weights_sha256"] for part in written[1]["loaded_model"]["merge"]["of"]]


def test_a_sweep_whose_run_fails_exits_with_an_error_that_says_which(tiny, tmp_path):
    failed = run(
        SCRIPTS / "microbench",
        "sweep",
        "--alpha",
        "0,1",
        "--model",
        "open_clip",
        "--model_args",
        f"model={tiny},merge_with=/no/such",
        "--tasks",
        "microbench_coarse",
        "--output_path",
        tmp_path / "sweep",
    )
    assert failed.returncode == 1
    assert "The run with alpha=0 failed; see above. 0 of 2 are done" in failed.stderr


# --- refusals, before hours are spent ---


def test_a_python_run_records_the_model_too(use_source, demo_rows):
    from microbench_adapters.named_models import demo_clip

    use_source(demo_rows / "straight")
    model = demo_clip(device="cpu")
    found = evaluator.simple_evaluate(model=model, tasks=["microbench_coarse_stain"], bootstrap_iters=0, limit=4)
    assert found["loaded_model"] == model.record() | {"batch_size": 64, "texts_cut": [], "questions_cut_alike": 0}
