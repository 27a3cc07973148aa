"""What a run, or a submission of one, must be: whole, asked in the paper's way, of one data source and one version.

Each check returns the reasons against, in words for the user; none is a reason for.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Literal

from microbench_tasks import catalog
from microbench_tasks.data import dataset_setting, source_identity
from microbench_tasks.data.source_identity import without_path
from microbench_tasks.metrics.bootstrap import METHODS
from microbench_tasks.parsing.letters.paper_rule import lettered_options
from microbench_tasks.runs import rescoring, result_keys
from microbench_tasks.runs.rescoring import LoggedRun, Rescored
from microbench_tasks.submissions import record_checks, run_arguments
from microbench_tasks.tasks import provenance
from microbench_tasks.tasks.aggregations import INTERVAL_SETTING, interval_settings
from microbench_tasks.tasks.prompts import INSTRUCTION, microbench_doc_to_text
from microbench_tasks.util.errors import DataError

DataKind = Literal["release", "demo", "local"]

Sample = Mapping[str, Any]
# Wraps what takes long, given with what it is.
Progress = Callable[[Iterable[Any], str], Iterable[Any]]

_FINE_TOTAL = f"the total of {catalog.FINE_GROUP}"
_CELL_CYCLE = f"{catalog.FINE_GROUP}_cell_cycle"
_OUTSIDE_TOTAL = f"the part of {_CELL_CYCLE} outside the fine total"
_COGNITION = frozenset({catalog.COGNITION_TASK})


@dataclass(frozen=True)
class Examination:
    """A run looked at as a submission.

    Attributes:
        run: without the tasks that no submission has.
        samples: of each task as the harness logged them, in the documents' order.
        rescored: None where the samples cannot be scored.
        reasons: why it cannot be a submission; all of them.
        notes: what is left out, or missing for a group.
    """

    run: LoggedRun
    samples: Mapping[str, Sequence[Sample]]
    rescored: Rescored | None
    reasons: tuple[str, ...]
    notes: tuple[str, ...]


def silently(items: Iterable[Any], what: str) -> Iterable[Any]:
    """No progress."""
    return items


def examine(run: LoggedRun, progress: Progress = silently) -> Examination:
    """Check a run in every respect."""
    variants = [task for task in run.samples if task in catalog.VARIANTS]
    notes = [f"left out, as they are variants of the benchmark's own tasks: {', '.join(variants)}"] if variants else []
    notes += (
        [f"left out, as these are not Micro-Bench's own tasks: {', '.join(sorted(set(run.others)))}"]
        if run.others
        else []
    )
    run = dataclasses.replace(run, samples={task: file for task, file in run.samples.items() if task in catalog.TASKS})
    if not run.samples:
        return Examination(
            run,
            {},
            None,
            (
                "the run asked variants of the benchmark's tasks only. Ask a task or a group of the benchmark itself, such as microbench_vqa.",
            ),
            tuple(notes),
        )
    reasons = record_reasons(run) + definition_reasons(run) + _run_reasons(run)
    samples: dict[str, list[Sample]] = {}
    for task in progress(run.samples, "reading samples"):
        try:
            samples[task] = [
                sample
                for _, sample in sorted(rescoring.logged_samples(run.samples[task]), key=lambda pair: pair[1]["doc_id"])
            ]
        except DataError as error:
            reasons.append(str(error))
    reasons += [
        reason
        for task, found in samples.items()
        for reason in sample_reasons(run, task, found) + _response_reasons(run, task, found)
    ]
    rescored, problems = _rescored(run, samples, progress)
    reasons += problems
    if rescored is not None:
        reasons += _score_reasons(run, samples, rescored) + count_reasons(kind_of_run(run), rescored)
        notes += _missing_for_a_group(run)
    return Examination(run, samples, rescored, tuple(dict.fromkeys(reasons)), tuple(notes))


# --- where the data came from --------------------------------------------------------


def kind_of(identity: Mapping[str, Any]) -> DataKind:
    """What a data source is, by what the results file records of it: the release (on the Hub at its pinned revision, or a copy with its hashes), the demo set, or anything else."""
    if identity.get("source") == dataset_setting.DEMO:
        return "demo"
    # Nothing else may be said of it: what is not known is not the release.
    return (
        "release" if source_identity.is_release(identity) or _is_cognition_on_hub(without_path(identity)) else "local"
    )


def _is_cognition_on_hub(stated: Mapping[str, Any]) -> bool:
    """Tell whether a source is the cognition questions in the release's repository, which have no pinned revision."""
    expected = source_identity.hub_identity(catalog.COGNITION, str(stated.get("revision"))) | {
        "sha256": stated.get("sha256")
    }
    return stated == expected and stated["sha256"] is not None


def kind_of_run(run: LoggedRun) -> DataKind:
    """The kind of the source of the micrographs; of the cognition questions', where nothing else was asked."""
    public = [task for task in run.samples if task not in _COGNITION]
    return kind_of(run.metadata((public or list(run.samples))[0]).get("dataset") or {})


# --- what the record says ------------------------------------------------------------


def record_reasons(run: LoggedRun) -> list[str]:
    """Where the record of versions, intervals, data and boxes is missing, mixed, or not this package's."""
    if run.results is None:
        return [
            f"the results file {run.name}_results.json is missing beside the samples: version, data source and settings of the run are unknown."
        ]
    tasks = list(run.samples)
    public = [task for task in tasks if task not in _COGNITION]
    boxes = [task for task in tasks if catalog.TASKS[task].subject == "boxes"]
    found = {
        "task version (metadata.version)": _values(run, tasks, lambda metadata: metadata.get("version")),
        "version of this package (metadata.microbench_version)": _values(
            run, tasks, lambda metadata: metadata.get("microbench_version")
        ),
        "interval settings (metadata.interval)": _values(run, tasks, lambda metadata: metadata.get("interval")),
        "data source (metadata.dataset)": _values(
            run, public, lambda metadata: without_path(metadata.get("dataset") or {}) or None
        ),
        "data source of cognition (metadata.dataset)": _values(
            run,
            [task for task in tasks if task in _COGNITION],
            lambda metadata: without_path(metadata.get("dataset") or {}) or None,
        ),
        "prompt for boxes (metadata.boxes)": _values(run, boxes, lambda metadata: metadata.get("boxes")),
    }
    reasons = [f"{aspect}: {problem}" for aspect, values in found.items() for problem in _one_and_known(values)]
    reasons += record_checks.asked_reasons(run) + record_checks.box_reasons(run)
    return reasons + _version_reasons(run, tasks) + _interval_reasons(run, tasks)


def _values(
    run: LoggedRun, tasks: Iterable[str], read: Callable[[Mapping[str, Any]], Any]
) -> list[tuple[Any, list[str]]]:
    """Each value that ``read`` finds, with the tasks of which it is on record."""
    values: list[tuple[Any, list[str]]] = []
    for task in tasks:
        value = read(run.metadata(task))
        same = next((named for known, named in values if known == value), None)
        values.append((value, [task])) if same is None else same.append(task)
    return values


def _one_and_known(values: Sequence[tuple[Any, Sequence[str]]]) -> list[str]:
    problems = [f"not on record for {', '.join(tasks)}." for value, tasks in values if value is None]
    known = [(value, tasks) for value, tasks in values if value is not None]
    if len(known) > 1:
        problems.append(
            "mixed: "
            + "; ".join(
                f"{value} for {tasks[0]}" + (f" and {len(tasks) - 1} more" if len(tasks) > 1 else "")
                for value, tasks in known
            )
            + ". Run all tasks in one go."
        )
    return problems


def _version_reasons(run: LoggedRun, tasks: Iterable[str]) -> list[str]:
    others = sorted(
        {
            str(version)
            for task in tasks
            if (version := run.metadata(task).get("version")) not in (None, catalog.TASK_VERSION)
        }
    )
    if not others:
        return []
    return [
        f"task version {', '.join(others)}: this package asks and scores as version {catalog.TASK_VERSION}. Use the version of the package that made the run, or run again."
    ]


def _interval_reasons(run: LoggedRun, tasks: Iterable[str]) -> list[str]:
    computed = interval_settings()
    others = [settings for task in tasks if (settings := run.metadata(task).get("interval")) not in (None, computed)]
    if not others:
        return []
    if rescoring.is_older_record(others[0]):
        return [
            f"interval settings (metadata.interval): {others[0]} is the record of an earlier version, whose intervals "
            "were all bootstrap intervals. Run again with this version of the package."
        ]
    paper = others[0].get("paper")
    if others[0].get("quoted") == computed["quoted"] and paper in [
        computed["paper"] | {"method": name} for name in METHODS
    ]:
        return [
            f"acc_ci_* are {paper['method']} bootstrap intervals in the run and "
            f"{computed['paper']['method']} ones here. Set {INTERVAL_SETTING}={paper['method']}."
        ]
    return [
        f"interval settings (metadata.interval): expected {computed}, got {others[0]}. Run again with this version."
    ]


def definition_reasons(run: LoggedRun) -> list[str]:
    """Return the tasks whose definition or documents are not on record, or whose definition is not this package's own."""
    if run.results is None:
        return []
    definitions = {task: provenance.recorded(run.metadata(task)) for task in run.samples}
    missing = {
        "the definition of the task that ran (metadata.definition)": [
            task for task, found in definitions.items() if found is None
        ],
        "the digest of what was asked about (metadata.asked)": [
            task for task in run.samples if not _is_digest(run.metadata(task).get("asked"))
        ],
    }
    reasons = [
        f"{what}: not on record for {', '.join(tasks)}. Run again with this version of the package."
        for what, tasks in missing.items()
        if tasks
    ]
    return reasons + [
        reason
        for task, found in definitions.items()
        if found is not None
        for reason in [*_redefinitions(run, task, found), *_setting_reasons(run, task, found)]
    ]


def _is_digest(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        and isinstance(value.get("sha256"), str)
        and isinstance(value.get("num_documents"), int)
    )


def _redefinitions(run: LoggedRun, task: str, definition: Mapping[str, Any]) -> list[str]:
    """Return the fields of a task's recorded definition that are not the package's own."""
    differs = dict(definition["differs"])
    if run.metadata(task).get("microbench_version") == version("microbench-lmms"):
        differs = _differs_now(task, definition) | differs
    return [
        f"{task}: {provenance.describe(field, values)} Run the benchmark's own definition: leave out --include_path, or what changes the task."
        for field, values in differs.items()
    ]


def _differs_now(task: str, definition: Mapping[str, Any]) -> dict[str, Any]:
    """Compare a record with this package's definition, without fields that depend on the machine."""
    model, is_chat = definition.get("model"), provenance.is_chat_record(definition)
    own = provenance.expected(task, model if isinstance(model, str) else None, is_chat=is_chat, with_data=False)
    recorded = {field: value for field, value in definition["fields"].items() if field not in provenance.OF_MACHINE}
    return provenance.differences(recorded, own)


def _setting_reasons(run: LoggedRun, task: str, definition: Mapping[str, Any]) -> list[str]:
    """Return the generation keys that were changed after the task was defined and that no submission may set."""
    ran = (run.recorded().get("configs") or {}).get(task, {}).get("generation_kwargs")
    defined = definition["fields"].get("generation_kwargs")
    if not isinstance(ran, Mapping) or not isinstance(defined, Mapping):
        return [
            f"{task}: its generation settings (generation_kwargs) are not on record. Run again with this version of the package."
        ]
    changed = {key: value for key, value in ran.items() if key not in defined or value != defined[key]}
    changed |= {key: "removed" for key in defined if key not in ran}
    return run_arguments.generation_reasons(f"{task}, generation_kwargs", changed)


def _run_reasons(run: LoggedRun) -> list[str]:
    """What only the harness's own results file records."""
    if run.results is None:
        return []
    recorded = run.recorded()
    config = recorded.get("config") or {}
    typed = config.get("resolved_cli_args") or {}
    asked = [task for task in catalog.TASKS if task in (recorded.get("configs") or {})]
    reasons = [
        f"{task}: the run asked it (configs of {run.results.name}), but its samples file is missing."
        for task in asked
        if task not in run.samples
    ]
    reasons += [
        f"{task}: has samples, but {run.results.name} does not know it." for task in run.samples if task not in asked
    ]
    reasons += [f"--limit {config['limit']:g}: a part of the benchmark was asked."] if config.get("limit") else []
    reasons += [f"--offset {config['offset']}: a part of the benchmark was asked."] if config.get("offset") else []
    reasons += (
        ["--predict_only: the run has responses and no scores. Run it without."] if typed.get("predict_only") else []
    )
    reasons += (
        ["--system_instruction: the models of the benchmark are asked without one (unknown prompt)."]
        if recorded.get("system_instruction")
        else []
    )
    repeats = sorted({count for task in run.samples if (count := _repeats(recorded, task)) > 1})
    reasons += [
        f"--repeats {count}: a submission has one answer to each question. Run again without --repeats."
        for count in repeats
    ]
    served = recorded.get(result_keys.SERVED)
    if isinstance(served, dict) and served.get("shrinks_images"):
        reasons.append(
            f"{result_keys.SHRINK_SETTING}: images that the server refused were shown at half their size. Run without."
        )
    shots = sorted({count for task in run.samples if (count := (recorded.get("n-shot") or {}).get(task))})
    reasons += [
        reason
        for option in ("model_args", "gen_kwargs")
        for reason in prompt_reasons(f"--{option}", config.get(option))
    ]
    return (
        reasons
        + (
            [f"--num_fewshot {shots[0]}: the models of the benchmark are shown no examples (unknown prompt)."]
            if shots
            else []
        )
        + _size_reasons(run)
    )


def _repeats(recorded: Mapping[str, Any], task: str) -> int:
    """Return how often a run asked each question of a task."""
    count = (recorded["configs"].get(task) or {}).get("repeats", 1)
    return count if isinstance(count, int) else 1


def prompt_reasons(option: str, arguments: Any) -> list[str]:
    """Return the arguments of a model, or the generation keys, that no submission may set; see `microbench_tasks.submissions.run_arguments`."""
    is_generation = option.endswith("gen_kwargs")
    return (run_arguments.generation_reasons if is_generation else run_arguments.model_reasons)(option, arguments)


def _size_reasons(run: LoggedRun) -> list[str]:
    reasons = []
    for task in run.samples:
        sizes = (run.recorded().get("n-samples") or {}).get(task)
        if not sizes:
            reasons.append(f"{task}: {run.results.name} does not say how many documents it has (n-samples).")
        elif sizes["effective"] != sizes["original"]:
            reasons.append(f"{task}: {sizes['effective']} of its {sizes['original']} documents were asked.")
    return reasons


# --- what the samples say ------------------------------------------------------------


def sample_reasons(run: LoggedRun, task: str, samples: Sequence[Sample]) -> list[str]:
    """Where the samples of one task are not whole, have no items, or were not asked in the known way."""
    bare = sum(_item(task, sample) is None for sample in samples)
    if bare:
        return [
            f"{task}: {bare} of {len(samples)} samples have a response and no score (--predict_only). Run it without."
        ]
    gaps = [position for position, sample in enumerate(samples) if sample["doc_id"] != position]
    reasons = [f"{task}: no sample of document {gaps[0]}, but of later ones: the log is not whole."] if gaps else []
    try:
        unknown = [sample["doc_id"] for sample in samples if not _is_known_prompt(run, task, sample)]
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        return [*reasons, f"{task}: its prompts cannot be checked: {type(error).__name__}: {error}"]
    if unknown:
        asked = (
            "the paper's prompt around a question and its options"
            if catalog.TASKS[task].subject != "boxes"
            else "the prompt for boxes that the run records (metadata.boxes)"
        )
        reasons.append(
            f"{task}: unknown prompt in {len(unknown)} of {len(samples)} samples, such as that of document {unknown[0]}: expected {asked}, and nothing before or after."
        )
    return reasons


def _item(task: str, sample: Sample) -> Mapping[str, Any] | None:
    return sample.get("grit" if catalog.TASKS[task].subject == "boxes" else "acc")


def _response_reasons(run: LoggedRun, task: str, samples: Sequence[Sample]) -> list[str]:
    """Where the response that is scored is not what the model said, less its reasoning; the harness logs that only where the two differ."""
    if not any("resps" in sample for sample in samples):
        return []
    from lmms_eval.api.reasoning import parse_reasoning_tags_config, strip_reasoning_tags

    recorded = run.recorded()
    typed = (recorded.get("config") or {}).get("resolved_cli_args") or {}
    tags = (
        parse_reasoning_tags_config(
            typed.get("reasoning_tags"), (recorded.get("configs", {}).get(task) or {}).get("reasoning_tags")
        )
        or []
    )
    changed = []
    for sample in samples:
        said = sample.get("resps", sample.get("filtered_resps"))
        while isinstance(said, list) and len(said) == 1:
            said = said[0]
        if "resps" in sample and not (
            isinstance(said, str) and sample.get("filtered_resps") in (said, strip_reasoning_tags(said, tags))
        ):
            changed.append(sample["doc_id"])
    return (
        [
            f"{task}: what is scored (filtered_resps) of {len(changed)} sample(s) is not what the model said (resps) without its reasoning, such as document {changed[0]}."
        ]
        if changed
        else []
    )


def _is_known_prompt(run: LoggedRun, task: str, sample: Sample) -> bool:
    item, prompt = _item(task, sample), sample["input"]
    if catalog.TASKS[task].subject == "boxes":
        asked = rescoring.logged_format(run, task)
        size = (item["width"], item["height"])
        as_recorded = (item["convention"], tuple(item["model_input_size"])) == (
            asked.convention,
            asked.model_input_size(size),
        )
        return as_recorded and prompt == asked.prompt(item["expression"], size)
    before, after = f"{INSTRUCTION}\nQuestion:", "".join(f"\n{line}" for line in lettered_options(item["options"]))
    question = prompt[len(before) : len(prompt) - len(after)]
    return prompt == microbench_doc_to_text({"question": question, "options": item["options"]})


def _rescored(
    run: LoggedRun, samples: Mapping[str, Sequence[Sample]], progress: Progress
) -> tuple[Rescored | None, list[str]]:
    """The run scored again; or each task's own reason why that cannot be."""
    if samples.keys() != run.samples.keys() or any(
        _item(task, sample) is None for task, found in samples.items() for sample in found
    ):
        return None, []
    try:
        return rescoring.rescore(run, lambda tasks: progress(tasks, "scoring samples")), []
    except DataError:
        problems = []
        for task, file in run.samples.items():
            try:
                rescoring.rescore(dataclasses.replace(run, samples={task: file}))
            except DataError as error:
                problems.append(str(error))
        return None, problems


def _score_reasons(run: LoggedRun, samples: Mapping[str, Sequence[Sample]], rescored: Rescored) -> list[str]:
    reasons = []
    for task, found in samples.items():
        changed = changed_scores(found, rescored.samples[task])
        if changed:
            reasons.append(
                f"{task}: the logged score of {len(changed)} sample(s) is not that of the response, such as document {changed[0]}."
            )
    if all(run.metadata(task).get("interval") == interval_settings() for task in run.samples):
        differing = rescoring.differing_figures(run, rescored.scores)
        reasons += (
            [f"{len(differing)} figure(s) of the results file are not those of the samples, such as {differing[0]}."]
            if differing
            else []
        )
    return reasons + failed_reasons(rescored)


def changed_scores(samples: Sequence[Sample], rescored: Sequence[rescoring.ScoredSample]) -> list[int]:
    """The numbers of the documents whose logged score is not that of their response; both in the documents' order."""
    return [
        sample["doc_id"]
        for sample, again in zip(samples, rescored, strict=True)
        if not rescoring.are_equal(sample.get("score"), again.items["score"])
    ]


def failed_reasons(rescored: Rescored) -> list[str]:
    """The tasks in which requests got no response."""
    failed = {task: rescored.scores[task]["failed"] for task in rescored.num_samples if rescored.scores[task]["failed"]}
    return [
        f"{task}: {count} request(s) got no response. Run again with --use_cache, which asks only these."
        for task, count in failed.items()
    ]


def count_reasons(kind: DataKind, rescored: Rescored) -> list[str]:
    """Where the samples of the release are not as many as it has questions."""
    if kind != "release":
        return []
    expected = dict(catalog.RELEASE_COUNTS)
    counts = dict(rescored.num_samples)
    if _CELL_CYCLE in counts:
        expected |= {_OUTSIDE_TOTAL: catalog.RELEASE_QUESTIONS_OUTSIDE_FINE_TOTAL}
        counts |= {_OUTSIDE_TOTAL: counts[_CELL_CYCLE] - rescored.num_in_total[_CELL_CYCLE]}
    fine = catalog.tasks_named([catalog.FINE_GROUP])
    if counts.keys() >= set(fine):
        expected |= {
            catalog.FINE_GROUP: catalog.RELEASE_QUESTIONS,
            _FINE_TOTAL: catalog.RELEASE_QUESTIONS - catalog.RELEASE_QUESTIONS_OUTSIDE_FINE_TOTAL,
        }
        counts |= {
            catalog.FINE_GROUP: sum(counts[task] for task in fine),
            _FINE_TOTAL: sum(rescored.num_in_total[task] for task in fine),
        }
    return [
        f"{name}: {counts[name]} samples, but the release has {number} questions."
        for name, number in expected.items()
        if name in counts and counts[name] != number
    ]


def _missing_for_a_group(run: LoggedRun) -> list[str]:
    groups = {
        group: [task for task in catalog.tasks_named([group]) if task not in run.samples] for group in catalog.GROUPS
    }
    if not all(groups.values()):
        return []
    begun = {group: missing for group, missing in groups.items() if len(missing) < len(catalog.tasks_named([group]))}
    group, missing = min(begun.items(), key=lambda pair: len(pair[1]))
    return (
        [
            f"no whole group was asked, so the submission has the scores of single tasks only; {group} lacks {', '.join(missing)}"
        ]
        if begun
        else []
    )
