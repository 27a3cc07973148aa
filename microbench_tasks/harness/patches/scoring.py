"""Patch the scoring of our tasks: pass the prompt, skip images and threads, and add metrics of groups."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any

from microbench_tasks.harness.patches.our_tasks import is_scored_by_us
from microbench_tasks.harness.patches.patch import Patch, bind_call, replace
from microbench_tasks.harness.patches.targets import EVALUATE, GET_TASK_LIST, TASK, Target


def pass_prompt(original: Callable) -> Callable:
    """Pass the prompt to the scoring of our tasks, since some models return the prompt before their answer."""

    def process_results(self: Any, doc: Any, results: Any, *args: Any, **kwargs: Any) -> Any:
        if not is_scored_by_us(self):
            return original(self, doc, results, *args, **kwargs)
        return self.config.process_results(doc, results, prompt=self.doc_to_text(doc))

    return process_results


PROMPT_FOR_SCORING = Patch(
    name="prompt for scoring",
    replacement=replace(f"{TASK}.process_results", "doc results", pass_prompt),
    why="Some models return the prompt before their answer, and scoring does not get the prompt.",
    lost="If a model repeats its prompt, the options in the prompt may be read as its answer.",
    removable="The harness passes the prompt to process_results.",
)


def score_without_images(original: Callable) -> Callable:
    """Score without decoding the images again, as the harness does when it is called from Python."""

    def doc_iterator(self: Any, **kwargs: Any) -> Any:
        from lmms_eval.utils import create_iterator

        # Scoring functions of other packages may need the image.
        if not is_scored_by_us(self):
            return original(self, **kwargs)
        shard = bind_call(original, (self,), kwargs).arguments
        limit = int(shard["limit"]) if shard["limit"] else None
        rank, world_size = int(shard["rank"]), int(shard["world_size"])
        documents = enumerate(self.eval_docs_no_media)
        return create_iterator(documents, rank=rank, limit=limit, world_size=world_size, offset=shard["offset"])

    return doc_iterator


SCORING_WITHOUT_IMAGES = Patch(
    name="scoring without images",
    replacement=replace(
        f"{TASK}.doc_iterator",
        "rank limit world_size offset",
        score_without_images,
        Target(f"{TASK}.eval_docs_no_media"),
        Target("lmms_eval.utils:create_iterator", ("rank", "world_size", "limit", "offset")),
    ),
    why="Called from Python, the harness decodes every image again to score its answer.",
    lost="Scoring takes longer when simple_evaluate is called from Python.",
    removable="The harness scores without images also when it is called from Python.",
)


def read_in_batches(original: Callable) -> Callable:
    """Convert documents for scoring from Arrow in batches."""

    def eval_docs_no_media(self: Any) -> Any:
        from microbench_tasks.data.documents import Reading

        return Reading(original(self)) if is_scored_by_us(self) else original(self)

    return eval_docs_no_media


BATCHED_SCORING = Patch(
    name="scoring in batches",
    replacement=replace(f"{TASK}.eval_docs_no_media", "", read_in_batches),
    why="The harness converts documents one by one.",
    lost="Scoring takes longer.",
    removable="The harness reads documents in batches.",
)


def score_in_one_thread(original: Callable) -> Callable:
    """Score without threads if all tasks are ours: threads only slow down functions that do no I/O."""

    def evaluate(*args: Any, **kwargs: Any) -> Any:
        from lmms_eval import evaluator

        call = bind_call(original, args, kwargs)
        default = inspect.signature(original).parameters["process_docs_parallel"].default
        tasks = [output.task for output in evaluator.get_task_list(call.arguments["task_dict"])]
        # A number other than the default is the user's choice.
        if call.arguments["process_docs_parallel"] == default and all(map(is_scored_by_us, tasks)):
            call.arguments["process_docs_parallel"] = 1
        return original(*call.args, **call.kwargs)

    return evaluate


SINGLE_THREAD = Patch(
    name="scoring in one thread",
    replacement=replace(EVALUATE, "task_dict process_docs_parallel", score_in_one_thread, GET_TASK_LIST),
    why="The harness scores in threads, which slow down functions that do no I/O.",
    lost="Scoring takes longer.",
    removable="The harness lets a task choose whether it is scored in threads.",
)


def derive_group_metrics(original: Callable) -> Callable:
    """Add group metrics that are computed from another metric of the tasks, the aggregation's ``derived_from``."""

    def consolidate_group_results(results: Any, versions: Any, task_dict: Any, *args: Any, **kwargs: Any) -> Any:
        consolidated = original(results, versions, task_dict, *args, **kwargs)
        tasks_of_group = consolidated[-1]
        for group in task_dict:
            name = getattr(group, "group_name", None)
            if name in tasks_of_group:
                entries = group.config["aggregate_metric_list"] or ()
                results[name].update(_derived_metrics(entries, [results[task] for task in tasks_of_group[name]]))
        return consolidated

    return consolidate_group_results


GROUP_METRICS = Patch(
    name="metrics of groups",
    replacement=replace(
        "lmms_eval.evaluator_utils:consolidate_group_results", "results versions task_dict", derive_group_metrics
    ),
    why="The harness gives groups only metrics that their tasks have.",
    lost="Groups have acc, but not acc_macro, acc_all and intervals by image; microbench rescore prints them.",
    removable="The harness lets a group have metrics that its tasks do not have.",
)


def _derived_metrics(entries: Iterable[dict[str, Any]], of_tasks: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the derived metrics of a group.

    Args:
        entries: of the group's ``aggregate_metric_list``.
        of_tasks: for each task of the group, its metrics by their names in the results.
    """
    derived: dict[str, Any] = {}
    for entry in entries:
        aggregate = entry["aggregation"]
        base = getattr(aggregate, "derived_from", None)
        for filter_name in entry["filter_list"] if base else ():
            key = f"{base},{filter_name}"
            with_base = [metrics for metrics in of_tasks if key in metrics]
            if with_base:
                sizes = [metrics["samples"] for metrics in with_base]
                value = aggregate([metrics[key] for metrics in with_base], sizes, entry["weight_by_size"])
                derived[f"{entry['metric']},{filter_name}"] = value
                derived[f"{entry['metric']}_stderr,{filter_name}"] = "N/A"
                # The harness counts the samples of whichever metric comes last.
                derived["samples"] = sum(metrics["samples"] for metrics in of_tasks if "samples" in metrics)
    return derived
