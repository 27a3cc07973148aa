"""Describe patches of the harness, and install each patch independently of the others."""

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
_ISSUES = "https://github.com/EvolvingLMMs-Lab/lmms-eval/issues"


@dataclass(frozen=True)
class Replacement:
    """Replace one function of the harness.

    Attributes:
        target: the function to replace.
        wrap: returns the replacement of a given function; None if another module makes the change.
        uses: what the replacement calls, too; not replaced.
    """

    target: Target
    wrap: Wrap | None
    uses: tuple[Target, ...] = ()

    def examine(self, *, import_all: bool = False) -> Iterator[tuple[Target, Finding]]:
        """Compare all targets with the installed harness; see `Target.examine`."""
        for target in (self.target, *self.uses):
            yield target, target.examine(import_all=import_all)


def replace(path: str, parameters: str, wrap: Wrap | None, *uses: Target) -> Replacement:
    """Build a `Replacement`; ``parameters`` are the names that the target's signature must contain, with spaces."""
    return Replacement(Target(path, tuple(parameters.split())), wrap, uses)


@dataclass(frozen=True)
class Patch:
    """Describe one patch of the harness.

    Attributes:
        name: unique, in a few words.
        replacement: what is replaced, and by what.
        fallback: another replacement, for versions of the harness that the first does not fit.
        why: what the harness does without the patch.
        lost: what a run lacks without the patch, as a sentence for users.
        removable: what the harness must do itself before the patch can be removed.
        since: the first version of lmms-eval that the patch was tested with.
        issue: number of an issue of lmms-eval about the same need; None if none is known.
        elsewhere: module that makes the change itself; `Installer` skips such a patch.
    """

    name: str
    replacement: Replacement
    why: str
    lost: str
    removable: str
    fallback: Replacement | None = None
    since: str = "0.7.3"
    issue: int | None = None
    elsewhere: str = ""

    @property
    def alternatives(self) -> tuple[Replacement, ...]:
        """Return the replacements in the order in which they are tried."""
        return (self.replacement,) if self.fallback is None else (self.replacement, self.fallback)

    @property
    def issue_url(self) -> str:
        """Return the address of the issue; empty if none is known."""
        return "" if self.issue is None else f"{_ISSUES}/{self.issue}"


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
        for replacement in patch.alternatives:
            findings = dict(replacement.examine())
            if any(finding.fit is Fit.NOT_IMPORTED for finding in findings.values()):
                self._outstanding.append(patch)
                return ""
            misfits = [f"{target.path} {result.detail}" for target, result in findings.items() if not result.is_ok]
            if not misfits and replacement.wrap is not None:
                replacement.target.replace(functools.partial(self._wrap, replacement.wrap))
                self.installed.append(patch.name)
                return ""
            problems += misfits
        return "; ".join(problems)

    def _wrap(self, wrap: Wrap, original: Callable) -> Callable:
        """Apply ``wrap``, and install the waiting patches whenever the replaced function is called."""
        wrapped = wrap(original)

        @functools.wraps(original)
        def replaced(*args: Any, **kwargs: Any) -> Any:
            if self._outstanding:
                self.install()
            return wrapped(*args, **kwargs)

        return replaced


def bind_call(function: Callable, args: tuple[Any, ...], kwargs: dict[str, Any]) -> inspect.BoundArguments:
    """Return the arguments of a call by name, defaults included."""
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
