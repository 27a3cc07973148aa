"""Compare weights with an architecture, and say for what reason they do not fit and what to do."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from microbench_adapters.loading import named


@dataclass(frozen=True)
class Faults:
    """What does not fit; true if anything does not.

    Attributes:
        expected: the shapes of the architecture's weights, by name.
        missing: names that the checkpoint lacks.
        unexpected: names that the architecture lacks.
        mismatched: descriptions of weights of another shape.
        other_kind: descriptions of weights in integers, or in floating point of 8 bits, instead of floating point.
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
        return len(self.missing) + len(self.unexpected) + len(self.mismatched) + len(self.other_kind)

    def __bool__(self) -> bool:
        return self.count > 0


def compare(state: Mapping[str, torch.Tensor], module: torch.nn.Module, ignored: Iterable[str] = ()) -> Faults:
    """What of ``state`` does not fit the weights of ``module``, apart from names in ``ignored``."""
    expected, ignored = module.state_dict(), set(ignored)
    shared = [name for name in expected if name in state]
    return Faults(
        expected={name: values.shape for name, values in expected.items()},
        missing=[name for name in expected if name not in state and name not in ignored],
        unexpected=[name for name in state if name not in expected and name not in ignored],
        mismatched=[f"{name}: {tuple(state[name].shape)}, expected {tuple(expected[name].shape)}" for name in shared if state[name].shape != expected[name].shape],
        # A cast would not undo quantization.
        other_kind=[f"{name}: {state[name].dtype}, expected {expected[name].dtype}" for name in shared if is_float(state[name]) != is_float(expected[name])],
    )


def is_float(values: torch.Tensor) -> bool:
    """Whether values stand for themselves: floating point of 8 bits needs a scale."""
    return values.is_floating_point() and values.dtype.itemsize > 1


def refusal(faults: Faults, state: Mapping[str, torch.Tensor], where: str) -> str:
    """The message that names what does not fit, its cause, and what to do."""
    lists = {"missing": faults.missing, "unexpected": faults.unexpected, "of another shape": faults.mismatched, "of another kind of number": faults.other_kind}
    keys = "; ".join(f"{what} {len(names)} ({named(sorted(names))})" for what, names in lists.items() if names)
    return f"{where}: the weights are not those of {faults.architecture}. Keys: {keys}. {_cause(faults, state)}"


_ADAPTER = re.compile(r"lora_|\.base_layer\.|modules_to_save|\.hada_|ia3_|^base_model\.model\.|prompt_embeddings")
_QUANTIZED = re.compile(r"\.SCB$|absmax|quant_map|quant_state|qweight|qzeros|g_idx|_packed_params|weight_scale|weight_format|weight_packed")
_IMAGE_TOWER = re.compile(r"(^|\.)(visual|vision_model|vision_tower|visual_projection)(\.|$)")
_LAYER = re.compile(r"\.\d+(?=\.)")
# By which parts of names a library's checkpoints are known.
_LIBRARIES = (
    (re.compile(r"^(text_model|vision_model)\.(encoder|embeddings)\."), "transformers", "transformers_clip"),
    (re.compile(r"^visual\.attn_pool_contrast\."), "CONCH's package", "conch"),
    (re.compile(r"^(visual\.(transformer|trunk|layer1)|transformer\.resblocks|text\.transformer)\."), "open_clip", "open_clip"),
)


@dataclass(frozen=True)
class _Evidence:
    """What the cause is judged by."""

    faults: Faults
    tensors: Mapping[str, torch.Tensor]

    @property
    def names(self) -> Collection[str]:
        return self.tensors.keys()

    @property
    def known(self) -> list[str]:
        """Names that the architecture has, without single numbers such as a scale; a library may write them in another form."""
        unexpected = set(self.faults.unexpected)
        return [name for name, values in self.tensors.items() if name not in unexpected and values.ndim > 0]


def holds_adapter(names: Iterable[str]) -> bool:
    """Whether names are those of an adapter that is not merged."""
    return any(_ADAPTER.search(name) for name in names)


def _is_empty(evidence: _Evidence) -> bool:
    return any(values.numel() == 0 and evidence.faults.expected.get(name, torch.Size()).numel() > 0 for name, values in evidence.tensors.items())


def _only_part(evidence: _Evidence) -> str:
    """The part of the architecture, with its dot, that the checkpoint is by itself."""
    parts = dict.fromkeys(name.split(".")[0] + "." for name in evidence.faults.expected if "." in name)
    return next((part for part in parts if all(part + name in evidence.faults.expected for name in evidence.names)), "")


def _one_tower(evidence: _Evidence, image: bool) -> bool:
    known = evidence.known
    part = _only_part(evidence)
    if part:
        return bool(_IMAGE_TOWER.search(part)) == image
    return bool(known) and bool(evidence.faults.missing) and all(bool(_IMAGE_TOWER.search(name)) == image for name in known)


def _library(evidence: _Evidence) -> tuple[str, str] | None:
    for pattern, library, model in _LIBRARIES:
        if any(pattern.search(name) for name in evidence.names) and not any(pattern.search(name) for name in evidence.faults.expected):
            return library, model
    return None


def _is_other_depth(evidence: _Evidence) -> bool:
    patterns = {_LAYER.sub(".N", name) for name in evidence.faults.expected}
    surplus = all(_LAYER.sub(".N", name) in patterns and _LAYER.search(name) for name in evidence.faults.unexpected)
    lacking = all(_LAYER.sub(".N", name) in {_LAYER.sub(".N", found) for found in evidence.names} and _LAYER.search(name) for name in evidence.faults.missing)
    return surplus and lacking and bool(evidence.faults.unexpected or evidence.faults.missing)


def _parts(names: Iterable[str]) -> str:
    return named(dict.fromkeys(name.rpartition(".")[0] or name for name in sorted(names)))


_SIZE = "Name the architecture that the checkpoint was trained with; other image sizes, patch sizes and context lengths count as others."
# The first that matches is said.
_CAUSES: tuple[tuple[Callable[[_Evidence], Any], Callable[[_Evidence], str]], ...] = (
    (
        lambda evidence: holds_adapter(evidence.names),
        lambda evidence: "Adapters (LoRA) must be merged into their base first, and this checkpoint contains one that is not: merge_and_unload() of peft, then save.",
    ),
    (
        lambda evidence: evidence.faults.other_kind or any(_QUANTIZED.search(name) for name in evidence.names),
        lambda evidence: "The checkpoint is quantized. Save it in floating point; precision=int8 quantizes contrastive models here.",
    ),
    (
        _is_empty,
        lambda evidence: "Weights are empty, as DeepSpeed's ZeRO-3 saves them in parts: run zero_to_fp32.py, which DeepSpeed writes beside them, and name the file that it makes.",
    ),
    (
        _library,
        lambda evidence: "The names are those of {0}. Run the checkpoint with --model {1}, or convert it.".format(*_library(evidence)),
    ),
    (
        lambda evidence: _one_tower(evidence, image=True),
        lambda evidence: "The checkpoint contains the image encoder only. Images and texts are compared with both encoders: name a checkpoint that has both.",
    ),
    (
        lambda evidence: _one_tower(evidence, image=False),
        lambda evidence: "The checkpoint contains the text encoder only. Images and texts are compared with both encoders: name a checkpoint that has both.",
    ),
    (
        lambda evidence: not evidence.known,
        lambda evidence: "No name is one of the architecture's: the checkpoint is of another architecture or library. Name the architecture that it was trained with.",
    ),
    (lambda evidence: evidence.faults.mismatched or _is_other_depth(evidence), lambda evidence: f"The checkpoint is of another size. {_SIZE}"),
    (
        lambda evidence: not evidence.faults.missing,
        lambda evidence: f"The checkpoint has parts that the architecture lacks ({_parts(evidence.faults.unexpected)}), such as the head of another task, which would be left out. "
        "Save it without them, or name the architecture that has them.",
    ),
    (
        lambda evidence: not evidence.faults.unexpected,
        lambda evidence: f"The checkpoint lacks parts ({_parts(evidence.faults.missing)}), which would stay random. It was not saved whole: save it again, or copy them from its base if they were not trained.",
    ),
    (lambda evidence: True, lambda evidence: _SIZE),
)


def _cause(faults: Faults, state: Mapping[str, torch.Tensor]) -> str:
    evidence = _Evidence(faults, state)
    return next(advice(evidence) for matches, advice in _CAUSES if matches(evidence))


# Of checkpoints without weights: keys, and what they mean.
_WITHOUT_WEIGHTS = (
    (("zero_stage", "ds_config", "ds_version", "base_optimizer_state"), "It is a part that DeepSpeed's ZeRO saved: run zero_to_fp32.py, which DeepSpeed writes beside it, and name the file that it makes."),
    (("optimizer", "optimizer_state_dict", "optimizer_states", "param_groups"), "It is the state of an optimizer, which contains no weights: name the file with the model's."),
)


def advice_without_weights(content: Any) -> str:
    """What a file without weights seems to be, or nothing."""
    keys = set(content) | {key for value in content.values() if isinstance(value, Mapping) for key in value} if isinstance(content, Mapping) else set()
    return next((advice for signs, advice in _WITHOUT_WEIGHTS if keys & set(signs)), "")
