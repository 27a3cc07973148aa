"""Claims about the content of pages: what is refused when it is made."""

from __future__ import annotations

import pytest

from microbench_tasks.render.page_content import Image, Table


def test_what_is_no_table_or_picture_is_refused():
    with pytest.raises(ValueError, match="Expected rows of 2 cells in the table 'accuracy', got one of 1"):
        Table("accuracy", ["a", "b"], [["1", "2"], ["3"]])
    with pytest.raises(ValueError, match="Expected a PNG file as the image 'p'"):
        Image("p", b"<svg/>", alt="")
