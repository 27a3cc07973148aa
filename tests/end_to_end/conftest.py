"""Whole runs: each would read the harness's thousand YAML files anew."""

import pytest


@pytest.fixture(scope="package", autouse=True)
def known_harness_tasks():
    """Read the harness's own definitions once for all runs within this process; tests/harness reads them each time."""
    from lmms_eval.tasks import TaskManager

    from tests.support import quick_tables
    from tests.support.harness_index import remembering

    quick_tables.install()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TaskManager, "_get_task_and_group", remembering(TaskManager._get_task_and_group))
        yield
