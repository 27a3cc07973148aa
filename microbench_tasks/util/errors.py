"""Define the error for bad input of users: data, runs, submissions and options."""

from __future__ import annotations

import re

from microbench_tasks.util.text_safety import printable

_NO_LIST_ITEM = re.compile(r"[\r\n]+(?!  - )")


class DataError(ValueError):
    """The data source is not what Micro-Bench needs; the message says where and what was expected.

    Messages quote files that strangers may have written: what does not print is made visible, and nothing quoted
    makes lines of its own. Lines are those of a list (``  - reason``).
    """

    def __init__(self, message: str) -> None:
        super().__init__(printable(_NO_LIST_ITEM.sub(" ", message)))
