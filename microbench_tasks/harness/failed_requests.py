"""Handle requests without an answer in the results of a run: drop scores that mean nothing, and report the rest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from typing import Any

from microbench_tasks import catalog
from microbench_tasks.harness import resume_advice
from microbench_tasks.runs import unanswered_tasks

_MAX_NAMED_TASKS = 5


def drop_unanswered_scores(results: MutableMapping[str, Any]) -> list[str]:
    """Remove the scores of tasks without any answer, and of groups with such a task, from a run's results.

    Args:
        results: what the harness's ``evaluate`` returns; modified.

    Returns:
        The tasks without any answer.
    """
    failed = _num_failed(results)
    unanswered = [name for name, number in failed.items() if number >= _num_asked(results, name)]
    groups = [name for name in catalog.GROUPS if set(catalog.tasks_named([name])) & set(unanswered)]
    for table in (results.get("results", {}), results.get("groups", {})):
        for name in (*unanswered, *groups):
            if name in table:
                table[name] = _without_scores(table[name])
    return unanswered


def failure_summary(results: Mapping[str, Any], arguments: Sequence[str]) -> str:
    """Return the number of failed requests and the command that asks only those; empty if none failed.

    Args:
        results: of the run, as the harness returns them.
        arguments: of the command, without the program.
    """
    failures = count_failures(results)
    return f"{failures} {resume_advice.retry_hint(arguments)}" if failures else ""


def count_failures(results: Mapping[str, Any]) -> str:
    """Return the number of failed requests of a run, in a sentence; empty if none failed."""
    failed = _num_failed(results)
    listed = _join_first(f"{name} {number:,}" for name, number in failed.items())
    return f"{sum(failed.values()):,} request(s) got no answer and count as wrong ({listed})." if failed else ""


def _num_failed(results: Mapping[str, Any]) -> dict[str, int]:
    """Return the number of failed requests of each of our tasks that has any."""
    values = results.get("results", {})
    tasks = catalog.tasks_named(catalog.in_order(values))
    counts = {name: int(values[name].get("failed,none", 0)) for name in tasks if name in values}
    return {name: count for name, count in counts.items() if count}


def _num_asked(results: Mapping[str, Any], task: str) -> int:
    """Return the number of answers that a task should have, repeats included."""
    samples = results.get("samples", {}).get(task)
    # The harness's number ignores --offset.
    questions = len(samples) if samples else int(results["n-samples"][task]["effective"])
    values = results["results"][task]
    repeats = values.get("repeats,none") or values.get("boxes_repeats,none")
    answers = repeats["answers"] if repeats else 1
    return questions * (answers if isinstance(answers, int) else max(answers))


def _without_scores(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries of a task, whose metrics the harness names ``metric,filter``, without its scores."""
    kept = unanswered_tasks.without_scores({entry.partition(",")[0]: None for entry in values if "," in entry})
    return {entry: value for entry, value in values.items() if "," not in entry or entry.partition(",")[0] in kept}


def _join_first(parts: Iterable[str]) -> str:
    listed = list(parts)
    return ", ".join(listed[:_MAX_NAMED_TASKS] + (["…"] if len(listed) > _MAX_NAMED_TASKS else []))
