"""Load configurations, processors and weights with transformers, and check that weights fit exactly."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import transformers

from microbench_adapters.checkpoints import (
    fitting,
    folder_kinds,
    loading,
    repositories,
    selection,
    state_dicts,
    weight_files,
)

# Generation settings, beside weights of models that write text.
_GENERATION_FILE = "generation_config.json"
# Checkpoints of older releases contain this buffer, which newer ones compute.
_POSITIONS = "position_ids"


def load_config(model: str, revision: str | None, *, trust_remote_code: bool = False) -> Any:
    """Return the configuration of a repository on the Hub or of a local folder.

    Args:
        model: a repository on the Hub or a local folder.
        revision: commit, branch or tag of the repository.
        trust_remote_code: run the code that comes with it, if transformers has none of its own.

    Raises:
        ValueError: there is none, or a folder is given a revision.
    """
    folder = Path(model)
    # No name on the Hub begins with these.
    if model.startswith((".", "/", "~")) and not folder.exists():
        raise ValueError(f"model={model}: no such folder here ({Path.cwd()}).")
    if folder.is_dir() and revision is not None:
        raise ValueError(f"revision={revision}: {model} is a local folder and has none. Leave revision out.")
    if folder.is_dir():
        folder_kinds.check_transformers(folder, f"model={model}")
    config = from_pretrained(transformers.AutoConfig, model, revision, trust_remote_code=trust_remote_code)
    weight_files.refuse_quantized(config.to_dict(), f"model={model}")
    return config


def from_pretrained(
    auto: Any, model: str, revision: str | None, *, trust_remote_code: bool = False, **options: Any
) -> Any:
    """Load a configuration, a processor or a tokenizer; code of the checkpoint runs only with ``trust_remote_code``.

    Raises:
        ValueError: the class ``auto`` of transformers cannot load it.
    """
    try:
        return auto.from_pretrained(
            model,
            revision=revision,
            trust_remote_code=trust_remote_code and not _is_known(model, revision),
            **options,
        )
    # transformers' errors for a missing file, a bad file and no network have no common class.
    except Exception as error:
        folder = Path(model)
        reason = f"{type(error).__name__}: {error}" if folder.is_dir() else repositories.explain(error)
        raise ValueError(
            f"model={model}, revision={revision}: {auto.__name__} cannot load it: {reason} {missing_files_hint(folder)}"
        ) from error


def _is_known(model: str, revision: str | None) -> bool:
    """Tell whether transformers has code of its own for a checkpoint's type; it would prefer the checkpoint's."""
    stated, _ = transformers.PretrainedConfig.get_config_dict(model, revision=revision)
    return stated.get("model_type") in transformers.CONFIG_MAPPING


def missing_files_hint(folder: Path) -> str:
    """Return what a model needs, for the message that something is missing."""
    if not folder.is_dir():
        return "Expected a repository on the Hub, or a local folder."
    return (
        f"{folder} needs config.json, preprocessor_config.json and the tokenizer's files; fine-tuned checkpoints "
        "often lack the last two. Copy them from the base model, or name the base as model and the weights as "
        "pretrained."
    )


def load_module(
    model_class: Any, model: str, revision: str | None, config: Any, dtype: torch.dtype = torch.float32
) -> tuple[torch.nn.Module, dict[str, str]]:
    """Load the weights of a folder or repository.

    Args:
        model_class: the class of transformers to build.
        model: a repository on the Hub or a local folder.
        revision: commit, branch or tag of the repository.
        config: the configuration to build it from.
        dtype: of the weights.

    Returns:
        The module, and the record of the weight files.

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
    module, taken_from = module_of(model_class, config, content, where, dtype)
    if (folder / _GENERATION_FILE).is_file() and module.can_generate():
        module.generation_config = from_pretrained(transformers.GenerationConfig, str(folder), None)
    return module, {"weights": loading.summarize_names(path.name for path in files)} | taken_from


def module_of(
    model_class: Any, config: Any, content: Any, where: str, dtype: torch.dtype = torch.float32
) -> tuple[Any, dict[str, str]]:
    """Load the weights in the ``content`` of a checkpoint into a new module, with weights of type ``dtype``.

    Returns:
        The module, and the record of the key and prefix of its weights.

    Raises:
        ValueError: the weights are not exactly those of the architecture; with the cause.
    """
    with torch.device("meta"):
        expected = model_class(copy.deepcopy(config)).state_dict()
    buffers = [name for name, values in expected.items() if not values.is_floating_point()]
    integer_names = {name.rpartition(".")[2] for name in buffers} | {_POSITIONS}

    def adapt(state: state_dicts.State) -> tuple[fitting.Faults, torch.nn.Module]:
        options = {"dtype": dtype, "output_loading_info": True, "ignore_mismatched_sizes": True}
        try:
            # Without a folder transformers cannot add anything, such as an adapter.
            with _without_warnings():
                weights = fitting.with_single_numbers(state, expected)
                module, report = model_class.from_pretrained(None, config=config, state_dict=weights, **options)
        # transformers' errors for weights that it cannot convert have no common class.
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            raise ValueError(f"{where}: transformers cannot load its weights: {reason}") from error
        return _faults(report, state, expected, integer_names, model_class.__name__), module

    selected = selection.select(content, adapt, len(expected), where)
    return selected.adapted, selected.record


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
    report: Mapping[str, Any],
    state: state_dicts.State,
    expected: state_dicts.State,
    integer_names: set[str],
    architecture: str,
) -> fitting.Faults:
    """Collect what transformers reports, and weights that it would cast silently."""
    lists = (report["missing_keys"], report["unexpected_keys"])
    missing, unexpected = ([name for name in names if not name.endswith(_POSITIONS)] for names in lists)
    return fitting.Faults(
        expected={name: values.shape for name, values in expected.items()},
        missing=missing,
        unexpected=unexpected,
        mismatched=[
            f"{name}: {tuple(shape)}, expected {tuple(wanted)}" for name, shape, wanted in report["mismatched_keys"]
        ],
        other_kind=[
            f"{name}: {values.dtype}, expected {torch.float32}"
            for name, values in state.items()
            if not fitting.is_float(values) and name.rpartition(".")[2] not in integer_names and name not in unexpected
        ],
        architecture=architecture,
    )


def image_settings(image_processor: Any) -> dict[str, Any]:
    """Return the image processor's settings without the names of its files and of the release that wrote them."""
    names_of_classes = ("_processor_class", "processor_class", "image_processor_type", "feature_extractor_type")
    settings = json.loads(image_processor.to_json_string())
    return {
        name: value for name, value in sorted(settings.items()) if name not in names_of_classes and value is not None
    }
