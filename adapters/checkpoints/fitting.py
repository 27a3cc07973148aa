"""Compare weights with an architecture, and explain why they do not fit and what to do."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from microbench_adapters.checkpoints.loading import summarize_names


@dataclass(frozen=True)
class Faults:
    """The differences between a checkpoint and an architecture; true if there are any.

    Attributes:
        expected: the shapes of the architecture's weights, by name.
        missing: names that the checkpoint lacks.
        unexpected: names that the architecture lacks.
        mismatched: descriptions of weights of another shape.
        other_kind: descriptions of weights stored as integers or 8-bit floating point instead of floating point.
        architecture: what messages call it.
    """

    expected: Mapping[str, torch.Size] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    mismatched: list[str] = field(default_factory=list)
    other_kind: list[str] = field(default_factory=list)
    architecture: str = "this architecture"

    @property
    def count(self) -> int:
        """Return the number of differences."""
        return len(self.missing) + len(self.unexpected) + len(self.mismatched) + len(self.other_kind)

    def __bool__(self) -> bool:
        return self.count > 0


def compare(state: Mapping[str, torch.Tensor], module: torch.nn.Module, ignored: Iterable[str] = ()) -> Faults:
    """Compare ``state`` with the weights of ``module``, apart from names in ``ignored``."""
    expected, ignored = module.state_dict(), set(ignored)
    shared = [(name, state[name], expected[name]) for name in expected if name in state]
    return Faults(
        expected={name: values.shape for name, values in expected.items()},
        missing=[name for name in expected if name not in state and name not in ignored],
        unexpected=[name for name in state if name not in expected and name not in ignored],
        mismatched=[
            f"{name}: {tuple(values.shape)}, expected {tuple(right.shape)}"
            for name, values, right in shared
            if values.shape != right.shape
        ],
        # A cast would not undo quantization.
        other_kind=[
            f"{name}: {values.dtype}, expected {right.dtype}"
            for name, values, right in shared
            if is_float(values) != is_float(right)
        ],
    )


def with_single_numbers(
    state: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """Return ``state`` with its single numbers, such as a scale, in the expected shape: some trainers add an axis."""
    return {
        name: values.reshape(expected[name].shape)
        if name in expected and values.numel() == expected[name].numel() == 1
        else values
        for name, values in state.items()
    }


def is_float(values: torch.Tensor) -> bool:
    """Tell whether values are plain floating point. 8-bit floating point is not: it needs a scale."""
    return values.is_floating_point() and values.dtype.itemsize > 1


def refusal(faults: Faults, state: Mapping[str, torch.Tensor], where: str) -> str:
    """Write the error message: what does not fit, its cause, and what to do."""
    lists = {
        "missing": faults.missing,
        "unexpected": faults.unexpected,
        "of another shape": faults.mismatched,
        "of another number type": faults.other_kind,
    }
    keys = "; ".join(
        f"{what} {len(names)} ({summarize_names(sorted(names))})" for what, names in lists.items() if names
    )
    evidence = _Evidence(faults, state)
    cause = next(cause for matches, cause in _CAUSES if matches(evidence))
    return f"{where}: the weights are not those of {faults.architecture}. Keys: {keys}. {cause(evidence)}"


# --- causes ---

_ADAPTER = re.compile(r"lora_|\.base_layer\.|modules_to_save|\.hada_|ia3_|^base_model\.model\.|prompt_embeddings")
_QUANTIZED = re.compile(
    r"\.SCB$|absmax|quant_map|quant_state|qweight|qzeros|g_idx|_packed_params|weight_scale|weight_format|weight_packed"
)
_IMAGE_ENCODER = re.compile(r"(^|\.)(visual|vision_model|vision_tower|visual_projection)(\.|$)")
_LAYER = re.compile(r"\.\d+(?=\.)")
# Pattern of weight names, the library that writes them, and the model of this package that loads them.
_LIBRARIES = (
    (re.compile(r"^(text_model|vision_model)\.(encoder|embeddings)\."), "transformers", "transformers_clip"),
    (re.compile(r"^visual\.attn_pool_contrast\."), "CONCH's package", "conch"),
    (
        re.compile(r"^(visual\.(transformer|trunk|layer1)|transformer\.resblocks|text\.transformer)\."),
        "open_clip",
        "open_clip",
    ),
)
ADAPTER_ADVICE = (
    "The checkpoint contains an adapter (LoRA) that is not merged into its base model. "
    "Merge it first: call merge_and_unload() of peft, then save the model."
)
_QUANTIZED_ADVICE = "The checkpoint is quantized. Save it in floating point."
_ZERO_ADVICE = "run zero_to_fp32.py, which DeepSpeed writes beside it, and name the file that it makes."
_SIZE_ADVICE = (
    "Name the architecture that the checkpoint was trained with; "
    "other image sizes, patch sizes and context lengths count as others."
)


@dataclass(frozen=True)
class _Evidence:
    """The facts from which the cause is inferred."""

    faults: Faults
    tensors: Mapping[str, torch.Tensor]

    @property
    def names(self) -> Collection[str]:
        return self.tensors.keys()

    @property
    def known(self) -> list[str]:
        """List the names that the architecture has, too, without those of scalars such as a scale."""
        unexpected = set(self.faults.unexpected)
        return [name for name, values in self.tensors.items() if name not in unexpected and values.ndim > 0]


def holds_adapter(names: Iterable[str]) -> bool:
    """Tell whether the names include those of an adapter that is not merged."""
    return any(_ADAPTER.search(name) for name in names)


def _is_quantized(evidence: _Evidence) -> bool:
    return bool(evidence.faults.other_kind) or any(_QUANTIZED.search(name) for name in evidence.names)


def _is_empty(evidence: _Evidence) -> bool:
    shapes = evidence.faults.expected
    known = [(shapes[name], values) for name, values in evidence.tensors.items() if name in shapes]
    return any(values.numel() == 0 for shape, values in known if shape.numel())


def _library(evidence: _Evidence) -> str:
    """Return the advice if the names are those of another library, else an empty text."""
    for pattern, library, model in _LIBRARIES:
        if _matches(pattern, evidence.names) and not _matches(pattern, evidence.faults.expected):
            return f"The names are those of {library}. Run the checkpoint with --model {model}, or convert it."
    return ""


def _matches(pattern: re.Pattern[str], names: Iterable[str]) -> bool:
    return any(pattern.search(name) for name in names)


def _one_encoder(evidence: _Evidence) -> str:
    """Return the advice if the checkpoint contains one encoder only, with or without its prefix, else an empty text."""
    parts = dict.fromkeys(name.split(".")[0] + "." for name in evidence.faults.expected if "." in name)
    alone = [part for part in parts if all(part + name in evidence.faults.expected for name in evidence.names)]
    known = [part + name for part in alone[:1] for name in evidence.names] or evidence.known
    kinds = {"image" if _IMAGE_ENCODER.search(name) else "text" for name in known if evidence.faults.missing}
    if len(kinds) != 1:
        return ""
    return (
        f"The checkpoint contains the {kinds.pop()} encoder only. Images and texts both have one: "
        f"name a checkpoint that has both."
    )


def _is_other_size(evidence: _Evidence) -> bool:
    """Tell whether shapes differ, or the only difference is the number of layers."""
    faults = evidence.faults
    known, given = ({_LAYER.sub(".N", name) for name in names} for names in (faults.expected, evidence.names))
    surplus = all(_LAYER.search(name) and _LAYER.sub(".N", name) in known for name in faults.unexpected)
    lacking = all(_LAYER.search(name) and _LAYER.sub(".N", name) in given for name in faults.missing)
    return bool(faults.mismatched) or (surplus and lacking)


def _surplus(evidence: _Evidence) -> str:
    return (
        f"The checkpoint has parts that the architecture lacks ({_parts(evidence.faults.unexpected)}), "
        f"such as the head of another task, which would be left out. "
        f"Save it without them, or name the architecture that has them."
    )


def _lacking(evidence: _Evidence) -> str:
    return (
        f"The checkpoint lacks parts ({_parts(evidence.faults.missing)}), which would stay random. "
        f"It was saved incompletely: save it again, or copy the parts from its base model if they were not trained."
    )


def _parts(names: Iterable[str]) -> str:
    return summarize_names(dict.fromkeys(name.rpartition(".")[0] or name for name in sorted(names)))


# The first cause that matches is reported.
_CAUSES: tuple[tuple[Callable[[_Evidence], Any], Callable[[_Evidence], str]], ...] = (
    (lambda evidence: holds_adapter(evidence.names), lambda evidence: ADAPTER_ADVICE),
    (_is_quantized, lambda evidence: _QUANTIZED_ADVICE),
    (_is_empty, lambda evidence: f"Weights are empty, as DeepSpeed's ZeRO-3 saves them in parts: {_ZERO_ADVICE}"),
    (_library, _library),
    (_one_encoder, _one_encoder),
    (
        lambda evidence: not evidence.known,
        lambda evidence: (
            "None of its weight names is one of the architecture: it belongs to another model or library. "
            "Name the architecture that it was trained with."
        ),
    ),
    (_is_other_size, lambda evidence: f"The checkpoint is of another size. {_SIZE_ADVICE}"),
    (lambda evidence: not evidence.faults.missing, _surplus),
    (lambda evidence: not evidence.faults.unexpected, _lacking),
    (lambda evidence: True, lambda evidence: _SIZE_ADVICE),
)

# Keys of files without weights, and what such a file is.
_WITHOUT_WEIGHTS = (
    (
        {"zero_stage", "ds_config", "ds_version", "base_optimizer_state"},
        f"It is one part of a checkpoint that DeepSpeed's ZeRO saved: {_ZERO_ADVICE}",
    ),
    (
        {"optimizer", "optimizer_state_dict", "optimizer_states", "param_groups"},
        "It is the state of an optimizer, which contains no weights: name the file with the model's.",
    ),
)


def advice_without_weights(content: Any) -> str:
    """Describe what a file without weights seems to be; empty if that is not known."""
    if not isinstance(content, Mapping):
        return ""
    keys = set(content).union(*(value for value in content.values() if isinstance(value, Mapping)))
    return next((advice for signs, advice in _WITHOUT_WEIGHTS if keys & signs), "")
