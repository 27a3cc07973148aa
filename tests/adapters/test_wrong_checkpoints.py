"""Claims about subtly wrong checkpoints: each is refused with its cause; right ones in unusual forms load correctly."""

from __future__ import annotations

import copy
import json
import shutil

import numpy as np
import open_clip
import pytest
import torch
import transformers

from microbench_adapters.checkpoints import weight_files
from microbench_adapters.libraries.conch_adapter import Conch
from microbench_adapters.libraries.open_clip_adapter import OpenClip
from microbench_adapters.libraries.paligemma_adapter import PaliGemma
from microbench_adapters.libraries.transformers_adapter import TransformersClip
from microbench_adapters.models import smoke_test
from tests.support import (
    questions,
    tiny_clip,
    tiny_models,
    tiny_paligemma,
    wrong_checkpoints,
    wrong_folders,
    wrong_models,
    wrong_state_dicts,
)

CASES = [*wrong_folders.CASES, *wrong_state_dicts.CASES, *wrong_models.CASES]

ADAPTERS = {"open_clip": OpenClip, "transformers_clip": TransformersClip, "paligemma": PaliGemma, "conch": Conch}
NUM_QUESTIONS = 6


def conch(folder):
    """CONCH in its package's layout; its architecture is shrunk where the package looks for it."""
    package = pytest.importorskip("conch.open_clip_custom", reason="the optional extra conch is not installed")
    from conch.open_clip_custom import factory

    config = json.loads((factory.CFG_DIR / "conch_ViT-B-16.json").read_text())
    torch.manual_seed(0)
    model = package.CoCa(**{name: value for name, value in copy.deepcopy(config).items() if name != "custom_text"})
    tiny_clip.spread(model)
    folder.mkdir()
    encoders = {name: values for name, values in model.state_dict().items() if not name.startswith("text_decoder.")}
    torch.save(encoders, folder / "pytorch_model.bin")
    return folder


@pytest.fixture(scope="module", autouse=True)
def tiny_architectures(tmp_path_factory):
    where = tmp_path_factory.mktemp("architectures")
    (where / "tiny-vit.json").write_text(json.dumps(tiny_clip.architecture()))
    open_clip.add_model_config(where)


@pytest.fixture(scope="module")
def tiny_conch(tmp_path_factory):
    """CONCH's architecture, shrunk, where its package looks for it."""
    factory = pytest.importorskip("conch.open_clip_custom.factory", reason="the optional extra conch is not installed")
    where = tmp_path_factory.mktemp("conch")
    config = json.loads((factory.CFG_DIR / "conch_ViT-B-16.json").read_text())
    config |= {"embed_dim": 32, "embed_dim_caption": 64}
    config["vision_cfg"] |= {"image_size": 32, "width": 64, "layers": 2}
    config["vision_cfg"] |= {"num_heads": 2, "attn_pooler_heads": 2, "n_queries_caption": 4}
    for tower in ("text_cfg", "multimodal_cfg"):
        config[tower] |= {"width": 64, "heads": 2, "layers": 2}
    (where / "conch_ViT-B-16.json").write_text(json.dumps(config))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(factory, "CFG_DIR", where)
        yield


@pytest.fixture(scope="module")
def healthy(tmp_path_factory, tiny_conch):
    """For each loading library a healthy checkpoint, its answers and the hash of its weights."""
    where = tmp_path_factory.mktemp("healthy")
    makers = {
        "open_clip": wrong_checkpoints.open_clip_vit,
        "transformers_clip": wrong_checkpoints.transformers_clip,
        "paligemma": tiny_paligemma.save,
        "conch": conch,
    }
    folders = {base: make(where / base) for base, make in makers.items()}
    return {base: (folder, evaluated(base, {"model": str(folder)})) for base, folder in folders.items()}


def evaluated(base, options):
    """The hash of the weights, and for contrastive models the answers to some questions."""
    model = ADAPTERS[base](**options, device="cpu")
    answers = model.generate_until(questions.Captions().requests()[:NUM_QUESTIONS]) if base != "paligemma" else []
    return model.record()["weights_sha256"], answers


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_wrong_checkpoint_is_refused_for_its_cause_and_a_right_one_loads_as_what_it_is(case, healthy, tmp_path):
    folder, expected = healthy[case.base]
    copied = shutil.copytree(folder, tmp_path / "checkpoint")
    options = {"model": str(copied)} | (case.make(copied) or {})
    if case.expected is wrong_checkpoints.LOADS:
        assert evaluated(case.base, options) == expected
    else:
        with pytest.raises(ValueError, match=f"(?s){case.expected}"):
            ADAPTERS[case.base](**options, device="cpu")


def test_the_table_has_at_least_thirty_wrong_checkpoints():
    refused = [case for case in CASES if case.expected]
    assert len(refused) >= 30
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.fixture
def warnings(monkeypatch):
    """What is warned of from here on."""
    lines: list[str] = []
    for module in (smoke_test, weight_files):
        monkeypatch.setattr(module.logger, "warning", lines.append)
    return lines


def test_files_beside_the_weights_that_cannot_be_compared_are_named(healthy, tmp_path, warnings):
    folder = shutil.copytree(healthy["open_clip"][0], tmp_path / "checkpoint")
    (folder / "tf_model.h5").write_bytes(b"other framework")
    (folder / "training_args.bin").write_bytes(b"no weights")
    OpenClip.load({"model": str(folder)})
    [line] = warnings
    assert line.endswith(
        "open_clip_model.safetensors will be evaluated. These files in the same folder were not read: tf_model.h5."
    )


def test_pixels_that_were_not_divided_are_warned_of(healthy, tmp_path, warnings):
    folder = shutil.copytree(healthy["transformers_clip"][0], tmp_path / "checkpoint")
    wrong_checkpoints.edit(folder / "processor_config.json", image_processor__do_rescale=False)
    TransformersClip(model=str(folder), device="cpu")
    # White's green, of which CLIP's deviation is smallest: (255 - 0.4578275) / 0.26130258 = 974.1.
    assert [line.partition(": ")[2].partition(",")[0] for line in warnings] == [
        "its preprocessing returns values up to 974"
    ]


@pytest.mark.parametrize(("padding", "refused"), [("longest", True), ("context", False)])
def test_padding_that_is_seen_is_refused_if_it_varies_and_else_warned_of(tmp_path, warnings, padding, refused):
    folder = tiny_models.transformers_align(tmp_path / "align")
    wrong_checkpoints.edit(folder / "tokenizer_config.json", model_input_names=["input_ids"])
    if refused:
        with pytest.raises(ValueError, match="depends on the texts beside it, through padding"):
            TransformersClip(model=str(folder), padding=padding, device="cpu")
    else:
        TransformersClip(model=str(folder), padding=padding, device="cpu")
        assert [("reads the padding of texts" in line) for line in warnings] == [True]


def test_images_that_are_hardly_told_apart_are_warned_of(warnings):
    vectors = np.array([[1.0, 0.0], [1.0, 1e-4]])
    smoke_test.check_vectors(vectors, "images", "model", "fp32")
    # 1 - cosine of an angle of 1e-4 is half its square.
    assert "cosines of different images are up to 1 - 5e-09" in warnings[0]


def test_an_end_token_with_number_2_is_used_where_the_library_uses_it(tmp_path):
    """MetaCLIP 2 pools at its eos_token_id whatever the number; of CLIP 2 stands for the highest number."""
    config = wrong_checkpoints.clip_config()
    texts = config.text_config.to_dict() | {"eos_token_id": 2, "bos_token_id": 3}
    parts = {"text_config": texts, "vision_config": config.vision_config.to_dict()}
    torch.manual_seed(0)
    module = transformers.MetaClip2Model(transformers.MetaClip2Config(**parts, projection_dim=32))
    folder = tiny_models.save_transformers(tmp_path / "metaclip", module, wrong_checkpoints.clip_processor())
    single = json.loads((folder / "tokenizer.json").read_text())["post_processor"]["single"]
    wrong_checkpoints.edit(folder / "tokenizer.json", post_processor__single=single[::-1])
    model = TransformersClip(model=str(folder), device="cpu")
    assert model.pooled_tokens(model.tokenize(["light", "stain"])).tolist() == [2, 2]
