"""Compare scores and numbers of samples with those that the responses give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from microbench_tasks import catalog
from microbench_tasks.runs import mismatches, rescoring
from microbench_tasks.runs.logged_runs import LoggedRun
from microbench_tasks.runs.rescoring import Rescored
from microbench_tasks.runs.sample_records import SampleRecord
from microbench_tasks.submissions.data_kinds import DataKind
from microbench_tasks.tasks.interval_settings import interval_settings

_FINE_TOTAL = f"the total of {catalog.FINE_GROUP}"
_CELL_CYCLE = f"{catalog.FINE_GROUP}_cell_cycle"
_OUTSIDE_TOTAL = f"the part of {_CELL_CYCLE} outside the fine total"


def find_score_violations(
    run: LoggedRun, samples: Mapping[str, Sequence[SampleRecord]], rescored: Rescored
) -> list[str]:
    """List scores that differ from those of the responses, and tasks with failed requests."""
    violations = []
    for task, logged in samples.items():
        if changed := find_changed_scores(logged, rescored.samples[task]):
            violations.append(
                f"{task}: the logged score of {len(changed)} sample(s) is not that of the response, such as document "
                f"{changed[0]}."
            )
    has_same_intervals = all(run.metadata(task).interval == interval_settings() for task in run.samples)
    if has_same_intervals and (differing := mismatches.differing_figures(run, rescored.scores)):
        violations.append(
            f"{len(differing)} figure(s) of the results file are not those of the samples, such as {differing[0]}."
        )
    return violations + find_failed_requests(rescored)


def find_changed_scores(samples: Sequence[SampleRecord], rescored: Sequence[rescoring.ScoredSample]) -> list[int]:
    """Return the numbers of the documents whose logged score is not that of their response.

    Args:
        samples: of one task, in any order.
        rescored: the same, scored again, in the order of the documents.
    """
    in_order = sorted(samples, key=lambda sample: sample.doc_id)
    return [
        sample.doc_id
        for sample, again in zip(in_order, rescored, strict=True)
        if not mismatches.are_equal(sample.score, again.items["score"])
    ]


def find_failed_requests(rescored: Rescored) -> list[str]:
    """List the tasks in which requests got no response."""
    failed = {task: rescored.scores[task]["failed"] for task in rescored.num_samples if rescored.scores[task]["failed"]}
    return [
        f"{task}: {count} request(s) got no response. Run again with --use_cache, which asks only these."
        for task, count in failed.items()
    ]


def find_count_violations(kind: DataKind, rescored: Rescored) -> list[str]:
    """List the tasks of the release, and totals of fine tasks, with another number of samples than of questions."""
    if kind != "release":
        return []
    expected = dict(catalog.RELEASE_COUNTS)
    counts = dict(rescored.num_samples)
    if _CELL_CYCLE in counts:
        expected |= {_OUTSIDE_TOTAL: catalog.RELEASE_QUESTIONS_OUTSIDE_FINE_TOTAL}
        counts |= {_OUTSIDE_TOTAL: counts[_CELL_CYCLE] - rescored.num_in_total[_CELL_CYCLE]}
    fine = catalog.tasks_named([catalog.FINE_GROUP])
    if counts.keys() >= set(fine):
        expected |= {
            catalog.FINE_GROUP: catalog.RELEASE_QUESTIONS,
            _FINE_TOTAL: catalog.RELEASE_QUESTIONS - catalog.RELEASE_QUESTIONS_OUTSIDE_FINE_TOTAL,
        }
        counts |= {
            catalog.FINE_GROUP: sum(counts[task] for task in fine),
            _FINE_TOTAL: sum(rescored.num_in_total[task] for task in fine),
        }
    return [
        f"{name}: {counts[name]} samples, but the release has {number} questions."
        for name, number in expected.items()
        if name in counts and counts[name] != number
    ]
