"""State the 24 tasks, their variants, datasets, groups and slices as tables.

Source: task metadata of the paper's evaluation code (GitHub ``Ale9806/eVLLM``) and the
release. The paper lists its fine-grained tasks in an appendix only; the grouping here is
derived from those two and reproduces the paper's counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from microbench_tasks.catalog.questions import CLASSIFICATION_KIND, COARSE_KINDS

# The version of prompts and scores: goes up when either changes.
TASK_VERSION = 2.0

COARSE_GROUP = "microbench_coarse"
FINE_GROUP = "microbench_fine"
LOCALIZATION_GROUP = "microbench_localization"
COGNITION_TASK = "microbench_cognition"
ROBUSTNESS_TAG = "microbench_robustness"
# The dataset and the kind of question of the documents of the cognition task; the kind of question about boxes.
COGNITION = "cognition"
BOXES = "boxes"
# The data that all tasks of the benchmark but the cognition task ask about.
MICROGRAPHS = "micrographs"

# ``own``: questions of a dataset of one's own (`microbench_tasks.catalog.own_tasks`).
Subject = Literal["coarse", "fine", "boxes", "cognition", "own"]

_BURGESS = ("burgess_et_al_2024_contour", "burgess_et_al_2024_eccentricity", "burgess_et_al_2024_texture")
_EULENBERG_OUTSIDE = ("eulenberg_et_al_2017_darkfield", "eulenberg_et_al_2017_epifluorescence")
_KATHER = ("kather_et_al_2016", "kather_et_al_2018", "kather_et_al_2018_val7k")

# The evaluation code knows a third dataset of Held et al. (microtubules), which is not in the release.
_FINE = {
    "white_blood_cell": ("acevedo_et_al_2020", "jung_et_al_2022"),
    "cell_morphology": _BURGESS,
    "em_structures": ("empiar_sbfsem",),
    "colocalization": ("colocalization_benchmark",),
    "cell_cycle": ("eulenberg_et_al_2017_brightfield", *_EULENBERG_OUTSIDE),
    "cell_phenotype": ("held_et_al_2010_galt", "held_et_al_2010_h2b"),
    "pap_smear": ("hussain_et_al_2019",),
    "pollen": ("icpr2020_pollen",),
    "colorectal_tissue": _KATHER,
    "heart_failure": ("nirschl_et_al_2018",),
    "fluorescent_structures": ("nirschl_unpub_fluorescence",),
    "amyloid": ("tang_et_al_2019", "wong_et_al_2022"),
    "mitochondria": ("wu_et_al_2023",),
}
_LOCALIZATION = {
    "synthetic_cells": _BURGESS,
    "h2b_nuclei": ("held_et_al_2010_h2b",),
    "opencell_nuclei": ("opencell",),
    "mitochondria": ("wu_et_al_2023",),
    "glands": ("sirinukunwattana_et_al_2016",),
}

# The datasets whose questions count: one classification question per image and five coarse ones, except for
# missing stains.
CLASSIFICATION_DATASETS = tuple(sorted(name for names in _FINE.values() for name in names))
# Datasets with boxes only, and their numbers of rows. The official tables leave their coarse questions out, too.
RELEASE_ROWS_OF_BOXES = {"opencell": 1_105, "sirinukunwattana_et_al_2016": 80}
LOCALIZATION_ONLY_DATASETS = tuple(RELEASE_ROWS_OF_BOXES)
DATASETS = (*CLASSIFICATION_DATASETS, *LOCALIZATION_ONLY_DATASETS)
# The release's numbers of questions: fine ones (one per image of the classification datasets) and as many of each
# coarse kind; fewer about stains; and the fine ones that the paper's total leaves out (see `OUTSIDE_FINE_TOTAL`).
RELEASE_QUESTIONS, RELEASE_STAIN_QUESTIONS, RELEASE_QUESTIONS_OUTSIDE_FINE_TOTAL = 16_130, 15_196, 1_486
# The questions of single tasks in the release. Of the other fine tasks only the sum is public, and of boxes only
# `RELEASE_ROWS`.
RELEASE_COUNTS = {
    **{f"{COARSE_GROUP}_{kind}": RELEASE_QUESTIONS for kind in COARSE_KINDS},
    f"{COARSE_GROUP}_stain": RELEASE_STAIN_QUESTIONS,
    # No row of its dataset has a question about the stain, and every other row has one.
    f"{FINE_GROUP}_fluorescent_structures": RELEASE_QUESTIONS - RELEASE_STAIN_QUESTIONS,
}
# The rows of these datasets together in the release; of other sets none is public.
RELEASE_ROWS: dict[tuple[str, ...], int] = {
    CLASSIFICATION_DATASETS: RELEASE_QUESTIONS,
    _FINE["fluorescent_structures"]: RELEASE_QUESTIONS - RELEASE_STAIN_QUESTIONS,
    _EULENBERG_OUTSIDE: RELEASE_QUESTIONS_OUTSIDE_FINE_TOTAL,
    **{(dataset,): rows for dataset, rows in RELEASE_ROWS_OF_BOXES.items()},
}
# What the paper asks of cognition; the data are not public.
PAPER_COGNITION_QUESTIONS, PAPER_COGNITION_IMAGES = 121, 54
# Their classification questions are asked, but the evaluation code's fine total leaves them out. (The half widths
# that the paper prints mostly fit a total with them: ``benchmarks/paper_intervals.md``.)
OUTSIDE_FINE_TOTAL = frozenset(_EULENBERG_OUTSIDE)

# What the classification datasets test, by the evaluation code.
ABILITIES = {
    "cell, organism and structure type": ("acevedo_et_al_2020", "jung_et_al_2022", "nirschl_unpub_fluorescence"),
    "cell texture and morphology": _BURGESS,
    "normal against abnormal": ("empiar_sbfsem", "icpr2020_pollen", "wu_et_al_2023"),
    "single-molecule imaging": ("colocalization_benchmark",),
    "cell cycle and stage": (*_FINE["cell_cycle"], *_FINE["cell_phenotype"]),
    "neoplastic histopathology": ("hussain_et_al_2019", *_KATHER),
    "non-neoplastic histopathology": ("nirschl_et_al_2018", "tang_et_al_2019", "wong_et_al_2022"),
}
ABILITY_OF_DATASET = {dataset: ability for ability, datasets in ABILITIES.items() for dataset in datasets}
H_AND_E_DATASETS = (*_KATHER, "nirschl_et_al_2018")
PATHOLOGY_DATASETS = ("acevedo_et_al_2020", "hussain_et_al_2019", "jung_et_al_2022", *H_AND_E_DATASETS)


@dataclass(frozen=True)
class Task:
    """One of the 24 tasks, or a variant of all coarse ones.

    Attributes:
        name: its name in the harness.
        subject: the kind of its answers and documents.
        kinds: kinds of questions: fields of the release's ``questions``, or ``cognition``, or ``boxes``.
        datasets: the datasets whose rows it asks about.
        permutation: the order of the options, a key of ``option_orders.PERMUTATIONS``.
        wording: the wording of the prompt, a key of ``prompts.WORDINGS``.
        source: the data that it asks about: `MICROGRAPHS`, `COGNITION`, or an own dataset (the name of its questions'
            task). Tasks of one source share a table.
    """

    name: str
    subject: Subject
    kinds: tuple[str, ...]
    datasets: tuple[str, ...]
    permutation: str = "release"
    wording: str = "paper"
    source: str = MICROGRAPHS


TASKS = {
    task.name: task
    for task in (
        *(Task(f"{COARSE_GROUP}_{kind}", "coarse", (kind,), CLASSIFICATION_DATASETS) for kind in COARSE_KINDS),
        *(Task(f"{FINE_GROUP}_{name}", "fine", (CLASSIFICATION_KIND,), datasets) for name, datasets in _FINE.items()),
        *(
            Task(f"{LOCALIZATION_GROUP}_{name}", "boxes", (BOXES,), datasets)
            for name, datasets in _LOCALIZATION.items()
        ),
        Task(COGNITION_TASK, "cognition", (COGNITION,), (COGNITION,), source=COGNITION),
    )
}

# All coarse questions with one thing changed, to measure how much accuracy depends on it. The paper has no such tasks.
VARIANTS = {
    task.name: task
    for task in (
        *(
            Task(
                f"{ROBUSTNESS_TAG}_{permutation}",
                "coarse",
                COARSE_KINDS,
                CLASSIFICATION_DATASETS,
                permutation=permutation,
            )
            for permutation in ("reversed", "rotated", "shuffled")
        ),
        *(
            Task(
                f"{ROBUSTNESS_TAG}_reworded_{wording}", "coarse", COARSE_KINDS, CLASSIFICATION_DATASETS, wording=wording
            )
            for wording in ("letter", "expert", "last")
        ),
    )
}
ALL_TASKS = TASKS | VARIANTS

# Tasks that are selected together and have no total, since they ask the same questions.
TAGS = {ROBUSTNESS_TAG: tuple(VARIANTS)}

# Each group's tasks and groups. A tree: no task is reached in two ways, which the harness refuses.
GROUPS = {
    COARSE_GROUP: tuple(name for name, task in TASKS.items() if task.subject == "coarse"),
    FINE_GROUP: tuple(name for name, task in TASKS.items() if task.subject == "fine"),
    LOCALIZATION_GROUP: tuple(name for name, task in TASKS.items() if task.subject == "boxes"),
    "microbench_vqa": (COARSE_GROUP, FINE_GROUP),
    "microbench": ("microbench_vqa", LOCALIZATION_GROUP),
    "microbench_all": ("microbench", COGNITION_TASK),
}
