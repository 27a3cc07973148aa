"""Claims about what a check of a submission finds, also where the forger renews the digests, and about the Hub's formats of the release."""

import gzip
import json

import huggingface_hub
import pytest
from huggingface_hub.repocard_data import model_index_to_eval_results

import yaml
from microbench_tasks import catalog
from microbench_tasks.catalog import pinned_release
from microbench_tasks.data import source_identity
from microbench_tasks.metrics.intervals import ABOUT_IMAGES
from microbench_tasks.runs import logs
from microbench_tasks.submissions import (
    building,
    data_comparison,
    headlines,
    hub_formats,
    manifest_file,
    model_card,
    reading,
    text_files,
    verification,
)
from microbench_tasks.submissions.manifest_model import Manifest
from microbench_tasks.util import files
from microbench_tasks.util.errors import DataError
from tests.support import tiny_runs
from tests.support.forging import change_manifest, change_samples, rewritten, write_texts
from tests.support.tiny_runs import BOXES, COARSE, COGNITION

TASKS = (*COARSE, BOXES, COGNITION)
DATA = "the samples against the data (MICROBENCH_DATASET)"
COGNITION_DATA = "the samples against the data (MICROBENCH_COGNITION)"
HUB_COGNITION = {
    "source": "hub",
    "id": "jnirschl/uBench",
    "config": "cognition",
    "revision": "main",
    "sha256": "ab" * 32,
}


@pytest.fixture(scope="module", autouse=True)
def tiny_release(tmp_path_factory):
    """The small data pass for the release: their hashes and numbers of questions are taken for its own."""
    folder = tiny_runs.data(tmp_path_factory.mktemp("tiny") / "data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MICROBENCH_DATASET", str(folder))
        patch.setattr(
            pinned_release, "RELEASE_SHARDS", tuple(files.content_hashes([folder / "test-00000-of-00001.parquet"]))
        )
        patch.setattr(
            catalog,
            "RELEASE_COUNTS",
            dict.fromkeys(COARSE[:-1], tiny_runs.NUM_IMAGES) | {COARSE[-1]: tiny_runs.NUM_STAINS},
        )
        yield folder


@pytest.fixture(scope="module")
def original(tiny_release):
    run = tiny_runs.write(tiny_release.parent / "run", {task: tiny_runs.samples(task) for task in TASKS})
    description = building.Description(
        "My *CLIP*", "https://huggingface.co/me/my-clip", "https://huggingface.co/datasets/me/submissions"
    )
    return building.submit(logs.find_run([run]), description, tiny_release.parent / "submission").folder


@pytest.fixture
def folder(original, tmp_path):
    return files.write_dir(
        tmp_path / "copy",
        {path.relative_to(original).as_posix(): path.read_bytes() for path in original.rglob("*") if path.is_file()},
    )


def failures(folder, **options):
    """What is wrong, by check."""
    return {check.name: " ".join(check.problems) for check in verification.verify(folder, **options) if check.failed}


def test_an_untouched_submission_holds_in_every_respect(folder):
    checks = list(verification.verify(folder))
    assert [str(check) for check in checks if check.failed or check.skipped] == []
    assert [check.name for check in checks][-2:] == [DATA, COGNITION_DATA]


# --- forgeries -----------------------------------------------------------------------


def raise_score(folder):
    change_manifest(folder, lambda manifest: manifest["scores"]["microbench_coarse"].update(acc=0.99))


@pytest.mark.parametrize("renew", [lambda folder: folder, tiny_runs.refreshed])
def test_a_changed_score_is_found(renew, folder):
    raise_score(folder)
    found = failures(renew(folder))
    assert (
        "submission.json, scores.microbench_coarse.acc is 0.99; the samples give 0.75."
        in found["scores, from the samples"]
    )
    assert "README.md says what submission.json says" in found
    assert ("digest of submission.json" in found) == (renew is not tiny_runs.refreshed)


def test_a_changed_score_is_found_where_card_and_hub_formats_go_along(folder):
    raise_score(folder)
    write_texts(folder, manifest_file.read_manifest(folder))
    assert list(failures(tiny_runs.refreshed(folder), with_data=False)) == ["scores, from the samples"]


def right_answer(samples):
    """Document 2 is the wrong one."""
    samples[2].update(filtered_resps="ABCDEFGH"[int(samples[2]["target"])])


@pytest.mark.parametrize("renew", [lambda folder: folder, tiny_runs.refreshed])
def test_a_changed_answer_is_found(renew, folder):
    change_samples(folder, COARSE[0], right_answer)
    found = failures(renew(folder))
    assert (
        f"submission.json, scores.{COARSE[0]}.acc is 0.75; the samples give 1.0." in found["scores, from the samples"]
    )
    assert (
        f"{COARSE[0]}: the score of 1 sample(s) is not that of the answer, such as document 2."
        in found["scores, from the samples"]
    )
    assert (
        "samples/microbench_coarse_domain.jsonl.gz has been changed" in found.get("files and their SHA-256", "")
    ) == (renew is not tiny_runs.refreshed)


def other_gold(samples):
    """The wrong answer of document 2 is declared right, consistently."""
    letter = samples[2]["filtered_resps"]
    samples[2]["acc"]["gold"] = letter
    samples[2].update(target=str("ABCDEFGH".index(letter)), score=1.0)


def test_another_right_answer_is_found_by_the_data_although_all_else_goes_along(folder):
    change_samples(folder, COARSE[0], other_gold)
    rewritten(folder)
    assert failures(folder, with_data=False) == {}
    found = failures(folder)
    assert list(found) == [DATA]
    assert f"{COARSE[0]}: document 2: gold is" in found[DATA] and "target is" in found[DATA]


@pytest.mark.parametrize("renew", [lambda folder: folder, tiny_runs.refreshed])
def test_a_dropped_sample_is_found(renew, folder):
    change_samples(folder, COARSE[0], lambda samples: samples.pop(2))
    found = failures(renew(folder))
    assert (
        f"{COARSE[0]}: 3 samples, but submission.json (num_samples) says 4."
        in found["samples: all there, asked in the known way"]
    )
    assert f"scores.{COARSE[0]}.acc is 0.75; the samples give 1.0." in found["scores, from the samples"]
    assert f"{COARSE[0]}: no sample of document 2." in found[DATA]


def test_a_dropped_sample_is_found_although_all_else_goes_along(folder):
    def drop_and_number_again(samples):
        del samples[2]
        for number, sample in enumerate(samples):
            sample["doc_id"] = number

    change_samples(folder, COARSE[0], drop_and_number_again)
    found = failures(rewritten(folder))
    assert f"{COARSE[0]}: 3 samples, but the release has 4 questions." in found["nothing is left out"]
    assert f"{COARSE[0]}: 3 samples, but MICROBENCH_DATASET" in found[DATA] and "has 4 documents" in found[DATA]


def other_hash(*tasks):
    def edit(manifest):
        for task in tasks:
            identity = manifest["data"]["sources"][task]
            manifest["data"]["sources"][task] = (
                identity | {"sha256": "0" * 64} | ({"is_release": False} if "is_release" in identity else {})
            )

    return edit


@pytest.mark.parametrize("renew", [lambda folder: folder, tiny_runs.refreshed])
def test_another_data_hash_is_found(renew, folder):
    change_manifest(folder, other_hash(COARSE[1]))
    found = failures(renew(folder))
    assert "data source (metadata.dataset): mixed" in found["versions, settings and data source"]
    change_manifest(folder, other_hash(*COARSE, BOXES))
    found = failures(renew(folder))
    assert "data.kind is release, but data.sources are local." in found["versions, settings and data source"]
    assert (
        f"is not what the submission is about (sha256 {'0' * 64}, is_release False). Set MICROBENCH_DATASET to its data"
        in found[DATA]
    )


@pytest.mark.parametrize(
    ("task", "edit"),
    [
        (BOXES, lambda identity: identity.pop("sha256")),
        (BOXES, lambda identity: identity.pop("is_release")),
        (BOXES, lambda identity: identity.pop("source")),
        (BOXES, lambda identity: identity.update(note="whatever")),
        (BOXES, lambda identity: identity.update(path="/data")),
        (BOXES, lambda identity: identity.update(is_release=False)),
        (BOXES, lambda identity: identity.update(sha256="0" * 64)),
        (COGNITION, lambda identity: identity.update(is_release=False)),
        (COGNITION, lambda identity: (identity.clear(), identity.update(source="demo", sha256="0" * 64))),
        (
            COGNITION,
            lambda identity: (
                identity.clear(),
                identity.update(source="hub", id="jnirschl/uBench", config="cognition"),
            ),
        ),
        (
            COGNITION,
            lambda identity: (
                identity.clear(),
                identity.update(source="hub", id="jnirschl/uBench", config="cognition", revision="a" * 40),
            ),
        ),
        (
            BOXES,
            lambda identity: (
                identity.clear(),
                identity.update(source_identity.hub_identity(pinned_release.HUB_CONFIG, pinned_release.HUB_REVISION)),
            ),
        ),
    ],
)
def test_a_data_source_has_one_identity_with_exactly_its_own_fields(task, edit, folder):
    """Else each way to write it down would be data of its own, with a ranking of its own."""
    change_manifest(folder, lambda manifest: edit(manifest["data"]["sources"][task]))
    assert "submission.json, data.sources" in failures(tiny_runs.refreshed(folder))["schema of submission.json"]


def test_data_of_which_less_or_more_is_recorded_than_is_at_hand_are_others():
    demo = {"source": "demo", "version": "1.0", "seed": 1, "sha256": "ab" * 32}
    assert data_comparison._source_mismatch(demo, demo) == ""
    assert data_comparison._source_mismatch({"source": "demo", "sha256": "ab" * 32}, demo) == "no version, no seed"
    assert data_comparison._source_mismatch(demo | {"note": 1}, demo) == "note 1"
    assert data_comparison._source_mismatch({}, demo) == "none is recorded"
    hub = source_identity.release_identity()
    assert data_comparison._source_mismatch(hub | {"note": 1}, hub) == "note 1"


def test_another_hash_of_cognition_is_found(folder):
    change_manifest(folder, other_hash(COGNITION))
    found = failures(rewritten(folder))
    assert list(found) == [COGNITION_DATA]
    assert "Set MICROBENCH_COGNITION to its data" in found[COGNITION_DATA]


def test_another_model_name_in_the_manifest_is_found(folder):
    change_manifest(folder, lambda manifest: manifest["model"].update(name="Other"))
    assert "submission.json has been changed" in failures(folder)["digest of submission.json"]
    # With new digests the card still gives it away.
    found = failures(tiny_runs.refreshed(folder))
    assert "expected: # Micro-Bench: Other" in found["README.md says what submission.json says"]
    assert r"found: # Micro-Bench: My \*CLIP\*" in found["README.md says what submission.json says"]


def test_another_model_name_in_all_files_is_found_by_the_digests(folder):
    change_manifest(folder, lambda manifest: manifest["model"].update(name="Other"))
    write_texts(folder, manifest_file.read_manifest(folder))
    found = failures(folder)
    assert list(found) == ["files and their SHA-256", "digest of submission.json"]
    assert "README.md has been changed" in found["files and their SHA-256"]


def test_what_neither_answers_nor_data_know_changes_the_digest_and_nothing_else(folder, original):
    """The limit of any check: only a digest that was published elsewhere tells."""
    change_manifest(folder, lambda manifest: manifest["model"].update(name="Other"))
    rewritten(folder)
    assert failures(folder) == {}
    assert manifest_file.read_manifest(folder)["digest"] != manifest_file.read_manifest(original)["digest"]


@pytest.mark.parametrize(
    ("task", "edit", "problem"),
    [
        (COARSE[0], lambda sample: sample["acc"].update(image_id="other"), "image_id is 'other', in the data"),
        (
            COARSE[0],
            lambda sample: sample["acc"].update(dataset="jung_et_al_2022"),
            "dataset is 'jung_et_al_2022', in the data 'acevedo_et_al_2020'",
        ),
        (
            COARSE[0],
            lambda sample: sample.update(input=sample["input"].replace("Question:", "Question:Look well. ")),
            "the prompt is not that of the data's question",
        ),
        (
            BOXES,
            lambda sample: (
                sample["grit"].update(boxes=[[0.0, 0.0, 5.0, 5.0]]),
                sample.update(target="[[0.0, 0.0, 5.0, 5.0]]"),
            ),
            r"boxes is [[0.0, 0.0, 5.0, 5.0]], in the data [[2.0, 2.0",
        ),
    ],
)
def test_each_sample_is_compared_with_its_document(task, edit, problem, folder):
    change_samples(folder, task, lambda samples: edit(samples[0]))
    found = failures(tiny_runs.refreshed(folder))
    assert f"{task}: document 0: {problem}" in found[DATA]


def test_options_in_another_order_are_found_by_the_data(folder):
    """With prompt, right letter and answer alike, the submission agrees with itself."""

    def swap(samples):
        sample = samples[0]
        first, second, *rest = sample["acc"]["options"]
        sample["input"] = sample["input"].replace(f"A) {first}\nB) {second}", f"A) {second}\nB) {first}")
        moved = {"A": "B", "B": "A"}
        sample["acc"].update(
            options=[second, first, *rest], gold=moved.get(sample["acc"]["gold"], sample["acc"]["gold"])
        )
        sample.update(
            target=str("ABCDEFGH".index(sample["acc"]["gold"])),
            filtered_resps=moved.get(sample["filtered_resps"], sample["filtered_resps"]),
        )

    change_samples(folder, COARSE[0], swap)
    rewritten(folder)
    assert failures(folder, with_data=False) == {}
    assert f"{COARSE[0]}: document 0: options is" in failures(folder)[DATA]


def test_arguments_that_change_the_prompt_are_found(folder):
    change_manifest(folder, lambda manifest: manifest["model"].update(model_args="model=x,system_prompt=Think."))
    assert (
        "model.model_args: system_prompt: unknown argument: it may change the prompt or the image"
        in failures(rewritten(folder))["versions, settings and data source"]
    )


def test_failed_requests_are_found(folder):
    change_samples(
        folder,
        COARSE[0],
        lambda samples: samples[2].update(filtered_resps="[LMMS_EVAL_REQUEST_FAILED after 5 retries]"),
    )
    assert f"{COARSE[0]}: 1 request(s) got no response" in failures(rewritten(folder))["nothing is left out"]


def test_an_unlisted_file_and_one_that_claims_other_data_are_found(folder):
    (folder / "DEMO-DATA.txt").write_text("demo")
    found = failures(folder)
    assert "DEMO-DATA.txt does not belong to this submission" in found["files and their SHA-256"]
    assert found["no file claims other data"] == "DEMO-DATA.txt: scores on release data have none."


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: text.replace(":\n", ": # of the best model\n", 1),
        lambda text: text.replace("\n", "\nlicense: 2026-99-99\n", 1),
        lambda text: text.replace("\n", "\n" + "[" * 20_000, 1),
        lambda text: text + "\n",
        lambda text: text.replace("\n", "\r\n"),
    ],
)
@pytest.mark.parametrize("name", ["README.md", ".eval_results/microbench.yaml"])
def test_texts_must_say_what_the_manifest_says_to_the_letter(edit, name, folder):
    path = folder / name
    path.write_bytes(edit(path.read_text()).encode())
    assert list(failures(tiny_runs.refreshed(folder), with_data=False)) == [f"{name} says what submission.json says"]


def test_a_comment_does_not_take_back_what_a_file_says_of_local_data(folder):
    def of_local_data(manifest):
        manifest["data"]["kind"] = "local"
        manifest["data"]["sources"] |= dict.fromkeys(
            (*COARSE, BOXES), {"source": "folder", "sha256": "0" * 64, "is_release": False}
        )
        manifest["files"] = {
            name: digest for name, digest in manifest["files"].items() if not name.startswith(".eval")
        } | {"LOCAL-DATA.txt": "0" * 64}

    change_manifest(folder, of_local_data)
    (folder / ".eval_results" / "microbench.yaml").unlink()
    assert failures(rewritten(folder), with_data=False) == {}
    mark = folder / "LOCAL-DATA.txt"
    mark.write_text(f"# This IS the release.\n{mark.read_text()}")
    assert failures(tiny_runs.refreshed(folder), with_data=False) == {
        "LOCAL-DATA.txt says what submission.json says": "found: # This IS the release."
    }


def test_what_a_submission_says_cannot_steer_the_terminal_or_make_lines_of_its_own(folder):
    (folder / "x\nok           scores, from the samples\x1b[2J\u202e").write_text("")
    [said] = [str(check) for check in verification.verify(folder, with_data=False) if check.failed]
    assert len(said.splitlines()) == 2
    assert "- x ok scores, from the samples\ufffd[2J\ufffd does not belong to this submission" in said


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no gzip",
        gzip.compress(b"{}\n", mtime=0),
        gzip.compress(b'[1]\n"x"\n', mtime=0),
        gzip.compress(b'{"doc_id": 0, "acc": 3, "target": "0", "filtered_resps": 5, "input": 7}\n', mtime=0),
    ],
)
def test_samples_that_are_none_are_a_finding_and_no_crash(content, folder):
    (folder / "samples" / f"{COARSE[0]}.jsonl.gz").write_bytes(content)
    found = failures(tiny_runs.refreshed(folder))
    assert "samples: all there, asked in the known way" in found


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        ('"score": 1.0}', '"score": 1' + "0" * 400 + "}", "score is 100000"),
        ('"score": 1.0}', '"score": 1' + "0" * 5000 + "}", "a number of 5001 digits"),
        (
            '"doc_id": 0',
            '"z": ' + "[" * 100_000 + "]" * 100_000 + ', "doc_id": 0',
            "objects and lists nested too deeply",
        ),
        ('"doc_id": 0', '"doc_id": false', "doc_id is False, which is not a valid value"),
        ('"doc_id": 0', '"filtered_resps": "A", "doc_id": 0', "a key is there twice"),
        ('"gold": "', '"gold": "", "rest": "', "acc.gold is '', which is not a valid value"),
    ],
)
def test_samples_that_are_no_plain_json_are_a_finding_and_no_crash(before, after, problem, folder):
    path = folder / "samples" / f"{COARSE[0]}.jsonl.gz"
    first, rest = gzip.decompress(path.read_bytes()).decode().split("\n", 1)
    # The score comes last.
    sample = json.loads(first)
    first = json.dumps({name: sample[name] for name in sample if name != "score"} | {"score": 1.0})
    assert before in first
    path.write_bytes(gzip.compress(f"{first.replace(before, after)}\n{rest}".encode(), mtime=0))
    found = failures(tiny_runs.refreshed(folder), with_data=False)
    said = found.get("samples: all there, asked in the known way", "") + found.get("scores, from the samples", "")
    assert ", line 1: " in said and problem in said


def test_samples_that_fill_the_memory_are_a_finding(folder, monkeypatch):
    monkeypatch.setattr(logs, "_MAX_BYTES", 1000)
    assert (
        "contains more than 1,000 bytes when decompressed"
        in failures(folder, with_data=False)["samples: all there, asked in the known way"]
    )


@pytest.mark.parametrize("field", ["doc_id", "target", "filtered_resps", "score", "input", "acc"])
def test_a_sample_without_one_of_its_fields_is_a_finding_and_no_crash(field, folder):
    change_samples(folder, COARSE[0], lambda samples: samples[1].pop(field))
    assert any(COARSE[0] in problem for problem in failures(tiny_runs.refreshed(folder)).values())


def test_a_manifest_that_is_none_ends_the_check(folder):
    change_manifest(folder, lambda manifest: manifest.pop("scores"))
    schema, rest = verification.verify(folder)
    assert "scores: is missing" in schema.problems[0]
    assert str(rest) == "not checked  all the rest: submission.json is not as the schema says"
    (folder / "submission.json").unlink()
    with pytest.raises(DataError, match="contains no submission.json"):
        next(verification.verify(folder))


# --- data at hand --------------------------------------------------------------------


def test_without_data_the_rest_is_checked_and_what_is_not_is_said(folder, monkeypatch):
    monkeypatch.delenv("MICROBENCH_DATASET")
    *rest, last = verification.verify(folder, with_data=False)
    assert not any(check.failed or check.skipped for check in rest)
    assert str(last).startswith(
        "not checked  the samples against the data: --without-data."
    ) and "has NOT been checked" in str(last)


def test_wrong_or_missing_data_are_a_failure_that_says_what_to_set(folder, monkeypatch, tmp_path):
    monkeypatch.setenv("MICROBENCH_COGNITION", str(tmp_path / "nowhere"))
    monkeypatch.setenv("MICROBENCH_DATASET", str(tiny_runs.data(tmp_path / "other") / "nowhere"))
    found = failures(folder)
    assert list(found) == [DATA, COGNITION_DATA]
    assert (
        "no such folder" in found[DATA]
        and "Set MICROBENCH_DATASET to the submission's data, or give --without-data" in found[DATA]
    )
    assert "Set MICROBENCH_COGNITION to the submission's data" in found[COGNITION_DATA]


def test_the_release_on_the_hub_and_a_copy_of_it_are_the_same_data(folder):
    hub = source_identity.release_identity()
    change_manifest(folder, lambda manifest: manifest["data"]["sources"].update(dict.fromkeys((*COARSE, BOXES), hub)))
    assert failures(rewritten(folder)) == {}


def test_other_intervals_are_found_and_what_to_set_is_said(folder, monkeypatch):
    monkeypatch.setenv("MICROBENCH_INTERVAL", "percentile")
    assert "Set MICROBENCH_INTERVAL=basic." in failures(folder)["versions, settings and data source"]


# --- what the Hub reads --------------------------------------------------------------


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
