"""What no check of a submission can know, as data: printed by ``microbench verify`` and part of the documentation."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limit:
    """One thing that answers and data do not show.

    Attributes:
        name: short and unique.
        text: what is not known.
        fields: what of ``submission.json`` may be changed in all files alike without being noticed, within the schema;
            empty where the limit is none of single fields.
    """

    name: str
    text: str
    fields: tuple[str, ...] = ()


LIMITS = (
    Limit(
        "model",
        "which model and which weights gave the answers: name, addresses, checkpoint record, backend, "
        "precision and device are as stated",
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
        "arguments of the model and generation settings that were left out or changed, if what is stated adds"
        " nothing to a prompt",
        ("model.model_args", "model.gen_kwargs", "model.generation_kwargs"),
    ),
    Limit(
        "answers",
        "whether the model gave the answers: they may be made up, taken from the right ones or from another "
        "model, edited, or the best of several tries; the same holds for probabilities",
    ),
    Limit("reasoning", "what a model said before its reasoning was taken off: samples hold the part that is scored"),
    Limit(
        "definition",
        "the definition of the tasks that ran, and whether the model was shown the stated documents and "
        "nothing else (another image, more text): submit reads the run's own record, which a forger can write",
    ),
    Limit(
        "boxes",
        "whether a prompt for boxes that was set by hand was in force, and whether the model writes boxes in "
        "the convention that was set",
        ("settings.boxes",),
    ),
    Limit(
        "date",
        "when it was run: any date from the benchmark's publication to today can be stated",
        ("run.date", "run.name"),
    ),
    Limit(
        "environment",
        "with which packages, on which machine, and with which seeds: versions that exist can be stated",
        ("versions.microbench", "versions.lmms_eval", "versions.packages", "seeds"),
    ),
    Limit("selection", "whole tasks that were left out, and runs that were not submitted"),
    Limit("source", "whether the release came from the Hub or from a copy with its hashes", ("data.sources",)),
    Limit("cognition", "whether the cognition questions at hand are the paper's, which are not public"),
    Limit(
        "submitter",
        "who submits: a digest is no signature. Compare it with one published elsewhere, or run the model again",
        ("digest",),
    ),
)


def as_lines() -> list[str]:
    """One line for each limit."""
    return [f"{limit.name}: {limit.text}" for limit in LIMITS]
