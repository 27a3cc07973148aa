"""Claims about CONCH's adapter, on a shrunk model in the true file layout."""

import copy
import json
import sys

import pytest
import torch

from microbench_adapters.libraries import conch_adapter
from tests.support import questions, tiny_clip


def test_a_missing_package_is_said_with_the_command_that_installs_it(monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "conch"]:
        monkeypatch.delitem(sys.modules, name)
    # None in this table is how Python is told that a module does not exist.
    monkeypatch.setitem(sys.modules, "conch.open_clip_custom", None)
    with pytest.raises(
        ModuleNotFoundError,
        match="CONCH needs a package that is not installed.*Install it with: pip install conch-fork",
    ):
        conch_adapter.Conch(model="MahmoodLab/conch", device="cpu")


@pytest.fixture(scope="module")
def package():
    return pytest.importorskip("conch.open_clip_custom", reason="the optional extra conch is not installed")


@pytest.fixture
def architecture(package, tmp_path, monkeypatch):
    """CONCH's own, shrunk, where its package looks for it."""
    from conch.open_clip_custom import factory

    config = json.loads((factory.CFG_DIR / "conch_ViT-B-16.json").read_text())
    config |= {"embed_dim": 32, "embed_dim_caption": 64}
    config["vision_cfg"] |= {
        "image_size": 32,
        "width": 64,
        "layers": 2,
        "num_heads": 2,
        "attn_pooler_heads": 2,
        "n_queries_caption": 4,
    }
    for tower in ("text_cfg", "multimodal_cfg"):
        config[tower] |= {"width": 64, "heads": 2, "layers": 2}
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "conch_ViT-B-16.json").write_text(json.dumps(config))
    monkeypatch.setattr(factory, "CFG_DIR", tmp_path / "configs")
    return config


@pytest.fixture
def folder(package, architecture, tmp_path):
    torch.manual_seed(0)
    model = package.CoCa(
        **{name: value for name, value in copy.deepcopy(architecture).items() if name != "custom_text"}
    )
    tiny_clip.spread(model)
    (tmp_path / "conch").mkdir()
    # Like the published weights: without the decoder.
    torch.save(
        {name: values for name, values in model.state_dict().items() if not name.startswith("text_decoder.")},
        tmp_path / "conch" / "pytorch_model.bin",
    )
    return tmp_path / "conch"


def plain_loop(package, folder):
    """The package's README, but for its tokenize(), which newer releases of transformers have broken."""
    model, preprocess = package.create_model_from_pretrained("conch_ViT-B-16", str(folder / "pytorch_model.bin"))
    model.eval()
    tokenizer = package.get_tokenizer()

    def probabilities(image, texts):
        tokens = torch.zeros(len(texts), 128, dtype=torch.long)
        for row, text in zip(tokens, texts, strict=False):
            ids = tokenizer(text)["input_ids"][:127]
            row[: len(ids)] = torch.tensor(ids)
        with torch.inference_mode():
            image_embeddings = model.encode_image(preprocess(image).unsqueeze(0), proj_contrast=True, normalize=True)
            text_embeddings = model.encode_text(tokens)
            return (image_embeddings @ text_embeddings.T * model.logit_scale.exp()).softmax(dim=-1)[0].tolist()

    return probabilities


@pytest.mark.parametrize("batch_size", [1, 7, 64])
def test_answers_are_those_of_a_plain_loop(package, folder, batch_size):
    task = questions.Captions()
    model = conch_adapter.Conch(model=str(folder), batch_size=batch_size, device="cpu")
    questions.assert_agree(model.generate_until(task.requests()), task.shares(plain_loop(package, folder)))


def test_weights_are_bit_for_bit_those_that_the_package_loads_itself(package, folder):
    model, _ = package.create_model_from_pretrained("conch_ViT-B-16", str(folder / "pytorch_model.bin"))
    expected = {name: values for name, values in model.state_dict().items() if not name.startswith("text_decoder.")}
    loaded = conch_adapter.Conch.load({"model": str(folder)}).module.state_dict()
    assert loaded.keys() == expected.keys()
    assert all(torch.equal(loaded[name], values) for name, values in expected.items())


def test_the_decoder_that_the_published_weights_lack_is_in_no_hash(folder):
    first, second = (conch_adapter.Conch(model=str(folder), device="cpu").record() for _ in range(2))
    assert first["weights_sha256"] == second["weights_sha256"]
    assert first["context_length"] == 127


def test_missing_weights_which_the_package_itself_would_leave_random_are_refused(folder):
    state = torch.load(folder / "pytorch_model.bin")
    del state["text.token_embedding.weight"]
    torch.save(state, folder / "pytorch_model.bin")
    with pytest.raises(ValueError, match=r"Keys: missing 1 \(text.token_embedding.weight\)"):
        conch_adapter.Conch(model=str(folder), device="cpu")


def test_without_access_to_the_hub_the_way_to_the_gated_weights_is_told(package):
    with pytest.raises(
        ValueError, match="model=MahmoodLab/conch: .*gated: ask for access at https://huggingface.co/MahmoodLab/conch"
    ):
        conch_adapter.Conch(model="MahmoodLab/conch", device="cpu")


def test_a_context_beyond_the_architectures_is_refused(folder):
    with pytest.raises(ValueError, match="context_length=128: CONCH reads 1 to 127 tokens"):
        conch_adapter.Conch(model=str(folder), context_length=128, device="cpu")


def test_two_of_them_merge_and_save(folder, tmp_path, architecture):
    from microbench_adapters.commands.merge import merge_checkpoints

    other = tmp_path / "other"
    other.mkdir()
    torch.save(
        {
            name: values * 1.5 if values.is_floating_point() else values
            for name, values in torch.load(folder / "pytorch_model.bin").items()
        },
        other / "pytorch_model.bin",
    )
    settings = merge_checkpoints([str(folder), str(other)], tmp_path / "merged", alpha=0.5)
    record = conch_adapter.Conch(model=str(tmp_path / "merged"), device="cpu").record()
    assert record["weights_sha256"] == settings["weights_sha256"]
    state, before = torch.load(tmp_path / "merged" / "pytorch_model.bin"), torch.load(folder / "pytorch_model.bin")
    assert torch.allclose(state["text.ln_final.weight"], before["text.ln_final.weight"] * 1.25)
