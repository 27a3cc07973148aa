"""Save small dual encoders of every family, with random weights, in the files that their libraries write."""

from __future__ import annotations

import json
from pathlib import Path

import open_clip
import torch
import transformers
from open_clip.push_to_hf_hub import save_for_hf
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from tests.support import tiny_clip

TEXT = {"layers": 2, "width": 64, "heads": 2}
HALVES = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic"}
WORDS = [
    "a",
    "an",
    "the",
    "of",
    "in",
    "with",
    "micrograph",
    "image",
    "acquired",
    "through",
    "using",
    "histopathology",
    "tissue",
    "cell",
    "microscopy",
    "light",
    "electron",
    "fluorescence",
    "brightfield",
    "phase",
    "contrast",
    "stained",
    "none",
    "above",
]


class NoTokenizer:
    """For models whose tokenizer comes with open_clip: their repositories hold no files of it."""

    def save_pretrained(self, folder):
        pass


def word_tokenizer(length, start="[CLS]", end="[SEP]", pad="[PAD]", **settings):
    """A BERT-like tokenizer of few words, made without a download; words it lacks become letters."""
    pieces = [
        pad,
        "[UNK]",
        start,
        end,
        *WORDS,
        *map(chr, range(33, 127)),
        *(f"##{chr(code)}" for code in range(33, 127)),
    ]
    vocabulary = {piece: index for index, piece in enumerate(dict.fromkeys(pieces))}
    backend = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=200))
    backend.normalizer = normalizers.BertNormalizer()
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {end}", special_tokens=[(start, vocabulary[start]), (end, vocabulary[end])]
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=backend,
        unk_token="[UNK]",
        cls_token=start,
        sep_token=end,
        pad_token=pad,
        model_max_length=length,
        **settings,
    )


def _open_clip(folder, config, tokenizer=None, preprocess=None, seed=0, **options):
    """Build from ``config`` as open_clip does and save as it pushes to the Hub."""
    torch.manual_seed(seed)
    folder.mkdir(parents=True)
    (folder / "open_clip_config.json").write_text(
        json.dumps({"model_cfg": config, "preprocess_cfg": preprocess or HALVES})
    )
    model = open_clip.create_model(f"local-dir:{folder}", load_weights=False, pretrained_text=False, **options)
    tiny_clip.spread(model)
    save_for_hf(model, tokenizer or NoTokenizer(), config, folder, safe_serialization=True)
    return folder


def _wrapped(tokenizer):
    """What open_clip's saving takes of a tokenizer of transformers."""
    return type("Wrapped", (), {"save_pretrained": lambda self, folder: tokenizer.save_pretrained(folder)})()


def open_clip_resnet(folder, seed=0):
    config = open_clip.get_model_config("RN50") | {"embed_dim": 32}
    config["vision_cfg"] |= {"image_size": 64, "layers": [1, 1, 1, 1], "width": 16}
    config["text_cfg"] |= TEXT
    return _open_clip(folder, config, seed=seed)


def open_clip_coca(folder, seed=0):
    config = open_clip.get_model_config("coca_ViT-B-32") | {"embed_dim": 64}
    config["vision_cfg"] |= {"image_size": 32, "layers": 2, "width": 64, "head_width": 32, "patch_size": 16}
    config["text_cfg"] |= TEXT
    config["multimodal_cfg"] |= TEXT | {"attn_pooler_heads": 2}
    config["vision_cfg"]["attn_pooler_heads"] = 2
    return _open_clip(folder, config, seed=seed)


def open_clip_siglip(folder, seed=0):
    config = open_clip.get_model_config("ViT-B-16-SigLIP") | {"embed_dim": 64}
    config["vision_cfg"] |= {"image_size": 160, "timm_model_name": "test_vit"}
    config["text_cfg"] |= TEXT | {"vocab_size": 400, "hf_tokenizer_name": "timm/ViT-B-16-SigLIP"}
    return _open_clip(folder, config, _wrapped(word_tokenizer(64)), HALVES | {"resize_mode": "squash"}, seed=seed)


def biomedclip(folder, seed=0, tower_beside=True):
    """Save a BiomedCLIP like the published one: timm tower, BERT named by repository, tokenizer beside the weights."""
    name = "microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract"
    config = {
        "embed_dim": 32,
        "vision_cfg": {
            "timm_model_name": "test_vit",
            "timm_model_pretrained": False,
            "timm_pool": "",
            "timm_proj": "linear",
            "image_size": 160,
        },
        "text_cfg": {
            "hf_model_name": name,
            "hf_tokenizer_name": name,
            "hf_proj_type": "mlp",
            "hf_pooler_type": "cls_last_hidden_state_pooler",
            "context_length": 256,
        },
    }
    tower = transformers.BertConfig(
        vocab_size=400, hidden_size=64, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64
    )
    tower.save_pretrained(folder / "text_tower")
    torch.manual_seed(seed)
    local = config | {"text_cfg": config["text_cfg"] | {"hf_model_name": str(folder / "text_tower")}}
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": local, "preprocess_cfg": HALVES}))
    model = open_clip.create_model(f"local-dir:{folder}", load_weights=False, pretrained_text=False)
    tiny_clip.spread(model)
    save_for_hf(model, _wrapped(word_tokenizer(512)), config, folder, safe_serialization=True)
    if not tower_beside:
        for path in (folder / "text_tower").iterdir():
            path.unlink()
        (folder / "text_tower").rmdir()
    return folder


def clip_tokenizer(folder):
    """CLIP's own tokenizer for transformers, from the vocabulary that comes with open_clip."""
    simple = open_clip.SimpleTokenizer()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps(simple.encoder))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(" ".join(pair) for pair in simple.bpe_ranks))
    tokenizer = transformers.CLIPTokenizer.from_pretrained(
        folder,
        unk_token="<end_of_text>",
        bos_token="<start_of_text>",
        eos_token="<end_of_text>",
        pad_token="<end_of_text>",
        model_max_length=77,
    )
    return tokenizer


def transformers_clip(folder, seed=0):
    vision = {
        "hidden_size": 64,
        "intermediate_size": 256,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": 32,
        "patch_size": 16,
    }
    text = {
        "hidden_size": 64,
        "intermediate_size": 256,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "vocab_size": 49408,
        "bos_token_id": 49406,
        "eos_token_id": 49407,
        "pad_token_id": 49407,
    }
    torch.manual_seed(seed)
    model = transformers.CLIPModel(transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=32))
    images = transformers.CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    return save_transformers(
        folder, model, transformers.CLIPProcessor(image_processor=images, tokenizer=clip_tokenizer(folder))
    )


def transformers_siglip(folder, seed=0):
    sizes = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2}
    torch.manual_seed(seed)
    config = transformers.SiglipConfig(
        text_config=sizes | {"vocab_size": 400, "projection_size": 64},
        vision_config=sizes | {"image_size": 32, "patch_size": 16},
    )
    model = transformers.SiglipModel(config)
    images = transformers.SiglipImageProcessor(size={"height": 32, "width": 32})
    # As SigLIP's own: no attention mask.
    return save_transformers(
        folder,
        model,
        transformers.SiglipProcessor(
            image_processor=images, tokenizer=word_tokenizer(64, model_input_names=["input_ids"])
        ),
    )


def transformers_align(folder, seed=0):
    text = {
        "vocab_size": 400,
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
    }
    vision = {
        "image_size": 65,
        "width_coefficient": 1.0,
        "depth_coefficient": 1.0,
        "hidden_dim": 64,
        "kernel_sizes": [3, 3],
        "in_channels": [32, 16],
        "out_channels": [16, 64],
        "strides": [1, 2],
        "num_block_repeats": [1, 1],
        "expand_ratios": [1, 6],
        "depthwise_padding": [],
    }
    torch.manual_seed(seed)
    model = transformers.AlignModel(transformers.AlignConfig(text_config=text, vision_config=vision, projection_dim=64))
    images = transformers.EfficientNetImageProcessor(
        size={"height": 72, "width": 72},
        crop_size={"height": 65, "width": 65},
        do_center_crop=True,
        do_normalize=False,
        include_top=False,
        rescale_factor=1 / 127.5,
        rescale_offset=True,
        resample=2,
    )
    return save_transformers(
        folder, model, transformers.AlignProcessor(image_processor=images, tokenizer=word_tokenizer(512))
    )


def save_transformers(folder: Path, model, processor):
    tiny_clip.spread(model)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
