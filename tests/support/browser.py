"""A real browser for tests, and what it has to say of a page."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome")


@contextlib.contextmanager
def started_browser():
    """The system's own Chromium; without one tests are skipped, but fail where CI says that it must be there."""
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        sync_playwright = None
    if found is None or sync_playwright is None:
        missing = f"no browser ({', '.join(_NAMES)})" if found is None else "no playwright (pip install playwright)"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{missing}: pages were not opened")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield started
        started.close()


class OpenPage:
    """A page opened from its file, with all that the browser asked for and complained about."""

    def __init__(self, started, path: Path, **context) -> None:
        self.address = path.resolve().as_uri()
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page = started.new_context(**context).new_page()
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        self.page.goto(self.address, wait_until="load")

    def fetched(self) -> list[str]:
        """What it asked for beside itself; data in the page is no request to anyone."""
        return [url for url in self.requests if url != self.address and not url.startswith("data:")]

    def column(self, table, index: int) -> list[str]:
        """The texts of one column of a table, from the top."""
        return table.locator(f"tbody tr td:nth-child({index + 1})").all_inner_texts()
