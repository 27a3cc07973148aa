"""List all patches of the harness, with the reason for each and what a run lacks without it."""

from __future__ import annotations

from microbench_tasks.harness.patches import (
    answering,
    baselines,
    command_line,
    definitions,
    distributed,
    early_checks,
    output,
    scoring,
    task_index,
    unanswered_scores,
    weights_and_biases,
)
from microbench_tasks.harness.patches.patch import Patch, Replacement, Wrap
from microbench_tasks.harness.patches.targets import Target

_ISSUES = "https://github.com/EvolvingLMMs-Lab/lmms-eval/issues"
_TASKS = "lmms_eval.tasks:TaskManager"
_TASK = "lmms_eval.api.task:ConfigurableTask"
_CACHE = "lmms_eval.caching.response_cache:ResponseCache"
_EVALUATE = "lmms_eval.evaluator:evaluate"
_WANDB = "lmms_eval.loggers.wandb_logger:WandbLogger"
_TASK_LIST = Target("lmms_eval.evaluator:get_task_list", ("task_dict",))
_TRACKER = "lmms_eval.loggers.evaluation_tracker:EvaluationTracker"
_DATABASE = Target(f"{_CACHE}.__init__", ("db_path",))


def _way(path: str, parameters: str, wrap: Wrap | None, *uses: Target) -> Replacement:
    return Replacement(Target(path, tuple(parameters.split())), wrap, uses)


# If several patches wrap one function, the last one is outermost.
PATCHES: tuple[Patch, ...] = (
    Patch(
        name="index of tasks",
        ways=(
            _way(f"{_TASKS}.initialize_tasks", "include_path include_defaults", task_index.include_our_folder),
            _way(f"{_TASKS}.__init__", "include_path include_defaults", task_index.include_our_folder),
        ),
        why="The harness has an entry point for models, but none for tasks.",
        lost='Tasks are not known by name; use: lmms-eval --include_path "$(microbench path)" …',
        upstream=f"{_ISSUES}/102",
    ),
    Patch(
        name="refusal of tasks that the model cannot answer",
        ways=(_way(f"{_TASKS}.match_tasks", "self task_list", early_checks.refuse_unanswerable),),
        why="The harness does not check what a model can do.",
        lost="A contrastive model that is asked for boxes is refused only after it has been loaded.",
    ),
    Patch(
        name="tasks left out, in the results",
        ways=(_way(_EVALUATE, "task_dict", early_checks.record_left_out),),
        why="The harness records only tasks that ran.",
        lost="Results do not name the tasks that were left out.",
    ),
    Patch(
        name="check of data before the model",
        ways=(_way(f"{_TASKS}.match_tasks", "task_list", early_checks.check_matched),),
        why="The harness reads data after it has loaded the model.",
        lost="Unusable data are found only after the model has been loaded.",
    ),
    Patch(
        name="check of data from Python",
        ways=(_way(f"{_TASKS}.load_task_or_group", "task_list", early_checks.check_loaded),),
        why="The harness's Python API does not call match_tasks.",
        lost="simple_evaluate, called from Python, reports unusable data only by an exception of the harness.",
    ),
    Patch(
        name="groups within groups",
        ways=(_way(f"{_TASKS}.load_task_or_group", "task_list", early_checks.drop_covered),),
        why="The harness refuses a task that two groups of a command contain.",
        lost="One command cannot ask a group together with a larger group that contains it.",
    ),
    Patch(
        name="tasks that the model cannot answer",
        ways=(_way(f"{_TASKS}.load_task_or_group", "self task_list", early_checks.skip_unanswerable),),
        why="The harness asks every model all tasks of a group.",
        lost="A run of a contrastive model on a group with tasks that ask for boxes fails.",
    ),
    Patch(
        name="garbage collection after the start",
        ways=(_way(f"{_TASKS}.load_task_or_group", "task_list", early_checks.end_start_up),),
        why="During imports, garbage collection would scan the same objects again and again; it is relaxed until then.",
        lost="Garbage is collected rarely during the whole run, which may need more memory.",
    ),
    Patch(
        name="prompts of the model's box format",
        ways=(_way(f"{_TASK}._prepare_model_specific_config", "self", definitions.bind_to_model),),
        why="Functions named in a task's YAML do not get the model's name.",
        lost="Tasks that ask for boxes (microbench_localization_…) fail.",
    ),
    Patch(
        name="definitions as they were built",
        ways=(_way(f"{_TASK}._prepare_model_specific_config", "self", definitions.remember_as_built),),
        why="The harness changes and drops fields of a task before the run.",
        lost="Some redefinitions of tasks are not detected.",
    ),
    Patch(
        name="prompt of the answer that is scored",
        ways=(_way(f"{_TASK}.process_results", "doc results", scoring.pass_prompt),),
        why="Some models return the prompt before their answer, and scoring does not get the prompt.",
        lost="If a model repeats its prompt, the options in the prompt may be read as its answer.",
    ),
    Patch(
        name="scoring without images",
        ways=(
            _way(
                f"{_TASK}.doc_iterator",
                "rank limit world_size offset",
                scoring.score_without_images,
                Target(f"{_TASK}.eval_docs_no_media"),
                Target("lmms_eval.utils:create_iterator", ("rank", "world_size", "limit", "offset")),
            ),
        ),
        why="Called from Python, the harness decodes every image again to score its answer.",
        lost="Scoring takes longer when simple_evaluate is called from Python.",
    ),
    Patch(
        name="scoring in batches",
        ways=(_way(f"{_TASK}.eval_docs_no_media", "", scoring.read_in_batches),),
        why="The harness converts documents one by one.",
        lost="Scoring takes longer.",
    ),
    Patch(
        name="figures of groups",
        ways=(
            _way(
                "lmms_eval.evaluator_utils:consolidate_group_results",
                "results versions task_dict",
                scoring.derive_group_figures,
            ),
        ),
        why="The harness gives groups only metrics that their tasks have.",
        lost="Groups have acc, but not acc_macro, acc_all and intervals by image; microbench rescore prints them.",
    ),
    Patch(
        name="baselines of our tasks",
        ways=(_way("lmms_eval.baselines:load_baseline", "baseline_arg task_name", baselines.compare_our_tasks),),
        why="The harness pairs documents by number and reads one file for all tasks.",
        lost="--baseline does not compare Micro-Bench tasks; microbench leaderboard compares runs.",
    ),
    Patch(
        name="baselines in the table",
        ways=(_way("lmms_eval.utils:make_table", "result_dict column", baselines.show_in_table),),
        why="The harness prints a comparison in the rows of all metrics.",
        lost="The printed table shows no comparison with --baseline; the results file contains it.",
    ),
    Patch(
        name="cached answers to redefined tasks",
        ways=(_way(f"{_CACHE}.create", "cache_root task_dict", answering.separate_redefined),),
        why="The cache keys of the harness contain names of functions, but not their files.",
        lost="With --use_cache a redefined task may get answers to the benchmark's own task.",
    ),
    Patch(
        name="answers of killed runs",
        ways=(_way(f"{_CACHE}.create", "cache_root", answering.recover_answers, _DATABASE),),
        why="The harness's cache reads only answers of runs that finished.",
        lost="With --use_cache, all questions of a killed run are asked again.",
        upstream=f"{_ISSUES}/852",
    ),
    Patch(
        name="damaged answers in the cache",
        ways=(_way(f"{_CACHE}.create", "cache_root", answering.repair_databases),),
        why="The harness's cache returns damaged text as an answer, and fails to open a damaged database.",
        lost="With --use_cache, damage to its files may end every later run.",
    ),
    Patch(
        name="end of a run with a damaged cache",
        ways=(_way(f"{_CACHE}._merge_run_to_root", "self", answering.finish_without_merging),),
        why="The harness merges answers into its cache after the last one, and the run fails if that fails.",
        lost="With --use_cache, damaged files of earlier runs may make a run fail after its last answer.",
    ),
    Patch(
        name="answers stored as they come",
        ways=(_way(f"{_CACHE}.execute", "lm reqtype requests", answering.store_incrementally),),
        why="The harness's cache stores answers after the last one, and failures as if they were answers.",
        lost="With --use_cache, a killed run leaves no answers, and failed requests are not asked again.",
        upstream=f"{_ISSUES}/852",
    ),
    Patch(
        name="failed requests",
        ways=(_way(_EVALUATE, "lm task_dict", answering.guard_model, _TASK_LIST),),
        why="Model classes of the harness swallow exceptions and return placeholder text as the answer.",
        lost="Failed requests may count as answers.",
    ),
    Patch(
        name="memory that ran out",
        ways=(_way(_EVALUATE, "lm", distributed.explain_memory),),
        why="Messages of memory that ran out do not say which batch size it was.",
        lost="If memory runs out, the message does not name the batch size.",
    ),
    Patch(
        name="scoring in one thread",
        ways=(_way(_EVALUATE, "task_dict process_docs_parallel", scoring.score_in_one_thread, _TASK_LIST),),
        why="The harness scores in threads, which slow down functions that do no I/O.",
        lost="Scoring takes longer.",
    ),
    Patch(
        name="definitions in the results",
        ways=(_way(_EVALUATE, "task_dict cache_requests", definitions.record_in_results, _TASK_LIST),),
        why="The harness records a task's YAML, but not its functions and its data.",
        lost="Results do not say which definition of a task ran; such a run cannot be submitted.",
    ),
    Patch(
        name="warnings about answers",
        ways=(_way(_EVALUATE, "", unanswered_scores.warn),),
        why="The harness does not say which requests failed.",
        lost="There is no warning of failed requests or of equal answers with --repeats; results count both.",
    ),
    Patch(
        name="no score without an answer",
        ways=(_way(_EVALUATE, "", unanswered_scores.drop),),
        why="The harness scores failed requests as wrong answers.",
        lost="A task without any answer gets a score of 0.",
    ),
    Patch(
        name="output folder before the model",
        ways=(_way(f"{_TRACKER}.__init__", "output_path", output.prepare_folder),),
        why="The harness notices only after the run that the output folder is not writable.",
        lost="An output folder that is not writable is noticed only at the end of the run.",
    ),
    Patch(
        name="disk space for the output",
        ways=(
            _way(
                "lmms_eval.evaluator:simple_evaluate",
                "tasks evaluation_tracker limit log_samples predict_only",
                output.check_room,
            ),
        ),
        why="The harness notices only after the run that the disk is full.",
        lost="A full disk is noticed only at the end of the run.",
    ),
    Patch(
        name="end of all processes",
        ways=(_way("lmms_eval.evaluator:simple_evaluate", "model tasks", distributed.end_together),),
        why="The harness waits for hours for a process that has failed or died.",
        lost="Of several processes, one that fails or is killed may leave the others waiting.",
    ),
    Patch(
        name="a folder for every model",
        ways=(
            _way(
                "lmms_eval.loggers.evaluation_tracker:GeneralConfigTracker.log_experiment_args",
                "model_source",
                output.name_folder,
                Target("lmms_eval.utils:sanitize_model_name", ("model_name",)),
            ),
        ),
        why="The harness takes the name of the folder from one of a few model arguments.",
        lost="Results of models without such an argument are written to --output_path itself.",
    ),
    Patch(
        name="atomic results files",
        ways=(_way(f"{_TRACKER}.save_results_aggregated", "results samples datetime_str", output.save_results),),
        why="The harness names files by the second, writes in place and swallows errors.",
        lost="Two runs may write to one file, and a failed write of the results file is not noticed.",
    ),
    Patch(
        name="atomic samples files",
        ways=(_way(f"{_TRACKER}.save_results_samples", "task_name samples", output.save_samples),),
        why="The harness appends to files in place and swallows errors.",
        lost="A missing or incomplete samples file is not noticed.",
    ),
    Patch(
        name="results for the baseline",
        ways=(_way(_EVALUATE, "", baselines.keep_results),),
        why="The harness makes the comparison without the results of the run.",
        lost="--baseline does not compare Micro-Bench tasks; microbench leaderboard compares runs.",
    ),
    Patch(
        name="warning of equal repeats",
        ways=(_way(_EVALUATE, "task_dict", definitions.warn_of_greedy_repeats, _TASK_LIST),),
        why="The harness repeats questions even with greedy decoding, which gives the same answer every time.",
        lost="There is no warning of --repeats with greedy decoding.",
    ),
    Patch(
        name="W&B: one run for all processes",
        ways=(_way(f"{_WANDB}.__init__", "kwargs", weights_and_biases.start_once),),
        why="The harness starts a W&B run in each process.",
        lost="With several processes, --wandb_args starts several W&B runs.",
    ),
    Patch(
        name="W&B: all metrics",
        ways=(_way(f"{_WANDB}.post_init", "results", weights_and_biases.drop_unloggable),),
        why="The harness's logger fails on entries without a value.",
        lost="--wandb_args logs no tables of metrics. Results files are complete.",
    ),
    Patch(
        name="W&B: tables of samples",
        ways=(_way(f"{_WANDB}._generate_dataset", "data config", weights_and_biases.flatten_tables),),
        why="The harness's logger expects fields of samples that are removed when samples are written.",
        lost="--wandb_log_samples logs no samples. Samples files are complete.",
    ),
    Patch(
        name="W&B: names with model arguments",
        ways=(_way("lmms_eval.utils:sanitize_long_string", "s", weights_and_biases.name_without_commas),),
        why="The harness parses the name of a run from a list that is separated by commas.",
        lost="--wandb_args needs name=… where --model_args has several arguments.",
    ),
    Patch(
        name="exit status",
        ways=(_way("lmms_eval.__main__:cli_evaluate_single", "args", command_line.watch_run),),
        why="The harness prints the error of a failed run and exits with status 0.",
        lost="lmms_eval exits with status 0 even if a run failed, and reports bad arguments late.",
    ),
    Patch(
        name="models of this package",
        ways=(_way("lmms_eval.models.registry_v2:ModelManifest", "model_id simple_class_path", None),),
        why="Models are registered with the harness through this class.",
        lost="The models of this package are not found by name.",
        elsewhere="microbench_adapters.manifests",
    ),
    Patch(
        name="list of models",
        ways=(_way("lmms_eval.models:AVAILABLE_SIMPLE_MODELS", "", None),),
        why="The command lmms_eval models does not list models of other packages.",
        lost="lmms_eval models does not list the models of this package; they can still be run.",
        elsewhere="microbench_adapters.manifests",
    ),
    Patch(
        name="weights in the results",
        ways=(_way(_EVALUATE, "lm response_cache", None),),
        why="The harness records a model's arguments, but not the weights; its cache tells models apart by arguments.",
        lost="Results of contrastive models do not say which weights were loaded.",
        elsewhere="microbench_adapters.models.provenance",
    ),
)
