"""Open pages in a real browser, and record its requests and complaints."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome")


@contextlib.contextmanager
def started_browser():
    """Start the system's Chromium; without one, tests are skipped, and fail if CI is set."""
    executable = next(filter(None, map(shutil.which, _NAMES)), None)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        sync_playwright = None
    if executable is None or sync_playwright is None:
        missing = (
            f"no browser ({', '.join(_NAMES)})" if executable is None else "no playwright (pip install playwright)"
        )
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{missing}: pages were not opened")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield started
        started.close()


class OpenPage:
    """Hold a page opened from its file, with the browser's requests and complaints."""

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
        """Return the addresses requested beside the page itself; data in the page needs no request."""
        return [url for url in self.requests if url != self.address and not url.startswith("data:")]

    def column(self, table, index: int) -> list[str]:
        """Return the texts of one column of a table, from the top."""
        return table.locator(f"tbody tr td:nth-child({index + 1})").all_inner_texts()
