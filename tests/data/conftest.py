"""Fixtures of the data's settings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import cognition_folder, release


@pytest.fixture
def use_cognition(monkeypatch: pytest.MonkeyPatch) -> Callable[[object], None]:
    """Set the source of the cognition questions for one test."""
    return lambda value: monkeypatch.setenv("MICROBENCH_COGNITION", str(value))


@pytest.fixture
def written(tmp_path: Path, use_cognition: Callable[[object], None]) -> Path:
    """The split of a valid folder of cognition questions, which the setting names."""
    use_cognition(tmp_path)
    return release.write_cognition(tmp_path / "cognition" / "test", cognition_folder.ASKED)
