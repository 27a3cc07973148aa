"""Classify the data of a run by the identity that it recorded: release, demo, local or own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from microbench_tasks import catalog
from microbench_tasks.data import dataset_setting, source_identity
from microbench_tasks.data.source_identity import without_path
from microbench_tasks.runs.logged_runs import LoggedRun

DataKind = Literal["release", "demo", "local", "own"]


def classify_source(identity: Mapping[str, Any]) -> DataKind:
    """Classify a data source by its recorded identity.

    Returns:
        ``release`` (on the Hub at its pinned revision, or a copy with its hashes), ``demo``, ``own`` (an own dataset),
        or ``local`` for anything else, also for an identity that is not known.
    """
    if identity.get("source") == source_identity.OWN:
        return "own"
    if identity.get("source") == dataset_setting.DEMO:
        return "demo"
    is_release = source_identity.is_release(identity) or _is_cognition_on_hub(without_path(identity))
    return "release" if is_release else "local"


def _is_cognition_on_hub(stated: Mapping[str, Any]) -> bool:
    """Tell whether a source is the cognition questions in the release's repository, which have no pinned revision."""
    expected = source_identity.hub_identity(catalog.COGNITION, str(stated.get("revision"))) | {
        "sha256": stated.get("sha256")
    }
    return stated == expected and stated["sha256"] is not None


def classify_run(run: LoggedRun) -> DataKind:
    """Classify the data of a run by those of its `main_tasks`."""
    return classify_source(run.metadata(main_tasks(run.samples)[0]).dataset or {})


def main_tasks(tasks: Iterable[str]) -> list[str]:
    """Return the tasks whose data give a submission its kind.

    They are the tasks about the benchmark's micrographs; without any that of the cognition questions; else all, which
    are about own data.
    """
    named = list(tasks)
    of_source = {catalog.task_of(names[0]).source: names for names in catalog.by_source(named)}
    return of_source.get(catalog.MICROGRAPHS) or of_source.get(catalog.COGNITION) or named
