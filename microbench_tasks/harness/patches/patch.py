"""Describe a patch of the harness, and install each patch independently of the others."""

from __future__ import annotations

import functools
import importlib.util
import inspect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from typing import Any

from loguru import logger

from microbench_tasks.harness.patches.targets import Finding, Fit, Target

Wrap = Callable[[Callable], Callable]


@dataclass(frozen=True)
class Replacement:
    """Replace ``target`` with ``wrap(target)``; the wrapper also calls ``uses``, which are not replaced."""

    target: Target
    wrap: Wrap | None
    uses: tuple[Target, ...] = ()

    def findings(self, *, import_all: bool = False) -> Iterator[tuple[Target, Finding]]:
        for target in (self.target, *self.uses):
            yield target, target.examine(import_all=import_all)


@dataclass(frozen=True)
class Patch:
    """Describe one patch of the harness.

    Attributes:
        name: unique, in a few words.
        ways: alternative replacements; the first that fits is installed.
        why: what the harness does without the patch.
        lost: what a run lacks without the patch, as a sentence for users.
        since: the first version of lmms-eval that it was tested with.
        upstream: URL of an issue of the harness about the same need.
        elsewhere: module that makes the change itself; `Installer` skips such a patch.
    """

    name: str
    ways: tuple[Replacement, ...]
    why: str
    lost: str
    since: str = "0.7.3"
    upstream: str = ""
    elsewhere: str = ""


class Installer:
    """Install each patch once; patches of modules that are still being imported wait.

    The harness has no hook for "the evaluator has been imported". So every replaced function first installs the
    patches that wait, whenever it is called.
    """

    def __init__(self, patches: Iterable[Patch]) -> None:
        self._outstanding = [patch for patch in patches if not patch.elsewhere]
        self.installed: list[str] = []

    def install(self) -> None:
        """Install the patches that fit, and warn once of those that do not fit.

        Never raises: runs of other benchmarks must go on.
        """
        outstanding, self._outstanding = self._outstanding, []
        lost = []
        for patch in outstanding:
            try:
                problems = self._install(patch)
            # Importing or inspecting the harness may raise any exception.
            except Exception as error:
                problems = f"{type(error).__name__}: {error}"
            if problems:
                lost.append(f"{patch.name} ({problems}): {patch.lost}")
        if lost:
            logger.warning(
                f"Micro-Bench: lmms-eval {harness_version()} differs from the versions that were tested. "
                "The tasks run, but these patches could not be installed:\n- " + "\n- ".join(lost)
            )

    def _install(self, patch: Patch) -> str:
        """Install one patch, or keep it for later; return what does not fit, or an empty text."""
        problems = []
        for way in patch.ways:
            findings = dict(way.findings())
            if any(finding.fit is Fit.NOT_IMPORTED for finding in findings.values()):
                self._outstanding.append(patch)
                return ""
            wrong = [f"{target.path} {found.detail}" for target, found in findings.items() if found.fit is not Fit.OK]
            if not wrong:
                way.target.replace(functools.partial(self._wrap, way.wrap))
                self.installed.append(patch.name)
                return ""
            problems += wrong
        return "; ".join(problems)

    def _wrap(self, wrap: Wrap, original: Callable) -> Callable:
        wrapped = wrap(original)

        @functools.wraps(original)
        def replaced(*args: Any, **kwargs: Any) -> Any:
            if self._outstanding:
                self.install()
            return wrapped(*args, **kwargs)

        return replaced


def bind(function: Callable, args: tuple[Any, ...], kwargs: dict[str, Any]) -> inspect.BoundArguments:
    """Return a call's arguments by name, defaults included."""
    call = inspect.signature(function).bind(*args, **kwargs)
    call.apply_defaults()
    return call


def harness_version() -> str:
    """Return the version of the lmms-eval that Python imports, if it is the installed one."""
    imported = importlib.util.find_spec("lmms_eval")
    try:
        installed = distribution("lmms-eval")
    except PackageNotFoundError:
        return "of an unknown version"
    is_installed = imported is not None and imported.origin == str(installed.locate_file("lmms_eval/__init__.py"))
    return installed.version if is_installed else "of an unknown version"
