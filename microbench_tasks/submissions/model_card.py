"""Write the model card of a submission (``README.md``), with a ``model-index`` for the Hugging Face Hub.

Everything is derived from the manifest (``submission.json``) alone, so that a check can derive it again. Raise
`manifest_model.SCHEMA_VERSION` when the text changes.

Source: huggingface/hub-docs ``modelcard.md``.
"""

from __future__ import annotations

from microbench_tasks import catalog
from microbench_tasks.catalog import pinned_release
from microbench_tasks.data import source_identity, tables
from microbench_tasks.submissions.headlines import Headline, list_headlines, list_publishable, task_data_kind
from microbench_tasks.submissions.manifest_file import UNKNOWN
from microbench_tasks.submissions.manifest_model import Boxes, LoadedModel, ManifestCore
from microbench_tasks.tasks.item_intervals import ABOUT_GROUPS, ABOUT_IMAGES
from microbench_tasks.util.text_safety import markdown_code, markdown_text

BENCHMARK = "Micro-Bench"

_TITLES = {
    "release": f"{BENCHMARK}: ",
    "demo": f"DEMO DATA, not {BENCHMARK}: ",
    "local": f"LOCAL DATA, not the {BENCHMARK} release: ",
    "own": f"OWN DATA, not {BENCHMARK}: ",
}

_DATA = {
    "release": f"the release `{pinned_release.HUB_ID}`, revision `{pinned_release.HUB_REVISION}`",
    "demo": "the demo set: synthetic micrographs, made to try the software",
    "local": "local data, which is not the release",
    "own": f"own data, which is no part of {BENCHMARK}",
}

# The first schema version whose cards say which versions to install.
_FIRST_WITH_VERSIONS = 4

_TAGS = ["micro-bench", "lmms-eval"]


def render_card(manifest: ManifestCore) -> str:
    """Return the content of ``README.md``: metadata for the Hub between two lines of dashes, then Markdown."""
    return f"---\n{_metadata(manifest)}\n---\n\n{_body(manifest)}"


def data_warning(manifest: ManifestCore) -> str:
    """Return the warning that scores on other data than the release must carry."""
    meaning = {
        "demo": "They show that the software works and say nothing about microscopy.",
        "own": "They can be compared only with scores on the same data (SHA-256).",
    }.get(manifest.data.kind, "They cannot be compared with scores on the release.")
    return (
        f"These are scores on {_DATA[manifest.data.kind]}. {meaning} They are no {BENCHMARK} results: "
        "no model-index and no .eval_results are written for them."
    )


def _metadata(manifest: ManifestCore) -> str:
    from huggingface_hub import EvalResult, ModelCardData

    if manifest.data.kind != "release":
        return ModelCardData(tags=[*_TAGS, f"{manifest.data.kind}-data"]).to_yaml()
    results = [
        EvalResult(
            task_type="visual-question-answering",
            dataset_type=pinned_release.HUB_ID,
            dataset_name=BENCHMARK,
            dataset_config=pinned_release.HUB_CONFIG,
            dataset_split=tables.SPLIT,
            dataset_revision=pinned_release.HUB_REVISION,
            metric_type={"acc": "accuracy", "grit": "grit"}[headline.metric],
            metric_value=headline.value,
            metric_name=f"{headline.name} {headline.metric}",
            metric_config=headline.name,
            metric_args={"ci_low": headline.low, "ci_high": headline.high},
        )
        for headline in list_publishable(manifest)
    ]
    return ModelCardData(
        datasets=[pinned_release.HUB_ID],
        tags=_TAGS,
        model_name=manifest.model.name if results else None,
        eval_results=results or None,
    ).to_yaml()


def _body(manifest: ManifestCore) -> str:
    kind = manifest.data.kind
    lead = (
        f"**{data_warning(manifest)}**"
        if kind != "release"
        else f"Scores of {markdown_text(manifest.model.name)} on {BENCHMARK}, with the answer to every question."
    )
    setting = "MICROBENCH_DATASET=demo " if kind == "demo" else ""
    parts = [
        f"# {_TITLES[kind]}{markdown_text(manifest.model.name)}",
        lead,
        *_describe_own_data(manifest),
        "\n".join(_score_table(manifest)),
        _how_to_read(manifest),
        "\n".join(_setting_table(manifest)),
        "To check every score from the answers, and every answer against the data (`MICROBENCH_DATASET`, and "
        "`MICROBENCH_COGNITION` where cognition was asked, name the run's data):"
        if kind != "own"
        else "To check every score from the answers, and every answer against the data (`MICROBENCH_OWN` names them):",
        f"```bash\n{_install_command(manifest)}\n{setting}microbench verify .\n```",
    ]
    return "\n\n".join(parts) + "\n"


def _install_command(manifest: ManifestCore) -> str:
    """Return the command that installs what the run used; cards of version 3 named no versions."""
    if manifest.schema_version < _FIRST_WITH_VERSIONS:
        return "pip install microbench-lmms"
    harness = manifest.versions.lmms_eval
    pinned_harness = "" if harness == UNKNOWN else f" lmms-eval=={harness}"
    # Many commits have the same version.
    commit = f"# The run used commit {manifest.versions.commit} of it.\n" if manifest.versions.commit else ""
    return f"{commit}pip install microbench-lmms=={manifest.versions.microbench}{pinned_harness}"


def _describe_own_data(manifest: ManifestCore) -> list[str]:
    """Return a paragraph that names each own dataset; none if there are none."""
    sources = manifest.data.sources.identities().values()
    own = {source["name"]: source for source in sources if source["source"] == source_identity.OWN}
    if not own:
        return []
    described = "; ".join(
        f"`{markdown_code(name)}` (SHA-256 `{source['sha256']}`, licence: "
        f"{markdown_text(source.get('licence') or 'not stated')})"
        for name, source in sorted(own.items())
    )
    return [f"Own data, which are no part of {BENCHMARK}: {described}."]


def _how_to_read(manifest: ManifestCore) -> str:
    quoted, paper = manifest.settings.interval.quoted, manifest.settings.interval.paper
    has_groups = any(headline.groups for headline in list_headlines(manifest))
    return (
        f"Scores are fractions from 0 to 1, in brackets their {quoted.confidence_level * 100:g} % intervals "
        f"({quoted.method}). {ABOUT_IMAGES} {f'{ABOUT_GROUPS} ' if has_groups else ''}"
        "n: questions, or pairs of an image and a class where boxes are asked for. "
        "Chance: the mean of 1 / number of options. "
        "Majority: the accuracy of always giving the option, or the letter, that is most often right in the task; "
        "it needs no image. "
        "`acc` goes by the paper's rule, `acc_strict` counts only answers that are stated, "
        "`unparsed` is the share without one. "
        f"The paper's intervals ({paper.method} bootstrap, {paper.num_resamples} resamples, seed {paper.seed}) "
        "are in submission.json, under `acc_ci_low` and `acc_ci_high`."
    )


def _score_table(manifest: ManifestCore) -> list[str]:
    header = ["", "n", "images", "datasets", "chance", "majority", "metric", "score", "acc_strict", "unparsed"]
    lines = [
        f"| {' | '.join(header)} |".replace("|  |", "| |"),
        "| --- | ---: | ---: | ---: | ---: | ---: | --- | --- | ---: | ---: |",
    ]
    lines += [f"| {' | '.join(_score_cells(manifest, headline))} |" for headline in list_headlines(manifest)]
    return lines


def _score_cells(manifest: ManifestCore, headline: Headline) -> list[str]:
    name, figures = headline.name, manifest.scores[headline.name]
    if headline.metric == "acc":
        chance, majority = manifest.chance.get(name), manifest.majority.get(name)
        strict, unparsed = figures.value("acc_strict"), figures.value("unparsed")
    else:
        chance = majority = strict = None
        unparsed = figures.value("boxes_unparsed")
    return [
        f"`{name}`{_data_mark(manifest, name)}",
        str(headline.questions),
        f"{headline.images}{f' in {headline.groups} groups' if headline.groups else ''}",
        str(headline.datasets),
        _format_or_blank(chance, 3),
        _format_or_blank(majority, 3),
        headline.metric,
        f"{headline.value:.4f} [{headline.low:.4f}, {headline.high:.4f}]",
        _format_or_blank(strict, 4),
        _format_or_blank(unparsed, 4),
    ]


def _format_or_blank(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _data_mark(manifest: ManifestCore, name: str) -> str:
    """Name the kinds of data of one row that differ from the submission's."""
    kinds = {task_data_kind(manifest, task) for task in catalog.tasks_named([name])} - {manifest.data.kind}
    return f" ({', '.join(sorted(kinds))} data)" if kinds else ""


def _setting_table(manifest: ManifestCore) -> list[str]:
    model, versions = manifest.model, manifest.versions
    loaded = model.loaded_model or LoadedModel()
    checkpoint, weights = loaded.checkpoint or UNKNOWN, loaded.weights_sha256 or UNKNOWN
    arguments = f" `--model_args {markdown_code(str(model.model_args))}`" if model.model_args else ""
    seeds = ", ".join(f"{name} {UNKNOWN if seed is None else seed}" for name, seed in manifest.seeds)
    commit = f" (commit {versions.commit})" if versions.commit else ""
    settings = {
        "data": _DATA[manifest.data.kind],
        "model": markdown_text(model.name) + (f", {model.url}" if model.url else ""),
        "run with": f"`--model {markdown_code(model.harness_model)}`{arguments}",
        "checkpoint": f"`{markdown_code(checkpoint)}`, weights SHA-256 `{markdown_code(weights)}`",
        "precision": f"`{markdown_code(model.precision)}`",
        "versions": f"microbench-lmms {markdown_text(versions.microbench)}{commit}, task version {versions.task}, "
        f"lmms-eval {markdown_text(versions.lmms_eval)}",
        "seeds": seeds,
        "date": manifest.run.date,
    }
    if manifest.settings.boxes is not None:
        settings["boxes"] = _describe_boxes(manifest.settings.boxes)
    return ["| setting | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in settings.items())]


def _describe_boxes(boxes: Boxes) -> str:
    """Describe in Markdown how boxes were asked for and read, and what chose that."""
    second, limits = boxes.prompt_when_empty, boxes.limits
    again = f"; after an empty answer `{markdown_code(second)}`" if second else ""
    resized = f", of an image resized to between {limits[0]:,} and {limits[1]:,} pixels" if limits else ""
    return (
        f"asked for with `{markdown_code(boxes.prompt)}`{again}; "
        f"read as `{markdown_code(boxes.convention)}`{resized}; "
        f"chosen by {markdown_text(boxes.chosen_by)} (source: {markdown_text(boxes.source)})"
    )
