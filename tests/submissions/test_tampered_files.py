"""Claims about files in another form than microbench submit writes, and about what is no file."""

from __future__ import annotations

import gzip
import os

import pytest

from microbench_tasks.util import untrusted
from tests.support.forging import (
    UNREADABLE,
    failures,
    samples_file,
)
from tests.support.tamperings import (
    FILES,
    FIRST,
    SAMPLES,
    Tampering,
    assert_caught,
    gzipped,
    listening,
    no_renewal,
    replaced,
    samples,
    sparse,
    text,
    with_file_name,
)

CAUGHT = (
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
        "line 1: expected a sample as one line of JSON in UTF-8, got a key occurs twice",
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
        "a key occurs twice",
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
)


@pytest.mark.parametrize("tampering", CAUGHT, ids=lambda tampering: tampering.name)
def test_a_tampering_with_all_digests_renewed_is_caught_with_its_reason(tampering, folder):
    assert_caught(tampering, folder)


def test_samples_that_fill_the_memory_are_refused_before_they_do(folder, monkeypatch):
    monkeypatch.setattr(untrusted, "MAX_FILE_BYTES", 2**20)
    gzipped(lambda content: gzip.compress(content + b"\n" * 2**27, mtime=0))(folder)
    assert samples_file(folder, FIRST).stat().st_size < 2**20
    assert "contains more than 1,048,576 bytes when decompressed" in failures(folder)[SAMPLES]
