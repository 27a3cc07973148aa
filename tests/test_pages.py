"""README.md and the pages in ``docs/``: what they promise of themselves. Links are checked by scripts/check.py."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from microbench_tasks import api
from microbench_tasks.parsing.boxes.conventions import CONVENTIONS

ROOT = Path(__file__).parents[1]
INDEX = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
PAGES = sorted((ROOT / "docs").glob("*.md"))
CODE = [path for package in ("microbench_tasks", "adapters") for path in (ROOT / package).rglob("*.py")]


def test_the_readme_is_short_enough_to_be_read():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


@pytest.mark.parametrize("page", [page for page in PAGES if page.stem != "index"], ids=lambda page: page.name)
def test_the_index_lists_each_page_once(page):
    assert len(re.findall(rf"^{page.stem}$", INDEX, re.MULTILINE)) == 1


def _text(page: Path) -> str:
    return re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def _anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives to headings; Sphinx takes them, and others of its own."""
    headings = (
        re.sub(r"\[(.*?)\]\(.*?\)", r"\1", heading) for heading in re.findall("^#+ (.*)$", _text(page), re.MULTILINE)
    )
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}


def test_links_to_headings_work_on_the_web_page_of_the_repository():
    pages = [*ROOT.glob("*.md"), *PAGES, *ROOT.glob("benchmarks/*.md")]
    links = [(page, *link) for page in pages for link in re.findall(r"\]\(\s*([^)#\s:]*)#([^)\s]*)\s*\)", _text(page))]
    assert len(links) > 50
    broken = [
        (page.name, name, anchor)
        for page, name, anchor in links
        if anchor not in _anchors(page.parent / name if name else page)
    ]
    assert broken == []


def test_the_page_of_settings_lists_the_settings_that_the_code_reads():
    setting = re.compile(r"\bMICROBENCH_[A-Z_]+[A-Z]\b")
    read = {name for path in CODE for name in setting.findall(path.read_text(encoding="utf-8"))}
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(MICROBENCH_[A-Z_]+)`", page, re.MULTILINE)) == read


def test_the_page_of_prompts_lists_the_conventions_of_boxes():
    page = (ROOT / "docs" / "prompts.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", page, re.MULTILINE)
    assert {name.strip("`") for row in rows for name in row.split(", ")} == set(CONVENTIONS)


def test_the_python_reference_has_each_public_name_once():
    page = (ROOT / "docs" / "python-reference.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^\.\. auto\w+:: (\w+)$", page, re.MULTILINE)) == sorted(api.__all__)
