"""List all patches of the harness.

Each patch is described next to its code: what is replaced, why, what a run lacks without it, and when it can go.
If several patches replace one function, the last one is outermost.
"""

from __future__ import annotations

from microbench_tasks.harness.patches import (
    answering,
    baselines,
    command_line,
    definitions,
    distributed,
    early_checks,
    many_models,
    models,
    output,
    scoring,
    task_index,
    unanswered_scores,
    weights_and_biases,
)
from microbench_tasks.harness.patches.patch import Patch

PATCHES: tuple[Patch, ...] = (
    task_index.TASK_INDEX,
    early_checks.REFUSAL,
    early_checks.RECORD_OF_LEFT_OUT,
    early_checks.CHECK_OF_MATCHED,
    early_checks.CHECK_OF_LOADED,
    early_checks.NESTED_GROUPS,
    early_checks.SKIPPING,
    early_checks.END_OF_START_UP,
    definitions.BOX_FORMATS,
    definitions.BUILT_DEFINITIONS,
    scoring.PROMPT_FOR_SCORING,
    scoring.SCORING_WITHOUT_IMAGES,
    scoring.BATCHED_SCORING,
    scoring.GROUP_METRICS,
    baselines.OUR_BASELINES,
    baselines.BASELINE_TABLE,
    many_models.NO_TABLES,
    answering.REDEFINED_TASKS,
    answering.KILLED_RUNS,
    answering.DAMAGED_ANSWERS,
    answering.UNMERGED_ANSWERS,
    answering.INCREMENTAL_CACHE,
    answering.MODEL_GUARD,
    distributed.MEMORY_ERRORS,
    scoring.SINGLE_THREAD,
    definitions.RECORDED_DEFINITIONS,
    definitions.FAMILY_BOX_FORMATS,
    unanswered_scores.ANSWER_WARNINGS,
    unanswered_scores.NO_EMPTY_SCORES,
    output.OUTPUT_FOLDER,
    output.DISK_SPACE,
    distributed.JOINT_END,
    output.MODEL_FOLDER,
    output.ATOMIC_RESULTS,
    output.ATOMIC_SAMPLES,
    baselines.KEPT_RESULTS,
    definitions.EQUAL_REPEATS,
    weights_and_biases.SINGLE_WANDB_RUN,
    weights_and_biases.WANDB_METRICS,
    weights_and_biases.WANDB_TABLES,
    weights_and_biases.WANDB_NAMES,
    command_line.EXIT_STATUS,
    models.MODEL_REGISTRY,
    models.MODEL_LIST,
    models.RECORDED_WEIGHTS,
)
