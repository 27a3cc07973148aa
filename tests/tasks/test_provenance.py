"""Claims about the record of the definition that ran: every field of a task's YAML redefined through --include_path."""

from __future__ import annotations

import dataclasses
import json
import types
from pathlib import Path

import numpy as np
import pytest

import yaml
from microbench_tasks import catalog
from microbench_tasks.data import micrographs
from microbench_tasks.harness.patches import installation
from microbench_tasks.runs.logged_runs import LoggedRun
from microbench_tasks.runs.run_records import RunRecord
from microbench_tasks.submissions import data_kinds, definition_checks
from microbench_tasks.tasks import definition_records, definitions, redefinitions, run_metadata, task_fields
from microbench_tasks.tasks.recorded_values import rendered
from tests.support import release, tiny_runs

TASK = "microbench_coarse_domain"
BOXES = "microbench_localization_opencell_nuclei"
BLACK = release.png(np.zeros((24, 32, 3), dtype=np.uint8))
# Beside the user's YAML.
MINE = """
from lmms_eval.api.task import ConfigurableTask
from microbench_tasks.tasks import prompts

class Mine(ConfigurableTask):
    def __init__(self, config):
        super().__init__(config={name: value for name, value in config.items() if name != "class"})

def microbench_doc_to_text(doc, options=None):
    return prompts.microbench_doc_to_text(doc) + " It is " + doc["options"][doc["answer_idx"]]

def messages(doc, lmms_eval_specific_kwargs=None):
    return [{"role": "user", "content": [{"type": "text", "text": "Say " + "ABCDEFG"[doc["answer_idx"]]}]}]

def raises(doc):
    raise RuntimeError

def black(doc):
    from PIL import Image
    return [Image.new("RGB", (8, 8))]

def choice(doc):
    return doc["captions"][::-1]

def target(doc, options=None):
    return 0

def results(doc, results):
    return {"acc": 1.0}
"""


class Function(str):
    """A ``!function`` in YAML that is written."""


class Dumper(yaml.SafeDumper):
    pass


Dumper.add_representer(Function, lambda dumper, name: dumper.represent_scalar("!function", str(name)))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MICROBENCH_DATASET", str(tiny_runs.data(folder / "own")))
        release.write_parquet(
            folder / "other", [release.row(number, image={"bytes": BLACK, "path": None}) for number in range(4)]
        )
        yield folder


@pytest.fixture
def built(data, tmp_path):
    """Build a task that a user's YAML redefines, as the harness does with --include_path."""

    def build(changes=None, task=TASK, kind="simple", model="open_clip", asked=None):
        from lmms_eval.tasks import TaskManager

        installation.install()
        written = {"include": str(definitions.yaml_folder() / f"{task}.yaml"), "task": task} | (changes or {})
        (tmp_path / "mine.py").write_text(MINE)
        (tmp_path / "mine.yaml").write_text(yaml.dump(written, Dumper=Dumper))
        manager = TaskManager(include_path=[str(tmp_path)], include_defaults=False, model_name=model)
        [found] = manager.load_task_or_group([asked or task], kind).values()
        return found

    return build


def recorded(task, name=TASK):
    """What stands in the results file, as JSON."""
    [metadata] = run_metadata.metadata_of({name: task}).values()
    config = json.loads(json.dumps(task.dump_config() | {"metadata": metadata}, default=str))
    return config["metadata"], definition_checks.find_definition_violations(logged_run({name: config}))


def logged_run(configs):
    """A run whose results file records these configurations of tasks."""
    files = {name: Path("x") for name in configs}
    return LoggedRun("x", files, Path("x_results.json"), RunRecord.model_validate({"configs": configs}))


# Of each field a value that the harness builds a task with, and the field that the record names.
CHANGING = {
    "dataset_path": {"dataset_path": "{other}", "dataset_name": "default", "dataset_kwargs": None},
    "dataset_name": {"dataset_name": "another"},
    "dataset_kwargs": {"dataset_kwargs": {"data_files": {"test": ["{other}/test-00000-of-00001.parquet"]}}},
    "training_split": {"training_split": "test"},
    "validation_split": {"validation_split": "test"},
    "test_split": {"test_split": None, "validation_split": "test"},
    "fewshot_split": {"fewshot_split": "test"},
    "process_docs": {"process_docs": Function("microbench_tasks.data.documents.microbench_coarse_subdomain_docs")},
    "class": {"class": Function("mine.Mine")},
    "doc_to_text": {"doc_to_text": Function("mine.microbench_doc_to_text")},
    "doc_to_choice": {"doc_to_choice": Function("mine.choice")},
    "doc_to_messages": {"doc_to_messages": Function("mine.messages")},
    "description": {"description": "Think step by step.\n"},
    "target_delimiter": {"target_delimiter": "-"},
    "fewshot_delimiter": {"fewshot_delimiter": "-"},
    "fewshot_config": {"fewshot_config": {"sampler": "default"}},
    "num_fewshot": {"num_fewshot": 2},
    "lmms_eval_specific_kwargs": {
        "lmms_eval_specific_kwargs": {"default": {"pre_prompt": "Think. ", "post_prompt": ""}}
    },
    "doc_to_visual": {"doc_to_visual": Function("mine.black")},
    "output_type": {"output_type": "generate_until_multi_round"},
    "generation_kwargs": {
        "generation_kwargs": {"until": ["\n"], "max_new_tokens": 100, "temperature": 0, "do_sample": False}
    },
    "model_specific_generation_kwargs": {"model_specific_generation_kwargs": {"open_clip": {"max_new_tokens": 1}}},
    "repeats": {"repeats": 3},
    "doc_to_target": {"doc_to_target": Function("mine.target")},
    "model_specific_target_kwargs": {
        "doc_to_target": Function("mine.target"),
        "model_specific_target_kwargs": {"default": {"first": 1}},
    },
    "filter_list": {
        "filter_list": [
            {"name": "none", "filter": [{"function": "regex", "regex_pattern": "([A-E])"}, {"function": "take_first"}]}
        ]
    },
    "reasoning_tags": {"reasoning_tags": [["not ", "but "]]},
    "auto_strip_thinking": {"auto_strip_thinking": True},
    "process_results": {"process_results": Function("mine.results")},
    "process_results_use_image": {"process_results_use_image": True},
    "metric_list": {"metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}]},
    "cluster_key": {"cluster_key": "dataset"},
    "score_key": {"score_key": "score"},
}
# What the record calls a field that is resolved into another.
NAMED = {"model_specific_generation_kwargs": "generation_kwargs"}
HARMLESS = {
    "task": {"task": TASK},
    "task_alias": {"task_alias": "domains"},
    "tag": {"tag": "mine"},
    "group": {"group": "mine"},
    "group_alias": {"group_alias": "mine"},
    "metadata": {"metadata": {"mine": "note"}},
    "full_docs": {"full_docs": True},
    "use_prompt": {"use_prompt": "mine"},
    "should_decontaminate": {"should_decontaminate": True},
    "doc_to_decontamination_query": {"doc_to_decontamination_query": "question"},
}


def with_paths(value, data):
    if isinstance(value, dict):
        return {key: with_paths(entry, data) for key, entry in value.items()}
    if isinstance(value, list):
        return [with_paths(entry, data) for entry in value]
    return value.replace("{other}", str(data / "other")) if type(value) is str else value


def test_the_table_has_every_field_of_the_harness_and_every_one_is_redefined_here():
    from lmms_eval.api.task import TaskConfig

    assert task_fields.FIELDS.keys() == {field.name for field in dataclasses.fields(TaskConfig)} | {"class"}
    assert CHANGING.keys() == {field for field, effect in task_fields.FIELDS.items() if effect != "nothing"}
    assert HARMLESS.keys() == {field for field, effect in task_fields.FIELDS.items() if effect == "nothing"}
    assert task_fields.effect("a field of a later version") == "asked"


@pytest.mark.parametrize("field", CHANGING)
def test_a_redefined_field_is_recorded_warned_of_and_refused_by_name(field, built, data, warnings):
    metadata, reasons = recorded(built(with_paths(CHANGING[field], data)))
    named = NAMED.get(field, field)
    assert named in {name.partition(".")[0] for name in metadata["definition"]["differs"]}
    assert any(
        reason.startswith(f"{TASK}: {named}") and "is redefined: expected " in reason and ", ran " in reason
        for reason in reasons
    ), reasons
    assert any(f"{TASK}: {named}" in warning and "NOT the benchmark's own task" in warning for warning in warnings)


@pytest.mark.parametrize("field", HARMLESS)
def test_a_harmless_field_is_accepted(field, built, warnings):
    metadata, reasons = recorded(built(HARMLESS[field]))
    assert reasons == []
    assert metadata["definition"]["differs"] == {}
    assert not any("redefined" in warning for warning in warnings)


@pytest.mark.parametrize("kind", ["simple", "chat"])
@pytest.mark.parametrize("task", [TASK, BOXES, tiny_runs.COGNITION])
@pytest.mark.parametrize("model", ["openai", "qwen2_5_vl", None])
def test_the_packages_own_tasks_differ_in_nothing_for_any_model(task, kind, model, built):
    metadata, reasons = recorded(built(task=task, kind=kind, model=model), task)
    assert reasons == []
    assert metadata["definition"]["differs"] == {}
    functions = metadata["definition"]["fields"]
    assert functions["doc_to_text"] == {
        "!function": "microbench_tasks.tasks."
        + ("localization.microbench_localization_doc_to_text" if task == BOXES else "prompts.microbench_doc_to_text")
    }
    assert functions.get("messages") == (None if kind == "simple" else [{"user": ["image", "prompt"]}])
    # As the YAML says for openai, and for all others.
    assert functions["generation_kwargs"]["max_new_tokens"] == (
        4096 if task == BOXES else 2048 if model == "openai" else 100
    )


def test_a_function_of_the_right_name_from_a_file_beside_the_yaml_does_not_pass(built, tmp_path):
    (tmp_path / "microbench_tasks.tasks.prompts.py").write_text(MINE)
    metadata, reasons = recorded(built())
    assert metadata["definition"]["differs"] == {}
    # The harness looks beside the YAML first.
    metadata, reasons = recorded(
        built({"doc_to_text": Function("microbench_tasks.tasks.prompts.microbench_doc_to_text")})
    )
    ran = metadata["definition"]["differs"]["doc_to_text"]["ran"]
    assert ran["!function"] == "microbench_tasks.tasks.prompts.microbench_doc_to_text"
    assert ran["file"] == "microbench_tasks.tasks.prompts.py" and len(ran["sha256"]) == 64
    assert (
        "doc_to_text is redefined: expected microbench_tasks.tasks.prompts.microbench_doc_to_text, "
        "ran microbench_tasks.tasks.prompts.microbench_doc_to_text (microbench_tasks.tasks.prompts.py)" in reasons[0]
    )


@pytest.mark.parametrize(
    "imitation",
    [
        "microbench_tasks.tasks.prompts.microbench_doc_to_text",
        {"!function": "microbench_tasks.tasks.prompts.microbench_doc_to_text"},
    ],
)
def test_neither_a_text_nor_a_mapping_passes_for_a_function(imitation, built):
    metadata, _ = recorded(built({"doc_to_choice": imitation if isinstance(imitation, dict) else [imitation]}))
    assert "doc_to_choice" in metadata["definition"]["differs"]
    assert rendered(imitation) != rendered(built().config.doc_to_text)


def test_a_function_that_python_code_put_in_the_place_of_the_packages_does_not_pass(built, monkeypatch):
    from microbench_tasks.tasks import prompts

    original = prompts.microbench_doc_to_text
    monkeypatch.setattr(prompts, "microbench_doc_to_text", lambda doc, options=None: original(doc) + "!")
    assert "doc_to_text" in recorded(built())[0]["definition"]["differs"]


def test_a_copy_of_a_function_with_other_globals_does_not_pass(built):
    from microbench_tasks.tasks import prompts

    original = prompts.microbench_doc_to_text
    words = {"WORDINGS": {"paper": ("Think step by step.", "")}}
    copied = types.FunctionType(original.__code__, vars(prompts) | words, original.__name__, original.__defaults__)
    copied.__module__, copied.__qualname__ = original.__module__, original.__qualname__
    task = built()
    task.config.doc_to_text = copied
    differs = recorded(task)[0]["definition"]["differs"]
    assert differs.keys() == {"doc_to_text"}
    assert differs["doc_to_text"]["ran"]["file"] == "prompts.py"


def test_the_choice_of_a_box_format_is_recorded_by_itself_and_no_redefinition(built):
    changes = {"lmms_eval_specific_kwargs": {"default": {"boxes": "qwen3_vl"}}}
    metadata, reasons = recorded(built(changes, BOXES, model="openai"), BOXES)
    assert reasons == []
    assert metadata["boxes"]["chosen_by"] == "lmms_eval_specific_kwargs: boxes"


def test_a_method_that_python_code_puts_on_the_task_is_seen(built):
    task = built()
    task.doc_to_visual = lambda doc: []
    assert recorded(task)[0]["definition"]["differs"] == {"overridden": {"expected": None, "ran": ["doc_to_visual"]}}


def test_messages_of_a_chat_task_are_seen_as_they_are_sent(built, monkeypatch):
    from lmms_eval.api.task import ConfigurableMessagesTask

    turn = ConfigurableMessagesTask._build_user_turn.__func__
    monkeypatch.setattr(
        ConfigurableMessagesTask,
        "_build_user_turn",
        classmethod(lambda cls, visuals, text: turn(cls, visuals, f"Think. {text}")),
    )
    differs = recorded(built(kind="chat"))[0]["definition"]["differs"]
    assert differs.keys() == {"messages"}
    assert differs["messages"]["ran"][0]["user"][1]["text"].startswith("Think. Answer with a single letter")


def test_settings_of_a_users_group_are_seen(built, tmp_path):
    (tmp_path / "group.yaml").write_text(
        yaml.dump(
            {"group": "mine", "task": [{"task": TASK, "doc_to_text": Function("mine.microbench_doc_to_text")}]},
            Dumper=Dumper,
        )
    )
    [task] = built(asked="mine").values()
    assert recorded(task)[0]["definition"]["differs"].keys() == {"doc_to_text"}


def test_settings_for_another_model_are_no_redefinition(built):
    changes = {
        "lmms_eval_specific_kwargs": {
            "default": {"pre_prompt": "", "post_prompt": ""},
            "llava": {"pre_prompt": "Think."},
        },
        "model_specific_generation_kwargs": {"llava": {"until": ["."]}},
    }
    assert recorded(built(changes))[1] == []


@pytest.mark.parametrize(
    ("settings", "refused"),
    [({"max_new_tokens": 5, "temperature": 0.7}, False), ({"until": ["."]}, True), ({"pre_prompt": "B"}, True)],
)
def test_what_gen_kwargs_sets_is_no_redefinition_and_is_judged_by_key(settings, refused, built):
    task = built()
    task.set_config("generation_kwargs", settings, update=True)
    metadata, reasons = recorded(task)
    assert metadata["definition"]["differs"] == {}
    assert [reason.startswith(f"{TASK}, generation_kwargs: {next(iter(settings))}: ") for reason in reasons] == [
        True
    ] * refused


def test_requests_that_the_harness_kept_may_be_of_another_definition(built):
    [metadata] = run_metadata.metadata_of({TASK: built()}, cache_requests=True).values()
    assert metadata["definition"]["differs"] == {"cache_requests": {"expected": None, "ran": True}}


def test_a_response_cache_tells_a_function_of_the_same_name_apart(built):
    """The cache's key holds the configuration as text, without the addresses of functions."""
    own, other = built(), built({"doc_to_text": Function("mine.microbench_doc_to_text")})
    assert str(own.config.doc_to_text).split(" at ")[0] == str(other.config.doc_to_text).split(" at ")[0]
    before = own.config.metadata
    redefinitions.mark_redefined({TASK: own, "group": {TASK: other}, "mmmu_val": None})
    assert own.config.metadata == before
    assert len(other.config.metadata["redefined"]) == 64


def test_predict_only_is_no_redefinition(built):
    task = built()
    task.override_metric("bypass")
    assert recorded(task)[0]["definition"]["differs"] == {}


def test_data_of_a_redefined_task_are_not_said_to_be_the_packages(built, data):
    own, _ = recorded(built())
    assert own["dataset"] == dict(micrographs.resolve().identity)
    # Also where the user's YAML says that they are.
    claims = {"metadata": {"dataset": dict(micrographs.resolve().identity), "version": 9.0}}
    other, _ = recorded(built(with_paths(CHANGING["dataset_path"], data) | claims))
    assert other["dataset"] == {"source": "other", "path": str(data / "other"), "name": "default"}
    assert data_kinds.classify_source(other["dataset"]) == "local"
    assert other["version"] == catalog.TASK_VERSION
    assert other["asked"]["num_documents"] == own["asked"]["num_documents"] == 4
    assert other["asked"]["sha256"] != own["asked"]["sha256"]


def test_data_that_change_while_a_run_goes_on_are_no_longer_said_to_be_those_of_its_start(built, data, monkeypatch):
    folder = data / "changing"
    monkeypatch.setenv("MICROBENCH_DATASET", str(release.write_parquet(folder, [release.row(0)])))
    made = {
        TASK: {"dataset": dict(micrographs.resolve().identity)},
        BOXES: {"dataset": {"source": "other", "path": "x"}},
    }
    before = json.loads(json.dumps(made))
    run_metadata.mark_changed_data(made)
    assert made == before
    release.write_parquet(folder, [release.row(1)])
    run_metadata.mark_changed_data(made)
    assert made == before | {TASK: {"dataset": {"source": "other"}}}
    assert data_kinds.classify_source(made[TASK]["dataset"]) == "local"
    made = {TASK: before[TASK]}
    for file in folder.iterdir():
        file.unlink()
    run_metadata.mark_changed_data(made)
    assert made == {TASK: {"dataset": {"source": "other"}}}


def test_records_that_a_yaml_claims_are_dropped(built):
    claims = {"definition": {"fields": {}, "differs": {}}, "asked": {"sha256": "0" * 64, "num_documents": 4}}
    task = built({"metadata": claims | {"mine": "note"}, "doc_to_messages": Function("mine.raises")}, kind="chat")
    # Also where nothing comes to measure them.
    assert task.config.metadata == {"mine": "note"}
    metadata, reasons = recorded(task)
    assert metadata["asked"]["sha256"] != "0" * 64
    assert metadata["definition"]["differs"].keys() == {"doc_to_messages", "messages"}
    assert metadata["definition"]["fields"]["messages"] == {"error": "RuntimeError"}


def test_documents_without_digest_leave_the_definition_on_record(built, monkeypatch):
    from microbench_tasks.data import document_digest

    monkeypatch.setattr(document_digest, "digest", lambda documents: 1 / 0)
    metadata, [reason] = recorded(built())
    assert metadata["asked"] is None and metadata["definition"]["differs"] == {}
    assert reason.startswith("the digest of what was asked about (metadata.asked): not recorded")


@pytest.mark.parametrize(
    ("changes", "changed"),
    [
        ({}, None),
        ({"task": ["microbench_coarse_domain"]}, "task"),
        ({"aggregate_metric_list": [{"metric": "acc", "aggregation": "mean"}]}, "aggregate_metric_list"),
        ({"group_alias": "mine"}, None),
    ],
)
def test_a_redefined_group_is_warned_of(changes, changed, warnings):
    from lmms_eval.api.group import ConfigurableGroup

    stated = definitions.definition("microbench_coarse")
    own = {
        "group": "microbench_coarse",
        "task": stated["task"],
        "aggregate_metric_list": [
            {"metric": metric, "aggregation": function}
            for metric, function in definitions.aggregations("microbench_coarse").items()
        ],
    }
    redefinitions.warn_of_groups({"another": {ConfigurableGroup(own | changes): {}}})
    assert [warning.partition(" of this group")[0] for warning in warnings] == (
        [] if changed is None else [f"microbench_coarse: {changed}"]
    )


def test_a_users_own_metadata_stays(built):
    metadata, _ = recorded(built({"metadata": {"mine": "note"}}))
    assert metadata["mine"] == "note"
    assert metadata["version"] == catalog.TASK_VERSION


def test_a_token_for_private_data_is_not_recorded(built, data):
    task = built(
        with_paths(
            {"dataset_kwargs": CHANGING["dataset_kwargs"]["dataset_kwargs"] | {"token": "hf_secretsecretsecretsecret"}},
            data,
        )
    )
    assert "hf_secret" not in json.dumps(definition_records.record(TASK, task))


def test_a_record_without_its_differences_is_compared_again(built):
    metadata, _ = recorded(built(CHANGING["filter_list"]))
    metadata["definition"]["differs"] = {}
    generation = metadata["definition"]["fields"]["generation_kwargs"]
    run = logged_run({TASK: {"metadata": metadata, "generation_kwargs": generation}})
    assert [reason.partition(" is redefined")[0] for reason in definition_checks.find_definition_violations(run)] == [
        f"{TASK}: filter_list"
    ]


@pytest.mark.parametrize(
    "broken", [None, {}, {"fields": {}, "differs": []}, {"fields": {}, "differs": {"doc_to_text": 1}}]
)
def test_without_a_record_a_run_is_no_submission(broken):
    run = logged_run({TASK: {"metadata": {"definition": broken}}})
    reasons = definition_checks.find_definition_violations(run)
    assert reasons[0].startswith(f"the definition of the task that ran (metadata.definition): not recorded for {TASK}.")
    assert reasons[1].startswith("the digest of what was asked about (metadata.asked): not recorded")


def test_tasks_of_others_and_tasks_that_cannot_be_recorded_do_not_stop_a_run(built, monkeypatch):
    said = []
    monkeypatch.setattr(run_metadata.logger, "warning", said.append)
    assert run_metadata.metadata_of({"mmmu_val": object()}) == {}
    assert run_metadata.metadata_of({TASK: object()}) == {TASK: {"dataset": {"source": "other"}}}
    assert len(said) == 1 and said[0].startswith(f"{TASK}: its definition cannot be recorded (AttributeError")


def test_every_task_of_the_catalogue_states_only_fields_of_the_table():
    assert {field for task in catalog.ALL_TASKS for field in definitions.definition(task)} <= task_fields.FIELDS.keys()
