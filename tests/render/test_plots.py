"""Claims about pictures: what is drawn is what was given, whole, readable, and the same each time."""

from __future__ import annotations

import io
import re
import zlib

import matplotlib
import numpy as np
import pytest
from fontTools.ttLib import TTFont
from matplotlib.colors import to_hex, to_rgba
from matplotlib.text import Text
from PIL import Image

from microbench_tasks.render import plots
from microbench_tasks.render.plots import confusion_matrix, saving, style

LONG = "microbench_localization of a class with a name that goes on for more than a line, and then for another"
RUNS = ["demo_clip", "_hidden/from-legends", f"a/{LONG.replace(' ', '-')}"]


def estimates(count):
    return {"values": [0.5] * count, "lows": [0.4] * count, "highs": [0.6] * count}


def drawn(kind, name=LONG):
    """One figure of each kind with long names."""
    labels = [name, "short", "no value"]
    bins = list(np.linspace(0, 1, 5))
    return {
        "interval_bars": lambda: plots.interval_bars(
            name, labels, [0.5, 1.0, None], [0.4, 0.9, None], [0.6, 1.0, None], chance=0.25, majority=0.5, hollow=[1]
        ),
        "interval_points": lambda: plots.interval_points(
            name, labels, {run: estimates(3) for run in [*RUNS, name]}, chance=[0.2, None, 0.5]
        ),
        "differences": lambda: plots.differences(
            name,
            labels,
            {run: {"values": [-0.5, 0.0, None], "lows": [-0.6, -0.1, None], "highs": [0, 1, None]} for run in RUNS},
        ),
        "radar": lambda: plots.radar(
            name, [name, "left", name, "right"], {run: [0.2, 0.9, None, 1.0] for run in [*RUNS, name]}
        ),
        "curves": lambda: plots.curves(name, "alpha", [0, 0.5, 1], {run: estimates(3) for run in [*RUNS, name]}),
        "confusion": lambda: plots.confusion(name, labels, [[5, 0, 1, 2], [0, 12345, 0, 0], [0, 0, 0, 0]]),
        "reliability": lambda: plots.reliability(
            name,
            bins,
            {
                run: {"confidence": [None, 0.3, 0.6, 0.9], "accuracy": [None, 0.2, 0.6, 1.0], "count": [0, 3, 40, 900]}
                for run in [*RUNS, name]
            },
        ),
        "letters": lambda: plots.letters(
            name, {run: {"gold": {"A": 3, "B": 1}, "read": {"A": 2, "no answer": 2}} for run in [*RUNS, name]}
        ),
        "histograms": lambda: plots.histograms(
            name,
            bins,
            {panel: {run: [1, 0, 5, 2] for run in RUNS} for panel in (name, "two", "three")},
            "score",
            "images",
        ),
    }[kind]()


KINDS = (
    "interval_bars",
    "interval_points",
    "differences",
    "radar",
    "curves",
    "confusion",
    "reliability",
    "letters",
    "histograms",
)


def texts(figure):
    return [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]


def lines_of(container):
    """The whiskers of an errorbar as (low, high) of each row."""
    [collection] = container.lines[2]
    return [tuple(float(end) for end in segment[:, 0]) for segment in collection.get_segments()]


# --- whole and readable --------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_cut_at_the_edge_of_a_picture(kind):
    figure = drawn(kind)
    figure.canvas.draw()
    # Of all that is drawn, in inches.
    box = figure.get_tightbbox()
    width, height = figure.get_size_inches()
    assert box.x0 > -0.01 and box.y0 > -0.01 and box.x1 < width + 0.01 and box.y1 < height + 0.01


@pytest.mark.parametrize("kind", KINDS)
def test_long_names_are_wrapped_and_not_shortened(kind):
    shown = {" ".join(text.get_text().split()) for text in texts(drawn(kind, LONG[:60].strip()))}
    assert LONG[:60].strip() in shown


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("interval_bars", "confusion", "letters")])
def test_every_run_has_its_own_entry_in_the_legend_even_if_its_name_begins_with_an_underscore(kind):
    [legend] = drawn(kind).legends
    shown = [text.get_text().replace("\n", "").replace(" ", "") for text in legend.get_texts()]
    assert RUNS[0] in shown and RUNS[1] in shown


@pytest.mark.parametrize("name", ["$x_1$ \\frac{1}{", "two\nlines\tand\x00more, half a pair \ud800, 漢字 🔬", ""])
@pytest.mark.parametrize("kind", KINDS)
def test_any_name_can_be_drawn_as_text(kind, name):
    figure = drawn(kind, name)
    plots.png(figure, dpi=40)
    assert not any(text.get_parse_math() for text in texts(figure))


def test_letters_of_labels_are_at_least_seven_points_high():
    for kind in KINDS:
        assert min(text.get_fontsize() for text in texts(drawn(kind))) >= 7


def test_series_differ_in_more_than_colour():
    looks = [look for look, _ in zip(style.series_styles(), range(8), strict=False)]
    grey = {(look.marker, look.line) for look in looks}
    assert len(grey) == len({look for look in looks}) == 8


def test_colours_are_okabe_and_itos():
    palette = {"#000000", "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7"}
    assert set(style.COLOURS) < palette


# --- what is drawn -------------------------------------------------------------------


def test_bars_are_as_long_as_their_values_and_whiskers_end_at_their_intervals():
    figure = plots.interval_bars("t", ["a", "b"], [0.25, 0.75], [0.125, 0.5], [0.5, 1.0])
    axes = figure.axes[0]
    assert [bar.get_width() for bar in axes.patches] == [0.25, 0.75]
    [container] = [found for found in axes.containers if hasattr(found, "has_xerr")]
    assert lines_of(container) == [(0.125, 0.5), (0.5, 1.0)]
    left, right = axes.get_xlim()
    assert left <= 0 and right >= 1
    top, bottom = (bar.get_y() for bar in axes.patches)
    assert axes.get_ylim()[0] > axes.get_ylim()[1] and top < bottom


def test_numbers_beside_bars_are_the_values_in_percent():
    shown = [
        text.get_text()
        for text in texts(
            plots.interval_bars("t", ["a", "b", "c"], [0.6268, 0.5, None], [0.6233, None, None], [0.6303, None, None])
        )
    ]
    assert "62.7  [62.3, 63.0]" in shown and "50.0" in shown and "–" in shown


def test_reported_rows_are_hatched_and_unfilled_and_others_are_not():
    run, reported = plots.interval_bars("t", ["a", "b"], [0.5, 0.5], [0.4, 0.4], [0.6, 0.6], hollow=[1]).axes[0].patches
    assert run.get_hatch() is None and to_hex(run.get_facecolor()) == style.COLOURS[0].lower()
    assert reported.get_hatch() and to_rgba(reported.get_facecolor()) == (1, 1, 1, 1)


def test_a_row_without_a_value_has_no_bar_and_no_whisker():
    axes = plots.interval_bars("t", ["a", "b"], [None, 0.5], [None, None], [None, None]).axes[0]
    assert [bar.get_width() for bar in axes.patches] == [0.5]


@pytest.mark.parametrize(("chance", "expected"), [(0.25, [0.25, 0.25]), ([0.2, 0.5], [0.2, 0.5])])
def test_chance_is_marked_in_every_row(chance, expected):
    axes = plots.interval_bars("t", ["a", "b"], [0.5, 0.5], [0.4, 0.4], [0.6, 0.6], chance=chance).axes[0]
    marks = axes.collections[-1].get_segments()
    assert [float(mark[0, 0]) for mark in marks] == expected


@pytest.mark.parametrize(
    "draw",
    [
        lambda **levels: plots.interval_bars("t", ["a", "b"], [0.5, 0.5], [0.4, 0.4], [0.6, 0.6], **levels),
        lambda **levels: plots.interval_points("t", ["a", "b"], {"run": estimates(2)}, **levels),
    ],
)
def test_chance_and_the_majority_answer_are_marked_with_lines_that_differ(draw):
    figure = draw(chance=0.2, majority=[0.4, None])
    drawn = [lines for lines in figure.axes[0].collections if lines.get_segments() and lines.get_linewidth()[0] < 2]
    # Errorbars have solid lines.
    dashed = [lines for lines in drawn if lines.get_linestyle()[0][1]]
    # A row without a level has an empty mark.
    assert [[float(mark[0, 0]) for mark in lines.get_segments() if len(mark)] for lines in dashed] == [
        [0.2, 0.2],
        [0.4],
    ]
    assert dashed[0].get_linestyle() != dashed[1].get_linestyle()
    assert {"chance", "majority answer"} <= {text.get_text() for text in figure.legends[0].get_texts()}


def test_points_of_runs_stand_at_their_values_apart_from_each_other():
    figure = plots.interval_points(
        "t",
        ["a"],
        {
            "one": {"values": [0.3], "lows": [0.25], "highs": [0.5]},
            "two": {"values": [0.3], "lows": [0.1], "highs": [0.4]},
        },
    )
    containers = [found for found in figure.axes[0].containers if hasattr(found, "has_xerr")]
    points = [container.lines[0].get_xydata()[0] for container in containers]
    assert [point[0] for point in points] == [0.3, 0.3] and points[0][1] < points[1][1]
    assert [lines_of(container) for container in containers] == [
        [(pytest.approx(0.25), 0.5)],
        [(pytest.approx(0.1), 0.4)],
    ]


def test_a_radar_is_a_closed_line_through_its_values():
    [line] = plots.radar("t", ["a", "b", "c"], {"run": [0.1, 0.5, 1.0]}).axes[0].get_lines()
    assert line.get_ydata().tolist() == pytest.approx([10, 50, 100, 10])


def test_a_radar_leaves_a_gap_where_a_value_is_missing():
    [line] = plots.radar("t", ["a", "b", "c"], {"run": [0.1, None, 1.0]}).axes[0].get_lines()
    assert np.isnan(line.get_ydata()).tolist() == [False, True, False, False]


def test_a_confusion_matrix_prints_the_counts_that_are_not_zero():
    figure = plots.confusion("t", ["a", "b"], [[3, 1, 2], [0, 1234, 0]])
    cells = {
        (round(text.get_position()[1]), round(text.get_position()[0])): text.get_text() for text in figure.axes[0].texts
    }
    assert cells == {(0, 0): "3", (0, 1): "1", (0, 2): "2", (1, 1): "1,234"}
    shades = figure.axes[0].images[0].get_array()
    assert shades.tolist() == [[0.5, pytest.approx(1 / 6), pytest.approx(1 / 3)], [0, 1, 0]]


def test_a_column_without_an_answer_is_left_out_if_all_answered():
    heads = [
        label.get_text() for label in plots.confusion("t", ["a", "b"], [[3, 1, 0], [0, 4, 0]]).axes[0].get_xticklabels()
    ]
    assert heads == ["a", "b"]


def test_of_many_classes_the_rare_ones_are_pooled_without_losing_a_count():
    names = [f"class {number:02d}" for number in range(40)]
    counts = np.zeros((40, 41), dtype=int)
    counts[np.arange(40), np.arange(40)] = np.arange(1, 41)
    counts[39, 0] = counts[0, 39] = counts[3, 40] = 2
    kept, pooled = confusion_matrix.pool_classes(names, counts)
    # The fifteen that occur most have most on the diagonal; the others are one.
    assert kept == [*names[25:], "25 other options"]
    assert pooled.sum() == counts.sum()
    assert (
        pooled[15, 15] == counts[:25, :25].sum() and pooled[14, 15] == 2 and pooled[15, 14] == 2 and pooled[15, 16] == 2
    )
    assert len(plots.confusion("t", names, counts).axes[0].get_yticklabels()) == 16


def test_a_reliability_curve_has_a_point_for_each_bin_that_is_filled():
    figure = plots.reliability(
        "t", [0, 0.5, 1], {"run": {"confidence": [None, 0.875], "accuracy": [None, 0.25], "count": [0, 7]}}
    )
    above, below = figure.axes
    assert above.get_lines()[1].get_xydata().tolist() == [[87.5, 25.0]]
    assert [(bar.get_x(), bar.get_width(), bar.get_height()) for bar in below.patches] == [(0, 50, 0), (50, 50, 7)]


def test_letters_that_are_only_right_or_only_answered_have_a_place():
    figure = plots.letters("t", {"run": {"gold": {"B": 5, "A": 1}, "read": {"A": 4, "no answer": 2}}})
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["A", "B", "no answer"]
    assert [bar.get_height() for bar in axes.patches] == [1, 5, 0, 4, 0, 2]


def test_a_histogram_has_the_counts_over_the_edges():
    figure = plots.histograms("t", [0, 0.5, 1], {"task": {"run": [3, 1]}}, "score", "images")
    steps = figure.axes[0].patches[0].get_data()
    assert steps.values.tolist() == [3, 1] and list(steps.edges) == [0, 0.5, 1]


def test_curves_go_through_their_values_in_percent():
    axes = plots.curves(
        "t", "alpha", [0, 1], {"coarse": {"values": [0.25, 0.75], "lows": [0.125, 0.5], "highs": [0.5, 1]}}
    ).axes[0]
    assert axes.get_lines()[0].get_xydata().tolist() == [[0, 25], [1, 75]]
    band = axes.collections[0].get_paths()[0].vertices
    assert (band[:, 1].min(), band[:, 1].max()) == (12.5, 100)


# --- files and settings --------------------------------------------------------------


def test_a_figure_is_saved_as_png_and_pdf_that_are_the_same_each_time(tmp_path):
    for kind in ("interval_bars", "confusion"):
        contents = [plots.save(drawn(kind), tmp_path / folder, kind) for folder in ("one", "two")]
        assert contents[0] == contents[1] == (tmp_path / "one" / f"{kind}.png").read_bytes()
        pdf = (tmp_path / "one" / f"{kind}.pdf").read_bytes()
        assert pdf.startswith(b"%PDF") and pdf == (tmp_path / "two" / f"{kind}.pdf").read_bytes()
        assert b"CreationDate" not in pdf


def outlines(pdf):
    """The outlines of each font that a PDF embeds."""
    streams = re.findall(rb"/Length1 .*?stream\r?\n(.*?)\r?\nendstream", pdf, re.DOTALL)
    fonts = [TTFont(io.BytesIO(zlib.decompress(stream))) for stream in streams]
    return [
        {
            tuple(font["glyf"][name].coordinates)
            for name in font.getGlyphOrder()
            if font["glyf"][name].numberOfContours > 0
        }
        for font in fonts
    ]


def test_a_pdf_embeds_the_outlines_of_its_letters_and_leaves_the_font_as_it_is(tmp_path):
    figure = drawn("letters", "abc")
    plots.save(figure, tmp_path, "small")
    with style.own_settings():
        figure.savefig(tmp_path / "plain.pdf")
    [small, plain] = (outlines((tmp_path / f"{name}.pdf").read_bytes()) for name in ("small", "plain"))
    assert len(small) == len(plain) > 0
    # By itself, matplotlib embeds forms of letters, too, that other languages write.
    assert all(own <= whole for own, whole in zip(small, plain, strict=True))
    letters = {letter for text in figure.findobj(Text) for letter in text.get_text() if text.get_visible()}
    assert sum(map(len, small)) >= len(letters - {" ", "\n"})


def test_a_png_says_its_resolution():
    image = Image.open(io.BytesIO(plots.png(drawn("radar"))))
    assert image.info["dpi"] == pytest.approx((saving.DPI, saving.DPI), abs=0.1)


def test_the_users_settings_change_no_picture_and_stay_as_they_are():
    from matplotlib._pylab_helpers import Gcf

    plain = plots.png(drawn("interval_bars"))
    with matplotlib.rc_context(
        {"font.size": 30, "axes.facecolor": "black", "savefig.dpi": 20, "savefig.bbox": "tight"}
    ):
        before = dict(matplotlib.rcParams)
        assert plots.png(drawn("interval_bars")) == plain
        assert dict(matplotlib.rcParams) == before
    assert not Gcf.figs


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: plots.interval_bars("t", ["a"], [0.5, 0.5], [0.4], [0.6]), r"Expected 1 values, got shape \(2,\)"),
        (
            lambda: plots.interval_bars("t", ["a"], [0.5], [0.4], [0.6], hollow=[1]),
            r"rows from 0 to 0 in hollow, got \[1\]",
        ),
        (
            lambda: plots.interval_bars("t", ["a"], [0.5], [0.4], [0.6], chance=[0.1, 0.2]),
            "Expected 1 levels of chance",
        ),
        (
            lambda: plots.interval_bars("t", ["a"], [0.5], [0.4], [1.02]),
            "Expected fractions from 0 to 1 in highs, got 1.02",
        ),
        (
            lambda: plots.interval_points("t", ["a"], {"run": {"values": [0.5], "lows": [-0.01], "highs": [1]}}),
            "Expected fractions from 0 to 1 in lows of run, got -0.01",
        ),
        (lambda: plots.interval_points("t", ["a"], {"run": estimates(2)}), "Expected 1 values of run"),
        (lambda: plots.radar("t", ["a", "b"], {"run": [0, 1]}), "at least 3 axes, got 2"),
        (lambda: plots.radar("t", ["a", "b", "c"], {"run": [0, 1]}), "Expected 3 values of run"),
        (lambda: plots.confusion("t", ["a", "b"], [[1, 2], [3, 4]]), r"shape \(2, 3\) for 2 classes, got \(2, 2\)"),
        (
            lambda: plots.reliability("t", [0, 1], {"run": {"confidence": [0.5, 0.5], "accuracy": [1], "count": [1]}}),
            "Expected 1 confidence of run",
        ),
        (lambda: plots.histograms("t", [0, 1], {"task": {"run": [1, 2]}}, "x", "y"), "Expected 1 counts of run"),
        (lambda: plots.curves("t", "alpha", [0, 1], {"run": estimates(3)}), "Expected 2 values of run"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(draw, message):
    with pytest.raises(ValueError, match=message):
        draw()


def test_differences_are_drawn_beside_a_line_at_zero():
    one = {"values": [-0.5, 0.25], "lows": [-0.75, 0.0], "highs": [-0.25, 0.5]}
    [axes] = plots.differences("title", ["first", "second"], {"run": one}).axes
    zero = next(line for line in axes.lines if list(line.get_xdata()) == [0, 0])
    assert zero.get_visible()
    [points] = [line for line in axes.lines if line.get_marker() == "o"]
    assert list(points.get_xdata()) == [-0.5, 0.25]
    assert list(points.get_ydata()) == [0, 1]


@pytest.mark.parametrize(
    ("values", "message"), [([1.5, 0], "from -1 to 1 in values of run, got 1.5"), ([0], "Expected 2 values of run")]
)
def test_what_is_no_difference_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        plots.differences("title", ["a", "b"], {"run": {"values": values, "lows": [0, 0], "highs": [0, 0]}})
