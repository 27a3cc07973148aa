"""Claims about forgeries whose figures, texts and digests all match: each is caught, or listed as unprovable."""

from __future__ import annotations

import gzip
import json
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from microbench_tasks import catalog
from microbench_tasks.catalog import pinned_release
from microbench_tasks.data import source_identity
from microbench_tasks.runs import logs
from microbench_tasks.submissions import building, limits, manifest_file, verification
from microbench_tasks.submissions.manifest_model import Manifest
from microbench_tasks.tasks import box_format_choice, box_format_setting, recorded_values
from microbench_tasks.util import files, untrusted
from microbench_tasks.util.errors import DataError
from tests.support import forging, tiny_runs
from tests.support.forging import as_far_as_possible, change_manifest, change_samples, change_text, samples_file
from tests.support.tiny_runs import BOXES, COARSE, COGNITION

TASKS = (*COARSE, BOXES, COGNITION)
FIRST = COARSE[0]
SCHEMA, FILES, RECORD = "schema of submission.json", "files and their SHA-256", "versions, settings and data source"
SAMPLES, SCORES, WHOLE = "samples: all there, asked in the known way", "scores, from the samples", "nothing is left out"
DATA, COGNITION_DATA = (
    "the samples against the data (MICROBENCH_DATASET)",
    "the samples against the data (MICROBENCH_COGNITION)",
)
UNREADABLE = "submission.json itself"
LETTERS = "ABCDEFGH"


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A submission on small data that pass for the release, with their hashes and numbers of questions."""
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
        run = tiny_runs.write(folder.parent / "run", {task: tiny_runs.samples(task) for task in TASKS})
        yield building.submit(
            logs.find_run([run]), building.Description("My CLIP"), folder.parent / "submission"
        ).folder


@pytest.fixture
def folder(original, tmp_path):
    return files.write_dir(
        tmp_path / "copy",
        {path.relative_to(original).as_posix(): path.read_bytes() for path in original.rglob("*") if path.is_file()},
    )


def failures(folder) -> dict[str, str]:
    """What is wrong, by check."""
    try:
        return {check.name: " ".join(check.problems) for check in verification.verify(folder) if check.failed}
    except DataError as error:
        return {UNREADABLE: str(error)}


@dataclass(frozen=True)
class Tampering:
    """A change, the check that finds it, and what that says."""

    name: str
    edit: Callable
    check: str
    reason: str
    renew: Callable = as_far_as_possible


def manifest(edit):
    return lambda folder: change_manifest(folder, edit)


def samples(edit, task=FIRST):
    return lambda folder: change_samples(folder, task, edit)


def text(edit, task=FIRST):
    return lambda folder: change_text(folder, task, edit)


def at(*path, **values):
    """Set values in a part of the manifest."""

    def edit(content):
        for key in path:
            content = content[key]
        content.update(values)

    return manifest(edit)


def boxes(**values):
    return at("settings", "boxes", **values)


def in_every_box_sample(**values):
    return samples(lambda found: [sample["grit"].update(values) for sample in found], BOXES)


def both(*edits):
    return lambda folder: [edit(folder) for edit in edits]


def gzipped(make):
    """Compress the same samples in another way."""

    def edit(folder):
        path = samples_file(folder, FIRST)
        path.write_bytes(make(gzip.decompress(path.read_bytes())))

    return edit


def with_file_name(content):
    packed = gzip.compress(content, mtime=0)
    return packed[:3] + b"\x08" + packed[4:10] + b"human_verified\0" + packed[10:]


def replaced(make):
    """Put something else in the place of the samples file of one task."""

    def edit(folder):
        path = samples_file(folder, FIRST)
        path.unlink()
        make(path)

    return edit


def listening(path):
    # A path of a socket must be short.
    here = os.getcwd()
    os.chdir(path.parent)
    try:
        socket.socket(socket.AF_UNIX).bind(path.name)
    finally:
        os.chdir(here)


def sparse(path):
    with path.open("wb") as file:
        file.truncate(2**41)


def other_letter(found):
    """Another right letter for the document that was answered wrongly, consistently."""
    letter = found[2]["filtered_resps"]
    found[2]["acc"]["gold"] = letter
    found[2].update(target=str(LETTERS.index(letter)), score=1.0)


def drop_and_number_again(found):
    del found[2]
    for number, sample in enumerate(found):
        sample["doc_id"] = number


def swap_images(found):
    found[0]["acc"]["image_id"], found[1]["acc"]["image_id"] = found[1]["acc"]["image_id"], found[0]["acc"]["image_id"]


def drop_task(task):
    def edit(folder):
        samples_file(folder, task).unlink()

        def forget(content):
            for table in (
                content["num_samples"],
                content["num_in_total"],
                content["chance"],
                content["majority"],
                content["scores"],
                content["data"]["sources"],
                content["data"]["asked"],
                content["model"]["generation_kwargs"],
            ):
                table.pop(task, None)
            content["files"].pop(f"samples/{task}.jsonl.gz")
            content["scores"].pop("microbench_coarse", None)
            content["chance"].pop("microbench_coarse", None)
            content["majority"].pop("microbench_coarse", None)

        change_manifest(folder, forget)

    return edit


def no_renewal(folder):
    return folder


RECORDED = "prompt for boxes (metadata.boxes): "
NEW_PROMPT = "Give the boxes of every {class} as numbers from 0 to 1000."

CAUGHT = (
    # What was asked about.
    Tampering(
        "other documents", at("data", "asked", FIRST, sha256="0" * 64), DATA, "images included, have the digest 0000"
    ),
    Tampering(
        "other number of documents",
        at("data", "asked", FIRST, num_documents=3),
        RECORD,
        "metadata.asked says 3 documents",
        forging.with_texts,
    ),
    Tampering(
        "no record of the documents",
        manifest(lambda content: content["data"]["asked"].pop(FIRST)),
        SCHEMA,
        f"data.asked: {FIRST} is missing",
        forging.with_texts,
    ),
    Tampering(
        "documents of a task without samples",
        at("data", "asked", microbench_fine_pollen={"sha256": "0" * 64, "num_documents": 1}),
        SCHEMA,
        "data.asked: microbench_fine_pollen has no samples",
    ),
    Tampering("manifest of version 1", at(schema_version=1), SCHEMA, "Run microbench submit again"),
    Tampering(
        "manifest of version 2",
        at(schema_version=2),
        SCHEMA,
        "2 has bootstrap intervals for all scores, and neither the majority answer",
    ),
    Tampering(
        "another revision of the release",
        at(
            "data",
            "sources",
            **dict.fromkeys(
                (*COARSE, BOXES),
                {
                    "source": "hub",
                    "id": pinned_release.HUB_ID,
                    "config": "perception",
                    "revision": "0" * 40,
                    "sha256": "0" * 64,
                    "is_release": False,
                },
            ),
        ),
        RECORD,
        "data.kind is release, but data.sources are local",
    ),
    Tampering(
        "a hash that is not the release's",
        at(
            "data",
            "sources",
            **dict.fromkeys((*COARSE, BOXES), {"source": "folder", "sha256": "0" * 64, "is_release": True}),
        ),
        SCHEMA,
        "is_release is true, which sha256 contradicts",
    ),
    Tampering(
        "other cognition questions",
        at("data", "sources", COGNITION, sha256="0" * 64),
        COGNITION_DATA,
        "is not what the submission is about",
    ),
    # Boxes.
    Tampering(
        "convention relabelled",
        boxes(convention="grid1000_xyxy"),
        RECORD,
        RECORDED + "convention is 'grid1000_xyxy', expected 'pixels_xyxy'",
    ),
    Tampering(
        "convention relabelled in the samples, too",
        both(boxes(convention="grid1000_xyxy"), in_every_box_sample(convention="grid1000_xyxy")),
        RECORD,
        RECORDED + "convention is",
    ),
    Tampering(
        "chosen by another model",
        boxes(chosen_by="model gpt-5"),
        RECORD,
        RECORDED + "chosen_by is 'model gpt-5', expected 'default: how open_clip",
    ),
    Tampering(
        "another model that the table has",
        at("model", harness_model="qwen2_5_vl"),
        RECORD,
        RECORDED + "convention is 'pixels_xyxy', expected 'pixels_xyxy_model_input'",
    ),
    Tampering(
        "convention set by hand against the prompt's own words",
        both(
            boxes(
                convention="grid1000_xyxy", chosen_by=box_format_setting.SETTING, source="set by the user, from neutral"
            ),
            in_every_box_sample(convention="grid1000_xyxy"),
        ),
        RECORD,
        "does not fit the prompt, which asks for pixels_xyxy",
    ),
    Tampering(
        "set by hand with the source of another",
        boxes(chosen_by=box_format_setting.SETTING, source="the paper"),
        RECORD,
        "source is 'the paper', which is not what MICROBENCH_BOXES records",
    ),
    Tampering(
        "a limit on the image's size", boxes(limits=[1, 2]), RECORD, RECORDED + "limits is [1, 2], expected None"
    ),
    Tampering(
        "a second prompt",
        boxes(prompt_when_empty="segment {class}"),
        RECORD,
        RECORDED + "prompt_when_empty is 'segment {class}', expected None",
    ),
    Tampering("another prompt", boxes(prompt=NEW_PROMPT), RECORD, RECORDED + "prompt is"),
    Tampering(
        "no prompt",
        at("settings", boxes=None),
        RECORD,
        "prompt for boxes (metadata.boxes): not on record",
        tiny_runs.refreshed,
    ),
    Tampering("a prompt and no boxes", drop_task(BOXES), SCHEMA, "settings.boxes: no task asked for boxes"),
    Tampering(
        "another size of the image",
        in_every_box_sample(model_input_size=[640, 480]),
        SAMPLES,
        "unknown prompt in 2 of 2 samples",
    ),
    # Dates, versions, numbers.
    Tampering(
        "a date that does not exist",
        at("run", date="2099-99-99T99:99:99Z"),
        SCHEMA,
        "run.date: 2099-99-99T99:99:99Z does not exist",
    ),
    Tampering(
        "30 February", at("run", date="2026-02-30T00:00:00Z"), SCHEMA, "run.date: 2026-02-30T00:00:00Z does not exist"
    ),
    Tampering(
        "a date in the future",
        at("run", date="2099-01-01T00:00:00Z"),
        SCHEMA,
        "run.date: 2099-01-01T00:00:00Z is in the future",
    ),
    Tampering(
        "a date before the benchmark",
        at("run", date="2019-05-05T00:00:00Z"),
        SCHEMA,
        "is before the benchmark was published",
    ),
    Tampering(
        "a certified version",
        at("versions", microbench="9.9 certified"),
        SCHEMA,
        "versions.microbench: expected a version number such as 1.2.3, got '9.9 certified'",
    ),
    Tampering(
        "a version yet to come",
        at("versions", microbench="9.9.9"),
        SCHEMA,
        "versions.microbench: 9.9.9 is newer than this version",
    ),
    Tampering(
        "a version that never was", at("versions", microbench="0.0.1"), SCHEMA, "microbench-lmms has no version 0.0.1"
    ),
    Tampering(
        "a package's version that is a sentence",
        at("versions", "packages", torch="the best"),
        SCHEMA,
        "versions.packages.torch",
    ),
    Tampering(
        "another version of the tasks",
        at("versions", task=99.5),
        RECORD,
        "task version 99.5: this package asks and scores as version",
    ),
    Tampering(
        "a paper's interval of another seed",
        at("settings", "interval", "paper", seed=7),
        RECORD,
        "interval settings (metadata.interval): expected",
    ),
    Tampering(
        "an interval of another method",
        at("settings", "interval", "quoted", method="mine"),
        RECORD,
        "interval settings (metadata.interval): expected",
    ),
    Tampering(
        "a level of one's own",
        at("settings", "interval", "quoted", confidence_level=0.5),
        RECORD,
        "interval settings (metadata.interval): expected",
    ),
    Tampering(
        "a number of samples that is no whole one",
        at("num_samples", **{FIRST: 4.0}),
        SCHEMA,
        f"num_samples.{FIRST}: expected a whole number, got 4.0",
        tiny_runs.refreshed,
    ),
    Tampering(
        "a seed that is a truth value",
        at("seeds", torch=True),
        SCHEMA,
        "seeds.torch: expected a whole number, got True",
    ),
    Tampering(
        "precision other than recorded",
        at("model", precision="fp64"),
        SCHEMA,
        "model.precision: is 'fp64', but loaded_model and model_args say 'bf16'",
    ),
    # Surplus keys.
    Tampering("human_verified", at(human_verified=True), SCHEMA, "unknown field 'human_verified'"),
    Tampering(
        "human_verified in the model", at("model", human_verified=True), SCHEMA, "unknown field 'human_verified'"
    ),
    Tampering(
        "human_verified in the checkpoint's record",
        at("model", "loaded_model", human_verified=True),
        SCHEMA,
        "unknown field 'human_verified'",
    ),
    Tampering(
        "human_verified among packages",
        at("versions", "packages", human_verified="1.0"),
        SCHEMA,
        "unknown field 'human_verified'. Expected 'datasets', 'pillow'",
    ),
    Tampering(
        "human_verified in a data source",
        at("data", "sources", COGNITION, human_verified=True),
        SCHEMA,
        "data.sources.microbench_cognition",
    ),
    Tampering(
        "human_verified among scores",
        at("scores", FIRST, human_verified=1.0),
        SCORES,
        f"scores.{FIRST}.human_verified is 1.0; the samples give nothing",
        forging.with_texts,
    ),
    Tampering(
        "human_verified in a sample",
        samples(lambda found: found[0].update(human_verified=True)),
        SAMPLES,
        "human_verified: unknown field",
    ),
    Tampering(
        "predicted other than the response says",
        samples(lambda found: found[2]["acc"].update(predicted=found[2]["acc"]["gold"])),
        SAMPLES,
        "acc.predicted: unknown field",
    ),
    Tampering(
        "an empty folder",
        lambda folder: (folder / "human_verified").mkdir(),
        FILES,
        "human_verified does not belong to this submission",
    ),
    # Characters.
    Tampering(
        "a name that turns around",
        at("model", name="CLIP \u202egnp"),
        SCHEMA,
        r"model.name: contains a character that does not print: 'CLIP \u202egnp'",
    ),
    Tampering(
        "an argument that cannot be seen",
        at("model", model_args="model=clip,\u200bprecision=bf16"),
        SCHEMA,
        r"model.model_args: contains a character that does not print",
    ),
    Tampering(
        "a key that cannot be seen",
        at("model", "loaded_model", files={"fold\u200ber": "clip"}),
        SCHEMA,
        "model.loaded_model.files: a key contains a character",
    ),
    Tampering(
        "an address that is a script",
        at("model", url="javascript:alert(1)"),
        SCHEMA,
        "model.url: expected a URL that starts with http:// or https://, got 'javascript:alert(1)'",
    ),
    # Settings that add to a prompt, or cut an answer.
    Tampering(
        "a system prompt",
        at("model", model_args="model=clip,precision=bf16,system_prompt=Think."),
        RECORD,
        "model.model_args: system_prompt",
    ),
    Tampering(
        "an answer cut at a word",
        at("model", "generation_kwargs", FIRST, until=["B"]),
        RECORD,
        f"model.generation_kwargs.{FIRST}: until: it cuts the answer",
    ),
    # The form of files.
    Tampering("a gzip header with a file name", gzipped(with_file_name), SAMPLES, "gzip header contains a file name"),
    Tampering(
        "a gzip header with a time",
        gzipped(lambda content: gzip.compress(content, mtime=1)),
        SAMPLES,
        "gzip header contains a file name, a time",
    ),
    Tampering(
        "two gzip members",
        gzipped(lambda content: gzip.compress(content, mtime=0) + gzip.compress(b"", mtime=0)),
        SAMPLES,
        "bytes after the end of the gzip data",
    ),
    Tampering(
        "bytes after the gzip member",
        gzipped(lambda content: gzip.compress(content, mtime=0) + b"human verified"),
        SAMPLES,
        "bytes after the end of the gzip data",
    ),
    Tampering(
        "a byte order mark in samples",
        text(lambda content: b"\xef\xbb\xbf" + content),
        SAMPLES,
        "line 1: expected a sample as one line of JSON in UTF-8, got a byte order mark",
    ),
    Tampering(
        "samples in another encoding",
        text(lambda content: content.replace(b'"kind": "', b'"kind": "\xe9', 1)),
        SAMPLES,
        "line 1: expected a sample as one line of JSON in UTF-8, got 'utf-8' codec",
    ),
    Tampering(
        "line ends of Windows",
        text(lambda content: content.replace(b"\n", b"\r\n")),
        SAMPLES,
        "line 1: its layout is not that of microbench submit",
    ),
    Tampering(
        "an empty line",
        text(lambda content: content.replace(b"\n", b"\n\n", 1)),
        SAMPLES,
        "line 2: expected a sample as one line of JSON",
    ),
    Tampering(
        "no last line end",
        text(lambda content: content.rstrip(b"\n")),
        SAMPLES,
        "its last line does not end with a line break",
    ),
    Tampering(
        "white space within a sample",
        text(lambda content: content.replace(b'"doc_id": 0', b'"doc_id":     0')),
        SAMPLES,
        "line 1: its layout is not that of microbench submit",
    ),
    Tampering(
        "a key twice in a sample",
        text(lambda content: content.replace(b'"doc_id": 0', b'"doc_id": 9, "doc_id": 0')),
        SAMPLES,
        "line 1: expected a sample as one line of JSON in UTF-8, got a key is there twice",
    ),
    Tampering(
        "a score that is no number",
        text(lambda content: content.replace(b'"score": 1.0', b'"score": NaN', 1)),
        SAMPLES,
        "NaN, which is not a JSON number",
    ),
    Tampering(
        "a score that is a truth value",
        samples(lambda found: found[0].update(score=True)),
        SAMPLES,
        "score is True, which is not a valid value",
    ),
    Tampering(
        "lines in another order", samples(lambda found: found.reverse()), SAMPLES, "line 1: expected document 0, got 3"
    ),
    Tampering(
        "a document twice", samples(lambda found: found.append(found[0])), SAMPLES, "line 5: expected document 4, got 0"
    ),
    Tampering(
        "a byte order mark in the manifest",
        lambda folder: (folder / "submission.json").write_bytes(
            b"\xef\xbb\xbf" + (folder / "submission.json").read_bytes()
        ),
        UNREADABLE,
        "got a byte order mark at its start",
        no_renewal,
    ),
    Tampering(
        "a key twice in the manifest",
        lambda folder: (folder / "submission.json").write_text(
            (folder / "submission.json").read_text().replace('"model": {', '"digest": "", "model": {', 1)
        ),
        UNREADABLE,
        "a key is there twice",
        no_renewal,
    ),
    # What is no file.
    Tampering(
        "a named pipe as samples", replaced(os.mkfifo), SAMPLES, "is a named pipe, expected a regular file", no_renewal
    ),
    Tampering(
        "a device as samples",
        replaced(lambda path: path.symlink_to("/dev/zero")),
        FILES,
        f"samples/{FIRST}.jsonl.gz is a link",
        no_renewal,
    ),
    Tampering("a socket as samples", replaced(listening), FILES, f"samples/{FIRST}.jsonl.gz is a socket", no_renewal),
    Tampering(
        "a folder as samples",
        replaced(lambda path: path.mkdir()),
        FILES,
        f"samples/{FIRST}.jsonl.gz is a folder",
        no_renewal,
    ),
    Tampering(
        "a file of two terabytes as samples", replaced(sparse), FILES, "is larger than 1,073,741,824 bytes", no_renewal
    ),
    Tampering(
        "a named pipe as the card",
        lambda folder: (folder / "README.md").unlink() or os.mkfifo(folder / "README.md"),
        "README.md says what submission.json says",
        "is a named pipe",
        no_renewal,
    ),
    Tampering(
        "a named pipe as the manifest",
        lambda folder: (folder / "submission.json").unlink() or os.mkfifo(folder / "submission.json"),
        UNREADABLE,
        "submission.json: is a named pipe",
        no_renewal,
    ),
    # Answers, scores and what was asked.
    Tampering(
        "a higher score",
        at("scores", FIRST, acc=1.0),
        SCORES,
        f"scores.{FIRST}.acc is 1.0; the samples give 0.75",
        forging.with_texts,
    ),
    Tampering(
        "a narrower interval",
        at("scores", FIRST, acc_ci_low=0.74),
        SCORES,
        f"scores.{FIRST}.acc_ci_low is 0.74",
        forging.with_texts,
    ),
    Tampering(
        "a narrower interval to quote",
        at("scores", FIRST, acc_image_ci_low=0.74),
        SCORES,
        f"scores.{FIRST}.acc_image_ci_low is 0.74",
        forging.with_texts,
    ),
    Tampering(
        "more images",
        at("scores", FIRST, "counts", images=400),
        SCORES,
        f"scores.{FIRST}.counts is",
        forging.with_texts,
    ),
    Tampering(
        "a lower majority answer",
        at("majority", **{FIRST: 0.01}),
        SCORES,
        f"majority.{FIRST} is 0.01",
        forging.with_texts,
    ),
    Tampering("a lower chance", at("chance", **{FIRST: 0.01}), SCORES, f"chance.{FIRST} is 0.01", forging.with_texts),
    Tampering(
        "scores of a group that is not whole",
        at("scores", microbench_fine={"acc": 1.0}),
        SCORES,
        "scores.microbench_fine.acc is 1.0; the samples give nothing",
        forging.with_texts,
    ),
    Tampering(
        "a kind of answer of one's own",
        at("scores", FIRST, unparsed_by_kind={"human": 1}),
        SCHEMA,
        "unparsed_by_kind: human is not a kind of answer",
        forging.with_texts,
    ),
    Tampering(
        "a score other than the answer's",
        samples(lambda found: found[2].update(score=1.0)),
        SCORES,
        "the score of 1 sample(s) is not that of the answer",
    ),
    Tampering("another right answer", samples(other_letter), DATA, f"{FIRST}: document 2: gold is"),
    Tampering(
        "a dropped sample",
        samples(drop_and_number_again),
        WHOLE,
        f"{FIRST}: 3 samples, but the release has 4 questions",
    ),
    Tampering("images in the place of others", samples(swap_images), DATA, f"{FIRST}: document 0: image_id is"),
    Tampering(
        "another question",
        samples(lambda found: found[0].update(input=found[0]["input"].replace("Question:", "Question:Look well. "))),
        DATA,
        "the prompt is not that of the data's question",
    ),
    Tampering(
        "more after the prompt",
        samples(lambda found: found[0].update(input=found[0]["input"] + "\nThink.")),
        SAMPLES,
        "unknown prompt in 1 of 4 samples",
    ),
    Tampering(
        "other gold boxes",
        samples(
            lambda found: (
                found[0]["grit"].update(boxes=[[0.0, 0.0, 5.0, 5.0]]),
                found[0].update(target="[[0.0, 0.0, 5.0, 5.0]]"),
            ),
            BOXES,
        ),
        DATA,
        f"{BOXES}: document 0: boxes is",
    ),
)


@pytest.mark.parametrize("tampering", CAUGHT, ids=lambda tampering: tampering.name)
def test_a_tampering_with_all_digests_renewed_is_caught_with_its_reason(tampering, folder):
    tampering.edit(folder)
    tampering.renew(folder)
    started = time.monotonic()
    found = failures(folder)
    # Nothing waits, and nothing large is read.
    assert time.monotonic() - started < 20
    assert tampering.reason in found.get(tampering.check, ""), found


def test_samples_that_fill_the_memory_are_refused_before_they_do(folder, monkeypatch):
    monkeypatch.setattr(untrusted, "MAX_FILE_BYTES", 2**20)
    gzipped(lambda content: gzip.compress(content + b"\n" * 2**27, mtime=0))(folder)
    assert samples_file(folder, FIRST).stat().st_size < 2**20
    assert "contains more than 1,048,576 bytes when decompressed" in failures(folder)[SAMPLES]


def all_right(found):
    for sample in found:
        sample.update(filtered_resps=LETTERS[int(sample["target"])], score=1.0)


def swap_answers(found):
    """Documents 0 and 2: the wrong answer is given elsewhere."""
    found[0].update(filtered_resps="Z", score=0.0)
    found[2].update(filtered_resps=LETTERS[int(found[2]["target"])], score=1.0)


def by_hand(folder):
    """Another prompt and convention, as a setting would give them, in the record and in each sample."""
    made = box_format_choice.ChosenFormat(
        box_format_setting.parse_format({"convention": "grid1000_xyxy", "prompt": NEW_PROMPT}, "x"),
        box_format_setting.SETTING,
    )
    change_manifest(folder, lambda content: content["settings"].update(boxes=json.loads(json.dumps(made.record()))))

    def ask(found):
        for sample in found:
            sample["grit"]["convention"] = "grid1000_xyxy"
            sample.update(
                input=NEW_PROMPT.replace("{class}", sample["grit"]["expression"]), filtered_resps="[]", score=0.0
            )

    change_samples(folder, BOXES, ask)


def on_the_hub(folder):
    at("data", "sources", **dict.fromkeys((*COARSE, BOXES), source_identity.release_identity()))(folder)


UNKNOWABLE = (
    ("another name", at("model", name="GPT-9"), "model"),
    ("another checkpoint", at("model", "loaded_model", weights_sha256="0" * 64), "model"),
    (
        "another precision everywhere",
        both(at("model", "loaded_model", precision="fp32"), at("model", precision="fp32")),
        "model",
    ),
    ("another class", at("model", backend="lmms_eval.models.chat.gpt9.GPT9"), "model"),
    ("other arguments", at("model", model_args="model=gpt9,precision=bf16"), "arguments"),
    ("other settings of generation", at("model", "generation_kwargs", FIRST, temperature=1.5), "arguments"),
    ("all answers right", samples(all_right), "answers"),
    ("answers at other places", samples(swap_answers), "answers"),
    ("a format of boxes by hand", by_hand, "boxes"),
    ("a date in the past", at("run", date="2025-05-05T00:00:00Z"), "date"),
    ("another name of the run", at("run", name="20250505_000000"), "date"),
    ("other packages", at("versions", "packages", torch="2.0.0"), "environment"),
    ("other seeds", at("seeds", torch=7), "environment"),
    ("a task left out", drop_task(FIRST), "selection"),
    ("the Hub instead of a copy", on_the_hub, "source"),
)


@pytest.mark.parametrize(
    ("edit", "limit"), [(edit, limit) for _, edit, limit in UNKNOWABLE], ids=[name for name, *_ in UNKNOWABLE]
)
def test_what_no_check_can_know_passes_and_is_listed(edit, limit, folder, original):
    edit(folder)
    as_far_as_possible(folder)
    assert failures(folder) == {}
    assert manifest_file.read_manifest(folder)["digest"] != manifest_file.read_manifest(original)["digest"]
    assert limit in {found.name for found in limits.LIMITS}


def test_every_field_is_checked_or_listed():
    """A field of the manifest is named by a limit, or by a tampering that is caught."""
    checked = {
        "schema_version",
        "data.kind",
        "data.asked",
        "versions.task",
        "settings.interval",
        "num_samples",
        "num_in_total",
        "chance",
        "majority",
        "scores",
        "files",
    }
    listed = {field for limit in limits.LIMITS for field in limit.fields}
    fields = set()
    for name, stated in Manifest.model_fields.items():
        is_split = name in ("model", "data", "versions", "settings", "run")
        fields |= {f"{name}.{field}" for field in stated.annotation.model_fields} if is_split else {name}
    assert fields == checked | listed


def test_the_definition_that_ran_is_no_part_of_a_submission(original):
    """So only submit can compare it, and the list says so."""
    assert "definition" not in (original / "submission.json").read_text()
    assert recorded_values.FUNCTION not in (original / "submission.json").read_text()
    assert any(limit.name == "definition" for limit in limits.LIMITS)


def test_the_documentation_lists_what_no_check_can_know_word_for_word():
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    assert "\n".join(f"- {line}" for line in limits.as_lines()) in readme
