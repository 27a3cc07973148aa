"""Claims about the checkpoints and options of transformers_vlm: what cannot work is refused, with what to type."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from microbench_adapters.libraries import vlm_checkpoint
from microbench_adapters.libraries.transformers_vlm_adapter import TransformersVlm
from tests.support import questions, tiny_vlm
from tests.support.vision_tasks import SETTINGS, Task, asked

pytestmark = pytest.mark.usefixtures("quiet_transformers")

IMAGES = questions.images(3)
WRITES = SETTINGS | {"max_new_tokens": 6}
PROJECTOR = "multi_modal_projector.linear_1.weight"


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    return tiny_vlm.save(tmp_path_factory.mktemp("vlm") / "llava", "llava")


@pytest.fixture
def folder(saved, tmp_path):
    """A copy of a checkpoint that a test may spoil."""
    return shutil.copytree(saved, tmp_path / "tiny")


def load(folder, **options):
    return TransformersVlm(model=str(folder), device="cpu", **options)


def answers(folder, **options):
    return asked(load(folder, **options), Task("t", lambda number: "Which?", images=IMAGES, settings=WRITES))


def change_json(path, **values):
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def without_template(folder):
    (folder / "chat_template.jinja").unlink()
    return folder


# --- kinds of checkpoints ------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (transformers.CLIPConfig(), "got type clip, .*--model transformers_clip --model_args model=.*open_clip"),
        (transformers.SiglipConfig(), "got type siglip, .*--model transformers_clip"),
        (transformers.Qwen2Config(), "got type qwen2, .*It reads text only. Name a checkpoint that takes images"),
        (transformers.Wav2Vec2Config(), "got type wav2vec2, .*lmms_eval models .*--model openai.*newer transformers"),
    ],
    ids=lambda value: getattr(value, "model_type", ""),
)
def test_another_kind_of_model_is_refused_before_its_weights_are_read(folder, config, message):
    config.save_pretrained(folder)
    (folder / "model.safetensors").unlink()
    with pytest.raises(ValueError, match=f"expected an image-text-to-text model, {message}"):
        load(folder)


def test_a_class_that_cannot_generate_is_refused(folder, monkeypatch):
    monkeypatch.setattr(transformers.LlavaForConditionalGeneration, "can_generate", classmethod(lambda cls: False))
    with pytest.raises(ValueError, match="LlavaForConditionalGeneration cannot generate, so it writes no answers"):
        load(folder)


CODE = """
from transformers import LlavaConfig, LlavaForConditionalGeneration

class MineConfig(LlavaConfig):
    model_type = "mine"

class Mine(LlavaForConditionalGeneration):
    config_class = MineConfig
"""


def test_code_of_a_checkpoint_runs_only_if_that_is_typed(folder, saved):
    (folder / "modeling_mine.py").write_text(CODE)
    auto_map = {"AutoConfig": "modeling_mine.MineConfig", "AutoModelForImageTextToText": "modeling_mine.Mine"}
    change_json(folder / "config.json", model_type="mine", auto_map=auto_map)
    # By the names of the class itself: transformers translates older names for its own types only.
    state = transformers.LlavaForConditionalGeneration.from_pretrained(saved).state_dict()
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match="(?s)AutoConfig cannot load it: .*trust_remote_code=True"):
        load(folder)
    assert answers(folder, trust_remote_code=True) == answers(saved)


def test_code_beside_a_type_that_transformers_knows_is_not_run(saved, folder):
    (folder / "mine.py").write_text("raise RuntimeError('the code of the checkpoint runs')")
    auto_map = {"AutoConfig": "mine.Config", "AutoModelForImageTextToText": "mine.Model", "AutoProcessor": "mine.P"}
    for name in ("config.json", "processor_config.json"):
        change_json(folder / name, auto_map=auto_map)
    assert answers(folder, trust_remote_code=True) == answers(saved)


def test_a_type_of_transformers_whose_model_is_in_the_checkpoint_asks_for_trust(folder):
    transformers.Wav2Vec2Config(auto_map={"AutoModelForImageTextToText": "mine.Mine"}).save_pretrained(folder)
    with pytest.raises(ValueError, match="code of its own: read that code, then type trust_remote_code=True"):
        load(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda state: state.update({"lora_A.weight": state.pop(PROJECTOR)}),
            rf"Keys: missing 1 \(model.{PROJECTOR}\); unexpected 1 \(.*lora_A.weight\)",
        ),
        (
            lambda state: state.update({PROJECTOR: torch.ones(3, 3)}),
            rf"of another shape 1 \(model.{PROJECTOR}: \(3, 3\), expected \(64, 32\)\)",
        ),
        (
            lambda state: state[PROJECTOR].fill_(float("nan")),
            rf"1 weights contain values that are not finite \(model.{PROJECTOR}\)",
        ),
        (
            lambda state: [values.zero_() for name, values in state.items() if "multi_modal_projector" in name],
            "does not distinguish images",
        ),
    ],
    ids=["missing and unexpected", "shape", "not finite", "constant"],
)
def test_weights_that_are_not_the_models_are_refused_by_name(folder, change, message):
    state = load_file(folder / "model.safetensors")
    change(state)
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match=message):
        load(folder)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["config.json"], "it has no config.json"),
        (["processor_config.json"], "(AutoProcessor cannot load it|expected a processor of images and texts)"),
        (["tokenizer.json", "tokenizer_config.json"], "(AutoProcessor cannot load it|expected a processor)"),
        (["model.safetensors"], "model.safetensors"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_folder_that_is_not_whole_is_refused_with_what_is_missing(folder, files, message):
    for name in files:
        (folder / name).unlink()
    with pytest.raises(ValueError, match=f"(?s)model={folder}.*{message}"):
        load(folder)


def test_a_tokenizer_that_writes_another_token_for_the_image_is_refused(folder):
    change_json(folder / "config.json", image_token_index=7)
    with pytest.raises(ValueError, match="has 7 as the number of the token for an image, which its processor does not"):
        load(folder)


# --- prompts -------------------------------------------------------------------------


def test_a_processor_without_a_template_is_refused_with_two_ways_out(folder):
    with pytest.raises(ValueError, match=r"no chat template, .*chat_template=FILE .*, or plain_prompt=True"):
        load(without_template(folder))


def test_a_plain_prompt_is_the_image_and_the_question(folder):
    plain = tiny_vlm.Plain(without_template(folder))
    expected = []
    for image in IMAGES:
        inputs = plain.processor(images=image, text="<image>\nWhich?", return_tensors="pt")
        written = plain.model.generate(**inputs, max_new_tokens=6, do_sample=False)[0]
        expected.append(plain.processor.decode(written[inputs["input_ids"].shape[1] :], skip_special_tokens=True))
    assert answers(folder, plain_prompt=True) == expected


def test_a_template_of_a_file_takes_the_place_of_the_processors_own(folder, saved, tmp_path):
    file = tmp_path / "other.jinja"
    file.write_text(tiny_vlm.turns("Human: ", " AI: ", "<image>"))
    other = answers(saved, chat_template=str(file))
    (folder / "chat_template.jinja").write_text(file.read_text())
    assert other == answers(folder) != answers(saved)


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("<image> What?", "its chat template leaves out the question"),
        ("{{ raise_exception('one message') }}", "cannot show an image and a question: .*one message"),
        (
            "{% for part in messages[0]['content'] %}{{ part['text'] }}{% endfor %}",
            "which its processor does not write|AutoProcessor|image",
        ),
    ],
    ids=["no question", "an error", "no image"],
)
def test_a_template_that_leaves_something_out_is_refused(saved, tmp_path, template, message):
    (tmp_path / "bad.jinja").write_text(template)
    with pytest.raises(ValueError, match=message):
        load(saved, chat_template=str(tmp_path / "bad.jinja"))


def test_a_prompt_with_the_images_place_in_it_is_refused(saved):
    with pytest.raises(ValueError, match="Task t: its prompts contain <image>, which transformers_vlm's processor"):
        asked(load(saved), Task("t", lambda number: "<image> Which?"))


# --- settings ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "no/such-model"}, "model=no/such-model, revision=None: AutoConfig cannot load it"),
        ({"precision": "int4"}, "precision=int4: expected one of"),
        ({"precision": "fp16"}, "precision=fp16: half precision needs a GPU"),
        ({"batch_size": 0}, "batch_size: expected a positive integer, got 0"),
        ({"trust_remote_code": "yes"}, "trust_remote_code=yes: expected True or False"),
        ({"plain_prompt": 1}, "plain_prompt=1: expected True or False"),
        ({"plain_prompt": True, "chat_template": "x"}, "cannot be used together"),
        ({"chat_template": "/no/file"}, "chat_template=/no/file: there is no such file"),
        ({"revision": "main"}, "is a local folder and has none"),
    ],
    ids=str,
)
def test_options_that_cannot_work_are_refused(saved, options, message):
    with pytest.raises(ValueError, match=message):
        TransformersVlm(**({"model": str(saved), "device": "cpu"} | options))


def test_a_model_must_be_named():
    with pytest.raises(ValueError, match="--model_args: model is missing. TransformersVlm takes model, revision"):
        TransformersVlm.create_from_arg_string("precision=bf16")


def test_a_type_without_a_known_plain_prompt_says_so(tmp_path):
    folder = tiny_vlm.save(tmp_path / "qwen", "qwen2_vl")
    with pytest.raises(ValueError, match=r"plain_prompt=True: how models of type qwen2_vl .*chat_template=FILE"):
        load(folder, plain_prompt=True)


def test_what_a_checkpoint_says_about_sampling_is_not_obeyed_and_is_recorded(folder, saved, monkeypatch):
    lines = []
    monkeypatch.setattr(vlm_checkpoint.logger, "info", lines.append)
    other = {"do_sample": True, "temperature": 5.0, "repetition_penalty": 3.0, "min_new_tokens": 5}
    change_json(folder / "generation_config.json", **other)
    assert answers(folder) == answers(saved)
    assert load(folder).record()["generation_settings_not_used"] == other
    assert load(saved).record()["generation_settings_not_used"] == {}
    assert all("generation settings of the checkpoint that are not used" in line for line in lines)


def test_settings_that_cannot_be_obeyed_are_refused_before_anything_is_decoded(saved):
    task = Task("wrong", lambda number: "Which?", settings={"do_sample": True})
    with pytest.raises(ValueError, match="do_sample=True, temperature=None: transformers_vlm writes the most probable"):
        asked(load(saved), task)
    assert task.decoded == []


def test_the_record_says_what_was_loaded_and_how_it_is_asked(saved):
    record = load(saved).record()
    expected = transformers.LlavaForConditionalGeneration.from_pretrained(saved).state_dict()
    assert record["checkpoint"] == record["files"]["model"] == str(saved)
    assert record["architecture"]["model_type"] == "llava"
    assert record["prompt"]["template"] == "processor"
    assert record["prompt"]["example"] == "<s>USER: <image>\nQUESTION ASSISTANT:"
    assert (record["precision"], record["device"]) == ("fp32", "cpu")
    state = load(saved).module.state_dict()
    assert state.keys() == expected.keys()
    assert all(torch.equal(state[name], values) for name, values in expected.items())
    json.dumps(record)
