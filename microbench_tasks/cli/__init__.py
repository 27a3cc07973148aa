"""The script ``microbench``: what a user needs around a run of the harness."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from microbench_tasks.tasks import definitions
from microbench_tasks.util import terminal
from microbench_tasks.util.errors import DataError
from microbench_tasks.util.text_safety import printable_line

_HELP_WIDTH = 100
# What shells report of a program that wrote to a closed pipe: 128 and the number of the signal.
_CLOSED_PIPE = 141


def main(arguments: list[str] | None = None) -> None:
    """Parse and run one subcommand; bad input ends with its message and status 1."""
    terminal.printable_logs()
    with terminal.printable_streams():
        _run(arguments)


def _run(arguments: list[str] | None) -> None:
    parser = _parser()
    options, rest = parser.parse_known_args(arguments)
    if rest and options.run_command is not _sweep:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    options.harness_arguments = rest
    problem = ""
    try:
        options.run_command(options)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read has had enough, such as head. What is left goes nowhere, or Python would complain of it at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(_CLOSED_PIPE)
    except (ValueError, OSError) as error:
        problem = f"microbench: error: {_reason(error, getattr(options, 'out', None))}"
    # Progress bars that the exception kept open are gone with it, and do not share the line.
    if problem:
        sys.exit(problem)


def _reason(error: Exception, out: Path | None) -> str:
    """Say that ``--out`` cannot be written, where an error is about it or a file that is made in its place."""
    if not isinstance(error, OSError) or error.strerror is None or out is None:
        return str(error)
    # A disk that is full names no file.
    if error.filename is not None and Path(os.fsdecode(error.filename)).absolute().parent != out.absolute().parent:
        return str(error)
    return f"--out {out}: cannot be written ({error.strerror}). Name another place."


class _Parser(argparse.ArgumentParser):
    """Parse arguments; show what was typed on one printable line in errors."""

    def error(self, message: str) -> NoReturn:
        super().error(printable_line(message))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="microbench", description="Helpers around Micro-Bench runs of lmms-eval.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    for add in (
        _add_path,
        _add_demo_data,
        _add_rescore,
        _add_merge,
        _add_sweep,
        _add_submit,
        _add_verify,
        _add_leaderboard,
        _add_report,
    ):
        add(commands)
    return parser


def _added(
    commands: argparse._SubParsersAction, name: str, *, description: str, examples: tuple[str, ...], **settings: Any
) -> argparse.ArgumentParser:
    """A new command, whose examples stand in its help as they are typed."""
    epilog = "\n  ".join(("examples:" if len(examples) > 1 else "example:", *examples))
    return commands.add_parser(
        name,
        description=textwrap.fill(description, _HELP_WIDTH),
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        **settings,
    )


def _add_path(commands: argparse._SubParsersAction) -> None:
    path = _added(
        commands,
        "path",
        help="print the folder of task definitions",
        description="Print the folder of task definitions, for the harness's --include_path.",
        examples=('lmms-eval tasks list --include-path "$(microbench path)"',),
    )
    path.set_defaults(run_command=_print_path)


def _add_demo_data(commands: argparse._SubParsersAction) -> None:
    demo_data = _added(
        commands,
        "demo-data",
        help="write the demo set as Parquet",
        description="Write the demo set (drawn micrographs in the release's columns) as Parquet files.",
        examples=(
            "microbench demo-data ./demo && MICROBENCH_DATASET=./demo lmms_eval --model demo_clip --tasks microbench_coarse",
        ),
    )
    demo_data.add_argument("folder", type=Path, metavar="DIR", help="a folder that does not exist yet")
    demo_data.add_argument(
        "--seed", type=int, default=None, help="draw other micrographs (default: those of MICROBENCH_DATASET=demo)"
    )
    demo_data.set_defaults(run_command=_write_demo_data)


def _add_rescore(commands: argparse._SubParsersAction) -> None:
    rescore = _added(
        commands,
        "rescore",
        help="score a logged run again, without a model",
        description="Compute every score of a run again from the samples that lmms_eval --log_samples (or --predict_only) wrote.",
        examples=("microbench rescore ./results --out scores.json", "microbench rescore ./results --new-datasets"),
    )
    rescore.add_argument(
        "paths", type=Path, nargs="+", metavar="LOGS", help="folder of a run, or its …_samples_….jsonl files"
    )
    rescore.add_argument(
        "--run",
        default=None,
        metavar="NAME",
        help="which run, if the folder contains several: what stands before _samples_ in the files' names",
    )
    rescore.add_argument(
        "--new-datasets",
        action="store_true",
        help="also show intervals for new datasets: each dataset counts as one observation, instead of each image",
    )
    rescore.add_argument(
        "--out",
        type=Path,
        default=None,
        metavar="FILE",
        help="also write all scores, letter histograms and what variants show as JSON",
    )
    rescore.set_defaults(run_command=_rescore)


def _add_merge(commands: argparse._SubParsersAction) -> None:
    merge = _added(
        commands,
        "merge",
        help="merge checkpoints into a new one",
        description="Merge contrastive checkpoints of one architecture and save the result in their library's own layout.",
        examples=(
            "microbench merge clip plip --alpha 0.5 --out plip_merged",
            "lmms_eval --model transformers_clip --model_args model=plip_merged --tasks microbench",
            "microbench merge --method soup ./run_1 ./run_2 ./run_3 --out soup",
        ),
    )
    merge.add_argument(
        "checkpoints",
        nargs="+",
        metavar="CHECKPOINT",
        help="the base first, then what was fine-tuned from it: folders, org/name, hf-hub:org/name, ARCHITECTURE:tag or names of models",
    )
    merge.add_argument("--method", default="linear", help="linear (default), soup, slerp, task_arithmetic or ties")
    merge.add_argument(
        "--alpha",
        type=float,
        default=None,
        help="how much of the fine-tuned: 0 gives the base, 1 the fine-tuned (default: 0.5 for linear and slerp, 0.4 for task_arithmetic, 1 for ties)",
    )
    merge.add_argument(
        "--density",
        type=float,
        default=None,
        help="share of each fine-tuned checkpoint's changes that ties keeps (default: 0.2)",
    )
    merge.add_argument(
        "--library",
        dest="loader",
        choices=["open_clip", "transformers_clip", "conch"],
        default=None,
        help="what loads them, where names and files do not say",
    )
    merge.add_argument("--out", type=Path, required=True, metavar="DIR", help="a folder that does not exist yet")
    merge.set_defaults(run_command=_merge)


def _add_sweep(commands: argparse._SubParsersAction) -> None:
    sweep = _added(
        commands,
        "sweep",
        help="evaluate along the line between two checkpoints",
        description="Evaluate merges of a checkpoint with its base for several alphas, in one process, each with a results file of its own. Takes all options of lmms_eval besides.",
        examples=(
            "microbench sweep --alpha 0:1:0.1 --model plip --model_args merge_with=clip --tasks microbench_vqa --output_path sweep",
        ),
        # --model must not pass for a short form of --model_args.
        allow_abbrev=False,
    )
    sweep.add_argument("--model", required=True, help="as of lmms_eval: a contrastive model of this package")
    sweep.add_argument("--tasks", required=True, help="as of lmms_eval")
    sweep.add_argument(
        "--alpha",
        required=True,
        metavar="START:STOP:STEP",
        help="0:1:0.1, with the end if a step falls on it, or a list such as 0,0.5,1",
    )
    sweep.add_argument("--model_args", required=True, help="as of lmms_eval, with merge_with=<base> and without alpha")
    sweep.add_argument(
        "--output_path",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder that gets a folder for each alpha, and sweep.json",
    )
    sweep.set_defaults(run_command=_sweep)


def _add_submit(commands: argparse._SubParsersAction) -> None:
    submit = _added(
        commands,
        "submit",
        help="write a run as a submission that others can verify",
        description="Write a run of lmms_eval --log_samples as a folder with scores, every answer behind them, settings, a card and the Hub's formats. Nothing is uploaded.",
        examples=(
            'microbench submit ./results --model-name "My CLIP" --model-url https://huggingface.co/me/my-clip --out my_clip_submission',
        ),
    )
    submit.add_argument(
        "run_folder",
        type=Path,
        metavar="RUN_DIR",
        help="the run's --output_path, or the folder in it that holds the samples and the results file",
    )
    submit.add_argument("--model-name", required=True, metavar="NAME", help="what leaderboards shall call the model")
    submit.add_argument("--out", type=Path, required=True, metavar="DIR", help="a folder that does not exist yet")
    submit.add_argument(
        "--run",
        default=None,
        metavar="NAME",
        help="which run, if the folder contains several: what stands before _samples_ in the files' names",
    )
    submit.add_argument("--model-url", default=None, metavar="URL", help="where the model is described")
    submit.add_argument("--samples-url", default=None, metavar="URL", help="where this submission will be published")
    submit.set_defaults(run_command=_submit)


def _add_verify(commands: argparse._SubParsersAction) -> None:
    verify = _added(
        commands,
        "verify",
        help="check a submission from its answers and the data",
        description="Compute a submission's scores again from its answers, and compare every answer with the data that MICROBENCH_DATASET (and MICROBENCH_COGNITION) names. Ends with status 1 if a check fails.",
        examples=(
            "MICROBENCH_DATASET=/data/uBench microbench verify my_clip_submission",
            "microbench verify --without-data my_clip_submission",
        ),
    )
    verify.add_argument("submission", type=Path, metavar="SUBMISSION", help="the folder that microbench submit wrote")
    verify.add_argument("--without-data", action="store_true", help="check only that the submission agrees with itself")
    verify.set_defaults(run_command=_verify)


def _add_leaderboard(commands: argparse._SubParsersAction) -> None:
    leaderboard = _added(
        commands,
        "leaderboard",
        help="rank submissions",
        description="Rank submissions by coarse, fine, cognition and localization, and test who is really better: all pairs at once, on the same questions, image by image. "
        "Submissions on other data or of another version of the tasks are ranked apart.",
        examples=(
            "microbench leaderboard submission_1 submission_2",
            "microbench leaderboard submissions/* --paper --out leaderboard",
        ),
    )
    leaderboard.add_argument(
        "submissions", type=Path, nargs="+", metavar="SUBMISSION", help="folder that microbench submit wrote"
    )
    leaderboard.add_argument(
        "--paper", action="store_true", help="show the rows of the paper's Table 1 as well, as reported and not re-run"
    )
    leaderboard.add_argument(
        "--out",
        type=Path,
        default=None,
        metavar="DIR",
        help="write leaderboard.md, .html, .json, .csv and leaderboard-pairs.csv there (default: print Markdown)",
    )
    leaderboard.set_defaults(run_command=_leaderboard)


def _add_report(commands: argparse._SubParsersAction) -> None:
    report = _added(
        commands,
        "report",
        help="draw runs, and compare them",
        description="Draw runs: accuracy by task, ability, modality, domain, pathology and scale, confusions, calibration, letters, boxes, curves along alpha, examples with their micrographs. "
        "Several are compared. Writes one HTML page that stands alone, every picture as PNG and PDF, and every number as JSON. "
        "Slices and examples need the data that the run was asked about (MICROBENCH_DATASET, MICROBENCH_COGNITION).",
        examples=(
            "MICROBENCH_DATASET=demo microbench report ./results --out report",
            "microbench report results_clip results_plip submission_3 --out comparison",
            "microbench report ./sweep --out forgetting",
        ),
    )
    report.add_argument(
        "runs",
        type=Path,
        nargs="+",
        metavar="RUN",
        help="folder of a run with logged samples (or its …_results.json), of a submission, or of microbench sweep",
    )
    report.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder to write; an earlier report there is replaced, anything else is left alone",
    )
    report.add_argument(
        "--examples",
        type=int,
        default=4,
        metavar="N",
        help="how many right, wrong, unparsed and localized examples to show of each run (default: %(default)s)",
    )
    report.add_argument("--seed", type=int, default=0, help="choose other examples (default: %(default)s)")
    report.set_defaults(run_command=_report)


def _merge(options: argparse.Namespace) -> None:
    from microbench_adapters import commands

    settings = commands.merge(
        options.checkpoints, options.out, options.method, options.alpha, options.density, options.loader
    )
    print(
        f"{options.out}: {settings['method']} of {', '.join(part['checkpoint'] for part in settings['of'])}, weights SHA-256 {settings['weights_sha256']}"
    )


def _sweep(options: argparse.Namespace) -> None:
    from microbench_adapters import commands
    from microbench_tasks.harness import launcher

    arguments = ["--model", options.model, "--tasks", options.tasks, *options.harness_arguments]
    with terminal.raw_streams():
        rows = commands.sweep(
            commands.alphas(options.alpha), arguments, options.model_args, options.output_path, launcher.main
        )
    print(commands.sweep_table(rows))


def _leaderboard(options: argparse.Namespace) -> None:
    from microbench_tasks.leaderboard import files, ranking, text

    if options.out is not None:
        # Before the submissions are read, which takes long.
        files.check_folder(options.out)
    found = ranking.load(options.submissions)
    if options.out is None:
        print(text.as_markdown(found, with_paper=options.paper), end="")
    else:
        for path in files.write(found, options.out, with_paper=options.paper):
            print(path)


@contextlib.contextmanager
def _quiet_harness() -> Iterator[None]:
    """Silence the messages of the harness, which loads the data."""
    from loguru import logger

    logger.disable("lmms_eval")
    try:
        yield
    finally:
        logger.enable("lmms_eval")


def _report(options: argparse.Namespace) -> None:
    from tqdm import tqdm

    from microbench_tasks.report import writing

    with _quiet_harness():
        report = writing.write(
            options.runs,
            options.out,
            options.examples,
            options.seed,
            lambda items, what: tqdm(items, desc=what, leave=False, disable=not items),
        )
    for text in (*report.left_out, *(f"note: {note}" for note in report.notes)):
        print(printable_line(text))
    print(f"{report.folder / writing.PAGE}: {report.pictures} pictures of {', '.join(report.labels)}")


def _print_path(options: argparse.Namespace) -> None:
    print(definitions.yaml_folder())


def _rescore(options: argparse.Namespace) -> None:
    import json

    from microbench_tasks.runs import new_datasets, rescoring, score_table
    from microbench_tasks.tasks.aggregations import interval_settings
    from microbench_tasks.util import files

    if options.out is not None and (options.out.is_dir() or any(parent.is_file() for parent in options.out.parents)):
        raise DataError(f"--out {options.out}: expected a file in a folder. Name one that can be written.")
    run = rescoring.find_run(options.paths, options.run)
    rescored = rescoring.rescore(run)
    if options.new_datasets:
        rescored.new_datasets = new_datasets.intervals(rescored)
        if not rescored.new_datasets:
            rescored.notes.append("no interval for new datasets: every task asks about a single dataset")
    print(score_table.as_text(rescored))
    if run.others:
        rescored.notes.append(
            f"not scored, as these are not Micro-Bench's own tasks: {', '.join(sorted(set(run.others)))}"
        )
    for note in rescored.notes:
        print(f"note: {printable_line(note)}")
    if options.out is not None:
        origin = {
            "run": run.name,
            "interval": interval_settings(),
            "metadata": {task: run.metadata(task) for task in run.samples},
        }
        files.write_file(options.out, json.dumps(origin | rescored.summary(), indent=1).encode())


def _submit(options: argparse.Namespace) -> None:
    from tqdm import tqdm

    from microbench_tasks.runs import rescoring
    from microbench_tasks.submissions import building, hub_formats

    description = building.Description(options.model_name, options.model_url, options.samples_url)
    run = rescoring.find_run([options.run_folder], options.run)
    written = building.submit(run, description, options.out, lambda items, what: tqdm(items, desc=what, leave=False))
    manifest = written.manifest
    print(
        f"{options.out}: {printable_line(manifest['model']['name'])} on {manifest['data']['kind']} data, {sum(manifest['num_samples'].values())} samples of {len(manifest['num_samples'])} tasks"
    )
    print(f"digest: {manifest['digest']}")
    for note in written.notes:
        print(f"note: {printable_line(note)}")
    print(hub_formats.publishing_advice(manifest, options.out))


def _verify(options: argparse.Namespace) -> None:
    from tqdm import tqdm

    from microbench_tasks.submissions import limits, manifest_file, verification

    failed = 0
    with _quiet_harness():
        for check in verification.verify(
            options.submission,
            with_data=not options.without_data,
            progress=lambda items, what: tqdm(items, desc=what, leave=False),
        ):
            print(check, flush=True)
            failed += check.failed
    if failed:
        sys.exit(f"microbench: {printable_line(str(options.submission))} verification failed: {failed} check(s) FAILED")
    manifest = manifest_file.read_manifest(options.submission)
    print(
        f"{printable_line(manifest['model']['name'])} on {manifest['data']['kind']} data, digest {manifest['digest']} (compare it with a published one: a digest is no signature)"
    )
    print("what no check can know:")
    for line in limits.as_lines():
        print(f"  - {line}")
    if options.without_data:
        print(
            "ONLY WITHIN ITSELF: questions, right answers and images have not been compared with the data. Leave out --without-data to do so."
        )


def _write_demo_data(options: argparse.Namespace) -> None:
    from microbench_tasks import demo

    if options.folder.exists():
        raise DataError(f"{options.folder} exists already. Name a folder that does not exist yet.")
    seed = demo.DEMO_SEED if options.seed is None else options.seed
    print(demo.build(options.folder, seed=seed))
