"""Claims about loading with transformers: nothing that was not meant is ever evaluated."""

import json
import shutil
from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from microbench_adapters.libraries.transformers_adapter import TransformersClip
from tests.support import questions, tiny_models

REVISION = "a" * 40


@pytest.fixture(scope="module")
def shared_folder(tmp_path_factory):
    return tiny_models.transformers_clip(tmp_path_factory.mktemp("clip") / "tiny")


@pytest.fixture
def folder(shared_folder, tmp_path):
    """A copy that a test may spoil."""
    return shutil.copytree(shared_folder, tmp_path / "tiny")


def spoil(folder, change):
    state = load_file(folder / "model.safetensors")
    change(state)
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "no/such-model"}, "model=no/such-model, revision=None: AutoConfig cannot load it"),
        ({"model": "no/such-model", "padding": "left"}, "padding=left: expected one of context, longest"),
        ({"model": "no/such-model", "precision": "int4"}, "precision=int4: expected one of"),
        ({"model": "no/such-model", "precision": "amp"}, "precision=amp: half precision needs a GPU"),
        ({"model": "no/such-model", "merge": "ties"}, "merge=ties: nothing to merge with"),
    ],
)
def test_options_that_cannot_work_are_refused_before_loading(options, message):
    with pytest.raises(ValueError, match=message):
        TransformersClip(**({"device": "cpu"} | options))


def test_a_folder_that_is_no_checkpoint_is_refused(tmp_path):
    with pytest.raises(
        ValueError,
        match="expected a folder with transformers' config.json, processor and weights; it has no config.json",
    ):
        TransformersClip(model=str(tmp_path), device="cpu")


def test_a_revision_of_a_local_folder_is_refused(folder):
    with pytest.raises(ValueError, match="revision=main: .* is a local folder and has none"):
        TransformersClip(model=str(folder), revision="main", device="cpu")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["processor_config.json"], "AutoProcessor cannot load it: .*"),
        (["vocab.json", "merges.txt", "tokenizer.json", "tokenizer_config.json"], "its tokenizer has no vocabulary. "),
    ],
    ids=["preprocessing", "tokenizer"],
)
def test_a_fine_tune_without_a_processor_is_refused_with_the_way_out(folder, files, message):
    for name in files:
        (folder / name).unlink()
    with pytest.raises(ValueError, match=f"(?s){message}.*Copy them from the base model"):
        TransformersClip(model=str(folder), device="cpu")


def test_a_tokenizer_of_another_model_is_refused(folder, tmp_path):
    small = tiny_models.transformers_align(tmp_path / "align")
    for name in ("processor_config.json", "tokenizer.json", "tokenizer_config.json"):
        shutil.copy(folder / name, small / name)
    with pytest.raises(
        ValueError, match="its tokenizer has 49408 tokens, its text encoder 400. The tokenizer belongs to another model"
    ):
        TransformersClip(model=str(small), device="cpu")


def test_a_tokenizer_of_a_smaller_model_is_refused_too(folder, tmp_path):
    small = tiny_models.transformers_align(tmp_path / "align")
    for name in ("vocab.json", "merges.txt"):
        (folder / name).unlink()
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(small / name, folder / name)
    with pytest.raises(
        ValueError,
        match="its tokenizer has .* tokens, its text encoder 49408. "
        "The tokenizer belongs to another model|knows no words",
    ):
        TransformersClip(model=str(folder), device="cpu")


@pytest.mark.parametrize(
    ("length", "message"),
    [
        (0, "at least 3"),
        (-5, "at least 3"),
        ("abc", "at least 3"),
        (77.0, "at least 3"),
        (200, "reads at most 77 tokens"),
    ],
)
def test_a_context_that_cannot_be_is_refused(folder, length, message):
    with pytest.raises(ValueError, match=f"context_length={length}: .*{message}"):
        TransformersClip(model=str(folder), context_length=length, device="cpu")


def test_quantized_weights_are_refused(folder, tmp_path):
    state = transformers.CLIPModel.from_pretrained(folder).state_dict()
    torch.save(
        {
            name: (values * 20).round().to(torch.int8) if values.is_floating_point() else values
            for name, values in state.items()
        },
        tmp_path / "int8.pt",
    )
    with pytest.raises(ValueError, match=r"of another number type 7\d .*torch.int8, expected torch.float32"):
        TransformersClip(model=str(folder), pretrained=str(tmp_path / "int8.pt"), device="cpu")


def test_padding_stands_in_the_record(folder):
    assert [
        TransformersClip(model=str(folder), padding=padding, device="cpu").record()["padding"]
        for padding in (None, "context")
    ] == ["longest", "context"]


def test_missing_and_unexpected_weights_are_named(folder):
    def change(state):
        state["lora_A.weight"] = state.pop("visual_projection.weight")

    spoil(folder, change)
    with pytest.raises(
        ValueError,
        match=r"Keys: missing 1 \(visual_projection.weight\); unexpected 1 \(lora_A.weight\). "
        r"The checkpoint contains an adapter \(LoRA\) that is not merged",
    ):
        TransformersClip(model=str(folder), device="cpu")


def test_weights_of_another_shape_are_refused_by_name(folder):
    spoil(folder, lambda state: state.update({"visual_projection.weight": torch.ones(3, 3)}))
    with pytest.raises(
        ValueError, match=r"of another shape 1 \(visual_projection.weight: \(3, 3\), expected \(32, 64\)\)"
    ):
        TransformersClip(model=str(folder), device="cpu")


def test_weights_that_are_not_finite_are_refused(folder):
    spoil(folder, lambda state: state.update({"visual_projection.weight": torch.full((32, 64), float("inf"))}))
    with pytest.raises(ValueError, match=r"1 weights contain values that are not finite \(visual_projection.weight\)"):
        TransformersClip(model=str(folder), device="cpu")


def test_a_model_that_only_sees_or_only_reads_is_refused(folder):
    config = transformers.CLIPVisionConfig(
        hidden_size=64, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2, image_size=32, patch_size=16
    )
    transformers.CLIPVisionModel(config).save_pretrained(folder)
    with pytest.raises(
        ValueError, match="CLIPVisionModel is not an image-text dual encoder .get_image_features, get_text_features."
    ):
        TransformersClip(model=str(folder), device="cpu")


def test_a_checkpoint_file_replaces_the_weights_of_its_architecture(folder, tmp_path):
    other = tiny_models.transformers_clip(tmp_path / "other", seed=1)
    state = transformers.CLIPModel.from_pretrained(other).state_dict()
    torch.save(
        {"epoch": 1, "state_dict": {f"module.{name}": values for name, values in state.items()}},
        tmp_path / "epoch_1.pt",
    )
    model = TransformersClip(model=str(folder), pretrained=str(tmp_path / "epoch_1.pt"), device="cpu")
    expected = TransformersClip(model=str(other), device="cpu")
    assert model.record()["weights_sha256"] == expected.record()["weights_sha256"]
    task = questions.Captions()
    assert model.generate_until(task.requests()) == expected.generate_until(task.requests())


def test_a_checkpoint_file_of_another_architecture_is_refused_by_key(folder, tmp_path):
    torch.save({"visual.proj": torch.ones(2)}, tmp_path / "open_clip.pt")
    with pytest.raises(ValueError, match=r"missing \d+ .*unexpected 1 \(visual.proj\)"):
        TransformersClip(model=str(folder), pretrained=str(tmp_path / "open_clip.pt"), device="cpu")
    with pytest.raises(ValueError, match="pretrained=/no/such.pt: no such file"):
        TransformersClip(model=str(folder), pretrained="/no/such.pt", device="cpu")


def test_the_context_ends_where_the_tokenizer_cuts(folder):
    model = TransformersClip(model=str(folder), device="cpu")
    # Start and end take two of the 77 tokens; "cell" is one token of CLIP's.
    texts = [" ".join(["cell"] * number) for number in (1, 74, 75, 76, 200)]
    assert model.longer_than_context(texts) == texts[3:]
    assert model.tokenize(texts)["input_ids"].shape == (5, 77)


def test_a_shorter_context_can_be_asked_for(folder):
    model = TransformersClip(model=str(folder), context_length=10, device="cpu")
    assert model.tokenize(["cell " * 30])["input_ids"].shape == (1, 10)
    assert model.record()["context_length"] == 10


@pytest.mark.parametrize(
    ("save", "length", "padded"),
    [
        (tiny_models.transformers_clip, 77, False),
        (tiny_models.transformers_siglip, 64, True),
        (tiny_models.transformers_align, 64, False),
    ],
)
def test_each_type_has_its_context_and_padding(tmp_path, save, length, padded):
    """CLIP's 77; SigLIP's 64, always filled; ALIGN's processor says 64, beyond which its BERT could read on."""
    model = TransformersClip(model=str(save(tmp_path / "model")), device="cpu")
    assert model.record()["context_length"] == length
    assert model.tokenize(["a cell"])["input_ids"].shape[1] == (length if padded else 4)


@pytest.fixture
def repository(shared_folder):
    """A repository in the Hub's cache, in its true layout: revisions as folders."""
    from huggingface_hub import constants

    cached = Path(constants.HF_HUB_CACHE) / "models--lab--clip"
    yield shutil.copytree(shared_folder, cached / "snapshots" / REVISION)
    shutil.rmtree(cached)


def test_a_repository_in_the_hubs_cache_loads_at_its_revision(repository, shared_folder):
    record = TransformersClip(model="lab/clip", revision=REVISION, device="cpu").record()
    assert record["files"] == {"model": "lab/clip", "revision": REVISION, "weights": "model.safetensors"}
    assert (
        record["weights_sha256"] == TransformersClip(model=str(shared_folder), device="cpu").record()["weights_sha256"]
    )


def test_an_adapter_in_a_repository_is_refused(repository):
    (repository / "adapter_config.json").write_text('{"peft_type": "LORA", "base_model_name_or_path": "lab/base"}')
    with pytest.raises(
        ValueError,
        match="model=lab/clip: the folder contains an adapter .* beside the full weights: .*adapter_config.json",
    ):
        TransformersClip(model="lab/clip", revision=REVISION, device="cpu")


def test_a_repository_without_weights_is_refused(repository):
    (repository / "model.safetensors").unlink()
    with pytest.raises(
        ValueError, match="model=lab/clip, revision=a{40}: contains no weights. Expected one of model.safetensors, "
    ):
        TransformersClip(model="lab/clip", revision=REVISION, device="cpu")


def test_the_record_says_under_which_prefix_weights_were(folder, tmp_path):
    state = load_file(folder / "model.safetensors")
    torch.save({"state_dict": {f"model.{name}": values for name, values in state.items()}}, tmp_path / "last.ckpt")
    record = TransformersClip(model=str(folder), pretrained=str(tmp_path / "last.ckpt"), device="cpu").record()["files"]
    assert record["taken_from"] == "state_dict, prefix model."


def test_code_that_comes_with_a_checkpoint_is_not_run(folder):
    config = json.loads((folder / "config.json").read_text())
    config |= {"auto_map": {"AutoConfig": "evil.Config", "AutoModel": "evil.Model"}, "model_type": "evil"}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "evil.py").write_text("raise SystemExit('ran')")
    with pytest.raises(ValueError, match="AutoConfig cannot load it"):
        TransformersClip(model=str(folder), device="cpu")
