"""Which dataset belongs to which task: one table, stated once.

Source: task metadata of the paper's evaluation code (GitHub ``Ale9806/eVLLM``) and the
release. The paper lists its fine-grained tasks in an appendix only; the grouping here is
derived from those two and reproduces the paper's counts.
"""

from __future__ import annotations

from microbench_tasks.schema import COARSE_KINDS

COARSE_GROUP = "microbench_coarse"

# The datasets whose questions count: one classification question per image and, but for
# missing stains, five coarse ones.
CLASSIFICATION_DATASETS = (
    "acevedo_et_al_2020",
    "burgess_et_al_2024_contour",
    "burgess_et_al_2024_eccentricity",
    "burgess_et_al_2024_texture",
    "colocalization_benchmark",
    "empiar_sbfsem",
    "eulenberg_et_al_2017_brightfield",
    "eulenberg_et_al_2017_darkfield",
    "eulenberg_et_al_2017_epifluorescence",
    "held_et_al_2010_galt",
    "held_et_al_2010_h2b",
    "hussain_et_al_2019",
    "icpr2020_pollen",
    "jung_et_al_2022",
    "kather_et_al_2016",
    "kather_et_al_2018",
    "kather_et_al_2018_val7k",
    "nirschl_et_al_2018",
    "nirschl_unpub_fluorescence",
    "tang_et_al_2019",
    "wong_et_al_2022",
    "wu_et_al_2023",
)
# Released with boxes only; the official tables leave their coarse questions out too.
LOCALIZATION_ONLY_DATASETS = ("opencell", "sirinukunwattana_et_al_2016")
DATASETS = (*CLASSIFICATION_DATASETS, *LOCALIZATION_ONLY_DATASETS)

KIND_OF_TASK = {f"{COARSE_GROUP}_{kind}": kind for kind in COARSE_KINDS}
TASKS_OF_GROUP = {COARSE_GROUP: tuple(KIND_OF_TASK)}


def tasks_named(names: list[str]) -> tuple[str, ...]:
    """The Micro-Bench tasks behind names of tasks and groups, in order, each once.

    Names that are not Micro-Bench's are passed over: other benchmarks run beside it.
    """
    found = (task for name in names for task in TASKS_OF_GROUP.get(name, (name,)) if task in KIND_OF_TASK)
    return tuple(dict.fromkeys(found))
