"""Write ``tests/support/data/answers_corpus.jsonl``: responses to multiple-choice questions with their right values.

The hand-written responses of ``answers_by_hand.jsonl`` come first, then those composed of ``answers_parts.json``.
No code of the package is used: the corpus is independent of the rule that it measures.

    python scripts/make_answers_corpus.py           # write the file, and the tables of its description
    python scripts/make_answers_corpus.py --check   # exit with 1 if they are not what this script writes
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import answers_kinds as kinds
from answers_composer import Composed, Composer

DATA_DIR = Path(__file__).resolve().parents[1] / "tests" / "support" / "data"
CORPUS = DATA_DIR / "answers_corpus.jsonl"
CARD = DATA_DIR / "answers_corpus.md"
SHARES = "<!-- shares -->\n"
SEED = "answers corpus"

# Style, number of responses, kind.
Table = tuple[tuple[str, int, kinds.Kind], ...]
ENGLISH: Table = (
    ("option_list", 60, kinds.concluded_list),
    ("option_list_open", 30, kinds.open_list),
    ("cut_off", 16, kinds.cut_list),
    ("cut_off", 20, kinds.cut_conclusion),
    ("cut_off", 12, kinds.cut_explanation),
    ("verdicts", 35, kinds.one_verdict),
    ("verdicts", 6, kinds.no_verdict),
    ("verdicts", 6, kinds.two_verdicts),
    ("table", 14, kinds.table),
    ("table", 6, kinds.open_table),
    ("sentence", 28, kinds.sentence),
    ("explained_after", 28, kinds.explained_after),
    ("explained_after", 12, kinds.others_rejected_after),
    ("explained_before", 30, kinds.explained_before),
    ("steps", 24, kinds.steps),
    ("marks", 36, kinds.marks),
    ("structured", 24, kinds.structured),
    ("reasoning_tags", 24, kinds.reasoned),
    ("reasoning_tags", 10, kinds.reasoned_list),
    ("reasoning_tags", 8, kinds.unopened_reasoning),
    ("reasoning_tags", 12, kinds.unclosed_reasoning),
    ("reasoning_tags", 5, kinds.only_reasoning),
    ("channels", 8, kinds.channels),
    ("channels", 5, kinds.unfinished_channel),
    ("self_correction", 28, kinds.corrected),
    ("self_correction", 10, kinds.withdrawn),
    ("elimination", 16, kinds.eliminated),
    ("elimination", 8, kinds.half_eliminated),
    ("denial", 17, kinds.declared_nothing("denial", "denied")),
    ("denial", 17, kinds.then_concluded("denial")),
    ("conditional", 12, kinds.declared_nothing("conditional", "no_answer")),
    ("conditional", 12, kinds.then_concluded("conditional", "but")),
    ("tentative", 12, kinds.declared_nothing("tentative", "tentative")),
    ("tentative", 14, kinds.then_concluded("tentative", "but")),
    ("two_answers", 20, kinds.declared_nothing("two", "ambiguous")),
    ("mismatch", 20, kinds.declared_nothing("mismatch", "ambiguous")),
    ("refusal", 24, kinds.refusal),
    ("refusal", 8, kinds.disclaimed),
    ("echo", 18, kinds.echoed),
    ("echo", 8, kinds.bare_echo),
    ("out_of_range", 12, kinds.out_of_range),
    ("letter_trap", 14, kinds.letter_trap),
)
# The same for each other language.
IN_LANGUAGE: Table = (
    ("sentence", 5, kinds.then_concluded("lead")),
    ("terse", 4, kinds.line_alone),
    ("explained_after", 3, kinds.line_explained),
    ("option_list", 4, kinds.concluded_list_in),
    ("option_list_open", 2, kinds.open_list_in),
    ("verdicts", 2, kinds.verdicts_in),
    ("denial", 2, kinds.declared_nothing("denial", "denied")),
    ("denial", 2, kinds.then_concluded("denial")),
    ("tentative", 2, kinds.declared_nothing("tentative", "tentative")),
    ("conditional", 1, kinds.declared_nothing("conditional", "no_answer")),
    ("self_correction", 2, kinds.corrected_in),
    ("cut_off", 2, kinds.cut_conclusion_in),
    ("two_answers", 1, kinds.declared_nothing("two", "ambiguous")),
    ("mismatch", 1, kinds.declared_nothing("mismatch", "ambiguous")),
    ("refusal", 2, kinds.declared_nothing("refusal", "refusal")),
    ("reasoning_tags", 2, kinds.reasoned),
)


def compose_table(parts: dict[str, Any], table: Table, language: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of one language; each kind has a seed of its own, so that others may change without it."""
    numbers: dict[str, int] = {}
    for index, (style, count, kind) in enumerate(table):
        composer = Composer(parts, f"{SEED} {language} {style} {index}", language)
        responses: dict[tuple[tuple[str, ...], str], Composed] = {}
        while len(responses) < count:
            composed = kind(composer, composer.case())
            texts = tuple(option[0] for option in composed.case.options)
            responses.setdefault((texts, composed.response), composed)
        for (texts, response), composed in responses.items():
            numbers[style] = numbers.get(style, 0) + 1
            name = f"combined-{language}-{style}-{numbers[style]:02d}"
            row = {"id": name, "options": list(texts), "response": response, "letter": composed.letter}
            why = {"why": composed.why} if composed.why else {}
            yield row | why | {"style": style, "origin": "combination", "language": language}


def corpus_text() -> str:
    """Return the whole corpus, one JSON object a line."""
    by_hand = (DATA_DIR / "answers_by_hand.jsonl").read_text(encoding="utf-8")
    parts = json.loads((DATA_DIR / "answers_parts.json").read_text(encoding="utf-8"))
    rows = [*compose_table(parts, ENGLISH, "en")]
    for language in parts["languages"]:
        rows += compose_table(parts, IN_LANGUAGE, language)
    return by_hand + "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def shares(rows: list[dict[str, Any]], field: str) -> str:
    """Return a Markdown table that counts the rows by one field; the most frequent value comes first."""
    counts = Counter(row[field] for row in rows if field in row)
    lines = [f"| {field} | responses | by hand | letter stated |", "| --- | ---: | ---: | ---: |"]
    for value, count in counts.most_common():
        those = [row for row in rows if row.get(field) == value]
        by_hand = sum(row["origin"] == "hand" for row in those)
        lines.append(f"| {value} | {count} | {by_hand} | {sum(row['letter'] is not None for row in those)} |")
    return "\n".join(lines) + "\n"


def card_text(corpus: str) -> str:
    """Return the description of the corpus with its tables renewed."""
    rows = [json.loads(line) for line in corpus.splitlines()]
    text = CARD.read_text(encoding="utf-8").partition(SHARES)[0]
    stated = sum(row["letter"] is not None for row in rows)
    total = f"\n{len(rows)} responses, of which {stated} state a letter and {len(rows) - stated} do not.\n\n"
    return text + SHARES + total + "\n".join(shares(rows, field) for field in ("origin", "style", "language", "why"))


def main() -> None:
    """Write the corpus and its description, or compare them with the files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare the files with what would be written")
    args = parser.parse_args()
    corpus = corpus_text()
    for path, text in ((CORPUS, corpus), (CARD, card_text(corpus))):
        if not args.check:
            path.write_text(text, encoding="utf-8")
        elif path.read_text(encoding="utf-8") != text:
            sys.exit(f"{path} is not what this script writes: run it without --check")


if __name__ == "__main__":
    main()
