"""Check the options of a run: it must ask all documents once, with the benchmark's own prompt."""

from __future__ import annotations

from microbench_tasks import catalog
from microbench_tasks.runs import result_keys
from microbench_tasks.runs.logged_runs import LoggedRun
from microbench_tasks.runs.run_records import RunRecord
from microbench_tasks.submissions import run_arguments


def find_option_violations(run: LoggedRun) -> list[str]:
    """List options of a run that change what is asked, or that leave out a part of it."""
    if run.results is None:
        return []
    record, config = run.record, run.record.config
    violations = _task_violations(run)
    if config.limit:
        violations.append(f"--limit {config.limit:g}: a part of the benchmark was asked.")
    if config.offset:
        violations.append(f"--offset {config.offset}: a part of the benchmark was asked.")
    if (config.resolved_cli_args or {}).get("predict_only"):
        violations.append("--predict_only: the run has responses and no scores. Run it without.")
    if record.system_instruction:
        violations.append("--system_instruction: the models of the benchmark are asked without one (unknown prompt).")
    violations += [
        f"--repeats {count}: a submission has one answer to each question. Run again without --repeats."
        for count in sorted({_num_repeats(record, task) for task in run.samples} - {1})
    ]
    if record.served_model and record.served_model.get("shrinks_images"):
        violations.append(
            f"{result_keys.SHRINK_SETTING}: images that the server refused were shown at half their size. Run without."
        )
    violations += run_arguments.find_model_violations("--model_args", config.model_args)
    violations += run_arguments.find_generation_violations("--gen_kwargs", config.gen_kwargs)
    num_examples = record.num_examples or {}
    if shots := sorted({num_examples[task] for task in run.samples if num_examples.get(task)}):
        violations.append(
            f"--num_fewshot {shots[0]}: the models of the benchmark are shown no examples (unknown prompt)."
        )
    return violations + _size_violations(run)


def _task_violations(run: LoggedRun) -> list[str]:
    """List tasks with samples that the results file does not name, and the reverse."""
    asked = [task for task in catalog.in_order(run.record.configs) if catalog.is_submittable(task)]
    violations = [
        f"{task}: the run asked it (configs of {run.results_name}), but its samples file is missing."
        for task in asked
        if task not in run.samples
    ]
    return violations + [
        f"{task}: has samples, but {run.results_name} does not know it." for task in run.samples if task not in asked
    ]


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
