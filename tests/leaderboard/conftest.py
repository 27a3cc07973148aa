"""Entries of three models, made once for each file of tests."""

from __future__ import annotations

import pytest

from tests.support.leaderboards import (
    answers,
    entry,
)


@pytest.fixture(scope="module")
def three():
    """A good model, and two of which neither is known to be better."""
    return [entry("middling", answers(0.5, 1)), entry("good", answers(0.95, 2)), entry("like it", answers(0.47, 3))]
