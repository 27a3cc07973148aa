"""Save a stand-in for a Qwen-VL-Chat checkpoint: code of the same interface, random weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
import transformers

CODE = Path(__file__).with_name("qwen_stand_in")


def save(folder, seed=0):
    """Write configuration, code, weights and generation settings, and return the folder as text."""
    folder = Path(folder)
    folder.mkdir(parents=True)
    for file in CODE.glob("*.py"):
        shutil.copy(file, folder)
    auto_map = {
        "AutoConfig": "configuration_stand_in.StandInConfig",
        "AutoModelForCausalLM": "modeling_stand_in.StandInForCausalLM",
    }
    config = {"model_type": "qwen_stand_in", "hidden_size": 32, "vocab_size": 264, "auto_map": auto_map}
    (folder / "config.json").write_text(json.dumps(config))
    tokenizer = {"auto_map": {"AutoTokenizer": ["tokenization_stand_in.StandInTokenizer", None]}}
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer))
    # As in the published checkpoint: sampled.
    generation = {"do_sample": True, "top_p": 0.3, "top_k": 0, "max_new_tokens": 512, "eos_token_id": 259}
    (folder / "generation_config.json").write_text(json.dumps(generation | {"pad_token_id": 259}))
    torch.manual_seed(seed)
    settings = transformers.AutoConfig.from_pretrained(folder, trust_remote_code=True)
    model = transformers.AutoModelForCausalLM.from_config(settings, trust_remote_code=True)
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    return str(folder)
