"""Checkpoints that are subtly wrong, or right but packed unusually, made with the libraries' own means.

Each function gets a copy of a small healthy checkpoint, changes it, and returns the options that differ
from ``model=<the folder>``. Its decorator says what must come of it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import open_clip
import peft
import torch
import transformers
from safetensors.torch import load_file, save_file

from tests.support import tiny_clip, tiny_models

LOADS = ""
PREPROCESS = json.dumps({"mean": [0.5] * 3, "std": [0.5] * 3})


@dataclass(frozen=True)
class Case:
    """``expected``: a pattern of the refusal, or `LOADS` if answers and weights must be the healthy checkpoint's."""

    base: str
    make: Callable[[Path], dict | None]
    expected: str

    @property
    def name(self) -> str:
        return f"{self.base}-{self.make.__name__.strip('_')}"


CASES: list[Case] = []


def case(base: str, expected: str):
    def register(make):
        CASES.append(Case(base, make, expected))
        return make

    return register


# --- healthy checkpoints ---


def open_clip_vit(folder: Path) -> Path:
    return tiny_clip.save(folder, seed=3)


def clip_config() -> transformers.CLIPConfig:
    tower = {"hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    text = tower | {"vocab_size": 400, "bos_token_id": 2, "eos_token_id": 3, "pad_token_id": 0}
    vision = tower | {"image_size": 32, "patch_size": 16}
    return transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=32)


def clip_processor() -> transformers.CLIPProcessor:
    """With a vocabulary of few words, which loads faster than the true one."""
    images = transformers.CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    return transformers.CLIPProcessor(image_processor=images, tokenizer=tiny_models.word_tokenizer(77))


def transformers_clip(folder: Path) -> Path:
    torch.manual_seed(0)
    return tiny_models.save_transformers(folder, transformers.CLIPModel(clip_config()), clip_processor())


# --- means ---


def weights_of(folder: Path) -> Path:
    names = ("open_clip_model.safetensors", "model.safetensors", "pytorch_model.bin")
    return next(folder / name for name in names if (folder / name).exists())


def state_of(folder: Path) -> dict[str, torch.Tensor]:
    path = weights_of(folder)
    return load_file(path) if path.suffix == ".safetensors" else torch.load(path)


def spoil(folder: Path, **changes) -> None:
    """Replace weights by name, ``__`` for a dot; None takes one away, a function gets the old values."""
    state = state_of(folder)
    for name, change in changes.items():
        name = name.replace("__", ".")
        old = state.pop(name, None)
        if change is not None:
            state[name] = change(old) if callable(change) else change
    path = weights_of(folder)
    save_file(state, path, metadata={"format": "pt"}) if path.suffix == ".safetensors" else torch.save(state, path)


def edit(path: Path, **changes) -> None:
    content = json.loads(path.read_text())
    for name, value in changes.items():
        *parents, last = name.split("__")
        part = content
        for parent in parents:
            part = part[parent]
        part[last] = value
    path.write_text(json.dumps(content))


def other_values(state):
    return {name: values * 1.01 if values.is_floating_point() else values for name, values in state.items()}


def prefixed(state, prefix):
    return {f"{prefix}{name}": values for name, values in state.items()}


def as_file(folder: Path, content) -> dict:
    """Options that load ``content`` from a file of a training script, with the architecture of ``folder``."""
    torch.save(content, folder.parent / "epoch_1.pt")
    if (folder / "open_clip_config.json").exists():
        return {"model": "tiny-vit", "pretrained": str(folder.parent / "epoch_1.pt"), "preprocess": PREPROCESS}
    return {"pretrained": str(folder.parent / "epoch_1.pt")}


def open_clip_module(folder: Path):
    return open_clip.create_model(f"local-dir:{folder}")


def zeros(values):
    return torch.zeros_like(values)


# --- what lies beside the weights ---


@case(
    "open_clip",
    r"the folder contains an adapter \(LoRA, PEFT\) beside the full weights: .*adapter_config.json.*merge_and_unload",
)
def _adapter_beside(folder):
    peft.LoraConfig(r=2, target_modules=["c_fc"]).save_pretrained(folder)


@case(
    "transformers_clip",
    r"the folder contains an adapter \(LoRA, PEFT\) beside the full weights: .*_config.json, .*adapter_model",
)
def _merged_weights_where_the_adapter_still_lies(folder):
    config = peft.LoraConfig(r=2, target_modules=["fc1"], init_lora_weights=False)
    adapted = peft.get_peft_model(transformers.CLIPModel.from_pretrained(folder), config)
    adapted.save_pretrained(folder)
    adapted.merge_and_unload().save_pretrained(folder)


@case("transformers_clip", r"contains an adapter \(LoRA, PEFT\) and no model: .*Merge it into its base model first")
def _adapter_alone(folder):
    config = peft.LoraConfig(r=2, target_modules=["fc1"])
    peft.get_peft_model(transformers.CLIPModel.from_pretrained(folder), config).save_pretrained(folder)
    (folder / "model.safetensors").unlink()


@case("paligemma", r"the folder contains an adapter \(LoRA, PEFT\) beside the full weights: .*adapter_config.json")
def _adapter_config_alone_beside(folder):
    peft.LoraConfig(r=2, target_modules=["q_proj"]).save_pretrained(folder)


@case("transformers_clip", LOADS)
def _weights_in_a_file_of_their_own_and_an_adapter_in_the_folder(folder):
    peft.LoraConfig(r=2, target_modules=["fc1"]).save_pretrained(folder)
    return as_file(folder, state_of(folder))


@case("open_clip", "contains weights that differ: open_clip_model.safetensors and open_clip_pytorch_model.bin")
def _bin_of_another_training(folder):
    torch.save(other_values(state_of(folder)), folder / "open_clip_pytorch_model.bin")


@case("open_clip", LOADS)
def _bin_of_the_same_content(folder):
    torch.save({"state_dict": prefixed(state_of(folder), "module.")}, folder / "open_clip_pytorch_model.bin")


@case("open_clip", "contains weights that differ: open_clip_model.safetensors and epoch_7.pt")
def _epoch_beside(folder):
    state = prefixed(other_values(state_of(folder)), "module.")
    torch.save({"epoch": 7, "state_dict": state, "optimizer": {"state": {}}}, folder / "epoch_7.pt")


@case("open_clip", LOADS)
def _the_same_model_for_another_library_beside(folder):
    transformers.CLIPModel(clip_config()).save_pretrained(folder)


@case("transformers_clip", "contains weights that differ: model.safetensors and pytorch_model.bin")
def _stale_bin(folder):
    torch.save(other_values(state_of(folder)), folder / "pytorch_model.bin")


@case("transformers_clip", "contains weights that differ: model.safetensors and other.safetensors")
def _another_file_named_in_the_configuration(folder):
    save_file(other_values(state_of(folder)), folder / "other.safetensors", metadata={"format": "pt"})
    edit(folder / "config.json", transformers_weights="other.safetensors")


@case("transformers_clip", LOADS)
def _variant_in_half_precision(folder):
    transformers.CLIPModel.from_pretrained(folder, dtype=torch.float16).save_pretrained(folder, variant="fp16")


@case("transformers_clip", "contains weights that differ: model.safetensors and model.ema.safetensors")
def _variant_of_other_values(folder):
    module = transformers.CLIPModel.from_pretrained(folder)
    module.load_state_dict(other_values(module.state_dict()))
    module.save_pretrained(folder, variant="ema")


@case("paligemma", "contains weights that differ: model.safetensors and checkpoint.pt")
def _checkpoint_beside(folder):
    torch.save({"model": other_values(state_of(folder))}, folder / "checkpoint.pt")


@case("transformers_clip", "contains weights that differ: model.safetensors and model-00001-of-")
def _whole_file_beside_shards_of_an_older_save(folder):
    old = transformers.CLIPModel.from_pretrained(folder)
    whole = weights_of(folder).read_bytes()
    old.load_state_dict(other_values(old.state_dict()))
    old.save_pretrained(folder, max_shard_size="200KB")
    (folder / "model.safetensors").write_bytes(whole)


@case("conch", "contains weights that differ: pytorch_model.bin and model.safetensors")
def _safetensors_beside(folder):
    save_file(other_values(state_of(folder)), folder / "model.safetensors")


# --- shards ---


def _sharded(folder):
    transformers.AutoModel.from_pretrained(folder).save_pretrained(folder, max_shard_size="200KB")
    assert len(list(folder.glob("model-*.safetensors"))) > 1
    (folder / "model.safetensors").unlink(missing_ok=True)


@case("transformers_clip", LOADS)
def _shards(folder):
    _sharded(folder)


@case("transformers_clip", "names 1 files that are missing beside it .model-00002-of-")
def _shard_missing(folder):
    _sharded(folder)
    next(folder.glob("model-00002-*")).unlink()


@case("transformers_clip", "the shards do not match .*model.safetensors.index.json: .* belong to different saves")
def _shard_of_another_save(folder):
    _sharded(folder)
    first, second, *_ = sorted(folder.glob("model-*.safetensors"))
    save_file(load_file(second) | dict(list(load_file(first).items())[:1]), second, metadata={"format": "pt"})


@case("transformers_clip", "contains weights that differ: .*model-00009-of-00009.safetensors")
def _stale_shard(folder):
    _sharded(folder)
    save_file(other_values(load_file(next(folder.glob("model-00001-*")))), folder / "model-00009-of-00009.safetensors")


@case("transformers_clip", "saves them in parts: run zero_to_fp32.py")
def _parts_of_deepspeed(folder):
    weights_of(folder).unlink()
    (folder / "global_step100").mkdir()


# --- prefixes, nesting, averages ---


@case("open_clip", LOADS)
def _compiled_then_parallel(folder):
    return as_file(folder, torch.nn.DataParallel(torch.compile(open_clip_module(folder))).state_dict())


@case("open_clip", LOADS)
def _parallel_then_compiled(folder):
    return as_file(folder, {"model": torch.compile(torch.nn.DataParallel(open_clip_module(folder))).state_dict()})


@case("open_clip", LOADS)
def _one_tower_compiled(folder):
    module = open_clip_module(folder)
    module.visual = torch.compile(module.visual)
    return as_file(folder, module.state_dict())


@case("open_clip", LOADS)
def _lightning_with_a_loss(folder):
    state = prefixed(state_of(folder), "model._orig_mod.") | {"loss_fn.weight": torch.ones(3)}
    optimizer = {"state": {0: {"exp_avg": torch.ones(2)}}}
    return as_file(folder, {"state_dict": state, "optimizer_states": [optimizer], "epoch": 3})


@case("open_clip", LOADS)
def _averaged_by_torch(folder):
    return as_file(folder, torch.optim.swa_utils.AveragedModel(open_clip_module(folder)).state_dict())


@case("open_clip", "contains two models that differ, under state_dict and under state_dict_ema")
def _average_beside(folder):
    return as_file(folder, {"state_dict": state_of(folder), "state_dict_ema": other_values(state_of(folder))})


@case("open_clip", LOADS)
def _average_that_is_the_same(folder):
    return as_file(folder, {"state_dict": state_of(folder), "ema_state_dict": state_of(folder)})


@case("open_clip", "contains two models that differ, under prefix model. and under prefix ema_model.module.")
def _average_under_another_prefix(folder):
    average = prefixed(other_values(state_of(folder)), "ema_model.module.")
    return as_file(folder, prefixed(state_of(folder), "model.") | average)


@case(
    "open_clip",
    "beside the weights under model there is an adapter under lora, which would be left out. The checkpoint contains an adapter",
)
def _adapter_under_another_name(folder):
    state = state_of(folder)
    name = next(name for name in state if name.endswith("mlp.c_fc.weight")).removesuffix("weight")
    adapter = {f"{name}lora_A.weight": torch.ones(2, 64), f"{name}lora_B.weight": torch.ones(64, 2)}
    return as_file(folder, {"model": state, "lora": adapter})


@case("open_clip", "under tuned there are other values of weights under model, for example of ")
def _some_weights_tuned(folder):
    tuned = dict(list(other_values(state_of(folder)).items())[:5])
    return as_file(folder, {"model": state_of(folder), "tuned": prefixed(tuned, "module.")})


@case("open_clip", LOADS)
def _some_weights_twice_and_the_head_of_training(folder):
    some = dict(list(state_of(folder).items())[:5])
    return as_file(folder, {"model": state_of(folder), "frozen": some, "head": {"weight": torch.ones(3, 64)}})


@case("transformers_clip", LOADS)
def _scale_with_an_axis(folder):
    spoil(folder, logit_scale=lambda scale: scale.reshape(1))


@case("open_clip", "contains a second set of weights .* under ema beside those under model, which cannot be compared")
def _average_without_names(folder):
    average = {"decay": 0.999, "shadow_params": list(state_of(folder).values())}
    return as_file(folder, {"model": state_of(folder), "ema": average})


@case("open_clip", "contains a second set of weights .* under ema_model beside those under prefix model.")
def _average_under_names_without_dots(folder):
    average = {f"ema_model.{name.replace('.', '')}": values for name, values in state_of(folder).items()}
    return as_file(folder, prefixed(prefixed(state_of(folder), "model.") | average, "_orig_mod."))


@case("open_clip", "contains two models that differ, under prefix student. and under prefix teacher.")
def _student_and_teacher(folder):
    teacher = prefixed(other_values(state_of(folder)), "teacher.")
    return as_file(folder, prefixed(state_of(folder), "student.") | teacher)


@case("open_clip", r"beside the weights under prefix model. there are 1 others \(probe.weight\), which would be left")
def _something_beside_the_model(folder):
    return as_file(folder, prefixed(state_of(folder), "model.") | {"probe.weight": torch.ones(2, 2)})


@case("transformers_clip", LOADS)
def _lightning(folder):
    return as_file(folder, {"state_dict": prefixed(state_of(folder), "model.clip."), "callbacks": {}})


@case("transformers_clip", LOADS)
def _parallel_weights_in_a_folder(folder):
    state = state_of(folder)
    weights_of(folder).unlink()
    torch.save(prefixed(state, "module."), folder / "pytorch_model.bin")


@case("transformers_clip", LOADS)
def _sharded_wrappers(folder):
    """As fully sharded training names weights: a wrapper at each block."""
    state = prefixed(state_of(folder), "_fsdp_wrapped_module.")
    wrapped = {name.replace(".layers.", ".layers._fsdp_wrapped_module."): values for name, values in state.items()}
    return as_file(folder, wrapped)


@case("paligemma", LOADS)
def _deepspeed(folder):
    state = prefixed(state_of(folder), "_forward_module.model.module.")
    save_file(state, weights_of(folder), metadata={"format": "pt"})


@case("open_clip", LOADS)
def _deepspeed_below_stage_3(folder):
    return as_file(folder, {"module": state_of(folder), "ds_version": "0.16", "optimizer": None})


@case("open_clip", "Weights are empty, as DeepSpeed's ZeRO-3 saves them in parts: run zero_to_fp32.py")
def _deepspeed_stage_3(folder):
    empty = {name: values.new_empty(0) for name, values in state_of(folder).items()}
    return as_file(folder, {"module": empty, "ds_version": "0.16"})


@case("conch", LOADS)
def _parallel(folder):
    torch.save({"epoch": 1, "state_dict": prefixed(state_of(folder), "module.")}, weights_of(folder))


# --- other weights than the architecture's ---


@case("open_clip", r"contains an adapter \(LoRA\) that is not merged into its base model")
def _adapter_not_merged(folder):
    config = peft.LoraConfig(r=2, target_modules=["c_fc"])
    return as_file(folder, peft.get_peft_model(open_clip_module(folder), config).state_dict())


@case("paligemma", r"contains an adapter \(LoRA\) that is not merged into its base model")
def _adapter_of_paligemma_not_merged(folder):
    module = transformers.PaliGemmaForConditionalGeneration.from_pretrained(folder)
    state = peft.get_peft_model(module, peft.LoraConfig(r=2, target_modules=["o_proj"])).state_dict()
    save_file({name: values.clone() for name, values in state.items()}, weights_of(folder), metadata={"format": "pt"})


@case("open_clip", "The checkpoint contains the image encoder only")
def _image_encoder_by_itself(folder):
    return as_file(folder, open_clip_module(folder).visual.state_dict())


@case("transformers_clip", "The checkpoint contains the image encoder only")
def _image_classifier(folder):
    config = transformers.CLIPConfig.from_pretrained(folder)
    config.num_labels = 3
    state = transformers.CLIPForImageClassification(config).state_dict()
    return as_file(folder, {name: values for name, values in state.items() if not name.startswith("classifier")})


@case("open_clip", "The checkpoint is of another size. Name the architecture that the checkpoint was trained with")
def _deeper(folder):
    config = tiny_clip.architecture()
    config["vision_cfg"]["layers"] = 3
    return as_file(folder, open_clip.CLIP(**config).state_dict())


@case("open_clip", "The checkpoint is of another size. .*image sizes")
def _larger_images(folder):
    config = tiny_clip.architecture()
    config["vision_cfg"]["image_size"] = 48
    return as_file(folder, open_clip.CLIP(**config).state_dict())


@case("open_clip", "It is the state of an optimizer, which contains no weights")
def _optimizer_alone(folder):
    return as_file(folder, torch.optim.AdamW(open_clip_module(folder).parameters()).state_dict())


@case("open_clip", r"cannot be read as a checkpoint: .*Save the model's state_dict\(\) alone")
def _pickled_module(folder):
    return as_file(folder, open_clip_module(folder))


@case("open_clip", "cannot be read as a checkpoint: .* It is cut off, damaged, or not a checkpoint")
def _half_downloaded(folder):
    content = weights_of(folder).read_bytes()
    weights_of(folder).write_bytes(content[: len(content) // 2])


@case("open_clip", r"expected weights \(safetensors, bin or pth\) beside open_clip_config.json")
def _named_pipe(folder):
    weights = weights_of(folder)
    weights.unlink()
    os.mkfifo(weights)


@case("transformers_clip", "It is a Git LFS pointer, not the file itself: run git lfs pull")
def _pointer_of_git(folder):
    weights_of(folder).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")


@case("open_clip", r"The checkpoint has parts that the architecture lacks \(classifier\), such as the head of another")
def _head_of_another_task(folder):
    module = open_clip_module(folder)
    module.classifier = torch.nn.Linear(32, 5)
    return as_file(folder, module.state_dict())


@case("open_clip", r"The checkpoint lacks parts \(text_projection\), which would stay random")
def _projection_not_saved(folder):
    return as_file(folder, {name: values for name, values in state_of(folder).items() if name != "text_projection"})


@case("open_clip", "The names are those of transformers. Run the checkpoint with --model transformers_clip")
def _weights_of_transformers(folder):
    return as_file(folder, transformers.CLIPModel(clip_config()).state_dict())


@case("transformers_clip", "The names are those of open_clip. Run the checkpoint with --model open_clip")
def _weights_of_open_clip(folder):
    return as_file(folder, open_clip.CLIP(**tiny_clip.architecture()).state_dict())


@case("transformers_clip", "The checkpoint is quantized. Save it in floating point")
def _integers_that_would_be_cast(folder):
    spoil(folder, visual_projection__weight=lambda values: (values * 100).to(torch.int8))


@case("transformers_clip", r"config.json has quantization_config \(bitsandbytes\): transformers would evaluate")
def _quantized_when_loaded(folder):
    edit(folder / "config.json", quantization_config=transformers.BitsAndBytesConfig(load_in_8bit=True).to_dict())


@case("transformers_clip", LOADS)
def _half_precision_in_the_configuration_only(folder):
    edit(folder / "config.json", dtype="float16")
    return as_file(folder, state_of(folder))


@case("paligemma", "The checkpoint contains the image encoder only")
def _image_encoder_of_paligemma(folder):
    state = {name: values for name, values in state_of(folder).items() if name.startswith("vision_tower.")}
    save_file(state, weights_of(folder), metadata={"format": "pt"})


@case("paligemma", r"The checkpoint lacks parts \(lm_head\), which would stay random")
def _untied_head_that_was_not_saved(folder):
    edit(folder / "config.json", tie_word_embeddings=False)


# --- weights that fit and tell nothing apart ---


@case("open_clip", "multiplies similarities by 2.69e[+]43; trained models multiply by 0.01 to 10000. .*logit_scale")
def _scale_without_its_logarithm(folder):
    spoil(folder, logit_scale=torch.tensor(100.0))


@case("transformers_clip", "multiplies similarities by 0; trained models multiply by")
def _scale_that_vanishes(folder):
    spoil(folder, logit_scale=torch.tensor(-2000.0))


@case("open_clip", r"adds 1e\+30 to similarities; trained models add at most a few tens")
def _bias_that_drowns_similarities(folder):
    config = tiny_clip.architecture() | {"init_logit_bias": 1e30}
    save_file(open_clip.CLIP(**config).state_dict(), weights_of(folder))
    edit(folder / "open_clip_config.json", model_cfg=config)


@case("open_clip", "gives images a vector of zeros. Its image encoder or projection is constant")
def _projection_of_zeros(folder):
    spoil(folder, visual__proj=zeros)


@case("open_clip", "does not distinguish images")
def _blind(folder):
    spoil(folder, visual__conv1__weight=zeros)


@case("open_clip", "does not distinguish texts")
def _all_words_alike(folder):
    spoil(folder, token_embedding__weight=lambda values: values[:1].expand(len(values), -1).contiguous())


@case("open_clip", "pools at the token with the highest number, which differs between texts")
def _tokenizer_whose_end_is_not_the_highest_number(folder):
    config = tiny_clip.architecture()
    config["text_cfg"] |= {"vocab_size": 400, "hf_tokenizer_name": str(folder)}
    module = open_clip.CLIP(**config)
    save_file(module.state_dict(), weights_of(folder))
    edit(folder / "open_clip_config.json", model_cfg=config)
    tiny_models.word_tokenizer(77).save_pretrained(folder)


@case("open_clip", r"open_clip_config.json: std is \[0.5, 0.5, 0\]; expected a list of three numbers, of std above 0")
def _deviation_of_zero(folder):
    edit(folder / "open_clip_config.json", preprocess_cfg__std=[0.5, 0.5, 0])


@case("transformers_clip", "pools at a token that 'light' does not have once tokenized.*set eos_token_id")
def _end_token_that_no_text_has(folder):
    edit(folder / "config.json", text_config__eos_token_id=399)


@case("transformers_clip", "its config.json gives eos_token_id as None. Expected the number of the token")
def _no_end_token(folder):
    edit(folder / "config.json", text_config__eos_token_id=None)


@case("transformers_clip", "does not distinguish texts: different texts get the same vector")
def _end_token_that_is_the_start(folder):
    single = json.loads((folder / "tokenizer.json").read_text())["post_processor"]["single"]
    edit(folder / "tokenizer.json", post_processor__single=single[::-1])


@case("transformers_clip", "pools at the token with the highest number, which differs between texts")
def _end_token_of_an_old_configuration(folder):
    edit(folder / "config.json", text_config__eos_token_id=2)


@case("transformers_clip", "pools at a token that 'light' does not have once tokenized")
def _tokenizer_that_adds_no_end(folder):
    edit(folder / "tokenizer.json", post_processor=None)


@case("transformers_clip", "the vector of a text depends on the texts beside it, through padding.*Set padding=context")
def _padding_on_the_left(folder):
    edit(folder / "tokenizer_config.json", padding_side="left")


@case("transformers_clip", "its tokenizer has no vocabulary")
def _vocabulary_of_another_language(folder):
    content = json.loads((folder / "tokenizer.json").read_text())
    vocabulary = content["model"]["vocab"]
    foreign = {(word if word.startswith("[") else f"ж{number}"): number for word, number in vocabulary.items()}
    content["model"]["vocab"] = foreign
    (folder / "tokenizer.json").write_text(json.dumps(content))


@case("transformers_clip", "does not distinguish images")
def _patches_of_zeros(folder):
    spoil(folder, vision_model__embeddings__patch_embedding__weight=zeros)


@case("transformers_clip", "its preprocessing turns different images into the same values")
def _pixels_times_zero(folder):
    edit(folder / "processor_config.json", image_processor__rescale_factor=0.0)


@case("transformers_clip", "its preprocessing returns values that are not finite")
def _deviation_of_zero_in_the_processor(folder):
    edit(folder / "processor_config.json", image_processor__image_std=[0.0, 0.5, 0.5])


@case("paligemma", "does not distinguish images: different images give the same probabilities")
def _projector_of_zeros(folder):
    spoil(folder, multi_modal_projector__linear__weight=zeros)


@case("paligemma", "its preprocessing turns different images into the same values")
def _pixels_times_zero_in_paligemma(folder):
    edit(folder / "processor_config.json", image_processor__rescale_factor=0.0)
