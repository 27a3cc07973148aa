"""PaliGemma and PaliGemma 2: models that write an answer to a prompt about one image.

The prompt is the harness's context, unchanged; transformers' processor adds the image tokens and the final line break.
"""

from __future__ import annotations

from PIL import Image

from microbench_adapters.libraries.generative_model import GenerativeModel
from microbench_adapters.libraries.paligemma_checkpoint import letter_tokens, load_greedy_module, load_processor
from microbench_adapters.libraries.precision import input_dtype
from microbench_adapters.libraries.transformers_loading import load_config
from microbench_adapters.models.dual_encoder import Tensors

# The checkpoint of the paper's code (GitHub Ale9806/eVLLM), at the commit that other public code pins.
DEFAULT_MODEL = "google/paligemma-3b-mix-224"
DEFAULT_REVISION = "d1d8734c9c3ad0ccfeea4afc270faa356c2ba515"
# 16 images with 1,024 tokens each, and the weights of 3 billion parameters, fit a GPU with 24 GB in single precision.
DEFAULT_BATCH_SIZE = 16


class PaliGemma(GenerativeModel):
    """PaliGemma, or PaliGemma 2, behind the harness's model API; see `GenerativeModel`.

    Args:
        model: a repository on the Hub or a local folder, with configuration, processor and weights.
        revision: commit, branch or tag of the repository; by default, of `DEFAULT_MODEL`,
            `DEFAULT_REVISION`.
        precision: one of `PRECISIONS`.
        batch_size: questions answered together.
        device: a torch device; by default the process's own GPU, else the CPU.
        max_batch_size: accepted, as the harness always passes it, and not used.

    Raises:
        ValueError: an option does not exist or cannot work here, files are missing, weights are not
            those of the architecture or not finite, or the checkpoint is no PaliGemma.
    """

    kind = "PaliGemma"

    def __init__(
        self,
        model: str = DEFAULT_MODEL,
        revision: str | None = None,
        precision: str = "fp32",
        batch_size: int | str = DEFAULT_BATCH_SIZE,
        device: str | None = None,
        max_batch_size: int | None = None,
    ) -> None:
        super().__init__(precision, batch_size, device)
        name, version = str(model), None if revision is None else str(revision)
        if name == DEFAULT_MODEL and version is None:
            version = DEFAULT_REVISION
        config = load_config(name, version)
        self._processor = load_processor(name, version, config)
        module, files = load_greedy_module(name, version, config)
        self._record = self._describe(name, version, config, module, files)
        self._letter_ids = [[token_id] for token_id in letter_tokens(self._processor.tokenizer, name)]
        self._take(module.to(input_dtype(precision)))

    def _inputs(self, images: list[Image.Image], prompts: list[str]) -> Tensors:
        with self._processor_lock:
            inputs = self._processor(
                images=images,
                text=[f"{self._processor.image_token}{prompt}" for prompt in prompts],
                padding="longest",
                padding_side="left",
                return_tensors="pt",
            )
        # Labels are for training.
        return {name: values for name, values in inputs.items() if name != "labels"}
