"""Describe tamperings with a submission: the change, the check that finds it, and what that says."""

from __future__ import annotations

import gzip
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass

from tests.support.forging import (
    as_far_as_possible,
    change_manifest,
    change_samples,
    change_text,
    failures,
    samples_file,
)
from tests.support.tiny_runs import BOXES, COARSE

FIRST = COARSE[0]
SCHEMA, FILES, RECORD = "schema of submission.json", "files and their SHA-256", "versions, settings and data source"
SAMPLES, SCORES, WHOLE = "samples: all there, asked in the known way", "scores, from the samples", "nothing is left out"
DATA, COGNITION_DATA = (
    "the samples against the data (MICROBENCH_DATASET)",
    "the samples against the data (MICROBENCH_COGNITION)",
)
LETTERS = "ABCDEFGH"


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


def assert_caught(tampering: Tampering, folder) -> None:
    """Apply a tampering, renew all digests, and assert that its check names its reason."""
    tampering.edit(folder)
    tampering.renew(folder)
    problems = failures(folder)
    assert tampering.reason in problems.get(tampering.check, ""), problems
