"""The table of patches: each change to the harness's insides, why it is made, and what a run lacks without it."""

from __future__ import annotations

from microbench_tasks.patches import (
    answering,
    baselines,
    command_line,
    definitions,
    early_checks,
    output,
    scoring,
    several_processes,
    task_index,
    unanswered_scores,
    weights_and_biases,
)
from microbench_tasks.patches.patch import Patch, Replacement, Wrap
from microbench_tasks.patches.targets import Target

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


# Of several patches of one function the last one is outermost.
PATCHES: tuple[Patch, ...] = (
    Patch(
        name="index of tasks",
        ways=(
            _way(f"{_TASKS}.initialize_tasks", "include_path include_defaults", task_index.include_our_folder),
            _way(f"{_TASKS}.__init__", "include_path include_defaults", task_index.include_our_folder),
        ),
        why="The harness has an entry point for models, and none for tasks.",
        lost='Tasks are not known by name; use: lmms-eval --include_path "$(microbench path)" …',
        upstream=f"{_ISSUES}/102",
    ),
    Patch(
        name="refusal of tasks that the model cannot answer",
        ways=(_way(f"{_TASKS}.match_tasks", "self task_list", early_checks.refuse_unanswerable),),
        why="The harness does not ask what a model can do.",
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
        why="The harness's Python API matches no names.",
        lost="simple_evaluate, called from Python, finds unusable data only by an exception of the harness.",
    ),
    Patch(
        name="groups within groups",
        ways=(_way(f"{_TASKS}.load_task_or_group", "task_list", early_checks.drop_covered),),
        why="The harness refuses a task that two groups of a command contain.",
        lost="A group and a larger one that contains it cannot be asked in one command.",
    ),
    Patch(
        name="tasks that the model cannot answer",
        ways=(_way(f"{_TASKS}.load_task_or_group", "self task_list", early_checks.leave_out_loaded),),
        why="The harness asks every model everything.",
        lost="A contrastive model that is asked for a group with boxes ends with an error.",
    ),
    Patch(
        name="garbage collection after the start",
        ways=(_way(f"{_TASKS}.load_task_or_group", "task_list", early_checks.end_start_up),),
        why="Objects that imports made would be looked through again and again.",
        lost="Garbage is collected rarely during the whole run, which may take more memory.",
    ),
    Patch(
        name="prompts of the model's box format",
        ways=(_way(f"{_TASK}._prepare_model_specific_config", "self", definitions.bind_to_model),),
        why="Functions that YAML names are not told which model asks.",
        lost="Tasks that ask for boxes (microbench_localization_…) fail.",
    ),
    Patch(
        name="definitions as they were built",
        ways=(_way(f"{_TASK}._prepare_model_specific_config", "self", definitions.remember_as_built),),
        why="The harness changes and drops fields of a task before the run.",
        lost="Some redefinitions of tasks are not noticed.",
    ),
    Patch(
        name="prompt of the answer that is scored",
        ways=(_way(f"{_TASK}.process_results", "doc results", scoring.pass_prompt),),
        why="Some models return the prompt before their answer, and scoring is not given the prompt.",
        lost="Of a model that repeats its prompt, the options in it may be read as its answer.",
    ),
    Patch(
        name="scoring without images",
        ways=(
            _way(
                f"{_TASK}.doc_iterator",
                "rank limit world_size offset",
                scoring.leave_images,
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
        lost="Groups have acc, and not acc_macro, acc_all and the intervals by image; microbench rescore prints them.",
    ),
    Patch(
        name="baselines of our tasks",
        ways=(_way("lmms_eval.baselines:load_baseline", "baseline_arg task_name", baselines.compare_our_tasks),),
        why="The harness pairs documents by number and reads one file for all tasks.",
        lost="--baseline compares no task with an earlier run of ours; microbench leaderboard compares runs.",
    ),
    Patch(
        name="baselines in the table",
        ways=(_way("lmms_eval.utils:make_table", "result_dict column", baselines.show_in_table),),
        why="The harness prints a comparison in the rows of all metrics.",
        lost="The printed table shows no comparison with --baseline; the results file contains it.",
    ),
    Patch(
        name="cached answers to redefined tasks",
        ways=(_way(f"{_CACHE}.create", "cache_root task_dict", answering.part_redefined),),
        why="The harness's cache names functions without their files.",
        lost="With --use_cache a redefined task may get answers to the benchmark's own task.",
    ),
    Patch(
        name="answers of killed runs",
        ways=(_way(f"{_CACHE}.create", "cache_root", answering.recover_answers, _DATABASE),),
        why="The harness's cache reads only answers of runs that ended.",
        lost="--use_cache asks everything again that a killed run had asked.",
        upstream=f"{_ISSUES}/852",
    ),
    Patch(
        name="damaged answers in the cache",
        ways=(_way(f"{_CACHE}.create", "cache_root", answering.repair_databases),),
        why="The harness's cache hands out damaged text as an answer, and cannot be opened with a damaged database.",
        lost="With --use_cache, damage to its files may end every later run.",
    ),
    Patch(
        name="end of a run with a damaged cache",
        ways=(_way(f"{_CACHE}._merge_run_to_root", "self", answering.finish_without_merging),),
        why="The harness merges answers into its cache after the last one, and loses the run if that fails.",
        lost="With --use_cache, damage to files of earlier runs may end a run after its last answer.",
    ),
    Patch(
        name="answers stored as they come",
        ways=(_way(f"{_CACHE}.execute", "lm reqtype requests", answering.store_as_they_come),),
        why="The harness's cache stores answers after the last one, and failures as if they were answers.",
        lost="With --use_cache, a killed run leaves no answers, and failed requests are not asked again.",
        upstream=f"{_ISSUES}/852",
    ),
    Patch(
        name="failed requests",
        ways=(_way(_EVALUATE, "lm task_dict", answering.guard_model, _TASK_LIST),),
        why="Classes of the harness swallow exceptions and answer with other text.",
        lost="Failed requests may count as answers.",
    ),
    Patch(
        name="memory that ran out",
        ways=(_way(_EVALUATE, "lm", several_processes.explain_memory),),
        why="Messages of memory that ran out do not say which batch size it was.",
        lost="If memory runs out, the message does not name the batch size.",
    ),
    Patch(
        name="scoring in one thread",
        ways=(_way(_EVALUATE, "task_dict process_docs_parallel", scoring.score_in_one_thread, _TASK_LIST),),
        why="The harness scores in threads, which only wait for each other in functions that never wait.",
        lost="Scoring takes longer.",
    ),
    Patch(
        name="definitions in the results",
        ways=(_way(_EVALUATE, "task_dict cache_requests", definitions.record_in_results, _TASK_LIST),),
        why="The harness records a task's YAML, and neither its functions nor its data.",
        lost="Results do not say which definition of a task ran; such a run cannot be submitted.",
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
        why="The harness finds out after the run that nothing can be written.",
        lost="An output folder that cannot be written is found only at the end of the run.",
    ),
    Patch(
        name="room for the output",
        ways=(
            _way(
                "lmms_eval.evaluator:simple_evaluate",
                "tasks evaluation_tracker limit log_samples predict_only",
                output.check_room,
            ),
        ),
        why="The harness finds out after the run that the disk is full.",
        lost="A disk without room for the run is found only at the end of the run.",
    ),
    Patch(
        name="end of all processes",
        ways=(_way("lmms_eval.evaluator:simple_evaluate", "model tasks", several_processes.end_together),),
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
        why="The harness names the folder after one of a few model arguments.",
        lost="Results of models without such an argument lie in --output_path itself.",
    ),
    Patch(
        name="whole results files",
        ways=(_way(f"{_TRACKER}.save_results_aggregated", "results samples datetime_str", output.save_results),),
        why="The harness names files by the second, writes into place and swallows errors.",
        lost="Two runs may write one file, and a results file that could not be written is not noticed.",
    ),
    Patch(
        name="whole samples files",
        ways=(_way(f"{_TRACKER}.save_results_samples", "task_name samples", output.save_samples),),
        why="The harness appends to files in place and swallows errors.",
        lost="A samples file that could not be written, or only in part, is not noticed.",
    ),
    Patch(
        name="results for the baseline",
        ways=(_way(_EVALUATE, "", baselines.keep_results),),
        why="The harness makes the comparison without the results of the run.",
        lost="--baseline compares no task with an earlier run of ours; microbench leaderboard compares runs.",
    ),
    Patch(
        name="warning of equal repeats",
        ways=(_way(_EVALUATE, "task_dict", definitions.warn_of_greedy_repeats, _TASK_LIST),),
        why="The harness repeats questions of models that answer alike each time.",
        lost="--repeats with greedy decoding is not warned of.",
    ),
    Patch(
        name="W&B: one run for all processes",
        ways=(_way(f"{_WANDB}.__init__", "kwargs", weights_and_biases.start_once),),
        why="The harness starts a run in each process.",
        lost="With several processes, --wandb_args starts as many runs.",
    ),
    Patch(
        name="W&B: all figures",
        ways=(_way(f"{_WANDB}.post_init", "results", weights_and_biases.leave_no_gaps),),
        why="The harness's logger stops at entries without a figure.",
        lost="--wandb_args logs no tables of figures. Results files are whole.",
    ),
    Patch(
        name="W&B: tables of samples",
        ways=(_way(f"{_WANDB}._generate_dataset", "data config", weights_and_biases.make_whole_tables),),
        why="The harness's logger expects samples as they were before they were written.",
        lost="--wandb_log_samples logs no samples. Samples files are whole.",
    ),
    Patch(
        name="W&B: names with model arguments",
        ways=(_way("lmms_eval.utils:sanitize_long_string", "s", weights_and_biases.name_without_commas),),
        why="The harness reads the name of a run back out of a list with commas.",
        lost="--wandb_args needs name=… where --model_args has several arguments.",
    ),
    Patch(
        name="exit status",
        ways=(_way("lmms_eval.__main__:cli_evaluate_single", "args", command_line.watch_run),),
        why="The harness prints the error of a failed run and exits with status 0.",
        lost="lmms_eval exits with status 0 even if a run failed, and finds bad arguments late.",
    ),
    Patch(
        name="models of this package",
        ways=(_way("lmms_eval.models.registry_v2:ModelManifest", "model_id simple_class_path", None),),
        why="The harness learns of models through this class.",
        lost="The models of this package are not known by name.",
        elsewhere="microbench_adapters.manifests",
    ),
    Patch(
        name="list of models",
        ways=(_way("lmms_eval.models:AVAILABLE_SIMPLE_MODELS", "", None),),
        why="The command lmms_eval models lists no model of another package.",
        lost="lmms_eval models does not list the models of this package; they run all the same.",
        elsewhere="microbench_adapters.manifests",
    ),
    Patch(
        name="weights in the results",
        ways=(_way(_EVALUATE, "lm response_cache", None),),
        why="The harness records a model's arguments, and not what it loaded; its cache tells weights by arguments.",
        lost="Results of contrastive models do not say which weights were loaded.",
        elsewhere="microbench_adapters.harness",
    ),
)
