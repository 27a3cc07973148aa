"""Claims about untrusted texts: nothing that a command reads can control a terminal or a page."""

from __future__ import annotations

import gzip
import io
import json
import os
import sys
import unicodedata

import pytest
from loguru import logger

from microbench_tasks.cli import program
from microbench_tasks.cli.command import Command
from microbench_tasks.render import page_content, pages
from microbench_tasks.runs import found_runs, logged_samples
from microbench_tasks.submissions import building
from microbench_tasks.util import files, terminal
from microbench_tasks.util.errors import DataError
from microbench_tasks.util.text_safety import markdown_code, markdown_text, printable, printable_line
from tests.support import forging, tiny_runs
from tests.support.tiny_runs import BOXES, COARSE, COGNITION

FIRST = COARSE[0]
TASKS = (*COARSE, BOXES, COGNITION)
# Clears the screen, names the window, colors; turns text around, hides and joins it; begins a line that looks like
# a check.
HOSTILE = (
    "\x1b[2J\x1b]0;owned\x07\x9b31m\u202e\u2066\u200b\u200d\u2060\ufeff\u00ad\U000e0041\u2028"
    "\r\nok           scores, from the samples"
)


def is_harmless(text: str) -> bool:
    """Whether no character controls, hides, or turns around; by Unicode's own properties."""
    turns = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    return not any(
        unicodedata.category(character)[0] == "C"
        or character in "\u2028\u2029"
        or unicodedata.bidirectional(character) in turns
        for character in text.replace("\n", "").replace("\t", "")
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run and its submission."""
    folder = tmp_path_factory.mktemp("tiny")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MICROBENCH_DATASET", str(tiny_runs.data(folder / "data")))
        run = tiny_runs.write(folder / "run", {task: tiny_runs.samples(task) for task in TASKS})
        yield (
            run,
            building.submit(found_runs.find_run([run]), building.Description("My CLIP"), folder / "submission").folder,
        )


@pytest.fixture
def copies(made, tmp_path):
    """A run and its submission, to be changed."""
    return tuple(
        files.write_dir(
            tmp_path / name,
            {path.relative_to(found).as_posix(): path.read_bytes() for path in found.rglob("*") if path.is_file()},
        )
        for name, found in zip(("run", "submission"), made, strict=False)
    )


@pytest.fixture
def said(capsys):
    """What a command says on both streams, and how it ends."""

    def run(*arguments):
        status = 0
        try:
            program.main([str(argument) for argument in arguments])
        except SystemExit as leaving:
            status = leaving.code
        found = capsys.readouterr()
        # A message instead of a number is what Python prints.
        return found.out + found.err + (status if isinstance(status, str) else ""), status

    return run


def edited(path, edit):
    tiny_runs.edited(path, edit)


def contents(folder):
    return [path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()]


def results(run):
    return run / f"{tiny_runs.NAME}_results.json"


def log(run):
    return run / f"{tiny_runs.NAME}_samples_{FIRST}.jsonl"


def in_log(edit):
    def change(run, found):
        lines = [json.loads(line) for line in log(run).read_text().splitlines()]
        edit(lines)
        log(run).write_text("".join(json.dumps(line) + "\n" for line in lines))

    return change


def in_results(edit):
    return lambda run, found: edited(results(run), edit)


def in_manifest(edit):
    def change(run, found):
        forging.change_manifest(found, edit)
        tiny_runs.refreshed(found)

    return change


def in_samples(edit):
    def change(run, found):
        forging.change_samples(found, FIRST, edit)
        tiny_runs.refreshed(found)

    return change


def text_of_samples(edit):
    def change(run, found):
        forging.change_text(found, FIRST, edit)
        tiny_runs.refreshed(found)

    return change


KEY = json.dumps(HOSTILE)

CHANGES = {
    "a key twice in the manifest": lambda run, found: (found / "submission.json").write_text(f"{{{KEY}: 1, {KEY}: 2}}"),
    "a key of the manifest": in_manifest(lambda content: content.update({HOSTILE: 1})),
    "the model's name": in_manifest(lambda content: content["model"].update(name=HOSTILE)),
    "a task of the manifest": in_manifest(lambda content: content["num_samples"].update({f"microbench_{HOSTILE}": 1})),
    "the date": in_manifest(lambda content: content["run"].update(date=HOSTILE)),
    "a data source": in_manifest(lambda content: content["data"]["sources"][FIRST].update(source=HOSTILE)),
    "why boxes were asked for so": in_manifest(
        lambda content: content["settings"]["boxes"].update(chosen_by="model \u202egpt", convention=HOSTILE)
    ),
    "the manifest is no JSON": lambda run, found: (found / "submission.json").write_text(HOSTILE),
    "a file's name": lambda run, found: (found / HOSTILE.replace("/", "")).write_text(""),
    "a file's name in samples": lambda run, found: (found / "samples" / HOSTILE).write_text(""),
    "the card": lambda run, found: (found / "README.md").write_text(HOSTILE) and tiny_runs.refreshed(found),
    "a key twice in a sample": text_of_samples(
        lambda content: content.replace(b'"doc_id": 0', f'{KEY}: 1, {KEY}: 1, "doc_id": 0'.encode())
    ),
    "a key of a sample": in_samples(lambda found: found[0].update({HOSTILE: HOSTILE})),
    "the dataset of a sample": in_samples(lambda found: found[0]["acc"].update(dataset=HOSTILE)),
    "the image of a sample": in_samples(lambda found: found[0]["acc"].update(image_id=HOSTILE)),
    "the right letter of a sample": in_samples(lambda found: found[0]["acc"].update(gold=HOSTILE)),
    "an option of a sample": in_samples(lambda found: found[0]["acc"]["options"].append(HOSTILE)),
    "the prompt of a sample": in_samples(lambda found: found[0].update(input=HOSTILE)),
    "the target of a sample": in_samples(lambda found: found[0].update(target=HOSTILE)),
    "the answer of a sample": in_samples(lambda found: found[0].update(filtered_resps=HOSTILE)),
    "the dataset in a log": in_log(lambda lines: lines[0]["acc"].update(dataset=HOSTILE)),
    "a kind in a log": in_log(lambda lines: lines[0]["acc"].update(kind=[HOSTILE], gold=HOSTILE)),
    "the answer in a log": in_log(lambda lines: lines[0].update(filtered_resps=HOSTILE)),
    "the document's number in a log": in_log(lambda lines: lines[0].update(doc_id=HOSTILE)),
    "a key twice in a log": lambda run, found: log(run).write_text(f"{{{KEY}: 1, {KEY}: 2}}\n"),
    "a log that is no JSON": lambda run, found: log(run).write_text(HOSTILE),
    "the model in a results file": in_results(lambda content: content["config"].update(model=HOSTILE)),
    "arguments in a results file": in_results(
        lambda content: content["config"].update(model_args=f"{HOSTILE}=1,model={HOSTILE}")
    ),
    "a metric in a results file": in_results(
        lambda content: content["results"][FIRST].update({f"{HOSTILE},none": 0.5, "acc,none": HOSTILE})
    ),
    "the data source in a results file": in_results(
        lambda content: content["configs"][FIRST]["metadata"].update(dataset={"source": HOSTILE, HOSTILE: HOSTILE})
    ),
    "the version in a results file": in_results(
        lambda content: content["configs"][FIRST]["metadata"].update(microbench_version=HOSTILE)
    ),
    "boxes in a results file": in_results(
        lambda content: content["configs"][BOXES]["metadata"]["boxes"].update(convention=HOSTILE, chosen_by=HOSTILE)
    ),
    "a wrong kind in a results file": in_results(lambda content: content.update(date=[HOSTILE])),
    "a redefined task in a results file": in_results(
        lambda content: content["configs"][FIRST]["metadata"]["definition"]["differs"].update(
            {HOSTILE: {"expected": HOSTILE, "ran": HOSTILE}}
        )
    ),
    "a results file that is no JSON": lambda run, found: results(run).write_text(HOSTILE),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_no_command_lets_a_strangers_text_steer_the_terminal(change, made, copies, said, tmp_path):
    run, found = copies
    change(run, found)
    of_run = [("rescore", run), ("submit", run, "--model-name", "x", "--out", tmp_path / "out")]
    of_submission = [("verify", "--without-data", found), ("leaderboard", found)]
    for arguments in of_run if contents(run) != contents(made[0]) else of_submission:
        text, _ = said(*arguments)
        assert text and is_harmless(text.replace("\r", "")), ascii(text)
        # Of the checks, no line but verify's own says that one is passed.
        assert sum(line.startswith("ok           scores, from the samples") for line in text.splitlines()) <= (
            arguments[0] == "verify"
        )


@pytest.mark.parametrize("command", ["verify", "leaderboard", "rescore", "report"])
def test_a_folders_name_is_harmless_in_errors(command, said, tmp_path):
    folder = tmp_path / HOSTILE.replace("/", "")
    folder.mkdir()
    text, status = said(command, folder, *(["--out", tmp_path / "out"] if command == "report" else []))
    assert status and is_harmless(text.replace("\r", "")), ascii(text)
    assert not any(line.startswith("ok ") for line in text.splitlines())


def test_an_unknown_argument_is_harmless(said):
    text, status = said("verify", "x", f"--{HOSTILE}")
    assert status == 2 and "unrecognized arguments" in text and is_harmless(text), ascii(text)


def test_unexpected_errors_are_printed_safely(monkeypatch, said):
    def broken(options):
        raise KeyError("x") from RuntimeError(HOSTILE)

    monkeypatch.setattr(program, "COMMANDS", [Command("path", "", "", (), broken)])
    text, status = said("path")
    assert status == 1 and "RuntimeError: \ufffd[2J" in text and is_harmless(text), ascii(text)


def test_messages_of_errors_are_harmless_and_on_lines_of_their_own():
    message = str(DataError(f"2 reason(s):\n  - one {HOSTILE}\n  - two"))
    assert is_harmless(message)
    assert [line[:7] for line in message.splitlines()] == ["2 reaso", "  - one", "  - two"]


def test_what_is_logged_is_harmless_and_keeps_its_own_colors():
    terminal.printable_logs()
    stream = io.StringIO()
    sink = logger.add(stream, colorize=True, format="<green>{level}</green> {message}")
    logger.warning(HOSTILE)
    logger.remove(sink)
    before, shown = stream.getvalue().split(" ", 1)
    assert before.startswith("\x1b[32m") and is_harmless(shown)


def test_only_progress_bars_may_use_carriage_returns(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    with terminal.printable_streams():
        sys.stderr.write(f"\rreading {HOSTILE[:12]}\r")
        assert not sys.stderr.isatty()
    assert stream.getvalue() == "\rreading \ufffd[2J\ufffd]0;owne\r"


def test_a_terminal_of_another_encoding_is_no_error(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    with terminal.printable_streams():
        print("10 µm \x1b[2J")
    stream.flush()
    assert stream.buffer.getvalue() == b"10 ?m ?[2J\n"


@pytest.mark.parametrize(
    "shown",
    [
        printable_line,
        markdown_text,
        markdown_code,
        printable,
        lambda text: pages.render(
            text, [page_content.Section(text, [page_content.Table(text, [text], [[text]], text)], text)], {text: text}
        ),
    ],
    ids=["plain", "markdown", "code", "printable", "page"],
)
def test_every_way_to_show_text_replaces_unprintable_characters(shown):
    assert is_harmless(shown(HOSTILE))


@pytest.mark.parametrize("text", ["naïve 10 µm, α-tubulin", "細胞\u3000核", "a\tb\nc", "3\u00a0000", "\U0001f52c"])
def test_printable_text_is_unchanged(text):
    assert printable(text) == text


@pytest.mark.parametrize(
    "make",
    [os.mkfifo, lambda path: path.symlink_to("/dev/zero"), lambda path: path.mkdir()],
    ids=["pipe", "device", "folder"],
)
@pytest.mark.parametrize("name", [log, results], ids=["log", "results"])
def test_a_run_with_something_else_than_files_is_refused_at_once(name, make, copies, said):
    run, _ = copies
    name(run).unlink()
    make(name(run))
    text, status = said("rescore", run)
    assert status and ("expected a regular file" in text), text


@pytest.mark.parametrize(("command", "name"), [("leaderboard", "leaderboard.json"), ("report", "report.json")])
def test_a_pipe_where_an_earlier_output_is_looked_for_is_refused_at_once(command, name, copies, said, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    os.mkfifo(out / name)
    text, status = said(command, copies[1], "--out", out)
    assert status and str(out) in text, text


def test_a_compressed_bomb_in_a_folder_of_runs_is_not_read(copies, said, monkeypatch):
    packed = copies[1] / "samples" / f"{FIRST}.jsonl.gz"
    assert len(gzip.decompress(packed.read_bytes())) > 1000
    monkeypatch.setattr(logged_samples, "_MAX_BYTES", 1000)
    with pytest.raises(DataError, match="contains more than 1,000 bytes"):
        logged_samples.read_samples(packed, FIRST)
