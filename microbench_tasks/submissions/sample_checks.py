"""Check that the samples of a run are complete, and that its prompts and responses are the benchmark's."""

from __future__ import annotations

from collections.abc import Sequence

from microbench_tasks import catalog
from microbench_tasks.parsing.letters.paper_rule import lettered_options
from microbench_tasks.runs import scoring
from microbench_tasks.runs.logs import LoggedRun
from microbench_tasks.runs.records import BoxItem, SampleRecord
from microbench_tasks.tasks.prompts import INSTRUCTION, microbench_doc_to_text


def find_sample_violations(run: LoggedRun, task: str, samples: Sequence[SampleRecord]) -> list[str]:
    """Where the samples of one task are not whole, have no items, or were not asked in the known way."""
    bare = sum(sample.item is None for sample in samples)
    if bare:
        return [
            f"{task}: {bare} of {len(samples)} samples have a response and no score (--predict_only). Run it without."
        ]
    gaps = [position for position, sample in enumerate(samples) if sample.doc_id != position]
    reasons = [f"{task}: no sample of document {gaps[0]}, but of later ones: the log is not whole."] if gaps else []
    try:
        unknown = [sample.doc_id for sample in samples if not _is_known_prompt(run, task, sample)]
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


def find_response_violations(run: LoggedRun, task: str, samples: Sequence[SampleRecord]) -> list[str]:
    """Where the response that is scored is not what the model said, less its reasoning; the harness logs that only where the two differ."""
    if not any(_has_raw_response(sample) for sample in samples):
        return []
    from lmms_eval.api.reasoning import parse_reasoning_tags_config, strip_reasoning_tags

    typed, config = run.record.config.resolved_cli_args or {}, run.record.configs.get(task)
    tags = parse_reasoning_tags_config(typed.get("reasoning_tags"), config and config.reasoning_tags) or []
    changed = []
    for sample in samples:
        said = sample.resps if _has_raw_response(sample) else sample.filtered_resps
        while isinstance(said, list) and len(said) == 1:
            said = said[0]
        if _has_raw_response(sample) and not (
            isinstance(said, str) and sample.filtered_resps in (said, strip_reasoning_tags(said, tags))
        ):
            changed.append(sample.doc_id)
    return (
        [
            f"{task}: what is scored (filtered_resps) of {len(changed)} sample(s) is not what the model said (resps) without its reasoning, such as document {changed[0]}."
        ]
        if changed
        else []
    )


def _has_raw_response(sample: SampleRecord) -> bool:
    return "resps" in sample.model_fields_set


def _is_known_prompt(run: LoggedRun, task: str, sample: SampleRecord) -> bool:
    item, prompt = sample.item, sample.prompt
    if isinstance(item, BoxItem):
        asked = scoring.recorded_box_format(run, task)
        size = (item.width, item.height)
        as_recorded = (item.convention, tuple(item.model_input_size)) == (
            asked.convention,
            asked.model_input_size(size),
        )
        return as_recorded and prompt == asked.prompt(item.expression, size)
    if item is None:
        return False
    before, after = f"{INSTRUCTION}\nQuestion:", "".join(f"\n{line}" for line in lettered_options(item.options))
    question = prompt[len(before) : len(prompt) - len(after)]
    return prompt == microbench_doc_to_text({"question": question, "options": item.options})
