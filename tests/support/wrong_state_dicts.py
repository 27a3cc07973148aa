"""Cases of state dicts: prefixes, nesting, averages, and weights of other architectures."""

from __future__ import annotations

import os

import open_clip
import peft
import torch
import transformers
from safetensors.torch import save_file

from tests.support import tiny_clip
from tests.support.wrong_checkpoints import (
    LOADS,
    CaseTable,
    as_file,
    clip_config,
    edit,
    open_clip_module,
    other_values,
    prefixed,
    spoil,
    state_of,
    weights_of,
)

CASES = CaseTable()
case = CASES.case


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
    "beside the weights under model there is an adapter under lora, which would be left out. "
    "The checkpoint contains an adapter",
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


@case("transformers_clip", "it is a Git LFS pointer, not the file itself: run git lfs pull")
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
