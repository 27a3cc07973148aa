"""Check the options of a run: it must ask all documents once, with the benchmark's own prompt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from microbench_tasks import catalog
from microbench_tasks.runs import result_keys
from microbench_tasks.runs.rescoring import LoggedRun
from microbench_tasks.submissions import run_arguments


def find_option_violations(run: LoggedRun) -> list[str]:
    """What only the harness's own results file records."""
    if run.results is None:
        return []
    recorded = run.recorded()
    config = recorded.get("config") or {}
    typed = config.get("resolved_cli_args") or {}
    asked = [task for task in catalog.TASKS if task in (recorded.get("configs") or {})]
    reasons = [
        f"{task}: the run asked it (configs of {run.results.name}), but its samples file is missing."
        for task in asked
        if task not in run.samples
    ]
    reasons += [
        f"{task}: has samples, but {run.results.name} does not know it." for task in run.samples if task not in asked
    ]
    reasons += [f"--limit {config['limit']:g}: a part of the benchmark was asked."] if config.get("limit") else []
    reasons += [f"--offset {config['offset']}: a part of the benchmark was asked."] if config.get("offset") else []
    reasons += (
        ["--predict_only: the run has responses and no scores. Run it without."] if typed.get("predict_only") else []
    )
    reasons += (
        ["--system_instruction: the models of the benchmark are asked without one (unknown prompt)."]
        if recorded.get("system_instruction")
        else []
    )
    repeats = sorted({count for task in run.samples if (count := _num_repeats(recorded, task)) > 1})
    reasons += [
        f"--repeats {count}: a submission has one answer to each question. Run again without --repeats."
        for count in repeats
    ]
    served = recorded.get(result_keys.SERVED)
    if isinstance(served, dict) and served.get("shrinks_images"):
        reasons.append(
            f"{result_keys.SHRINK_SETTING}: images that the server refused were shown at half their size. Run without."
        )
    shots = sorted({count for task in run.samples if (count := (recorded.get("n-shot") or {}).get(task))})
    reasons += run_arguments.find_model_violations("--model_args", config.get("model_args"))
    reasons += run_arguments.find_generation_violations("--gen_kwargs", config.get("gen_kwargs"))
    return (
        reasons
        + (
            [f"--num_fewshot {shots[0]}: the models of the benchmark are shown no examples (unknown prompt)."]
            if shots
            else []
        )
        + _size_violations(run)
    )


def _num_repeats(recorded: Mapping[str, Any], task: str) -> int:
    """Return how often a run asked each question of a task."""
    count = (recorded["configs"].get(task) or {}).get("repeats", 1)
    return count if isinstance(count, int) else 1


def _size_violations(run: LoggedRun) -> list[str]:
    reasons = []
    for task in run.samples:
        sizes = (run.recorded().get("n-samples") or {}).get(task)
        if not sizes:
            reasons.append(f"{task}: {run.results.name} does not say how many documents it has (n-samples).")
        elif sizes["effective"] != sizes["original"]:
            reasons.append(f"{task}: {sizes['effective']} of its {sizes['original']} documents were asked.")
    return reasons
