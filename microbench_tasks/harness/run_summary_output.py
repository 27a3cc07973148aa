"""Print the summary of a run that has ended, and write it beside the results as Markdown and LaTeX."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from microbench_tasks.harness import run_state
from microbench_tasks.runs.result_keys import RESULTS_SUFFIX
from microbench_tasks.util.text_safety import printable_line

if TYPE_CHECKING:
    from microbench_tasks.analysis.run_summary import RunSummary

NO_ANSWERS = "no answers are kept, which rescore, compare, report and submit need; add --log_samples"
_NO_FILES = "none; --output_path FOLDER --log_samples keeps results and answers"


def publish(results: Mapping[str, Any], warn: Callable[[str], None], *, has_answers: bool = True) -> list[str]:
    """Print the summary of a run, and write it beside its results file. Never raises: the run is complete without it.

    Args:
        results: of the run, as the harness returns them; of other benchmarks alone, nothing happens.
        warn: prints a message to the user.
        has_answers: whether the answers are saved beside the results.

    Returns:
        The sentence to quote for each main score, or why there is none; nothing without a summary.
    """
    from microbench_tasks.analysis import run_summary_text

    quotes: list[str] = []
    try:
        summary = summarize(results)
        if summary is None:
            return quotes
        problem = _write(summary, run_state.current.results_file)
        print("\n".join(run_summary_text.as_lines(summary, _files_text(not problem, has_answers))), flush=True)
        quotes = [printable_line(quote) for quote in run_summary_text.quotes(summary)]
    # Whatever a record of a run contains, its results stay.
    except Exception as error:
        problem = f"{type(error).__name__}: {error}"
    if problem:
        warn(
            f"the summary of this run could not be written ({' '.join(problem.split())}). Its results are not "
            "affected. microbench rescore FOLDER prints the summary of a run with --log_samples."
        )
    return quotes


def summarize(results: Mapping[str, Any]) -> RunSummary | None:
    """Summarize the results of the harness; None if no task of this package was scored."""
    from microbench_tasks import catalog
    from microbench_tasks.analysis import run_summary
    from microbench_tasks.runs.run_records import RunRecord

    values = {
        name: {key.partition(",")[0]: value for key, value in results["results"][name].items()}
        for name in catalog.in_order(results.get("results", ()))
    }
    if not any("failed" in of_name for of_name in values.values()):
        return None
    # As the results file has it: plain JSON values.
    plain = json.loads(json.dumps({key: value for key, value in results.items() if key != "samples"}, default=str))
    return run_summary.of_results(RunRecord.model_validate(plain), values)


def _write(summary: RunSummary, results_file: Path | None) -> str:
    """Write the files of the summary; return why that was not possible, or an empty text."""
    from microbench_tasks.analysis import run_summary_text
    from microbench_tasks.harness.output_folder import error_text
    from microbench_tasks.util import files

    if results_file is None:
        return ""
    run = results_file.name.removesuffix(RESULTS_SUFFIX)
    contents = {
        results_file.with_name(f"{run}_summary.md"): run_summary_text.as_markdown(summary, run).encode(),
        results_file.with_name(f"{run}_summary.tex"): run_summary_text.as_latex(summary, run).encode(),
    }
    try:
        files.write_files(contents)
    except OSError as error:
        return f"{results_file.with_name(f'{run}_summary.md')}: {error_text(error)}"
    return ""


def _files_text(has_summary: bool, has_answers: bool) -> str:
    """Say where the files of the run are, and what is missing."""
    results_file = run_state.current.results_file
    if results_file is None:
        return _NO_FILES
    run = results_file.name.removesuffix(RESULTS_SUFFIX)
    names = ["results.json", *(["summary.md", "summary.tex"] if has_summary else [])]
    missing = "" if has_answers else f"; {NO_ANSWERS}"
    return f"{results_file.with_name(run)}_… ({', '.join(names)}){missing}"
