"""Save a stand-in for a CogVLM-chat checkpoint: code of the same interface, random weights, a tokenizer as Vicuna's."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import sentencepiece
import torch
import transformers

CODE = Path(__file__).with_name("cogvlm_stand_in")
CORPUS = (
    "Question: What is the most likely microscopy modality used to acquire this image? Answer:\n"
    "A) fluorescence microscopy B) electron microscopy C) light microscopy D) none of the above\n"
)


def save(folder):
    """Write configuration, code, weights and tokenizer, and return the folder as text."""
    folder = Path(folder)
    folder.mkdir(parents=True)
    for file in CODE.glob("*.py"):
        shutil.copy(file, folder)
    (folder / "corpus.txt").write_text(CORPUS * 20)
    sentencepiece.SentencePieceTrainer.train(
        input=str(folder / "corpus.txt"),
        model_prefix=str(folder / "tokenizer"),
        vocab_size=400,
        model_type="bpe",
        byte_fallback=True,
        minloglevel=2,
    )
    (folder / "corpus.txt").unlink()
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "LlamaTokenizer"}))
    auto_map = {
        "AutoConfig": "configuration_stand_in.CogStandInConfig",
        "AutoModelForCausalLM": "modeling_stand_in.CogStandInForCausalLM",
    }
    config = {"model_type": "cogvlm_stand_in", "hidden_size": 32, "vocab_size": 640, "auto_map": auto_map}
    (folder / "config.json").write_text(json.dumps(config | {"bos_token_id": 1, "eos_token_id": 2}))
    torch.manual_seed(0)
    settings = transformers.AutoConfig.from_pretrained(folder, trust_remote_code=True)
    model = transformers.AutoModelForCausalLM.from_config(settings, trust_remote_code=True)
    # It writes words: no token for an unknown word, a beginning or an end, and no number that has none.
    with torch.no_grad():
        model.head.bias[:3] = -100
        model.head.bias[400:] = -100
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    return str(folder)
