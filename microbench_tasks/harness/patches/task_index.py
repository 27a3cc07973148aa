"""Add the folder of task definitions to the harness's index, which has no entry point for tasks."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from microbench_tasks.harness.patches.patch import bind


def include_our_folder(original: Callable) -> Callable:
    """Append the folder of our tasks to the argument ``include_path`` of a function of the harness."""

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        from microbench_tasks.tasks.definitions import yaml_folder

        call = bind(original, args, kwargs)
        included = call.arguments["include_path"]
        paths = [included] if isinstance(included, str) else list(included or [])
        if call.arguments["include_defaults"]:
            # Last, so that a folder that the user includes can redefine one of our tasks.
            paths.append(str(yaml_folder()))
        call.arguments["include_path"] = paths or None
        with _parsing_yaml_in_c():
            return original(*call.args, **call.kwargs)

    return wrapped


@contextlib.contextmanager
def _parsing_yaml_in_c() -> Iterator[None]:
    """Parse the many YAML files of the harness's index with libyaml, if PyYAML was built with it: it is faster."""
    import yaml

    if not yaml.__with_libyaml__:
        yield
        return

    class Loader(yaml.CFullLoader):
        pass

    original = yaml.full_load

    def full_load(stream: Any) -> Any:
        # Looked up for each file: the harness adds its constructor for ``!function`` between two files.
        Loader.yaml_constructors = yaml.FullLoader.yaml_constructors
        try:
            return yaml.load(stream, Loader)
        except yaml.YAMLError:
            # libyaml rejects some input that the pure Python parser accepts.
            stream.seek(0)
            return original(stream)

    yaml.full_load = full_load
    try:
        yield
    finally:
        yaml.full_load = original
