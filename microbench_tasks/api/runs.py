"""Load one run, and look at its scores and samples."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from microbench_tasks.analysis import loaded_runs, sample_rows
from microbench_tasks.api.data_columns import slices_of, values_of
from microbench_tasks.api.score import Score, plain, scores_of
from microbench_tasks.api.tables import data_frame
from microbench_tasks.util.errors import DataError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Run:
    """One run or submission, scored again from its logged samples.

    Attributes:
        path: where it was loaded from.
        label: name of its model, as plots and tables show it; `with_label` changes it.
        loaded: scores and samples as the other parts of this package use them.
    """

    path: Path
    label: str
    loaded: loaded_runs.Run = dataclasses.field(repr=False)

    @property
    def name(self) -> str:
        """Return the part of the run's file names before ``_samples_``; of a submission, the name of its folder."""
        return self.loaded.name

    @property
    def tasks(self) -> tuple[str, ...]:
        """Return the tasks that were asked, in the benchmark's order."""
        return tuple(self.loaded.rescored.samples)

    @property
    def notes(self) -> tuple[str, ...]:
        """Return what a reader of the scores should know, such as redefined tasks or failed requests."""
        return tuple(self.loaded.rescored.notes)

    @property
    def scores(self) -> dict[str, dict[str, Any]]:
        """Return all figures of each task and group by the names of results files, such as ``acc_image_ci_low``.

        Scores and ends of intervals are fractions from 0 to 1.
        """
        return {name: plain(figures) for name, figures in self.loaded.rescored.scores.items()}

    def score(self, name: str, metric: str | None = None) -> Score:
        """Return one score with its interval.

        Args:
            name: of a task or group.
            metric: such as ``acc_strict``; by default ``acc``, or ``grit`` if ``name`` asks for boxes alone.

        Raises:
            DataError: the run has no such score; names those there are.
        """
        of_name = {score.metric: score for score in self._scores if score.name == name}
        if not of_name:
            there = dict.fromkeys(score.name for score in self._scores)
            raise DataError(f"{self.label} has no scores of {name!r:.80}. It has those of {', '.join(there)}.")
        wanted = metric or ("acc" if "acc" in of_name else "grit")
        if wanted not in of_name:
            raise DataError(f"{self.label} has no {wanted!r:.80} of {name}. It has {', '.join(of_name)}.")
        return of_name[wanted]

    @functools.cached_property
    def _scores(self) -> list[Score]:
        return scores_of(self.loaded)

    def score_table(self) -> pd.DataFrame:
        """Return a table with a row for each score, in the columns of `Score`; groups first."""
        columns = [field.name for field in dataclasses.fields(Score)]
        return data_frame(map(dataclasses.asdict, self._scores), columns)

    @property
    def samples(self) -> pd.DataFrame:
        """Return a table with a row for each question, or for each pair of an image and a class in localization.

        Columns (None where a column does not apply):

        - ``task``, ``doc_id``: number of the document in its task; ``image`` (dataset and image id), ``image_id``,
          ``dataset``, ``kind`` of the question, ``cluster`` (answers of one depend on each other);
        - ``prompt`` (as logged), ``response`` (the first of several), ``num_answers``;
        - ``score`` (0 to 1, by the paper's rule or GRIT; mean of several answers), ``strict_score``, ``in_total``
          (whether totals of groups count it), ``failed`` (no response), ``response_kind``;
        - questions: ``options`` (list), ``gold``, ``predicted``, ``strict_predicted`` (letters; None if none is read),
          ``gold_text``, ``predicted_text``, ``rule`` (of the strict reading), ``probabilities`` (by letter, as given by
          the model), ``gold_probability`` (none if a server did not give it);
        - boxes: ``expression`` (the class), ``width``, ``height`` of the image in pixels, ``num_gold_boxes``,
          ``num_predicted_boxes``, ``num_matched_boxes`` (pairs of IoU 0.5 or more), ``gold_boxes`` (each
          ``x1 y1 x2 y2`` in pixels).

        Raises:
            ImportError: pandas is not installed.
        """
        # A copy: a notebook may change its table.
        return self._samples.copy()

    @functools.cached_property
    def _samples(self) -> pd.DataFrame:
        return data_frame(sample_rows.sample_rows(self.loaded), sample_rows.COLUMNS)

    def with_data_columns(self, *columns: str) -> pd.DataFrame:
        """Return `samples` with columns of the data that the run was asked about, such as ``modality`` or ``stain``.

        The data are those of the settings (``MICROBENCH_DATASET``, ``MICROBENCH_COGNITION``). Their identity must be
        the one that the run recorded.

        Args:
            columns: names of columns with one text, number or truth value per image.

        Raises:
            DataError: the data are not available, or not those of the run; or there is no such column.
        """
        table = self.samples
        clash = [column for column in columns if column in table.columns]
        if clash:
            raise DataError(f"The samples have a column {clash[0]} already. Leave it out.")
        for column, values in values_of(self.loaded, columns).items():
            table[column] = values
        return table

    def slice_by(self, column: str | Sequence[Any], name: str | None = None) -> pd.DataFrame:
        """Return the mean score of each value of a column, with its 95 % interval by image, or by group.

        Args:
            column: of `samples`, or of the data (see `with_data_columns`); or a value for each row of `samples`, such
                as ``pandas.cut`` returns.
            name: task or group whose questions to take; by default all questions of the run, or all boxes if it has no
                questions. As in tables, groups leave out the questions that the paper's totals leave out.

        Returns:
            A table with the columns ``value`` (of the column; None if an image states none), ``score``, ``low``,
            ``high`` (fractions), ``questions`` and ``images``; in the order of the values.

        Raises:
            DataError: as `with_data_columns`, or the run has no questions of ``name``.
        """
        slices = slices_of(self.loaded, column, name)
        rows = (
            {
                "value": value,
                **{"score": found.value, "low": found.low, "high": found.high},
                **{"questions": found.n, "images": found.images},
            }
            for value, found in slices.items()
        )
        return data_frame(rows, ("value", "score", "low", "high", "questions", "images"))

    def rescore(self) -> Run:
        """Read the files again and score them anew, such as after a change of ``MICROBENCH_INTERVAL``."""
        return dataclasses.replace(load(self.path, self._run_name), label=self.label)

    @property
    def _run_name(self) -> str | None:
        # The folder of a submission contains a single run.
        return None if loaded_runs.is_submission(self.path) else self.name

    def with_label(self, label: str) -> Run:
        """Return the run with another name of its model in tables and plots."""
        return dataclasses.replace(self, label=label, loaded=dataclasses.replace(self.loaded, label=label))


def load(path: str | Path, run: str | None = None) -> Run:
    """Load a run or a submission, and score its logged samples again: no model and mostly no data are needed.

    Args:
        path: folder of a run with logged samples (``--log_samples``), its results file (``…_results.json``), or the
            folder of a submission.
        run: name of the run, if the folder contains several: the part of its files' names before ``_samples_``.

    Raises:
        DataError: there is no run, or more than one; or its samples are damaged.
    """
    place = Path(path)
    loaded = loaded_runs.load_run(place, run)
    return Run(place, loaded.label, loaded)
