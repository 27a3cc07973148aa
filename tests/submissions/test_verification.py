"""Claims about what a check of a submission finds, also if the forger renews the digests."""

import gzip
import json

import pytest

from microbench_tasks.catalog import pinned_release
from microbench_tasks.data import source_identity
from microbench_tasks.runs import logged_samples
from microbench_tasks.submissions import (
    data_comparison,
    manifest_file,
    verification,
)
from microbench_tasks.util.errors import DataError
from tests.support import tiny_runs
from tests.support.forging import change_manifest, change_samples, failures, rewritten, write_texts
from tests.support.tiny_runs import BOXES, COARSE, COGNITION

DETECTION = ("boxes_precision", "boxes_recall", "boxes_f1", "boxes_count_")
DATA = "the samples against the data (MICROBENCH_DATASET)"
COGNITION_DATA = "the samples against the data (MICROBENCH_COGNITION)"


def test_an_untouched_submission_holds_in_every_respect(folder):
    checks = list(verification.verify(folder))
    assert [str(check) for check in checks if check.failed or check.skipped] == []
    assert [check.name for check in checks][-2:] == [DATA, COGNITION_DATA]


def test_a_submission_that_was_made_before_there_was_a_metric_holds(folder):
    def drop(manifest):
        for figures in manifest["scores"].values():
            for name in [name for name in figures if name.startswith(DETECTION)]:
                del figures[name]

    change_manifest(folder, drop)
    assert failures(tiny_runs.refreshed(folder), with_data=False) == {}


def test_a_figure_that_is_there_must_be_right_and_others_must_be_there(folder):
    change_manifest(folder, lambda manifest: manifest["scores"][BOXES].update(boxes_f1=0.99))
    change_manifest(folder, lambda manifest: manifest["scores"][BOXES].pop("boxes_degenerate"))
    found = failures(tiny_runs.refreshed(folder), with_data=False)["scores, from the samples"]
    assert f"scores.{BOXES}.boxes_f1 is 0.99; the samples give" in found
    assert f"scores.{BOXES}.boxes_degenerate is nothing; the samples give" in found


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
        f"is not what the submission is about (sha256 {'0' * 64}, is_release False). Set MICROBENCH_DATASET to the "
        "data that the run was asked about, or give --without-data to check the rest." in found[DATA]
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
    assert "Set MICROBENCH_COGNITION to the data that the run was asked about" in found[COGNITION_DATA]


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
        ('"doc_id": 0', '"filtered_resps": "A", "doc_id": 0', "a key occurs twice"),
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
    monkeypatch.setattr(logged_samples, "_MAX_BYTES", 1000)
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
