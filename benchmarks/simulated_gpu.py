"""How long a GPU would wait, on a machine without one.

A simulated device answers all closed questions about release-shaped images through lmms-eval. It sleeps as long as a
GPU of the given speed would encode, beside the run, and then takes a few pixels as the vector. The first run decodes
and resizes the images, with as many readers as there are cores; the second finds them in memory, as a further model
does in ``microbench run``.

What the run adds to the device's own time is what it waits for: in the first run for the readers, if they are slower
than the device, and in both for the first images, and for what is done when it has nothing more to do. Texts wait here
for the images before them; on a GPU they have a stream of their own.
"""

from __future__ import annotations

import argparse
import functools
import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from contrastive import Timed, adapter, save_model
from full_size import write
from result_pages import markdown_table
from timing import origin

from microbench_adapters.libraries.open_clip_adapter import OpenClip
from microbench_adapters.models import pixel_store
from microbench_adapters.models.dual_encoder import Encoding
from microbench_adapters.models.execution import MOST_ON_GPU, num_cores

# Images a second. An H100 in bfloat16 takes 3,726 images in 1.70 s (ViT-L/14) and 0.16 s (ViT-B/32): see on_a_gpu.md.
SPEEDS = (2_200, 24_000)
_WIDTH = 512


class SimulatedGpu(OpenClip):
    """An adapter whose device works beside it.

    Attributes:
        images_per_second: images, or texts, that the device takes; None while the model is built, when the CPU encodes.
        busy: start and end of each batch.
    """

    works_beside_caller = True
    images_per_second: float | None = None

    @functools.cached_property
    def busy(self) -> list[tuple[float, float]]:
        return []

    @functools.cached_property
    def _queue(self) -> ThreadPoolExecutor:
        # One batch after another.
        return ThreadPoolExecutor(max_workers=1)

    def start_encoding(self, batch: dict[str, torch.Tensor], kind: Literal["images", "texts"]) -> Encoding:
        if self.images_per_second is None:
            return super().start_encoding(batch, kind)
        (values,) = batch.values()
        future = self._queue.submit(self._encode, values)
        return Encoding(future.done, future.result)

    def _encode(self, values: torch.Tensor) -> np.ndarray:
        start = time.perf_counter()
        time.sleep(len(values) / self.images_per_second)
        self.busy.append((start, time.perf_counter()))
        # Some of the inputs; tokens are fewer.
        vectors = np.ones((len(values), _WIDTH))
        few = values.flatten(1)[:, :_WIDTH]
        vectors[:, : few.shape[1]] += few.numpy()
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def measure(weights: Path, images_per_second: float) -> tuple[list[str], list[str]]:
    """Return the answers of one run, and its seconds: of the device, of the run, and until the device began."""
    model = adapter(weights, model_class=SimulatedGpu)
    model.batch_size, model.images_per_second = MOST_ON_GPU, images_per_second
    run = Timed(model)
    busy = sum(end - start for start, end in model.busy)
    waited = model.busy[0][0] - run.start
    return run.answers, [f"{busy:.2f}", f"{run.seconds:.2f}", f"{run.seconds / busy:.2f}", f"{waited:.2f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of benchmarks/full_size.py, written if it is not there")
    parser.add_argument("--rows", type=int, default=4000, help="with which it is written (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="also write the page to this file")
    args = parser.parse_args()
    os.environ["MICROBENCH_DATASET"] = str(write(args.data, args.rows))
    os.environ["HF_HUB_OFFLINE"] = "1"
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        weights = save_model(Path(scratch))
        for speed in SPEEDS:
            with pixel_store.shared():
                first, first_seconds = measure(weights, speed)
                again, again_seconds = measure(weights, speed)
            assert first == again
            for name, seconds in (("first", first_seconds), ("again", again_seconds)):
                rows.append([f"{speed:,}", name, *seconds])
                print(rows[-1], flush=True)
    header = ["images a second", "run", "device, s", "run, s", "ratio", "before the device began, s"]
    text = f"{len(first):,} questions; {num_cores()} cores read."
    parts = [
        "# A simulated GPU",
        origin(f"python benchmarks/simulated_gpu.py DATA --rows {args.rows}", "open_clip_torch", "torch", "lmms-eval"),
        __doc__.strip(),
        text,
        markdown_table(header, rows),
    ]
    page = "\n\n".join(parts) + "\n"
    print(page)
    if args.out:
        args.out.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
