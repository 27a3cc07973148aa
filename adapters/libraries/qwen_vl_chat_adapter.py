"""Qwen-VL-Chat, one of the paper's models, by the checkpoint's own ``from_list_format`` and ``chat``.

The model gets one user turn: the path of the image, which its tokenizer wants as a file, and the prompt as the text
after it. ``chat`` adds the system turn. Decoding is greedy, or that of the paper's code (GitHub ``Ale9806/eVLLM``):
sampled by the checkpoint's own settings, with up to 512 new tokens.

The code of the checkpoint runs only if the user has asked for it. It works with few releases of transformers; others
are refused. When it is imported, it fetches a font unless a file of that name is there, so one is.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import inspect
import string
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import torch
import transformers
from packaging.version import Version
from PIL import Image

from microbench_adapters.checkpoints import loading
from microbench_adapters.libraries.first_token import AllProbabilities, FirstStepProbabilities
from microbench_adapters.libraries.generative_questions import Question, truncate_at
from microbench_adapters.libraries.written_answers import Answer, AnswerWriter
from microbench_adapters.models import smoke_test
from microbench_adapters.models.contract import round_significant
from microbench_adapters.models.execution import full_precision

DEFAULT_MODEL = "Qwen/Qwen-VL-Chat"
# The releases of transformers with which its code was seen to run.
OLDEST, NEWEST = Version("4.40"), Version("4.51.3")
# The system turn and the length of the paper's code.
SYSTEM = "You are a helpful assistant."
PAPER_NEW_TOKENS = 512
DECODINGS = ("greedy", "paper")
PRECISIONS = ("fp32", "bf16", "fp16")
# A file of this name in the working folder keeps the tokenizer's code from fetching the font, which is for drawings.
_FONT = "SimSun.ttf"
_METHODS = {"model": "chat", "tokenizer": "from_list_format"}
# Questions of the smoke test: the second differs from the first by its image, the third by its prompt.
_CASES = ((0, "Detect cell"), (1, "Detect cell"), (0, "What is shown?"))


class QwenVLChat(AnswerWriter):
    """Qwen-VL-Chat behind the harness's model API.

    Args:
        model: a repository on the Hub or a local folder, with configuration, code, tokenizer and weights.
        revision: commit, branch or tag of the repository.
        trust_remote_code: whether the code that comes with the checkpoint may run. It must be True.
        decoding: one of `DECODINGS`. ``paper`` samples by the checkpoint's own settings, up to `PAPER_NEW_TOKENS`,
            whatever the task's limit is.
        seed: of sampling.
        precision: one of `PRECISIONS`.
        batch_size: 1: ``chat`` answers one question at a time.
        device: a torch device; by default the process's own GPU, else the CPU.
        max_batch_size: accepted, as the harness always passes it, and not used.

    Raises:
        ValueError: an option does not exist or cannot work here, the installed transformers cannot run the code,
            files are missing, or weights are not those of the architecture or not finite.
    """

    kind: ClassVar[str] = "Qwen-VL-Chat"

    def __init__(
        self,
        model: str = DEFAULT_MODEL,
        revision: str | None = None,
        trust_remote_code: bool = False,
        decoding: str = "greedy",
        seed: int = 0,
        precision: str = "fp32",
        batch_size: int | str = 1,
        device: str | None = None,
        max_batch_size: int | None = None,
    ) -> None:
        _check_options(str(model), trust_remote_code, decoding, precision, batch_size)
        super().__init__(precision, batch_size, device)
        self._where = f"model={model}"
        self._num_asked: Counter[bytes] = Counter()
        self._decoding, self._seed = decoding, seed
        name = str(Path(model).resolve()) if Path(model).is_dir() else str(model)
        if Path(model).is_dir() and revision is not None:
            raise ValueError(f"revision={revision}: {model} is a local folder and has none. Leave revision out.")
        revision = None if revision is None else str(revision)
        self._tokenizer, module = _load(name, revision, precision, self._where)
        loading.check_finite(module, self._where)
        self._letter_ids = _letter_tokens(self._tokenizer, self._where)
        if decoding == "greedy":
            module.generation_config = _greedy_settings(module.generation_config)
        self._record = {
            "checkpoint": str(model) + (f"@{revision}" if revision else ""),
            "files": {"model": str(model), "revision": getattr(module.config, "_commit_hash", None) or revision},
            "architecture": module.config.to_dict(),
            "weights_sha256": loading.weights_sha256(module.state_dict()),
            "code_sha256": {"model": _code_sha256(module), "tokenizer": _code_sha256(self._tokenizer)},
            "decoding": decoding,
            "generation_config": module.generation_config.to_diff_dict(),
            "sampling": None if decoding == "greedy" else {"seed": seed, "max_new_tokens": PAPER_NEW_TOKENS},
            "precision": precision,
            # The checkpoint's code applies the precision, or does not.
            "weights_dtypes": sorted({str(weights.dtype) for weights in module.parameters()}),
            "device": self.device.type,
        }
        self._take(module)

    def _prepare(self, questions: list[Question]) -> list[Image.Image]:
        return [question.load_image() for question in questions]

    def _answer_batch(self, questions: list[Question], prepared: list[Image.Image]) -> list[Answer]:
        return [self._answer(question, image) for question, image in zip(questions, prepared, strict=True)]

    def _answer(self, question: Question, image: Image.Image) -> Answer:
        first_step = FirstStepProbabilities(self._letter_ids)
        max_new_tokens = question.max_new_tokens
        if self._decoding == "paper":
            max_new_tokens = PAPER_NEW_TOKENS
            torch.manual_seed(self._seed_of(image, question.prompt))
        text = self._chat(image, question.prompt, max_new_tokens, first_step)
        probabilities = first_step.probabilities[0].tolist()[: len(question.letters)]
        return Answer(truncate_at(text, question.until), [round_significant(value) for value in probabilities])

    def _seed_of(self, image: Image.Image, prompt: str) -> int:
        """Return a seed for a question and how often it was asked, so that neither order nor process matters."""
        content = hashlib.sha256(f"{self._seed} {image.size} {prompt}".encode() + image.tobytes()).digest()
        self._num_asked[content] += 1
        return int.from_bytes(hashlib.sha256(content + bytes([self._num_asked[content] % 256])).digest()[:7], "big")

    def _chat(
        self, image: Image.Image, prompt: str, max_new_tokens: int, observer: transformers.LogitsProcessor
    ) -> str:
        """Return the answer to a prompt about one image."""
        with tempfile.TemporaryDirectory() as folder, torch.inference_mode(), full_precision():
            path = Path(folder) / "image.png"
            image.save(path)
            query = self._tokenizer.from_list_format([{"image": str(path)}, {"text": prompt}])
            answer, _ = self.module.chat(
                self._tokenizer,
                query=query,
                history=None,
                system=SYSTEM,
                max_new_tokens=max_new_tokens,
                logits_processor=transformers.LogitsProcessorList([observer]),
            )
        return answer

    def _smoke_test(self) -> None:
        """Ask about test images, so that a model that cannot run, or ignores image or prompt, fails now."""
        images = smoke_test.images()
        steps = []
        for index, prompt in _CASES:
            observer = AllProbabilities()
            try:
                self._chat(images[index], prompt, 1, observer)
            # Libraries, devices and the checkpoint's code each have errors of their own.
            except Exception as error:
                raise ValueError(
                    f"{self._where}: does not run with precision={self.precision} on {self.device}: "
                    f"{type(error).__name__}: {error}."
                ) from error
            steps.append(observer.steps[0].numpy())
        for other, what in ((1, "images"), (2, "prompts")):
            if not smoke_test.differ(steps[0], steps[other]):
                raise ValueError(
                    f"{self._where}: does not distinguish {what}: different {what} give the same probabilities of the "
                    "first token. Its weights are zero, untrained, or another model's."
                )


def _check_options(model: str, trust_remote_code: Any, decoding: str, precision: str, batch_size: int | str) -> None:
    """Raise `ValueError` for options that cannot work, before anything is loaded or fetched."""
    if trust_remote_code is not True:
        raise ValueError(
            f"model={model}: Qwen-VL-Chat runs by code that comes with the checkpoint. If you trust it, add "
            "trust_remote_code=True to --model_args."
        )
    installed = Version(transformers.__version__)
    if not OLDEST <= installed <= NEWEST:
        raise ValueError(
            f"qwen_vl_chat: the checkpoint's code runs with transformers {OLDEST} to {NEWEST}, and {installed} is "
            "installed. Make an environment of its own, in a clone of this package: python3.11 -m venv qwen_vl && "
            "qwen_vl/bin/pip install . -c constraints/qwen_vl_chat.txt"
        )
    if decoding not in DECODINGS:
        raise ValueError(f"decoding={decoding}: expected one of {', '.join(DECODINGS)}.")
    if precision not in PRECISIONS:
        raise ValueError(f"precision={precision}: expected one of {', '.join(PRECISIONS)}.")
    if str(batch_size) != "1":
        raise ValueError(f"batch_size={batch_size}: Qwen-VL-Chat's code answers one question at a time. Leave it out.")


def _load(model: str, revision: str | None, precision: str, where: str) -> tuple[Any, Any]:
    """Return the tokenizer and the model in evaluation mode; the checkpoint's code is run.

    Raises:
        ValueError: they cannot be loaded, or are not what ``chat`` needs.
    """
    options: dict[str, Any] = {"revision": revision, "trust_remote_code": True}
    try:
        with _font_at_hand():
            tokenizer = transformers.AutoTokenizer.from_pretrained(model, **options)
            # Its code chooses a precision by the GPU unless one of its own flags is set.
            loaded: Any = transformers.AutoModelForCausalLM.from_pretrained(
                model, output_loading_info=True, **{precision: True}, **options
            )
    # transformers and the checkpoint's code have errors of no common class.
    except Exception as error:
        raise ValueError(f"{where}: cannot be loaded: {type(error).__name__}: {error}") from error
    module, report = loaded
    words = {"missing_keys": "missing", "unexpected_keys": "unexpected", "mismatched_keys": "misshapen"}
    faults = [
        f"{len(report[kind])} {word} weights, such as {min(map(str, report[kind]))}"
        for kind, word in words.items()
        if report[kind]
    ]
    if faults:
        raise ValueError(f"{where}: {'; '.join(faults)}. Its weights are not those of its config.json.")
    for part, value in (("model", module), ("tokenizer", tokenizer)):
        if not callable(getattr(value, _METHODS[part], None)):
            raise ValueError(
                f"{where}: its {part} ({type(value).__name__}) has no method {_METHODS[part]}. Expected "
                "Qwen-VL-Chat, or a fine-tuned copy with its code."
            )
    return tokenizer, module.eval()


@contextlib.contextmanager
def _font_at_hand() -> Iterator[None]:
    """Work in a folder that has a file of the font's name, so that the tokenizer's code does not fetch it."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        Path(_FONT).touch()
        yield


def _greedy_settings(own: Any) -> Any:
    """Return generation settings that always take the likeliest token, with the checkpoint's chat format and ends.

    They become the model's own: settings that are passed to ``generate`` are overruled by the model's where they are
    transformers' defaults, as greedy ones are.
    """
    settings = copy.deepcopy(own)
    defaults = transformers.GenerationConfig()
    for name in ("do_sample", "temperature", "top_k", "top_p", "repetition_penalty", "num_beams"):
        setattr(settings, name, getattr(defaults, name))
    return settings


def _letter_tokens(tokenizer: Any, where: str) -> list[list[int]]:
    """Return the tokens of each letter from A, with and without a space before it.

    Raises:
        ValueError: letters share a token.
    """
    groups = [
        [ids[0] for text in (letter, f" {letter}") if len(ids := tokenizer(text)["input_ids"]) == 1]
        for letter in string.ascii_uppercase
    ]
    numbers = [number for group in groups for number in group]
    if not all(groups) or len(set(numbers)) < len(numbers):
        raise ValueError(f"{where}: its tokenizer does not tell the letters A to Z apart. It is another model's.")
    return groups


def _code_sha256(value: Any) -> str:
    """Return the SHA-256 of the file that defines the class of an object."""
    return hashlib.sha256(Path(inspect.getfile(sys.modules[type(value).__module__])).read_bytes()).hexdigest()
