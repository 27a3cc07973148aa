"""Add the folder of task definitions to the harness's index, which has no entry point for tasks."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator
from typing import Any

from microbench_tasks.harness import run_state
from microbench_tasks.harness.patches.patch import Patch, bind_call, replace
from microbench_tasks.harness.patches.targets import TASK_MANAGER


def include_our_folder(original: Callable) -> Callable:
    """Append the folder of our tasks to the argument ``include_path`` of a function of the harness."""

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        from microbench_tasks.harness import own_tasks
        from microbench_tasks.tasks.definitions import yaml_folder

        call = bind_call(original, args, kwargs)
        included = call.arguments["include_path"]
        paths = [included] if isinstance(included, str) else list(included or [])
        if call.arguments["include_defaults"]:
            # Last, so that a folder that the user includes can redefine one of our tasks.
            paths.append(str(yaml_folder()))
            own_tasks.add_included(included)
            paths += [str(folder)] if (folder := own_tasks.stub_folder()) else []
        call.arguments["include_path"] = paths or None
        with _parsing_yaml_in_c():
            # The fallback is a constructor, which must run each time.
            if original.__name__ == "__init__":
                return original(*call.args, **call.kwargs)
            return _read_once(tuple(map(str, paths)), lambda: original(*call.args, **call.kwargs))

    return wrapped


TASK_INDEX = Patch(
    name="index of tasks",
    replacement=replace(f"{TASK_MANAGER}.initialize_tasks", "include_path include_defaults", include_our_folder),
    fallback=replace(f"{TASK_MANAGER}.__init__", "include_path include_defaults", include_our_folder),
    why="The harness has an entry point for models, but none for tasks.",
    lost='Tasks are not known by name; use: lmms-eval --include_path "$(microbench path)" …',
    removable="The harness reads folders of tasks from an entry point.",
    issue=102,
)


def _read_once(folders: tuple[str, ...], read: Callable[[], Any]) -> Any:
    """Return the index of some folders; where runs of this process share indexes, a copy of what the first one read."""
    indexes = run_state.current.task_indexes
    if indexes is None:
        return read()
    if folders not in indexes:
        indexes[folders] = read()
    return copy.deepcopy(indexes[folders])


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
