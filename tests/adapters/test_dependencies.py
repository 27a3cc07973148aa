"""What the installed versions of other packages must be able to do together."""

from __future__ import annotations

import json

import sentencepiece
import transformers


def test_a_checkpoint_that_has_only_a_tokenizer_model_gets_its_tokenizer(tmp_path):
    (tmp_path / "corpus.txt").write_text("a light micrograph of a cell\nan electron micrograph of a gland\n" * 50)
    sentencepiece.SentencePieceTrainer.train(
        input=str(tmp_path / "corpus.txt"),
        model_prefix=str(tmp_path / "tokenizer"),
        vocab_size=60,
        model_type="bpe",
        byte_fallback=False,
        minloglevel=2,
    )
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama"}))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "LlamaTokenizer"}))
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    expected = sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / "tokenizer.model"))
    text = "a micrograph of a cell"
    assert tokenizer.encode(text, add_special_tokens=False) == expected.encode(text)
