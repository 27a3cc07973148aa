"""Contrastive models that the library transformers loads."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
import transformers
from PIL.Image import Image, Resampling

from microbench_adapters import fitting, loading, repositories, state_dicts, weight_files
from microbench_adapters.base import Tensors
from microbench_adapters.checkpoint_model import CheckpointModel, given
from microbench_adapters.checkpoints import CHECKPOINTS, Preprocessing
from microbench_adapters.loading import Loaded

PADDINGS = ("context", "longest")
# Model types whose text encoder sees its padding, and was trained with texts padded to the context
# (transformers' documentation of SigLIP and SigLIP 2).
_PADDED_TYPES = ("siglip", "siglip2")
# eos_token_id in configurations from before transformers 4.32, with which these types pool at the highest token number.
_LEGACY_END = 2
_LEGACY_TYPES = ("clip", "clipseg", "groupvit", "xclip")
# Beside weights that write text.
GENERATION_FILE = "generation_config.json"
# Checkpoints of older releases hold this buffer, which newer ones work out.
_POSITIONS = "position_ids"
# Without a limit of their own tokenizers report a huge one.
_NO_LIMIT = 100_000


class TransformersClip(CheckpointModel):
    """Any image-text dual encoder that transformers loads: CLIP, SigLIP, SigLIP 2, ALIGN, AltCLIP, Chinese-CLIP, …

    Args:
        model: a repository on the Hub (``openai/clip-vit-base-patch32``) or a local folder, with
            configuration, processor and weights.
        pretrained: a checkpoint file with other weights of the same architecture.
        revision: commit, branch or tag of the repository.
        context_length: in tokens, where it is not the tokenizer's.
        padding: ``context`` or ``longest``, where it is not the one of the model's type.
        options: those of `CheckpointModel`.

    Raises:
        ValueError: an option does not exist or cannot work here, files are missing, weights are
            not those of the architecture, or the model is no dual encoder.
    """

    libraries = ("transformers",)

    def __init__(
        self,
        model: str,
        pretrained: str | None = None,
        revision: str | None = None,
        context_length: int | None = None,
        padding: str | None = None,
        **options: Any,
    ) -> None:
        if padding not in (None, *PADDINGS):
            raise ValueError(f"padding={padding}: expected one of {', '.join(PADDINGS)}.")
        specification = given(model=model, pretrained=pretrained, revision=revision, context_length=context_length)
        self._asked_padding = padding
        super().__init__(specification, **options)

    @classmethod
    def load(cls, specification: dict[str, Any]) -> Loaded:
        model, revision = specification["model"], specification.get("revision")
        config = configuration(model, revision)
        processor = from_pretrained(transformers.AutoProcessor, model, revision, backend="pil")
        if not (hasattr(processor, "image_processor") and hasattr(processor, "tokenizer")):
            raise ValueError(
                f"model={model}: expected a processor of images and texts, got {type(processor).__name__}. {_hint(Path(model))}"
            )
        module, files = _module(specification, config)
        tokenizer = processor.tokenizer
        _check_tokenizer(tokenizer, config, model)
        return Loaded(
            name=model
            + (f"@{revision}" if revision else "")
            + (f":{specification['pretrained']}" if "pretrained" in specification else ""),
            architecture=json.loads(config.to_json_string(use_diff=False)),
            module=module,
            preprocess=partial(_preprocess, processor.image_processor),
            preprocessing=image_settings(processor.image_processor),
            tokenizer=tokenizer,
            tokenizer_sha256=tokenizer_sha256(tokenizer),
            context_length=_context_length(processor, config, specification.get("context_length")),
            files={"model": model, "revision": getattr(config, "_commit_hash", None) or revision} | files,
        )

    @classmethod
    def resolve(cls, name: str, like: dict[str, Any]) -> dict[str, Any]:
        shared = {setting: like[setting] for setting in ("context_length",) if setting in like}
        if name in CHECKPOINTS:
            row = CHECKPOINTS[name]
            if row.adapter != "transformers_clip":
                raise ValueError(
                    f"merge_with={name}: this name stands for a checkpoint of {row.adapter}, whose weights have other names. Name one that transformers loads."
                )
            return dict(row.arguments) | shared
        if Path(name).is_file():
            return {
                setting: like[setting] for setting in ("model", "revision", "context_length") if setting in like
            } | {"pretrained": name}
        repository, _, revision = name.partition("@")
        if revision and not Path(name).exists():
            return {"model": repository, "revision": revision} | shared
        return {"model": name} | shared

    @classmethod
    def save(cls, loaded: Loaded, folder: Path) -> None:
        loaded.module.save_pretrained(folder)
        loaded.tokenizer.save_pretrained(folder)
        loaded.preprocess.args[0].save_pretrained(folder)

    @staticmethod
    def preprocessing_of(settings: dict[str, Any]) -> Preprocessing:
        size = settings.get("size") or {}
        crop = settings.get("crop_size") if settings.get("do_center_crop") else None
        side = (crop or {}).get("height") or size.get("shortest_edge") or size.get("height")
        normal = settings.get("do_normalize", False)
        return Preprocessing(
            side,
            "shortest" if "shortest_edge" in size else "squash",
            Resampling(settings["resample"]).name.lower() if settings.get("resample") is not None else None,
            tuple(settings["image_mean"]) if normal else None,
            tuple(settings["image_std"]) if normal else None,
        )

    def record(self) -> dict[str, Any]:
        return super().record() | {"padding": self._padding}

    @property
    def _padding(self) -> str:
        return self._asked_padding or (
            "context" if self.loaded.architecture["model_type"] in _PADDED_TYPES else "longest"
        )

    def preprocess(self, image: Image) -> Tensors:
        return self.loaded.preprocess(image)

    def encode_images(self, images: Tensors) -> torch.Tensor:
        inputs = {
            name: values.to(self.input_dtype) if values.is_floating_point() else values
            for name, values in images.items()
        }
        with self.autocast():
            return _vectors(self.module.get_image_features(**inputs))

    def tokenize(self, texts: list[str]) -> Tensors:
        return self._tokens(texts, self._padding)

    def unpadded(self, text: str) -> Tensors:
        is_seen = self.loaded.architecture["model_type"] in _PADDED_TYPES
        return self.tokenize([text]) if is_seen else self._tokens([text], "longest")

    def _tokens(self, texts: list[str], padding: str) -> Tensors:
        options = {
            "padding": "max_length" if padding == "context" else "longest",
            "max_length": self.loaded.context_length,
        }
        return dict(self.loaded.tokenizer(texts, **options, truncation=True, return_tensors="pt"))

    def encode_texts(self, tokens: Tensors) -> torch.Tensor:
        with self.autocast():
            return _vectors(self.module.get_text_features(**tokens))

    def pooled_tokens(self, tokens: Tensors) -> torch.Tensor | None:
        # CLIP's text model and those made after it remember the token.
        ends = [vars(part)["eos_token_id"] for part in self.loaded.module.modules() if "eos_token_id" in vars(part)]
        if not ends:
            return None
        end = ends[0]
        if not isinstance(end, int):
            raise ValueError(
                f"{self.loaded.name}: its config.json gives eos_token_id as {end!r}. Expected the number of the token "
                f"that the tokenizer puts at the end: there its text encoder pools."
            )
        ids = tokens["input_ids"]
        if end == _LEGACY_END and self.loaded.architecture["model_type"] in _LEGACY_TYPES:
            return ids.amax(dim=1)
        return torch.where((ids == end).any(dim=1), end, -1)

    def longer_than_context(self, texts: list[str]) -> list[str]:
        lengths = (len(ids) for ids in self.loaded.tokenizer(texts, truncation=False, verbose=False)["input_ids"])
        return [text for text, length in zip(texts, lengths) if length > self.loaded.context_length]


def configuration(model: str, revision: str | None) -> Any:
    """The configuration of a repository on the Hub or a local folder.

    Raises:
        ValueError: there is none, or a folder is given a revision.
    """
    folder = Path(model)
    if folder.is_dir() and revision is not None:
        raise ValueError(f"revision={revision}: {model} is a local folder and has none. Leave revision out.")
    if folder.is_dir() and not (folder / "config.json").is_file():
        raise ValueError(
            f"model={model}: expected a folder with transformers' config.json, processor and weights; it has no config.json."
        )
    config = from_pretrained(transformers.AutoConfig, model, revision)
    weight_files.refuse_quantized(config.to_dict(), f"model={model}")
    return config


def from_pretrained(auto: Any, model: str, revision: str | None, **options: Any) -> Any:
    """A configuration, a processor or a tokenizer; code that comes with a checkpoint is never run.

    Raises:
        ValueError: the class ``auto`` of transformers cannot load it.
    """
    try:
        return auto.from_pretrained(model, revision=revision, trust_remote_code=False, **options)
    # transformers' errors for a missing file, a bad file and no network have no common class.
    except Exception as error:
        raise ValueError(
            f"model={model}, revision={revision}: {auto.__name__} cannot load it: {type(error).__name__}: {error} {_hint(Path(model))}"
        ) from error


def _hint(folder: Path) -> str:
    if not folder.is_dir():
        return "Expected a repository on the Hub, or a local folder."
    return f"{folder} needs config.json, preprocessor_config.json and the tokenizer's files; fine-tuned checkpoints often lack the last two. Copy them from the base model, or name the base as model and the weights as pretrained."


def _module(specification: dict[str, Any], config: Any) -> tuple[torch.nn.Module, dict[str, str]]:
    """Return the model with its weights, and the record of the weight files."""
    model, file = specification["model"], specification.get("pretrained")
    with torch.device("meta"):
        empty = transformers.AutoModel.from_config(config, trust_remote_code=False)
    _check_dual_encoder(empty, model)
    if file is None:
        return load_module(type(empty), model, specification.get("revision"), config)
    if not Path(file).is_file():
        raise ValueError(
            f"pretrained={file}: no such file. Name a checkpoint file with weights for the architecture of model={model}."
        )
    content = state_dicts.read_file(Path(file))
    module, found = module_of(type(empty), config, content, f"pretrained={file}, model={model}")
    return module, {"weights": file} | found


def load_module(kind: type, model: str, revision: str | None, config: Any) -> tuple[torch.nn.Module, dict[str, str]]:
    """Load the weights of a folder or repository into a module of the class ``kind``; return the record of the files, too.

    Raises:
        ValueError: weights are missing, not those of the architecture, or not the only ones; with the cause.
    """
    where = f"model={model}"
    folder = Path(model)
    if not folder.is_dir():
        folder = repositories.snapshot(model, getattr(config, "_commit_hash", None) or revision)
    weight_files.refuse_adapters(folder, where)
    files = weight_files.find(folder, where)
    content = weight_files.read(files, where)
    weight_files.refuse_others(files, content, where)
    module, found = module_of(kind, config, content, where)
    if (folder / GENERATION_FILE).is_file() and module.can_generate():
        module.generation_config = from_pretrained(transformers.GenerationConfig, str(folder), None)
    return module, {"weights": loading.named(path.name for path in files)} | found


def module_of(kind: type, config: Any, content: Any, where: str) -> tuple[torch.nn.Module, dict[str, str]]:
    """Load the weights in the ``content`` of a checkpoint into a module of the class ``kind``, in single precision.

    Raises:
        ValueError: they are not exactly those of the architecture; with the cause.
    """
    with torch.device("meta"):
        expected = kind(copy.deepcopy(config)).state_dict()
    buffers = [name for name, values in expected.items() if not values.is_floating_point()]
    integers = {name.rpartition(".")[2] for name in buffers} | {_POSITIONS}

    def adapt(state: state_dicts.State) -> tuple[fitting.Faults, torch.nn.Module]:
        options = {"dtype": torch.float32, "output_loading_info": True, "ignore_mismatched_sizes": True}
        try:
            # Without a folder transformers cannot add anything, such as an adapter.
            with _without_warnings():
                weights = fitting.with_single_numbers(state, expected)
                module, report = kind.from_pretrained(None, config=config, state_dict=weights, **options)
        # transformers' errors for weights that it cannot convert have no common class.
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            raise ValueError(f"{where}: transformers cannot load its weights: {reason}") from error
        return _faults(report, state, expected, integers, kind), module

    selection = state_dicts.select(content, adapt, len(expected), where)
    return selection.adapted, selection.record


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Silence transformers: `fitting.refusal` reports what does not fit, and first tries with a prefix often do not."""
    verbosity = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()
    try:
        yield
    finally:
        transformers.logging.set_verbosity(verbosity)


def _faults(
    report: dict[str, Any], state: state_dicts.State, expected: state_dicts.State, integers: set[str], kind: type
) -> fitting.Faults:
    """Collect what transformers reports, and weights that it would cast silently."""
    lists = (report["missing_keys"], report["unexpected_keys"])
    missing, unexpected = ([name for name in names if not name.endswith(_POSITIONS)] for names in lists)
    return fitting.Faults(
        expected={name: values.shape for name, values in expected.items()},
        missing=missing,
        unexpected=unexpected,
        mismatched=[
            f"{name}: {tuple(found)}, expected {tuple(shape)}" for name, found, shape in report["mismatched_keys"]
        ],
        other_kind=[
            f"{name}: {values.dtype}, expected {torch.float32}"
            for name, values in state.items()
            if not fitting.is_float(values) and name.rpartition(".")[2] not in integers and name not in unexpected
        ],
        architecture=kind.__name__,
    )


def _check_dual_encoder(module: torch.nn.Module, model: str) -> None:
    lacking = [name for name in ("get_image_features", "get_text_features") if not hasattr(module, name)]
    if lacking or not (hasattr(module, "logit_scale") or hasattr(module, "temperature")):
        raise ValueError(
            f"model={model}: {type(module).__name__} is not an image-text dual encoder ({', '.join(lacking) or 'it has neither logit_scale nor temperature'}). Generative models run under the harness's own names."
        )


def _check_tokenizer(tokenizer: Any, config: Any, model: str) -> None:
    """Refuse a tokenizer that is not the text encoder's; one that knows no words at all is found when it is tried."""
    if len(tokenizer.get_vocab()) > len(tokenizer.all_special_tokens):
        loading.check_vocabulary(
            max(tokenizer.get_vocab().values()) + 1,
            getattr(getattr(config, "text_config", None), "vocab_size", None),
            f"model={model}",
        )


def _context_length(processor: Any, config: Any, wanted: int | None) -> int:
    """What is wanted, else what the processor pads to, or the smaller of what the tokenizer and the position embeddings allow.

    Raises:
        ValueError: none of them says, or more is wanted than the position embeddings allow.
    """
    positions = getattr(getattr(config, "text_config", None), "max_position_embeddings", None)
    if wanted is not None and positions is not None and wanted > positions:
        raise ValueError(f"context_length={wanted}: this model's text encoder reads at most {positions} tokens.")
    asked = _text_settings(processor).get("max_length") if wanted is None else wanted
    if asked is not None:
        return asked
    limits = [
        limit for limit in (processor.tokenizer.model_max_length, positions) if limit is not None and limit < _NO_LIMIT
    ]
    if not limits:
        raise ValueError(
            f"{type(processor.tokenizer).__name__}: neither the tokenizer nor the configuration says how long a text may be. Set context_length."
        )
    return int(min(limits))


def _text_settings(processor: Any) -> dict[str, Any]:
    """What a processor's class says of its texts, in the forms of several releases of transformers."""
    settings = getattr(type(processor), "text_kwargs", None)
    return settings if isinstance(settings, dict) else {}


def _preprocess(image_processor: Any, image: Image) -> Tensors:
    return {name: values[0] for name, values in image_processor(images=[image], return_tensors="pt").items()}


def image_settings(image_processor: Any) -> dict[str, Any]:
    """The image processor's settings without the names of its files and of the release that wrote them."""
    settings = json.loads(image_processor.to_json_string())
    named = {
        name: value
        for name, value in settings.items()
        if name not in ("_processor_class", "processor_class", "image_processor_type", "feature_extractor_type")
    }
    return {name: value for name, value in sorted(named.items()) if value is not None}


def tokenizer_sha256(tokenizer: Any) -> str:
    """By vocabulary, and by what becomes of texts that try spaces, case, punctuation and length."""
    probe = tokenizer(
        ["", "A cell.", "h&e-STAINED  section\n(5 µm)", "0123456789 " * 40], truncation=False, verbose=False
    )
    return loading.sha256_of(
        [sorted(tokenizer.get_vocab().items()), {name: values for name, values in sorted(probe.items())}]
    )


def _vectors(output: Any) -> torch.Tensor:
    # Releases before 5 return the vectors themselves.
    vectors = output if isinstance(output, torch.Tensor) else output.pooler_output
    # In single precision also where the weights have less.
    return torch.nn.functional.normalize(vectors.float(), dim=-1)
