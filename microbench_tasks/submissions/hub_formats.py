"""What of a submission is written for people and for the Hugging Face Hub: the card with its ``model-index``, and ``.eval_results``.

All is made of the manifest (``submission.json``) alone, so that a check can make it again. A change of
what these texts say raises `submission.SCHEMA_VERSION`.

Source: huggingface/hub-docs ``eval_results.yaml`` and ``modelcard.md``. The Hub fixes no scale: values are
fractions from 0 to 1, and the notes say so. It has no field for intervals: they stand in the notes.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from microbench_tasks import catalog
from microbench_tasks.catalog import pinned_release
from microbench_tasks.data import tables
from microbench_tasks.metrics.intervals import ABOUT_IMAGES
from microbench_tasks.submissions import eligibility
from microbench_tasks.util.text_safety import markdown_code, markdown_text, printable_line

BENCHMARK = "Micro-Bench"
_TITLES = {
    "release": f"{BENCHMARK}: ",
    "demo": f"DEMO DATA, not {BENCHMARK}: ",
    "local": f"LOCAL DATA, not the {BENCHMARK} release: ",
}
_DATA = {
    "release": f"the release `{pinned_release.HUB_ID}`, revision `{pinned_release.HUB_REVISION}`",
    "demo": "the embedded demo set: drawn micrographs, made to try the software",
    "local": "local data, which is not the release",
}
_TAGS = ["micro-bench", "lmms-eval"]
_REPOSITORY = re.compile(r"https://huggingface\.co/([\w.-]+/[\w.-]+)/?")


@dataclass(frozen=True)
class Headline:
    """The one figure of a task or group, ``acc`` or ``grit``, with its 95 % interval and the number of observations."""

    name: str
    metric: str
    value: float
    low: float
    high: float
    questions: int
    images: int
    datasets: int


# Of each headline, what its interval and its counts are called.
_HEADLINES = (("acc", "acc_image_ci", "counts"), ("grit", "grit_ci", "boxes_counts"))


def headlines(manifest: Mapping[str, Any]) -> Iterator[Headline]:
    """The main figures, groups first, the largest first; a group that asks both questions and boxes has one of each."""
    for name in (*reversed(catalog.GROUPS), *catalog.TASKS):
        figures = manifest["scores"].get(name, {})
        for metric, interval, counts in _HEADLINES:
            low, high = figures.get(f"{interval}_low"), figures.get(f"{interval}_high")
            if None not in (figures.get(metric), low, high) and counts in figures:
                yield Headline(name, metric, figures[metric], low, high, **figures[counts])


def eval_results(manifest: Mapping[str, Any]) -> str:
    """``.eval_results/microbench.yaml``: an entry for each task and group of the release; empty if none is.

    Raises:
        ValueError: the Hub's own library reads something else in it.
    """
    from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml, parse_eval_result_entries

    import yaml

    entries = [
        EvalResultEntry(
            dataset_id=pinned_release.HUB_ID,
            task_id=headline.name,
            value=headline.value,
            dataset_revision=pinned_release.HUB_REVISION,
            date=_day(manifest),
            source_url=manifest["run"].get("samples_url"),
            source_name="Answers to every question" if "samples_url" in manifest["run"] else None,
            notes=_notes(manifest, headline),
        )
        for headline in _publishable(manifest)
    ]
    if not entries:
        return ""
    text = yaml.safe_dump(eval_result_entries_to_yaml(entries), sort_keys=False, allow_unicode=True, width=1000)
    if parse_eval_result_entries(yaml.safe_load(text)) != entries:
        raise ValueError("huggingface_hub reads other entries in .eval_results than were written into it.")
    return text


def are_for_the_hub(manifest: Mapping[str, Any]) -> bool:
    """Whether any of the scores may stand on the Hub as the benchmark's."""
    return any(True for _ in _publishable(manifest))


def card(manifest: Mapping[str, Any]) -> str:
    """``README.md``: metadata for the Hub between two lines of dashes, then the scores and how to check them, in Markdown."""
    return f"---\n{_metadata(manifest)}\n---\n\n{_body(manifest)}"


def warning(manifest: Mapping[str, Any]) -> str:
    """What scores on other data than the release must say of themselves."""
    meaning = (
        "They show that the software works and say nothing about microscopy."
        if manifest["data"]["kind"] == "demo"
        else "They cannot be compared with scores on the release."
    )
    return f"These are scores on {_DATA[manifest['data']['kind']]}. {meaning} They are no {BENCHMARK} results: no model-index and no .eval_results are written for them."


def how_to_publish(manifest: Mapping[str, Any], folder: Path) -> str:
    """The commands that would upload a submission, for its author to run; with the warnings that go with them."""
    name = re.sub(r"[^\w.-]+", "-", manifest["model"]["name"]).strip("-.") or "model"
    lines = ["Nothing has been uploaded. These commands would open pull requests:"]
    if are_for_the_hub(manifest):
        repository = _REPOSITORY.fullmatch(manifest["model"].get("url", ""))
        model = repository[1] if repository else "ORGANIZATION/MODEL"
        lines.append(
            f"  hf upload {model} {shlex.quote(str(folder / '.eval_results'))} .eval_results --create-pr   # the scores, beside the model"
        )
    lines.append(
        f"  hf upload ORGANIZATION/SUBMISSIONS {shlex.quote(str(folder))} {name} --repo-type dataset --create-pr   # the whole submission"
    )
    if manifest["data"]["kind"] != "release":
        lines.append(warning(manifest))
    elif not are_for_the_hub(manifest):
        lines.append("No model-index and no .eval_results are written, as nothing that was asked is of the release.")
    else:
        lines.append(
            f"{pinned_release.HUB_ID} is not registered as a benchmark of the Hub: until it is, the scores show in the model's repository and on no leaderboard of the Hub."
        )
    if catalog.COGNITION_TASK in manifest["num_samples"] and _kind(manifest, catalog.COGNITION_TASK) == "local":
        lines.append(
            "The samples hold the cognition questions, which are not public: ask whoever gave them to you before you publish."
        )
    return "\n".join(lines)


# --- the parts of the card -----------------------------------------------------------


def _metadata(manifest: Mapping[str, Any]) -> str:
    from huggingface_hub import EvalResult, ModelCardData

    if manifest["data"]["kind"] != "release":
        return ModelCardData(tags=[*_TAGS, f"{manifest['data']['kind']}-data"]).to_yaml()
    common = {
        "task_type": "visual-question-answering",
        "dataset_type": pinned_release.HUB_ID,
        "dataset_name": BENCHMARK,
        "dataset_config": pinned_release.HUB_CONFIG,
        "dataset_split": tables.SPLIT,
        "dataset_revision": pinned_release.HUB_REVISION,
    }
    results = [
        EvalResult(
            **common,
            metric_type={"acc": "accuracy", "grit": "grit"}[headline.metric],
            metric_value=headline.value,
            metric_name=f"{headline.name} {headline.metric}",
            metric_config=headline.name,
            metric_args={"ci_low": headline.low, "ci_high": headline.high},
        )
        for headline in _publishable(manifest)
    ]
    named = {"model_name": manifest["model"]["name"], "eval_results": results} if results else {}
    return ModelCardData(datasets=[pinned_release.HUB_ID], tags=_TAGS, **named).to_yaml()


def _body(manifest: Mapping[str, Any]) -> str:
    kind = manifest["data"]["kind"]
    lead = (
        f"**{warning(manifest)}**"
        if kind != "release"
        else f"Scores of {markdown_text(manifest['model']['name'])} on {BENCHMARK}, with the answer to every question."
    )
    parts = [
        f"# {_TITLES[kind]}{markdown_text(manifest['model']['name'])}",
        lead,
        "\n".join(_score_table(manifest)),
        _how_to_read(manifest),
        "\n".join(_setting_table(manifest)),
        "To check every score from the answers, and every answer against the data (`MICROBENCH_DATASET`, and `MICROBENCH_COGNITION` where cognition was asked, name the run's data):",
        f"```bash\npip install microbench-lmms\n{'MICROBENCH_DATASET=demo ' if kind == 'demo' else ''}microbench verify .\n```",
    ]
    return "\n\n".join(parts) + "\n"


def _how_to_read(manifest: Mapping[str, Any]) -> str:
    quoted, paper = manifest["settings"]["interval"]["quoted"], manifest["settings"]["interval"]["paper"]
    return (
        f"Scores are fractions from 0 to 1, in brackets their {quoted['confidence_level'] * 100:g} % intervals "
        f"({quoted['method']}). {ABOUT_IMAGES} "
        "n: questions, or pairs of an image and a class where boxes are asked for. "
        "Chance: the mean of 1 / number of options. "
        "Majority: the accuracy of always giving the option, or the letter, that is most often right in the task; "
        "it needs no image. "
        "`acc` goes by the paper's rule, `acc_strict` counts only answers that are stated, "
        "`unparsed` is the share without one. "
        f"The paper's intervals ({paper['method']} bootstrap, {paper['num_resamples']} resamples, seed {paper['seed']}) "
        "are in submission.json, under `acc_ci_low` and `acc_ci_high`."
    )


def _score_table(manifest: Mapping[str, Any]) -> list[str]:
    header = ["", "n", "images", "datasets", "chance", "majority", "metric", "score", "acc_strict", "unparsed"]
    lines = [
        f"| {' | '.join(header)} |".replace("|  |", "| |"),
        "| --- | ---: | ---: | ---: | ---: | ---: | --- | --- | ---: | ---: |",
    ]
    for headline in headlines(manifest):
        figures = manifest["scores"][headline.name]
        questions = headline.metric == "acc"
        levels = [
            f"{manifest[level][headline.name]:.3f}" if questions and headline.name in manifest[level] else ""
            for level in ("chance", "majority")
        ]
        strict, unparsed = (
            f"{figures[name]:.4f}" if name in figures and figures[name] is not None else ""
            for name in (("acc_strict", "unparsed") if questions else ("", "boxes_unparsed"))
        )
        score = f"{headline.value:.4f} [{headline.low:.4f}, {headline.high:.4f}]"
        counts = [str(count) for count in (headline.questions, headline.images, headline.datasets)]
        cells = [
            f"`{headline.name}`{_data_mark(manifest, headline.name)}",
            *counts,
            *levels,
            headline.metric,
            score,
            strict,
            unparsed,
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _data_mark(manifest: Mapping[str, Any], name: str) -> str:
    """Where the data of one row are of another kind than the submission's."""
    kinds = {_kind(manifest, task) for task in catalog.tasks_named([name])} - {manifest["data"]["kind"]}
    return f" ({', '.join(sorted(kinds))} data)" if kinds else ""


def _setting_table(manifest: Mapping[str, Any]) -> list[str]:
    model, versions = manifest["model"], manifest["versions"]
    loaded = model["loaded_model"] or {}
    settings = {
        "data": _DATA[manifest["data"]["kind"]],
        "model": markdown_text(model["name"]) + (f", {model['url']}" if "url" in model else ""),
        "run with": f"`--model {markdown_code(model['harness_model'])}`"
        + (f" `--model_args {markdown_code(str(model['model_args']))}`" if model["model_args"] else ""),
        "checkpoint": f"`{markdown_code(str(loaded.get('checkpoint', 'unknown')))}`, weights SHA-256 `{markdown_code(str(loaded.get('weights_sha256', 'unknown')))}`",
        "precision": f"`{markdown_code(model['precision'])}`",
        "versions": f"microbench-lmms {markdown_text(versions['microbench'])}, task version {versions['task']}, lmms-eval {markdown_text(versions['lmms_eval'])}",
        "seeds": ", ".join(f"{name} {'unknown' if seed is None else seed}" for name, seed in manifest["seeds"].items()),
        "date": manifest["run"]["date"],
        **({} if manifest["settings"]["boxes"] is None else {"boxes": _boxes(manifest)}),
    }
    return ["| setting | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in settings.items())]


def _boxes(manifest: Mapping[str, Any]) -> str:
    """Describe in Markdown how boxes were asked for and read, and what chose that."""
    boxes = manifest["settings"]["boxes"]
    second, limits = boxes["prompt_when_empty"], boxes["limits"]
    again = f"; after an empty answer `{markdown_code(second)}`" if second else ""
    resized = f", of an image resized to between {limits[0]:,} and {limits[1]:,} pixels" if limits else ""
    return (
        f"asked for with `{markdown_code(boxes['prompt'])}`{again}; "
        f"read as `{markdown_code(boxes['convention'])}`{resized}; "
        f"chosen by {markdown_text(boxes['chosen_by'])} (source: {markdown_text(boxes['source'])})"
    )


# --- what they share -----------------------------------------------------------------


def _publishable(manifest: Mapping[str, Any]) -> Iterator[Headline]:
    """The headlines that may stand on the Hub as the benchmark's: all of their data are of the release."""
    if manifest["data"]["kind"] != "release":
        return
    for headline in headlines(manifest):
        # A task of the Hub has one number: groups that ask questions and boxes have none.
        both = {"acc", "grit"} <= manifest["scores"][headline.name].keys()
        if not both and all(_kind(manifest, task) == "release" for task in catalog.tasks_named([headline.name])):
            yield headline


def _kind(manifest: Mapping[str, Any], task: str) -> str:
    return eligibility.kind_of(manifest["data"]["sources"].get(task, {}))


def _notes(manifest: Mapping[str, Any], headline: Headline) -> str:
    quoted, versions = manifest["settings"]["interval"]["quoted"], manifest["versions"]
    name = {"acc": "accuracy by the paper's rule", "grit": "GRIT localization score"}[headline.metric]
    boxes = manifest["settings"]["boxes"] if headline.metric == "grit" else None
    asked = (
        f"; boxes asked for and read as {boxes['convention']} (chosen by {printable_line(boxes['chosen_by'])})"
        if boxes
        else ""
    )
    return (
        f"{name}, a fraction from 0 to 1; {quoted['confidence_level'] * 100:g} % interval "
        f"[{headline.low:.4f}, {headline.high:.4f}] ({quoted['method']}); "
        f"n = {headline.questions}, {headline.images} images, {headline.datasets} datasets; "
        f"lmms-eval, microbench-lmms {versions['microbench']}, task version {versions['task']}{asked}"
    )


def _day(manifest: Mapping[str, Any]) -> str | None:
    date = manifest["run"]["date"]
    return date[:10] if date[:1].isdigit() else None
