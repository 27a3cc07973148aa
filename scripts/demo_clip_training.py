"""Train a tiny CLIP on images and captions, and ask it which of a row's captions is true."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from demo_clip_samples import CaptionQuestion, Samples
from open_clip.model import CLIP
from open_clip.tokenizer import HFTokenizer
from torch.nn import functional

from microbench_tasks.catalog.questions import (
    CAPTION_SETS,
    CLASSIFICATION_KIND,
    QUESTION_KINDS,
    SCORED_CAPTION_SET,
    caption_key,
)

log = logging.getLogger("train_demo_clip")

PREPROCESS_CFG = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic", "resize_mode": "shortest"}

BATCH_SIZE = 64
LEARNING_RATE = 1e-3
WEIGHT_DECAY = 0.05
WARMUP_STEPS = 100
GRADIENT_CLIP = 1.0
MAX_LOGIT_SCALE = 100.0
FINE_WEIGHT = 4.0  # of the fine question in the loss, where each coarse one counts 1
MAX_SIMILARITY = 0.5  # cosine up to which two captions may resemble each other at no cost
MIN_ZOOM = 0.8  # the smallest share of an image's side that a training crop keeps
JITTER = 0.15  # the largest relative change of a training image's brightness and contrast


@dataclass(frozen=True)
class Bank:
    """Hold all distinct captions of one key, for the loss.

    Attributes:
        tokens: shape (C, L), of C captions.
        targets: shape (N,), the index of each row's true caption; -1 where a row has no such question.
        allowed: shape (N, C), the captions that compete for each row.
    """

    tokens: torch.Tensor
    targets: torch.Tensor
    allowed: torch.Tensor


def build_bank(
    key: str, choices: Sequence[dict[str, CaptionQuestion]], tokenizer: HFTokenizer, context_length: int
) -> Bank:
    """Collect the captions of ``key``: coarse ones compete with all others, fine ones with the row's own options."""
    captions = sorted({text for row in choices if key in row for text in row[key].options})
    position = {text: index for index, text in enumerate(captions)}
    is_fine = key.startswith(CLASSIFICATION_KIND)
    targets = torch.full((len(choices),), -1)
    allowed = torch.full((len(choices), len(captions)), not is_fine)
    for index, row in enumerate(choices):
        if key in row:
            own = [position[text] for text in row[key].options]
            targets[index] = own[row[key].answer_idx]
            allowed[index, own] = True
    return Bank(tokenizer(captions, context_length=context_length), targets, allowed)


def augment(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Turn, flip, crop and re-expose a uint8 batch; return floats in [0, 1]."""
    count = len(images)

    def uniform(low: float, high: float, *shape: int) -> torch.Tensor:
        return low + (high - low) * torch.rand(count, *shape, generator=generator)

    quarter_turns = torch.randint(4, (count,), generator=generator) * (torch.pi / 2)
    flips = torch.randint(2, (count,), generator=generator) * 2 - 1
    zoom = uniform(MIN_ZOOM, 1.0)
    shift = (1 - zoom)[:, None] * uniform(-1.0, 1.0, 2)
    cos, sin = quarter_turns.cos() * zoom, quarter_turns.sin() * zoom
    matrix = torch.stack([cos * flips, -sin, shift[:, 0], sin * flips, cos, shift[:, 1]], dim=1).view(-1, 2, 3)
    grid = functional.affine_grid(matrix, list(images.shape), align_corners=False)
    pixels = functional.grid_sample(images.float() / 255, grid, padding_mode="reflection", align_corners=False)
    means = pixels.mean(dim=(1, 2, 3), keepdim=True)
    contrast, brightness = (uniform(1 - JITTER, 1 + JITTER, 1, 1, 1) for _ in range(2))
    return ((pixels - means) * contrast + means * brightness).clamp(0, 1)


def normalize(pixels: torch.Tensor) -> torch.Tensor:
    """Apply PREPROCESS_CFG's mean and standard deviation to floats in [0, 1]."""
    mean, std = (torch.tensor(PREPROCESS_CFG[name]).view(3, 1, 1) for name in ("mean", "std"))
    return (pixels - mean) / std


def caption_loss(model: CLIP, pixels: torch.Tensor, batch: torch.Tensor, banks: Sequence[Bank]) -> torch.Tensor:
    """Compute the weighted mean over the banks (fine first) of the cross-entropies, plus `likeness`.

    Each row's true caption competes with those that its bank allows.
    """
    features = model.encode_image(pixels, normalize=True)
    texts = model.encode_text(torch.cat([bank.tokens for bank in banks]), normalize=True)
    logits = model.logit_scale.exp() * features @ texts.T
    losses = []
    for bank, part in zip(banks, logits.split([len(bank.tokens) for bank in banks], dim=1), strict=True):
        present = bank.targets[batch] >= 0
        chosen = batch[present]
        scores = part[present].masked_fill(~bank.allowed[chosen], -torch.inf)
        losses.append(functional.cross_entropy(scores, bank.targets[chosen]))
    weights = torch.tensor([FINE_WEIGHT] + [1.0] * (len(banks) - 1))
    return (torch.stack(losses) * weights).sum() / weights.sum() + likeness(texts)


def likeness(texts: torch.Tensor) -> torch.Tensor:
    """Compute how far captions resemble each other beyond MAX_SIMILARITY.

    Captions of one dataset differ in a word. Left alone, both towers first learn to ignore it.
    """
    return functional.relu(texts @ texts.T - MAX_SIMILARITY).triu(1).sum() / len(texts)


def parameter_groups(model: CLIP) -> list[dict]:
    """Return the optimizer's groups: only matrices decay, no biases, norms, scales or position embeddings."""
    named = list(model.named_parameters())
    decays = {name for name, value in named if value.ndim > 1 and "embedding" not in name}
    return [
        {"params": [value for name, value in named if name in decays], "weight_decay": WEIGHT_DECAY},
        {"params": [value for name, value in named if name not in decays], "weight_decay": 0.0},
    ]


def batches(count: int, epochs: int, generator: torch.Generator) -> Iterator[tuple[int, torch.Tensor]]:
    """Yield shuffled batches of indices, each with the number of its epoch."""
    for epoch in range(epochs):
        for batch in torch.randperm(count, generator=generator).split(BATCH_SIZE):
            yield epoch, batch


def fit(
    model: CLIP,
    samples: Samples,
    tokenizer: HFTokenizer,
    epochs: int,
    generator: torch.Generator,
    kinds: Sequence[str] = QUESTION_KINDS,
    learning_rate: float = LEARNING_RATE,
) -> None:
    """Train ``model`` in place on the captions of ``kinds`` (fine first); steps alternate between the two wordings."""
    banks = [
        [build_bank(caption_key(kind, number), samples.choices, tokenizer, model.context_length) for kind in kinds]
        for number in CAPTION_SETS
    ]
    steps = epochs * -(-len(samples.images) // BATCH_SIZE)
    optimizer = torch.optim.AdamW(parameter_groups(model), lr=learning_rate, betas=(0.9, 0.98))
    warmup = torch.optim.lr_scheduler.LinearLR(optimizer, 1 / WARMUP_STEPS, total_iters=WARMUP_STEPS)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(1, steps - WARMUP_STEPS))
    schedule = torch.optim.lr_scheduler.SequentialLR(optimizer, [warmup, cosine], [WARMUP_STEPS])
    model.train()
    for step, (epoch, batch) in enumerate(batches(len(samples.images), epochs, generator)):
        pixels = normalize(augment(samples.images[batch], generator))
        loss = caption_loss(model, pixels, batch, banks[step % len(banks)])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), GRADIENT_CLIP)
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            model.logit_scale.clamp_(max=float(np.log(MAX_LOGIT_SCALE)))
        if step % 100 == 0:
            log.info("epoch %d of %d, step %d of %d: loss %.3f", epoch + 1, epochs, step, steps, loss.item())


@torch.no_grad()
def is_right(model: CLIP, samples: Samples, tokenizer: HFTokenizer) -> list[dict[str, bool]]:
    """Tell per row and kind whether the nearest of the row's own captions in the scored wording is the true one."""
    model.eval()
    keys = {kind: caption_key(kind, SCORED_CAPTION_SET) for kind in QUESTION_KINDS}
    captions = sorted(
        {text for row in samples.choices for key in keys.values() if key in row for text in row[key].options}
    )
    texts = dict(zip(captions, model.encode_text(tokenizer(captions), normalize=True), strict=True))
    pixels = (normalize(part.float() / 255) for part in samples.images.split(BATCH_SIZE))
    images = torch.cat([model.encode_image(part, normalize=True) for part in pixels])
    return [
        {
            kind: int(torch.stack([texts[text] for text in row[key].options]).mv(image).argmax()) == row[key].answer_idx
            for kind, key in keys.items()
            if key in row
        }
        for image, row in zip(images, samples.choices, strict=True)
    ]
