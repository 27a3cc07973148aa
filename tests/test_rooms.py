"""Claims about the rooms of the packages: a room imports only rooms below it, and there are no cycles."""

from __future__ import annotations

import ast
import functools
import graphlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = {"microbench_tasks": ROOT / "microbench_tasks", "microbench_adapters": ROOT / "adapters"}
# From the ground floor up: a room imports itself and rooms of lower floors.
FLOORS = (
    {"util"},
    {"metrics", "render"},
    {"catalog"},
    {"parsing", "demo"},
    {"data"},
    {"tasks"},
    {"runs"},
    {"submissions"},
    {"analysis"},
    {"leaderboard", "report"},
    {"api"},
    {"harness"},
    {"cli"},
)
ADAPTER_FLOORS = ({"models", "checkpoints"}, {"libraries"}, {"manifests", "named_models"}, {"commands"})
# No name stands in both packages.
FLOOR_OF_ROOM = {
    room: number for floors in (FLOORS, ADAPTER_FLOORS) for number, rooms in enumerate(floors) for room in rooms
}


def modules() -> dict[str, Path]:
    """Return the file of each module of both packages."""
    return {
        ".".join((package, *path.relative_to(folder).with_suffix("").parts)).removesuffix(".__init__"): path
        for package, folder in FOLDERS.items()
        for path in sorted(folder.rglob("*.py"))
    }


FILES = modules()


def imports_of(module: str) -> set[str]:
    """Return the modules of both packages that a module imports, at its top or within a function."""
    names = set()
    for node in ast.walk(ast.parse(FILES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import in line {node.lineno}"
            # A module that is imported from its package is an import of the package's `__init__`, too.
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names & FILES.keys() - {module}


@functools.cache
def imports() -> dict[str, set[str]]:
    """Return what each module imports of both packages."""
    return {module: imports_of(module) for module in FILES}


def room_of(module: str) -> str | None:
    _, *parts = module.split(".")
    return parts[0] if parts else None


def test_every_module_is_in_a_room():
    assert {room_of(module) for module in FILES} - {None} == FLOOR_OF_ROOM.keys()


def test_a_room_imports_only_rooms_below_it():
    upward = [
        f"{module} -> {other}"
        for module, others in imports().items()
        for other in others
        if (room := room_of(module)) and (above := room_of(other)) and room != above
        if FLOOR_OF_ROOM[above] >= FLOOR_OF_ROOM[room]
    ]
    print(f"{len(FILES)} modules, {sum(map(len, imports().values()))} imports, {len(upward)} upward")
    assert upward == []


def test_no_modules_import_each_other_in_a_cycle():
    try:
        order = list(graphlib.TopologicalSorter(imports()).static_order())
    except graphlib.CycleError as error:
        pytest.fail(f"cycle: {' -> '.join(error.args[1])}")
    assert len(order) == len(FILES)


def test_models_know_nothing_of_the_benchmark_and_only_commands_know_the_models():
    across = {
        (module, other)
        for module, others in imports().items()
        for other in others
        if module.partition(".")[0] != other.partition(".")[0]
    }
    assert {(room_of(module), other) for module, other in across if room_of(module) != "cli"} == set()
