"""Claims about a comparison as text: terminal, CSV, JSON and LaTeX."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import re

import pytest

from microbench_tasks.analysis import comparison_text
from microbench_tasks.analysis.comparison import compare_runs
from tests.support.compared_runs import COARSE, MODALITY, answered, loaded, sample

HOSTILE = "=cmd|'/c calc'!A1 \x1b[2J 100% $x_1$ & #{\\}~^"


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Two runs of the coarse tasks, of which the strict rule reads one answer more; one name is hostile."""
    folder = tmp_path_factory.mktemp("pair")
    first = {task: answered("AABBAB", task) for task in COARSE}
    second = {task: answered("ABBAAA", task) for task in COARSE}
    second[MODALITY][1] = sample(1, "The answer is A")
    return compare_runs([loaded(folder / "0", first, "first"), loaded(folder / "1", second, HOSTILE)])


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    folder = tmp_path_factory.mktemp("three")
    return compare_runs(
        [loaded(folder / letters, {MODALITY: answered(letters)}, letters) for letters in ("AAAA", "AABB", "BBBB")]
    )


@pytest.fixture(scope="module")
def three_of_coarse(tmp_path_factory):
    """Three runs of a group: the first is right on all 60 questions, the others on 20, not the same ones."""
    folder = tmp_path_factory.mktemp("three_of_coarse")
    letters = ("A" * 12, "A" * 4 + "B" * 8, "B" * 8 + "A" * 4)
    runs = [{task: answered(of, task) for task in COARSE} for of in letters]
    return compare_runs([loaded(folder / str(number), run, f"m{number}") for number, run in enumerate(runs)])


def names_in(table):
    return {line.split(" ")[1] for line in table.splitlines() if line.startswith("| microbench_")}


def test_three_or_more_runs_have_rows_of_groups_alone_unless_tasks_are_asked_for(three_of_coarse):
    short = comparison_text.as_terminal_text(three_of_coarse)
    assert names_in(short) == {"microbench_coarse"} and "\nacc_macro: " not in short and "p, all tasks" not in short
    assert names_in(comparison_text.as_terminal_text(three_of_coarse, by_task=True)) == {"microbench_coarse", *COARSE}
    assert MODALITY.replace("_", r"\_") not in comparison_text.as_latex(three_of_coarse)
    assert MODALITY.replace("_", r"\_") in comparison_text.as_latex(three_of_coarse, by_task=True)
    assert MODALITY in comparison_text.as_csv(three_of_coarse)


def test_the_first_lines_say_who_is_better_and_where_no_difference_was_found(three_of_coarse):
    lines = comparison_text.as_terminal_text(three_of_coarse).split("\n\n")[1].splitlines()
    assert lines[0] == "microbench_coarse (acc, 60 questions):"
    for line, (letter, label) in zip(lines[1:3], [("B", "m1"), ("C", "m2")], strict=True):
        # 60 of 60 against 20 of 60.
        assert re.fullmatch(
            rf"  A m0 \(100.00 %\) is better than {letter} {label} \(33.33 %\): \+66.67 points "
            r"\[\+\d+.\d\d, \+\d+.\d\d\], p = 0.0\d+\.",
            line,
        )
    assert lines[3] == "  Among the others: No difference found between B and C."
    assert "equal" not in "".join(lines)


def test_a_comparison_against_one_run_says_for_which_pairs_p_is_adjusted(tmp_path):
    runs = [loaded(tmp_path / of, {MODALITY: answered(of)}, of) for of in ("AAAA", "AABB", "BBBB")]
    text = comparison_text.as_terminal_text(compare_runs(runs, against="AABB"))
    assert "p, all runs: adjusted for the 2 comparisons with A (Holm), and so are the intervals (97.5 % each" in text
    assert "p, all pairs" not in text and "A (reference): AABB" in text


def test_where_runs_answered_fewer_tasks_each_number_of_tested_pairs_is_stated(tmp_path):
    runs = [loaded(tmp_path / of, {MODALITY: answered(of)}, of) for of in ("AAAA", "AABB")]
    runs.append(loaded(tmp_path / "all", {task: answered("ABBB", task) for task in COARSE}, "all"))
    runs.append(loaded(tmp_path / "two", {task: answered("BBBB", task) for task in COARSE}, "two"))
    # All four answered one task, two of them the others: 3 pairs with A or 1, at 1 - 5 % / 3 or 1 - 5 % / 1.
    against = comparison_text.as_terminal_text(compare_runs(runs, against="all"))
    assert "adjusted for the 1 or 3 comparisons with A that answered the group or task (Holm)" in against
    assert "(95 % or 98.33 % each, Bonferroni)" in against
    # 4 * 3 / 2 pairs or 1.
    assert "adjusted for all 1 or 6 pairs of runs that answered" in comparison_text.as_terminal_text(compare_runs(runs))


def test_csv_has_every_figure_in_full(pair):
    rows = list(csv.DictReader(io.StringIO(comparison_text.as_csv(pair))))
    assert len(rows) == len(pair.differences) == 6 + 6 + 1
    for row, difference in zip(rows, pair.differences, strict=True):
        assert row["verdict"] == difference.verdict
        for field in dataclasses.fields(difference):
            value = getattr(difference, field.name)
            if isinstance(value, float) or value is None:
                assert (float(row[field.name]) if row[field.name] else None) == value


def test_no_cell_of_a_csv_file_is_a_formula(pair):
    for text in (comparison_text.as_csv(pair), comparison_text.changes_as_csv(pair.changes)):
        for row in csv.reader(io.StringIO(text)):
            # Negative numbers are no formulas.
            assert not any(re.match(r"[=+@]|-\D", cell) for cell in row)
            assert all(cell.isprintable() for cell in row)


def test_changes_can_be_read_back(pair):
    rows = list(csv.DictReader(io.StringIO(comparison_text.changes_as_csv(pair.changes))))
    assert [(row["task"], int(row["doc_id"]), row["change"]) for row in rows] == [
        (change.task, change.doc_id, change.change) for change in pair.changes
    ]


def test_json_has_the_runs_the_method_and_every_figure(pair):
    content = json.loads(comparison_text.as_json(pair))
    assert content["made_by"] == "microbench compare"
    assert [run["label"] for run in content["runs"]] == list(pair.labels)
    assert content["differences"] == [dataclasses.asdict(row) | {"verdict": row.verdict} for row in pair.differences]


def without_escapes(latex):
    return re.sub(r"\\[\\&%$#_{}]", "", latex)


def test_latex_is_a_balanced_booktabs_table_with_as_many_cells_in_each_row(pair, three):
    for comparison in (pair, three):
        latex = comparison_text.as_latex(comparison)
        body = [line for line in latex.splitlines() if not line.startswith("%")]
        assert body[0].startswith(r"\begin{tabular}") and body[-1] == r"\end{tabular}"
        assert [line for line in body if re.fullmatch(r"\\(top|mid|bottom)rule", line)][0] == r"\toprule"
        columns = len(re.search(r"\{([lr]+)\}", body[0]).group(1))
        for line in body:
            assert without_escapes(line).count("{") == without_escapes(line).count("}")
            assert without_escapes(line).count("$") % 2 == 0
            if line.endswith(r"\\") and "multicolumn" not in line:
                assert len(re.split(r"(?<!\\)&", line)) == columns
        assert all(line.isascii() for line in body)


def test_the_terminal_shows_scores_and_differences(pair):
    lines = comparison_text.as_terminal_text(pair).splitlines()
    assert lines[0].startswith("A (reference): first, run ")
    assert "\x1b" not in "".join(lines)
    row = next(line for line in lines if line.startswith("| microbench_coarse_domain "))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    # AABBAB against ABBAAA: the second answer became wrong, the fourth and the sixth became right.
    assert cells[:5] == ["microbench_coarse_domain", "6", "6", "50.00", "66.67"]
    assert cells[5].startswith("+16.67 [") and cells[-1] == "tie"


def test_pairs_and_adjustments_are_columns_if_there_are_more_than_two_runs(three):
    text = comparison_text.as_terminal_text(three)
    assert "p, all pairs" in text
    assert all(f"| {pair} |" in text for pair in ("B \N{MINUS SIGN} A", "C \N{MINUS SIGN} A", "C \N{MINUS SIGN} B"))


def test_the_strict_rule_is_a_table_of_its_own_only_if_it_reads_other_answers(pair, three):
    assert "\nacc_strict: Accuracy by the strict rule" in comparison_text.as_terminal_text(pair)
    assert "acc_strict: all figures are those of acc." in comparison_text.as_terminal_text(three)


def test_redefined_tasks_are_marked_in_tables(tmp_path):
    redefined = {"definition": {"fields": {}, "differs": {"doc_to_text": {"ran": "theirs"}}}}
    runs = [
        loaded(tmp_path / "0", {MODALITY: answered("AB")}),
        loaded(tmp_path / "1", {MODALITY: answered("AB")}, **redefined),
    ]
    assert f"| {MODALITY} (REDEFINED) |" in comparison_text.as_terminal_text(compare_runs(runs))
