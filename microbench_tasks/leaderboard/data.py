"""Identify the data of a submission from its manifest: release, demo or local data, with their hashes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from microbench_tasks import catalog
from microbench_tasks.data import dataset_setting, source_identity
from microbench_tasks.submissions import data_kinds, score_checks
from microbench_tasks.submissions.data_kinds import DataKind
from microbench_tasks.util.errors import DataError

if TYPE_CHECKING:
    from microbench_tasks.runs.rescoring import Rescored

# In the order in which they are shown.
DATA_KINDS: tuple[DataKind, ...] = ("release", "demo", "local", "own")

# For each kind of source: the fields that identify the data, with their patterns, and the other fields it may have.
_SHA256 = "[0-9a-f]{64}"
_IDENTIFYING = {
    "hub": {"id": ".+", "config": ".+", "revision": "[0-9a-f]{40}", "sha256": _SHA256},
    "folder": {"sha256": _SHA256},
    dataset_setting.DEMO: {"sha256": _SHA256},
    source_identity.OWN: {"name": "[a-z0-9_]+", "sha256": _SHA256},
}
_BESIDE = {
    "hub": ("is_release",),
    "folder": ("is_release",),
    dataset_setting.DEMO: ("version", "seed"),
    source_identity.OWN: ("licence", "groups"),
}


@dataclass(frozen=True, order=True)
class Data:
    """Identify the data of a group: its kind, and its identity as JSON (revision or content hash)."""

    kind: DataKind
    identity: str

    def shown(self) -> str:
        """Return the kind with the first digits of the revision or hash."""
        # Not validated: a submission may contain any text here.
        hashes = [str(source.get("revision") or source.get("sha256") or "") for source in json.loads(self.identity)]
        marks = [re.sub(r"[^0-9A-Za-z]", "", digest)[:8] for digest in hashes]
        return f"{self.kind} ({', '.join(filter(None, marks)) or 'no hash'})"


def check_sources(folder: Path, rescored: Rescored, sources: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise `DataError` unless every task has a source, and sources of the release have its numbers of questions."""
    if missing := sorted(rescored.samples.keys() - sources.keys()):
        raise DataError(f"{folder}: submission.json, data.sources: expected an entry for {', '.join(missing)}.")
    for task, source in sources.items():
        if problem := _source_problem(source):
            raise DataError(f"{folder}: submission.json, data.sources.{task}: {problem}.")
    kinds = {data_kinds.classify_source(sources[task]) for task in data_kinds.main_tasks(rescored.samples)}
    names_release = "release" in kinds
    if problems := score_checks.find_count_violations("release", rescored) if names_release else []:
        raise DataError(
            f"{folder}: {' '.join(problems)} Its data are not the release, or the submission is incomplete. "
            "Check it with microbench verify."
        )


def _source_problem(source: Mapping[str, Any]) -> str:
    """Say why a task's source does not identify its data, or return an empty text if it does."""
    kind = source["source"]
    if not isinstance(kind, str) or kind not in _IDENTIFYING:
        return f"expected a source of {', '.join(_IDENTIFYING)}, got {kind!r:.50}"
    if unknown := sorted(source.keys() - {"source", *_IDENTIFYING[kind], *_BESIDE[kind]}):
        return f"unknown field {unknown[0]!r:.50} for a source of {kind}"
    for name, pattern in _IDENTIFYING[kind].items():
        if not re.fullmatch(pattern, str(source.get(name))):
            return f"{name}: expected {pattern}, got {source.get(name)!r:.50}"
    is_release = source.get("sha256") == source_identity.release_sha256()
    return "" if source.get("is_release", False) is is_release else "is_release contradicts the hash"


def data_of(group: str, sources: Iterable[Mapping[str, Any]]) -> Data:
    """Return the data of a group, given the sources of its tasks."""
    named = list(sources)
    kinds = {_kind(group, source) for source in named}
    identities = sorted({json.dumps(_identity(source), sort_keys=True) for source in named})
    return Data(max(kinds, key=DATA_KINDS.index), f"[{', '.join(identities)}]")


def _kind(group: str, source: Mapping[str, Any]) -> DataKind:
    kind = data_kinds.classify_source(source)
    # The release has no cognition questions.
    return "local" if kind == "release" and group == catalog.COGNITION_TASK else kind


def _identity(source: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that identify the data of a source; a local copy of the release counts as the release."""
    if data_kinds.classify_source(source) == "release" and source["source"] != "hub":
        source = source_identity.release_identity()
    return {name: source[name] for name in ("source", *_IDENTIFYING[source["source"]])}
