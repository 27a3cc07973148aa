"""Check the options of a run: it must ask all documents once, with the benchmark's own prompt."""

from __future__ import annotations

from microbench_tasks import catalog
from microbench_tasks.runs import result_keys
from microbench_tasks.runs.logs import LoggedRun
from microbench_tasks.runs.records import RunRecord
from microbench_tasks.submissions import run_arguments


def find_option_violations(run: LoggedRun) -> list[str]:
    """What only the harness's own results file records."""
    if run.results is None:
        return []
    record, config = run.record, run.record.config
    typed = config.resolved_cli_args or {}
    asked = [task for task in catalog.TASKS if task in record.configs]
    reasons = [
        f"{task}: the run asked it (configs of {run.results.name}), but its samples file is missing."
        for task in asked
        if task not in run.samples
    ]
    reasons += [
        f"{task}: has samples, but {run.results.name} does not know it." for task in run.samples if task not in asked
    ]
    reasons += [f"--limit {config.limit:g}: a part of the benchmark was asked."] if config.limit else []
    reasons += [f"--offset {config.offset}: a part of the benchmark was asked."] if config.offset else []
    reasons += (
        ["--predict_only: the run has responses and no scores. Run it without."] if typed.get("predict_only") else []
    )
    reasons += (
        ["--system_instruction: the models of the benchmark are asked without one (unknown prompt)."]
        if record.system_instruction
        else []
    )
    repeats = sorted({count for task in run.samples if (count := _num_repeats(record, task)) > 1})
    reasons += [
        f"--repeats {count}: a submission has one answer to each question. Run again without --repeats."
        for count in repeats
    ]
    if record.served_model and record.served_model.get("shrinks_images"):
        reasons.append(
            f"{result_keys.SHRINK_SETTING}: images that the server refused were shown at half their size. Run without."
        )
    num_examples = record.num_examples or {}
    shots = sorted({num_examples[task] for task in run.samples if num_examples.get(task)})
    reasons += run_arguments.find_model_violations("--model_args", config.model_args)
    reasons += run_arguments.find_generation_violations("--gen_kwargs", config.gen_kwargs)
    return (
        reasons
        + (
            [f"--num_fewshot {shots[0]}: the models of the benchmark are shown no examples (unknown prompt)."]
            if shots
            else []
        )
        + _size_violations(run)
    )


def _num_repeats(record: RunRecord, task: str) -> int:
    """Return how often a run asked each question of a task."""
    config = record.configs.get(task)
    return (config and config.repeats) or 1


def _size_violations(run: LoggedRun) -> list[str]:
    reasons = []
    for task in run.samples:
        counts = run.record.num_documents.get(task)
        if counts is None:
            reasons.append(f"{task}: {run.results_name} does not say how many documents it has (n-samples).")
        elif counts.effective != counts.original:
            reasons.append(f"{task}: {counts.effective} of its {counts.original} documents were asked.")
    return reasons
