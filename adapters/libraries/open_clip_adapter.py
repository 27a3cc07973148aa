"""Contrastive models that the library open_clip loads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import open_clip
import torch
from open_clip.factory import parse_model_name
from open_clip.model import get_model_preprocess_cfg, set_model_preprocess_cfg
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL.Image import Image

from microbench_adapters.checkpoints.loading import Loaded
from microbench_adapters.checkpoints.registry import CHECKPOINTS, Preprocessing
from microbench_adapters.libraries import local_files, open_clip_sources, open_clip_weights, split_preprocessing
from microbench_adapters.libraries.checkpoint_model import CheckpointModel
from microbench_adapters.libraries.open_clip_sources import CONFIG_FILE, WEIGHTS_FILE, find_source
from microbench_adapters.libraries.options import build_spec
from microbench_adapters.libraries.precision import unit_vectors
from microbench_adapters.models.dual_encoder import Tensors


class OpenClip(CheckpointModel):
    """Any open_clip checkpoint.

    Args:
        model: an architecture of open_clip (``ViT-B-32``), ``hf-hub:org/name``, or a folder
            (``/folder`` or ``local-dir:/folder``) with ``open_clip_config.json`` and weights.
        pretrained: with an architecture, a tag of open_clip (``laion2b_s34b_b79k``) or a
            checkpoint file; with the other two forms weights come along.
        revision: commit, branch or tag of the repository on the Hub that the weights are in.
        context_length: in tokens, where it is not the configuration's.
        preprocess: settings as JSON (``{"mean": [...], "std": [...], "interpolation": "bicubic",
            "resize_mode": "shortest"}``), for weights that come without.
        options: those of `CheckpointModel`.

    Raises:
        ValueError: model, tag, precision or merge do not exist, weights are missing or are not
            those of the architecture, or the device cannot compute in this precision.
    """

    libraries = ("open_clip_torch",)

    def __init__(
        self,
        model: str,
        pretrained: str | None = None,
        revision: str | None = None,
        context_length: int | None = None,
        preprocess: str | None = None,
        **options: Any,
    ) -> None:
        spec = build_spec(
            model=model, pretrained=pretrained, revision=revision, context_length=context_length, preprocess=preprocess
        )
        super().__init__(spec, **options)

    @classmethod
    def load(cls, spec: dict[str, Any]) -> Loaded:
        """Load a checkpoint; see `CheckpointModel.load`."""
        source = find_source(spec)
        module = open_clip_weights.build_module(source)
        taken_from = open_clip_weights.load_weights(module, source)
        settings = get_model_preprocess_cfg(module) | source.preprocess
        # open_clip saves the settings of the module.
        set_model_preprocess_cfg(module, settings)
        preprocess = image_transform_v2(PreprocessCfg(**settings), is_train=False)
        tokenizer = open_clip_weights.build_tokenizer(source)
        open_clip_weights.check_tokenizer(tokenizer, module, source.name)
        return Loaded(
            name=source.name,
            architecture=source.architecture,
            module=module,
            preprocess=preprocess,
            steps=split_preprocessing.split_transforms(preprocess),
            preprocessing=json.loads(json.dumps(settings)),
            tokenizer=tokenizer,
            tokenizer_sha256=open_clip_weights.tokenizer_sha256(tokenizer),
            context_length=tokenizer.context_length,
            build=partial(open_clip_weights.build_module, source),
            files=source.files | taken_from,
        )

    @classmethod
    def check_files(cls, arguments: Mapping[str, str]) -> None:
        """Check local weights before anything is loaded; see `CheckpointModel.check_files`."""
        local_files.check(arguments, open_clip_sources.find_weights)

    @classmethod
    def resolve(cls, name: str, like: dict[str, Any]) -> dict[str, Any]:
        """Return the specification behind a name in ``merge_with``; see `CheckpointModel.resolve`."""
        if name in CHECKPOINTS:
            row = CHECKPOINTS[name]
            if row.adapter != "open_clip":
                raise ValueError(
                    f"merge_with={name}: this name stands for a checkpoint of {row.adapter}, whose weights have "
                    "other names. Name one that open_clip loads."
                )
            return dict(row.arguments) | {"context_length": row.context_length}
        shared = {setting: like[setting] for setting in ("context_length", "preprocess") if setting in like}
        schema, repository = parse_model_name(name)
        if schema == "hf-hub" and "@" in repository:
            model, _, revision = name.partition("@")
            return {"model": model, "revision": revision} | shared
        if schema or Path(name).is_dir():
            return {"model": name} | shared
        architecture, _, tag = name.rpartition(":")
        if architecture in open_clip.list_models():
            return {"model": architecture, "pretrained": tag} | shared
        if parse_model_name(like["model"])[0] or Path(like["model"]).is_dir():
            names = ", ".join(row for row in CHECKPOINTS if CHECKPOINTS[row].adapter == "open_clip")
            raise ValueError(
                f"merge_with={name}: expected hf-hub:org/name, a folder with {CONFIG_FILE}, "
                f"ARCHITECTURE:tag or ARCHITECTURE:/file of open_clip, or a model's name ({names})."
            )
        return {"model": like["model"], "pretrained": name} | shared

    @classmethod
    def prepare_module(cls, loaded: Loaded, precision: str, device: torch.device) -> torch.nn.Module:
        """Return the module of ``loaded`` on its device and in its precision."""
        if precision not in ("fp16", "bf16") or loaded.build is None:
            return super().prepare_module(loaded, precision, device)
        # open_clip decides what is cast, and which norms compute in single precision, when it builds a model.
        module = loaded.build(precision, device)
        module.load_state_dict(loaded.module.state_dict())
        return module

    @classmethod
    def save(cls, loaded: Loaded, folder: Path) -> None:
        """Write ``loaded`` in the layout that open_clip reads as ``local-dir:``."""
        from open_clip.push_to_hf_hub import save_config_for_hf
        from safetensors.torch import save_file

        # Towers may share weights, which the format does not allow.
        state = {name: values.clone().contiguous() for name, values in loaded.module.state_dict().items()}
        save_file(state, folder / WEIGHTS_FILE)
        (folder / WEIGHTS_FILE).chmod(0o644)
        save_config_for_hf(loaded.module, folder / CONFIG_FILE, model_config=loaded.architecture)
        if hasattr(loaded.tokenizer, "save_pretrained"):
            loaded.tokenizer.save_pretrained(folder)
        tower: Any = getattr(getattr(loaded.module, "text", None), "config", None)
        if tower is not None:
            tower.save_pretrained(folder / open_clip_weights.TEXT_TOWER_FOLDER)

    @staticmethod
    def preprocessing_of(settings: dict[str, Any]) -> Preprocessing:
        """Convert open_clip's preprocessing settings to the common form."""
        size = settings["size"]
        return Preprocessing(
            size if isinstance(size, int) else size[0],
            settings["resize_mode"],
            settings["interpolation"],
            tuple(settings["mean"]),
            tuple(settings["std"]),
        )

    def preprocess(self, image: Image) -> Tensors:
        """Convert one RGB image to the encoder's inputs."""
        return {"pixels": self.loaded.preprocess(image)}

    def encode_images(self, images: Tensors) -> torch.Tensor:
        """Return unit vectors, shape (N, D)."""
        module: Any = self.module
        with self.autocast():
            return unit_vectors(module.encode_image(images["pixels"].to(self.input_dtype)))

    def tokenize(self, texts: list[str]) -> Tensors:
        """Return tokens, shape (N, context length)."""
        return {"tokens": self.loaded.tokenizer(texts)}

    def encode_texts(self, tokens: Tensors) -> torch.Tensor:
        """Return unit vectors, shape (N, D)."""
        module: Any = self.module
        with self.autocast():
            return unit_vectors(module.encode_text(tokens["tokens"]))

    def pooled_tokens(self, tokens: Tensors) -> torch.Tensor | None:
        """Return the token number at which each text is pooled; see `SmokeTestedModel.pooled_tokens`."""
        # In CLIP the parts of the text tower are attributes of the model itself.
        tower: Any = getattr(self.loaded.module, "text", self.loaded.module)
        pooling = getattr(tower, "pool_type", getattr(tower, "text_pool_type", None))
        # Towers with cls_emb pool at an additional learned token.
        if pooling not in ("argmax", "eos") or getattr(tower, "cls_emb", None) is not None:
            return None
        ids = tokens["tokens"]
        if pooling == "argmax":
            return ids.amax(dim=1)
        end: Any = getattr(tower, "eos_id", getattr(tower, "text_eos_id", None))
        return torch.where((ids == end).any(dim=1), end, -1)

    def longer_than_context(self, texts: list[str]) -> list[str]:
        """Return the texts that are truncated.

        With room for one more token, a text that fits ends in padding and is otherwise the same.
        """
        length, tokenizer = self.loaded.context_length, self.loaded.tokenizer
        padding = tokenizer([""], context_length=length + 1)[0, -1]
        rows = zip(texts, tokenizer(texts), tokenizer(texts, context_length=length + 1), strict=True)
        return [text for text, row, longer in rows if longer[-1] != padding or not torch.equal(longer[:-1], row)]
