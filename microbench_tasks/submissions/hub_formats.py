"""Write the scores of a submission for the Hugging Face Hub (``.eval_results``), and the commands to publish it.

Everything is derived from the manifest (``submission.json``) alone, so that a check can derive it again. Raise
`manifest_model.SCHEMA_VERSION` when these texts change.

Source: huggingface/hub-docs ``eval_results.yaml``. The Hub defines no scale: values are fractions from 0 to 1. It has
no field for intervals: the notes state them.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from microbench_tasks import catalog
from microbench_tasks.catalog import pinned_release
from microbench_tasks.submissions.headlines import Headline, has_publishable, list_publishable, task_data_kind
from microbench_tasks.submissions.manifest_model import ManifestCore
from microbench_tasks.submissions.model_card import data_warning
from microbench_tasks.util.text_safety import printable_line

_REPOSITORY = re.compile(r"https://huggingface\.co/([\w.-]+/[\w.-]+)/?")


def render_eval_results(manifest: ManifestCore) -> str:
    """Return the content of ``.eval_results/microbench.yaml``: an entry for each task and group of the release.

    The text is empty if there is none.

    Raises:
        ValueError: the Hub's own library reads other entries in it.
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
            source_url=manifest.run.samples_url,
            source_name="Answers to every question" if manifest.run.samples_url else None,
            notes=_notes(manifest, headline),
        )
        for headline in list_publishable(manifest)
    ]
    if not entries:
        return ""
    text = yaml.safe_dump(eval_result_entries_to_yaml(entries), sort_keys=False, allow_unicode=True, width=1000)
    if parse_eval_result_entries(yaml.safe_load(text)) != entries:
        raise ValueError("huggingface_hub reads other entries in .eval_results than were written into it.")
    return text


def publishing_advice(manifest: ManifestCore, folder: Path) -> str:
    """Return the commands that upload a submission, for its author to run, with warnings."""
    name = re.sub(r"[^\w.-]+", "-", manifest.model.name).strip("-.") or "model"
    lines = ["Nothing has been uploaded. These commands would open pull requests:"]
    if has_publishable(manifest):
        repository = _REPOSITORY.fullmatch(manifest.model.url or "")
        model = repository[1] if repository else "ORGANIZATION/MODEL"
        scores = shlex.quote(str(folder / ".eval_results"))
        lines.append(f"  hf upload {model} {scores} .eval_results --create-pr   # the scores, beside the model")
    lines.append(
        f"  hf upload ORGANIZATION/SUBMISSIONS {shlex.quote(str(folder))} {name} --repo-type dataset --create-pr"
        "   # the whole submission"
    )
    if manifest.data.kind != "release":
        lines.append(data_warning(manifest))
    elif not has_publishable(manifest):
        lines.append("No model-index and no .eval_results are written, as nothing that was asked is of the release.")
    else:
        lines.append(
            f"{pinned_release.HUB_ID} is not registered as a benchmark of the Hub: until it is, the scores show in the "
            "model's repository and on no leaderboard of the Hub."
        )
    if any(map(catalog.is_own, manifest.num_samples)):
        lines.append(
            "The samples contain questions, right answers, names of images and groups of own data: publish them only "
            "if their owner agrees. microbench submit --without-own-data leaves them out."
        )
    cognition = catalog.COGNITION_TASK
    if cognition in manifest.num_samples and task_data_kind(manifest, cognition) == "local":
        lines.append(
            "The samples contain the cognition questions, which are not public: ask whoever gave them to you before "
            "you publish."
        )
    return "\n".join(lines)


def _notes(manifest: ManifestCore, headline: Headline) -> str:
    quoted, versions = manifest.settings.interval.quoted, manifest.versions
    name = {"acc": "accuracy by the paper's rule", "grit": "GRIT localization score"}[headline.metric]
    boxes = manifest.settings.boxes if headline.metric == "grit" else None
    asked = (
        f"; boxes asked for and read as {boxes.convention} (chosen by {printable_line(boxes.chosen_by)})"
        if boxes
        else ""
    )
    return (
        f"{name}, a fraction from 0 to 1; {quoted.confidence_level * 100:g} % interval "
        f"[{headline.low:.4f}, {headline.high:.4f}] ({quoted.method}); "
        f"n = {headline.questions}, {headline.images} images, {headline.datasets} datasets; "
        f"lmms-eval, microbench-lmms {versions.microbench}, task version {versions.task}{asked}"
    )


def _day(manifest: ManifestCore) -> str | None:
    date = manifest.run.date
    return date[:10] if date[:1].isdigit() else None
