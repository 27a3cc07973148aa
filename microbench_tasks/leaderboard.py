"""Submissions ranked: one ranking for each part of the benchmark, and who is really better in it.

Only answers to the same questions are compared: submissions on other data, or of another version of
the tasks, are ranked apart. Every figure is computed from the answers; those that a submission states are not read.
`microbench_tasks.leaderboard_files` writes what is found.
"""

from __future__ import annotations

import collections
import dataclasses
import json
import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from microbench_tasks import catalog, eligibility, paper, source
from microbench_tasks.aggregations import bootstrap_settings
from microbench_tasks.eligibility import DataKind
from microbench_tasks.markdown import as_read
from microbench_tasks.metrics.bootstrap import Interval, bootstrap_interval
from microbench_tasks.metrics.paired import Comparison, compare_models
from microbench_tasks.schema import DataError

if TYPE_CHECKING:
    from microbench_tasks.rescoring import Rescored, ScoredSample

# What has a ranking, in the order shown.
RANKED = (catalog.COARSE_GROUP, catalog.FINE_GROUP, catalog.COGNITION_TASK, catalog.LOCALIZATION_GROUP)
# What is shown beside the score, where a group has it.
FIGURES = ("acc_strict", "unparsed", "acc_macro", "boxes_unparsed")
# Each takes half a gigabyte while it scores a submission of the release's size.
_MOST_PROCESSES = 4
_DATA_KINDS: tuple[DataKind, ...] = ("release", "demo", "local")

# Of each kind of source: what tells one data from another, in which form, and what stands beside it.
_IDENTIFYING = {"hub": {"id": ".+", "config": ".+", "revision": "[0-9a-f]{40}", "sha256": "[0-9a-f]{64}"}, "folder": {"sha256": "[0-9a-f]{64}"}, source.DEMO: {"sha256": "[0-9a-f]{64}"}}
_BESIDE = {"hub": ("is_release",), "folder": ("is_release",), source.DEMO: ("version", "seed")}

# Task, number of the document, image, and what is right: of the same data these are the same.
Question = tuple[str, int, str, str]


@dataclass(frozen=True, order=True)
class Data:
    """What a group's questions were asked about: the kind of data, and its identity as JSON (revision or content hash)."""

    kind: DataKind
    identity: str

    def shown(self) -> str:
        """The kind and what tells this data from other of its kind."""
        # A submission may say anything here.
        marks = [re.sub(r"[^0-9A-Za-z]", "", str(found.get("revision") or found.get("sha256") or ""))[:8] for found in json.loads(self.identity)]
        return f"{self.kind} ({', '.join(filter(None, marks)) or 'no hash'})"


@dataclass(frozen=True, eq=False)
class Entry:
    """One model's answers to the questions of one group.

    Attributes:
        model: its name on the leaderboard.
        group: a group or task of `RANKED`.
        data, version: of what was asked; only equal ones are compared.
        questions: in ascending order, each once.
        scores: of each question, from 0 to 1.
        figures: some of `FIGURES`, and ``chance``.
        by_task: the score of each task of the group, over all of its questions.
        asked: of each task of the group, the digest of the documents that were asked about, images included.
    """

    model: str
    group: str
    data: Data
    version: float
    questions: tuple[Question, ...]
    scores: np.ndarray
    figures: Mapping[str, float]
    by_task: Mapping[str, float]
    asked: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def score(self) -> float:
        """The mean: ``acc`` as the group's total has it, or ``grit``."""
        return math.fsum(self.scores) / len(self.scores)


@dataclass(frozen=True)
class Versus:
    """A model against the next one of the ranking: the difference with its simultaneous 95 % interval, and the p-value adjusted for all pairs."""

    model: str
    difference: float
    low: float
    high: float
    p: float
    is_better: bool

    @property
    def verdict(self) -> str:
        """In a word."""
        return "better" if self.is_better else "tie"


@dataclass(frozen=True)
class Row:
    """A model's place: one more than the number of models that are better; ``is_tied`` if another one has it too."""

    rank: int
    is_tied: bool
    entry: Entry
    interval: Interval
    versus_next: Versus | None

    @property
    def place(self) -> str:
        """The rank as shown, with ``=`` where it is shared."""
        return f"{self.rank}{'=' if self.is_tied else ''}"


@dataclass(frozen=True)
class Ranking:
    """Models that answered the same questions, best first.

    Attributes:
        group, data, version: what was asked.
        rows: by score.
        comparison: of all pairs, in the rows' order.
        num_images: that the questions are about.
        absent: of each model that is not in it, why.
    """

    group: str
    data: Data
    version: float
    rows: tuple[Row, ...]
    comparison: Comparison
    num_images: int
    absent: Mapping[str, str]

    @property
    def num_questions(self) -> int:
        """Answered by every model."""
        return len(self.rows[0].entry.questions)

    @property
    def chance(self) -> float | None:
        """What guessing gives; None where no options are given."""
        return self.rows[0].entry.figures.get("chance")

    @property
    def metric(self) -> str:
        """What the score is called."""
        return "grit" if self.group == catalog.LOCALIZATION_GROUP else "acc"

    @property
    def caution(self) -> str:
        """What a reader must know of the data; nothing of what may be the release."""
        if self.data.kind == "local" and self.group == catalog.COGNITION_TASK:
            asked = f"{catalog.PAPER_COGNITION_QUESTIONS} about {catalog.PAPER_COGNITION_IMAGES} images; here are {self.num_questions:,} about {self.num_images:,}"
            return f"Local data ({self.data.shown()}): the cognition questions are not public, and nothing here shows that these are the paper's ({asked}). Unless you know that they are, these figures are not comparable with the paper's or with any on other data."
        return {
            "release": self._caution_of_release(),
            "demo": "Demo data: drawn micrographs. These figures show that model, tasks and harness work together and say nothing about microscopy; they are not comparable with the paper's or with any on the release.",
            "local": f"Local data, not the release ({self.data.shown()}): these figures are not comparable with the paper's or with any on other data.",
        }[self.data.kind]

    def _caution_of_release(self) -> str:
        """Of boxes the release's numbers are not known but for two datasets, where a row without a box is not asked about."""
        if self.group != catalog.LOCALIZATION_GROUP:
            return ""
        asked = collections.Counter(image.partition("/")[0] for image in {image for _, _, image, _ in self.rows[0].entry.questions})
        fewer = [f"{asked[dataset]:,} of {dataset}, of which the release has {rows:,}" for dataset, rows in catalog.RELEASE_ROWS_OF_BOXES.items() if asked[dataset] != rows]
        return f"Stated to be the release, and perhaps not so: the answers are about other numbers of images ({'; '.join(fewer)}). Unless microbench verify finds them to be the release's, these figures are not comparable with any on it." if fewer else ""

    def with_reported(self, reported: Sequence[paper.Reported]) -> list[Row | paper.Reported]:
        """The rows and what the paper reports, by score."""
        return sorted([*self.rows, *reported], key=lambda line: -float(line.entry.score if isinstance(line, Row) else line.score))


@dataclass(frozen=True)
class Leaderboard:
    """All rankings of some submissions, and what a reader should know of single ones."""

    rankings: tuple[Ranking, ...]
    notes: tuple[str, ...] = ()


# --- from submissions ----------------------------------------------------------------


def load(folders: Sequence[Path]) -> Leaderboard:
    """The leaderboard of the submissions in ``folders``, several read at once; progress is shown on stderr.

    Raises:
        DataError: a folder holds no intact submission, one is named twice, none has a whole group, or
            submissions on the same data were not asked the same questions.
    """
    from tqdm import tqdm

    names = names_of([_name_and_digest(folder) for folder in folders], folders)
    entries: list[Entry] = []
    notes: list[str] = []
    known: dict[tuple[Question, ...], tuple[Question, ...]] = {}
    try:
        with ProcessPoolExecutor(min(len(folders), os.cpu_count() or 1, _MOST_PROCESSES)) as processes:
            for found, said in tqdm(processes.map(_read, names, folders), desc="reading submissions", total=len(folders), leave=False):
                # Equal questions, most of the memory, are kept once.
                entries += [dataclasses.replace(entry, questions=known.setdefault(entry.questions, entry.questions)) for entry in found]
                notes += said
    except BrokenProcessPool as error:
        raise DataError("A process that read submissions was ended from outside, most likely for lack of memory (half a gigabyte each at the release's size). Free some, and try again.") from error
    return Leaderboard(tuple(rank(entries, names)), tuple(sorted(notes)))


def _read(name: str, folder: Path) -> tuple[list[Entry], list[str]]:
    """The entries of one submission, and what is to be noted of it; its answers, a hundred times as large, are let go."""
    from microbench_tasks import submission

    found = submission.load(folder)
    sources, boxes = found.manifest["data"]["sources"], found.manifest["settings"]["boxes"]
    _check_sources(folder, found.rescored, sources)
    asked = {task: record["sha256"] for task, record in found.manifest["data"]["asked"].items()}
    notes = list(found.rescored.notes)
    if boxes is not None:
        asked_with, convention, chosen_by = boxes["prompt"], boxes["convention"], boxes["chosen_by"]
        notes.append(f"boxes were asked for with {asked_with!r} and read as {convention}, chosen by {chosen_by}")
    entries = entries_of(name, found.rescored, sources, found.manifest["versions"]["task"], asked)
    return entries, [f"{name}: {note}" for note in notes]


def _check_sources(folder: Path, rescored: Rescored, sources: Mapping[str, Mapping[str, Any]]) -> None:
    """Each task has one that says what data it is, and what names the release as its data has its numbers of questions."""
    if missing := sorted(rescored.samples.keys() - sources.keys()):
        raise DataError(f"{folder}: submission.json, data.sources: nothing about {', '.join(missing)}.")
    for task, found in sources.items():
        if problem := _source_problem(found):
            raise DataError(f"{folder}: submission.json, data.sources.{task}: {problem}.")
    names_release = any(eligibility.kind_of(found) == "release" for task, found in sources.items() if task != catalog.COGNITION_TASK)
    if problems := eligibility.count_reasons("release", rescored) if names_release else []:
        raise DataError(f"{folder}: {' '.join(problems)} Its data are not the release, or it is not whole: microbench verify says more.")


def _source_problem(found: Mapping[str, Any]) -> str:
    """Why a task's source does not say what data it is; nothing if it does. (What runs record of it is known: more or less is no run's.)"""
    kind = found["source"]
    if not isinstance(kind, str) or kind not in _IDENTIFYING:
        return f"expected a source of {', '.join(_IDENTIFYING)}, got {kind!r:.50}"
    if unknown := sorted(found.keys() - {"source", *_IDENTIFYING[kind], *_BESIDE[kind]}):
        return f"no run records {unknown[0]!r:.50} of a source of {kind}"
    for name, pattern in _IDENTIFYING[kind].items():
        if not re.fullmatch(pattern, str(found.get(name))):
            return f"{name}: expected {pattern}, got {found.get(name)!r:.50}"
    is_release = found.get("sha256") == source.release_sha256()
    return "" if found.get("is_release", False) is is_release else "is_release is not what the hash says"


def _name_and_digest(folder: Path) -> tuple[str, str]:
    """Read before the answers are, so that a wrong folder is found in seconds."""
    from microbench_tasks import submission

    manifest = submission.read_manifest(folder)
    if problems := submission.schema_problems(manifest):
        raise DataError(f"{folder}: " + " ".join(problems))
    return manifest["model"]["name"], manifest["digest"]


def names_of(submissions: Sequence[tuple[str, str]], folders: Sequence[Path]) -> list[str]:
    """What the leaderboard calls submissions, given their models' names and their digests: names that read the same are told apart by digest.

    Raises:
        DataError: two are the same, or cannot be told apart.
    """
    seen: dict[str, Path] = {}
    for (_, digest), folder in zip(submissions, folders):
        if digest in seen:
            raise DataError(f"{folder}: is the same submission as {seen[digest]}. Name each once.")
        seen[digest] = folder
    count = collections.Counter(as_read(name) for name, _ in submissions)
    names = [f"{name} ({digest[:8]})" if count[as_read(name)] > 1 else name for name, digest in submissions]
    if alike := sorted(name for name, number in collections.Counter(map(as_read, names)).items() if number > 1):
        raise DataError(f"Names of models that look like others told apart by their digests: {', '.join(alike)}. Leave one out.")
    return names


def entries_of(
    name: str,
    rescored: Rescored,
    sources: Mapping[str, Mapping[str, Any]],
    version: float,
    digests: Mapping[str, str] = {},
) -> list[Entry]:
    """An entry for each group of `RANKED` of which every task was asked (and any question that its total counts).

    Args:
        name: of the model.
        rescored: its answers, scored.
        sources: of each task the identity of its data.
        version: of the tasks.
        digests: of each task, of the documents that were asked about.
    """
    asked = [group for group in RANKED if set(catalog.tasks_named([group])) <= rescored.samples.keys()]
    answered = {group: sorted(pair for task in catalog.tasks_named([group]) for sample in rescored.samples[task] if (pair := _question(task, sample))) for group in asked}
    entries = [_entry(name, group, found, rescored, sources, version) for group, found in answered.items() if found]
    tasks = {entry.group: catalog.tasks_named([entry.group]) for entry in entries}
    return [dataclasses.replace(entry, asked={task: digests[task] for task in tasks[entry.group] if task in digests}) for entry in entries]


def _entry(name: str, group: str, answered: Sequence[tuple[Question, float]], rescored: Rescored, sources: Mapping[str, Mapping[str, Any]], version: float) -> Entry:
    tasks = catalog.tasks_named([group])
    figures = {figure: rescored.scores[group][figure] for figure in FIGURES if figure in rescored.scores[group]}
    chance = {"chance": rescored.chance[group]} if group in rescored.chance else {}
    return Entry(
        model=name,
        group=group,
        data=_data(group, [sources[task] for task in tasks]),
        version=version,
        questions=tuple(question for question, _ in answered),
        scores=np.array([score for _, score in answered]),
        figures={figure: float(value) for figure, value in (figures | chance).items()},
        by_task={task: float(rescored.scores[task]["grit" if catalog.TASKS[task].subject == "boxes" else "acc"]) for task in tasks},
    )


def _question(task: str, sample: ScoredSample) -> tuple[Question, float] | None:
    """The question that a sample answers, with the answer's score; None of one that totals leave out."""
    if "grit" in sample.items:
        item = sample.items["grit"]
        return (task, sample.doc_id, item["image"], json.dumps([item["expression"], item["boxes"]])), item["score"]
    item = sample.items["acc"]
    return ((task, sample.doc_id, item["image"], json.dumps([item["gold"], *item["options"]])), item["score"]) if item["in_total"] else None


def _data(group: str, sources: Iterable[Mapping[str, Any]]) -> Data:
    """What the tasks of a group were asked about, by their sources."""
    named = list(sources)
    kinds = {_kind(group, found) for found in named}
    identities = sorted({json.dumps(_identity(found), sort_keys=True) for found in named})
    return Data(max(kinds, key=_DATA_KINDS.index), f"[{', '.join(identities)}]")


def _kind(group: str, found: Mapping[str, Any]) -> DataKind:
    kind = eligibility.kind_of(found)
    # The release has no cognition questions.
    return "local" if kind == "release" and group == catalog.COGNITION_TASK else kind


def _identity(found: Mapping[str, Any]) -> dict[str, Any]:
    """What tells the data of a source from others; a copy of the release is the release."""
    if eligibility.kind_of(found) == "release" and found["source"] != "hub":
        found = source.release_identity()
    return {name: found[name] for name in ("source", *_IDENTIFYING[found["source"]])}


# --- the ranking ---------------------------------------------------------------------


def rank(entries: Sequence[Entry], models: Sequence[str]) -> list[Ranking]:
    """A ranking for each group, data and version among ``entries``; groups in the order of `RANKED`, the release's data first.

    Args:
        entries: at most one of each model and group.
        models: all that were submitted, also those without an entry.

    Raises:
        DataError: there is no entry, or models on the same data were not asked the same questions.
    """
    if not entries:
        raise DataError(f"No submission answers all tasks of any of {', '.join(RANKED)}: there is nothing to rank.")
    together: dict[tuple[int, int, str, float], list[Entry]] = collections.defaultdict(list)
    for entry in entries:
        together[RANKED.index(entry.group), _DATA_KINDS.index(entry.data.kind), entry.data.identity, entry.version].append(entry)
    return [_ranking(together[key], _absent(together[key], entries, models)) for key in sorted(together)]


def _absent(ranked: Sequence[Entry], entries: Sequence[Entry], models: Sequence[str]) -> dict[str, str]:
    """Why each model that is not ranked is not."""
    group, here = ranked[0].group, {entry.model for entry in ranked}
    elsewhere = {entry.model: entry for entry in entries if entry.group == group}
    return {model: _reason(ranked[0], elsewhere.get(model)) for model in sorted(models) if model not in here}


def _reason(ranked: Entry, other: Entry | None) -> str:
    if other is None:
        return f"did not answer all of {ranked.group}"
    return f"other data: {other.data.shown()}" if other.data != ranked.data else f"other version of the tasks: {other.version}"


def _ranking(entries: Sequence[Entry], absent: Mapping[str, str]) -> Ranking:
    ordered = sorted(entries, key=lambda entry: (-entry.score, entry.model))
    for entry in ordered[1:]:
        _check_same_questions(ordered[0], entry)
    images = np.unique([image for _, _, image, _ in ordered[0].questions], return_inverse=True)[1]
    comparison = compare_models(np.stack([entry.scores for entry in ordered]), images)
    ranks = ranks_of(comparison)
    rows = tuple(
        Row(place, ranks.count(place) > 1, entry, bootstrap_interval(entry.scores, clusters=images, **bootstrap_settings()), _versus_next(position, ordered, comparison))
        for position, (place, entry) in enumerate(zip(ranks, ordered))
    )
    first = ordered[0]
    return Ranking(first.group, first.data, first.version, rows, comparison, int(images.max()) + 1, absent)


def ranks_of(comparison: Comparison) -> list[int]:
    """One more than the number of models that are better, for models in the order of their scores; never less than before.

    (A model may be worse than the first one while a lower one, less like the first, is not known to be.)
    """
    return np.maximum.accumulate(1 + comparison.is_better.sum(axis=0)).tolist()


def _versus_next(position: int, ordered: Sequence[Entry], comparison: Comparison) -> Versus | None:
    if position + 1 == len(ordered):
        return None
    pair = position, position + 1
    numbers = (float(matrix[pair]) for matrix in (comparison.difference, comparison.low, comparison.high, comparison.p))
    return Versus(ordered[position + 1].model, *numbers, bool(comparison.is_better[pair]))


def _check_same_documents(one: Entry, other: Entry) -> None:
    both = one.asked.keys() & other.asked.keys()
    differing = sorted(task for task in both if one.asked[task] != other.asked[task])
    if differing:
        raise DataError(
            f"{one.model} and {other.model} name the same data ({one.data.shown()}) for {one.group}, but the documents of "
            f"{differing[0]} that they asked about, images included, have other digests. "
            "One of them was changed: check both with microbench verify."
        )


def _check_same_questions(one: Entry, other: Entry) -> None:
    if one.questions == other.questions:
        _check_same_documents(one, other)
        return
    only = min(set(one.questions) ^ set(other.questions))
    having, lacking = (one, other) if only in set(one.questions) else (other, one)
    task, number, image, right = only
    raise DataError(
        f"{one.model} and {other.model} name the same data ({one.data.shown()}) for {one.group}, but {having.model} has document {number} of {task} about {image!r} with the right answer {right}, "
        f"and {lacking.model} has not. One of them is not whole, or was changed: check both with microbench verify."
    )
