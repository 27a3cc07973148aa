"""One check of a submission: its name, and what is wrong."""

from __future__ import annotations

from dataclasses import dataclass

from microbench_tasks.util.text_safety import printable_line

# Of the problems of one check, how many are said.
_SAID = 5


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: what is wrong with it, or why it was not looked at."""

    name: str
    problems: tuple[str, ...] = ()
    skipped: str = ""

    @property
    def failed(self) -> bool:
        return bool(self.problems)

    def __str__(self) -> str:
        # Of a submission, which strangers wrote, nothing may steer the terminal or make lines of its own.
        name, problems = printable_line(self.name), [printable_line(problem) for problem in self.problems]
        if self.skipped:
            return f"not checked  {name}: {printable_line(self.skipped)}"
        if not self.failed:
            return f"ok           {name}"
        more = [f"… and {len(problems) - _SAID} more"] if len(problems) > _SAID else []
        return "\n".join(
            [f"FAILED       {name}", *(f"             - {problem}" for problem in [*problems[:_SAID], *more])]
        )
