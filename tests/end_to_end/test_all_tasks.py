"""Fine tasks, cognition and localization through the real harness, against independent computations."""

from __future__ import annotations

import collections
import io
import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest
from lmms_eval import evaluator
from PIL import Image

from tests.support.commands import SCRIPTS, results_in, run, run_processes
from tests.support.independent import (
    BOXES,
    FINE,
    OUTSIDE,
    StandIn,
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
)


def answer(prompt, image):
    return box_reply(prompt, image)[0] if prompt.startswith("Detect") else reply(prompt)


@pytest.fixture(scope="module")
def rows(demo_folder):
    return raw_rows(demo_folder)


@pytest.fixture(scope="module")
def stand_in_run(demo_folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MICROBENCH_DATASET", "demo")
        model = StandIn(answer)
        return model, evaluator.simple_evaluate(model=model, tasks=["microbench_all"], bootstrap_iters=0)


def fine_questions(rows, task):
    return [(row, question) for row, question in raw_questions(rows, "classification") if dataset_of(row) in FINE[task]]


def fine_scores(rows, task, leave_out=()):
    return [
        protocol_score(reply(protocol_prompt(question)), question)
        for row, question in fine_questions(rows, task)
        if dataset_of(row) not in leave_out
    ]


@pytest.mark.parametrize("task", FINE)
def test_a_fine_task_asks_the_protocols_questions_and_scores_them_by_its_rule(task, stand_in_run, rows):
    model, results = stand_in_run
    assert [prompt for prompt, _ in model.asked[f"microbench_fine_{task}"]] == [
        protocol_prompt(question) for _, question in fine_questions(rows, task)
    ]
    scores = fine_scores(rows, task)
    assert results["results"][f"microbench_fine_{task}"]["acc,none"] == pytest.approx(
        math.fsum(scores) / len(scores), abs=1e-12
    )


def test_the_fine_group_pools_without_two_datasets_and_also_with_them(stand_in_run, rows):
    group = stand_in_run[1]["groups"]["microbench_fine"]
    official = [score for task in FINE for score in fine_scores(rows, task, OUTSIDE)]
    everything = [score for task in FINE for score in fine_scores(rows, task)]
    assert len(everything) - len(official) == sum(dataset_of(row) in OUTSIDE for row in rows)
    assert group["acc,none"] == pytest.approx(np.mean(official), abs=1e-12)
    assert group["acc_all,none"] == pytest.approx(np.mean(everything), abs=1e-12)
    assert group["acc_macro,none"] == pytest.approx(
        np.mean([np.mean(fine_scores(rows, task)) for task in FINE]), abs=1e-12
    )
    for low, value, high in (
        ("acc_ci_low", "acc", "acc_ci_high"),
        ("acc_macro_ci_low", "acc_macro", "acc_macro_ci_high"),
        ("acc_all_ci_low", "acc_all", "acc_all_ci_high"),
    ):
        assert group[f"{low},none"] < group[f"{value},none"] < group[f"{high},none"]


def cognition_questions(folder):
    asked = []
    for path in sorted((folder / "cognition" / "test").glob("*.json")):
        document = json.loads(path.read_text())
        for question in document["custom_metadata"]["questions"].values():
            asked.append(
                (
                    path.parent / document["metadata"]["name"],
                    question | {"answer_idx": question["options"].index(question["answer"])},
                )
            )
    return asked


def test_cognition_asks_the_questions_of_its_folder_about_their_images(stand_in_run, demo_folder):
    model, results = stand_in_run
    expected = cognition_questions(demo_folder)
    assert [prompt for prompt, _ in model.asked["microbench_cognition"]] == [
        protocol_prompt(question) for _, question in expected
    ]
    for (_, image), (path, _) in zip(model.asked["microbench_cognition"], expected, strict=True):
        raw = Image.open(path)
        assert raw.mode.startswith("I") or np.array_equal(np.asarray(image), np.asarray(raw.convert("RGB")))
    scores = [protocol_score(reply(protocol_prompt(question)), question) for _, question in expected]
    found = results["results"]["microbench_cognition"]
    assert found["acc,none"] == pytest.approx(np.mean(scores))
    assert found["acc_image_ci_low,none"] <= found["acc,none"] <= found["acc_image_ci_high,none"]


@pytest.mark.parametrize("task", BOXES)
def test_a_localization_task_asks_once_per_image_and_class_and_scores_by_the_published_metric(task, stand_in_run, rows):
    model, results = stand_in_run
    cases = box_cases(rows, task)
    prompts = [neutral_prompt(name, Image.open(io.BytesIO(row["image"]["bytes"])).size) for row, name, _ in cases]
    asked = model.asked[f"microbench_localization_{task}"]
    assert [prompt for prompt, _ in asked] == prompts
    replies = [box_reply(prompt, image) for prompt, image in asked]
    scores = [grit(boxes, gold) for (_, boxes), (_, _, gold) in zip(replies, cases, strict=True)]
    found = results["results"][f"microbench_localization_{task}"]
    assert found["grit,none"] == pytest.approx(np.mean(scores), abs=1e-9)
    assert found["grit_ci_low,none"] < found["grit,none"] < found["grit_ci_high,none"]
    assert found["boxes_unparsed,none"] == pytest.approx(np.mean([text.startswith("I see") for text, _ in replies]))
    assert found["boxes_degenerate,none"] == sum(box[2] <= box[0] for _, boxes in replies for box in boxes)
    assert found["boxes_duplicate,none"] == sum(len(boxes) - len({tuple(box) for box in boxes}) for _, boxes in replies)


def test_the_localization_group_pools_images_and_classes(stand_in_run, rows):
    scores = [
        sample["grit"]["grit"]
        for task in BOXES
        for sample in stand_in_run[1]["samples"][f"microbench_localization_{task}"]
    ]
    assert stand_in_run[1]["groups"]["microbench_localization"]["grit,none"] == pytest.approx(np.mean(scores))
    assert 0.02 < np.mean(scores) < 0.98


def test_the_format_of_the_boxes_stands_in_the_results(stand_in_run):
    recorded = stand_in_run[1]["configs"]["microbench_localization_glands"]["metadata"]["boxes"]
    assert recorded["convention"] == "pixels_xyxy"
    assert recorded["chosen_by"].startswith("default")


def test_the_outer_groups_hold_the_inner_ones(stand_in_run):
    groups = stand_in_run[1]["groups"]
    samples = stand_in_run[1]["samples"]
    for name, prefixes in (("microbench_vqa", ("coarse", "fine")), ("microbench_all", ("coarse", "fine", "cognition"))):
        items = [
            sample["acc"] for task, entries in samples.items() if task.split("_")[1] in prefixes for sample in entries
        ]
        assert groups[name]["acc_all,none"] == pytest.approx(np.mean([item["acc"] for item in items]))
        assert groups[name]["acc,none"] == pytest.approx(
            np.mean(
                [item["acc"] for item in items if not (item["kind"] == "classification" and item["dataset"] in OUTSIDE)]
            )
        )


# --- the command line ---


def command(*parts, **settings):
    """What a command that must succeed says."""
    done = run(*parts, **settings)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def random_run(demo_folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("random")
    command(
        SCRIPTS / "lmms_eval",
        "--model",
        "microbench_random",
        "--tasks",
        "microbench_all",
        "--output_path",
        out,
        "--log_samples",
    )
    return out


@pytest.fixture(scope="module")
def clip_run(demo_folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("clip")
    command(
        SCRIPTS / "lmms_eval",
        "--model",
        "demo_clip",
        "--tasks",
        "microbench_vqa,microbench_cognition",
        "--output_path",
        out,
        "--log_samples",
    )
    return out


def metrics(results):
    return {
        (name, key): value
        for name, figures in results["results"].items()
        for key, value in figures.items()
        if "," in key and "_stderr" not in key and not key.startswith("score")
    }


def test_the_random_model_is_at_chance_where_chance_is_known(random_run, rows):
    found = results_in(random_run)["results"]
    for kind in ("domain", "subdomain", "modality", "submodality", "stain"):
        chances = np.array([1 / len(question["options"]) for _, question in raw_questions(rows, kind)])
        # Four standard errors of a mean of independent 0/1 answers.
        assert abs(found[f"microbench_coarse_{kind}"]["acc,none"] - chances.mean()) < 4 * math.sqrt(
            (chances * (1 - chances)).sum()
        ) / len(chances)
    assert 0 < found["microbench_localization"]["grit,none"] < 0.3
    assert found["microbench_localization"]["boxes_unparsed,none"] == 0


@pytest.mark.parametrize("task", FINE)
def test_the_demo_model_beats_chance_in_every_fine_task(task, clip_run, rows):
    chance = np.mean([1 / len(question["options"]) for _, question in fine_questions(rows, task)])
    assert results_in(clip_run)["results"][f"microbench_fine_{task}"]["acc_ci_low,none"] > chance


@pytest.mark.parametrize("run_fixture", ["random_run", "clip_run"])
def test_rescoring_the_log_gives_every_figure_of_the_run(run_fixture, request, tmp_path):
    folder = request.getfixturevalue(run_fixture)
    forms = [part for form in ("json", "tex", "md") for part in ("--out", tmp_path / f"scores.{form}")]
    said = command(SCRIPTS / "microbench", "rescore", folder, *forms, data="/no/data/needed")
    found = json.loads((tmp_path / "scores.json").read_text())
    expected = metrics(results_in(folder))
    assert len(expected) > 100
    assert {
        (name, f"{metric},none"): value
        for name, figures in found["scores"].items()
        for metric, value in figures.items()
    } == expected
    assert found["notes"] == []
    assert "note:" not in said
    # The summary files that the run wrote beside its results have the same figures.
    for form in ("tex", "md"):
        [of_run] = folder.rglob(f"*_summary.{form}")
        assert of_run.read_text() == (tmp_path / f"scores.{form}").read_text()


def test_the_summary_that_the_quick_start_shows_is_printed(clip_run):
    """But for the line about files, which names a folder and a date."""
    page = (Path(__file__).parents[2] / "docs" / "quick-start.md").read_text()
    shown = page[page.index("Micro-Bench: demo_clip") :].partition("```")[0].splitlines()
    printed = command(SCRIPTS / "microbench", "rescore", clip_run).splitlines()
    assert len(shown) == 7
    assert [line for line in shown if "files: " not in line] == [line for line in printed if line in shown]


def test_rescoring_responses_alone_gives_the_figures_of_a_whole_run(random_run, demo_folder, tmp_path):
    command(
        SCRIPTS / "lmms_eval",
        "--model",
        "microbench_random",
        "--tasks",
        "microbench_all",
        "--output_path",
        tmp_path / "bare",
        "--predict_only",
    )
    command(SCRIPTS / "microbench", "rescore", tmp_path / "bare", "--out", tmp_path / "scores.json")
    found = json.loads((tmp_path / "scores.json").read_text())["scores"]
    assert {
        (name, f"{metric},none"): value for name, figures in found.items() for metric, value in figures.items()
    } == metrics(results_in(random_run))


def test_two_processes_give_the_figures_of_one(random_run, tmp_path):
    both = run_processes(
        2,
        *(sys.executable, "-m", "lmms_eval", "--model", "microbench_random", "--tasks", "microbench_all"),
        *("--output_path", tmp_path),
    )
    assert [done.returncode for done in both] == [0, 0], both[0].stdout + both[0].stderr
    assert metrics(results_in(tmp_path)) == metrics(results_in(random_run))


def test_limit_scores_the_first_documents_of_each_task(random_run, tmp_path):
    command(
        SCRIPTS / "lmms_eval",
        "--model",
        "microbench_random",
        "--tasks",
        "microbench_fine,microbench_localization",
        "--limit",
        "3",
        "--output_path",
        tmp_path,
        "--log_samples",
    )
    assert results_in(tmp_path)["n-samples"]["microbench_fine_pollen"]["effective"] == 3
    for task in ("microbench_fine_pollen", "microbench_localization_glands"):
        [few], [many] = (list(folder.rglob(f"*_samples_{task}.jsonl")) for folder in (tmp_path, random_run))
        assert [json.loads(line)["score"] for line in few.read_text().splitlines()] == [
            json.loads(line)["score"] for line in many.read_text().splitlines()[:3]
        ]


def test_a_baseline_is_compared_task_by_task_and_group_by_group(random_run, tmp_path):
    said = command(
        *(
            SCRIPTS / "lmms_eval",
            "--model",
            "microbench_random",
            "--model_args",
            "seed=1",
            "--tasks",
            "microbench_coarse,microbench_localization_glands",
        ),
        *("--output_path", tmp_path, "--log_samples", "--baseline", random_run),
    )
    figures, before = results_in(tmp_path)["results"], results_in(random_run)["results"]
    for name, metric in (
        ("microbench_coarse", "acc"),
        ("microbench_coarse_stain", "acc"),
        ("microbench_localization_glands", "grit"),
    ):
        found, value, old = figures[name], figures[name][f"{metric},none"], before[name][f"{metric},none"]
        assert found["paired_baseline_score"] == pytest.approx(100 * old)
        assert found["paired_difference"] == pytest.approx(100 * (value - old))
        assert found["paired_ci_lower"] < found["paired_difference"] < found["paired_ci_upper"]
        assert f"{found['paired_difference']:+.1f}%" in said
    assert "Failed" not in said
    # An independent test of the pooled questions: random signs of the images.
    sums = collections.defaultdict(float)
    for folder, sign in ((tmp_path, 1), (random_run, -1)):
        for log in folder.rglob("*_samples_microbench_coarse_*.jsonl"):
            for line in log.read_text().splitlines():
                item = json.loads(line)["acc"]
                sums[item["image"]] += sign * item["score"]
    apart = np.array(list(sums.values()))
    signs = np.random.default_rng(0).choice([-1, 1], size=(20_000, len(apart)))
    expected = np.mean(np.abs(signs @ apart) >= abs(apart.sum()))
    # Four standard errors of 20,000 draws.
    assert figures["microbench_coarse"]["paired_pvalue"] == pytest.approx(expected, abs=4 * 0.5 / 20_000**0.5)
    assert figures["microbench_coarse"]["paired_num_images"] == len(apart)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--tasks", "microbench_fine_pollen", "--baseline", "/no/such/run"],
            "--baseline /no/such/run: no such file or folder",
        ),
        (
            ["--tasks", "microbench_fine_pollen", "--baseline", "hf://user/repo"],
            "--baseline hf://user/repo: no such file or folder",
        ),
        (
            ["--model_args", "max_pixels=401408", "--tasks", "microbench_localization"],
            '{"format": "qwen2_5_vl", "limits": [200704, 401408]}',
        ),
    ],
)
def test_what_would_be_found_out_after_the_run_is_refused_before_it(arguments, message, demo_folder, tmp_path):
    done = run(SCRIPTS / "lmms_eval", "--model", "qwen2_5_vl", *arguments)
    assert done.returncode == 1
    assert message in done.stdout + done.stderr


def test_the_box_format_of_a_run_can_be_set_and_is_recorded(demo_folder, tmp_path):
    setting = '{"convention": "pixels_xyxy", "prompt": "Mark each {class}"}'
    command(
        SCRIPTS / "lmms_eval",
        "--model",
        "microbench_random",
        "--tasks",
        "microbench_localization_glands",
        "--limit",
        "2",
        "--output_path",
        tmp_path,
        "--log_samples",
        MICROBENCH_BOXES=setting,
    )
    recorded = results_in(tmp_path)["configs"]["microbench_localization_glands"]["metadata"]["boxes"]
    assert (recorded["prompt"], recorded["chosen_by"]) == ("Mark each {class}", "MICROBENCH_BOXES")
    [log] = tmp_path.rglob("*_samples_microbench_localization_glands.jsonl")
    assert json.loads(log.read_text().splitlines()[0])["input"] == "Mark each gland"


def test_a_task_of_ones_own_can_set_the_box_format(demo_folder, tmp_path):
    template = Path(command(SCRIPTS / "microbench", "path").strip()) / "_localization_template_yaml"
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "mine.yaml").write_text(
        f"include: {template}\ntask: my_glands\nprocess_docs: !function "
        "microbench_tasks.data.documents.microbench_localization_glands_docs\nlmms_eval_specific_kwargs:\n  "
        "default:\n    boxes: qwen3_vl\n"
    )
    command(
        SCRIPTS / "lmms_eval",
        "--model",
        "microbench_random",
        "--tasks",
        "my_glands",
        "--include_path",
        tmp_path / "tasks",
        "--limit",
        "2",
        "--output_path",
        tmp_path,
        "--log_samples",
    )
    recorded = results_in(tmp_path)["configs"]["my_glands"]["metadata"]["boxes"]
    assert (recorded["convention"], recorded["chosen_by"]) == ("grid1000_xyxy", "lmms_eval_specific_kwargs: boxes")
    [log] = tmp_path.rglob("*_samples_my_glands.jsonl")
    first = json.loads(log.read_text().splitlines()[0])
    assert first["grit"]["convention"] == "grid1000_xyxy"
    assert first["input"].startswith("Locate every instance that belongs to the following categories: 'gland'.")


def test_a_contrastive_model_runs_the_rest_of_a_group_with_localization(demo_folder, tmp_path):
    asked = ("--tasks", "microbench", "--limit", "2", "--output_path", tmp_path, "--log_samples")
    said = command(SCRIPTS / "lmms_eval", "--model", "demo_clip", *asked)
    names = [f"microbench_localization_{task}" for task in BOXES]
    assert said.count("Left out") == 1 and f"Left out, as they ask for boxes: {', '.join(names)}" in said
    # Before the model, whose texts are encoded as soon as it is asked.
    assert said.index("Left out") < said.index("Micro-Bench data")
    assert "writes boxes" not in said
    results = results_in(tmp_path)
    assert list(results["microbench_left_out"]) == names
    assert {"microbench_coarse_stain", "microbench_fine_pollen"} <= results["results"].keys()
    assert results["results"].keys().isdisjoint(names)
    assert "left out" in run(SCRIPTS / "microbench", "rescore", tmp_path).stdout


@pytest.mark.parametrize(
    ("tasks", "instead"),
    [
        ("microbench_localization", "microbench_vqa"),
        ("microbench_localization_glands,microbench_coarse_stain", "microbench_coarse_stain"),
    ],
)
def test_a_contrastive_model_that_is_asked_for_boxes_by_name_is_refused_before_it_is_loaded(
    tasks, instead, demo_folder
):
    done = run(SCRIPTS / "lmms_eval", "--model", "demo_clip", "--tasks", tasks)
    said = done.stdout + done.stderr
    assert done.returncode == 1
    name = tasks.split(",")[0]
    assert f"{name}: asks for boxes, and demo_clip only chooses among given texts. Instead: --tasks {instead}" in said
    assert "Micro-Bench data" not in said


# --- other kinds of models ---


class Chat(StandIn):
    """A chat model: is asked in messages."""

    is_simple = False

    def generate_until(self, requests):
        responses = []
        for request in requests:
            _, doc_to_messages, _, doc_id, task, split = request.args
            [message] = doc_to_messages(self.task_dict[task][split][doc_id])
            parts = {part["type"]: part for part in message["content"]}
            text, image = parts["text"]["text"], parts["image"]["url"]
            self.asked[task].append((text, image))
            responses.append(self.answer(text, image))
        return responses


def test_chat_models_are_asked_the_same_and_scored_the_same(stand_in_run, demo_folder, monkeypatch):
    monkeypatch.setenv("MICROBENCH_DATASET", "demo")
    model = Chat(answer)
    results = evaluator.simple_evaluate(
        model=model,
        tasks=["microbench_localization", "microbench_fine_pollen", "microbench_cognition"],
        bootstrap_iters=0,
    )
    for task, asked in model.asked.items():
        simple = stand_in_run[0].asked[task]
        assert [text for text, _ in asked] == [text for text, _ in simple]
        assert all(
            np.array_equal(np.asarray(one), np.asarray(other))
            for (_, one), (_, other) in zip(asked, simple, strict=True)
        )
        assert results["results"][task] == stand_in_run[1]["results"][task] | {
            "alias": results["results"][task]["alias"]
        }
    assert len(model.asked) == 7


class Family(StandIn):
    """Stands in for a model of the harness: the gold boxes, in pixels of the image that it is shown."""

    @classmethod
    def create_from_arg_string(cls, arg_string, additional_config=None):
        return cls(None)

    def generate_until(self, requests):
        responses = []
        for request in requests:
            context, _, doc_to_visual, doc_id, task, split = request.args
            doc = self.task_dict[task][split][doc_id]
            [image] = doc_to_visual(doc)
            self.asked[task].append((context, image))
            across, down = image.width / doc["image"].width, image.height / doc["image"].height
            boxes = [
                {"bbox_2d": [x1 * across, y1 * down, x2 * across, y2 * down], "label": doc["expression"]}
                for x1, y1, x2, y2 in doc["boxes"]
            ]
            responses.append(json.dumps(boxes))
        return responses


def test_a_model_of_the_harness_is_asked_and_read_in_its_familys_way(demo_folder, monkeypatch):
    """Qwen2.5-VL writes pixels of the resized image: multiples of 28, at least 448 x 448 for these."""
    monkeypatch.setenv("MICROBENCH_DATASET", "demo")
    model = Family(None)
    monkeypatch.setattr(
        evaluator.models,
        "get_model",
        lambda name, force_simple: type("Qwen", (), {"create_from_arg_string": staticmethod(lambda *arguments: model)}),
    )
    results = evaluator.simple_evaluate(model="qwen2_5_vl", tasks=["microbench_localization"], bootstrap_iters=0)
    asked = [entry for entries in model.asked.values() for entry in entries]
    assert all(
        prompt.startswith("Locate every instance that belongs to the following categories: '") for prompt, _ in asked
    )
    assert all(
        image.width % 28 == image.height % 28 == 0 and image.width * image.height >= 200_704 for _, image in asked
    )
    assert results["groups"]["microbench_localization"]["grit,none"] == pytest.approx(1, abs=1e-6)
    assert results["configs"]["microbench_localization_glands"]["metadata"]["boxes"]["chosen_by"] == "model qwen2_5_vl"


def cells(line):
    return [cell.strip(" `") for cell in line.split("|")[1:-1]]


def test_the_page_on_what_to_quote_shows_what_its_command_prints(clip_run, tmp_path):
    """By column: the page leaves some out."""
    page = (Path(__file__).parents[2] / "docs" / "what-to-quote.md").read_text()
    printed = [
        cells(line)
        for line in command(
            SCRIPTS / "microbench", "rescore", clip_run, "--new-datasets", "--out", tmp_path / "scores.json"
        ).splitlines()
        if line.startswith("|")
    ]
    by_name = {row[0]: dict(zip(printed[0], row, strict=False)) for row in printed[2:]}
    shown = [cells(line) for line in page.splitlines() if line.startswith(("| name |", "| microbench_"))]
    assert len(shown) == 3
    for row in shown[1:]:
        assert dict(zip(shown[0], row, strict=False)).items() <= by_name[row[0]].items()
    # The sentence has the row's figures in percent, rounded once: from the file, as the report's are.
    written = json.loads((tmp_path / "scores.json").read_text())
    part = {name: written[name][shown[1][0]] for name in ("scores", "new_datasets", "chance", "majority")}
    acc, low, high = (100 * part["scores"][name] for name in ("acc", "acc_image_ci_low", "acc_image_ci_high"))
    assert f"answered {acc:.1f} % of the coarse" in page and f"(95 % interval {low:.1f} to {high:.1f} %" in page
    low, high = (100 * part["new_datasets"][f"acc_dataset_ci_{end}"] for end in ("low", "high"))
    assert f"the interval is {low:.1f} to {high:.1f} %" in page
    assert f"Chance is {100 * part['chance']:.1f} %" in page and f"reaches {100 * part['majority']:.1f} %" in page
