"""Variants of the coarse questions through the real harness, against computations that share no code with it."""

import json

import numpy as np
import pytest
from lmms_eval import evaluator

from tests.support.commands import SCRIPTS, results_in, run
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

TAG = "microbench_robustness"
NONE = "none of the above"
INSTRUCTIONS = {
    "letter": "Reply only with the letter of the correct option.",
    "expert": (
        "You are an expert in microscopy. Look at the micrograph and choose the correct option; your reply is its "
        "letter and nothing else."
    ),
}


@pytest.fixture(scope="module")
def questions(demo_folder):
    """``(row, question)`` of all coarse questions, image by image."""
    rows = raw_rows(demo_folder)
    by_kind = [list(raw_questions(rows, kind)) for kind in KINDS]
    position = {id(row): number for number, row in enumerate(rows)}
    return sorted((pair for pairs in by_kind for pair in pairs), key=lambda pair: position[id(pair[0])])


@pytest.fixture(scope="module")
def stand_in_run(demo_folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MICROBENCH_DATASET", "demo")
        model = StandIn(lambda prompt, image: reply(prompt))
        return model, evaluator.simple_evaluate(model=model, tasks=[TAG], bootstrap_iters=0)


def reordered(question, way):
    moving = [option for option in question["options"] if option != NONE]
    moving = moving[::-1] if way == "reversed" else moving[1:] + moving[:1]
    options = moving + [NONE] * (len(question["options"]) - len(moving))
    return question | {"options": options, "answer_idx": options.index(question["answer"])}


def expected_prompt(question, way):
    paper = protocol_prompt(question)
    instruction, rest = paper.split("\n", 1)
    return f"{rest}\n{instruction}" if way == "last" else f"{INSTRUCTIONS[way]}\n{rest}"


@pytest.mark.parametrize("way", ["reversed", "rotated"])
def test_models_see_the_options_in_the_other_order_and_are_scored_by_it(way, stand_in_run, questions):
    model, results = stand_in_run
    asked = model.asked[f"{TAG}_{way}"]
    expected = [reordered(question, way) for _, question in questions]
    assert [prompt for prompt, _ in asked] == [protocol_prompt(question) for question in expected]
    assert all(
        np.array_equal(np.asarray(image), shown(row))
        for (_, image), (row, _) in zip(asked[::50], questions[::50], strict=True)
    )
    scores = [protocol_score(reply(protocol_prompt(question)), question) for question in expected]
    assert 0.05 < np.mean(scores) < 0.95
    assert results["results"][f"{TAG}_{way}"]["acc,none"] == pytest.approx(np.mean(scores), abs=1e-12)


def test_shuffled_options_are_the_questions_own_in_another_order(stand_in_run, questions):
    asked = [prompt for prompt, _ in stand_in_run[0].asked[f"{TAG}_shuffled"]]
    firsts = set()
    for prompt, (_, question) in zip(asked, questions, strict=True):
        options = [line[3:] for line in prompt.split("\n")[2:]]
        assert sorted(options) == sorted(question["options"])
        firsts.add(question["options"].index(options[0]))
    assert len(firsts) >= 4


@pytest.mark.parametrize("way", ["letter", "expert", "last"])
def test_models_see_the_other_words_and_are_scored_as_ever(way, stand_in_run, questions):
    model, results = stand_in_run
    expected = [expected_prompt(question, way) for _, question in questions]
    assert [prompt for prompt, _ in model.asked[f"{TAG}_reworded_{way}"]] == expected
    scores = [
        protocol_score(reply(prompt), question) for prompt, (_, question) in zip(expected, questions, strict=True)
    ]
    assert results["results"][f"{TAG}_reworded_{way}"]["acc,none"] == pytest.approx(np.mean(scores), abs=1e-12)


@pytest.fixture(scope="module")
def demo_clip_report(demo_folder, tmp_path_factory):
    """What a run on the command line with the paper's way beside the variants says, and the report on it."""
    folder = tmp_path_factory.mktemp("robustness")
    done = run(
        SCRIPTS / "lmms_eval",
        "--model",
        "demo_clip",
        "--tasks",
        f"microbench_coarse,{TAG}",
        "--output_path",
        folder,
        "--log_samples",
    )
    assert done.returncode == 0, done.stderr[-3000:]
    rescored = run(SCRIPTS / "microbench", "rescore", folder, "--out", folder / "scores.json")
    assert rescored.returncode == 0, rescored.stderr
    return results_in(folder)["results"], json.loads((folder / "scores.json").read_text()), rescored.stdout


def test_a_model_that_reads_captions_alone_does_not_mind(demo_clip_report):
    results, report, printed = demo_clip_report
    ways = report["robustness"]["ways"]
    assert len(ways) == 7
    assert {way["acc"] for way in ways.values()} == {results["microbench_coarse"]["acc,none"]}
    assert all(way["same_option"] == 1 for name, way in ways.items() if name != "microbench_coarse")
    assert report["robustness"]["spread"] == 0
    assert "spread of acc: 0.0000" in printed
    assert "differ from the results file" not in printed


def test_letters_are_counted_for_each_variant(demo_clip_report, questions):
    letters = demo_clip_report[1]["letters"][f"{TAG}_reversed"]
    gold = [LETTERS[reordered(question, "reversed")["answer_idx"]] for _, question in questions]
    assert letters["gold"] == {letter: gold.count(letter) for letter in sorted(set(gold))}
    assert sum(letters["acc_strict"].values()) == len(gold)
