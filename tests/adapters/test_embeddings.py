"""Claims about embeddings on disk: nothing is encoded twice, and models never share vectors."""

import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from microbench_adapters.libraries.open_clip_adapter import OpenClip
from microbench_adapters.models import embeddings, smoke_test
from microbench_adapters.models.embeddings import Embeddings, digest
from tests.support import questions, tiny_clip

VECTORS = np.random.default_rng(0).normal(size=(5, 3))
CONTENTS = [digest(bytes([index])) for index in range(5)]


def stored(folder, **identity):
    return Embeddings(folder, {"weights": "a"} | identity, "images")


def filled(folder, contents=CONTENTS):
    kept = stored(folder)
    for content, vector in zip(contents, VECTORS, strict=False):
        kept.add(content, vector)
    kept.write()
    return kept


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_clip.save(tmp_path_factory.mktemp("clip") / "tiny", seed=3)


@pytest.fixture
def count_encoded(monkeypatch):
    """Images and texts that reach an encoder from here on."""
    encoded = {"encode_images": 0, "encode_texts": 0}

    def counting(name):
        original = getattr(OpenClip, name)

        def encode(self, batch):
            encoded[name] += len(next(iter(batch.values())))
            return original(self, batch)

        return encode

    for name in encoded:
        monkeypatch.setattr(OpenClip, name, counting(name))
    return encoded


def test_a_vector_is_found_by_content_exactly_as_it_was(tmp_path):
    filled(tmp_path)
    again = stored(tmp_path)
    assert len(again) == 5
    assert all((again.get(content) == vector).all() for content, vector in zip(CONTENTS, VECTORS, strict=False))
    assert again.get(digest(b"other")) is None


@pytest.mark.parametrize("other", [{"weights": "b"}, {"precision": "bf16"}])
def test_another_models_vectors_are_not_found(tmp_path, other):
    filled(tmp_path)
    assert not stored(tmp_path, **other)


def test_contents_are_told_apart_where_their_bytes_in_a_row_are_not():
    assert digest(b"ab", b"c") != digest(b"a", b"bc")


def test_what_was_not_written_whole_is_encoded_again(tmp_path, warnings):
    filled(tmp_path)
    filled(tmp_path, CONTENTS[:2])
    for path, left in zip(sorted(tmp_path.rglob("*.npz")), (0, 200), strict=False):
        path.write_bytes(path.read_bytes()[:left])
    assert not stored(tmp_path)
    assert sum("not a whole file of embeddings" in warning for warning in warnings) == 2


def test_a_changed_byte_is_noticed(tmp_path, warnings):
    filled(tmp_path)
    [path] = tmp_path.rglob("*.npz")
    content = bytearray(path.read_bytes())
    content[content.index(VECTORS.tobytes()) + 5] ^= 1
    path.write_bytes(bytes(content))
    assert not stored(tmp_path)
    assert any("not a whole file" in warning for warning in warnings)


def test_a_kill_leaves_what_was_written(tmp_path):
    code = f"""
import os, signal
from pathlib import Path
import numpy as np
from microbench_adapters.models import embeddings
embeddings._VECTORS_PER_FILE = 10
kept = embeddings.Embeddings(Path({str(tmp_path)!r}), {{"weights": "a"}}, "images")
for index in range(25):
    kept.add(embeddings.digest(bytes([index])), np.full(3, float(index)))
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code]).returncode == -signal.SIGKILL
    kept = stored(tmp_path)
    assert len(kept) == 20
    assert kept.get(digest(bytes([19]))).tolist() == [19.0] * 3


def test_a_batch_is_written_once_the_last_file_is_some_seconds_old(tmp_path, monkeypatch):
    kept = stored(tmp_path)
    kept.add(CONTENTS[0], VECTORS[0])
    kept.end_batch()
    assert not stored(tmp_path)
    monkeypatch.setattr(embeddings, "_SECONDS_PER_FILE", 0)
    kept.end_batch()
    assert len(stored(tmp_path)) == 1


def test_runs_at_the_same_time_lose_nothing_of_each_other(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda content: filled(tmp_path, [content]), CONTENTS * 4))
    assert len(stored(tmp_path)) == 5


def test_a_disk_that_cannot_be_written_any_more_costs_the_cache_and_not_the_run(tmp_path, monkeypatch, warnings):
    kept = stored(tmp_path)

    def full(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(embeddings, "write_atomically", full)
    kept.add(CONTENTS[0], VECTORS[0])
    kept.write()
    assert kept.get(CONTENTS[0]) is not None
    assert any("No space left on device" in warning for warning in warnings)


@pytest.mark.parametrize("cache_dir", ["{tmp}/file", "/proc/no/such", " "])
def test_a_folder_that_cannot_be_used_is_an_error_that_names_the_option(folder, tmp_path, cache_dir):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="cache_dir=.*expected a folder"):
        OpenClip(str(folder), cache_dir=cache_dir.format(tmp=tmp_path))


def test_a_second_run_encodes_nothing_and_answers_alike(folder, tmp_path, count_encoded):
    # With a batch size, as a GPU would be tried for one.
    requests = questions.Captions().requests()
    plain = OpenClip(str(folder)).generate_until(requests)
    first = OpenClip(str(folder), cache_dir=str(tmp_path), batch_size=8).generate_until(requests)
    count_encoded.update(encode_images=0, encode_texts=0)
    second = OpenClip(str(folder), cache_dir=str(tmp_path), batch_size=8).generate_until(requests)
    assert plain == first == second
    assert count_encoded == {"encode_images": 0, "encode_texts": 0}


def test_only_what_is_new_is_encoded(folder, tmp_path, count_encoded):
    requests = questions.Captions().requests()
    OpenClip(str(folder), cache_dir=str(tmp_path)).generate_until(requests[:3])
    model = OpenClip(str(folder), cache_dir=str(tmp_path))
    count_encoded.update(encode_images=0)
    model.generate_until(requests)
    # Two questions about each image: the first three requests are about two.
    assert count_encoded["encode_images"] == questions.COUNT - 2


def test_another_precision_has_embeddings_of_its_own(folder, tmp_path, count_encoded):
    requests = questions.Captions().requests()
    OpenClip(str(folder), cache_dir=str(tmp_path)).generate_until(requests)
    count_encoded.update(encode_images=0)
    # With a batch size, as a GPU would be tried for one.
    OpenClip(str(folder), cache_dir=str(tmp_path), precision="bf16", batch_size=8).generate_until(requests)
    # And those that every model is tried with.
    assert count_encoded["encode_images"] == questions.COUNT + len(smoke_test.images())
