"""Cases of folders: files beside the weights, and weights in shards."""

from __future__ import annotations

import peft
import torch
import transformers
from safetensors.torch import load_file, save_file

from tests.support.wrong_checkpoints import (
    LOADS,
    CaseTable,
    as_file,
    clip_config,
    edit,
    other_values,
    prefixed,
    state_of,
    weights_of,
)

CASES = CaseTable()
case = CASES.case


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
