"""The script ``microbench``: one module for each command, and `program`, which parses and runs them."""

from microbench_tasks.cli.program import main

__all__ = ["main"]
