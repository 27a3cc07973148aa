"""Claims about what a submission contains, and about writing one completely or not at all."""

import gzip
import hashlib
import json
import os
import subprocess
import sys

import pytest

from microbench_tasks.runs import found_runs
from microbench_tasks.submissions import building, manifest_file, reading
from microbench_tasks.util.errors import DataError
from tests.support import tiny_runs
from tests.support.tiny_runs import BOXES, COARSE, COGNITION, COMMIT

DESCRIPTION = building.Description("My CLIP", "https://huggingface.co/me/my-clip")
TASKS = (*COARSE, BOXES, COGNITION)


def submitted(run, target, description=DESCRIPTION):
    return building.submit(found_runs.find_run([run]), description, target)


def copied(run, target, change=lambda results: None, change_samples=lambda samples: None):
    """Write a copy of a run: change the samples of one task, compute the figures, then change the results file."""
    logged = {
        task: [json.loads(line) for line in (run / f"{tiny_runs.NAME}_samples_{task}.jsonl").read_text().splitlines()]
        for task in TASKS
    }
    change_samples(logged[COARSE[0]])
    results = json.loads((run / f"{tiny_runs.NAME}_results.json").read_text())
    tiny_runs.write(target, logged, **{name: value for name, value in results.items() if name != "results"})
    tiny_runs.edited(target / f"{tiny_runs.NAME}_results.json", change)
    return target


def lines(written, task):
    return [
        json.loads(line)
        for line in gzip.decompress((written.folder / "samples" / f"{task}.jsonl.gz").read_bytes()).splitlines()
    ]


def test_what_is_written_can_be_loaded_and_has_the_scores_of_the_run(written):
    loaded = reading.load(written.folder)
    assert loaded.manifest == written.manifest
    content = manifest_file.read_manifest(written.folder)
    assert loaded.manifest.model_dump(exclude_unset=True) == content
    # Of four documents the third is wrong, of three too; of two none is.
    assert {task: loaded.rescored.scores[task]["acc"] for task in (COARSE[0], COGNITION)} == {
        COARSE[0]: 3 / 4,
        COGNITION: pytest.approx(2 / 3),
    }
    assert loaded.rescored.scores[BOXES]["grit"] == pytest.approx(1, abs=1e-6)
    assert loaded.manifest.scores["microbench_coarse"].value("acc") == 3 / 4
    assert [sample.doc_id for sample in loaded.rescored.samples[COARSE[0]]] == [0, 1, 2, 3]
    assert loaded.rescored.notes == []


def test_it_records_what_the_run_recorded_and_marks_the_rest_unknown(written):
    manifest = manifest_file.read_manifest(written.folder)
    assert manifest["model"]["name"] == "My CLIP"
    assert manifest["model"]["harness_model"] == "open_clip"
    assert manifest["model"]["precision"] == "bf16"
    assert manifest["versions"] == {
        "microbench": "0.1.0",
        "commit": COMMIT,
        "task": 2.0,
        "lmms_eval": "0.7.4",
        "packages": {
            "datasets": "unknown",
            "pillow": "unknown",
            "numpy": "unknown",
            "torch": "unknown",
            "torchvision": "unknown",
            "transformers": "4.57.0",
            "open_clip_torch": "unknown",
        },
    }
    assert manifest["seeds"] == {"random": 0, "numpy": 1234, "torch": 1234, "fewshot": 1234}
    # 3:04:05 in Singapore is eight hours ahead.
    assert manifest["run"] == {"name": "20260102_030405", "date": "2026-01-01T19:04:05Z"}
    assert manifest["num_samples"] == dict.fromkeys(COARSE, 4) | {BOXES: 2, COGNITION: 3}


def test_folders_of_the_run_are_not_in_it(written):
    assert written.manifest.model.model_args == "model=clip,precision=bf16"
    assert written.manifest.model.loaded_model.checkpoint == "local-dir:clip"
    everything = b"".join(
        gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        for path in written.folder.rglob("*")
        if path.is_file()
    )
    assert b"/home/me" not in everything
    assert str(written.folder.parent).encode() not in everything


def test_samples_are_reduced_to_what_scoring_needs(written):
    assert lines(written, COARSE[0])[0].keys() == {"doc_id", "target", "filtered_resps", "score", "input", "acc"}
    assert lines(written, BOXES)[0]["grit"].keys() == {
        "image_id",
        "dataset",
        "kind",
        "expression",
        "width",
        "height",
        "boxes",
        "convention",
        "model_input_size",
    }


def test_every_other_file_is_named_with_its_sha256_and_the_rest_has_a_digest(written):
    present = {
        path.relative_to(written.folder).as_posix(): path for path in written.folder.rglob("*") if path.is_file()
    }
    manifest = json.loads(present.pop("submission.json").read_text())
    assert manifest["files"] == {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in present.items()}
    rest = {name: value for name, value in manifest.items() if name != "digest"}
    assert (
        manifest["digest"]
        == hashlib.sha256(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    )


def test_the_same_run_gives_the_same_bytes(run, written, tmp_path):
    again = submitted(run, tmp_path / "elsewhere").folder
    assert {path.relative_to(again): path.read_bytes() for path in again.rglob("*") if path.is_file()} == {
        path.relative_to(written.folder): path.read_bytes() for path in written.folder.rglob("*") if path.is_file()
    }


def test_a_submission_is_a_run_of_its_own_data_only(written):
    """Other data than the release say so in the manifest, the card and a file's name, and claim nothing on the Hub."""
    assert written.manifest.data.kind == "local"
    assert written.manifest.data.sources.identities()[COARSE[0]].keys() == {"source", "sha256", "is_release"}
    assert sorted(path.name for path in written.folder.iterdir()) == [
        "LOCAL-DATA.txt",
        "README.md",
        "samples",
        "submission.json",
    ]
    card = (written.folder / "README.md").read_text()
    title, lead = card.partition("\n---\n\n")[2].split("\n\n")[:2]
    assert title == "# LOCAL DATA, not the Micro-Bench release: My CLIP"
    assert lead.startswith("**These are scores on local data, which is not the release. They cannot be compared")
    assert "model-index:" not in card


def test_an_existing_folder_is_refused(run, tmp_path):
    with pytest.raises(DataError, match="exists already. Name a folder that does not exist yet"):
        submitted(run, tmp_path)


def test_a_run_with_reasons_against_it_is_refused_with_all_and_nothing_is_written(run, tmp_path):
    changed = copied(run, tmp_path / "run", lambda results: results["config"].update(limit=4, offset=2))
    with pytest.raises(
        DataError, match=r"20260102_030405 cannot be a submission, for 2 reason\(s\):\n  - --limit 4.*\n  - --offset 2"
    ):
        submitted(changed, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize(
    ("description", "field"),
    [
        (building.Description(" "), "model.name"),
        (building.Description("two\nlines"), "model.name"),
        (building.Description("GPT\n"), "model.name"),
        (building.Description("GPT "), "model.name"),
        (building.Description("x" * 201), "model.name"),
        (building.Description("x", "ftp://example.org"), "model.url"),
        (building.Description("x", samples_url="nowhere"), "run.samples_url"),
    ],
)
def test_a_description_that_is_none_is_refused_by_field(description, field, run, tmp_path):
    with pytest.raises(DataError, match=f"submission.json, {field}: "):
        submitted(run, tmp_path / "out", description)
    assert not (tmp_path / "out").exists()


TOKEN = "hf_" + "aB3" * 12


@pytest.mark.parametrize(
    ("change", "change_samples", "place"),
    [
        (
            lambda results: results["config"].update(model_args=f"model=x,revision={TOKEN}"),
            lambda samples: None,
            r"submission.json, model.model_args: contains a Hugging Face token",
        ),
        (
            lambda results: results["loaded_model"].update(preprocessing="in ~someone, see /home/ann"),
            lambda samples: None,
            None,
        ),
        (
            lambda results: results["configs"][COARSE[0]]["metadata"]["dataset"].update(
                note={"where": "x"}, sha256=TOKEN
            ),
            lambda samples: None,
            r"submission.json, data.sources.microbench_coarse_domain.sha256: contains a Hugging Face token",
        ),
        (
            lambda results: None,
            lambda samples: samples[1].update(filtered_resps=f"{samples[1]['filtered_resps']} {TOKEN}"),
            r"samples/microbench_coarse_domain.jsonl.gz, line 2, filtered_resps: contains a Hugging Face token",
        ),
        (
            lambda results: None,
            lambda samples: samples[3]["acc"].update(image_id="/home/ann/images/4.png"),
            r"samples/microbench_coarse_domain.jsonl.gz, line 4, acc.image_id: contains a path of a home folder",
        ),
    ],
)
def test_a_secret_or_a_local_path_is_refused_by_file_and_field_without_showing_it(
    change, change_samples, place, run, tmp_path
):
    def of_all_perception_tasks(results):
        change(results)
        dataset = results["configs"][COARSE[0]]["metadata"]["dataset"]
        for task in (*COARSE, BOXES):
            results["configs"][task]["metadata"]["dataset"] = dataset

    changed = copied(run, tmp_path / "run", of_all_perception_tasks, change_samples)
    if place is None:
        # What is known to hold paths is cleaned, not refused.
        assert submitted(changed, tmp_path / "out").manifest.model.loaded_model.preprocessing == "in ~someone, see ann"
        return
    with pytest.raises(DataError, match=place) as refused:
        submitted(changed, tmp_path / "out")
    assert TOKEN not in str(refused.value) and "ann/images" not in str(refused.value)
    assert not (tmp_path / "out").exists()


def test_secrets_named_as_such_are_in_no_field(run, tmp_path):
    def change(results):
        results["config"].update(
            model_args={"model": "x", "headers": {"api-key": "S3cret"}}, gen_kwargs="api_key=S3cret,temperature=0"
        )
        results["loaded_model"].update(padding="https://ann:S3cret@example.org/x?token=S3cret")
        results["configs"][COARSE[0]]["generation_kwargs"].update(api_key="S3cret")

    out = submitted(copied(run, tmp_path / "run", change), tmp_path / "out").folder
    assert "S3cret" not in (out / "submission.json").read_text() + (out / "README.md").read_text()
    assert manifest_file.read_manifest(out)["model"]["gen_kwargs"] == "api_key=(removed),temperature=0"
    with pytest.raises(DataError, match="submission.json, model.url: contains a secret in a URL") as refused:
        submitted(run, tmp_path / "again", building.Description("x", "https://example.org/x?token=S3cret"))
    assert "S3cret" not in str(refused.value)


def test_the_value_of_a_secret_variable_is_refused(run, tmp_path, monkeypatch):
    monkeypatch.setenv("SOME_API_TOKEN", "My CLIP of mine")
    with pytest.raises(
        DataError, match="submission.json, model.name: contains the value of the environment variable SOME_API_TOKEN."
    ) as refused:
        submitted(run, tmp_path / "out", building.Description("My CLIP of mine"))
    assert "README.md, line" in str(refused.value)
    assert "of mine" not in str(refused.value)


def test_slashes_in_an_answer_are_no_path(run, tmp_path):
    changed = copied(
        run,
        tmp_path / "run",
        change_samples=lambda samples: samples[0].update(
            filtered_resps=samples[0]["filtered_resps"] + "\n/ or and/or H&E / PAS, at 10 um/s"
        ),
    )
    assert submitted(changed, tmp_path / "out").folder.is_dir()


def test_half_a_character_in_an_answer_is_kept_as_json_writes_it_in_utf_8(run, tmp_path):
    """JSON can hold one half of a surrogate pair; UTF-8 cannot."""
    changed = copied(
        run,
        tmp_path / "run",
        change_samples=lambda samples: samples[0].update(filtered_resps=samples[0]["filtered_resps"] + " \ud83d µm"),
    )
    out = submitted(changed, tmp_path / "out").folder
    content = gzip.decompress((out / "samples" / f"{COARSE[0]}.jsonl.gz").read_bytes())
    assert r" \ud83d \u00b5m" in content.decode("utf-8")
    assert reading.load(out).rescored.samples[COARSE[0]][0].response.endswith(" \ud83d µm")


def test_what_other_packages_models_record_besides_is_left_out_and_the_rest_is_harmless(run, tmp_path):
    changed = copied(
        run,
        tmp_path / "run",
        lambda results: results["loaded_model"].update(human_verified=True, padding="long\u202eest"),
    )
    loaded = submitted(changed, tmp_path / "out").manifest.model.loaded_model
    assert "human_verified" not in loaded.model_dump() and loaded.padding == "long\ufffdest"


def test_an_invalid_version_is_recorded_as_unknown(run, tmp_path):
    def change(results):
        for config in results["configs"].values():
            config["metadata"]["packages"] |= {"torch": "2.4.0+cu121", "numpy": "the newest", "pillow": "11.0.0.dev0"}

    packages = submitted(copied(run, tmp_path / "run", change), tmp_path / "out").manifest.versions.packages
    assert (packages["torch"], packages["numpy"], packages["pillow"]) == ("2.4.0+cu121", "unknown", "11.0.0.dev0")


KILLED = """
import os, signal, sys
from pathlib import Path
from microbench_tasks.runs import found_runs
from microbench_tasks.submissions import building
write, count = Path.write_bytes, 0
def dying(path, content):
    global count
    count += 1
    if count == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    return write(path, content)
Path.write_bytes = dying
building.submit(found_runs.find_run([Path(sys.argv[1])]), building.Description("x"), Path(sys.argv[2]))
"""


def test_a_kill_in_the_middle_leaves_no_folder_of_that_name(run, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", KILLED, run, tmp_path / "out"], capture_output=True, text=True, env=os.environ
    )
    assert done.returncode == -9, done.stderr
    [draft] = tmp_path.iterdir()
    assert draft.name.startswith(".out-") and len([path for path in draft.rglob("*") if path.is_file()]) == 3
    # And the next try succeeds.
    assert submitted(run, tmp_path / "out").folder.is_dir()
