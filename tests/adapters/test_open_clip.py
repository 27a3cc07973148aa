"""Claims about loading with open_clip: nothing that was not meant is ever evaluated."""

import dataclasses
import functools
import json
import shutil

import open_clip
import pytest
import torch
from open_clip.pretrained import download_pretrained_from_hf
from safetensors.torch import load_file, save_file

from microbench_adapters.libraries import open_clip_sources, open_clip_weights
from microbench_adapters.libraries.open_clip_adapter import OpenClip
from tests.support import questions, tiny_clip, tiny_models


@pytest.fixture(scope="module")
def shared_folder(tmp_path_factory):
    return tiny_clip.save(tmp_path_factory.mktemp("clip") / "tiny", seed=3)


@pytest.fixture
def folder(shared_folder, tmp_path):
    """A copy that a test may spoil."""
    return shutil.copytree(shared_folder, tmp_path / "tiny")


@pytest.fixture(scope="module", autouse=True)
def tiny_architecture(tmp_path_factory):
    """An architecture of open_clip without published weights."""
    where = tmp_path_factory.mktemp("architectures")
    (where / "tiny-vit.json").write_text(json.dumps(tiny_clip.architecture()))
    open_clip.add_model_config(where)


CLIP_PREPROCESS = (
    '{"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "interpolation": "bicubic", "resize_mode": "shortest"}'
)


def spoil(folder, change):
    path = folder / "open_clip_model.safetensors"
    state = load_file(path)
    change(state)
    save_file(state, path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"model": "ViT-B-33", "pretrained": "openai"},
            "model=ViT-B-33: open_clip has no such architecture. Near: ViT-B-32",
        ),
        ({"model": "ViT-B-32"}, "model=ViT-B-32: without pretrained the weights would be random.*laion2b_s34b_b79k"),
        (
            {"model": "ViT-B-32", "pretrained": "laion3b"},
            "pretrained=laion3b is neither a tag nor a file.*laion2b_s34b_b79k",
        ),
        ({"model": "ViT-B-32", "pretrained": "logs/epoch_11.pt"}, "pretrained=logs/epoch_11.pt: no such file here"),
        (
            {"model": "local-dir:/no/such/folder"},
            "expected a folder with open_clip_config.json and weights.*; /no/such/folder has no such file",
        ),
        (
            {"model": "hf-hub:org/name", "pretrained": "openai"},
            "pretrained=openai: hf-hub:org/name brings its own weights",
        ),
        (
            {"model": "hf-hub:org/name"},
            "model=hf-hub:org/name, revision=None: HF_HUB_OFFLINE is set, and the Hub's cache .* lacks a file",
        ),
        (
            {"model": "ViT-B-32", "pretrained": "laion2b_s34b_b79k", "revision": "0" * 40},
            "ViT-B-32:laion2b_s34b_b79k, revision=0{40}: open_clip cannot load its weights",
        ),
        (
            {"model": "ViT-B-32", "pretrained": "openai", "precision": "int4"},
            "precision=int4: expected one of fp32, fp16, bf16, amp, amp_bf16",
        ),
        ({"model": "ViT-B-32", "pretrained": "openai", "compile": "yes"}, "compile=yes: expected True or False"),
        (
            {"model": "ViT-B-32", "pretrained": "openai", "precision": "fp16", "device": "cpu"},
            "precision=fp16: half precision needs a GPU",
        ),
        (
            {"model": "ViT-B-32", "pretrained": "openai", "preprocess": "{mean"},
            "preprocess={mean: expected a JSON object",
        ),
        (
            {"model": "ViT-B-32", "pretrained": "openai", "preprocess": '{"size": 3}'},
            "expected an object with mean, std, interpolation, resize_mode",
        ),
        (
            {"model": "ViT-B-32", "pretrained": "openai", "preprocess": '{"interpolation": "lanczos"}'},
            "preprocess: interpolation is lanczos; expected bicubic or bilinear",
        ),
        (
            {"model": "ViT-B-32", "pretrained": "openai", "preprocess": '{"std": [1, 1, 0]}'},
            "preprocess: std is .1, 1, 0.; expected a list of three numbers, of std above 0",
        ),
        (
            {"model": "ViT-B-32", "pretrained": "openai", "context_length": -5},
            "context_length=-5: expected a number of tokens",
        ),
        ({"model": "ViT-B-32", "pretrained": "openai", "device": "gpu"}, "device=gpu: torch knows no such device"),
        ({"model": "ViT-B-32", "pretrained": "openai", "alpha": 0.5}, "alpha=0.5: nothing to merge with"),
    ],
)
def test_options_that_cannot_work_are_refused_before_loading(options, message):
    with pytest.raises(ValueError, match=message):
        OpenClip(**({"device": "cpu"} | options))


def test_a_folder_may_be_named_with_and_without_open_clips_prefix(folder):
    records = [OpenClip(model=name, device="cpu").record() for name in (str(folder), f"local-dir:{folder}")]
    assert records[0] == records[1]


def test_a_folder_without_weights_is_refused(folder):
    (folder / "open_clip_model.safetensors").unlink()
    with pytest.raises(ValueError, match=r"expected weights \(safetensors, bin or pth\) beside open_clip_config.json"):
        OpenClip(model=str(folder), device="cpu")


def test_a_folder_with_several_checkpoints_is_refused(folder):
    (folder / "open_clip_model.safetensors").rename(folder / "epoch_1.safetensors")
    shutil.copy(folder / "epoch_1.safetensors", folder / "epoch_2.safetensors")
    with pytest.raises(ValueError, match="contains several checkpoints .epoch_1.safetensors, epoch_2.safetensors"):
        OpenClip(model=str(folder), device="cpu")


def test_a_folder_without_preprocessing_settings_is_refused_unless_they_are_given(folder):
    config = json.loads((folder / "open_clip_config.json").read_text())
    del config["preprocess_cfg"]
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    with pytest.raises(
        ValueError,
        match="has no preprocess_cfg with mean and std, and open_clip would take CLIP's. "
        "Say how the model was trained: preprocess=",
    ):
        OpenClip(model=str(folder), device="cpu")
    assert (
        OpenClip(model=str(folder), preprocess=CLIP_PREPROCESS, device="cpu").record()["preprocessing"]["mean"]
        == [0.5] * 3
    )


def test_missing_and_unexpected_weights_are_named(folder):
    def change(state):
        state["ln_extra.weight"] = state.pop("ln_final.weight")

    spoil(folder, change)
    with pytest.raises(ValueError, match=r"Keys: missing 1 \(ln_final.weight\); unexpected 1 \(ln_extra.weight\)"):
        OpenClip(model=str(folder), device="cpu")


def test_weights_of_another_shape_are_named(folder):
    spoil(folder, lambda state: state.update({"ln_final.weight": torch.ones(7)}))
    with pytest.raises(ValueError, match=r"of another shape 1 \(ln_final.weight: \(7,\), expected \(64,\)\)"):
        OpenClip(model=str(folder), device="cpu")


@pytest.mark.parametrize("name", ["visual.positional_embedding", "positional_embedding"])
def test_positions_of_another_length_which_open_clip_would_resize_are_refused(folder, name):
    spoil(folder, lambda state: state.update({name: torch.zeros(10, 64)}))
    with pytest.raises(
        ValueError,
        match=rf"of another shape 1 \({name}: \(10, 64\), expected .*"
        rf"other image sizes, patch sizes and context lengths count as others",
    ):
        OpenClip(model=str(folder), device="cpu")


def test_weights_that_are_not_finite_are_refused(folder):
    spoil(folder, lambda state: state.update({"ln_final.bias": torch.full((64,), float("nan"))}))
    with pytest.raises(ValueError, match=r"1 weights contain values that are not finite \(ln_final.bias\)"):
        OpenClip(model=str(folder), device="cpu")


def test_buffers_and_scales_that_are_not_finite_are_refused_too(tmp_path):
    resnet = tiny_models.open_clip_resnet(tmp_path / "resnet")
    name = next(name for name in load_file(resnet / "open_clip_model.safetensors") if name.endswith("running_mean"))
    before = (resnet / "open_clip_model.safetensors").read_bytes()
    spoil(resnet, lambda state: state[name].fill_(float("nan")))
    with pytest.raises(ValueError, match=rf"not finite \({name}\)"):
        OpenClip(model=str(resnet), device="cpu")
    (resnet / "open_clip_model.safetensors").write_bytes(before)
    spoil(resnet, lambda state: state["logit_scale"].fill_(1000.0))
    with pytest.raises(ValueError, match="multiplies similarities by inf"):
        OpenClip(model=str(resnet), device="cpu")


def test_given_preprocessing_completes_the_architectures(folder):
    options = {
        "model": "ViT-B-16-SigLIP",
        "pretrained": str(folder / "open_clip_model.safetensors"),
        "preprocess": '{"mean": [0.1, 0.2, 0.3], "std": [1, 1, 1]}',
    }
    preprocess = open_clip_sources.find_source(options).preprocess
    assert (preprocess["mean"], preprocess["resize_mode"]) == ([0.1, 0.2, 0.3], "squash")


# --- a checkpoint file with an architecture ---


def test_a_file_of_an_architecture_without_published_weights_needs_preprocessing(folder):
    with pytest.raises(
        ValueError,
        match="a checkpoint file has no preprocessing settings, and open_clip knows none for it. "
        "Say how the model was trained",
    ):
        OpenClip(model="tiny-vit", pretrained=str(folder / "open_clip_model.safetensors"), device="cpu")


def test_a_file_takes_the_preprocessing_that_all_published_weights_of_its_architecture_share(folder):
    """SigLIP's: halves and squashing, where open_clip by itself takes CLIP's for any file."""
    preprocess = open_clip_sources.find_source(
        {"model": "ViT-B-16-SigLIP", "pretrained": str(folder / "open_clip_model.safetensors")}
    ).preprocess
    assert preprocess == {
        "mean": (0.5, 0.5, 0.5),
        "std": (0.5, 0.5, 0.5),
        "interpolation": "bicubic",
        "resize_mode": "squash",
    }


@pytest.mark.parametrize(
    "nesting",
    [
        lambda state: {"epoch": 3, "state_dict": {f"module.{name}": values for name, values in state.items()}},
        lambda state: {"model": state},
        lambda state: state,
    ],
)
def test_what_training_scripts_save_is_read(folder, tmp_path, nesting):
    torch.save(nesting(load_file(folder / "open_clip_model.safetensors")), tmp_path / "epoch_3.pt")
    model = OpenClip(
        model="tiny-vit", pretrained=str(tmp_path / "epoch_3.pt"), preprocess=CLIP_PREPROCESS, device="cpu"
    )
    expected = OpenClip(model=str(folder), device="cpu")
    assert model.record()["weights_sha256"] == expected.record()["weights_sha256"]
    task = questions.Captions()
    assert model.generate_until(task.requests()) == expected.generate_until(task.requests())


@pytest.mark.parametrize(
    ("content", "message"),
    [([1, 2], "expected the weights of a model by name .a state dict., got list"), ({"epoch": 3}, "got dict")],
)
def test_a_file_without_weights_is_refused(tmp_path, content, message):
    torch.save(content, tmp_path / "weights.pt")
    with pytest.raises(ValueError, match=message):
        OpenClip(model="tiny-vit", pretrained=str(tmp_path / "weights.pt"), preprocess=CLIP_PREPROCESS, device="cpu")


class Payload:
    """What a malicious checkpoint would hold."""

    def __reduce__(self):
        return (open, ("/tmp/microbench-was-here", "w"))


def test_code_in_a_checkpoint_is_not_run(tmp_path):
    from pathlib import Path

    torch.save({"state_dict": Payload()}, tmp_path / "weights.pt")
    with pytest.raises(ValueError, match="cannot be read as a checkpoint"):
        OpenClip(model="tiny-vit", pretrained=str(tmp_path / "weights.pt"), preprocess=CLIP_PREPROCESS, device="cpu")
    assert not Path("/tmp/microbench-was-here").exists()


def test_a_file_of_an_architecture_with_two_activations_is_warned_of(folder, monkeypatch):
    """OpenAI's ViT-B-32 has QuickGELU, LAION's GELU, and both the same weights' names and shapes."""
    warnings = []
    monkeypatch.setattr(open_clip_sources.logger, "warning", warnings.append)
    for name in ("ViT-B-32", "ViT-B-32-quickgelu", "ViT-B-16-SigLIP"):
        open_clip_sources.find_source({"model": name, "pretrained": str(folder / "open_clip_model.safetensors")})
    [line] = warnings
    assert (
        "evaluated with GELU, the default of ViT-B-32. If it was fine-tuned from weights with QuickGELU (openai, "
        in line
    )
    assert line.endswith("its architecture is ViT-B-32-quickgelu: type model=ViT-B-32-quickgelu.")


# --- BiomedCLIP ---


def test_biomedclips_text_tower_is_known_without_the_hub(tmp_path, monkeypatch):
    """As on the Hub: the checkpoint names a repository for its text tower's configuration."""
    folder = tiny_models.biomedclip(tmp_path / "biomed", tower_beside=False)
    shrunk = {
        "model_type": "bert",
        "vocab_size": 400,
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
    }
    monkeypatch.setitem(open_clip_weights.TEXT_TOWERS, "microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract", shrunk)
    assert OpenClip(model=str(folder), device="cpu").record()["context_length"] == 256


def test_the_known_text_tower_is_bert_base_with_pubmedberts_vocabulary():
    import transformers

    known = dict(open_clip_weights.TEXT_TOWERS["microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract"])
    config = transformers.AutoConfig.for_model(**known)
    assert (config.hidden_size, config.num_hidden_layers, config.num_attention_heads, config.intermediate_size) == (
        768,
        12,
        12,
        3072,
    )
    assert (config.vocab_size, config.max_position_embeddings, config.type_vocab_size, config.pad_token_id) == (
        30522,
        512,
        2,
        0,
    )


def test_an_unknown_text_tower_is_named_when_the_hub_cannot_be_reached(tmp_path):
    folder = tiny_models.biomedclip(tmp_path / "biomed", tower_beside=False)
    config = json.loads((folder / "open_clip_config.json").read_text())
    config["model_cfg"]["text_cfg"]["hf_model_name"] = "someone/her-bert"
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    with pytest.raises(
        ValueError,
        match="(?s)open_clip cannot build it: .*the text tower someone/her-bert, "
        "put that as text_tower/config.json beside the weights",
    ):
        OpenClip(model=str(folder), device="cpu")


def test_a_missing_tokenizer_is_said_with_what_to_do(tmp_path):
    folder = tiny_models.biomedclip(tmp_path / "biomed")
    for path in folder.glob("tokenizer*"):
        path.unlink()
    with pytest.raises(
        ValueError, match="no tokenizer. Put tokenizer.json and tokenizer_config.json beside the weights"
    ):
        OpenClip(model=str(folder), device="cpu")


# --- the Hub, from its cache ---


def test_a_repository_in_the_hubs_cache_loads_without_network_at_its_revision(folder, monkeypatch):
    """The true layout of the cache: blobs behind names, revisions as folders."""
    from huggingface_hub import constants

    revision = "a" * 40
    repository = shutil.os.path.join(constants.HF_HUB_CACHE, "models--lab--clip")
    snapshot = f"{repository}/snapshots/{revision}"
    shutil.copytree(folder, snapshot)
    try:
        assert download_pretrained_from_hf("lab/clip", filename="open_clip_config.json", revision=revision)
        record = OpenClip(model="hf-hub:lab/clip", revision=revision, device="cpu").record()
        assert record["files"] == {
            "repository": "lab/clip",
            "revision": revision,
            "weights": "open_clip_model.safetensors",
        }
        assert record["weights_sha256"] == OpenClip(model=str(folder), device="cpu").record()["weights_sha256"]
    finally:
        shutil.rmtree(repository)


# --- texts ---


def test_the_context_ends_where_the_tokenizer_cuts(folder):
    model = OpenClip(model=str(folder), device="cpu")
    # Start and end take two of the 77 tokens; "cell" is one token of CLIP's.
    texts = [" ".join(["cell"] * number) for number in (1, 74, 75, 76, 200)]
    assert model.longer_than_context(texts) == texts[3:]


def test_openai_weights_get_the_activation_they_were_trained_with(monkeypatch, tmp_path):
    weights = tmp_path / "weights.safetensors"
    weights.touch()
    monkeypatch.setattr(open_clip_sources, "download_pretrained", lambda config: weights)
    for tag, expected in (("openai", True), ("laion2b_s34b_b79k", False)):
        source = open_clip_sources.find_source({"model": "ViT-B-32", "pretrained": tag})
        assert source.options.get("force_quick_gelu", False) is source.architecture.get("quick_gelu", False) is expected


@pytest.mark.parametrize(("suffix", "random"), [(".safetensors", False), (".npz", True)])
def test_weights_that_open_clip_reads_unchecked_are_filled_as_it_would(folder, suffix, random):
    source = open_clip_sources.find_source({"model": str(folder)})
    source = dataclasses.replace(source, weights=source.weights.with_suffix(suffix))
    torch.manual_seed(0)
    expected = open_clip.create_model(source.model, load_weights=False).visual.transformer.resblocks[0].mlp.c_fc.weight
    torch.manual_seed(0)
    assert (
        torch.equal(open_clip_weights.build_module(source).visual.transformer.resblocks[0].mlp.c_fc.weight, expected)
        == random
    )


def test_a_compiled_model_answers_as_it_does_without(folder, monkeypatch):
    """With three images at once the last batch is smaller.

    The encoders are traced, and traced again for other sizes, as ever. What torch makes of the traces is left out: it
    takes two minutes of a processor.
    """
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="eager"))
    requests = questions.Captions().requests()
    plain, compiled = (OpenClip(str(folder), device="cpu", batch_size=3, compile=compile) for compile in (False, True))
    expected = [
        list(json.loads(answer.split("\n")[1])["probabilities"].values()) for answer in plain.generate_until(requests)
    ]
    questions.assert_agree(compiled.generate_until(requests), expected)
    assert compiled.record()["compiled"] is True
    assert "compiled" not in plain.record()
