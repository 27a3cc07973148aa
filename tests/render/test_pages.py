"""Pages: what they hold, that texts stay texts, and that nothing is fetched."""

from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser

import PIL.Image
import pytest

from microbench_tasks.render.page_content import Card, Cell, Gallery, Image, Section, Table
from microbench_tasks.render.pages import render

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'>{{ 7 * 7 }}"


def png(size=(3, 2), colour="red"):
    file = io.BytesIO()
    PIL.Image.new("RGB", size, colour).save(file, "PNG")
    return file.getvalue()


class Parsed(HTMLParser):
    """Every tag with its attributes, and all text outside script and style."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.text, self._inside = [], [], None
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self._inside = tag

    def handle_data(self, data):
        if self._inside not in ("script", "style"):
            self.text.append(data)

    def handle_endtag(self, tag):
        self._inside = None

    def of(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def whole_page(text="plain"):
    parts = [
        Table(text, [text, "n"], [[text, "1"], [Cell(text, sort=2, title=text), "10"]], note=text),
        Image(text, png(), alt=text, note=text),
        Gallery(text, [Card(text, {text: text}, Image(text, png(), alt=text), "wrong")], note=text),
    ]
    return render(text, [Section(text, parts, text=text), Section("Second", [])], facts={text: text})


def test_hostile_text_makes_no_element_and_is_shown_as_it_is():
    plain, hostile = Parsed(whole_page()), Parsed(whole_page(HOSTILE))
    assert [tag for tag, _ in hostile.tags] == [tag for tag, _ in plain.tags]
    assert [sorted(attributes) for _, attributes in hostile.tags] == [
        sorted(attributes) for _, attributes in plain.tags
    ]
    assert sum(HOSTILE in text for text in hostile.text) == sum("plain" in text for text in plain.text) > 10


def test_a_page_refers_to_nothing_outside_itself():
    page = Parsed(whole_page(HOSTILE))
    addresses = [
        value
        for _, attributes in page.tags
        for name, value in attributes.items()
        if name in ("src", "href", "srcset", "action")
    ]
    assert addresses and all(address.startswith(("data:image/", "#section-")) for address in addresses)
    assert all(
        "url(" not in style and "@import" not in style
        for style in re.findall("<style>(.*?)</style>", whole_page(), re.DOTALL)
    )


def test_the_policy_allows_the_pages_own_script_and_style_alone():
    import hashlib

    page = whole_page(HOSTILE)
    [policy] = [
        attributes["content"]
        for attributes in Parsed(page).of("meta")
        if attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    allowed = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert (allowed["default-src"], allowed["img-src"]) == ("'none'", "data:")
    for tag in ("script", "style"):
        [content] = re.findall(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        assert (
            allowed[f"{tag}-src"] == f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
        )


def test_a_picture_is_inside_the_page_with_its_size():
    content = png((31, 17), "blue")
    [image] = Parsed(render("page", [Section("s", [Image("p", content, alt="a blue area")])])).of("img")
    assert base64.b64decode(image["src"].removeprefix("data:image/png;base64,")) == content
    assert (image["width"], image["height"], image["alt"]) == ("31", "17", "a blue area")


@pytest.mark.parametrize(
    ("cell", "number", "key"),
    [
        ("0.25", 0.25, None),
        ("1,234", 1234, None),
        ("12.5 %", 12.5, None),
        ("-.5", -0.5, None),
        ("1e-3", 0.001, None),
        ("1,23", None, "1,23"),
        ("nan", None, "nan"),
        ("model 2", None, "model 2"),
        ("%", None, "%"),
        ("–", None, ""),
        (Cell("0.5 [0.4, 0.6]", sort=0.5), 0.5, None),
        (Cell("first", sort="z"), None, "z"),
    ],
)
def test_a_cell_sorts_by_its_number_if_it_is_one(cell, number, key):
    [data] = Parsed(render("page", [Section("s", [Table("t", ["h"], [[cell]])])])).of("td")
    assert ("data-number" in data) == (number is not None)
    assert float(data["data-number"]) == number if number is not None else data["data-key"] == key


def test_a_picture_is_as_large_on_the_page_as_its_resolution_says():
    file = io.BytesIO()
    PIL.Image.new("RGB", (1800, 360)).save(file, "PNG", dpi=(180, 180))
    [image] = Parsed(render("page", [Section("s", [Image("p", file.getvalue(), alt="")])])).of("img")
    # 10 by 2 inches of 96 CSS pixels.
    assert (image["width"], image["height"]) == ("960", "192")


def test_columns_of_numbers_are_set_to_the_right_even_with_gaps():
    page = Parsed(
        render("page", [Section("s", [Table("t", ["name", "n", "mixed"], [["a", "1", "1"], ["b", "–", "x"]])])])
    )
    assert [head.get("class") == "number" for head in page.of("th")] == [False, True, False]


def test_half_a_surrogate_pair_does_not_keep_a_page_from_being_written():
    assert "an?swer" in render("page", [Section("s", [], text="an\ud800swer")]).encode("utf-8").decode()


def test_the_same_content_is_the_same_page():
    assert whole_page() == whole_page()
