"""Claims about what the harness's Weights & Biases logger is given; whole runs are in end_to_end."""

from __future__ import annotations

import copy
import math

import pandas
import pytest
from lmms_eval import utils

from microbench_tasks.harness import wandb_logs
from microbench_tasks.harness.patches import installation, weights_and_biases
from microbench_tasks.tasks.metric_values import MetricFields, MetricValue


def test_entries_without_a_figure_are_left_out_and_no_other():
    figures = {
        "alias": "a",
        "acc,none": MetricValue(0.5, [1]),
        "unparsed_by_kind,none": MetricFields({"empty": 2}, []),
        "failed,none": 0,
        "grit,none": math.nan,
        "score,none": [],
        "score_stderr,none": [],
        "pair,none": [1, 2],
    }
    results = {
        "results": {"task": figures, "group": {"acc,none": 0.25}},
        "groups": {"group": {"acc,none": 0.25, "score,none": []}},
        "config": {"batch_sizes": [], "date": 1},
        "date": 2,
        "loaded_model": {"texts_cut": []},
    }
    before = copy.deepcopy(results)
    converted = wandb_logs.loggable(results)
    assert set(figures) - set(converted["results"]["task"]) == {"score,none", "score_stderr,none"}
    assert all(converted["results"]["task"][name] is figures[name] for name in converted["results"]["task"])
    assert converted["groups"] == {"group": {"acc,none": 0.25}}
    # The run's settings come first where names are the same.
    assert converted["config"] == {"batch_sizes": [], "date": 1, "loaded_model": {"texts_cut": []}}
    assert repr(results) == repr(before)


def test_results_without_groups_stay_without():
    assert wandb_logs.loggable({"results": {}, "config": {}}) == {"results": {}, "config": {}}


@pytest.mark.parametrize(
    ("written", "raw", "response"),
    [
        ({"filtered_resps": "B"}, "B", "B"),
        ({"filtered_resps": ["B", "A", "A"]}, "B", "B"),
        ({"filtered_resps": "B", "resps": "<think>A</think>B"}, "<think>A</think>B", "B"),
        ({"filtered_resps": ["B", "A"], "resps": ["<think>A</think>B", "A"]}, "<think>A</think>B", "B"),
        ({"filtered_resps": ""}, "", ""),
    ],
    ids=["one", "repeated", "with thoughts", "repeated, with thoughts", "empty"],
)
def test_prompt_and_first_response_are_where_the_logger_looks(written, raw, response):
    [converted] = wandb_logs.with_arguments([{"doc_id": 3, "input": "Which?", **written}])
    # As `WandbLogger._generate_dataset` reads them.
    assert (converted["arguments"][0][0], converted["resps"][0][0], converted["filtered_resps"][0]) == (
        "Which?",
        raw,
        response,
    )
    assert converted["doc_id"] == 3


def test_samples_that_have_their_arguments_stay_as_they_are():
    sample = {"arguments": [["Which?"]], "resps": [["A"]], "filtered_resps": ["A"]}
    assert wandb_logs.with_arguments([sample]) == [sample]


def test_a_column_stands_for_each_field_and_none_stays_none():
    table = pandas.DataFrame(
        {
            "id": [0, 1],
            "acc": [
                {"score": 1.0, "predicted": "A", "probabilities": {"A": 0.75}, "options": ["x", "y"]},
                {"score": 0.0, "predicted": None, "probabilities": None, "options": []},
            ],
        }
    )
    converted = wandb_logs.flattened(table)
    assert {name: list(converted[name]) for name in converted.columns} == {
        "id": [0, 1],
        "acc.score": [1.0, 0.0],
        "acc.predicted": ["A", None],
        "acc.probabilities.A": [0.75, None],
        "acc.probabilities": [None, None],
        "acc.options": ['["x", "y"]', "[]"],
    }


@pytest.mark.parametrize(
    ("rank", "settings"),
    [
        (None, {"project": "test", "mode": "offline"}),
        ("0", {"project": "test", "mode": "offline"}),
        ("1", {"project": "test", "mode": "disabled"}),
    ],
)
def test_of_several_processes_the_first_one_alone_starts_a_run(rank, settings, monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    if rank is not None:
        monkeypatch.setenv("RANK", rank)
    started = []
    weights_and_biases.start_once(lambda self, **kwargs: started.append(kwargs))(None, project="test", mode="offline")
    assert started == [settings]


def test_a_name_made_of_model_arguments_is_read_back_as_one():
    installation.install()
    name = utils.sanitize_long_string("clip_precision=bf16,device=cuda_20260101_000000")
    assert utils.simple_parse_args_string(f"project=test,name={name}") == {"project": "test", "name": name}


def test_swanlab_gets_every_value_and_no_empty_list():
    installation.install()
    from lmms_eval.loggers.swanlab_logger import SwanLabLogger

    swanlab_logger = SwanLabLogger.__new__(SwanLabLogger)
    results = {"task": {"acc,none": 0.5, "score,none": []}}
    swanlab_logger.post_init({"results": results, "config": {"seed": 1}, "loaded_model": {"library": "open_clip"}})
    assert swanlab_logger._sanitize_results_dict() == ({}, {"task/acc": 0.5})
    assert swanlab_logger._get_config()["cli_configs"] == {"seed": 1, "loaded_model": {"library": "open_clip"}}
