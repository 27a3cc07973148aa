"""``microbench models``: list the models that this package adds to the harness."""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from microbench_tasks.cli.columns import two_columns
from microbench_tasks.cli.command import Command
from microbench_tasks.util.errors import DataError

if TYPE_CHECKING:
    from microbench_adapters.commands.model_overview import Description

_KINDS = {
    "contrastive": "Contrastive models: choose among given texts, so they give no boxes",
    "generative": "Generative models: write answers, boxes too",
    "random": "For comparison",
}


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME", help="show this model in full")
    parser.add_argument("--kind", choices=list(_KINDS), help="only models of this kind")
    parser.add_argument("--installed", action="store_true", help="only models that can run in this environment")
    parser.add_argument("--json", action="store_true", help="print JSON for scripts")


def _run(options: argparse.Namespace) -> None:
    models = describe_models()
    if options.name is not None:
        models = [_chosen(models, options.name)]
    models = [
        model
        for model in models
        if options.kind in (None, model.kind) and not (options.installed and missing_for(model))
    ]
    if options.json:
        print(
            json.dumps(
                [
                    {
                        **dataclasses.asdict(model),
                        "arguments": _arguments_of(model),
                        "can_run": not missing_for(model),
                    }
                    for model in models
                ],
                indent=1,
            )
        )
    elif options.name is not None:
        print("\n".join(line for model in models for line in _in_full(model)))
    else:
        print("\n".join(_overview(models)))


def describe_models() -> list[Description]:
    """Describe every model of this package."""
    from microbench_adapters.commands import model_overview

    return model_overview.describe_models()


def _arguments_of(model: Description) -> dict[str, str]:
    from microbench_adapters.commands import model_overview

    return model_overview.arguments_of(model.name)


def _chosen(models: list[Description], name: str) -> Description:
    by_name = {model.name: model for model in models}
    if name not in by_name:
        raise DataError(
            f"{name}: no model of this package. It has {', '.join(by_name)}. lmms_eval models lists those of lmms-eval."
        )
    return by_name[name]


def missing_for(model: Description) -> str:
    """Return why a model cannot run in this environment, with the command that mends it; empty if it can run."""
    from microbench_tasks.harness import model_environments

    if model.missing:
        return f"not installed: pip install {' '.join(model.missing)}"
    try:
        model_environments.check(model.name)
    except DataError as error:
        return str(error)
    return ""


def _overview(models: list[Description]) -> Iterator[str]:
    width = max((len(model.name) for model in models), default=0)
    for kind, title in _KINDS.items():
        of_kind = [model for model in models if model.kind == kind]
        if of_kind:
            yield f"{title}\n"
            yield from two_columns(((model.name, _in_brief(model)) for model in of_kind), name_width=width)
            yield ""
    yield "microbench models NAME shows one in full, with its --model_args."
    yield "lmms_eval models lists the models of lmms-eval, which can be evaluated, too."


def _in_brief(model: Description) -> str:
    missing = missing_for(model)
    return f"{model.loads}{f' [{missing}]' if missing else ''}"


def _in_full(model: Description) -> Iterator[str]:
    defaults = _arguments_of(model)
    arguments = (f"{name}={default}" if default else f"{name}=…" for name, default in defaults.items())
    given = [name for name, default in defaults.items() if not default]
    needed = f" --model_args {','.join(f'{name}=…' for name in given)}" if given else ""
    group = "microbench_vqa" if model.kind == "contrastive" else "microbench"
    yield f"{model.name} ({model.kind})\n"
    rows = {
        "loads": model.loads,
        "loaded by": model.loaded_by if model.loaded_by != model.name else "",
        "described at": model.source,
        "needs": ", ".join(model.packages),
        "can run here": missing_for(model) or "yes",
        "arguments": ", ".join(arguments),
        "type": f"lmms_eval --model {model.name}{needed} --tasks {group}",
    }
    commands = ("type", "can run here") if model.missing else ("type",)
    yield from two_columns(((name, text) for name, text in rows.items() if text), unwrapped=commands)


COMMAND = Command(
    name="models",
    summary="list the models of this package",
    description="List the models that this package adds to lmms-eval: what each loads, what it needs installed, and "
    "whether it can run here. With a name, show one in full, with its arguments. No weights are loaded.",
    examples=("microbench models", "microbench models --kind contrastive --installed", "microbench models plip"),
    add_options=_add_options,
    run=_run,
)
