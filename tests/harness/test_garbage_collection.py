"""Claims about garbage collection while a command starts and ends."""

import gc
import sys
import weakref

import pytest
from lmms_eval.cli import dispatch
from lmms_eval.tasks import TaskManager

from microbench_tasks.harness import garbage_collection, launcher, running_command
from microbench_tasks.harness.patches import installation


@pytest.fixture(autouse=True)
def set_before():
    before = gc.get_threshold()
    gc.unfreeze()
    gc.set_threshold(123, 4, 5)
    # Not every version of Python has three thresholds to tell.
    yield gc.get_threshold()
    gc.unfreeze()
    gc.set_threshold(*before)


class Cycle:
    def __init__(self):
        self.itself = self


def test_garbage_is_collected_less_until_the_start_is_over(set_before):
    with garbage_collection.relaxed_gc():
        assert gc.isenabled() and gc.get_threshold()[0] > 123
        garbage_collection.restore_gc()
        assert gc.get_threshold() == set_before
    assert gc.get_threshold() == set_before


def test_a_command_without_such_a_moment_leaves_the_collector_as_it_was(set_before):
    with pytest.raises(KeyError), garbage_collection.relaxed_gc():
        raise KeyError
    assert gc.get_threshold() == set_before


def test_garbage_is_collected_less_within_a_step_and_as_before_after_it(set_before):
    with pytest.raises(KeyError), garbage_collection.rare_collections():
        assert gc.isenabled() and gc.get_threshold()[0] > 123
        raise KeyError
    assert gc.get_threshold() == set_before


def test_the_summary_of_a_run_is_such_a_step(monkeypatch):
    seen = []
    monkeypatch.setattr(running_command, "check_arguments", lambda args: None)
    monkeypatch.setattr(
        running_command.run_summary_output, "publish", lambda *args, **options: seen.append(gc.get_threshold()) or []
    )
    monkeypatch.setattr(running_command, "_prints_summary_alone", lambda args: False)
    running_command.Command([]).run(lambda args: ({"results": {}}, None), None)
    assert seen[0][0] > 123


def test_what_was_there_is_not_looked_through_until_its_run_is_over():
    with garbage_collection.relaxed_gc():
        model = Cycle()
        gone = weakref.ref(model)
        garbage_collection.restore_gc()
        del model
        gc.collect()
        assert gone() is not None
        garbage_collection.unfreeze_gc()
        gc.collect()
        assert gone() is None


def test_outside_of_a_command_nothing_changes(set_before):
    garbage_collection.restore_gc()
    assert gc.get_threshold() == set_before
    assert gc.get_freeze_count() == 0


def test_a_command_starts_so_until_its_tasks_are_loaded(set_before, monkeypatch):
    installation.install()
    seen = []

    def load_a_task():
        seen.append(gc.get_threshold())
        TaskManager(include_defaults=False).load_task_or_group([])
        seen.append(gc.get_threshold())

    monkeypatch.setattr(sys, "argv", ["lmms_eval", "version"])
    monkeypatch.setattr(dispatch, "main", load_a_task)
    launcher.main()
    assert seen[0][0] > 123
    assert seen[1] == set_before


def test_what_a_run_leaves_is_collected_when_it_is_over(monkeypatch):
    left = []

    def run(args):
        model = Cycle()
        left.append(weakref.ref(model))
        garbage_collection.restore_gc()
        return None, None

    monkeypatch.setattr(running_command, "check_arguments", lambda args: None)
    running_command.Command([]).run(run, None)
    gc.collect()
    assert left[0]() is None
    assert gc.get_freeze_count() == 0
