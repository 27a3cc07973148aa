"""Fixtures of the tests of tasks."""

import json

import pytest


@pytest.fixture(autouse=True)
def no_box_setting(monkeypatch):
    monkeypatch.delenv("MICROBENCH_BOXES", raising=False)


@pytest.fixture
def use_boxes(monkeypatch):
    """Set MICROBENCH_BOXES for one test; anything but text as JSON."""
    return lambda value: monkeypatch.setenv("MICROBENCH_BOXES", value if isinstance(value, str) else json.dumps(value))
