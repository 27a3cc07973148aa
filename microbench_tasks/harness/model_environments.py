"""Refuse models that cannot run with the installed transformers, before data or weights are read."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import metadata

from packaging.specifiers import SpecifierSet

from microbench_tasks.util.errors import DataError


@dataclass(frozen=True)
class Requirement:
    """State with which releases of transformers a model runs.

    Attributes:
        transformers: these releases, as pip writes them.
        way_out: what to do instead.
    """

    transformers: str
    way_out: str


_VLM = "Use --model transformers_vlm --model_args model=…, which runs any image-text-to-text model of transformers."
_NEW = "Install it (pip install -U transformers), or use the environment of the README."
# Of lmms-eval 0.7.3 as was seen, or is known of the code that comes with a checkpoint; of this package as was tried.
REQUIREMENTS = {
    # By the checkpoint's own code. Besides, the class asks without the chat format that the checkpoint was trained on.
    "qwen_vl": Requirement("<4.52", "Use --model qwen_vl_chat, which asks as the paper does."),
    # By the checkpoint's own code.
    "cogvlm2": Requirement(
        "<4.42",
        "Make an environment of its own, in a clone of this package: python3.11 -m venv cogvlm && "
        "cogvlm/bin/pip install . xformers -c constraints/cogvlm.txt",
    ),
    # They pass an argument that newer processors refuse, and take a class that cannot write.
    "huggingface": Requirement("<5", _VLM),
    "async_hf_model": Requirement("<5", _VLM),
    "transformers_vlm": Requirement(">=5", _NEW),
    "paligemma": Requirement(">=5", _NEW),
}


def check(model: str | None) -> None:
    """Check that a model's class can run with the installed transformers.

    Args:
        model: its name in the harness.

    Raises:
        DataError: it does not run with this release; says what to do instead.
    """
    requirement = REQUIREMENTS.get(model or "")
    installed = metadata.version("transformers")
    if requirement is not None and installed not in SpecifierSet(requirement.transformers, prereleases=True):
        raise DataError(
            f"--model {model} runs with transformers{requirement.transformers}, and {installed} is installed. "
            f"{requirement.way_out}"
        )
