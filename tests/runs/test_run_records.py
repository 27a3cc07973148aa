"""Claims about the record of a run: read from its results file, or from a submission."""

import json
import re

import pytest

from microbench_tasks.runs.run_records import RunRecord
from microbench_tasks.util.errors import DataError
from tests.support.logged_runs import TASK, write_results


def in_config(**fields):
    return lambda results: results["config"].update(fields)


def in_task(**fields):
    return lambda results: results["configs"][TASK].update(fields)


def in_metadata(**fields):
    return lambda results: results["configs"][TASK]["metadata"].update(fields)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (in_config(limit="abc"), "config.limit: expected a number, got 'abc'"),
        (in_config(offset=[1]), "config.offset: expected a whole number, got [1]"),
        (in_config(model_args=["a"]), "config.model_args: expected a text or an object, got ['a']"),
        (in_config(resolved_cli_args="x"), "config.resolved_cli_args: expected an object, got 'x'"),
        (in_config(torch_seed="x"), "config.torch_seed: expected a whole number, got 'x'"),
        (in_task(metadata="x"), f"configs.{TASK}.metadata: expected an object, got 'x'"),
        (in_task(generation_kwargs="x"), f"configs.{TASK}.generation_kwargs: expected an object, got 'x'"),
        (in_metadata(dataset="x"), f"configs.{TASK}.metadata.dataset: expected an object, got 'x'"),
        (in_metadata(packages=["x"]), f"configs.{TASK}.metadata.packages: expected an object, got ['x']"),
        (in_metadata(version="1.0"), f"configs.{TASK}.metadata.version: expected a number, got '1.0'"),
        (lambda results: results["configs"].update({TASK: None}), f"configs.{TASK}: expected an object, got None"),
        (lambda results: results["results"].update({TASK: None}), f"results.{TASK}: expected an object, got None"),
        (lambda results: results.update({"n-shot": [1]}), "n-shot: expected an object, got [1]"),
        (lambda results: results.update({"n-shot": {TASK: "x"}}), f"n-shot.{TASK}: expected a whole number, got 'x'"),
        (lambda results: results.update({"n-samples": 3}), "n-samples: expected an object, got 3"),
        (lambda results: results["n-samples"].update({TASK: 5}), f"n-samples.{TASK}: expected an object, got 5"),
        (lambda results: results["n-samples"][TASK].pop("original"), f"n-samples.{TASK}.original: is missing"),
        (lambda results: results.update(configs=[]), "configs: expected an object, got []"),
        (lambda results: results.update(loaded_model="x"), "loaded_model: expected an object, got 'x'"),
        (lambda results: results.update(date=5), "date: expected a text, got 5"),
    ],
)
def test_a_value_of_another_kind_is_named_by_file_and_field(change, problem, tmp_path):
    path = write_results(tmp_path)
    results = json.loads(path.read_text())
    change(results)
    path.write_text(json.dumps(results))
    with pytest.raises(DataError, match=f"^{re.escape(f'{path}: {problem}. Copy the file again, or remove it')}"):
        RunRecord.from_results(path)


@pytest.mark.parametrize("content", ["[]", "{}"])
def test_json_of_another_form_is_not_the_harnesss_results(content, tmp_path):
    path = tmp_path / "20260101_000000_results.json"
    path.write_text(content)
    with pytest.raises(DataError, match=f"{path}: expected the harness's results, an object with configs"):
        RunRecord.from_results(path)


def test_a_file_that_is_not_json_is_named(tmp_path):
    path = tmp_path / "20260101_000000_results.json"
    path.write_text("{")
    with pytest.raises(DataError, match=rf"{path}: cannot be read as JSON \(Expecting.*\). Copy the file again, or"):
        RunRecord.from_results(path)


def test_what_other_benchmarks_record_is_not_read(tmp_path):
    path = write_results(tmp_path)
    results = json.loads(path.read_text())
    results["configs"]["mmmu_val"] = results["n-samples"]["mmmu_val"] = results["results"]["mmmu_val"] = 5
    path.write_text(json.dumps(results))
    assert RunRecord.from_results(path) == RunRecord.from_results(write_results(tmp_path))


def test_metadata_keep_all_fields_of_the_file_and_no_others(tmp_path):
    metadata = {"definition": {"fields": {}, "differs": {}}, "dataset": None, "version": 1.5, "our own": [1]}
    record = RunRecord.from_results(write_results(tmp_path, **metadata))
    assert record.metadata(TASK).model_dump(exclude_unset=True) == metadata
    assert record.metadata("microbench_coarse_stain").model_dump(exclude_unset=True) == {}
