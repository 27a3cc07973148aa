"""Makes the harness know the tasks, with nothing else set.

lmms-eval has an entry point for models but none for tasks. Ours is called whenever the
harness loads its models, which every evaluation does, and from there adds our folder to the
paths that the harness indexes.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from loguru import logger

_INSTALLED = "_microbench_installed"
_RECORDS = "_microbench_records_definitions"
_FALLBACK = 'use: lmms-eval --include_path "$(microbench path)" …'
_GUARDS = "_microbench_guards"


def yaml_folder() -> Path:
    """The installed folder of task definitions."""
    spec = importlib.util.find_spec("microbench_yaml")
    return Path(next(iter(spec.submodule_search_locations)))


def register() -> list[Any]:
    """Entry point of the group ``lmms_eval.models``; adds the tasks and no model of its own.

    Never raises: a harness whose internals moved keeps working, and a warning says what to
    do instead.
    """
    try:
        install()
    # Whatever moved in the harness, its own runs must not suffer from an installed plugin.
    except Exception as error:
        logger.warning(f"Micro-Bench could not add its tasks to this version of lmms-eval ({type(error).__name__}: {error}); {_FALLBACK}")
    try:
        install_logging()
    # Nor must the tasks suffer where only the logger moved.
    except Exception as error:
        logger.warning(f"Micro-Bench does not know the Weights & Biases logger of this version of lmms-eval ({type(error).__name__}: {error}); tables may be missing there. Results files are whole.")
    return []


def install() -> None:
    """Make every task index of this process hold our tasks, and the harness do what its YAML cannot ask for.

    That is: check data before a model is loaded, tell a task which model it is for, give groups
    figures that their tasks do not have, compare a task with a baseline of its own, go on where
    a run with a cache was killed, and decode no image again to score an answer.

    Raises:
        AttributeError, TypeError: the harness is not the one known here.
    """
    from lmms_eval import baselines, evaluator_utils
    from lmms_eval.api.task import ConfigurableTask
    from lmms_eval.caching.response_cache import ResponseCache
    from lmms_eval.tasks import TaskManager

    if getattr(TaskManager, _INSTALLED, False):
        return
    _expect_parameters(TaskManager.initialize_tasks, "include_path", "include_defaults")
    _expect_parameters(TaskManager.match_tasks, "task_list")
    _expect_parameters(TaskManager.load_task_or_group, "task_list")
    _expect_parameters(ConfigurableTask._prepare_model_specific_config, "self")
    _expect_parameters(ConfigurableTask.process_results, "doc", "results")
    _expect_parameters(ConfigurableTask.doc_iterator, "rank", "limit", "world_size", "offset")
    _expect_parameters(evaluator_utils.consolidate_group_results, "results", "versions", "task_dict")
    _expect_parameters(baselines.load_baseline, "baseline_arg", "task_name")
    _expect_parameters(ResponseCache.create, "cache_root")
    _expect_parameters(ResponseCache.execute, "lm", "reqtype", "requests")
    TaskManager.initialize_tasks = _indexing_ours(TaskManager.initialize_tasks)
    # The command line matches names before it loads the model; the Python API only loads tasks.
    TaskManager.match_tasks = _checking_result(TaskManager.match_tasks)
    TaskManager.load_task_or_group = _checking_names(TaskManager.load_task_or_group)
    ConfigurableTask._prepare_model_specific_config = _telling_the_model(ConfigurableTask._prepare_model_specific_config)
    ConfigurableTask.process_results = _telling_the_prompt(ConfigurableTask.process_results)
    ConfigurableTask.doc_iterator = _leaving_images(ConfigurableTask.doc_iterator)
    ConfigurableTask.eval_docs_no_media = property(_reading_in_batches(ConfigurableTask.eval_docs_no_media.fget))
    _replace(evaluator_utils, "consolidate_group_results", _deriving_figures)
    _replace(baselines, "load_baseline", _loading_own_baseline)
    ResponseCache.create = _recovering(ResponseCache.create)
    ResponseCache.execute = _storing_as_it_goes(ResponseCache.execute)
    setattr(TaskManager, _INSTALLED, True)


def install_logging() -> None:
    """Let ``--wandb_args`` log the figures, tables and samples of a run to the last one.

    Raises:
        AttributeError, ImportError, TypeError: the harness is not the one known here.
    """
    from lmms_eval import utils
    from lmms_eval.loggers.wandb_logger import WandbLogger

    if getattr(WandbLogger, _INSTALLED, False):
        return
    _expect_parameters(WandbLogger.__init__, "kwargs")
    _expect_parameters(WandbLogger.post_init, "results")
    _expect_parameters(WandbLogger._generate_dataset, "data", "config")
    _expect_parameters(utils.sanitize_long_string, "s")
    WandbLogger.__init__ = _in_the_first_process(WandbLogger.__init__)
    WandbLogger.post_init = _leaving_no_gaps(WandbLogger.post_init)
    WandbLogger._generate_dataset = _making_whole_tables(WandbLogger._generate_dataset)
    _replace(utils, "sanitize_long_string", _without_commas)
    setattr(WandbLogger, _INSTALLED, True)


def _expect_parameters(method: Callable, *names: str) -> None:
    missing = set(names) - set(inspect.signature(method).parameters)
    if missing:
        raise TypeError(f"{method.__qualname__} takes no {', '.join(sorted(missing))}")


def _replace(module: ModuleType, name: str, wrap: Callable[[Callable], Callable]) -> None:
    """Wrap a function where it is defined and, if that has been imported already, where the evaluator took it to."""
    wrapped = wrap(getattr(module, name))
    for place in (module, sys.modules.get("lmms_eval.evaluator")):
        if hasattr(place, name):
            setattr(place, name, wrapped)


def _indexing_ours(original: Callable) -> Callable:
    @functools.wraps(original)
    def initialize_tasks(self, include_path=None, include_defaults=True):
        paths = [include_path] if isinstance(include_path, str) else list(include_path or [])
        if include_defaults:
            # Last, so that a folder the user includes can redefine a task of ours.
            paths.append(str(yaml_folder()))
        with _parsing_yaml_in_c():
            return original(self, include_path=paths or None, include_defaults=include_defaults)

    return initialize_tasks


@contextlib.contextmanager
def _parsing_yaml_in_c() -> Iterator[None]:
    """Let the harness read the many files of its index with libyaml, where PyYAML has it, instead of in Python."""
    import yaml

    if not yaml.__with_libyaml__:
        yield
        return

    class Loader(yaml.CFullLoader):
        pass

    original = yaml.full_load

    def full_load(stream):
        # Looked up again for each file: the harness adds its constructor of functions between them.
        Loader.yaml_constructors = yaml.FullLoader.yaml_constructors
        try:
            return yaml.load(stream, Loader)
        except yaml.YAMLError:
            # libyaml refuses a few things that the parser in Python accepts.
            stream.seek(0)
            return original(stream)

    yaml.full_load = full_load
    try:
        yield
    finally:
        yaml.full_load = original


def _checking_result(original: Callable) -> Callable:
    @functools.wraps(original)
    def match_tasks(self, task_list):
        from microbench_tasks import preflight

        names = original(self, task_list)
        preflight.check(names)
        return names

    return match_tasks


def _checking_names(original: Callable) -> Callable:
    @functools.wraps(original)
    def load_task_or_group(self, task_list=None, *args, **kwargs):
        from microbench_tasks import preflight, start_up

        _guard_models()
        # The model has been loaded, and with it nearly all that is ever imported.
        start_up.is_over()
        _score_in_one_thread()
        _record_definitions()
        names = [task_list] if isinstance(task_list, str) else task_list
        preflight.check([name for name in names or [] if isinstance(name, str)])
        if names and all(isinstance(name, str) for name in names):
            task_list = _without_covered(names)
        return original(self, task_list, *args, **kwargs)

    return load_task_or_group


def _without_covered(names: list[str]) -> list[str]:
    from microbench_tasks import catalog

    kept = catalog.without_covered(names)
    if len(kept) < len(names):
        logger.info(f"{', '.join(name for name in names if name not in kept)}: run and reported as part of a larger group that was asked for too")
    return kept


def _telling_the_model(original: Callable) -> Callable:
    """Let functions of a task's YAML with a method ``for_model`` know the model's id and the task's options for it."""

    @functools.wraps(original)
    def _prepare_model_specific_config(self):
        from microbench_tasks import provenance

        original(self)
        provenance.remember(self)
        # Tasks can be built without a call of load_task_or_group.
        _record_definitions()
        for field in ("doc_to_text", "doc_to_visual", "process_results"):
            for_model = getattr(getattr(self.config, field), "for_model", None)
            if for_model is not None:
                bound = for_model(self.model_name if isinstance(self.model_name, str) else None, self.lmms_eval_specific_kwargs)
                setattr(self.config, field, bound)
                self.config.metadata = {**(self.config.metadata or {}), "boxes": bound.record()}

    return _prepare_model_specific_config


def _telling_the_prompt(original: Callable) -> Callable:
    """Pass the prompt to the scoring of our tasks, since some models return the prompt before their answer."""

    @functools.wraps(original)
    def process_results(self, doc, results, *args, **kwargs):
        if not _is_scored_by_us(self):
            return original(self, doc, results, *args, **kwargs)
        return self.config.process_results(doc, results, prompt=self.doc_to_text(doc))

    return process_results


def _leaving_images(original: Callable) -> Callable:
    """Let answers be scored without decoding the images again, which the harness does if it is run from Python."""

    @functools.wraps(original)
    def doc_iterator(self, *, rank=0, limit=None, world_size=1, offset=0):
        from lmms_eval.utils import create_iterator

        # Functions of other packages may want the image.
        if not _is_scored_by_us(self):
            return original(self, rank=rank, limit=limit, world_size=world_size, offset=offset)
        return create_iterator(enumerate(self.eval_docs_no_media), rank=int(rank), limit=int(limit) if limit else None, world_size=int(world_size), offset=offset)

    return doc_iterator


def _reading_in_batches(original: Callable) -> Callable:
    @functools.wraps(original)
    def eval_docs_no_media(self):
        from microbench_tasks.documents import Reading

        return Reading(original(self)) if _is_scored_by_us(self) else original(self)

    return eval_docs_no_media


def _record_definitions() -> None:
    """Record in the results which definition of our tasks ran and what they asked; see `microbench_tasks.provenance`.

    Called when tasks are loaded: only then is the evaluator fully imported.
    """
    evaluator = sys.modules.get("lmms_eval.evaluator")
    original = getattr(evaluator, "evaluate", None)
    # Without this function a run has no record of its definition, and cannot be submitted.
    if original is None or getattr(original, _RECORDS, False) or "task_dict" not in inspect.signature(original).parameters:
        return

    @functools.wraps(original)
    def evaluate(*args, **kwargs):
        from microbench_tasks import provenance

        call = inspect.signature(original).bind(*args, **kwargs)
        # The first process has the results of all.
        is_first = os.environ.get("RANK", "0") == "0"
        task_dict = call.arguments["task_dict"] if is_first else {}
        tasks = {output.task_name: output.task for output in evaluator.get_task_list(task_dict)}
        found = provenance.metadata_of(tasks, cache_requests=bool(call.arguments.get("cache_requests")))
        provenance.warn_of_groups(task_dict)
        results = original(*call.args, **call.kwargs)
        provenance.mark_changed_data(found)
        for name, metadata in found.items():
            if results and name in results.get("configs", {}):
                results["configs"][name]["metadata"] = metadata
        return results

    setattr(evaluate, _RECORDS, True)
    evaluator.evaluate = evaluate


def _guard_models() -> None:
    """Guard the model while it answers our tasks; see `microbench_tasks.model_guard`.

    Called when tasks are loaded: only then is the evaluator fully imported.
    """
    evaluator = sys.modules.get("lmms_eval.evaluator")
    original = getattr(evaluator, "evaluate", None)
    if original is None or getattr(original, _GUARDS, False):
        return
    if not {"lm", "task_dict"} <= set(inspect.signature(original).parameters):
        logger.warning("Micro-Bench does not support this version of lmms-eval: failed requests may count as answers. Install a supported version.")
        return

    @functools.wraps(original)
    def evaluate(*args, **kwargs):
        from microbench_tasks import model_guard

        call = inspect.signature(original).bind(*args, **kwargs)
        is_ours = any(_is_scored_by_us(output.task) for output in evaluator.get_task_list(call.arguments["task_dict"]))
        if not is_ours:
            return original(*args, **kwargs)
        with model_guard.guarding(call.arguments["lm"], call.arguments.get("response_cache")) as session:
            results = original(*args, **kwargs)
            if results is not None and session is not None:
                results[model_guard.RESULTS_KEY] = session.record()
            return results

    setattr(evaluate, _GUARDS, True)
    evaluator.evaluate = evaluate


def _score_in_one_thread() -> None:
    """Let a run of our tasks alone be scored without the harness's threads, which wait for each other in functions that never wait by themselves.

    Called when tasks are loaded: only then is the evaluator imported in whole.
    """
    evaluator = sys.modules.get("lmms_eval.evaluator")
    original = getattr(evaluator, "evaluate", None)
    # Without it a run takes longer, and that is all.
    if original is None or getattr(original, _INSTALLED, False) or not {"task_dict", "process_docs_parallel"} <= set(inspect.signature(original).parameters):
        return

    @functools.wraps(original)
    def evaluate(*args, **kwargs):
        call = inspect.signature(original).bind(*args, **kwargs)
        default = inspect.signature(original).parameters["process_docs_parallel"].default
        wanted = call.arguments.get("process_docs_parallel", default)
        # Another number was asked for.
        if wanted == default and all(_is_scored_by_us(output.task) for output in evaluator.get_task_list(call.arguments["task_dict"])):
            call.arguments["process_docs_parallel"] = 1
        return original(*call.args, **call.kwargs)

    setattr(evaluate, _INSTALLED, True)
    evaluator.evaluate = evaluate


def _is_scored_by_us(task: Any) -> bool:
    return getattr(task.config.process_results, "__module__", "").startswith("microbench_tasks.")


def _deriving_figures(original: Callable) -> Callable:
    """Give groups the figures whose aggregation names, as ``derived_from``, the metric of the tasks to make them of."""

    @functools.wraps(original)
    def consolidate_group_results(results, versions, task_dict, *args, **kwargs):
        consolidated = original(results, versions, task_dict, *args, **kwargs)
        tasks_of_group = consolidated[-1]
        for group in task_dict:
            name = getattr(group, "group_name", None)
            if name in tasks_of_group:
                results[name].update(_derived_figures(group.config["aggregate_metric_list"] or (), [results[task] for task in tasks_of_group[name]]))
        return consolidated

    return consolidate_group_results


def _derived_figures(entries: Iterable[dict[str, Any]], of_tasks: list[dict[str, Any]]) -> dict[str, Any]:
    derived = {}
    for entry in entries:
        base = getattr(entry["aggregation"], "derived_from", None)
        for filter_name in entry["filter_list"] if base else ():
            key = f"{base},{filter_name}"
            having = [figures for figures in of_tasks if key in figures]
            if having:
                sizes = [figures["samples"] for figures in having]
                derived[f"{entry['metric']},{filter_name}"] = entry["aggregation"]([figures[key] for figures in having], sizes, entry["weight_by_size"])
                derived[f"{entry['metric']}_stderr,{filter_name}"] = "N/A"
                # The harness counts the samples of whichever metric comes last.
                derived["samples"] = sum(figures["samples"] for figures in of_tasks if "samples" in figures)
    return derived


def _loading_own_baseline(original: Callable) -> Callable:
    """Let ``--baseline`` name a run of ours, whose scores are computed from its responses, task by task."""

    @functools.wraps(original)
    def load_baseline(baseline_arg, task_name):
        from microbench_tasks import baseline, catalog

        if task_name in catalog.ALL_TASKS and Path(baseline_arg).exists():
            return baseline.scores(Path(baseline_arg), task_name), None
        return original(baseline_arg, task_name)

    return load_baseline


def _recovering(original: Callable) -> Callable:
    """Let a response cache know the answers that killed runs left; ``original`` is bound to the class."""

    @functools.wraps(original)
    def create(cls, cache_root, **options):
        from microbench_tasks import provenance, resuming

        provenance.mark_redefined(options.get("task_dict") or {})
        cache = original(cache_root, **options)
        resuming.recover(cache, Path(cache._cache_root))
        return cache

    return classmethod(create)


def _storing_as_it_goes(original: Callable) -> Callable:
    @functools.wraps(original)
    def execute(self, lm, reqtype, requests):
        from microbench_tasks import resuming

        return resuming.execute_in_pieces(original, self, lm, reqtype, requests)

    return execute


def _in_the_first_process(original: Callable) -> Callable:
    """Let an evaluation in several processes be one run: the harness starts one in each, and logs to the first."""

    @functools.wraps(original)
    def __init__(self, **kwargs):
        first = os.environ.get("RANK", "0") == "0"
        original(self, **(kwargs if first else kwargs | {"mode": "disabled"}))

    return __init__


def _leaving_no_gaps(original: Callable) -> Callable:
    @functools.wraps(original)
    def post_init(self, results):
        from microbench_tasks import wandb_logs

        # Only the first process has results.
        original(self, results if results is None else wandb_logs.loggable(results))

    return post_init


def _making_whole_tables(original: Callable) -> Callable:
    @functools.wraps(original)
    def _generate_dataset(self, data, config):
        from microbench_tasks import wandb_logs

        return wandb_logs.flattened(original(self, wandb_logs.with_arguments(data), config))

    return _generate_dataset


def _without_commas(original: Callable) -> Callable:
    """Let a run be named after model arguments: the harness reads its name back out of a list with commas."""

    @functools.wraps(original)
    def sanitize_long_string(s, *args, **kwargs):
        return original(s, *args, **kwargs).replace(",", " ")

    return sanitize_long_string
