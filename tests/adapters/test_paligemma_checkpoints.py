"""Claims about PaliGemma's checkpoints and options: what is evaluated is what the checkpoint contains, or nothing."""

from __future__ import annotations

import json

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from microbench_adapters.libraries import paligemma_adapter, paligemma_checkpoint
from microbench_adapters.libraries.paligemma_adapter import PaliGemma
from tests.support import tiny_paligemma

pytestmark = pytest.mark.usefixtures("quiet_transformers")


def spoil(folder, change):
    state = load_file(folder / "model.safetensors")
    change(state)
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})


PROJECTION = "multi_modal_projector.linear.weight"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda state: state.update({"lora_A.weight": state.pop(PROJECTION)}),
            rf"Keys: missing 1 \(model.{PROJECTION}\); unexpected 1 \(.*lora_A.weight\)",
        ),
        (
            lambda state: state.update({PROJECTION: torch.ones(3, 3)}),
            rf"of another shape 1 \(model.{PROJECTION}: \(3, 3\), expected \(64, 32\)\)",
        ),
        (
            lambda state: state[PROJECTION].fill_(float("nan")),
            rf"1 weights contain values that are not finite \(model.{PROJECTION}\)",
        ),
    ],
    ids=["missing and unexpected", "shape", "not finite"],
)
def test_weights_that_are_not_the_models_are_refused_by_name(paligemma_folder, change, message):
    spoil(paligemma_folder, change)
    with pytest.raises(ValueError, match=message):
        PaliGemma(model=str(paligemma_folder), device="cpu")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["config.json"], "it has no config.json"),
        (
            ["processor_config.json"],
            "AutoProcessor cannot load it: .*needs config.json, preprocessor_config.json and the tokenizer's files",
        ),
        (
            ["tokenizer.json", "tokenizer_config.json"],
            "(its tokenizer lacks 1024 of the tokens <loc0000> to <loc1023>|AutoTokenizer cannot load it).*[Cc]opy",
        ),
        (["model.safetensors"], "transformers cannot load its weights: .*model.safetensors"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_folder_that_is_not_whole_is_refused_with_what_is_missing(paligemma_folder, files, message):
    for name in files:
        (paligemma_folder / name).unlink()
    with pytest.raises(ValueError, match=f"(?s)model={paligemma_folder}.*{message}"):
        PaliGemma(model=str(paligemma_folder), device="cpu")


def test_a_tokenizer_without_places_is_refused(paligemma_folder):
    words = tiny_paligemma.tokenizer()
    transformers.GemmaTokenizer(vocab=words._vocab, merges=words._merges).save_pretrained(paligemma_folder)
    with pytest.raises(
        ValueError,
        match="its tokenizer lacks 1024 of the tokens <loc0000> to <loc1023>, by which PaliGemma writes boxes. "
        ".*copy tokenizer.json",
    ):
        PaliGemma(model=str(paligemma_folder), device="cpu")


def test_a_tokenizer_with_the_image_elsewhere_is_refused(paligemma_folder):
    words = transformers.AutoTokenizer.from_pretrained(paligemma_folder)
    config = json.loads((paligemma_folder / "config.json").read_text())
    (paligemma_folder / "config.json").write_text(json.dumps(config | {"image_token_index": 7}))
    with pytest.raises(
        ValueError,
        match=rf"has <image> as number {words.convert_tokens_to_ids('<image>')}, its config.json as 7. "
        "The tokenizer belongs to another model",
    ):
        PaliGemma(model=str(paligemma_folder), device="cpu")


def test_another_type_of_model_is_refused_before_its_weights_are_read(paligemma_folder):
    transformers.CLIPConfig().save_pretrained(paligemma_folder)
    (paligemma_folder / "model.safetensors").unlink()
    with pytest.raises(
        ValueError, match=r"expected a checkpoint of type paligemma \(PaliGemma and PaliGemma 2\), got clip"
    ):
        PaliGemma(model=str(paligemma_folder), device="cpu")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "no/such-model"}, "model=no/such-model, revision=None: AutoConfig cannot load it"),
        (
            {},
            f"model={paligemma_adapter.DEFAULT_MODEL}, revision={paligemma_adapter.DEFAULT_REVISION}: "
            "AutoConfig cannot load it",
        ),
        ({"revision": "bfloat16"}, "model=google/paligemma-3b-mix-224, revision=bfloat16: AutoConfig cannot load it"),
        ({"precision": "int4"}, "precision=int4: expected one of"),
        ({"precision": "int8"}, "precision=int8: expected one of fp32, fp16, bf16, amp, amp_bf16."),
        ({"precision": "fp16"}, "precision=fp16: half precision needs a GPU"),
        ({"batch_size": 0}, "batch_size: expected a positive integer, got 0"),
        ({"device": "gpu"}, "device=gpu: torch knows no such device"),
    ],
    ids=str,
)
def test_options_that_cannot_work_are_refused_before_loading(options, message):
    with pytest.raises(ValueError, match=message):
        PaliGemma(**({"device": "cpu"} | options))


def test_a_revision_of_a_local_folder_is_refused(paligemma_folder):
    with pytest.raises(ValueError, match="revision=main: .* is a local folder and has none"):
        PaliGemma(model=str(paligemma_folder), revision="main", device="cpu")


def test_unknown_model_args_are_named():
    with pytest.raises(
        ValueError,
        match="--model_args: max_new_tokens is unknown. "
        "PaliGemma takes model, revision, precision, batch_size, device, max_batch_size",
    ):
        PaliGemma.create_from_arg_string("model=x,max_new_tokens=5", {"batch_size": 1})


def test_the_record_says_what_was_loaded(paligemma_folders, paligemma_model, paligemma_variant):
    record = paligemma_model.record()
    assert record["checkpoint"] == record["files"]["model"] == str(paligemma_folders[paligemma_variant])
    assert (
        record["architecture"]["text_config"]["model_type"]
        == tiny_paligemma.VARIANTS[paligemma_variant][0]["model_type"]
    )
    assert record["preprocessing"]["image_mean"] == [0.5] * 3
    assert (record["precision"], record["device"], record["tokenizer"]["class"]) == ("fp32", "cpu", "GemmaTokenizer")
    json.dumps(record)


def test_the_published_files_load_as_what_they_hold(paligemma_folder, paligemma_folders):
    """Weights by the names of the Hub's checkpoints, and the image processor's settings in the file of theirs."""
    names = {
        "language_model.model.": "model.language_model.",
        "vision_tower.vision_model.": "model.vision_tower.",
        "multi_modal_projector.": "model.multi_modal_projector.",
    }
    state = transformers.PaliGemmaForConditionalGeneration.from_pretrained(paligemma_folder).state_dict()
    published = {
        old + name.removeprefix(new): values.contiguous()
        for old, new in names.items()
        for name, values in state.items()
        if name.startswith(new)
    }
    assert len(published) == len(state) - 1
    save_file(published, paligemma_folder / "model.safetensors", metadata={"format": "pt"})
    settings = json.loads((paligemma_folder / "processor_config.json").read_text())
    (paligemma_folder / "processor_config.json").unlink()
    (paligemma_folder / "preprocessor_config.json").write_text(
        json.dumps(
            settings["image_processor"]
            | {"processor_class": "PaliGemmaProcessor", "image_processor_type": "SiglipImageProcessor"}
        )
    )
    records = [
        PaliGemma(model=str(where), device="cpu").record()
        for where in (paligemma_folder, paligemma_folders["paligemma"])
    ]
    for part in ("weights_sha256", "preprocessing", "tokenizer"):
        assert records[0][part] == records[1][part]


def test_weights_are_bit_for_bit_those_that_transformers_loads_itself(
    paligemma_folders, paligemma_model, paligemma_variant
):
    expected = transformers.PaliGemmaForConditionalGeneration.from_pretrained(
        paligemma_folders[paligemma_variant]
    ).state_dict()
    state = paligemma_model.module.state_dict()
    assert state.keys() == expected.keys()
    assert all(torch.equal(state[name], values) for name, values in expected.items())


def test_an_output_matrix_of_its_own_is_kept_as_transformers_keeps_it_and_named(paligemma_folder, monkeypatch):
    warnings = []
    monkeypatch.setattr(paligemma_checkpoint.logger, "warning", warnings.append)
    state = load_file(paligemma_folder / "model.safetensors")
    [embedding] = [values for name, values in state.items() if name.endswith("embed_tokens.weight")]
    save_file(
        state | {"language_model.lm_head.weight": embedding * 1.5},
        paligemma_folder / "model.safetensors",
        metadata={"format": "pt"},
    )
    loaded = PaliGemma(model=str(paligemma_folder), device="cpu").module.state_dict()
    assert torch.equal(loaded["lm_head.weight"], embedding * 1.5)
    assert torch.equal(loaded["model.language_model.embed_tokens.weight"], embedding)
    assert [
        "ties the output matrix to the embeddings, but the weights contain a separate" in line for line in warnings
    ] == [True]
