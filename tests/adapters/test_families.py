"""Every family of dual encoders, from its true files, against a plain loop by its library's documentation."""

import json
from functools import partial

import numpy as np
import open_clip
import pytest
import torch
import transformers
from PIL import Image

from microbench_adapters.libraries.open_clip_adapter import OpenClip
from microbench_adapters.libraries.transformers_adapter import TransformersClip
from tests.support import questions, tiny_clip, tiny_models

OPEN_CLIP = {
    "ViT": partial(tiny_clip.save, seed=3),
    "ResNet": tiny_models.open_clip_resnet,
    "CoCa": tiny_models.open_clip_coca,
    "SigLIP": tiny_models.open_clip_siglip,
    "BiomedCLIP": tiny_models.biomedclip,
}
TRANSFORMERS = {
    "CLIP": tiny_models.transformers_clip,
    "SigLIP": tiny_models.transformers_siglip,
    "ALIGN": tiny_models.transformers_align,
}


@pytest.fixture(scope="module")
def task():
    return questions.Captions()


def saved(families, name, tmp_path_factory):
    return families[name](tmp_path_factory.mktemp(name) / "model")


@pytest.fixture(scope="module", params=OPEN_CLIP)
def open_clip_folder(request, tmp_path_factory):
    return saved(OPEN_CLIP, request.param, tmp_path_factory)


@pytest.fixture(scope="module", params=TRANSFORMERS)
def transformers_folder(request, tmp_path_factory):
    return saved(TRANSFORMERS, request.param, tmp_path_factory)


def open_clip_modules(folder):
    """Model, preprocessing and tokenizer as open_clip's README loads them."""
    name = f"local-dir:{folder}"
    config = json.loads((folder / "open_clip_config.json").read_text())["model_cfg"]
    options = (
        {"text_cfg": config["text_cfg"] | {"hf_model_name": str(folder / "text_tower"), "hf_model_pretrained": False}}
        if "hf_model_name" in config["text_cfg"]
        else {}
    )
    model, _, preprocess = open_clip.create_model_and_transforms(name, **options)
    return model.eval(), preprocess, open_clip.get_tokenizer(name)


def open_clip_loop(folder):
    """open_clip's README: one image, its texts, softmax; with a bias, as its page on SigLIP has it, sigmoid."""
    model, preprocess, tokenizer = open_clip_modules(folder)

    def probabilities(image, texts):
        with torch.no_grad():
            image_features = model.encode_image(preprocess(image).unsqueeze(0))
            text_features = torch.cat([model.encode_text(tokenizer([text])) for text in texts])
            image_features = image_features / image_features.norm(dim=-1, keepdim=True)
            text_features = text_features / text_features.norm(dim=-1, keepdim=True)
            logits = model.logit_scale.exp() * image_features @ text_features.T
            if getattr(model, "logit_bias", None) is not None:
                return torch.sigmoid(logits + model.logit_bias)[0].tolist()
            return logits.softmax(dim=-1)[0].tolist()

    return probabilities


def transformers_loop(folder):
    """Return what transformers' documentation computes: logits per image; for SigLIP a sigmoid, and full padding."""
    model = transformers.AutoModel.from_pretrained(folder).eval()
    processor = transformers.AutoProcessor.from_pretrained(folder, backend="pil")
    is_siglip = model.config.model_type == "siglip"
    # ALIGN's processor pads to 64 by itself.
    padding = {"siglip": {"padding": "max_length"}, "clip": {"padding": True}}.get(model.config.model_type, {})

    def probabilities(image, texts):
        with torch.no_grad():
            logits = model(**processor(text=texts, images=image, return_tensors="pt", **padding)).logits_per_image[0]
        return (torch.sigmoid(logits) if is_siglip else logits.softmax(dim=0)).tolist()

    return probabilities


def test_open_clip_answers_as_a_plain_loop_does_whatever_the_batch_size(open_clip_folder, task):
    expected = task.shares(open_clip_loop(open_clip_folder))
    for batch_size in (1, 7, 64):
        model = OpenClip(model=str(open_clip_folder), batch_size=batch_size, device="cpu")
        questions.assert_agree(model.generate_until(task.requests()), expected)


def test_transformers_answers_as_a_plain_loop_does_whatever_the_batch_size(transformers_folder, task):
    expected = task.shares(transformers_loop(transformers_folder))
    for batch_size in (1, 7, 64):
        model = TransformersClip(model=str(transformers_folder), batch_size=batch_size, device="cpu")
        questions.assert_agree(model.generate_until(task.requests()), expected)


def assert_bitwise_equal(loaded, expected):
    assert loaded.keys() == expected.keys()
    for name, values in expected.items():
        assert loaded[name].dtype == values.dtype, name
        assert torch.equal(loaded[name].reshape(-1).view(torch.uint8), values.reshape(-1).view(torch.uint8)), name


def test_open_clips_weights_are_bit_for_bit_those_that_it_loads_itself(open_clip_folder):
    expected, _, _ = open_clip_modules(open_clip_folder)
    assert_bitwise_equal(OpenClip.load({"model": str(open_clip_folder)}).module.state_dict(), expected.state_dict())


def test_transformers_weights_are_bit_for_bit_those_that_it_loads_itself(transformers_folder):
    expected = transformers.AutoModel.from_pretrained(transformers_folder)
    loaded = TransformersClip.load({"model": str(transformers_folder)}).module
    assert_bitwise_equal(loaded.state_dict(), expected.state_dict())


@pytest.mark.parametrize("precision", ["bf16", "amp_bf16"])
def test_lower_precision_runs_and_stays_near_or_is_refused_when_loaded(open_clip_folder, precision, task):
    exact = OpenClip(model=str(open_clip_folder), device="cpu").generate_until(task.requests())
    if open_clip_folder.parent.name.startswith("CoCa") and precision == "bf16":
        with pytest.raises(
            ValueError, match="does not run with precision=bf16 on cpu: RuntimeError.*Use precision=fp32, or amp_bf16"
        ):
            OpenClip(model=str(open_clip_folder), precision=precision, device="cpu")
        return
    assert_near(
        exact, OpenClip(model=str(open_clip_folder), precision=precision, device="cpu").generate_until(task.requests())
    )


@pytest.mark.parametrize("precision", ["bf16", "amp_bf16"])
def test_lower_precision_of_transformers_stays_near(transformers_folder, precision, task):
    exact, rough = (
        TransformersClip(model=str(transformers_folder), precision=name, device="cpu").generate_until(task.requests())
        for name in ("fp32", precision)
    )
    assert_near(exact, rough)


def assert_near(exact, rough):
    shares = [
        [list(json.loads(answer.split("\n")[1])["probabilities"].values()) for answer in answers]
        for answers in (exact, rough)
    ]
    for one, other in zip(*shares, strict=False):
        assert one == pytest.approx(other, abs=0.1)
    assert shares[0] != shares[1]


# --- one set of weights in two libraries ---


def as_transformers(state, layers):
    """open_clip's names of CLIP's weights in transformers' words."""
    converted = {
        "logit_scale": state["logit_scale"],
        "text_projection.weight": state["text_projection"].T,
        "visual_projection.weight": state["visual.proj"].T,
        "text_model.embeddings.token_embedding.weight": state["token_embedding.weight"],
        "text_model.embeddings.position_embedding.weight": state["positional_embedding"],
        "vision_model.embeddings.class_embedding": state["visual.class_embedding"],
        "vision_model.embeddings.patch_embedding.weight": state["visual.conv1.weight"],
        "vision_model.embeddings.position_embedding.weight": state["visual.positional_embedding"],
    }
    norms = {
        "text_model.final_layer_norm": "ln_final",
        "vision_model.pre_layrnorm": "visual.ln_pre",
        "vision_model.post_layernorm": "visual.ln_post",
    }
    for theirs, ours in norms.items():
        converted |= {f"{theirs}.{kind}": state[f"{ours}.{kind}"] for kind in ("weight", "bias")}
    for tower, prefix in (("text_model", "transformer"), ("vision_model", "visual.transformer")):
        for layer in range(layers):
            source, target = f"{prefix}.resblocks.{layer}", f"{tower}.encoder.layers.{layer}"
            for kind in ("weight", "bias"):
                query, key, value = state[f"{source}.attn.in_proj_{kind}"].chunk(3)
                converted |= {
                    f"{target}.self_attn.{name}_proj.{kind}": part
                    for name, part in (("q", query), ("k", key), ("v", value))
                }
                pairs = {
                    "self_attn.out_proj": "attn.out_proj",
                    "mlp.fc1": "mlp.c_fc",
                    "mlp.fc2": "mlp.c_proj",
                    "layer_norm1": "ln_1",
                    "layer_norm2": "ln_2",
                }
                converted |= {
                    f"{target}.{theirs}.{kind}": state[f"{source}.{ours}.{kind}"] for theirs, ours in pairs.items()
                }
    return converted


def test_the_same_weights_give_the_same_letters_in_both_libraries(tmp_path, task):
    first = tiny_clip.save(tmp_path / "open_clip", seed=3)
    config = json.loads((first / "open_clip_config.json").read_text())
    config["preprocess_cfg"] = {
        "mean": [0.48145466, 0.4578275, 0.40821073],
        "std": [0.26862954, 0.26130258, 0.27577711],
        "interpolation": "bicubic",
        "resize_mode": "shortest",
    }
    (first / "open_clip_config.json").write_text(json.dumps(config))
    second = tiny_models.transformers_clip(tmp_path / "transformers")
    model = transformers.CLIPModel.from_pretrained(second)
    # open_clip's default activation, where OpenAI's weights have an approximation of it.
    model.config.text_config.hidden_act = model.config.vision_config.hidden_act = "gelu"
    state = open_clip.create_model(f"local-dir:{first}").state_dict()
    model.load_state_dict(
        as_transformers(state, layers=2)
        | {name: values for name, values in model.state_dict().items() if name.endswith("position_ids")}
    )
    model.save_pretrained(second)
    ours = OpenClip(model=str(first), device="cpu").generate_until(task.requests())
    theirs = TransformersClip(model=str(second), device="cpu").generate_until(task.requests())
    shares = [list(json.loads(answer.split("\n")[1])["probabilities"].values()) for answer in ours]
    questions.assert_agree(theirs, shares)


def test_preprocessing_of_transformers_is_that_of_pillow(tmp_path):
    """The published figures were made with it; torch's own resizing differs in the last bits."""
    folder = tiny_models.transformers_clip(tmp_path / "model")
    image = questions.images(1)[0]
    pixels = TransformersClip(model=str(folder), device="cpu").preprocess(image)["pixel_values"]
    width, height = image.size
    resized = image.resize((int(width * 32 / height), 32), Image.Resampling.BICUBIC)
    left = (resized.width - 32) // 2
    expected = torch.from_numpy(np.array(resized.crop((left, 0, left + 32, 32)))).permute(2, 0, 1) / 255
    mean, std = (
        torch.tensor(values).reshape(3, 1, 1)
        for values in ([0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711])
    )
    assert torch.allclose(pixels, (expected - mean) / std, atol=1e-5)
