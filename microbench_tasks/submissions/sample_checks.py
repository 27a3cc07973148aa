"""Check that the samples of a run are complete, and that its prompts and responses are the benchmark's."""

from __future__ import annotations

from collections.abc import Sequence

from microbench_tasks import catalog
from microbench_tasks.parsing.letters.paper_rule import lettered_options
from microbench_tasks.runs import scoring
from microbench_tasks.runs.logged_runs import LoggedRun
from microbench_tasks.runs.sample_records import BoxItem, SampleRecord
from microbench_tasks.tasks.prompts import INSTRUCTION, microbench_doc_to_text


def find_sample_violations(run: LoggedRun, task: str, samples: Sequence[SampleRecord]) -> list[str]:
    """List what is wrong with the samples of a task: missing documents or scores, or another prompt than the known.

    Args:
        run: the run.
        task: the task.
        samples: its samples in the order of the documents.
    """
    bare = sum(sample.item is None for sample in samples)
    if bare:
        return [
            f"{task}: {bare} of {len(samples)} samples have a response and no score (--predict_only). Run it without."
        ]
    gaps = [position for position, sample in enumerate(samples) if sample.doc_id != position]
    reasons = [f"{task}: no sample of document {gaps[0]}, but of later ones: the log is incomplete."] if gaps else []
    try:
        unknown = [sample.doc_id for sample in samples if not _is_known_prompt(run, task, sample)]
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        return [*reasons, f"{task}: its prompts cannot be checked: {type(error).__name__}: {error}"]
    if unknown:
        asked = (
            "the paper's prompt around a question and its options"
            if catalog.task_of(task).subject != "boxes"
            else "the prompt for boxes that the run records (metadata.boxes)"
        )
        reasons.append(
            f"{task}: unknown prompt in {len(unknown)} of {len(samples)} samples, such as that of document "
            f"{unknown[0]}: expected {asked}, and nothing before or after."
        )
    return reasons


def find_response_violations(run: LoggedRun, task: str, samples: Sequence[SampleRecord]) -> list[str]:
    """List the task if a scored response is not the raw response without its reasoning.

    The harness logs raw responses only if they differ from the scored ones.
    """
    if not any(_has_raw_response(sample) for sample in samples):
        return []
    from lmms_eval.api.reasoning import parse_reasoning_tags_config, strip_reasoning_tags

    typed, config = run.record.config.resolved_cli_args or {}, run.record.configs.get(task)
    tags = parse_reasoning_tags_config(typed.get("reasoning_tags"), config and config.reasoning_tags) or []
    changed = []
    for sample in samples:
        raw = sample.resps
        while isinstance(raw, list) and len(raw) == 1:
            raw = raw[0]
        is_scored = isinstance(raw, str) and sample.filtered_resps in (raw, strip_reasoning_tags(raw, tags))
        if _has_raw_response(sample) and not is_scored:
            changed.append(sample.doc_id)
    if not changed:
        return []
    return [
        f"{task}: what is scored (filtered_resps) of {len(changed)} sample(s) is not what the model said (resps) "
        f"without its reasoning, such as document {changed[0]}."
    ]


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
