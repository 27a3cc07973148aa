"""Claims about scoring logged runs again; whole runs are in end_to_end."""

import json

import pytest

from microbench_tasks import catalog, cli
from microbench_tasks.data import source
from microbench_tasks.harness import baseline
from microbench_tasks.metrics.intervals import ABOUT_DATASETS, ABOUT_IMAGES
from microbench_tasks.parsing.failures import failure_mark
from microbench_tasks.report import chapters
from microbench_tasks.report.runs import Run, tasks_of
from microbench_tasks.runs import new_datasets, rescoring, score_table
from microbench_tasks.tasks.interval_settings import interval_settings
from microbench_tasks.tasks.localization import microbench_localization_process_results
from microbench_tasks.tasks.results import microbench_process_results
from microbench_tasks.util.errors import DataError
from tests.support import release

OPTIONS = ["light", "electron", "none of the above"]
PROMPT = "Answer with a single letter, no extra details.\nQuestion:Which?\nA) light\nB) electron\nC) none of the above"


def doc(number, gold=0):
    return {
        "image_id": str(number),
        "dataset": "acevedo_et_al_2020",
        "kind": "modality",
        "options": OPTIONS,
        "answer_idx": gold,
    }


def sample(number, response, gold=0):
    """As the harness writes it: items, response and prompt, no document."""
    return {
        "doc_id": number,
        "target": str(gold),
        "filtered_resps": response,
        "input": PROMPT,
    } | microbench_process_results(doc(number, gold), [response])


def write(folder, samples, task="microbench_coarse_modality", run="20260101_000000"):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{run}_samples_{task}.jsonl"
    path.write_text("".join(json.dumps(entry) + "\n" for entry in samples))
    return path


def rescored(*paths):
    return rescoring.rescore(rescoring.find_run(paths))


def test_a_log_gives_the_scores_of_its_responses(tmp_path):
    write(tmp_path, [sample(0, "A"), sample(1, "The answer is A"), sample(2, "B", gold=1), sample(3, "no idea")])
    found = rescored(tmp_path)
    scores = found.scores["microbench_coarse_modality"]
    assert scores["acc"] == 0.5
    assert scores["acc_strict"] == 0.75
    assert scores["unparsed_by_kind"] == {"unparsed": 1}
    assert found.num_samples == {"microbench_coarse_modality": 4}
    assert found.letters["microbench_coarse_modality"] == {
        "gold": {"A": 3, "B": 1},
        "acc_strict": {"A": 2, "B": 1, "None": 1},
    }


def test_scores_come_from_the_responses_and_not_from_the_logged_scores(tmp_path):
    forged = sample(1, "B")
    forged["acc"]["acc"] = forged["acc"]["score"] = forged["score"] = 1.0
    write(tmp_path, [sample(0, "A"), forged])
    found = rescored(tmp_path)
    assert found.scores["microbench_coarse_modality"]["acc"] == 0.5
    assert found.notes == ["microbench_coarse_modality: the logged score of 1 sample(s) differs, such as document 1"]


def test_a_log_of_another_version_is_read_anew_and_what_moved_is_counted(tmp_path):
    """Version 1.0 read a list of the options under a header as A, a bold letter before an explanation not at all, and an echo by its options."""
    responses = [
        "Let's analyze each option:\nA) light - thin.\nB) electron - grainy.",
        "**B**\n\nThe contrast is electron-like.",
        f"{PROMPT} C",
        "B",
    ]
    samples = [sample(number, response, gold=1) for number, response in enumerate(responses)]
    before = [(1.0, 0.0, "A"), (0.0, 0.0, None), (1.0, 0.0, "C"), (1.0, 1.0, "B")]
    for logged, (paper, strict, letter) in zip(samples, before, strict=True):
        logged["acc"] |= {"acc": paper, "score": paper}
        logged["score"] = paper
        logged["acc_strict"] = logged["acc_strict"] | {"score": strict, "predicted": letter}
        logged["unparsed"] = logged["unparsed"] | {"kind": "parsed" if letter else "unparsed"}
        del logged["failed"]["taken_off"]
    write(tmp_path, samples)
    results = {
        "configs": {"microbench_coarse_modality": {"metadata": {"version": 1.0}}},
        "results": {},
        "n-samples": {},
        "config": {},
    }
    (tmp_path / "20260101_000000_results.json").write_text(json.dumps(results))
    found = rescored(tmp_path)
    assert found.version == 2.0 and found.summary()["version"] == 2.0
    # The right letter is B: the paper's rule finds it in the list of the first response and in the fourth, the strict one in the second and the fourth.
    assert (
        found.scores["microbench_coarse_modality"]["acc"],
        found.scores["microbench_coarse_modality"]["acc_strict"],
    ) == (0.5, 0.5)
    assert (
        "microbench_coarse_modality: scored by version 1.0 in the run, by version 2.0 now; samples whose score changed: acc 1 (0 up, 1 down), acc_strict 1 (1 up, 0 down), kind of response 2"
        in found.notes
    )
    assert "microbench_coarse_modality: removed before the answer was read: 1 of 4 responses: prompt 1" in found.notes
    assert not any("logged score" in note for note in found.notes)


def test_boxes_are_read_by_the_logged_convention(tmp_path):
    asked = {
        "image_id": "7",
        "dataset": "opencell",
        "kind": "boxes",
        "expression": "nucleus",
        "width": 200,
        "height": 100,
        "boxes": [[20.0, 10.0, 40.0, 30.0]],
    }
    scaled = microbench_localization_process_results.for_model("qwen3_vl", None)
    # On a grid of 1000: 20 / 200, 10 / 100, 40 / 200, 30 / 100.
    response = '[{"bbox_2d": [100, 100, 200, 300], "label": "nucleus"}]'
    write(
        tmp_path,
        [
            {"doc_id": 0, "target": "[[20.0, 10.0, 40.0, 30.0]]", "filtered_resps": response, "input": "Locate"}
            | scaled(asked, [response])
        ],
        "microbench_localization_opencell_nuclei",
    )
    assert rescored(tmp_path).scores["microbench_localization_opencell_nuclei"]["grit"] == pytest.approx(1, abs=1e-6)


def test_gold_boxes_that_are_not_the_target_are_refused(tmp_path):
    asked = {
        "image_id": "7",
        "dataset": "opencell",
        "kind": "boxes",
        "expression": "nucleus",
        "width": 200,
        "height": 100,
        "boxes": [[20.0, 10.0, 40.0, 30.0]],
    }
    items = microbench_localization_process_results.for_model("qwen3_vl", None)(asked, ["[]"])
    write(
        tmp_path,
        [{"doc_id": 0, "target": "[[20.0, 10.0, 40.0, 31.0]]", "filtered_resps": "[]", "input": "Locate"} | items],
        "microbench_localization_opencell_nuclei",
    )
    with pytest.raises(DataError, match="line 1: the gold boxes are not the target's: the log has been changed"):
        rescored(tmp_path)


def test_chance_is_the_mean_of_one_over_the_options_that_are_counted(tmp_path):
    counted = [sample(0, "A"), sample(1, "A")]
    counted[1] |= microbench_process_results(doc(1) | {"options": ["light", "electron"]}, ["A"])
    write(tmp_path, counted)
    # Three options and two.
    assert rescored(tmp_path).chance == {"microbench_coarse_modality": pytest.approx((1 / 3 + 1 / 2) / 2)}


def test_a_group_is_scored_once_all_its_tasks_are_there(tmp_path):
    for number, task in enumerate(["domain", "subdomain", "modality", "submodality"]):
        write(tmp_path, [sample(0, "A"), sample(1, "A", gold=number % 2)], f"microbench_coarse_{task}")
    assert "microbench_coarse" not in rescored(tmp_path).scores
    write(tmp_path, [sample(0, "A")], "microbench_coarse_stain")
    group = rescored(tmp_path).scores["microbench_coarse"]
    # Right are 2 + 1 + 2 + 1 + 1 of 9; by task 1, 0.5, 1, 0.5, 1.
    assert group["acc"] == pytest.approx(7 / 9)
    assert group["acc_macro"] == pytest.approx(0.8)


def test_a_log_of_responses_alone_takes_its_questions_from_the_source(tmp_path, use_source):
    use_source(release.write_parquet(tmp_path / "data", [release.row(0), release.row(1)]))
    question = release.question("modality", 0)
    prompt = "\n".join(
        [
            "…",
            f"Question:{question['question']}",
            *(f"{letter}) {option}" for letter, option in zip("ABCD", question["options"], strict=False)),
        ]
    )
    # The answers of rows 0 and 1 are the first and the second option.
    write(
        tmp_path / "log",
        [{"doc_id": 0, "filtered_resps": "A", "input": prompt}, {"doc_id": 1, "filtered_resps": "A", "input": prompt}],
    )
    assert rescored(tmp_path / "log").scores["microbench_coarse_modality"]["acc"] == 0.5


@pytest.mark.parametrize(
    ("entry", "message"),
    [({"doc_id": 0, "input": "Which cell?"}, "is not in it"), ({"doc_id": 5, "input": ""}, "has number 5")],
)
def test_a_source_that_is_not_the_logs_is_refused(entry, message, tmp_path, use_source):
    rescoring._documents.cache_clear()
    use_source(release.write_parquet(tmp_path / "data", [release.row(0)]))
    path = write(tmp_path / "log", [entry | {"filtered_resps": "A"}])
    with pytest.raises(DataError, match=rf"{path.name}, line 1: .*{message}.*Set MICROBENCH_DATASET"):
        rescored(tmp_path / "log")


def test_another_source_than_the_recorded_one_is_refused_before_it_is_read(tmp_path, monkeypatch):
    rescoring._documents.cache_clear()
    write(tmp_path, [{"doc_id": 0, "filtered_resps": "A", "input": PROMPT}])
    metadata = {"dataset": {"source": "folder", "path": "/somewhere", "sha256": "abc"}}
    (tmp_path / "20260101_000000_results.json").write_text(
        json.dumps({"configs": {"microbench_coarse_modality": {"metadata": metadata}}})
    )
    # With the release wanted, nothing may be downloaded to find out.
    with pytest.raises(DataError, match="is not the run's data source .source folder"):
        rescored(tmp_path)
    monkeypatch.setenv("MICROBENCH_DATASET", str(release.write_parquet(tmp_path / "data", [release.row(0)])))
    with pytest.raises(DataError, match="is not the run's data source .sha256 abc"):
        rescored(tmp_path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"doc_id": 1, "acc": {"', "line 2: expected a sample of the harness .*, got no whole JSON"),
        ("[]", "line 2: expected a sample"),
        ('{"doc_id": 0}', "line 2: document 0 is there already, on line 1"),
        (
            '{"doc_id": 1, "filtered_resps": "A", "acc": {"gold": "A"}}',
            "line 2: not a sample of microbench_coarse_modality",
        ),
        ('{"doc_id": 1, "score": null}', "line 2: expected a sample"),
        ('{"doc_id": [1]}', "line 2: expected a sample"),
        (
            json.dumps(sample(1, "A") | {"target": "1"}),
            "line 2: the right letter is A, but the target is option 1: the log has been changed",
        ),
        (
            json.dumps(sample(1, "A") | {"acc": sample(1, "A")["acc"] | {"dataset": "opencell"}}),
            "line 2: the sample is of the dataset opencell, which microbench_coarse_modality does not ask about",
        ),
        (
            '{"doc_id": 1, "filtered_resps": ["A"], "acc": {}}',
            "line 2: not a sample of microbench_coarse_modality .* .target: expected str, got None",
        ),
        ('{"doc_id": "three"}', "line 2: expected a sample .* with a number as doc_id, got TypeError"),
        (json.dumps(sample(1, "A") | {"input": 7}), "line 2: not a sample .*input: expected str, got 7"),
        (json.dumps(sample(1, "A") | {"acc": "x"}), "line 2: not a sample .*acc: expected an object, got 'x'"),
        (
            json.dumps(sample(1, "A") | {"acc": sample(1, "A")["acc"] | {"options": 5}}),
            "line 2: not a sample .*acc.options: expected list, got 5",
        ),
        (
            json.dumps(sample(1, "A") | {"acc": sample(1, "A")["acc"] | {"gold": "Q"}}),
            "line 2: not a sample .*acc.gold: expected a letter of 3 options, got 'Q'",
        ),
    ],
)
def test_a_damaged_log_is_named_by_file_and_line(line, message, tmp_path):
    path = write(tmp_path, [sample(0, "A")])
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(DataError, match=f"{path}, {message}"):
        rescored(tmp_path)


@pytest.mark.parametrize("content", ["[]", "{}", '{"configs": []}', '{"configs": {}, "n-samples": 3}'])
def test_a_file_that_is_not_the_harness_s_results_is_named(content, tmp_path):
    write(tmp_path, [sample(0, "A")])
    path = tmp_path / "20260101_000000_results.json"
    path.write_text(content)
    with pytest.raises(DataError, match=f"{path}: expected the harness's results, with objects configs"):
        rescored(tmp_path)


def test_a_response_may_hold_any_line_break(tmp_path):
    path = write(tmp_path, [])
    # The harness writes text as it is.
    path.write_text(
        json.dumps(sample(0, "A\u2028\x85\x0b\rB"), ensure_ascii=False) + "\n", encoding="utf-8", newline=""
    )
    assert rescored(path).scores["microbench_coarse_modality"]["acc"] == 1


def results_file(folder, task="microbench_coarse_modality", effective=2, original=2, results=None, **metadata):
    """What of the harness's results file is read here; by default of a task that nobody redefined."""
    metadata = {"definition": {"fields": {}, "differs": {}}} | metadata
    path = folder / "20260101_000000_results.json"
    content = {
        "results": results or {},
        "configs": {task: {"metadata": metadata}},
        "n-samples": {task: {"effective": effective, "original": original}},
        "config": {"offset": 0},
    }
    path.write_text(json.dumps(content))
    return path


def test_a_samples_file_that_lost_lines_is_refused(tmp_path):
    path = write(tmp_path, [sample(0, "A")])
    results_file(tmp_path, effective=2)
    with pytest.raises(DataError, match=f"{path}: holds 1 samples, but the run asked 2 documents"):
        rescored(tmp_path)


def test_a_limited_run_is_said_to_be_one(tmp_path):
    write(tmp_path, [sample(0, "A"), sample(1, "A")])
    results_file(tmp_path, effective=2, original=315)
    assert rescored(tmp_path).notes == [
        "microbench_coarse_modality: 2 of its 315 documents were asked (--limit or --offset)"
    ]


def test_figures_that_differ_from_the_results_file_are_said(tmp_path):
    write(tmp_path, [sample(0, "A"), sample(1, "B")])
    results_file(
        tmp_path,
        results={"microbench_coarse_modality": {"acc,none": 0.75, "acc_strict,none": 0.5, "unparsed_by_kind,none": {}}},
    )
    assert rescored(tmp_path).notes == [
        "1 figure(s) differ from the results file, such as microbench_coarse_modality acc (0.75 in 20260101_000000_results.json, 0.5 now)"
    ]


def test_another_kind_of_interval_than_the_runs_is_said(tmp_path, monkeypatch):
    write(tmp_path, [sample(0, "A"), sample(1, "B")])
    results_file(tmp_path, interval=interval_settings())
    assert rescored(tmp_path).notes == []
    monkeypatch.setenv("MICROBENCH_INTERVAL", "percentile")
    [note] = rescored(tmp_path).notes
    assert "set MICROBENCH_INTERVAL to compute it alike" in note and note.startswith(
        "acc_ci is computed as {'method': 'percentile'"
    )


def test_a_log_of_a_version_with_other_intervals_is_scored_and_what_else_differs_is_said(tmp_path):
    write(tmp_path, [sample(0, "A"), sample(1, "B")])
    older = {"method": "basic", "confidence_level": 0.95, "num_resamples": 9999, "seed": 42}
    task = "microbench_coarse_modality"
    # Of two answers, one right: the bootstrap of then ends beyond 0 to 1, and the accuracy has been edited.
    figures = {"acc,none": 0.75, "acc_image_ci_low,none": -0.5, "acc_image_ci_high,none": 1.5}
    results_file(tmp_path, interval=older, results={task: figures})
    earlier, edited = rescored(tmp_path).notes
    assert earlier.startswith("the run is of an earlier version, whose intervals were all bootstrap intervals")
    assert edited == (
        f"1 figure(s) differ from the results file, such as {task} acc (0.75 in 20260101_000000_results.json, 0.5 now)"
    )


def test_an_unknown_method_of_the_intervals_to_quote_is_said(tmp_path):
    write(tmp_path, [sample(0, "A"), sample(1, "B")])
    results_file(tmp_path, interval=interval_settings() | {"quoted": {"method": "newer", "confidence_level": 0.95}})
    [note] = rescored(tmp_path).notes
    assert note.startswith("intervals other than acc_ci are computed as") and "'newer'" in note


def test_a_redefined_task_is_named_with_its_fields_in_notes_and_table(tmp_path):
    write(tmp_path, [sample(0, "A"), sample(1, "B")])
    differs = {"doc_to_messages": {"expected": None, "ran": "x"}, "filter_list": {"expected": None, "ran": []}}
    results_file(tmp_path, definition={"fields": {}, "differs": differs})
    found = rescored(tmp_path)
    assert found.notes == [
        "microbench_coarse_modality is NOT the benchmark's own task: its definition differs in doc_to_messages, filter_list"
    ]
    assert "| microbench_coarse_modality (REDEFINED) |" in score_table.as_text(found)
    assert found.summary()["redefined"] == {"microbench_coarse_modality": ["doc_to_messages", "filter_list"]}


def test_an_older_run_without_a_definition_is_scored_with_a_note(tmp_path):
    write(tmp_path, [sample(0, "A"), sample(1, "B")])
    results_file(tmp_path, definition=None)
    assert rescored(tmp_path).notes == [
        "whether the tasks were the benchmark's own is not on record (metadata.definition) for microbench_coarse_modality"
    ]


def test_samples_of_other_tasks_are_named(tmp_path):
    write(tmp_path, [sample(0, "A")])
    write(tmp_path, [{"doc_id": 0}], "my_glands")
    assert rescoring.find_run([tmp_path]).others == ("my_glands",)


# --- as a baseline ---


SOURCE = {"source": "folder", "path": "/then", "sha256": "abc"}


@pytest.fixture
def same_source(monkeypatch):
    """The data of the baseline's run, now at another place."""
    found = source.Source("here", "", SOURCE | {"path": "/now"})
    from microbench_tasks.data import task_sources

    monkeypatch.setattr(task_sources, "source_of", lambda task, **options: found)


def test_a_baselines_scores_are_those_of_its_responses(tmp_path, same_source):
    write(tmp_path, [sample(0, "A") | {"score": 0.0}, sample(1, "B")])
    results_file(tmp_path, dataset=SOURCE)
    documents = baseline.documents(tmp_path, "microbench_coarse_modality")
    assert {number: document.score for number, document in documents.items()} == {0: 1.0, 1: 0.0}


def test_a_baseline_on_other_data_is_refused(tmp_path, same_source):
    write(tmp_path, [sample(0, "A"), sample(1, "B")])
    results_file(tmp_path, dataset=SOURCE | {"sha256": "def"})
    with pytest.raises(DataError, match="microbench_coarse_modality was asked on other data .sha256 def."):
        baseline.documents(tmp_path, "microbench_coarse_modality")


def test_a_baseline_without_the_task_or_the_results_file_is_refused(tmp_path, same_source):
    write(tmp_path, [sample(0, "A"), sample(1, "B")])
    with pytest.raises(DataError, match="20260101_000000_results.json is missing from the folder of the samples"):
        baseline.documents(tmp_path, "microbench_coarse_modality")
    results_file(tmp_path, dataset=SOURCE)
    with pytest.raises(
        DataError, match="contains samples of microbench_coarse_modality, and none of microbench_coarse_stain"
    ):
        baseline.check(tmp_path, ["microbench_coarse_modality", "microbench_coarse_stain"])


def test_a_baseline_of_a_part_says_how_much_is_compared(tmp_path, same_source, monkeypatch):
    said = []
    monkeypatch.setattr(baseline.logger, "warning", said.append)
    write(tmp_path, [sample(0, "A"), sample(1, "B")])
    results_file(tmp_path, original=10, dataset=SOURCE)
    baseline.documents(tmp_path, "microbench_coarse_modality")
    assert said == [f"Baseline {tmp_path}: microbench_coarse_modality has 2 of 10 documents; only these are compared."]


# --- logs that cannot be read ---


def test_an_empty_log_is_named(tmp_path):
    path = write(tmp_path, [])
    with pytest.raises(DataError, match=f"{path}: contains no samples"):
        rescored(path)


def test_samples_of_several_runs_are_not_mixed(tmp_path):
    for run in ("20260101_000000", "20260102_000000"):
        write(tmp_path, [sample(0, "A")], run=run)
    with pytest.raises(DataError, match="samples of several runs: .*20260101_000000, .*20260102_000000"):
        rescoring.find_run([tmp_path])
    assert rescoring.find_run([tmp_path], "20260102_000000").name == "20260102_000000"


def test_a_folder_without_samples_says_how_to_get_them(tmp_path):
    write(tmp_path, [sample(0, "A")], "mmmu_val")
    with pytest.raises(DataError, match="no samples file .*--log_samples"):
        rescoring.find_run([tmp_path])


def test_a_task_without_any_answer_has_no_score_and_nor_has_its_group(tmp_path):
    failed = failure_mark("server down")
    for task in catalog.tasks_named(["microbench_coarse"]):
        write(tmp_path, [sample(0, failed), sample(1, failed if task == "microbench_coarse_stain" else "A")], task)
    found = rescored(tmp_path)
    assert found.unanswered == ["microbench_coarse_stain"]
    for name in ("microbench_coarse_stain", "microbench_coarse"):
        assert found.scores[name].keys() == {"failed", "unparsed_by_kind", "counts"}
    # One of two: a failed request counts as wrong.
    assert found.scores["microbench_coarse_domain"]["acc"] == 0.5
    [row] = [line for line in score_table.as_text(found).splitlines() if line.startswith("| microbench_coarse_stain ")]
    assert [cell.strip() for cell in row.split("|")[-4:-1]] == ["", "", ""]
    assert any(note.startswith("not one answer to microbench_coarse_stain") for note in found.notes)
    run = Run("label", "name", found, {})
    assert "microbench_coarse_stain" not in tasks_of(run, "coarse")
    assert "microbench_coarse_stain" not in str(chapters.scores_chapter([run]))


def test_the_table_shows_scores_with_their_intervals(tmp_path):
    write(tmp_path, [sample(0, "A"), sample(1, "A")])
    table = score_table.as_text(rescored(tmp_path)).splitlines()
    assert [cell.strip() for cell in table[0].split("|")[1:-1]] == [
        "name",
        "n",
        "images",
        "datasets",
        "chance",
        "majority",
        "acc",
        "acc_strict",
        "unparsed",
    ]
    assert [cell.strip() for cell in table[2].split("|")[1:-1]] == [
        "microbench_coarse_modality",
        "2",
        "2",
        "1",
        "0.333",
        "1.000",
        "1.0000 [0.1581, 1.0000]",
        "1.0000",
        "0.0000",
    ]
    # Clopper and Pearson: both of two are right 25 times in 1,000 at an accuracy of 0.025 ** (1 / 2) = 0.1581.
    assert table[4] == f"In brackets: 95 % intervals. {ABOUT_IMAGES}"


def test_the_table_says_what_the_number_in_parentheses_is(tmp_path):
    """The group's accuracy leaves out one of its 13 questions."""
    for task in catalog.tasks_named(["microbench_fine"]):
        # Of cell cycle's, the second one is left out.
        dataset = catalog.ALL_TASKS[task].datasets[task == "microbench_fine_cell_cycle"]
        results = microbench_process_results(doc(0) | {"kind": "classification", "dataset": dataset}, ["A"])
        write(tmp_path, [sample(0, "A") | results], task)
    table = score_table.as_text(rescored(tmp_path)).splitlines()
    assert [row.split("|")[2].strip() for row in table if row.startswith("| microbench_fine ")] == ["13 (12)"]
    assert [line for line in table if line.startswith("In parentheses: n without")]


def test_the_majority_answer_is_an_option_or_a_letter(tmp_path):
    """Where light is not offered, its letter may be right."""
    samples = [sample(0, "A"), sample(1, "A"), sample(2, "A", gold=1), sample(3, "A", gold=1)]
    without = doc(3) | {"options": ["electron", "none of the above"]}
    samples[3] |= {"target": "0"} | microbench_process_results(without, ["A"])
    samples.append(sample(4, "A"))
    write(tmp_path, samples)
    # Light is right in 0, 1 and 4. The letter A is right there and in 3, where it stands for electron.
    assert rescored(tmp_path).majority == {"microbench_coarse_modality": 4 / 5}


def test_the_majority_answer_is_chosen_for_each_task_of_a_group(tmp_path):
    for number, task in enumerate(["domain", "subdomain", "modality", "submodality", "stain"]):
        write(
            tmp_path,
            [sample(0, "A", gold=number % 2), sample(1, "A", gold=number % 2), sample(2, "A", gold=0)],
            f"microbench_coarse_{task}",
        )
    # Even tasks: three of three; odd ones: two of three.
    assert rescored(tmp_path).majority["microbench_coarse"] == (3 * 3 + 2 * 2) / 15


def test_a_log_of_several_datasets_has_intervals_for_new_datasets(tmp_path):
    datasets = ("acevedo_et_al_2020", "icpr2020_pollen", "wu_et_al_2023")
    # Of one dataset all answers are right, of the others none: three datasets are as much as three answers.
    samples = [
        sample(number, "A")
        | microbench_process_results(doc(number) | {"dataset": datasets[number // 20]}, ["A" if number < 20 else "B"])
        for number in range(60)
    ]
    for number, logged in enumerate(samples):
        logged["filtered_resps"] = "A" if number < 20 else "B"
    write(tmp_path, samples)
    found = rescored(tmp_path)
    [ends] = new_datasets.intervals(found).values()
    by_image = found.scores["microbench_coarse_modality"]
    assert by_image["acc"] == pytest.approx(1 / 3)
    assert by_image["acc_image_ci_high"] - by_image["acc_image_ci_low"] < 0.3
    # One of three by Clopper and Pearson is 0.008 to 0.906: with three clusters nothing narrower can be had.
    assert ends["acc_dataset_ci_low"] <= 0.0085 and ends["acc_dataset_ci_high"] >= 0.905
    found.new_datasets = new_datasets.intervals(found)
    assert f"New datasets: {ABOUT_DATASETS}" in score_table.as_text(found)
    assert found.summary()["new_datasets"] == {"microbench_coarse_modality": ends}


def test_over_a_single_dataset_there_is_no_interval_for_new_ones(tmp_path, capsys):
    write(tmp_path, [sample(0, "A"), sample(1, "B")])
    assert new_datasets.intervals(rescored(tmp_path)) == {}
    cli.main(["rescore", str(tmp_path), "--new-datasets"])
    assert "note: no interval for new datasets: every task asks about a single dataset" in capsys.readouterr().out
