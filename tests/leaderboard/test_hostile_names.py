"""Claims about names of strangers, which are text in every file."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest

from microbench_tasks.leaderboard.page import as_html
from microbench_tasks.leaderboard.records import as_csv, as_json, pairs_as_csv
from microbench_tasks.leaderboard.text import as_markdown
from microbench_tasks.util.text_safety import csv_text, markdown_text, printable_line
from tests.support.leaderboards import (
    Page,
    answers,
    board,
    entry,
    rows_of,
)

HOSTILE = [
    "=1+1",
    "+cmd|' /C calc'!A0",
    "-2",
    "@SUM(A1)",
    "＝1",
    "a|b",
    "a\\|b",
    "a\\",
    "`code`",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[click](https://evil.example)",
    "https://evil.example",
    "www.evil.example",
    "**bold**",
    "_a_ ~~b~~",
    "two\nlines\r\n| x |",
    "\u202egnp.exe",
    "\x1b[31mred",
    "$\\frac{1}{0}$",
    '"quoted", and more',
    "&lt;b&gt;",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_text_in_markdown_csv_and_json(name):
    found = board([entry(name, answers(0.9, 1)), entry("next", answers(0.5, 2))])
    markdown = as_markdown(found, with_paper=False)
    [header, _, first, second, *pairs] = rows_of(markdown)
    assert len(first) == len(header) == len(second)
    assert [len(cells) for cells in pairs] == [3] * 4
    assert re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", first[1]) == printable_line(name)
    for make in (as_csv, pairs_as_csv):
        for line in csv.DictReader(io.StringIO(make(found, with_paper=False))):
            assert line["model"][0] not in "=+-@＝"
            assert None not in line and None not in line.values()
    [ranking] = json.loads(as_json(found, with_paper=False))["rankings"]
    assert ranking["rows"][0]["model"] == name


def test_hostile_names_are_text_on_the_page():
    found = board([entry(name, answers(0.9, seed)) for seed, name in enumerate(HOSTILE)])
    page = Page(as_html(found, with_paper=False))
    assert all(printable_line(name) in page.texts for name in HOSTILE)
    assert not any(
        "onerror" in attributes or not attributes.get("href", "#").startswith(("#", "data:"))
        for _, attributes in page.tags
    )
    assert [tag for tag, _ in page.tags].count("script") == 1


@pytest.mark.parametrize(
    ("name", "rendered"),
    [
        ("<b>x</b>", "&lt;b&gt;x&lt;/b&gt;"),
        ("[a](https://e.example)", "[a](https://e.example)"),
        ("a\\|b", "a\\|b"),
        ("*x* `y` _z_", "*x* `y` _z_"),
        ("demo_clip", "demo_clip"),
    ],
)
def test_a_markdown_reader_sees_the_name(name, rendered):
    markdown_it = pytest.importorskip("markdown_it")
    page = (
        markdown_it.MarkdownIt("commonmark")
        .enable("table")
        .render(as_markdown(board([entry(name, answers(0.9, 1))]), with_paper=False))
    )
    assert f"<td>{rendered}</td>" in page or f">{rendered}</td>" in page


def test_a_plain_name_stays_as_it_is():
    for name in ("org/model-1.5_B", "demo_clip", "Model v2"):
        assert markdown_text(name) == csv_text(name) == printable_line(name) == name


def test_what_turns_or_hides_text_is_made_visible():
    assert printable_line("a\u202eb\u200bc\x1b[0m\nd") == "a\ufffdb\ufffdc\ufffd[0m d"
    assert (
        printable_line("a\u034fb\ufe0fc\u3164d\u2800e\uffa0f\U000e0101") == "a\ufffdb\ufffdc\ufffdd\ufffde\ufffdf\ufffd"
    )
