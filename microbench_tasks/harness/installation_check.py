"""Check an installation: its packages, its data, and the patches of the harness."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, requires, version

from packaging.requirements import Requirement

from microbench_tasks import catalog
from microbench_tasks.data import hub, task_data
from microbench_tasks.data.own_datasets import setting
from microbench_tasks.data.release_on_hub import release_files
from microbench_tasks.harness import installed_version
from microbench_tasks.harness.patches import installation
from microbench_tasks.submissions import data_kinds
from microbench_tasks.util.errors import DataError
from microbench_tasks.util.installed_commit import DISTRIBUTION


@dataclass
class Part:
    """Hold what was checked in one part.

    Attributes:
        title: of the part.
        lines: what was found.
        problems: what must be fixed before a run, with advice.
    """

    title: str
    lines: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def check(*, describes_patches: bool = False) -> Iterator[Part]:
    """Check packages, devices, data and patches.

    Args:
        describes_patches: whether to describe each patch, instead of naming it.
    """
    yield check_packages()
    yield check_devices()
    yield check_data()
    yield check_own_data()
    yield check_patches(describes_patches)


def check_packages() -> Part:
    """Compare the installed packages with the requirements of this one."""
    part = Part("Packages", [f"Python {platform.python_version()}", installed_version.describe()])
    requirements = [Requirement(text) for text in requires(DISTRIBUTION) or ()]
    fitting: list[str] = []
    for requirement in requirements:
        # Optional packages have the marker of their extra.
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            installed = version(requirement.name)
        except PackageNotFoundError:
            part.problems.append(f"{requirement.name} is not installed. Install it: pip install '{requirement}'")
            continue
        if installed in requirement.specifier:
            fitting.append(f"{requirement.name}=={installed}")
        else:
            part.problems.append(
                f"{requirement.name} {installed} does not fit {requirement.specifier}. "
                f"Install another version: pip install '{requirement}'"
            )
    part.lines.append(", ".join(fitting))
    return part


def check_devices() -> Part:
    """List the GPUs that torch can use; their lack is no problem."""
    import torch

    gpus = [torch.cuda.get_device_properties(number) for number in range(torch.cuda.device_count())]
    lines = [f"cuda:{number}: {gpu.name}, {gpu.total_memory / 2**30:.0f} GiB" for number, gpu in enumerate(gpus)]
    return Part("Devices", lines or ["no GPU that torch can use; models run on the CPU"])


def check_own_data() -> Part:
    """Resolve the datasets that ``MICROBENCH_OWN`` names."""
    part = Part("Own datasets")
    try:
        for dataset in setting.installed().values():
            for task in dataset.tasks:
                task_data.resolve(task)
            names = ", ".join(task.name for task in dataset.tasks)
            part.lines.append(f"{names}: {dataset.description.num_images:,} images, {dataset.folder}")
    except DataError as error:
        part.problems.append(str(error))
    if not part.lines and not part.problems:
        part.lines.append(f"none; {setting.SETTING} names them")
    return part


def check_data() -> Part:
    """Resolve the data of perception and of cognition questions; nothing is downloaded."""
    part = Part("Data")
    perception, cognition = catalog.task_of("microbench_coarse_modality"), catalog.task_of(catalog.COGNITION_TASK)
    try:
        part.lines.append(f"Micrographs and questions: {_describe_data(perception)}")
    except DataError as error:
        part.problems.append(str(error))
    try:
        part.lines.append(f"Cognition questions: {_describe_data(cognition)}")
    except DataError as error:
        # Not a problem: these questions are not public, and all other tasks run without them.
        part.lines.append(f"Cognition questions: not available. {error}")
    return part


def _describe_data(task: catalog.Task) -> str:
    data = task_data.resolve(task)
    mark = str(data.identity.get("revision") or data.identity.get("sha256") or "no hash")[:12]
    place = f"complete, in {data.path}" if data.path else _what_is_missing()
    return f"{data.label} ({data_kinds.classify_source(data.identity)} data, {mark}), {place}"


def _what_is_missing() -> str:
    """Say how much of the release is not in the Hub's cache."""
    release = release_files()
    return (
        f"{len(hub.missing(release))} of {len(release.hashes)} files not downloaded; the first run downloads them "
        f"({release.size} in all)"
    )


def check_patches(describes_each: bool = False) -> Part:
    """Compare the patches of the harness with the installed harness.

    Args:
        describes_each: whether to describe each patch, instead of naming it.
    """
    rows = list(installation.examine())
    render = installation.as_table if describes_each else installation.as_list
    lost = [f"The patch '{patch.name}' cannot be installed. {patch.lost}" for patch in installation.lost_patches(rows)]
    return Part("Patches of lmms-eval", render(rows).splitlines(), lost)
