"""Define the error for bad input of users: data, runs, submissions and options."""

from __future__ import annotations

import re

from microbench_tasks.util.text_safety import printable

_NO_LIST_ITEM = re.compile(r"[\r\n]+(?!  - )")


class DataError(ValueError):
    """Report bad input of the user: data, a run, a submission or an option.

    The message says where the problem is and what was expected. It may quote files of strangers, so unprintable
    characters are replaced, and only list items (``  - reason``) keep their line breaks.
    """

    def __init__(self, message: str) -> None:
        super().__init__(printable(_NO_LIST_ITEM.sub(" ", message)))
