"""Pages of reports and leaderboards in a real browser: they sort, show pictures, and fetch and run nothing else."""

from __future__ import annotations

import json

import pytest

from microbench_tasks.render.page_content import Cell, Section, Table
from microbench_tasks.render.pages import render
from tests.support import tiny_runs
from tests.support.browser import OpenPage, started_browser
from tests.support.commands import SCRIPTS, run
from tests.support.independent import LETTERS

RANKED = (*tiny_runs.COARSE, tiny_runs.COGNITION)
DRAWN = (tiny_runs.COARSE[2], tiny_runs.BOXES, tiny_runs.COGNITION)
HOSTILE = "<img src=x onerror=\"alert('name')\"><script>alert('script')</script>"
# Sorted as texts, 9 would follow 1,000 and 95.5.
NUMBERS = [Cell("95.5 [90, 99]", sort=95.5), "9", "1,000", "–", "-3", Cell("about ten", sort=10.0)]


@pytest.fixture(scope="module")
def browser():
    with started_browser() as started:
        yield started


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("pages")


@pytest.fixture(scope="module")
def source(folder):
    found = tiny_runs.data(folder / "data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MICROBENCH_DATASET", str(found))
        yield found


def hostile_answers(number, doc):
    if "boxes" in doc:
        return HOSTILE
    return HOSTILE if number % 2 else LETTERS[doc["answer_idx"]]


def two_runs(folder, tasks):
    """Two runs: one of a model with a hostile name and hostile answers."""
    plain = tiny_runs.write(folder / "plain", {task: tiny_runs.samples(task) for task in tasks})
    hostile = tiny_runs.write(folder / "hostile", {task: tiny_runs.samples(task, hostile_answers) for task in tasks})
    tiny_runs.edited(next(hostile.glob("*_results.json")), lambda results: results["config"].update(model=HOSTILE))
    return plain, hostile


def command(*parts, data):
    done = run(SCRIPTS / "microbench", *parts, data=data)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def report_page(source, folder):
    command("report", *two_runs(folder / "drawn", DRAWN), "--out", folder / "report", "--examples", "2", data=source)
    return folder / "report" / "report.html"


@pytest.fixture(scope="module")
def leaderboard_page(source, folder):
    runs = two_runs(folder / "ranked", RANKED)
    for found, name in zip(runs, ("plain model", HOSTILE), strict=False):
        command("submit", found, "--model-name", name, "--out", folder / f"submission_{found.name}", data=source)
    command(
        "leaderboard",
        *(folder / f"submission_{found.name}" for found in runs),
        "--paper",
        "--out",
        folder / "leaderboard",
        data=source,
    )
    return folder / "leaderboard" / "leaderboard.html"


PAGES = ("report_page", "leaderboard_page")


@pytest.fixture(params=PAGES)
def opened(request, browser):
    found = OpenPage(browser, request.getfixturevalue(request.param))
    yield found
    found.page.context.close()


@pytest.fixture
def sorted_page(browser, folder):
    """A page by the same parts with a table whose order as numbers is not that as texts."""
    path = folder / "sorting.html"
    rows = [
        [name, number]
        for name, number in zip(("delta", "Alpha", "charlie", "echo", "bravo 10", "bravo 9"), NUMBERS, strict=False)
    ]
    path.write_text(render("Sorting", [Section("One", [Table("t", ["name", "number"], rows)])]))
    found = OpenPage(browser, path)
    yield found
    found.page.context.close()


def test_a_page_asks_for_nothing_but_itself_and_the_browser_has_nothing_to_say(opened):
    opened.page.mouse.wheel(0, 100_000)
    opened.page.wait_for_timeout(100)
    assert opened.requests[0] == opened.address
    assert opened.fetched() == []
    assert opened.complaints == []


def test_all_pictures_are_there(opened):
    pictures = opened.page.evaluate(
        "Promise.all([...document.images].map(image => image.decode().then(() => [image.naturalWidth, "
        "image.naturalHeight])))"
    )
    assert pictures and all(width > 0 and height > 0 for width, height in pictures)


def test_a_hostile_name_or_answer_is_text_and_does_not_run(opened):
    assert HOSTILE in opened.page.locator("body").text_content()
    assert opened.page.locator("script").count() == 1
    assert opened.page.locator("img:not([src^='data:image/png'])").count() == 0
    assert opened.complaints == []


def test_a_script_that_gets_into_the_page_all_the_same_does_not_run(browser, report_page, tmp_path):
    """What the policy is for, should a text ever escape."""
    path = tmp_path / "injected.html"
    path.write_text(
        report_page.read_text().replace(
            "<main>",
            "<main><script>document.title = 'run'</script><img src='http://127.0.0.1:9/x.png' "
            "onerror=\"document.title = 'run'\">",
            1,
        )
    )
    opened = OpenPage(browser, path)
    assert opened.page.title() != "run"
    refused = " ".join(complaint for complaint in opened.complaints if "Content Security Policy" in complaint)
    assert "script-src" in refused and "img-src" in refused
    opened.page.context.close()


def test_numbers_are_sorted_as_numbers_up_and_then_down_and_nothing_stays_last(sorted_page):
    table, head = sorted_page.page.locator("table"), sorted_page.page.locator("thead button").nth(1)
    head.click()
    assert sorted_page.column(table, 1) == ["-3", "9", "about ten", "95.5 [90, 99]", "1,000", "–"]
    assert sorted_page.page.locator("thead th").nth(1).get_attribute("aria-sort") == "ascending"
    head.click()
    assert sorted_page.column(table, 1) == ["1,000", "95.5 [90, 99]", "about ten", "9", "-3", "–"]
    assert sorted_page.page.locator("thead th").nth(1).get_attribute("aria-sort") == "descending"
    # The rows move whole.
    assert sorted_page.column(table, 0) == ["charlie", "delta", "bravo 9", "Alpha", "bravo 10", "echo"]


def test_texts_are_sorted_as_readers_do(sorted_page):
    sorted_page.page.locator("thead button").nth(0).click()
    assert sorted_page.column(sorted_page.page.locator("table"), 0) == [
        "Alpha",
        "bravo 9",
        "bravo 10",
        "charlie",
        "delta",
        "echo",
    ]
    assert sorted_page.page.locator("thead th").nth(1).get_attribute("aria-sort") == "none"


def test_the_keyboard_sorts_too(sorted_page):
    sorted_page.page.locator("thead button").nth(1).focus()
    sorted_page.page.keyboard.press("Enter")
    up = sorted_page.column(sorted_page.page.locator("table"), 1)
    sorted_page.page.keyboard.press("Space")
    assert up[0] == "-3" and sorted_page.column(sorted_page.page.locator("table"), 1)[0] == "1,000"


def test_a_table_of_the_page_itself_is_sorted_by_its_numbers(opened):
    """The first column of numbers whose values differ, in any table: up, down, and as the numbers in the cells say."""
    opened.page.evaluate("document.querySelectorAll('details').forEach(details => details.open = true)")
    tables = opened.page.locator("table")
    sorted_columns = 0
    for table in tables.all():
        for column in range(table.locator("thead th").count()):
            numbers = [
                float(number)
                for number in table.locator(f"tbody td:nth-child({column + 1})").evaluate_all(
                    "cells => cells.filter(cell => cell.dataset.number).map(cell => cell.dataset.number)"
                )
            ]
            if len(set(numbers)) < 2:
                continue
            for ordered in (sorted(numbers), sorted(numbers, reverse=True)):
                table.locator("thead button").nth(column).click()
                shown = table.locator(f"tbody td:nth-child({column + 1})").evaluate_all(
                    "cells => cells.filter(cell => cell.dataset.number).map(cell => cell.dataset.number)"
                )
                assert [float(number) for number in shown] == ordered
            sorted_columns += 1
    assert sorted_columns >= 3


@pytest.mark.parametrize("page", PAGES)
def test_a_page_fits_a_phone_and_shows_its_first_column(page, request, browser):
    opened = OpenPage(browser, request.getfixturevalue(page), viewport={"width": 400, "height": 800})
    opened.page.evaluate("document.querySelectorAll('details').forEach(details => details.open = true)")
    # Only tables and pictures scroll sideways, each by itself.
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= 400
    assert (
        min(
            opened.page.locator("tbody td:first-child").evaluate_all(
                "cells => cells.map(cell => cell.getBoundingClientRect().width)"
            )
        )
        > 60
    )
    opened.page.context.close()


@pytest.mark.parametrize("page", PAGES)
def test_a_folded_page_is_short_and_light_and_keeps_its_contents_in_view(page, request, browser):
    path = request.getfixturevalue(page)
    opened = OpenPage(browser, path, viewport={"width": 1280, "height": 800})
    width, height = opened.page.evaluate(
        "[document.documentElement.scrollWidth, document.documentElement.scrollHeight]"
    )
    assert width <= 1280 and height <= 10 * 800
    assert path.stat().st_size <= 2_000_000
    # Whatever a model is called, the first table fits the screen.
    assert opened.page.locator(".scroll").first.evaluate("table => table.scrollWidth <= table.clientWidth")
    opened.page.mouse.wheel(0, 1_000)
    opened.page.wait_for_timeout(100)
    assert opened.page.locator("nav").evaluate("nav => nav.getBoundingClientRect().top") >= 0
    opened.page.context.close()


def test_a_page_is_dark_where_the_reader_wants_it(report_page, browser):
    colours = {}
    for scheme in ("light", "dark"):
        opened = OpenPage(browser, report_page, color_scheme=scheme)
        colours[scheme] = opened.page.evaluate("getComputedStyle(document.body).backgroundColor")
        opened.page.context.close()
    light, dark = (
        sum(map(int, colour.removeprefix("rgb(").rstrip(")").split(", ")))
        for colour in (colours["light"], colours["dark"])
    )
    assert light == 3 * 255 and dark < 100


def test_a_printed_page_hides_what_only_a_screen_needs(report_page, browser):
    opened = OpenPage(browser, report_page, color_scheme="dark")
    opened.page.emulate_media(media="print")
    assert opened.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not opened.page.locator("nav").is_visible()
    opened.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert opened.page.locator("details:not([open])").count() == 0
    opened.page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert opened.page.locator("details[open]").count() == 0
    opened.page.context.close()


def test_every_example_of_the_report_has_its_micrograph(report_page, browser):
    opened = OpenPage(browser, report_page)
    cards = opened.page.locator(".card")
    record = json.loads((report_page.parent / "report.json").read_text())
    expected = sum(
        len(part["gallery"]["cards"])
        for chapter in record["chapters"]
        for part in chapter["parts"]
        if "gallery" in part
    )
    assert cards.count() == opened.page.locator(".card img").count() == expected > 5
    opened.page.context.close()
