"""Write the model card of a submission (``README.md``), with a ``model-index`` for the Hugging Face Hub.

Everything is derived from the manifest (``submission.json``) alone, so that a check can derive it again. Raise
`manifest_file.SCHEMA_VERSION` when the text changes.

Source: huggingface/hub-docs ``modelcard.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from microbench_tasks import catalog
from microbench_tasks.catalog import pinned_release
from microbench_tasks.data import tables
from microbench_tasks.metrics.intervals import ABOUT_IMAGES
from microbench_tasks.submissions.headlines import list_headlines, list_publishable, task_data_kind
from microbench_tasks.util.text_safety import markdown_code, markdown_text

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


def render_card(manifest: Mapping[str, Any]) -> str:
    """``README.md``: metadata for the Hub between two lines of dashes, then the scores and how to check them, in Markdown."""
    return f"---\n{_metadata(manifest)}\n---\n\n{_body(manifest)}"


def data_warning(manifest: Mapping[str, Any]) -> str:
    """What scores on other data than the release must say of themselves."""
    meaning = (
        "They show that the software works and say nothing about microscopy."
        if manifest["data"]["kind"] == "demo"
        else "They cannot be compared with scores on the release."
    )
    return f"These are scores on {_DATA[manifest['data']['kind']]}. {meaning} They are no {BENCHMARK} results: no model-index and no .eval_results are written for them."


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
        for headline in list_publishable(manifest)
    ]
    named = {"model_name": manifest["model"]["name"], "eval_results": results} if results else {}
    return ModelCardData(datasets=[pinned_release.HUB_ID], tags=_TAGS, **named).to_yaml()


def _body(manifest: Mapping[str, Any]) -> str:
    kind = manifest["data"]["kind"]
    lead = (
        f"**{data_warning(manifest)}**"
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
    for headline in list_headlines(manifest):
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
    kinds = {task_data_kind(manifest, task) for task in catalog.tasks_named([name])} - {manifest["data"]["kind"]}
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
