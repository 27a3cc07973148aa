"""Merge loaded checkpoints into one, after checking that they belong together."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Sequence
from typing import Any

from loguru import logger

from microbench_adapters.checkpoints import merging
from microbench_adapters.checkpoints.loading import Loaded, check_finite, summarize_names, weights_sha256

# Fields of `Loaded` that must be equal in all parts.
_COMMON_FIELDS = ("preprocessing", "tokenizer_sha256", "context_length")
# Fields of configurations of transformers: the folder, the release, and the type of the weights before loading.
_ORIGIN_FIELDS = ("_name_or_path", "transformers_version", "dtype", "torch_dtype")


def merge_loaded(
    parts: Sequence[Loaded], method: str, alpha: float | None, density: float | None
) -> tuple[Loaded, dict[str, Any]]:
    """Merge a base, a checkpoint that was fine-tuned from it, and further ones.

    Args:
        parts: the base, the fine-tuned checkpoint, and further ones.
        method: one of `merging.METHODS`.
        alpha: see `merging.merge`.
        density: see `merging.merge`.

    Returns:
        The merged checkpoint, with architecture, preprocessing and tokenizer of the second part; and the
        entry of the results file about the merge.

    Raises:
        ValueError: keys, shapes, preprocessing, tokenizers or context lengths differ.
    """
    states = {part.name: part.module.state_dict() for part in parts}
    if len(states) < len(parts):
        names = [part.name for part in parts]
        duplicate = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"merge_with: {duplicate} cannot be merged with itself. Name another checkpoint.")
    hashes = {name: weights_sha256(state) for name, state in states.items()}
    if len(set(hashes.values())) < len(hashes):
        logger.warning(f"merge_with: {', '.join(states)} contain the same weights more than once.")
    merging.check_same(states)
    base, tuned, *others = parts
    for part in (base, *others):
        _check_settings_match(part, tuned)
    merged_state = merging.merge(method, states[base.name], [states[part.name] for part in parts[1:]], alpha, density)
    module = copy.deepcopy(tuned.module)
    module.load_state_dict(merged_state)
    check_finite(module, f"merge={method} of {', '.join(states)}")
    record: dict[str, Any] = {
        "method": method,
        "of": [{"checkpoint": part.name, "files": part.files, "weights_sha256": hashes[part.name]} for part in parts],
    }
    if method != "soup":
        record["alpha"] = merging.DEFAULT_ALPHA[method] if alpha is None else alpha
    if method == "ties":
        record["density"] = merging.DEFAULT_DENSITY if density is None else density
    return dataclasses.replace(tuned, module=module), record


def _check_settings_match(part: Loaded, tuned: Loaded) -> None:
    """Refuse parts whose inputs differ; warn if their configurations differ."""
    for field in _COMMON_FIELDS:
        one, other = getattr(part, field), getattr(tuned, field)
        if one != other:
            is_hash = field == "tokenizer_sha256"
            difference = "they make other tokens of the same texts" if is_hash else f"{one} and {other}"
            raise ValueError(
                f"merge_with: {part.name} and {tuned.name} differ in {field.removesuffix('_sha256')}: {difference}. "
                "Merge checkpoints of one kind only."
            )
    one, other = _without_origin(part.architecture), _without_origin(tuned.architecture)
    if one != other:
        # An activation has no weights: the keys do not show it.
        logger.warning(
            f"merge_with: {part.name} and {tuned.name} have equal weights' shapes, but configurations that differ: "
            f"{_describe_differences(one, other)}."
        )


def _without_origin(settings: dict[str, Any]) -> dict[str, Any]:
    """Leave out, at all depths, where a configuration came from: it has no effect on the model."""
    return {
        name: _without_origin(value) if isinstance(value, dict) else value
        for name, value in settings.items()
        if name not in _ORIGIN_FIELDS
    }


def _describe_differences(one: dict[str, Any], other: dict[str, Any]) -> str:
    names = [name for name in dict.fromkeys((*one, *other)) if one.get(name) != other.get(name)]
    return summarize_names(f"{name} {one.get(name)} and {other.get(name)}" for name in names)
