"""Check before the first question that a model distinguishes images and texts, and report the cause if it does not."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import torch
from loguru import logger
from PIL import Image

# Goes up when the checks change: cached vectors of an earlier version were not checked by them.
VERSION = 2
# Texts of equal and of different lengths. The last is longer than any context, so it is cut.
TEXTS = (
    "light",
    "stain",
    "cell",
    "a micrograph",
    "an image of a nucleus in brightfield microscopy",
    "stained tissue " * 300,
)
# Words of one length: a tokenizer without a vocabulary gives them the same tokens.
_WORDS = TEXTS[:3]
_SIZE = (64, 48)
# 1 - cosine. Rounding in single precision gives up to 1e-14. Images that differ were 1e-11 apart in the worst model
# measured (the mean of two untrained, shrunk ResNets), 1e-9 in untrained ResNets, and 1e-5 or more in all others.
COLLAPSED = 1e-13
# Up to this distance a model is evaluated with a warning: rounding can decide between such similar vectors.
NEARLY_COLLAPSED = 1e-6
# Largest accepted change of a text's vector by padding, as a share of its distance to other texts; and by rounding.
_MOST_PADDING = 0.1
_ROUNDING, _ROUNDING_OF_HALVES = 1e-9, 1e-4
# Trained models multiply similarities by about 100 (CLIP is limited to it) or less; a scale that was saved without its
# logarithm is beyond e to the power of 10.
SCALES = (0.01, 10_000.0)
# SigLIP's is about -10 to -20.
LARGEST_BIAS = 1000.0
# Normalized images have values of a few units; a processor that forgets to divide by 255 gives hundreds.
_LARGEST_PIXEL = 20.0


def images() -> list[Image.Image]:
    """Draw three images that differ everywhere: a gradient, stripes, and noise."""
    width, height = _SIZE
    y, x = np.mgrid[:height, :width]
    gradient = np.stack([4 * x, 5 * y, 255 - 4 * x], axis=-1)
    stripes = np.repeat((255 * ((x + 2 * y) // 8 % 2))[..., None], 3, axis=-1)
    return [*(Image.fromarray(pixels.astype(np.uint8)) for pixels in (gradient, stripes)), noise(_SIZE)]


def noise(size: tuple[int, int]) -> Image.Image:
    """Draw an RGB image of noise, of this width and height."""
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3))
    return Image.fromarray(pixels.astype(np.uint8))


def check_pixels(inputs: Sequence[dict[str, torch.Tensor]], where: str) -> None:
    """Refuse preprocessing that makes different images equal or values not finite; warn of very large values.

    Raises:
        ValueError: such preprocessing.
    """
    pixels = [_pixels(each).float() for each in inputs]
    advice = "Its settings are wrong: compare mean, std, rescaling and size with those that the model was trained with."
    if not all(bool(torch.isfinite(values).all()) for values in pixels):
        raise ValueError(f"{where}: its preprocessing returns values that are not finite. {advice}")
    for one, other in itertools.combinations(pixels, 2):
        if one.shape == other.shape and bool(torch.allclose(one, other, rtol=1e-4, atol=1e-6)):
            raise ValueError(f"{where}: its preprocessing turns different images into the same values. {advice}")
    largest = max(float(values.abs().max()) for values in pixels)
    if largest > _LARGEST_PIXEL:
        logger.warning(
            f"{where}: its preprocessing returns values up to {largest:.0f}, expected at most a few units. {advice}"
        )


def check_tokens(rows: Sequence[dict[str, torch.Tensor]], unknown: int | None, where: str) -> None:
    """Refuse a tokenizer that gives different texts the same tokens.

    Args:
        rows: the tokens of each of `TEXTS`, tokenized alone.
        unknown: the number of the token for unknown words, if there is one.
        where: names the checkpoint in messages.

    Raises:
        ValueError: such a tokenizer.
    """
    advice = (
        "Its files seem to be missing beside the weights. "
        "Copy them from the base model: fine-tuned checkpoints often lack them."
    )
    if _equal(rows[0], rows[1]):
        raise ValueError(f"{where}: its tokenizer has no vocabulary: words of one length get the same tokens. {advice}")
    for (first, one), (second, other) in itertools.combinations(zip(TEXTS, rows, strict=True), 2):
        if _equal(one, other):
            raise ValueError(
                f"{where}: its tokenizer gives {first[:40]!r} and {second[:40]!r} the same tokens. {advice}"
            )
    ids = torch.cat([next(iter(row.values())).flatten() for row in rows[: len(_WORDS)]])
    if unknown is not None and bool((ids == unknown).any()):
        raise ValueError(
            f"{where}: its tokenizer does not know {', '.join(map(repr, _WORDS))}, or some of them: "
            f"its vocabulary is not English. {advice}"
        )


def check_pooling(pooled: Sequence[torch.Tensor | None], where: str) -> None:
    """Refuse a text encoder that pools at a token that texts lack, or at a different token in each text.

    Args:
        pooled: for each of `TEXTS`, tokenized alone, the number of the token that is pooled, or -1 if the text lacks
            it; None for encoders that do not pool at a token.
        where: names the checkpoint in messages.

    Raises:
        ValueError: such an encoder.
    """
    numbers = [None if token is None else int(token.flatten()[0]) for token in pooled]
    advice = (
        "Configuration and tokenizer do not match: "
        "set eos_token_id (eos_id) to the number of the token that the tokenizer puts at the end."
    )
    if -1 in numbers:
        text = TEXTS[numbers.index(-1)]
        raise ValueError(
            f"{where}: its text encoder pools at a token that {text[:40]!r} does not have once tokenized: "
            f"its vector does not depend on all words of the text. {advice}"
        )
    if len(set(numbers)) > 1:
        raise ValueError(
            f"{where}: its text encoder pools at the token with the highest number, "
            f"which differs between texts ({numbers[:4]}), so it is not the end token. {advice}"
        )


def check_vectors(vectors: np.ndarray, kind: str, where: str, precision: str) -> None:
    """Refuse an encoder that gives different inputs the same vector; warn if the vectors are nearly the same.

    Args:
        vectors: shape (N, D), of inputs that differ.
        kind: ``images`` or ``texts``.
        where: names the checkpoint in messages.
        precision: as the user calls it.

    Raises:
        ValueError: vectors are zero or the same.
    """
    advice = {
        "images": "Its image encoder or projection is constant: weights are zero, untrained, or another model's.",
        "texts": "Its text encoder is constant, or pools at a place that does not depend on the words: "
        "check eos_token_id, padding and the tokenizer.",
    }[kind]
    if precision != "fp32":
        advice += f" Or precision={precision} is too coarse for this model: try precision=fp32."
    lengths = np.linalg.norm(vectors, axis=1)
    if bool((lengths < 0.5).any()):
        raise ValueError(f"{where}: gives {kind} a vector of zeros. {advice}")
    unit = vectors / lengths[:, None]
    distances = [0.5 * float(((one - other) ** 2).sum()) for one, other in itertools.combinations(unit, 2)]
    if min(distances) <= COLLAPSED:
        raise ValueError(f"{where}: does not distinguish {kind}: different {kind} get the same vector. {advice}")
    if min(distances) < NEARLY_COLLAPSED:
        cosine = f"1 - {min(distances):.0e}"
        logger.warning(
            f"{where}: hardly distinguishes {kind}: cosines of different {kind} are up to {cosine}. {advice}"
        )


def check_padding(
    alone: np.ndarray, padded: np.ndarray, others: np.ndarray, precision: str, is_fixed: bool, where: str
) -> None:
    """Refuse a text encoder whose vectors depend on padding, and so on the other texts of a batch.

    Args:
        alone: shape (D,), the vector of a text encoded alone.
        padded: shape (D,), the vector of the same text in a batch with longer ones.
        others: shape (N, D), the vectors of other texts.
        precision: as the user calls it.
        is_fixed: whether all texts are padded to one length. Then only a warning is given: some models are trained so.
        where: names the checkpoint in messages.

    Raises:
        ValueError: such an encoder.
    """
    change = _distance(alone, padded)
    nearest = min(_distance(alone, other) for other in others)
    if change <= max(_MOST_PADDING * nearest, _ROUNDING if precision == "fp32" else _ROUNDING_OF_HALVES):
        return
    if is_fixed:
        logger.warning(
            f"{where}: its text encoder reads the padding of texts. That is right for models that were trained so. "
            f"If this one was not, its tokenizer's files lack the attention mask (model_input_names)."
        )
    else:
        raise ValueError(
            f"{where}: the vector of a text depends on the texts beside it, through padding (1 - cosine "
            f"{change:.1e}, of different texts {nearest:.1e}). "
            f"Set padding=context, or correct the tokenizer's padding_side and pad_token."
        )


def check_scale(scale: float, bias: float | None, where: str) -> None:
    """Refuse a scale of similarities, or a bias, that no trained model has.

    Raises:
        ValueError: such a scale or bias.
    """
    if abs(bias or 0.0) > LARGEST_BIAS:
        raise ValueError(
            f"{where}: adds {bias:.3g} to similarities; trained models add at most a few tens. "
            f"With such a bias the similarities have no effect: its logit_bias is broken."
        )
    lowest, highest = SCALES
    if not lowest <= scale <= highest:
        raise ValueError(
            f"{where}: multiplies similarities by {scale:.3g}; trained models multiply by {lowest:g} to {highest:g}. "
            "Its logit_scale (the logarithm of the factor) or temperature (its inverse) is broken or was saved in "
            "another form."
        )


def differ(one: np.ndarray, other: np.ndarray) -> bool:
    """Tell whether two sets of probabilities differ by more than rounding, relative to their size."""
    return bool((np.abs(one - other) > 1e-4 * np.maximum(one, other)).any())


def _pixels(inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    return next(values for values in inputs.values() if values.is_floating_point() and values.ndim >= 3)


def _equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(one[name].shape == other[name].shape and bool((one[name] == other[name]).all()) for name in one)


def _distance(one: np.ndarray, other: np.ndarray) -> float:
    return 0.5 * float(((one / math.sqrt((one**2).sum()) - other / math.sqrt((other**2).sum())) ** 2).sum())
