"""Claims about the model card and the Hub's formats of a submission on the release."""

import huggingface_hub
import pytest
from huggingface_hub.repocard_data import model_index_to_eval_results

import yaml
from microbench_tasks import catalog
from microbench_tasks.catalog import pinned_release
from microbench_tasks.submissions import (
    headlines,
    hub_formats,
    manifest_file,
    model_card,
    reading,
    text_files,
)
from microbench_tasks.submissions.manifest_model import Manifest
from microbench_tasks.tasks.item_intervals import ABOUT_IMAGES
from tests.support import tiny_runs
from tests.support.forging import change_manifest, failures, rewritten
from tests.support.tiny_runs import BOXES, COARSE, COGNITION

HUB_COGNITION = {
    "source": "hub",
    "id": "jnirschl/uBench",
    "config": "cognition",
    "revision": "main",
    "sha256": "ab" * 32,
}


def test_of_the_release_the_hub_reads_each_score_once_as_a_fraction_with_its_interval(original):
    manifest = manifest_file.read_manifest(original)
    entries = huggingface_hub.parse_eval_result_entries(
        yaml.safe_load((original / ".eval_results" / "microbench.yaml").read_text())
    )
    # Of the groups only coarse is whole; cognition is of a folder, not of the release.
    assert [entry.task_id for entry in entries] == ["microbench_coarse", *COARSE, BOXES]
    for entry in entries:
        metric = "grit" if entry.task_id == BOXES else "acc"
        scores = manifest["scores"][entry.task_id]
        assert (entry.dataset_id, entry.dataset_revision, entry.date) == (
            "jnirschl/uBench",
            pinned_release.HUB_REVISION,
            "2026-01-01",
        )
        assert entry.value == scores[metric] and 0 <= entry.value <= 1
        low, high = (
            scores[f"{'grit_ci' if entry.task_id == BOXES else 'acc_image_ci'}_{end}"] for end in ("low", "high")
        )
        assert 0 <= low <= entry.value <= high <= 1
        assert (
            f"a fraction from 0 to 1; 95 % interval [{low:.4f}, {high:.4f}] (Clopper-Pearson, clustered by image)"
            in entry.notes
        )
        counts = scores["boxes_counts" if entry.task_id == BOXES else "counts"]
        assert f"n = {counts['questions']}, {counts['images']} images, {counts['datasets']} datasets" in entry.notes
        assert entry.source_url == "https://huggingface.co/datasets/me/submissions"


def test_of_the_release_the_cards_model_index_has_the_same_values(original):
    card = huggingface_hub.ModelCard((original / "README.md").read_text())
    name, results = model_index_to_eval_results(
        yaml.safe_load(card.content.split("\n---\n")[0].removeprefix("---\n"))["model-index"]
    )
    assert name == "My *CLIP*" == card.data.model_name
    entries = huggingface_hub.parse_eval_result_entries(
        yaml.safe_load((original / ".eval_results" / "microbench.yaml").read_text())
    )
    assert [(result.metric_config, result.metric_value) for result in results] == [
        (entry.task_id, entry.value) for entry in entries
    ]
    assert {
        (result.dataset_type, result.dataset_config, result.dataset_split, result.dataset_revision)
        for result in results
    } == {("jnirschl/uBench", "perception", "test", pinned_release.HUB_REVISION)}
    assert "| `microbench_cognition` (local data) | 3 | 2 | 1 |" in card.content


def test_the_card_says_what_intervals_are_about_and_what_a_model_without_sight_reaches(original):
    card, manifest = (original / "README.md").read_text(), manifest_file.read_manifest(original)
    assert card.count(ABOUT_IMAGES) == 1
    figures, name = manifest["scores"][COARSE[0]], COARSE[0]
    levels = f"{manifest['chance'][name]:.3f} | {manifest['majority'][name]:.3f}"
    ends = f"[{figures['acc_image_ci_low']:.4f}, {figures['acc_image_ci_high']:.4f}]"
    assert f"| `{name}` | 4 | 4 | 1 | {levels} | acc | {figures['acc']:.4f} {ends} |" in card


def test_the_card_and_the_hub_say_how_boxes_were_asked_for_and_why(original):
    boxes = manifest_file.read_manifest(original)["settings"]["boxes"]
    [row] = [line for line in (original / "README.md").read_text().splitlines() if line.startswith("| boxes |")]
    assert f"asked for with `{boxes['prompt']}`; read as `pixels_xyxy`; chosen by default: how open" in row.replace(
        "\\", ""
    )
    entries = huggingface_hub.parse_eval_result_entries(
        yaml.safe_load((original / ".eval_results" / "microbench.yaml").read_text())
    )
    [notes] = [entry.notes for entry in entries if entry.task_id == BOXES]
    assert notes.endswith(
        "; boxes asked for and read as pixels_xyxy (chosen by default: how open_clip writes boxes is not known)"
    )
    assert sum("boxes asked for" in entry.notes for entry in entries) == 1


@pytest.mark.parametrize("kind", ["demo", "local"])
def test_other_data_cannot_pose_as_the_release(kind, folder):
    identity = (
        {"source": "demo", "version": "1.0", "seed": 1, "sha256": "0" * 64}
        if kind == "demo"
        else {"source": "folder", "sha256": "0" * 64, "is_release": False}
    )

    def disguise(manifest):
        manifest["data"]["sources"] |= dict.fromkeys((*COARSE, BOXES), identity)

    change_manifest(folder, disguise)
    found = failures(rewritten(folder))
    assert f"data.kind is release, but data.sources are {kind}." in found["versions, settings and data source"]
    change_manifest(folder, lambda manifest: manifest["data"].update(kind=kind))
    found = failures(tiny_runs.refreshed(folder))
    assert ".eval_results/microbench.yaml: scores on" in found["no file claims other data"]
    assert "README.md says what submission.json says" in found
    texts = text_files.render_texts(reading.load_manifest(folder))
    assert sorted(texts) == sorted(["README.md", f"{kind.upper()}-DATA.txt"])
    assert "model-index:" not in texts["README.md"]


def test_a_group_with_questions_and_boxes_has_no_single_number_for_the_hub(original):
    manifest = manifest_file.read_manifest(original)
    release = manifest["data"]["sources"][COARSE[0]]
    manifest["data"]["sources"] = dict.fromkeys(catalog.TASKS, release)
    manifest["scores"] |= {
        "microbench": manifest["scores"]["microbench_coarse"] | manifest["scores"][BOXES],
        "microbench_vqa": manifest["scores"]["microbench_coarse"],
    }
    # Cognition's source has no record of whether it is the release.
    manifest["data"]["sources"][COGNITION] = HUB_COGNITION
    manifest = Manifest.model_validate(manifest)
    published = hub_formats.render_eval_results(manifest)
    assert "task_id: microbench_vqa\n" in published
    assert "task_id: microbench\n" not in published
    assert [headline.metric for headline in headlines.list_headlines(manifest) if headline.name == "microbench"] == [
        "acc",
        "grit",
    ]


def test_the_commands_to_publish_name_the_models_repository_and_open_pull_requests(original, tmp_path):
    manifest = reading.load_manifest(original)
    said = hub_formats.publishing_advice(manifest, tmp_path / "my submission")
    assert f"hf upload me/my-clip '{tmp_path}/my submission/.eval_results' .eval_results --create-pr" in said
    assert (
        f"hf upload ORGANIZATION/SUBMISSIONS '{tmp_path}/my submission' My-CLIP --repo-type dataset --create-pr" in said
    )
    assert "the cognition questions, which are not public" in said
    # Of local micrographs nothing is for the Hub, whatever else was asked.
    content = manifest_file.read_manifest(original)
    folder = {"source": "folder", "sha256": "0" * 64, "is_release": False}
    content["data"] |= {"kind": "local", "sources": dict.fromkeys(COARSE, folder) | {COGNITION: HUB_COGNITION}}
    local = Manifest.model_validate(content)
    assert ".eval_results --create-pr" not in hub_formats.publishing_advice(local, tmp_path)


@pytest.mark.parametrize(
    ("edit", "field"),
    [
        (lambda manifest: manifest["seeds"].update({"0 |\n\n# Verified": 1}), "seeds"),
        (lambda manifest: manifest["seeds"].pop("torch"), "seeds.torch"),
        (
            lambda manifest: manifest["versions"]["packages"].update({"[a](https://example.org)": "1"}),
            "versions.packages",
        ),
        (lambda manifest: manifest["scores"][COARSE[0]].update({"# acc": 1.0}), "scores.microbench_coarse_domain"),
        (
            lambda manifest: manifest["scores"][COARSE[0]]["unparsed_by_kind"].update({"<b>": 1}),
            "scores.microbench_coarse_domain.unparsed_by_kind",
        ),
        (lambda manifest: manifest["scores"].update({"microbench\n": {}}), "scores"),
        (lambda manifest: manifest["settings"]["boxes"].update({"# x": 1}), "settings.boxes"),
        (lambda manifest: manifest["model"].update(name="GPT\n"), "model.name"),
        (lambda manifest: manifest["model"].update(url="https://example.org/a|b"), "model.url"),
        (lambda manifest: manifest["model"].update(url="https://example.org/\n"), "model.url"),
    ],
)
def test_names_that_could_forge_a_line_of_the_card_are_none(edit, field, folder):
    change_manifest(folder, edit)
    assert f"submission.json, {field}: " in failures(tiny_runs.refreshed(folder))["schema of submission.json"]


def test_a_name_that_is_markup_is_shown_as_it_is(original):
    manifest = manifest_file.read_manifest(original)
    manifest["model"]["name"] = "<b>|`x`|</b> [a](b)"
    manifest["model"]["model_args"] = "a`b|c"
    card = model_card.render_card(Manifest.model_validate(manifest))
    assert r"# Micro-Bench: \<b\>\|\`x\`\|\</b\> \[a\]\(b\)" in card
    assert r"`--model_args a'b\|c`" in card
    assert (
        yaml.safe_load(card.split("\n---\n")[0].removeprefix("---\n"))["model-index"][0]["name"]
        == "<b>|`x`|</b> [a](b)"
    )


def test_the_card_says_which_versions_to_install_from_schema_version_4_on(original):
    manifest = Manifest.model_validate(manifest_file.read_manifest(original))
    versions = manifest.versions
    assert f"(commit {versions.commit})" in model_card.render_card(manifest)
    installed = f"pip install microbench-lmms=={versions.microbench} lmms-eval=={versions.lmms_eval}\n"
    assert f"```bash\n# The run used commit {versions.commit} of it.\n{installed}" in model_card.render_card(manifest)
    # Cards of version 3 stay as they were published.
    earlier = manifest.model_copy(update={"schema_version": 3})
    assert "pip install microbench-lmms\n" in model_card.render_card(earlier)
