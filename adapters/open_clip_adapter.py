"""Contrastive models that the library open_clip loads."""

from __future__ import annotations

import difflib
import json
import logging
import math
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import open_clip
import torch
from loguru import logger
from open_clip.convert import convert_state_dict
from open_clip.factory import parse_model_name
from open_clip.model import convert_to_custom_text_state_dict, get_model_preprocess_cfg, set_model_preprocess_cfg
from open_clip.pretrained import download_pretrained, download_pretrained_from_hf
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL.Image import Image
from torch.overrides import TorchFunctionMode

from microbench_adapters import fitting, loading, state_dicts, weight_files
from microbench_adapters.base import Tensors
from microbench_adapters.checkpoint_model import CheckpointModel, given
from microbench_adapters.checkpoints import CHECKPOINTS, Preprocessing
from microbench_adapters.loading import Loaded

CONFIG_FILE = "open_clip_config.json"
WEIGHTS_FILE = "open_clip_model.safetensors"
# Of a checkpoint whose text tower is a transformers model: that tower's own configuration.
TEXT_TOWER_FOLDER = "text_tower"
# Read by open_clip itself, so that nothing here sees whether all weights are there.
_NUMPY_SUFFIXES = (".npz", ".npy")
_PREPROCESS_WORDS = {"interpolation": ("bicubic", "bilinear"), "resize_mode": ("shortest", "longest", "squash")}
_PREPROCESS_SETTINGS = ("mean", "std", "interpolation", "resize_mode")
_PREPROCESS_HINT = """Say how the model was trained: preprocess={"mean":[…],"std":[…],"interpolation":"bicubic","resize_mode":"shortest"}."""
# Optional files of a repository: those of the tokenizer, and the sign of an adapter.
_FURTHER_FILES = (
    "adapter_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
)

# open_clip asks the Hub for the configuration of a text tower even where its weights lie in the
# checkpoint. These are BERT-base with the vocabulary of the paper on PubMedBERT (arXiv 2007.15779);
# everything else is transformers' default for this type.
_PUBMEDBERT = {"model_type": "bert", "vocab_size": 30522}
TEXT_TOWERS = {
    "microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract": _PUBMEDBERT,
    "microsoft/BiomedNLP-PubMedBERT-base-uncased-abstract": _PUBMEDBERT,
    "microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract-fulltext": _PUBMEDBERT,
    "microsoft/BiomedNLP-PubMedBERT-base-uncased-abstract-fulltext": _PUBMEDBERT,
}


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
        specification = given(
            model=model, pretrained=pretrained, revision=revision, context_length=context_length, preprocess=preprocess
        )
        super().__init__(specification, **options)

    @classmethod
    def load(cls, specification: dict[str, Any]) -> Loaded:
        source = _find(specification)
        module = _build(source)
        taken_from = _load_weights(module, source)
        settings = get_model_preprocess_cfg(module) | source.preprocess
        # open_clip saves what the module says.
        set_model_preprocess_cfg(module, settings)
        tokenizer = _tokenizer(source)
        _check_tokenizer(tokenizer, module, source.name)
        return Loaded(
            name=source.name,
            architecture=source.architecture,
            module=module,
            preprocess=image_transform_v2(PreprocessCfg(**settings), is_train=False),
            preprocessing=json.loads(json.dumps(settings)),
            tokenizer=tokenizer,
            tokenizer_sha256=_tokenizer_sha256(tokenizer),
            context_length=tokenizer.context_length,
            build=partial(_build, source),
            files=source.files | taken_from,
        )

    @classmethod
    def resolve(cls, name: str, like: dict[str, Any]) -> dict[str, Any]:
        architecture, _, tag = name.rpartition(":")
        if name in CHECKPOINTS:
            row = CHECKPOINTS[name]
            if row.adapter != "open_clip":
                raise ValueError(
                    f"merge_with={name}: this name stands for a checkpoint of {row.adapter}, whose weights have other names. Name one that open_clip loads."
                )
            return dict(row.arguments) | {"context_length": row.context_length}
        shared = {setting: like[setting] for setting in ("context_length", "preprocess") if setting in like}
        schema, repository = parse_model_name(name)
        if schema == "hf-hub" and "@" in repository:
            model, _, revision = name.partition("@")
            return {"model": model, "revision": revision} | shared
        if schema or Path(name).is_dir():
            return {"model": name} | shared
        if architecture in open_clip.list_models():
            return {"model": architecture, "pretrained": tag} | shared
        if parse_model_name(like["model"])[0] or Path(like["model"]).is_dir():
            names = ", ".join(row for row in CHECKPOINTS if CHECKPOINTS[row].adapter == "open_clip")
            raise ValueError(
                f"merge_with={name}: expected hf-hub:org/name, a folder with {CONFIG_FILE}, ARCHITECTURE:tag or ARCHITECTURE:/file of open_clip, or a model's name ({names})."
            )
        return {"model": like["model"], "pretrained": name} | shared

    @classmethod
    def prepared(cls, loaded: Loaded, precision: str, device: torch.device) -> torch.nn.Module:
        if precision not in ("fp16", "bf16"):
            return super().prepared(loaded, precision, device)
        # What is cast, and which norms compute in single precision, is decided when open_clip builds a model.
        module = loaded.build(precision, device)
        module.load_state_dict(loaded.module.state_dict())
        return module

    @classmethod
    def save(cls, loaded: Loaded, folder: Path) -> None:
        from open_clip.push_to_hf_hub import save_config_for_hf
        from safetensors.torch import save_file

        # Towers may share weights, which the format does not.
        save_file(
            {name: values.clone().contiguous() for name, values in loaded.module.state_dict().items()},
            folder / WEIGHTS_FILE,
        )
        (folder / WEIGHTS_FILE).chmod(0o644)
        save_config_for_hf(loaded.module, folder / CONFIG_FILE, model_config=loaded.architecture)
        if hasattr(loaded.tokenizer, "save_pretrained"):
            loaded.tokenizer.save_pretrained(folder)
        tower = getattr(getattr(loaded.module, "text", None), "config", None)
        if tower is not None:
            tower.save_pretrained(folder / TEXT_TOWER_FOLDER)

    @staticmethod
    def preprocessing_of(settings: dict[str, Any]) -> Preprocessing:
        size = settings["size"]
        return Preprocessing(
            size if isinstance(size, int) else size[0],
            settings["resize_mode"],
            settings["interpolation"],
            tuple(settings["mean"]),
            tuple(settings["std"]),
        )

    def preprocess(self, image: Image) -> Tensors:
        return {"pixels": self.loaded.preprocess(image)}

    def encode_images(self, images: Tensors) -> torch.Tensor:
        with self.autocast():
            return _normalized(self.module.encode_image(images["pixels"].to(self.input_dtype)))

    def tokenize(self, texts: list[str]) -> Tensors:
        return {"tokens": self.loaded.tokenizer(texts)}

    def encode_texts(self, tokens: Tensors) -> torch.Tensor:
        with self.autocast():
            return _normalized(self.module.encode_text(tokens["tokens"]))

    def pooled_tokens(self, tokens: Tensors) -> torch.Tensor | None:
        # In CLIP the parts of the text tower are attributes of the model itself.
        tower = getattr(self.loaded.module, "text", self.loaded.module)
        pooling = getattr(tower, "pool_type", getattr(tower, "text_pool_type", None))
        # Such towers pool at an additional learned token.
        if pooling not in ("argmax", "eos") or getattr(tower, "cls_emb", None) is not None:
            return None
        ids = tokens["tokens"]
        if pooling == "argmax":
            return ids.amax(dim=1)
        end = getattr(tower, "eos_id", getattr(tower, "text_eos_id", None))
        return torch.where((ids == end).any(dim=1), end, -1)

    def longer_than_context(self, texts: list[str]) -> list[str]:
        """By tokenizing with room for one token more: what fits ends in padding there and is else the same."""
        length, tokenizer = self.loaded.context_length, self.loaded.tokenizer
        padding = tokenizer([""], context_length=length + 1)[0, -1]
        rows = zip(texts, tokenizer(texts), tokenizer(texts, context_length=length + 1))
        return [text for text, row, longer in rows if longer[-1] != padding or not torch.equal(longer[:-1], row)]


@dataclass(frozen=True)
class _Source:
    """Where one checkpoint's parts are: what open_clip calls the model, the file of its weights, its settings."""

    name: str
    model: str
    weights: Path
    architecture: dict[str, Any]
    preprocess: dict[str, Any]
    context_length: int | None
    options: dict[str, Any] = field(default_factory=dict)
    files: dict[str, Any] = field(default_factory=dict)
    # Whether the weights come from a folder, which may contain others.
    in_folder: bool = False


def _find(specification: dict[str, Any]) -> _Source:
    """Resolve and check everything that can be wrong before a model is built."""
    model, pretrained = specification["model"], specification.get("pretrained")
    if Path(model).is_dir():
        model = f"local-dir:{model}"
    schema, name = parse_model_name(model)
    preprocess = _given_preprocess(specification.get("preprocess"))
    if schema is None:
        return _find_architecture(name.replace("/", "-"), pretrained, preprocess, specification)
    if pretrained is not None:
        raise ValueError(
            f"pretrained={pretrained}: {model} brings its own weights. Leave pretrained out, or name an architecture as model."
        )
    if schema == "hf-hub":
        return _find_on_hub(model, name, preprocess, specification)
    if specification.get("revision") is not None:
        raise ValueError(
            f"revision={specification['revision']}: {model} is a local folder and has none. Leave revision out."
        )
    return _find_in_folder(model, Path(name), preprocess, specification, {"folder": name})


def _find_in_folder(
    label: str,
    folder: Path,
    asked: dict[str, Any],
    specification: dict[str, Any],
    files: dict[str, Any],
    file: Path | None = None,
) -> _Source:
    """A folder in open_clip's layout, with its weights in ``file``, or in the one file that can be meant."""
    if not (folder / CONFIG_FILE).is_file():
        raise ValueError(
            f"model={label}: expected a folder with {CONFIG_FILE} and weights (safetensors, bin or pth); {folder} has no such file."
        )
    try:
        config = json.loads((folder / CONFIG_FILE).read_text())
        architecture = config["model_cfg"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"model={label}: {folder / CONFIG_FILE} is not open_clip's: expected JSON with model_cfg and preprocess_cfg ({type(error).__name__}: {error})."
        ) from error
    weight_files.refuse_adapters(folder, f"model={label}")
    file = file or _weights_in(folder, label)
    preprocess = {
        name: value for name, value in config.get("preprocess_cfg", {}).items() if name in _PREPROCESS_SETTINGS
    } | asked
    if not {"mean", "std"} <= set(preprocess):
        raise ValueError(
            f"model={label}: {CONFIG_FILE} has no preprocess_cfg with mean and std, and open_clip would take CLIP's. {_PREPROCESS_HINT}"
        )
    _check_preprocess(preprocess, f"model={label}, {CONFIG_FILE}")
    return _Source(
        name=label,
        model=f"local-dir:{folder}",
        weights=file,
        architecture=_with_context(architecture, specification),
        preprocess=preprocess,
        context_length=specification.get("context_length"),
        files=files | {"weights": file.name},
        in_folder=True,
    )


def _weights_in(folder: Path, label: str) -> Path:
    patterns = ("*.safetensors", "*.bin", "*.pth", "*.pt")
    found = [path for pattern in patterns for path in sorted(folder.glob(pattern)) if path.is_file()]
    usual = [path for path in found if path.stem in ("open_clip_model", "open_clip_pytorch_model")]
    if not found:
        raise ValueError(
            f"model={label}: expected weights (safetensors, bin or pth) beside {CONFIG_FILE}; {folder} has none."
        )
    # One checkpoint in two formats is one checkpoint.
    if not usual and len({path.stem for path in found}) > 1:
        raise ValueError(
            f"model={label}: {folder} contains several checkpoints ({loading.named(path.name for path in found)}). Call the one meant {WEIGHTS_FILE}, or name an architecture as model and the file as pretrained."
        )
    return (usual or found)[0]


def _find_on_hub(label: str, repository: str, asked: dict[str, Any], specification: dict[str, Any]) -> _Source:
    """A repository of the Hub, or its copy in the Hub's cache, as a folder."""
    revision = specification.get("revision")
    try:
        config = Path(download_pretrained_from_hf(repository, filename=CONFIG_FILE, revision=revision))
        weights = Path(download_pretrained_from_hf(repository, revision=revision))
    except FileNotFoundError as error:
        raise ValueError(f"model={label}, revision={revision}: {error}") from error
    for name in _FURTHER_FILES:
        _try_download(repository, name, revision)
    name = label if revision is None else f"{label}@{revision}"
    return _find_in_folder(
        name, config.parent, asked, specification, {"repository": repository, "revision": config.parent.name}, weights
    )


def _try_download(repository: str, name: str, revision: str | None) -> None:
    """A file that a repository may do without."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    try:
        hf_hub_download(repository, name, revision=revision)
    except (EntryNotFoundError, LocalEntryNotFoundError):
        logger.debug(f"{repository} has no {name}")


def _find_architecture(
    name: str, pretrained: str | None, asked: dict[str, Any], specification: dict[str, Any]
) -> _Source:
    known = open_clip.list_models()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=3) or known[:3]
        raise ValueError(
            f"model={name}: open_clip has no such architecture. Near: {', '.join(near)}. Or use hf-hub:org/name or local-dir:/folder."
        )
    tags = open_clip.list_pretrained_tags_by_model(name)
    if pretrained is None or not (pretrained in tags or Path(pretrained).is_file()):
        asked = (
            "without pretrained the weights would be random"
            if pretrained is None
            else f"pretrained={pretrained} is neither a tag nor a file"
        )
        raise ValueError(
            f"model={name}: {asked}. Expected a checkpoint file or one of the tags {', '.join(tags) or '(none)'}."
        )
    label, revision = f"{name}:{pretrained}", specification.get("revision")
    architecture, options = open_clip.get_model_config(name), {}
    if Path(pretrained).is_file():
        if revision is not None:
            raise ValueError(f"revision={revision}: {pretrained} is a local file and has none. Leave revision out.")
        weights, files = Path(pretrained), {"weights": pretrained}
        preprocess = _usual_preprocess(name, tags, pretrained, {"mean", "std"} <= set(asked)) | asked
        _warn_of_activation(name, tags, pretrained)
    else:
        config = open_clip.get_pretrained_cfg(name, pretrained)
        weights, files = (
            _download_tag(label, config, revision),
            {"tag": pretrained, "repository": config.get("hf_hub", "").strip("/"), "revision": revision},
        )
        preprocess = {setting: config[setting] for setting in _PREPROCESS_SETTINGS if setting in config} | asked
        if config.get("quick_gelu", False):
            # These weights were trained with another activation than the architecture's default.
            options["force_quick_gelu"] = True
            architecture["quick_gelu"] = True
    return _Source(
        label,
        name,
        weights,
        _with_context(architecture, specification),
        preprocess,
        specification.get("context_length"),
        options,
        files,
    )


def _with_context(architecture: dict[str, Any], specification: dict[str, Any]) -> dict[str, Any]:
    length = specification.get("context_length")
    return (
        architecture
        if length is None
        else architecture | {"text_cfg": architecture["text_cfg"] | {"context_length": length}}
    )


def _download_tag(label: str, config: dict[str, Any], revision: str | None) -> Path:
    repository = config.get("hf_hub", "").strip("/")
    if revision is not None and not repository:
        raise ValueError(
            f"revision={revision}: {label} is not on the Hugging Face Hub and has no revisions. Leave revision out."
        )
    try:
        return Path(
            download_pretrained_from_hf(repository, revision=revision)
            if revision is not None
            else download_pretrained(config)
        )
    # The Hub, plain downloads and their caches each have errors of their own.
    except Exception as error:
        raise ValueError(
            f"{label}, revision={revision}: open_clip cannot load its weights: {type(error).__name__}: {error}"
        ) from error


def _usual_preprocess(name: str, tags: list[str], file: str, is_given: bool) -> dict[str, Any]:
    """The preprocessing that all published weights of this architecture share; nothing if there is none and it ``is_given``."""
    found = [open_clip.get_pretrained_cfg(name, tag) for tag in tags]
    settings = [{setting: config[setting] for setting in _PREPROCESS_SETTINGS if setting in config} for config in found]
    if not settings or any(other != settings[0] for other in settings):
        if is_given:
            return {}
        reason = "published weights of it differ in theirs" if settings else "open_clip knows none for it"
        raise ValueError(
            f"model={name}, pretrained={file}: a checkpoint file has no preprocessing settings, and {reason}. {_PREPROCESS_HINT}"
        )
    logger.info(f"{file}: preprocessing as for all published weights of {name}: {settings[0]}")
    return settings[0]


def _warn_of_activation(name: str, tags: list[str], file: str) -> None:
    """A checkpoint file does not say its activation, which shows in no weight."""
    other = [tag for tag in tags if open_clip.get_pretrained_cfg(name, tag).get("quick_gelu", False)]
    if other and not open_clip.get_model_config(name).get("quick_gelu", False):
        logger.warning(
            f"{file}: evaluated with GELU, the default of {name}. If it was fine-tuned from weights with QuickGELU ({loading.named(other)}), its architecture is {name}-quickgelu."
        )


def _given_preprocess(text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    try:
        asked = json.loads(text)
    except ValueError as error:
        raise ValueError(f"preprocess={text}: expected a JSON object: {error}.") from error
    if not isinstance(asked, dict) or not set(asked) <= set(_PREPROCESS_SETTINGS):
        raise ValueError(f"preprocess={text}: expected an object with {', '.join(_PREPROCESS_SETTINGS)}.")
    _check_preprocess(asked, "preprocess")
    return asked


def _check_preprocess(settings: dict[str, Any], where: str) -> None:
    for name, value in settings.items():
        if name in _PREPROCESS_WORDS:
            fits = value in _PREPROCESS_WORDS[name]
        else:
            is_triple = isinstance(value, (list, tuple)) and len(value) == 3 and all(map(_is_number, value))
            fits = is_triple and (name == "mean" or min(value) > 0)
        if not fits:
            expected = " or ".join(_PREPROCESS_WORDS.get(name, ("a list of three numbers, of std above 0",)))
            raise ValueError(f"{where}: {name} is {value}; expected {expected}.")


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


@contextmanager
def _offline_text_tower(source: _Source) -> Iterator[dict[str, Any]]:
    """Where the text tower is a transformers model, its configuration as a local folder, if it is known."""
    text = source.architecture.get("text_cfg", {})
    tower = text.get("hf_model_name")
    beside = source.weights.parent / TEXT_TOWER_FOLDER
    if not tower or Path(tower).is_dir():
        yield {}
    elif beside.is_dir():
        yield {"text_cfg": text | {"hf_model_name": str(beside), "hf_model_pretrained": False}}
    elif tower in TEXT_TOWERS:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "config.json").write_text(json.dumps(TEXT_TOWERS[tower]))
            yield {"text_cfg": text | {"hf_model_name": folder, "hf_model_pretrained": False}}
    else:
        yield {}


def _build(source: _Source, precision: str = "fp32", device: torch.device | str = "cpu") -> torch.nn.Module:
    """The architecture, with weights that mean nothing."""
    # open_clip warns that they are random; they are loaded next, and checked to be all of them.
    initialization = nullcontext() if source.weights.suffix in _NUMPY_SUFFIXES else _WithoutInitialization()
    with _offline_text_tower(source) as overrides, _without_warnings(), initialization:
        try:
            return open_clip.create_model(
                source.model,
                load_weights=False,
                pretrained_text=False,
                precision=precision,
                device=device,
                force_context_length=source.context_length,
                **source.options,
                **overrides,
            )
        # Each configuration has its own way to be wrong.
        except Exception as error:
            tower = source.architecture.get("text_cfg", {}).get("hf_model_name")
            hint = (
                f" If it lacks the configuration of the text tower {tower}, put that as {TEXT_TOWER_FOLDER}/config.json beside the weights."
                if tower
                else ""
            )
            raise ValueError(
                f"{source.name}: open_clip cannot build it: {type(error).__name__}: {error}{hint}"
            ) from error


class _WithoutInitialization(TorchFunctionMode):
    """Leaves weights unset that torch's own layers would fill with random numbers: of large models this takes longer than to load them.

    Only whole functions of initialization are left out, not the sampling of tensors within others,
    some of which sample until they like what they see.
    """

    _FILLING = frozenset((torch.nn.init.normal_, torch.nn.init.uniform_, torch.nn.init.kaiming_uniform_))

    def __torch_function__(
        self, func: Callable, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in self._FILLING:
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)


@contextmanager
def _without_warnings() -> Iterator[None]:
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def _load_weights(module: torch.nn.Module, source: _Source) -> dict[str, str]:
    """Load weights that are exactly those of the architecture.

    open_clip's own loading resizes position embeddings silently.

    Returns:
        The record of keys and prefix under which they were in the file; empty without them.
    """
    where = f"{source.name}: {source.weights}"
    if source.weights.suffix in _NUMPY_SUFFIXES:
        _load_big_vision(module, source.weights, where)
        return {}
    content = state_dicts.read_file(source.weights)
    if source.in_folder:
        weight_files.refuse_others([source.weights], content, source.name)

    def adapt(state: state_dicts.State) -> tuple[fitting.Faults, state_dicts.State]:
        converted = _in_todays_words(dict(state), module)
        return fitting.compare(converted, module), converted

    selection = state_dicts.select(content, adapt, len(module.state_dict()), where)
    module.load_state_dict(selection.adapted, strict=True)
    return selection.record


def _load_big_vision(module: torch.nn.Module, weights: Path, where: str) -> None:
    # open_clip copies only what it finds; weights that it does not find remain NaN.
    with torch.no_grad():
        for values in module.parameters():
            values.fill_(math.nan)
    try:
        open_clip.load_checkpoint(module, str(weights))
    # numpy, missing names and other shapes each have errors of their own.
    except Exception as error:
        raise ValueError(f"{where}: open_clip cannot load it: {type(error).__name__}: {error}") from error
    unset = [name for name, values in module.named_parameters() if bool(values.isnan().all())]
    if unset:
        raise ValueError(
            f"{where}: the file lacks {len(unset)} weights, which would stay random ({loading.named(unset)})."
        )


def _in_todays_words(state: dict[str, torch.Tensor], module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """What open_clip renames and reshapes in checkpoints of older releases and of other libraries."""
    state = convert_state_dict(module, state)
    if "positional_embedding" in state and not hasattr(module, "positional_embedding"):
        state = convert_to_custom_text_state_dict(state)
    state = fitting.with_single_numbers(state, module.state_dict())
    # A buffer that transformers works out since 4.31.
    positions = "text.transformer.embeddings.position_ids"
    if positions not in module.state_dict():
        state.pop(positions, None)
    return state


def _tokenizer(source: _Source) -> Any:
    """The checkpoint's own tokenizer, or the one that its configuration names."""
    text = source.architecture.get("text_cfg", {})
    length = {} if source.context_length is None else {"context_length": source.context_length}
    faults = []
    for name in (source.model, text.get("hf_tokenizer_name")):
        if not name:
            continue
        try:
            if name == source.model:
                return open_clip.get_tokenizer(name, **length)
            settings = (
                {"context_length": text.get("context_length", 77), "tokenizer_mode": text.get("tokenizer_mode")}
                | length
                | text.get("tokenizer_kwargs", {})
            )
            return open_clip.tokenizer.HFTokenizer(name, **settings)
        # transformers' errors for a missing file, a bad file and no network have no common class.
        except Exception as error:
            faults.append(f"{name}: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}")
    raise ValueError(
        f"{source.name}: no tokenizer. Put tokenizer.json and tokenizer_config.json beside the weights. Tried {'; '.join(faults)}"
    )


def _check_tokenizer(tokenizer: Any, module: torch.nn.Module, name: str) -> None:
    """Refuse a tokenizer that is not the text tower's; open_clip's own ones have no vocabulary to ask for."""
    inner = getattr(tokenizer, "tokenizer", None)
    if hasattr(inner, "get_vocab") and len(inner.get_vocab()) > len(inner.all_special_tokens):
        known = getattr(getattr(module, "text", module), "vocab_size", None)
        loading.check_vocabulary(max(inner.get_vocab().values()) + 1, known, name)


def _tokenizer_sha256(tokenizer: Any) -> str:
    """By vocabulary, and by what becomes of texts that try spaces, case, punctuation and length."""
    inner = getattr(tokenizer, "tokenizer", None)
    vocabulary = inner.get_vocab() if hasattr(inner, "get_vocab") else getattr(tokenizer, "encoder", {})
    probe = tokenizer(["", "A cell.", "h&e-STAINED  section\n(5 µm)", "0123456789 " * 40])
    return loading.sha256_of([sorted(vocabulary.items()), probe.tolist()])


def _normalized(vectors: torch.Tensor) -> torch.Tensor:
    # In single precision also where the weights have less.
    return torch.nn.functional.normalize(vectors.float(), dim=-1)
