"""Check that the samples of a run are complete, and that its prompts and responses are the benchmark's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from microbench_tasks import catalog
from microbench_tasks.parsing.letters.paper_rule import lettered_options
from microbench_tasks.runs import rescoring
from microbench_tasks.runs.rescoring import LoggedRun
from microbench_tasks.tasks.prompts import INSTRUCTION, microbench_doc_to_text

Sample = Mapping[str, Any]


def find_sample_violations(run: LoggedRun, task: str, samples: Sequence[Sample]) -> list[str]:
    """Where the samples of one task are not whole, have no items, or were not asked in the known way."""
    bare = sum(item_of(task, sample) is None for sample in samples)
    if bare:
        return [
            f"{task}: {bare} of {len(samples)} samples have a response and no score (--predict_only). Run it without."
        ]
    gaps = [position for position, sample in enumerate(samples) if sample["doc_id"] != position]
    reasons = [f"{task}: no sample of document {gaps[0]}, but of later ones: the log is not whole."] if gaps else []
    try:
        unknown = [sample["doc_id"] for sample in samples if not _is_known_prompt(run, task, sample)]
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        return [*reasons, f"{task}: its prompts cannot be checked: {type(error).__name__}: {error}"]
    if unknown:
        asked = (
            "the paper's prompt around a question and its options"
            if catalog.TASKS[task].subject != "boxes"
            else "the prompt for boxes that the run records (metadata.boxes)"
        )
        reasons.append(
            f"{task}: unknown prompt in {len(unknown)} of {len(samples)} samples, such as that of document {unknown[0]}: expected {asked}, and nothing before or after."
        )
    return reasons


def item_of(task: str, sample: Sample) -> Mapping[str, Any] | None:
    return sample.get("grit" if catalog.TASKS[task].subject == "boxes" else "acc")


def find_response_violations(run: LoggedRun, task: str, samples: Sequence[Sample]) -> list[str]:
    """Where the response that is scored is not what the model said, less its reasoning; the harness logs that only where the two differ."""
    if not any("resps" in sample for sample in samples):
        return []
    from lmms_eval.api.reasoning import parse_reasoning_tags_config, strip_reasoning_tags

    recorded = run.recorded()
    typed = (recorded.get("config") or {}).get("resolved_cli_args") or {}
    tags = (
        parse_reasoning_tags_config(
            typed.get("reasoning_tags"), (recorded.get("configs", {}).get(task) or {}).get("reasoning_tags")
        )
        or []
    )
    changed = []
    for sample in samples:
        said = sample.get("resps", sample.get("filtered_resps"))
        while isinstance(said, list) and len(said) == 1:
            said = said[0]
        if "resps" in sample and not (
            isinstance(said, str) and sample.get("filtered_resps") in (said, strip_reasoning_tags(said, tags))
        ):
            changed.append(sample["doc_id"])
    return (
        [
            f"{task}: what is scored (filtered_resps) of {len(changed)} sample(s) is not what the model said (resps) without its reasoning, such as document {changed[0]}."
        ]
        if changed
        else []
    )


def _is_known_prompt(run: LoggedRun, task: str, sample: Sample) -> bool:
    item, prompt = item_of(task, sample), sample["input"]
    if catalog.TASKS[task].subject == "boxes":
        asked = rescoring.logged_format(run, task)
        size = (item["width"], item["height"])
        as_recorded = (item["convention"], tuple(item["model_input_size"])) == (
            asked.convention,
            asked.model_input_size(size),
        )
        return as_recorded and prompt == asked.prompt(item["expression"], size)
    before, after = f"{INSTRUCTION}\nQuestion:", "".join(f"\n{line}" for line in lettered_options(item["options"]))
    question = prompt[len(before) : len(prompt) - len(after)]
    return prompt == microbench_doc_to_text({"question": question, "options": item["options"]})
