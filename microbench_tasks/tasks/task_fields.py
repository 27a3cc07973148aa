"""List every field of a task's YAML in lmms-eval with its effect on a run.

The table is an allow-list: only fields of effect ``nothing`` may differ from the package's own definition in a
submission. A field that is not in the table counts as changing what is asked.

A field has the effect ``nothing`` only if lmms-eval never reads it to build requests, to show images, to filter
responses or to score them (checked in version 0.7.3). Some fields have an effect only together with another field,
such as ``target_delimiter`` with ``multiple_choice``: the table states that effect.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Effect = Literal["asked", "shown", "answered", "read", "nothing"]

# asked: question, prompt or documents. shown: the image. answered: how the model generates. read: filters and scores.
FIELDS: Mapping[str, Effect] = {
    # Names and labels.
    "task": "nothing",
    "task_alias": "nothing",
    "tag": "nothing",
    "group": "nothing",
    "group_alias": "nothing",
    # A user's own keys. Those that this package records are measured anew in every run.
    "metadata": "nothing",
    # Never read by lmms-eval.
    "full_docs": "nothing",
    "use_prompt": "nothing",
    "should_decontaminate": "nothing",
    "doc_to_decontamination_query": "nothing",
    # Documents.
    "dataset_path": "asked",
    "dataset_name": "asked",
    "dataset_kwargs": "asked",
    "training_split": "asked",
    "validation_split": "asked",
    "test_split": "asked",
    "fewshot_split": "asked",
    "process_docs": "asked",
    # The request. `class` is the Python class that a YAML names instead of the harness's own.
    "class": "asked",
    "doc_to_text": "asked",
    "doc_to_choice": "asked",
    "doc_to_messages": "asked",
    "description": "asked",
    "target_delimiter": "asked",
    "fewshot_delimiter": "asked",
    "fewshot_config": "asked",
    "num_fewshot": "asked",
    "lmms_eval_specific_kwargs": "asked",
    "doc_to_visual": "shown",
    # Generation. Settings for single models count as merged into `generation_kwargs` for the model that ran.
    "output_type": "answered",
    "generation_kwargs": "answered",
    "model_specific_generation_kwargs": "answered",
    "repeats": "answered",
    # Reading and scoring.
    "doc_to_target": "read",
    "model_specific_target_kwargs": "read",
    "filter_list": "read",
    "reasoning_tags": "read",
    "auto_strip_thinking": "read",
    "process_results": "read",
    "process_results_use_image": "read",
    "metric_list": "read",
    "cluster_key": "read",
    "score_key": "read",
}


def effect(field: str) -> Effect:
    """Return what a redefined field changes; ``asked`` for an unknown one."""
    return FIELDS.get(field.partition(".")[0], "asked")


def plain_name(field: str) -> str:
    """Return a field's name in ASCII: a key in it may be anybody's text."""
    return field.encode("unicode_escape").decode("ascii")
