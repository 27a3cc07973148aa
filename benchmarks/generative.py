"""How far a run of transformers_vlm is from the library's own generation.

A Qwen2.5-VL with random weights answers questions about synthetic images. Beside the adapter's whole work (decoding,
preprocessing, generation, probabilities) stands, in the same process and in turn, `generate` of transformers alone: on
the same batches, whose inputs are ready on the device.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
import transformers
from lmms_eval.api.instance import Instance
from PIL import Image
from result_pages import markdown_table
from timing import origin
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from microbench_adapters.libraries.transformers_vlm_adapter import TransformersVlm

PROMPT = (
    "Answer with a single letter, no extra details.\nQuestion:What is the most likely microscopy modality used to "
    "acquire this image?\nA) fluorescence microscopy\nB) electron microscopy\nC) light microscopy\nD) none of the above"
)
SPECIAL = ["<|im_start|>", "<|image_pad|>", "<|video_pad|>", "<|vision_start|>", "<|vision_end|>"]
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def tokenizer(vocabulary: int) -> Any:
    """A byte-level tokenizer with the tokens of Qwen's chat format, filled up to the size of the vocabulary."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    backend.train_from_iterator([PROMPT] * 2, trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet))
    words = transformers.PreTrainedTokenizerFast(
        tokenizer_object=backend, eos_token="<|im_end|>", pad_token="<|endoftext|>"
    )
    words.add_special_tokens({"additional_special_tokens": SPECIAL})
    words.add_tokens([f"<extra {number}>" for number in range(vocabulary - len(words))])
    return words


def save_model(folder: Path, hidden: int, layers: int, vocabulary: int) -> None:
    """Write a checkpoint with random weights; the image encoder has half of the layers and the width."""
    words = tokenizer(vocabulary)
    number = words.convert_tokens_to_ids
    text = {
        "hidden_size": hidden,
        "intermediate_size": 4 * hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": hidden // 64,
        "num_key_value_heads": max(1, hidden // 256),
        "vocab_size": vocabulary,
        "rope_parameters": {"rope_type": "default", "mrope_section": [8, 12, 12], "rope_theta": 1e6},
        "eos_token_id": words.eos_token_id,
        "pad_token_id": words.pad_token_id,
        "bos_token_id": None,
    }
    vision = {
        "depth": layers // 2,
        "hidden_size": hidden // 2,
        "intermediate_size": 2 * hidden,
        "num_heads": max(1, hidden // 128),
        "out_hidden_size": hidden,
        "fullatt_block_indexes": [layers // 2 - 1],
    }
    torch.manual_seed(0)
    config = transformers.Qwen2_5_VLConfig(
        text_config=text,
        vision_config=vision,
        image_token_id=number("<|image_pad|>"),
        video_token_id=number("<|video_pad|>"),
        vision_start_token_id=number("<|vision_start|>"),
        vision_end_token_id=number("<|vision_end|>"),
    )
    module = transformers.Qwen2_5_VLForConditionalGeneration(config)
    with torch.no_grad():
        for values in module.parameters():
            if values.ndim > 1:
                torch.nn.init.normal_(values, std=1 / values.shape[-1] ** 0.5)
    module.save_pretrained(folder)
    processor = transformers.Qwen2_5_VLProcessor(
        transformers.Qwen2VLImageProcessor(), words, transformers.Qwen2VLVideoProcessor(), chat_template=TEMPLATE
    )
    processor.save_pretrained(folder)


class Questions:
    """What a model uses of a harness task: one question about each of some synthetic images."""

    def __init__(self, count: int, side: int, new_tokens: int) -> None:
        rng = np.random.default_rng(0)
        self.images = [Image.fromarray(rng.integers(0, 256, (side, side, 3), dtype=np.uint8)) for _ in range(count)]
        self.dataset = {"test": range(count)}
        self.config = SimpleNamespace(doc_to_text=None, doc_to_choice=None, doc_to_visual=None)
        self._settings = {"max_new_tokens": new_tokens, "until": [], "do_sample": False}

    def doc_to_visual(self, number: int) -> list[Image.Image]:
        return [self.images[number]]

    def requests(self) -> list[Instance]:
        return [
            Instance(
                "generate_until",
                (PROMPT, dict(self._settings), self.doc_to_visual, number, "questions", "test"),
                0,
                {"task": "questions", "doc_id": number, "repeats": 1},
            )
            for number in range(len(self.images))
        ]


def bare(model: TransformersVlm, questions: Questions, new_tokens: int) -> tuple[float, list[str]]:
    """Return the seconds of `generate` alone over all batches, and the answers."""
    seconds, answers = 0.0, []
    for start in range(0, len(questions.images), model.batch_size):
        images = questions.images[start : start + model.batch_size]
        inputs = model._inputs(images, [PROMPT] * len(images))
        dtype = model.module.dtype
        ready = {
            name: values.to(model.device, dtype) if values.is_floating_point() else values.to(model.device)
            for name, values in inputs.items()
        }
        synchronize(model.device)
        before = time.perf_counter()
        with torch.inference_mode():
            written = model.module.generate(**ready, max_new_tokens=new_tokens, do_sample=False)
        synchronize(model.device)
        seconds += time.perf_counter() - before
        tokens = written[:, ready["input_ids"].shape[1] :]
        answers += model._processor.tokenizer.batch_decode(tokens, skip_special_tokens=True)
    return seconds, answers


def synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def measure(model: TransformersVlm, questions: Questions, new_tokens: int, repeats: int) -> list[list[str]]:
    """Return the rows of the table, and check that both give the same answers."""
    ours, theirs = [], []
    for _ in range(repeats):
        seconds, expected = bare(model, questions, new_tokens)
        theirs.append(seconds)
        before = time.perf_counter()
        answers = model.generate_until(questions.requests())
        ours.append(time.perf_counter() - before)
        assert answers == expected, "the adapter's answers differ from those of generate"
    count = len(questions.images)
    ratios = [one / other for one, other in zip(ours, theirs, strict=True)]
    return [
        ["generate alone", f"{count / statistics.median(theirs):.2f}", "1"],
        [
            "transformers_vlm",
            f"{count / statistics.median(ours):.2f}",
            f"{statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})",
        ],
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", help="default: %(default)s")
    parser.add_argument("--precision", default="bf16", help="default: %(default)s")
    parser.add_argument("--hidden", type=int, default=2048, help="width of the language model (default: %(default)s)")
    parser.add_argument("--layers", type=int, default=24, help="of the language model (default: %(default)s)")
    parser.add_argument("--vocabulary", type=int, default=151_936, help="tokens (default: %(default)s)")
    parser.add_argument("--images", type=int, default=256, help="default: %(default)s")
    parser.add_argument("--side", type=int, default=448, help="of an image, in pixels (default: %(default)s)")
    parser.add_argument("--new-tokens", type=int, default=20, help="of an answer (default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=16, help="default: %(default)s")
    parser.add_argument("--repeats", type=int, default=3, help="pairs of runs (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="also write the page to this file")
    args = parser.parse_args()
    if args.device == "cpu":
        # On a busy machine, threads that wait for each other cost more than the work.
        torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        save_model(Path(scratch), args.hidden, args.layers, args.vocabulary)
        model = TransformersVlm(scratch, precision=args.precision, device=args.device, batch_size=args.batch_size)
        questions = Questions(args.images, args.side, args.new_tokens)
        bare(model, Questions(args.batch_size, args.side, args.new_tokens), args.new_tokens)
        rows = measure(model, questions, args.new_tokens, args.repeats)
    parameters = sum(values.numel() for values in model.module.parameters())
    name = torch.cuda.get_device_name() if args.device.startswith("cuda") else "the CPU"
    size = f"{args.side} x {args.side}"
    settings = (
        f"{parameters / 1e9:.2f} billion parameters in {args.precision} on {name}; {args.images} images of {size} "
        f"pixels, batches of {args.batch_size}, at most {args.new_tokens} tokens an answer; median of {args.repeats} "
        "pairs."
    )
    typed = {key: value for key, value in vars(args).items() if key != "out" and value != parser.get_default(key)}
    options = "".join(f" --{key.replace('_', '-')} {value}" for key, value in typed.items())
    page = "\n\n".join(
        [
            "# Generative models",
            origin(f"python benchmarks/generative.py{options}", "transformers", "torch", "lmms-eval"),
            __doc__.strip(),
            settings,
            markdown_table(["", "answers a second", "time beside generate alone"], rows),
        ]
    )
    print(page)
    if args.out:
        args.out.write_text(page + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
