"""List what no check of a submission can know; ``microbench verify`` prints it, and the documentation contains it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limit:
    """Describe one thing that answers and data do not show.

    Attributes:
        name: a short unique name.
        text: what is not known.
        fields: fields of ``submission.json`` that can be changed consistently in all files without being noticed.
    """

    name: str
    text: str
    fields: tuple[str, ...] = ()


LIMITS = (
    Limit(
        "model",
        "which model and which weights gave the answers: name, addresses, checkpoint record, backend, "
        "precision and device are only stated",
        (
            "model.name",
            "model.url",
            "model.harness_model",
            "model.backend",
            "model.loaded_model",
            "model.precision",
            "run.samples_url",
        ),
    ),
    Limit(
        "arguments",
        "whether the stated model arguments and generation settings are complete and true",
        ("model.model_args", "model.gen_kwargs", "model.generation_kwargs"),
    ),
    Limit(
        "answers",
        "whether the model gave the answers and probabilities: they may be invented, edited, copied from the "
        "right answers or another model, or be the best of several runs",
    ),
    Limit(
        "reasoning",
        "what a model said besides the scored part, such as its reasoning: samples contain the scored part only",
    ),
    Limit(
        "definition",
        "whether the tasks ran as defined, and whether the model was shown exactly the stated documents (no "
        "other image, no more text): submit reads the run's own record, which can be forged",
    ),
    Limit(
        "boxes",
        "whether a prompt for boxes that was set by hand was used, and whether the model writes boxes in "
        "the convention that was set",
        ("settings.boxes",),
    ),
    Limit(
        "date",
        "when the run took place: any date from the benchmark's publication to today can be stated",
        ("run.date", "run.name"),
    ),
    Limit(
        "environment",
        "which packages, machine and seeds were used: any existing version, and any commit, can be stated",
        ("versions.microbench", "versions.commit", "versions.lmms_eval", "versions.packages", "seeds"),
    ),
    Limit("selection", "whether whole tasks were left out, or other runs were not submitted"),
    Limit("source", "whether the release came from the Hub or from a copy with its hashes", ("data.sources",)),
    Limit("cognition", "whether the cognition questions at hand are the paper's, which are not public"),
    Limit(
        "submitter",
        "who submits: a digest is not a signature. Compare it with one published elsewhere, or run the model again",
        ("digest",),
    ),
)


def as_lines() -> list[str]:
    """Return one line for each limit."""
    return [f"{limit.name}: {limit.text}" for limit in LIMITS]
