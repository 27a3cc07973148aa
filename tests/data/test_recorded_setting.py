"""Claims about the way out of a message about data that are not a run's."""

from __future__ import annotations

import re

import pytest

from microbench_tasks import catalog
from microbench_tasks.data import recorded_setting, source_identity

STAIN = "microbench_coarse_stain"
OTHER_SEED = {"source": "demo", "version": source_identity.DEMO_VERSION, "seed": 7, "sha256": "ab"}


@pytest.mark.parametrize(
    ("task", "identity", "said"),
    [
        (STAIN, source_identity.demo_identity("ab"), "type MICROBENCH_DATASET=demo in front of"),
        (STAIN, OTHER_SEED, "type MICROBENCH_DATASET=DIR .* demo-data DIR --seed 7 has written"),
        (STAIN, OTHER_SEED | {"version": "0.1"}, "a demo set of version 0.1"),
        (STAIN, {"source": "folder", "path": "/a b", "sha256": "ab"}, "MICROBENCH_DATASET='/a b': type"),
        (STAIN, source_identity.release_identity(), "unset MICROBENCH_DATASET[.]"),
        (STAIN, {"source": "folder", "sha256": "ab"}, "Set MICROBENCH_DATASET to the data that the run"),
        (STAIN, None, "Set MICROBENCH_DATASET to the data that the run"),
        (catalog.COGNITION_TASK, {"source": "hub"}, "unset MICROBENCH_COGNITION and MICROBENCH_DATASET"),
        (catalog.COGNITION_TASK, {"source": "folder", "path": "/q"}, "recorded MICROBENCH_COGNITION=/q:"),
        ("microbench_own_cells", {"source": "own", "path": "/own\n/cells"}, "MICROBENCH_OWN='/own /cells'"),
    ],
)
def test_the_setting_that_a_run_recorded_is_named_as_it_is_typed(task, identity, said):
    [line] = recorded_setting.advice(catalog.task_of(task), identity).splitlines()
    assert re.search(said, line)


@pytest.mark.parametrize("identity", [source_identity.demo_identity("ab"), OTHER_SEED, OTHER_SEED | {"version": "0.1"}])
def test_a_setting_that_hides_the_questions_of_the_demo_set_is_to_be_unset(identity, monkeypatch):
    advice = [recorded_setting.advice(catalog.task_of(catalog.COGNITION_TASK), identity)]
    for setting in ("/q", ""):
        monkeypatch.setenv("MICROBENCH_COGNITION", setting)
        advice.append(recorded_setting.advice(catalog.task_of(catalog.COGNITION_TASK), identity))
        # It has no part in other tasks.
        assert recorded_setting.advice(catalog.task_of(STAIN), identity) == advice[0]
    assert advice[1:] == [f"{advice[0]} Also unset MICROBENCH_COGNITION."] * 2
