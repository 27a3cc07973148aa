"""Claims about resized images that are kept: nothing is resized twice, and other resizings never share pixels."""

import json
import resource
import shutil
import signal
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from microbench_adapters.commands import sweep
from microbench_adapters.libraries.open_clip_adapter import OpenClip
from microbench_adapters.models import pixel_store
from microbench_adapters.models.embeddings import digest
from microbench_adapters.models.pixel_store import PixelFiles, PixelMemory
from tests.support import questions, tiny_clip

PIXELS = torch.randint(0, 256, (5, 3, 4, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
CONTENTS = [digest(bytes([index])) for index in range(5)]


def stored(folder, **identity):
    return PixelFiles(folder, {"size": 4} | identity)


def filled(folder, rows=range(5)):
    kept = stored(folder)
    kept.add([CONTENTS[row] for row in rows], PIXELS[list(rows)])
    kept.write()
    return kept


def assert_known(kept, rows):
    assert len(kept) == len(rows)
    assert all(torch.equal(kept.get(CONTENTS[row]), PIXELS[row]) for row in rows)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_clip.save(tmp_path_factory.mktemp("clip") / "tiny", seed=3)


@pytest.fixture
def resized(monkeypatch):
    """The sizes of images that are resized from here on."""
    sizes = []
    original = OpenClip.resize

    def resize(self, image):
        sizes.append(image.size)
        return original(self, image)

    monkeypatch.setattr(OpenClip, "resize", resize)
    return sizes


# --- on disk ---


def test_pixels_are_found_by_content_exactly_as_they_were(tmp_path):
    filled(tmp_path)
    assert_known(stored(tmp_path), range(5))
    assert stored(tmp_path).get(digest(b"other")) is None


def test_pixels_of_another_resizing_are_not_found(tmp_path):
    filled(tmp_path)
    assert not stored(tmp_path, interpolation="bilinear")


def test_known_images_are_not_written_again(tmp_path):
    filled(tmp_path)
    again = stored(tmp_path)
    again.add(CONTENTS, PIXELS)
    again.write()
    assert len(list(tmp_path.rglob("*.safetensors"))) == 1


def test_files_that_are_not_whole_are_resized_again(tmp_path, warnings):
    for row in range(3):
        filled(tmp_path, [row])
    paths = sorted(tmp_path.rglob("*.safetensors"))
    for path, left in zip(paths, (0, 40), strict=False):
        path.write_bytes(path.read_bytes()[:left])
    assert len(stored(tmp_path)) == 1
    assert sum("not a whole file of pixels" in warning for warning in warnings) == 2


def test_a_kill_leaves_only_whole_files(tmp_path):
    code = f"""
        import os, signal
        from pathlib import Path
        import torch
        from microbench_adapters.models import embeddings, pixel_store
        pixel_store._IMAGES_PER_FILE = 10
        kept = pixel_store.PixelFiles(Path({str(tmp_path)!r}), {{"size": 4}})
        for number in range(25):
            kept.add([embeddings.digest(bytes([number]))], torch.full((1, 3, 4, 4), number, dtype=torch.uint8))
        kept._writing.result()
        os.kill(os.getpid(), signal.SIGKILL)
    """
    killed = subprocess.run([sys.executable, "-c", textwrap.dedent(code)])
    assert killed.returncode == -signal.SIGKILL
    kept = stored(tmp_path)
    assert len(kept) == 20
    assert kept.get(digest(bytes([19]))).unique().tolist() == [19]


def test_drafts_of_killed_runs_are_removed_once_they_are_old(tmp_path, monkeypatch):
    filled(tmp_path)
    (parent,) = {path.parent for path in tmp_path.rglob("*.safetensors")}
    draft = parent / "killed.draft"
    draft.write_bytes(b"half")
    stored(tmp_path)
    assert draft.exists()
    monkeypatch.setattr(pixel_store, "_ABANDONED", -1)
    assert_known(stored(tmp_path), range(5))
    assert not draft.exists()


def test_writers_at_the_same_time_lose_nothing_of_each_other(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda row: filled(tmp_path, [row]), [*range(5)] * 4))
    assert_known(stored(tmp_path), range(5))


def test_a_full_disk_costs_the_pixels_and_not_the_run(tmp_path, warnings):
    kept = stored(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    # The system refuses to write more, as it does when a disk is full.
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        kept.add(CONTENTS, PIXELS)
        kept.write()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert any("pixels could not be kept: " in warning and "goes on" in warning for warning in warnings)
    assert not stored(tmp_path)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["resizing.json"]


@pytest.mark.parametrize("pixels_dir", ["{tmp}/file", "/proc/no/such", " "])
def test_a_folder_that_cannot_be_used_is_an_error_that_names_the_option(folder, tmp_path, pixels_dir):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="pixels_dir=.*expected a folder"):
        OpenClip(str(folder), pixels_dir=pixels_dir.format(tmp=tmp_path))


def test_a_second_run_resizes_nothing_and_answers_alike(folder, tmp_path, resized):
    requests = questions.Captions().requests()
    plain = OpenClip(str(folder)).generate_until(requests)
    first = OpenClip(str(folder), pixels_dir=str(tmp_path)).generate_until(requests)
    model = OpenClip(str(folder), pixels_dir=str(tmp_path))
    resized.clear()
    assert plain == first == model.generate_until(requests)
    assert resized == []


def test_a_fine_tune_with_other_means_uses_the_same_pixels_and_another_size_does_not(folder, tmp_path):
    def with_setting(name, **settings):
        other = shutil.copytree(folder, tmp_path / name)
        config = json.loads((other / "open_clip_config.json").read_text())
        config["preprocess_cfg"] |= settings
        (other / "open_clip_config.json").write_text(json.dumps(config))
        return OpenClip(str(other)).resizing

    original = OpenClip(str(folder)).resizing
    assert with_setting("means", mean=[0.1, 0.2, 0.3]) == original
    assert with_setting("other", interpolation="bilinear") != original


# --- in memory ---


def test_memory_holds_pixels_up_to_its_limit():
    memory = PixelMemory(max_bytes=3 * 3 * 4 * 4)
    memory.add(["a", "b"], [b"", b""], PIXELS[:2])
    memory.add(["c", "d"], [b"", b""], PIXELS[2:4])
    assert [torch.equal(memory.get(key)[0], pixels) for key, pixels in zip("ab", PIXELS, strict=False)] == [True] * 2
    assert memory.get("c") == (None, b"")
    memory.add(["a", "e"], [b"", b""], PIXELS[[0, 4]])
    assert torch.equal(memory.get("e")[0], PIXELS[4])


def test_a_digest_that_was_not_asked_for_before_is_added():
    memory = PixelMemory(max_bytes=1000)
    memory.add(["a"], [b""], PIXELS[:1])
    memory.add(["a"], [CONTENTS[0]], PIXELS[:1])
    memory.add(["a"], [b""], PIXELS[:1])
    assert memory.get("a")[1] == CONTENTS[0]


def test_within_shared_the_next_model_reads_nothing_and_answers_alike(folder, resized):
    requests = questions.Captions(has_keys=True).requests()
    plain = OpenClip(str(folder)).generate_until(requests)
    with pixel_store.shared():
        first = OpenClip(str(folder)).generate_until(requests)
        model = OpenClip(str(folder))
        resized.clear()
        assert plain == first == model.generate_until(requests)
        assert resized == []
    model = OpenClip(str(folder))
    # Of the images that every model is tried with.
    resized.clear()
    model.generate_until(requests)
    assert len(resized) == questions.COUNT


def test_pixels_in_memory_do_not_hide_a_vector_on_disk(folder, tmp_path):
    requests = questions.Captions(has_keys=True).requests()
    with pixel_store.shared():
        plain = OpenClip(str(folder)).generate_until(requests)
        for _ in range(2):
            assert OpenClip(str(folder), cache_dir=str(tmp_path)).generate_until(requests) == plain
    assert len(OpenClip(str(folder), cache_dir=str(tmp_path)).kept_images) == questions.COUNT


def test_a_sweep_keeps_pixels_from_one_alpha_to_the_next(folder, tmp_path, monkeypatch):
    stores = []

    def row(alpha, *_):
        stores.append(pixel_store.memory())
        return {"alpha": alpha}

    monkeypatch.setattr(sweep, "_row", row)

    def evaluate():
        path = tmp_path / sys.argv[-1] / "x_results.json"
        path.parent.mkdir(parents=True)
        path.write_text("{}")

    sweep.run_sweep([0.0, 1.0], [], "model=a,merge_with=b", tmp_path / "sweep", evaluate)
    assert stores[0] is stores[1] is not None
    assert pixel_store.memory() is None
