"""The main job through the real harness, against computations that share no code with it."""

from __future__ import annotations

import collections
import io
import json
import math

import numpy as np
import open_clip
import pytest
import torch
from lmms_eval import evaluator
from lmms_eval.tasks import TaskManager
from PIL import Image

from microbench_tasks.tasks import definitions
from tests.support.independent import (
    KINDS,
    LETTERS,
    StandIn,
    protocol_prompt,
    protocol_score,
    raw_questions,
    raw_rows,
    reply,
    shown,
)


def evaluate(model, **options):
    return evaluator.simple_evaluate(model=model, tasks=["microbench_coarse"], bootstrap_iters=0, **options)


@pytest.fixture(scope="module")
def stand_in_run(demo_folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MICROBENCH_DATASET", "demo")
        model = StandIn(lambda prompt, image: reply(prompt))
        return model, evaluate(model)


@pytest.fixture(scope="module")
def rows(demo_folder):
    return raw_rows(demo_folder)


@pytest.mark.parametrize("kind", KINDS)
def test_every_prompt_is_the_protocols_and_every_image_the_rows(kind, stand_in_run, rows):
    model, _ = stand_in_run
    expected = raw_questions(rows, kind)
    asked = model.asked[f"microbench_coarse_{kind}"]
    assert [prompt for prompt, _ in asked] == [protocol_prompt(question) for _, question in expected]
    for (_, image), (row, _) in zip(asked, expected, strict=True):
        assert np.array_equal(np.asarray(image), shown(row))


@pytest.mark.parametrize("kind", KINDS)
def test_a_tasks_accuracy_equals_the_independent_one(kind, stand_in_run, rows):
    scores = [protocol_score(reply(protocol_prompt(question)), question) for _, question in raw_questions(rows, kind)]
    found = stand_in_run[1]["results"][f"microbench_coarse_{kind}"]
    assert 0.05 < np.mean(scores) < 0.95
    assert abs(found["acc,none"] - math.fsum(scores) / len(scores)) < 1e-12


def test_the_groups_accuracy_pools_all_questions(stand_in_run, rows):
    scores = [
        protocol_score(reply(protocol_prompt(question)), question)
        for kind in KINDS
        for _, question in raw_questions(rows, kind)
    ]
    group = stand_in_run[1]["groups"]["microbench_coarse"]
    accuracy = math.fsum(scores) / len(scores)
    assert abs(group["acc,none"] - accuracy) < 1e-12
    # 95 % normal interval of a share, to within a tenth.
    half = 1.96 * math.sqrt(accuracy * (1 - accuracy) / len(scores))
    assert group["acc_ci_high,none"] - accuracy == pytest.approx(half, rel=0.1)
    assert accuracy - group["acc_ci_low,none"] == pytest.approx(half, rel=0.1)


def test_samples_tell_image_dataset_question_letters_and_score(stand_in_run, rows):
    samples = stand_in_run[1]["samples"]["microbench_coarse_stain"]
    for sample, (row, question) in zip(samples, raw_questions(rows, "stain"), strict=True):
        item = sample["acc"]
        assert item["image_id"] == row["image_id"]
        assert item["dataset"] == (
            row["dataset"]
            or {"H2B-mCherry": "held_et_al_2010_h2b", "GalT\u2013EGFP": "held_et_al_2010_galt"}[row["stain"]]
        )
        assert item["kind"] == "stain"
        assert item["gold"] == LETTERS[question["answer_idx"]]
        assert item["acc"] == item["score"] == protocol_score(reply(protocol_prompt(question)), question)


def test_the_harness_statistics_work_on_our_items(stand_in_run):
    stain = stand_in_run[1]["results"]["microbench_coarse_stain"]
    scores = [sample["acc"]["acc"] for sample in stand_in_run[1]["samples"]["microbench_coarse_stain"]]
    assert stain["acc_stderr_clt,none"] == pytest.approx(np.std(scores, ddof=1) / math.sqrt(len(scores)))
    # One question per image: clusters of one, so both errors agree up to n / (n - 1).
    assert stain["acc_stderr_clustered,none"] == pytest.approx(stain["acc_stderr_clt,none"], rel=0.01)


def test_results_record_source_and_version(stand_in_run):
    from importlib.metadata import version

    config = stand_in_run[1]["configs"]["microbench_coarse_domain"]
    assert config["metadata"]["dataset"]["source"] == "demo"
    assert len(config["metadata"]["dataset"]["sha256"]) == 64
    assert config["metadata"]["microbench_version"] == version("microbench-lmms")
    json.dumps(stand_in_run[1]["results"])


# --- the demo model ---


def demo_clip_run(folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MICROBENCH_DATASET", str(folder))
        return evaluate("demo_clip", device="cpu")


@pytest.fixture(scope="module")
def demo_run(demo_folder):
    return demo_clip_run("demo")


def chance(rows, kind):
    return np.mean([1 / len(question["options"]) for _, question in raw_questions(rows, kind)])


@pytest.mark.parametrize("kind", KINDS)
def test_the_demo_model_is_above_chance_in_every_task(kind, demo_run, rows):
    assert demo_run["results"][f"microbench_coarse_{kind}"]["acc_ci_low,none"] > chance(rows, kind)


def test_the_demo_models_group_accuracy_is_above_a_half(demo_run):
    assert demo_run["groups"]["microbench_coarse"]["acc_ci_low,none"] > 0.5


def test_letters_and_probabilities_are_those_of_one_image_and_one_text_at_a_time(demo_run, rows):
    from importlib.resources import files

    name = f"local-dir:{files('microbench_adapters') / 'demo_clip'}"
    model, _, preprocess = open_clip.create_model_and_transforms(name)
    tokenizer = open_clip.get_tokenizer(name)
    model.eval()
    for kind in KINDS:
        pairs = list(zip(demo_run["samples"][f"microbench_coarse_{kind}"], raw_questions(rows, kind), strict=True))
        for sample, (row, _) in pairs[::7]:
            raw = Image.open(io.BytesIO(row["image"]["bytes"]))
            if raw.mode.startswith("I"):
                values = np.asarray(raw).astype(float)
                raw = Image.fromarray(np.rint(values * 255 / max(values.max(), 255)).astype(np.uint8))
            with torch.no_grad():
                image = model.encode_image(preprocess(raw.convert("RGB"))[None])[0]
                texts = [model.encode_text(tokenizer([text]))[0] for text in row["captions"][f"{kind}_1"]["options"]]
                cosines = torch.stack([torch.nn.functional.cosine_similarity(image, text, dim=0) for text in texts])
                expected = (model.logit_scale.exp() * cosines).softmax(0).tolist()
            assert sample["acc"]["predicted"] == LETTERS[int(np.argmax(expected))]
            assert list(sample["acc"]["probabilities"].values()) == pytest.approx(expected, abs=1e-5)


def rewritten(source_folder, target, change):
    """A copy of the data whose rows went through ``change``."""
    import datasets

    from tests.support import release

    rows = change(raw_rows(source_folder))
    features = datasets.load_dataset(
        "parquet", data_files={"test": [str(path) for path in sorted(source_folder.rglob("*.parquet"))]}
    )["test"].features
    table = datasets.Dataset.from_list(rows, features=features, split="test")
    assert set(release.row(0)) == set(features)
    target.mkdir()
    table.to_parquet(target / "test-00000-of-00001.parquet")
    return target


def shuffle_options(rows):
    rng = np.random.default_rng(7)
    for row in rows:
        for kind in KINDS:
            question = (row["questions"] or {}).get(kind)
            if question is None or question["question"] is None:
                continue
            order = rng.permutation(len(question["options"]))
            answer_idx = int(np.flatnonzero(order == question["answer_idx"])[0])
            question |= {"options": [question["options"][index] for index in order], "answer_idx": answer_idx}
            caption = row["captions"][f"{kind}_1"]
            caption |= {"options": [caption["options"][index] for index in order], "answer_idx": str(answer_idx)}
    return rows


def same_pixels(rows):
    return [row | {"image": rows[0]["image"]} for row in rows]


def test_shuffling_the_options_changes_no_accuracy(demo_run, demo_folder, tmp_path):
    shuffled = demo_clip_run(rewritten(demo_folder, tmp_path / "shuffled", shuffle_options))
    for task, before in demo_run["results"].items():
        assert shuffled["results"][task]["acc,none"] == pytest.approx(before["acc,none"], abs=0.01), task
    predicted = [
        collections.Counter(sample["acc"]["gold"] for sample in run["samples"]["microbench_coarse_domain"])
        for run in (demo_run, shuffled)
    ]
    assert predicted[0] != predicted[1]


def best_blind_guess(rows, kind):
    """Accuracy of always choosing the offered option that is most often right: no image is needed for it."""
    questions = [question for _, question in raw_questions(rows, kind)]
    counts = collections.Counter(question["answer"] for question in questions)
    return np.mean(
        [max(question["options"], key=lambda option: counts[option]) == question["answer"] for question in questions]
    )


def test_with_the_same_pixels_everywhere_accuracy_drops_to_a_blind_guess(demo_run, demo_folder, rows, tmp_path):
    blind = demo_clip_run(rewritten(demo_folder, tmp_path / "blind", same_pixels))
    for kind in KINDS:
        task = f"microbench_coarse_{kind}"
        assert blind["results"][task]["acc_ci_low,none"] <= best_blind_guess(rows, kind), task
        assert demo_run["results"][task]["acc_ci_low,none"] > best_blind_guess(rows, kind), task


def count_decoded(monkeypatch):
    """The images that `datasets` decodes from here on."""
    from datasets import Image as Feature

    decoded, original = [], Feature.decode_example
    monkeypatch.setattr(
        Feature, "decode_example", lambda self, *args, **options: decoded.append(1) or original(self, *args, **options)
    )
    return decoded


class Blind(StandIn):
    def generate_until(self, requests):
        return ["A"] * len(requests)


def test_scoring_decodes_no_image(demo_folder, monkeypatch):
    monkeypatch.setenv("MICROBENCH_DATASET", "demo")
    decoded = count_decoded(monkeypatch)
    results = evaluator.simple_evaluate(
        model=Blind(None),
        tasks=["microbench_coarse_domain", "microbench_localization_glands", "microbench_cognition"],
        bootstrap_iters=0,
    )
    assert results["n-samples"]["microbench_coarse_domain"]["effective"] == 315
    # The harness looks at the first document of a task when it makes it.
    assert len(decoded) <= 3


def test_functions_of_others_that_score_our_documents_still_see_the_image(demo_folder, monkeypatch, tmp_path):
    monkeypatch.setenv("MICROBENCH_DATASET", "demo")
    (tmp_path / "mine.yaml").write_text(
        "include: " + str(definitions.yaml_folder() / "_default_template_yaml") + "\ntask: my_domain\n"
        "process_docs: !function microbench_tasks.data.documents.microbench_coarse_domain_docs\n"
        "process_results: !function scoring.width\n"
        "metric_list:\n  - {metric: width, aggregation: mean, higher_is_better: true}\n"
    )
    (tmp_path / "scoring.py").write_text('def width(doc, results):\n    return {"width": float(doc["image"].width)}\n')
    results = evaluator.simple_evaluate(
        model=Blind(None),
        tasks=["my_domain"],
        bootstrap_iters=0,
        limit=5,
        task_manager=TaskManager(include_path=str(tmp_path)),
    )
    assert results["results"]["my_domain"]["width,none"] > 0


def test_documents_are_built_once(demo_folder, monkeypatch):
    from microbench_tasks.data import resolved_data, task_documents

    monkeypatch.setenv("MICROBENCH_DATASET", "demo")
    resolved_data.forget()
    built, original = [], task_documents.build
    monkeypatch.setattr(
        task_documents, "build", lambda split, task, where: built.append(task.name) or original(split, task, where)
    )
    evaluator.simple_evaluate(
        model=Blind(None), tasks=["microbench_coarse_domain", "microbench_cognition"], bootstrap_iters=0
    )
    assert sorted(built) == ["microbench_coarse_domain", "microbench_cognition"]
