"""InstructBLIP with a decoder as its language model, shrunk, with random weights, in the files of transformers."""

from __future__ import annotations

import json

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

CORPUS = [
    "Answer with a single letter, no extra details. "
    "Question:What is the most likely microscopy modality used to acquire this image?",
    "fluorescence electron light microscopy of none of the above brightfield mixed",
]
WIDTH, SIDE, PATCH, QUERIES = 32, 28, 14, 4


def vicuna_tokenizer():
    """Build a tokenizer as Llama's: a word begins with a lower one eighth block, and unknown characters are bytes."""
    special = ["<unk>", "<s>", "</s>"]
    alphabet = ["▁", *map(chr, range(33, 127))]
    backend = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    backend.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    backend.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    backend.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    backend.train_from_iterator(CORPUS * 2, trainer)
    learnt = json.loads(backend.to_str())
    # Part of the vocabulary, not special tokens, which the text of an answer lacks.
    vocabulary = learnt["model"]["vocab"]
    for byte in range(256):
        vocabulary[f"<0x{byte:02X}>"] = len(vocabulary)
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(learnt)),
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
        pad_token="</s>",
    )


def bert_tokenizer():
    """Build the tokenizer of the Q-Former."""
    backend = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    backend.train_from_iterator(
        CORPUS, trainers.WordPieceTrainer(vocab_size=200, special_tokens=special, show_progress=False)
    )
    return transformers.PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="[UNK]", pad_token="[PAD]")


def save(folder):
    """Write a checkpoint with its processor, and return the folder as text."""
    words, form_words = vicuna_tokenizer(), bert_tokenizer()
    images = transformers.BlipImageProcessor(size={"height": SIDE, "width": SIDE})
    processor = transformers.InstructBlipProcessor(images, words, form_words, num_query_tokens=QUERIES)
    layers = {"hidden_size": WIDTH, "intermediate_size": 2 * WIDTH, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = transformers.InstructBlipConfig(
        vision_config=layers | {"image_size": SIDE, "patch_size": PATCH},
        qformer_config=layers | {"vocab_size": len(form_words), "encoder_hidden_size": WIDTH},
        text_config=layers
        | {"model_type": "llama", "vocab_size": len(processor.tokenizer), "num_key_value_heads": 2, "pad_token_id": 2},
        num_query_tokens=QUERIES,
        image_token_index=processor.tokenizer.convert_tokens_to_ids(processor.image_token.content),
    )
    torch.manual_seed(0)
    module = transformers.InstructBlipForConditionalGeneration(config)
    letters = processor.tokenizer.convert_tokens_to_ids(list("AC"))
    with torch.no_grad():
        # It writes one of these letters, whatever it sees: of opposite rows, one is above all others.
        row = 2 * torch.randn(WIDTH)
        module.language_model.lm_head.weight[letters] = torch.stack([row, -row])
    module.save_pretrained(folder)
    processor.save_pretrained(folder)
    return str(folder)
