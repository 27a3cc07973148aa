"""Add the folder of task definitions to the harness's index, which has no entry point for tasks."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from microbench_tasks.patches.patch import bind


def include_our_folder(original: Callable) -> Callable:
    """Wrap a function with the parameters ``include_path`` and ``include_defaults``."""

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        from microbench_tasks.plugin import yaml_folder

        call = bind(original, args, kwargs)
        included = call.arguments["include_path"]
        paths = [included] if isinstance(included, str) else list(included or [])
        if call.arguments["include_defaults"]:
            # Last, so that a folder the user includes can redefine a task of ours.
            paths.append(str(yaml_folder()))
        call.arguments["include_path"] = paths or None
        with _parsing_yaml_in_c():
            return original(*call.args, **call.kwargs)

    return wrapped


@contextlib.contextmanager
def _parsing_yaml_in_c() -> Iterator[None]:
    """Let the harness read the many files of its index with libyaml, where PyYAML has it, instead of in Python."""
    import yaml

    if not yaml.__with_libyaml__:
        yield
        return

    class Loader(yaml.CFullLoader):
        pass

    original = yaml.full_load

    def full_load(stream: Any) -> Any:
        # Looked up again for each file: the harness adds its constructor of functions between them.
        Loader.yaml_constructors = yaml.FullLoader.yaml_constructors
        try:
            return yaml.load(stream, Loader)
        except yaml.YAMLError:
            # libyaml refuses a few things that the parser in Python accepts.
            stream.seek(0)
            return original(stream)

    yaml.full_load = full_load
    try:
        yield
    finally:
        yaml.full_load = original
