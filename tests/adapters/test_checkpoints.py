"""Claims about the models that have a name of their own."""

import inspect
import re

import pytest

from microbench_adapters import named_models
from microbench_adapters.checkpoints.registry import CHECKPOINTS
from microbench_adapters.manifests import class_paths, register
from tests.support import tiny_clip, tiny_models

PAPER = {
    # Name: library, checkpoint, context length, as the paper's evaluation code has them.
    "clip": ("transformers_clip", "openai/clip-vit-base-patch32", 77),
    "align": ("transformers_clip", "kakaobrain/align-base", 64),
    "openclip": ("open_clip", "ViT-B-32", 77),
    "biomedclip": ("open_clip", "hf-hub:microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224", 256),
    "quiltnet": ("open_clip", "hf-hub:wisdomik/QuiltNet-B-32", 77),
    "plip": ("transformers_clip", "vinid/plip", 77),
    "conch": ("conch", "MahmoodLab/conch", 127),
    "coca": ("open_clip", "coca_ViT-B-32", 76),
}


@pytest.mark.parametrize("name", PAPER)
def test_the_papers_systems_have_their_checkpoints(name):
    row = CHECKPOINTS[name]
    assert (row.adapter, row.arguments["model"], row.context_length) == PAPER[name]
    assert re.fullmatch("[0-9a-f]{40}", row.arguments.get("revision", "0" * 40))


def test_openclip_is_laions_and_coca_too():
    assert CHECKPOINTS["openclip"].arguments["pretrained"] == "laion2b_s34b_b79k"
    assert CHECKPOINTS["coca"].arguments["pretrained"] == "laion2b_s13b_b90k"


def test_open_clips_architectures_have_the_rows_context_and_preprocessing():
    """open_clip's own tables are the oracle for the rows that name its architectures."""
    import open_clip

    from microbench_adapters.libraries.open_clip_adapter import OpenClip

    rows = [row for row in CHECKPOINTS.values() if "pretrained" in row.arguments]
    assert rows
    for row in rows:
        config = open_clip.get_model_config(row.arguments["model"])
        published = open_clip.get_pretrained_cfg(row.arguments["model"], row.arguments["pretrained"])
        assert row.context_length == config["text_cfg"]["context_length"]
        assert row.preprocessing == OpenClip.preprocessing_of(published | {"size": config["vision_cfg"]["image_size"]})


def test_open_clip_pads_to_the_context_whatever_the_model():
    assert {row.padding for row in CHECKPOINTS.values() if row.adapter != "transformers_clip"} == {"context"}


def test_every_name_is_registered_with_the_harness_as_a_class_that_loads():
    from lmms_eval.api.model import lmms
    from lmms_eval.models import get_model

    others = {"open_clip", "transformers_clip", "paligemma", "transformers_vlm", "qwen_vl_chat", "microbench_random"}
    assert others | set(CHECKPOINTS) == set(class_paths()) == {manifest.model_id for manifest in register()}
    for name in class_paths():
        assert issubclass(get_model(name), lmms)


def test_a_named_model_takes_its_adapters_arguments_with_the_rows_as_defaults():
    for name, row in CHECKPOINTS.items():
        parameters = inspect.signature(getattr(named_models, name)).parameters
        assert set(parameters) == set(inspect.signature(named_models.adapter_class(row.adapter)).parameters)
        for argument, value in row.arguments.items():
            assert parameters[argument].default == value
        assert parameters["context_length"].default == row.context_length


def test_an_unknown_name_is_no_class():
    with pytest.raises(AttributeError, match="no attribute 'clap'"):
        named_models.clap  # noqa: B018


@pytest.fixture
def asked(monkeypatch):
    """What the libraries' adapters are asked to load."""
    seen = []

    def load(cls, specification):
        seen.append(specification)
        raise ValueError("stopped")

    for library in ("open_clip", "transformers_clip"):
        monkeypatch.setattr(named_models.adapter_class(library), "load", classmethod(load))
    return seen


@pytest.mark.parametrize(
    ("name", "model_args", "expected"),
    [
        (
            "plip",
            "",
            {"model": "vinid/plip", "revision": CHECKPOINTS["plip"].arguments["revision"], "context_length": 77},
        ),
        ("plip", "model=/data/my_plip", {"model": "/data/my_plip", "context_length": 77}),
        ("plip", "revision=main", {"model": "vinid/plip", "revision": "main", "context_length": 77}),
        ("openclip", "pretrained=openai", {"model": "ViT-B-32", "pretrained": "openai", "context_length": 77}),
        (
            "openclip",
            "model=ViT-B-16,pretrained=openai",
            {"model": "ViT-B-16", "pretrained": "openai", "context_length": 77},
        ),
    ],
)
def test_a_revision_belongs_to_its_repository_and_a_tag_to_its_architecture(asked, name, model_args, expected):
    with pytest.raises(ValueError, match="stopped"):
        getattr(named_models, name).create_from_arg_string(model_args, {"device": "cpu"})
    assert asked == [expected]


def test_a_copy_of_the_checkpoint_elsewhere_keeps_the_rows_context_and_padding(tmp_path):
    model = named_models.siglip(model=str(tiny_models.transformers_siglip(tmp_path / "copy")), device="cpu")
    assert model.tokenize(["a cell"])["input_ids"].shape == (1, 64)


def test_other_preprocessing_than_the_published_one_is_warned_of(tmp_path, monkeypatch):
    warnings = []
    monkeypatch.setattr("microbench_adapters.libraries.checkpoint_model.logger.warning", warnings.append)
    folder = tiny_clip.save(tmp_path / "fine_tune")
    named_models.quiltnet(model=str(folder), device="cpu")
    assert [line.partition(": ")[2] for line in warnings] == [
        "preprocessing has size 32, the model's published checkpoint 224.",
        "preprocessing has mean (0.5, 0.5, 0.5), the model's published checkpoint (0.48145466, 0.4578275, 0.40821073).",
        "preprocessing has std (0.5, 0.5, 0.5), the model's published checkpoint (0.26862954, 0.26130258, 0.27577711).",
    ]


def test_the_demo_model_is_as_its_row_says(monkeypatch):
    warnings = []
    monkeypatch.setattr("microbench_adapters.libraries.checkpoint_model.logger.warning", warnings.append)
    named_models.demo_clip(device="cpu")
    assert warnings == []


def test_the_page_of_models_lists_the_rows():
    from pathlib import Path

    lines = (Path(__file__).parents[2] / "docs" / "models.md").read_text().splitlines()
    for name, row in CHECKPOINTS.items():
        [line] = [line for line in lines if line.startswith(f"| `{name}` |")] or [""]
        assert line, f"docs/models.md: expected a row '| `{name}` | …' in the table of models"
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        assert (cells[2], cells[3]) == (f"`{row.adapter}`", str(row.context_length))
        link = row.source if "://" in row.source else f"../{row.source}"
        assert cells[4] == f"[card]({link})"
        assert name == "demo_clip" or all(
            f"`{row.arguments[argument]}`" in cells[1]
            for argument in ("model", "pretrained")
            if argument in row.arguments
        )
