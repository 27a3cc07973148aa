from __future__ import annotations

import pytest

from microbench_tasks.data import setting_names
from microbench_tasks.util.errors import DataError


def test_a_mistyped_setting_is_refused_and_one_that_is_kept_aside_is_not(monkeypatch):
    monkeypatch.setenv("MICROBENCH_DATASET_OLD", "demo")
    setting_names.check()
    monkeypatch.setenv("MICROBENCH_DATSET", "demo")
    with pytest.raises(DataError, match="MICROBENCH_DATSET: .* Did you mean MICROBENCH_DATASET"):
        setting_names.check()
