"""Claims about runs that recorded functions before the package's modules moved into rooms."""

from __future__ import annotations

import json

import pytest

from microbench_tasks import catalog
from microbench_tasks.tasks import definition_records


@pytest.mark.parametrize("name", catalog.ALL_TASKS)
def test_a_definition_recorded_before_the_modules_moved_is_the_packages_own(name):
    own = definition_records.expected_fields(name, "openai", is_chat=False, with_data=False)
    now = json.dumps(own)
    # The modules stood side by side then.
    before = now.replace("microbench_tasks.tasks.", "microbench_tasks.").replace(".data.documents.", ".documents.")
    assert before != now
    recorded = {"definition": {"model": "openai", "fields": json.loads(before), "differs": {}}}
    assert definition_records.recorded_definition(recorded)["fields"] == json.loads(now)
