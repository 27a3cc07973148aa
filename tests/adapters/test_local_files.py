"""Claims about the check of local weights before anything is loaded: what it finds, and that it reads no weights."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import save_file

from microbench_adapters.checkpoints import weight_files
from microbench_adapters.libraries import local_files, options
from microbench_adapters.libraries.open_clip_adapter import OpenClip
from microbench_adapters.libraries.transformers_adapter import TransformersClip

STATE = {"weight": torch.zeros(100)}


@pytest.fixture
def folder(tmp_path):
    """A folder of transformers: of its files only those that the check looks at."""
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "clip"}))
    save_file(STATE, tmp_path / "model.safetensors")
    torch.save(STATE, tmp_path / "epoch.pt")
    torch.save(STATE, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    return tmp_path


@pytest.fixture
def warnings(monkeypatch):
    said: list[str] = []
    monkeypatch.setattr(weight_files.logger, "warning", said.append)
    return said


def check(**arguments):
    local_files.check(arguments, local_files.transformers_weights)


def cut(path):
    path.write_bytes(path.read_bytes()[:-50])


def test_whole_files_and_folders_pass_as_do_names_on_the_hub_and_tags(folder):
    check(model=str(folder), pretrained=str(folder / "epoch.pt"), merge_with=f"[openai/clip,{folder}]")
    check(model="ViT-B-32", pretrained="openai", merge_with=f"ViT-B-32:{folder / 'old.pt'}")
    check(model="x" * 5000)


def test_a_folder_with_the_name_of_a_checkpoint_or_tag_does_not_hide_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("clip", "openai"):
        (tmp_path / name).mkdir()
    check(model="ViT-B-32", pretrained="openai", merge_with="clip")


@pytest.mark.parametrize("name", ["model.safetensors", "epoch.pt"])
def test_a_file_that_is_cut_off_is_named(folder, name):
    cut(folder / name)
    with pytest.raises(ValueError, match=f"{name}: cannot be read as a checkpoint: .* It is cut off, damaged"):
        check(model=str(folder), merge_with=f"ViT-B-32:{folder / 'epoch.pt'}")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("version https://git-lfs.github.com/spec/v1", "it is a Git LFS pointer"),
        ("<!DOCTYPE html>", "it is a web page"),
        ("junk", "it is not a PyTorch checkpoint"),
    ],
)
def test_a_file_that_is_no_checkpoint_is_named_with_what_it_is(folder, content, reason):
    (folder / "epoch.pt").write_text(content)
    with pytest.raises(ValueError, match=f"epoch.pt: cannot be read as a checkpoint: {reason}"):
        check(pretrained=str(folder / "epoch.pt"))


def test_weights_that_are_missing_are_named(folder):
    with pytest.raises(ValueError, match=r"pretrained=epoch_2\.pt: no such file here"):
        check(model="ViT-B-32", pretrained="epoch_2.pt")
    (folder / "model.safetensors").unlink()
    with pytest.raises(ValueError, match=f"merge_with={folder}: transformers cannot load its weights"):
        check(model="openai/clip", merge_with=str(folder))
    index = {"weight_map": {"weight": "model-00001-of-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ValueError, match="names 1 files that are missing beside it"):
        check(model=str(folder))


def test_a_folder_of_another_library_is_answered_with_the_model_that_loads_it(folder):
    with pytest.raises(ValueError, match="use --model transformers_clip"):
        OpenClip.check_files({"model": str(folder)})
    (folder / "config.json").write_text(json.dumps({"model_type": "llava"}))
    with pytest.raises(ValueError, match="not an image-text dual encoder.* use --model transformers_vlm"):
        TransformersClip.check_files({"model": str(folder)})
    (folder / "config.json").rename(folder / "open_clip_config.json")
    with pytest.raises(ValueError, match="use --model open_clip"):
        TransformersClip.check_files({"model": str(folder)})


def test_what_macos_leaves_beside_weights_is_taken_for_none(folder, warnings):
    (folder / "._model.safetensors").write_bytes(b"of macOS")
    weight_files.refuse_others([folder / "model.safetensors"], STATE, "model=x")
    (folder / "open_clip_config.json").write_text('{"model_cfg": {}}')
    (folder / "epoch.pt").unlink()
    (folder / "old.pt").unlink()
    OpenClip.check_files({"model": str(folder)})
    assert warnings == []


def test_a_folder_under_an_unknown_home_is_refused_and_not_made_here():
    with pytest.raises(ValueError, match="cache_dir=~nobody-of-this-name/x: the home folder is not known"):
        options.parse_folder("cache_dir", "~nobody-of-this-name/x")
