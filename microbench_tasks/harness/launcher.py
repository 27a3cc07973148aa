"""The script ``lmms_eval``: the harness's command line, with early checks and a nonzero exit status for failed runs."""

from __future__ import annotations

import sys

from microbench_tasks.harness import garbage_collection, running_command
from microbench_tasks.harness.running_command import Command
from microbench_tasks.util import terminal

# Commands that neither index tasks nor load models; they start without importing torch.
_LIGHT_COMMANDS = ("-h", "--help", "version")


def main() -> None:
    """Run the harness's dispatcher, and exit with a nonzero status if a run failed.

    - 0: all questions were asked, answered and scored, and all files were saved.
    - 1: one of these failed, or no task was named. The harness alone exits with 0.
    - 130, 143: the run was interrupted by Ctrl-C or SIGTERM.
    """
    from microbench_tasks.harness import resume_advice

    command = running_command.start(sys.argv[1:])
    try:
        with garbage_collection.of_a_command(), resume_advice.catching_sigterm():
            _dispatch(command)
    except KeyboardInterrupt:
        command.say(f"Interrupted by Ctrl-C. {command.how_to_go_on()}")
        sys.exit(resume_advice.INTERRUPTED_STATUS)
    except resume_advice.Terminated:
        command.say(f"Ended by SIGTERM. {command.how_to_go_on()}")
        raise
    finally:
        running_command.end()
    if command.has_scores:
        command.say(_what_to_quote())
    if command.problems:
        command.say("This command is not complete:\n" + "\n".join(f"- {problem}" for problem in command.problems))
        sys.exit(resume_advice.FAILED_STATUS)


def _what_to_quote() -> str:
    from microbench_tasks.metrics.intervals import ABOUT_IMAGES

    return (
        "quote acc with acc_image_ci_low and _high, acc_macro and grit with their own _ci_low and _high: 95 % "
        f"intervals. {ABOUT_IMAGES} acc_ci_low and _high only reproduce the paper's bootstrap."
    )


def _dispatch(command: Command) -> None:
    arguments = sys.argv[1:]
    if arguments and arguments[0] not in _LIGHT_COMMANDS:
        from microbench_tasks.harness import plugin

        plugin.register()
        if arguments[0] == "eval" or arguments[0].startswith("-"):
            _prepare_evaluation()

    from lmms_eval.cli import dispatch

    dispatch.main()


def _prepare_evaluation() -> None:
    import lmms_eval.__main__  # noqa: F401  What is patched in it waits for its import.

    from microbench_tasks.harness import patches

    # Messages may quote untrusted text: names of data, caches, and replies of servers.
    terminal.printable_logs()
    patches.install()
