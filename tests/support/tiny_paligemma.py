"""PaliGemma and PaliGemma 2, shrunk, with random weights, in the files that transformers writes.

Random weights as they are would repeat one token for ever and seldom name a place. So the rows of
the output matrix, which is also the input's as in the published checkpoints, share a direction
within each of the groups of `LEANINGS`: where the last hidden state leans that way, one of the
group's tokens is written. The rows are small beside what the layers add, so that the token before
does not decide alone. After some prompts and images that gives boxes, after others groups of fewer
than four tokens, nothing at all, or words.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
import transformers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers.models.paligemma.processing_paligemma import EXTRA_TOKENS

CORPUS = [
    "Answer with a single letter, no extra details. "
    "Question:What is the most likely microscopy modality used to acquire this image?",
    "detect segment nucleus; cell; gland; mitochondria fluorescence electron light microscopy of none of the above",
]
NUM_PIECES = 480
WIDTH = 64
LOCATIONS = [token for token in EXTRA_TOKENS if token.startswith("<loc")]
# How far the rows of a group of tokens lean its way.
LEANINGS = ((LOCATIONS, 1.0), (list("ABCDEFGH"), 4.0), (["<eos>"], 5.0), ([";"], 1.6))
# By name: the text model's own settings, the image's side, and the padding of the vocabulary beyond the last segment.
VARIANTS = {
    "paligemma": ({"model_type": "gemma", "num_key_value_heads": 1}, 28, 64),
    "paligemma2": (
        {"model_type": "gemma2", "num_key_value_heads": 2, "query_pre_attn_scalar": 16, "sliding_window": 24},
        56,
        0,
    ),
}
PATCH = 14
# Of an answer, where a test does not say.
NEW_TOKENS = 16


def tokenizer():
    """Build Gemma's tokenizer with pieces learnt from `CORPUS`; then come locations, segments, and the image token."""
    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", *(f"<0x{byte:02X}>" for byte in range(256))]
    backend = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    backend.normalizer = normalizers.Replace(" ", "▁")
    backend.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    alphabet = ["▁", "\n", *map(chr, range(33, 127))]
    backend.train_from_iterator(
        CORPUS * 2,
        trainers.BpeTrainer(
            vocab_size=NUM_PIECES, special_tokens=special, initial_alphabet=alphabet, show_progress=False
        ),
    )
    learnt = json.loads(backend.to_str())["model"]
    found = transformers.GemmaTokenizer(vocab=learnt["vocab"], merges=[tuple(pair) for pair in learnt["merges"]])
    found.add_tokens(EXTRA_TOKENS)
    found.add_special_tokens({"extra_special_tokens": ["<image>"]})
    return found


def save(folder: Path, variant: str = "paligemma", seed: int = 1) -> Path:
    """Write a checkpoint of one of `VARIANTS`, with its processor."""
    text, side, padding = VARIANTS[variant]
    words = tokenizer()
    images = transformers.SiglipImageProcessor(
        size={"height": side, "width": side}, image_mean=[0.5] * 3, image_std=[0.5] * 3
    )
    images.image_seq_length = (side // PATCH) ** 2
    torch.manual_seed(seed)
    module = transformers.PaliGemmaForConditionalGeneration(_config(text, side, words, padding))
    _spread(module, words)
    module.save_pretrained(folder)
    transformers.PaliGemmaProcessor(image_processor=images, tokenizer=words).save_pretrained(folder)
    return folder


def _config(text, side, words, padding):
    sizes = {"num_hidden_layers": 2, "num_attention_heads": 2}
    tokens = {"pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 2}
    image_token_id = words.convert_tokens_to_ids("<image>")
    return transformers.PaliGemmaConfig(
        text_config=text
        | sizes
        | tokens
        | {
            "hidden_size": WIDTH,
            "intermediate_size": 2 * WIDTH,
            "head_dim": 16,
            "vocab_size": image_token_id + padding,
        },
        vision_config=sizes
        | {
            "model_type": "siglip_vision_model",
            "hidden_size": 32,
            "intermediate_size": 64,
            "image_size": side,
            "patch_size": PATCH,
            "vision_use_head": False,
        },
        projection_dim=WIDTH,
        hidden_size=WIDTH,
        image_token_index=image_token_id,
        **tokens,
    )


def _spread(module, words):
    """Make weights so large that images and prompts matter, and the output's rows as the module's docstring says."""
    for name, values in module.named_parameters():
        if values.ndim > 1:
            torch.nn.init.normal_(values, std=2 / values.shape[-1] ** 0.5 if values.ndim == 2 else 0.1)
        elif "post_" in name and "layernorm" in name and "language_model" in name:
            # In Gemma 2 this is how much a layer adds.
            torch.nn.init.constant_(values, 6.0)
    rows = module.get_input_embeddings().weight.data
    torch.nn.init.normal_(rows, std=0.15)
    directions = torch.linalg.qr(torch.randn(WIDTH, len(LEANINGS)))[0].T
    for (tokens, leaning), direction in zip(LEANINGS, directions, strict=True):
        rows[words.convert_tokens_to_ids(tokens)] += leaning * direction


class Plain:
    """One image and one prompt at a time, as transformers' documentation of PaliGemma has it."""

    def __init__(self, folder):
        self.processor = transformers.AutoProcessor.from_pretrained(folder, backend="pil")
        self.model = transformers.PaliGemmaForConditionalGeneration.from_pretrained(folder).eval()
        self.known = {}

    def tokens(self, image, prompt, max_new_tokens=NEW_TOKENS):
        """What is written after the prompt; worked out once."""
        key = (image.tobytes(), prompt, max_new_tokens)
        if key not in self.known:
            self.known[key] = self.written(image, prompt, max_new_tokens)
        return self.known[key]

    def written(self, image, prompt, max_new_tokens):
        inputs = self.processor(text=prompt, images=image, return_tensors="pt")
        with torch.inference_mode():
            written = self.model.generate(**inputs, max_new_tokens=max_new_tokens, do_sample=False)
        return written[0][inputs["input_ids"].shape[-1] :].tolist()

    def text(self, image, prompt, max_new_tokens=NEW_TOKENS):
        return self.processor.decode(self.tokens(image, prompt, max_new_tokens), skip_special_tokens=True)

    def shares(self, image, prompt, letters):
        """The softmax of the last logits over the whole vocabulary, where the letters are."""
        with torch.inference_mode():
            logits = self.model(**self.processor(text=prompt, images=image, return_tensors="pt")).logits[0, -1].double()
        return [float(logits.softmax(0)[self.processor.tokenizer.convert_tokens_to_ids(letter)]) for letter in letters]
