"""Claims about the strict rule, measured on three corpora of responses with right values.

``answers_corpus.md`` and ``answers_heldout.md`` say who wrote the corpora, and how.
"""

import json
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from microbench_tasks.parsing.letters.strict_rule import strict_answer

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "support" / "data"
CORPORA = ["answers_corpus.jsonl", "answers_heldout.jsonl", "answers_fresh.jsonl"]
MIN_READ = 0.98


@cache
def read(name):
    """The rows of a corpus, each with the letter that the strict rule reads."""
    rows = [json.loads(line) for line in (DATA / name).read_text(encoding="utf-8").splitlines()]
    return [(row, strict_answer(row["response"], row["options"]).letter) for row in rows]


@pytest.mark.parametrize("name", CORPORA)
def test_no_letter_is_read_wrongly(name):
    assert {row["id"]: letter for row, letter in read(name) if letter not in (None, row["letter"])} == {}


@pytest.mark.parametrize("name", CORPORA)
def test_nearly_all_stated_letters_are_read(name):
    stated = [(row["letter"], letter) for row, letter in read(name) if row["letter"]]
    assert sum(letter == right for right, letter in stated) / len(stated) >= MIN_READ


@pytest.mark.parametrize("name", CORPORA)
def test_a_corpus_is_a_table_of_different_responses_to_the_questions_letters(name):
    rows = [row for row, _ in read(name)]
    assert len({row["id"] for row in rows}) == len(rows)
    assert all(row["letter"] is None or row["letter"] in "ABCDEFGH"[: len(row["options"])] for row in rows)
    assert len({(row["response"], *row["options"]) for row in rows}) == len(rows)


def test_the_corpus_is_what_its_script_makes():
    script = ROOT / "scripts" / "make_answers_corpus.py"
    assert subprocess.run([sys.executable, script, "--check"], capture_output=True).returncode == 0


def test_the_shares_in_the_description_of_the_held_out_corpus_are_counted():
    text = (DATA / "answers_heldout.md").read_text(encoding="utf-8")
    rows = [row for row, _ in read("answers_heldout.jsonl")]
    for field in ("style", "language"):
        names = Counter(row[field].partition(":")[0] for row in rows)
        stated = Counter(row[field].partition(":")[0] for row in rows if row["letter"])
        assert [f"| {name} | {count} | {stated[name]} |" for name, count in names.most_common()] == [
            line for line in text.splitlines() if line.startswith("| ") and line.split(" | ")[0][2:] in names
        ]
