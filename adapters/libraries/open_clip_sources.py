"""Find the parts of an open_clip checkpoint: architecture, weights, and preprocessing settings."""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import open_clip
from loguru import logger
from open_clip.factory import parse_model_name
from open_clip.pretrained import download_pretrained, download_pretrained_from_hf

from microbench_adapters.checkpoints import folder_kinds, repositories, weight_files
from microbench_adapters.checkpoints.loading import summarize_names
from microbench_adapters.libraries.open_clip_preprocessing import (
    PREPROCESS_HINT,
    check_preprocess,
    parse_preprocess,
    pick_preprocess,
)

CONFIG_FILE = "open_clip_config.json"
WEIGHTS_FILE = "open_clip_model.safetensors"
_WEIGHT_PATTERNS = ("*.safetensors", "*.bin", "*.pth", "*.pt")
_WEIGHT_STEMS = ("open_clip_model", "open_clip_pytorch_model")
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


@dataclass(frozen=True)
class Source:
    """Where the parts of one checkpoint are.

    Attributes:
        name: what the user called the checkpoint.
        model: what open_clip calls the model.
        weights: the file of the weights.
        architecture: open_clip's configuration of the model.
        preprocess: the preprocessing settings of the checkpoint.
        context_length: in tokens; None for that of the architecture.
        options: further arguments of ``open_clip.create_model``.
        files: the entry of the results file.
        in_folder: whether the weights come from a folder, which may contain others.
    """

    name: str
    model: str
    weights: Path
    architecture: dict[str, Any]
    preprocess: dict[str, Any]
    context_length: int | None
    options: dict[str, Any] = field(default_factory=dict)
    files: dict[str, Any] = field(default_factory=dict)
    in_folder: bool = False


def find_source(spec: dict[str, Any]) -> Source:
    """Resolve a specification, and check everything that can be wrong before a model is built.

    Raises:
        ValueError: an argument is wrong, or a part does not exist; with what to type instead.
    """
    model, pretrained = spec["model"], spec.get("pretrained")
    if Path(model).is_dir():
        model = f"local-dir:{model}"
    schema, name = parse_model_name(model)
    preprocess = parse_preprocess(spec.get("preprocess"))
    if schema is None:
        return _find_architecture(name.replace("/", "-"), pretrained, preprocess, spec)
    if pretrained is not None:
        raise ValueError(
            f"pretrained={pretrained}: {model} brings its own weights. "
            "Leave pretrained out, or name an architecture as model."
        )
    if schema == "hf-hub":
        return _find_on_hub(model, name, preprocess, spec)
    if spec.get("revision") is not None:
        raise ValueError(f"revision={spec['revision']}: {model} is a local folder and has none. Leave revision out.")
    return _find_in_folder(model, Path(name), preprocess, spec, {"folder": name})


# --- a folder, or a repository of the Hub ---


def find_weights(folder: Path, where: str) -> list[Path]:
    """Return the file of the weights in a folder.

    Raises:
        ValueError: there is none or more than one, or the folder is of another library.
    """
    label = where.partition("=")[2]
    _read_config(folder, label)
    return [_weights_in(folder, label)]


def _find_in_folder(
    label: str,
    folder: Path,
    preprocess_option: dict[str, Any],
    spec: dict[str, Any],
    files: dict[str, Any],
    file: Path | None = None,
) -> Source:
    """Read a folder in open_clip's layout, with its weights in ``file``, or in the only file that can be meant."""
    config = _read_config(folder, label)
    weight_files.refuse_adapters(folder, f"model={label}")
    file = file or _weights_in(folder, label)
    preprocess = pick_preprocess(config.get("preprocess_cfg", {})) | preprocess_option
    if not {"mean", "std"} <= set(preprocess):
        raise ValueError(
            f"model={label}: {CONFIG_FILE} has no preprocess_cfg with mean and std, and open_clip would take CLIP's. "
            f"{PREPROCESS_HINT}"
        )
    check_preprocess(preprocess, f"model={label}, {CONFIG_FILE}")
    return Source(
        name=label,
        model=f"local-dir:{folder}",
        weights=file,
        architecture=_with_context(config["model_cfg"], spec),
        preprocess=preprocess,
        context_length=spec.get("context_length"),
        files=files | {"weights": file.name},
        in_folder=True,
    )


def _read_config(folder: Path, label: str) -> dict[str, Any]:
    path = folder / CONFIG_FILE
    if not path.is_file():
        raise ValueError(
            f"model={label}: expected a folder with {CONFIG_FILE} and weights (safetensors, bin or pth); "
            f"{folder} has no such file.{folder_kinds.suggest_model(folder)}"
        )
    try:
        config = json.loads(path.read_text())
        config["model_cfg"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"model={label}: {path} is not open_clip's: expected JSON with model_cfg and preprocess_cfg "
            f"({type(error).__name__}: {error})."
        ) from error
    return config


def _weights_in(folder: Path, label: str) -> Path:
    matches = (path for pattern in _WEIGHT_PATTERNS for path in sorted(folder.glob(pattern)))
    # Hidden files are no weights: macOS leaves a ``._name`` for each file that it copies.
    paths = [path for path in matches if path.is_file() and not path.name.startswith(".")]
    usual = [path for path in paths if path.stem in _WEIGHT_STEMS]
    if not paths:
        raise ValueError(
            f"model={label}: expected weights (safetensors, bin or pth) beside {CONFIG_FILE}; {folder} has none."
        )
    # One checkpoint in two formats is one checkpoint.
    if not usual and len({path.stem for path in paths}) > 1:
        raise ValueError(
            f"model={label}: {folder} contains several checkpoints ({summarize_names(path.name for path in paths)}). "
            f"Call the one meant {WEIGHTS_FILE}, or name an architecture as model and the file as pretrained."
        )
    return (usual or paths)[0]


def _find_on_hub(label: str, repository: str, preprocess_option: dict[str, Any], spec: dict[str, Any]) -> Source:
    """Download a repository of the Hub, or find it in the Hub's cache, and read it as a folder."""
    revision = spec.get("revision")
    try:
        config = Path(download_pretrained_from_hf(repository, filename=CONFIG_FILE, revision=revision))
        weights = Path(download_pretrained_from_hf(repository, revision=revision))
    except FileNotFoundError as error:
        raise ValueError(
            f"model={label}, revision={revision}: {repositories.explain(error)} If it is a repository of transformers, "
            f"use --model transformers_clip --model_args model={repository}."
        ) from error
    for name in _FURTHER_FILES:
        repositories.download_optional(repository, name, revision)
    name = label if revision is None else f"{label}@{revision}"
    files = {"repository": repository, "revision": config.parent.name}
    return _find_in_folder(name, config.parent, preprocess_option, spec, files, weights)


# --- an architecture with a tag or a checkpoint file ---


def _find_architecture(
    name: str, pretrained: str | None, preprocess_option: dict[str, Any], spec: dict[str, Any]
) -> Source:
    known = open_clip.list_models()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=3) or known[:3]
        raise ValueError(
            f"model={name}: open_clip has no such architecture. Near: {', '.join(near)}. "
            "Or use hf-hub:org/name or local-dir:/folder."
        )
    tags = open_clip.list_pretrained_tags_by_model(name)
    if pretrained is not None and Path(pretrained).is_file():
        return _source_of_file(name, tags, pretrained, preprocess_option, spec)
    # No tag has a slash or the ending of a file.
    if pretrained is not None and ("/" in pretrained or Path(pretrained).suffix):
        raise ValueError(f"pretrained={pretrained}: no such file here ({Path.cwd()}).")
    if pretrained is None or pretrained not in tags:
        fault = (
            "without pretrained the weights would be random"
            if pretrained is None
            else f"pretrained={pretrained} is neither a tag nor a file"
        )
        raise ValueError(
            f"model={name}: {fault}. Expected a checkpoint file or one of the tags {', '.join(tags) or '(none)'}."
        )
    return _source_of_tag(name, pretrained, preprocess_option, spec)


def _source_of_file(
    name: str, tags: list[str], file: str, preprocess_option: dict[str, Any], spec: dict[str, Any]
) -> Source:
    if (revision := spec.get("revision")) is not None:
        raise ValueError(f"revision={revision}: {file} is a local file and has none. Leave revision out.")
    is_given = {"mean", "std"} <= set(preprocess_option)
    preprocess = _published_preprocess(name, tags, file, is_given) | preprocess_option
    _warn_of_activation(name, tags, file)
    return Source(
        name=f"{name}:{file}",
        model=name,
        weights=Path(file),
        architecture=_with_context(open_clip.get_model_config(name), spec),
        preprocess=preprocess,
        context_length=spec.get("context_length"),
        files={"weights": file},
    )


def _source_of_tag(name: str, tag: str, preprocess_option: dict[str, Any], spec: dict[str, Any]) -> Source:
    config, architecture = open_clip.get_pretrained_cfg(name, tag), open_clip.get_model_config(name)
    label, revision, options = f"{name}:{tag}", spec.get("revision"), {}
    weights = _download_tag(label, config, revision)
    if config.get("quick_gelu", False):
        # These weights were trained with another activation than the architecture's default.
        options["force_quick_gelu"] = True
        architecture["quick_gelu"] = True
    return Source(
        name=label,
        model=name,
        weights=weights,
        architecture=_with_context(architecture, spec),
        preprocess=pick_preprocess(config) | preprocess_option,
        context_length=spec.get("context_length"),
        options=options,
        files={"tag": tag, "repository": config.get("hf_hub", "").strip("/"), "revision": revision},
    )


def _with_context(architecture: dict[str, Any], spec: dict[str, Any]) -> dict[str, Any]:
    length = spec.get("context_length")
    if length is None:
        return architecture
    return architecture | {"text_cfg": architecture["text_cfg"] | {"context_length": length}}


def _download_tag(label: str, config: dict[str, Any], revision: str | None) -> Path:
    repository = config.get("hf_hub", "").strip("/")
    if revision is not None and not repository:
        raise ValueError(
            f"revision={revision}: {label} is not on the Hugging Face Hub and has no revisions. Leave revision out."
        )
    try:
        if revision is not None:
            return Path(download_pretrained_from_hf(repository, revision=revision))
        return Path(download_pretrained(config))
    # The Hub, plain downloads and their caches each have errors of their own.
    except Exception as error:
        raise ValueError(
            f"{label}, revision={revision}: open_clip cannot load its weights: {repositories.explain(error)}"
        ) from error


def _published_preprocess(name: str, tags: list[str], file: str, is_given: bool) -> dict[str, Any]:
    """Return the preprocessing that all published weights of this architecture share.

    Raises:
        ValueError: there is none, and the user gave none (``is_given``).
    """
    settings = [pick_preprocess(open_clip.get_pretrained_cfg(name, tag)) for tag in tags]
    if not settings or any(other != settings[0] for other in settings):
        if is_given:
            return {}
        reason = "published weights of it differ in theirs" if settings else "open_clip knows none for it"
        raise ValueError(
            f"model={name}, pretrained={file}: a checkpoint file has no preprocessing settings, and {reason}. "
            f"{PREPROCESS_HINT}"
        )
    logger.info(f"{file}: preprocessing as for all published weights of {name}: {settings[0]}")
    return settings[0]


def _warn_of_activation(name: str, tags: list[str], file: str) -> None:
    """Warn if the activation is ambiguous: a checkpoint file does not state it, and it shows in no weight."""
    other = [tag for tag in tags if open_clip.get_pretrained_cfg(name, tag).get("quick_gelu", False)]
    if other and not open_clip.get_model_config(name).get("quick_gelu", False):
        logger.warning(
            f"{file}: evaluated with GELU, the default of {name}. If it was fine-tuned from weights with QuickGELU "
            f"({summarize_names(other)}), its architecture is {name}-quickgelu: type model={name}-quickgelu."
        )
