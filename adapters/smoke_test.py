"""Check before the first question that a model tells images and texts apart, and say the cause if it does not."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import torch
from loguru import logger
from PIL import Image

# Goes up with what is checked: vectors kept by an earlier version were not.
VERSION = 2
# Of different lengths and equal ones; the last is longer than any context, so that it is cut.
TEXTS = (
    "light",
    "stain",
    "cell",
    "a micrograph",
    "an image of a nucleus in brightfield microscopy",
    "stained tissue " * 300,
)
# Of one length, so that a tokenizer that knows no words gives them the same tokens.
_WORDS = TEXTS[:3]
_SIZE = (64, 48)
# 1 - cosine. Rounding in single precision gives up to 1e-14. Images that differ were 1e-11 apart in the worst model
# measured (the mean of two untrained, shrunk ResNets), 1e-9 in untrained ResNets, and 1e-5 or more in all others.
COLLAPSED = 1e-13
# Above it a model is evaluated, but with vectors so near each other rounding decides much.
NEARLY_COLLAPSED = 1e-6
# How far padding may move a text's vector, as a share of its distance to other texts; and what rounding may do.
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
    """Three images that differ everywhere: a gradient, stripes, and noise."""
    width, height = _SIZE
    y, x = np.mgrid[:height, :width]
    gradient = np.stack([4 * x, 5 * y, 255 - 4 * x], axis=-1)
    stripes = np.repeat((255 * ((x + 2 * y) // 8 % 2))[..., None], 3, axis=-1)
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3))
    return [Image.fromarray(pixels.astype(np.uint8)) for pixels in (gradient, stripes, noise)]


def check_pixels(inputs: Sequence[dict[str, torch.Tensor]], where: str) -> None:
    """Refuse preprocessing that gives the same of different images, or values that are not finite; warn of huge ones.

    Raises:
        ValueError: such preprocessing.
    """
    pixels = [_pixels(each).float() for each in inputs]
    advice = "Its settings are wrong: compare mean, std, rescaling and size with those that the model was trained with."
    if not all(bool(torch.isfinite(values).all()) for values in pixels):
        raise ValueError(f"{where}: its preprocessing gives values that are not finite. {advice}")
    for one, other in itertools.combinations(pixels, 2):
        if one.shape == other.shape and bool(torch.allclose(one, other, rtol=1e-4, atol=1e-6)):
            raise ValueError(f"{where}: its preprocessing makes the same of different images. {advice}")
    largest = max(float(values.abs().max()) for values in pixels)
    if largest > _LARGEST_PIXEL:
        logger.warning(f"{where}: its preprocessing gives values up to {largest:.0f}, where a few are usual. {advice}")


def check_tokens(rows: Sequence[dict[str, torch.Tensor]], unknown: int | None, where: str) -> None:
    """Refuse a tokenizer that makes the same tokens of different texts.

    Args:
        rows: of each of `TEXTS`, tokenized alone.
        unknown: the number of the token for unknown words, if there is one.
        where: names the checkpoint in messages.

    Raises:
        ValueError: such a tokenizer.
    """
    advice = "Its files seem to be missing beside the weights; a fine-tune often lacks them: copy them from its base."
    if _equal(rows[0], rows[1]):
        raise ValueError(f"{where}: its tokenizer knows no words. {advice}")
    for (first, one), (second, other) in itertools.combinations(zip(TEXTS, rows), 2):
        if _equal(one, other):
            raise ValueError(
                f"{where}: its tokenizer makes the same tokens of {first[:40]!r} and {second[:40]!r}. {advice}"
            )
    ids = torch.cat([next(iter(row.values())).flatten() for row in rows[: len(_WORDS)]])
    if unknown is not None and bool((ids == unknown).any()):
        raise ValueError(
            f"{where}: its tokenizer does not know {', '.join(map(repr, _WORDS))}, or some of them: "
            f"its vocabulary is not one of English. {advice}"
        )


def check_pooling(pooled: Sequence[torch.Tensor | None], where: str) -> None:
    """Refuse a text encoder that pools at a token which texts do not have, or at another one in each text.

    Args:
        pooled: for each of `TEXTS`, tokenized alone, the number of the token at the place that is pooled, -1 if the
            token is not there; None of encoders that do not pool at a token.
        where: names the checkpoint in messages.

    Raises:
        ValueError: such an encoder.
    """
    found = [None if token is None else int(token.flatten()[0]) for token in pooled]
    advice = (
        "Configuration and tokenizer do not belong together: "
        "set eos_token_id (eos_id) to the number of the token that the tokenizer puts at the end."
    )
    if -1 in found:
        text = TEXTS[found.index(-1)]
        raise ValueError(
            f"{where}: its text encoder pools at a token that {text[:40]!r} does not have once tokenized: "
            f"texts are not told apart by all of their words. {advice}"
        )
    if len(set(found)) > 1:
        raise ValueError(
            f"{where}: its text encoder pools at the token with the highest number, "
            f"which is another one in each text ({found[:4]}), not the end. {advice}"
        )


def check_vectors(vectors: np.ndarray, kind: str, where: str, precision: str) -> None:
    """Refuse an encoder that gives different inputs one vector; warn if they nearly are one.

    Args:
        vectors: shape (N, D), of inputs that differ.
        kind: what the inputs are, in the plural.
        where: names the checkpoint in messages.
        precision: as the user calls it.

    Raises:
        ValueError: vectors are zero or the same.
    """
    advice = {
        "images": "Its image encoder or projection is constant: weights are zero, untrained, or another model's.",
        "texts": "Its text encoder is constant, or pools at a place that does not depend on the words: "
        "see eos_token_id, padding and the tokenizer.",
    }[kind]
    if precision != "fp32":
        advice += f" Or precision={precision} is too coarse for it: try precision=fp32."
    lengths = np.linalg.norm(vectors, axis=1)
    if bool((lengths < 0.5).any()):
        raise ValueError(f"{where}: gives {kind} a vector of zeros. {advice}")
    unit = vectors / lengths[:, None]
    distances = [0.5 * float(((one - other) ** 2).sum()) for one, other in itertools.combinations(unit, 2)]
    if min(distances) <= COLLAPSED:
        raise ValueError(f"{where}: does not tell {kind} apart: different {kind} get the same vector. {advice}")
    if min(distances) < NEARLY_COLLAPSED:
        cosine = f"1 - {min(distances):.0e}"
        logger.warning(f"{where}: hardly tells {kind} apart: cosines of different {kind} are up to {cosine}. {advice}")


def check_padding(
    alone: np.ndarray, padded: np.ndarray, others: np.ndarray, precision: str, is_fixed: bool, where: str
) -> None:
    """Refuse a text encoder whose vector of a text changes with the length that other texts of a batch pad it to.

    Args:
        alone: shape (D,), of a text by itself.
        padded: shape (D,), of the same text beside longer ones.
        others: shape (N, D), of other texts.
        precision: as the user calls it.
        is_fixed: all texts are padded to one length. Then a warning is enough: a model may have been trained so.
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
            f"{where}: its text encoder sees the padding of texts, which is right for models that were trained so. "
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
            f"{where}: adds {bias:.3g} to similarities; trained models at most a few tens. "
            f"Beside it they make no difference: its logit_bias is broken."
        )
    lowest, highest = SCALES
    if not lowest <= scale <= highest:
        raise ValueError(
            f"{where}: multiplies similarities by {scale:.3g}; trained models by {lowest:g} to {highest:g}. "
            "Its logit_scale (the logarithm of the factor) or temperature (its inverse) is broken or was saved in "
            "another form."
        )


def differ(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two sets of probabilities differ by more than rounding, each as a share of itself."""
    return bool((np.abs(one - other) > 1e-4 * np.maximum(one, other)).any())


def _pixels(inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    return next(values for values in inputs.values() if values.is_floating_point() and values.ndim >= 3)


def _equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(one[name].shape == other[name].shape and bool((one[name] == other[name]).all()) for name in one)


def _distance(one: np.ndarray, other: np.ndarray) -> float:
    return 0.5 * float(((one / math.sqrt((one**2).sum()) - other / math.sqrt((other**2).sum())) ** 2).sum())
