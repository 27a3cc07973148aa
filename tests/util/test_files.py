"""Claims about files that appear whole or not at all."""

import os

import pytest

from microbench_tasks.util import files


def test_a_folder_appears_with_all_its_files(tmp_path):
    made = files.write_dir(tmp_path / "a" / "b", {"one": b"1", "deep/two": b"2"})
    assert (made / "one").read_bytes() == b"1"
    assert (made / "deep" / "two").read_bytes() == b"2"
    assert os.listdir(made.parent) == ["b"]


def test_a_failure_half_way_leaves_nothing(tmp_path):
    """Also none of the folders that were made for it."""

    def fill(draft):
        (draft / "half").write_bytes(b"")
        raise RuntimeError("killed")

    for target in ("target", "new/newer/target"):
        with pytest.raises(RuntimeError):
            files.write_dir_atomically(tmp_path / target, fill)
        assert os.listdir(tmp_path) == []


def test_the_first_of_two_writers_wins(tmp_path):
    def slow(draft):
        (draft / "by").write_text("second")
        files.write_dir(tmp_path / "target", {"by": b"first"})

    files.write_dir_atomically(tmp_path / "target", slow)
    assert (tmp_path / "target" / "by").read_text() == "first"
    assert os.listdir(tmp_path) == ["target"]


def test_what_is_there_is_left_alone(tmp_path):
    files.write_dir(tmp_path / "target", {"by": b"first"})
    files.write_dir_atomically(tmp_path / "target", lambda draft: pytest.fail("written again"))


def test_a_file_is_replaced_in_one_step(tmp_path):
    for content in (b"old", b"new"):
        files.write_file(tmp_path / "file", content)
    assert (tmp_path / "file").read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["file"]


def test_a_file_is_readable_as_any_other_new_file(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    files.write_file(tmp_path / "file", b"")
    assert (tmp_path / "file").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_what_cannot_be_written_leaves_nothing(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError):
        files.write_file(tmp_path / "folder", b"")
    assert os.listdir(tmp_path) == ["folder"]


def test_unchanged_files_are_hashed_once(tmp_path, monkeypatch):
    path = tmp_path / "data"
    path.write_bytes(b"abc")
    # SHA-256 of "abc", FIPS 180-2 appendix B.1.
    abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert files.content_hashes([path]) == [abc]
    monkeypatch.setattr(files, "sha256", lambda path: pytest.fail("read again"))
    assert files.content_hashes([path]) == [abc]


def test_a_changed_file_is_hashed_again(tmp_path):
    path = tmp_path / "data"
    path.write_bytes(b"abc")
    before = files.content_hashes([path])
    path.write_bytes(b"abd")
    os.utime(path, ns=(0, 0))
    assert files.content_hashes([path]) != before


def test_a_cache_that_cannot_be_written_costs_no_run(tmp_path, monkeypatch):
    (tmp_path / "data").write_bytes(b"abc")
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setattr(files, "cache_dir", lambda: tmp_path / "file")
    assert len(files.content_hashes([tmp_path / "data"])) == 1


def test_of_several_files_none_is_written_unless_all_are(tmp_path):
    folder = tmp_path / "new" / "newer"
    with pytest.raises(OSError, match="File name too long"):
        files.write_files({folder / "first": b"1", folder / ("x" * 300): b"2"})
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_what_was_there(tmp_path):
    (tmp_path / "first").write_bytes(b"before")
    with pytest.raises(OSError, match="File name too long"):
        files.write_files({tmp_path / "first": b"1", tmp_path / ("x" * 300): b"2"})
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"before"]
