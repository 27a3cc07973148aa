"""One check of a submission: its name, and what is wrong."""

from __future__ import annotations

from dataclasses import dataclass

from microbench_tasks.util.similar_sentences import merge_similar
from microbench_tasks.util.text_safety import printable_line

# Largest number of problems that are printed for one check.
_MAX_PRINTED = 5


@dataclass(frozen=True)
class Check:
    """The outcome of one check.

    Attributes:
        name: what was checked.
        problems: what is wrong; empty if nothing is.
        skipped: why it was not checked; empty if it was.
    """

    name: str
    problems: tuple[str, ...] = ()
    skipped: str = ""

    @property
    def failed(self) -> bool:
        """Whether anything is wrong."""
        return bool(self.problems)

    def __str__(self) -> str:
        # A submission was written by strangers: its text must not control the terminal or add lines.
        name, problems = (
            printable_line(self.name),
            [printable_line(problem) for problem in merge_similar(self.problems)],
        )
        if self.skipped:
            return f"not checked  {name}: {printable_line(self.skipped)}"
        if not self.failed:
            return f"ok           {name}"
        more = [f"… and {len(problems) - _MAX_PRINTED} more"] if len(problems) > _MAX_PRINTED else []
        return "\n".join(
            [f"FAILED       {name}", *(f"             - {problem}" for problem in [*problems[:_MAX_PRINTED], *more])]
        )
