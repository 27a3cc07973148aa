"""Claims about lists of models: what is a valid list, which names entries get, and what each problem is called."""

from __future__ import annotations

import argparse
import json
import re

import pytest
from lmms_eval.utils import simple_parse_args_string

import yaml
from microbench_tasks.catalog import model_lists, table1
from microbench_tasks.harness import launcher
from microbench_tasks.harness.many_models import entry_checks, model_list, options
from microbench_tasks.harness.many_models.model_list import Entry
from microbench_tasks.util.errors import DataError


@pytest.fixture
def load(tmp_path):
    def load_text(text):
        (tmp_path / "models.yaml").write_text(text)
        return model_list.load(str(tmp_path / "models.yaml"))[1]

    return load_text


def test_an_entry_has_arguments_as_text_or_as_a_mapping(load):
    entries = load(
        """
        models:
          - model: clip
          - {model: plip, model_args: "merge_with=clip,alpha=0.5", name: halfway, batch_size: 8}
          - model: open_clip
            model_args: {model: ./my clip, merge_with: [a, b], alpha: 0.25, compile: true, context_length: 77}
            batch_size: auto:4
        """
    )
    assert entries == [
        Entry(1, "clip", "clip"),
        Entry(2, "halfway", "plip", "merge_with=clip,alpha=0.5", "8"),
        Entry(
            3,
            "open_clip_my-clip_merge_with-a-b_alpha-0.25_compile-True_con",
            "open_clip",
            "model=./my clip,merge_with=[a,b],alpha=0.25,compile=True,context_length=77",
            "auto:4",
        ),
    ]


def test_names_of_further_entries_differ_and_those_before_stay(load):
    first = load("models: [{model: open_clip, model_args: model=./a/epoch3}]")
    both = load(
        "models: [{model: open_clip, model_args: model=./a/epoch3}, {model: open_clip, model_args: model=./b/epoch3}]"
    )
    assert both[0] == first[0]
    assert both[0].name == "open_clip_epoch3"
    assert re.fullmatch("open_clip_epoch3_[0-9a-f]{8}", both[1].name)


def test_a_name_that_is_another_entrys_default_leaves_both_unique(load):
    names = [entry.name for entry in load("models: [{model: clip, name: plip}, {model: plip}]")]
    assert names[0] == "plip" and re.fullmatch("plip_[0-9a-f]{8}", names[1])


def test_a_mapping_as_the_value_of_an_argument_is_passed_on_as_json(load):
    text = (
        "models: [{model: open_clip, model_args: {model: ViT-S-32-alt, preprocess: {mean: [0.5, 0.5, 0.5], size: 64}}}]"
    )
    [entry] = load(text)
    read = simple_parse_args_string(entry.model_args)
    assert json.loads(read["preprocess"]) == {"mean": [0.5, 0.5, 0.5], "size": 64}
    assert read["model"] == "ViT-S-32-alt"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("models: []", "the list is empty. Write at least one model, such as models: [{model: clip}, "),
        ("models: clip", "expected a list under the key models, such as models: [{model: clip}, "),
        ("- model: clip", "expected a list under the key models"),
        ("model: [{model: clip}]", "expected a list under the key models"),
        ("models: [{model: clip}]\nmodls: 3", "unknown key 'modls' beside models. Did you mean models?"),
        ("models: [clip]", "entry 1: expected a mapping such as {model: clip}, got 'clip'"),
        ("models: [{model: clip}, {modle: plip}]", "entry 2: unknown key 'modle'. Did you mean model?"),
        ("models: [{name: a}]", "entry 1: has no model"),
        ("models: [{model: 3}]", "entry 1: model: expected a name as for lmms_eval --model, got 3"),
        ("models: [{model: clip, batch_size: 0}]", "batch_size: expected a positive whole number, got 0"),
        ("models: [{model: clip, batch_size: '0'}]", "batch_size: expected a positive whole number, got '0'"),
        ("models: [{model: clip, batch_size: large}]", "batch_size: expected a positive whole number, got 'large'"),
        ("models: [{model: clip, batch_size: true}]", "batch_size: expected a positive whole number, got True"),
        ("models: [{model: clip, name: 3}]", "name: expected a text, got 3. Put it in quotation marks"),
        ("models: [{model: clip, name: ../a}]", "name: '../a' cannot be the name of a folder"),
        ("models: [{model: clip, name: 'a,b'}]", "name: 'a,b' cannot be the name of a folder"),
        ("models: [{model: clip, name: Leaderboard}]", "name: Leaderboard is the folder of another output"),
        ("models: [{model: clip, name: a}, {model: plip, name: A}]", "entry 2: the name A is in entry 1, too"),
        ("models: [{model: clip}, {model: clip}]", "entry 2: the model clip with these model_args is in entry 1, too"),
        ("models: [{model: clip, model_args: 5}]", "model_args: expected a text .* or a mapping, got 5"),
        ("models: [{model: clip, model_args: fp16}]", "model_args: expected name=value,name=value, got 'fp16'"),
        ("models: [{model: clip, model_args: {model: 'a,b'}}]", "model: 'a,b' cannot be passed on, since commas"),
        ("models: [{model: clip, model_args: {device: }}]", "device: expected a text, a number, true or false"),
        ("models:\n  - model: clip\n    model: plip", "line 3: not valid YAML: the key 'model' occurs twice"),
        ("models:\n  - model: [clip", "line 2: not valid YAML"),
    ],
)
def test_each_problem_is_named_with_its_place_and_advice(load, text, problem):
    with pytest.raises(DataError, match=re.escape(problem) if ".*" not in problem else problem) as error:
        load(text)
    assert "models.yaml" in str(error.value)


def test_all_problems_are_reported_at_once(load):
    with pytest.raises(DataError, match=r"2 problem\(s\), and nothing was run:\n  - entry 1: .*\n  - entry 3: "):
        load("models: [{modl: clip, model: clip}, {model: plip}, {name: x}]")


def test_a_list_that_does_not_exist_is_answered_with_near_names(tmp_path):
    (tmp_path / "models.yaml").write_text("models: []")
    with pytest.raises(DataError, match="no such file. Did you mean .*models.yaml"):
        model_list.load(str(tmp_path / "modls.yaml"))
    with pytest.raises(DataError, match="Did you mean paper_contrastive"):
        model_list.load("paper_contrastiv")


def test_a_default_name_holds_no_secret(load):
    key = "sk-" + "a1B2" * 8
    (entry,) = load(f"models: [{{model: openai, model_args: 'model_version=gpt-4o,api_key={key}'}}]")
    assert "gpt-4o" in entry.name and key[:8] not in entry.name


# --- the list that ships with the package ---


def test_the_shipped_list_has_the_contrastive_systems_of_table_1():
    _, entries = model_list.load("paper_contrastive")
    # Table 1 without the models that write text, and without the random row.
    writes_text = {"GPT-4o", "CogVLM", "QwenVLM", "PaliGemma", "Random"}
    assert {entry.name for entry in entries} == {row.model for row in table1.table1("microbench_coarse")} - writes_text
    for entry in entries:
        row = table1.row_of(entry.model, "microbench_fine")
        assert row is not None and row.model == entry.name
        assert not entry.model_args


def test_a_shipped_list_is_yaml_that_a_user_can_copy(tmp_path):
    for path in model_lists.shipped().values():
        assert yaml.safe_load(path.read_text())["models"]


# --- shards and options ---


@pytest.mark.parametrize(("text", "expected"), [(None, [0, 1, 2, 3]), ("1/2", [0, 2]), ("2/2", [1, 3]), ("4/4", [3])])
def test_a_shard_takes_every_nth_model(text, expected):
    assert options.parse_shard(text).items_of(range(4)) == expected


def test_shards_share_a_list_without_gaps_or_overlaps():
    shares = [options.parse_shard(f"{number}/8").items_of(range(50)) for number in range(1, 9)]
    assert sorted(item for share in shares for item in share) == list(range(50))


@pytest.mark.parametrize("text", ["0/8", "9/8", "x", "3", "1/0", "-1/8", "1/8/9", "1.0/8"])
def test_other_shards_are_refused(text):
    with pytest.raises(DataError, match=f"--shard {text}: expected NUMBER/TOTAL .* such as 3/8"):
        options.parse_shard(text)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--model", "clip"], "--model: name the models in the list"),
        (["--model_args=a=1"], "--model_args: write model_args in the entries"),
        (["--predict_only"], "--predict_only: models are compared by their scores"),
        (["--config", "c.yaml"], "--config: write its options on the command line"),
    ],
)
def test_options_of_single_models_are_refused(arguments, problem):
    with pytest.raises(DataError, match=problem):
        options.parse_harness_options("microbench_coarse", arguments)


def test_only_options_that_change_scores_belong_to_the_plan():
    parsed = options.parse_harness_options(
        "microbench_coarse", ["--limit", "5", "--verbosity", "DEBUG", "--device", "cpu", "--gen_kwargs", "top_p=1"]
    )
    assert options.settings_of(parsed) == {"--gen_kwargs": "top_p=1", "--limit": "5.0"}
    assert options.settings_of(options.parse_harness_options("microbench_coarse", [])) == {}


def test_several_processes_are_told_to_use_shards(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(DataError, match="start it once for each, with CUDA_VISIBLE_DEVICES=0 and --shard 1/2"):
        options.parse_harness_options("microbench_coarse", [])


# --- models, their arguments and tasks ---


@pytest.fixture
def problems_of(use_source):
    use_source("demo")
    launcher.prepare_evaluation()

    def find(entry, tasks="microbench_coarse"):
        parsed = options.parse_harness_options(tasks, [])
        return "\n".join(entry_checks.find_problems([entry], parsed))

    return find


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (Entry(3, "a", "biomedclp"), "entry 3 (a): the model 'biomedclp' is unknown. Did you mean biomedclip"),
        (Entry(1, "a", "clip", "modle=x"), "model_args: clip takes no modle. Did you mean model"),
        (Entry(1, "a", "open_clip"), "model_args: open_clip needs model. Write model_args: model="),
        (Entry(1, "a", "microbench_random", "alpha=1"), "microbench_random takes no alpha. It takes "),
        (Entry(1, "a", "clip", "precision=bf16,batch_size=8,device=cpu"), ""),
        (Entry(1, "a", "microbench_random", "seed=3"), ""),
    ],
)
def test_names_and_arguments_of_models_are_checked_without_loading_weights(problems_of, entry, expected):
    found = problems_of(entry)
    assert expected in found if expected else not found


def test_weights_that_do_not_open_are_named_before_the_run(problems_of, tmp_path):
    (tmp_path / "epoch.pt").write_bytes(b"junk")
    found = problems_of(Entry(2, "a", "open_clip", f"model=ViT-B-32,pretrained={tmp_path}/epoch.pt"))
    assert found.startswith(f"entry 2 (a): model_args: {tmp_path}/epoch.pt: cannot be read as a checkpoint")


def test_a_model_that_cannot_be_asked_the_tasks_is_named_before_the_run(problems_of):
    assert "asks for boxes, and clip only chooses among given texts" in problems_of(
        Entry(1, "a", "clip"), "microbench_localization"
    )
    assert not problems_of(Entry(1, "a", "clip"), "microbench")


def test_a_model_whose_module_cannot_be_imported_is_named_before_the_run(problems_of, monkeypatch):
    from lmms_eval import models

    def fail(*arguments):
        raise ImportError("No module named 'vllm'")

    monkeypatch.setattr(models, "get_model", fail)
    assert "the model clip cannot be imported (ImportError: No module named 'vllm')" in problems_of(
        Entry(1, "a", "clip")
    )


def test_an_unknown_task_is_answered_with_near_names(use_source):
    use_source("demo")
    launcher.prepare_evaluation()
    wanted = argparse.Namespace(verbosity="ERROR", include_path=None, tasks="microbench_corse")
    with pytest.raises(DataError, match="--tasks: microbench_corse unknown. Did you mean microbench_coarse"):
        entry_checks.check_tasks(wanted)
