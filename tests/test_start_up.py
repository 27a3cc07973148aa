"""Claims about the garbage collector while a command starts."""

import gc
import weakref

import pytest

from microbench_tasks import start_up


@pytest.fixture(autouse=True)
def thresholds():
    before = gc.get_threshold()
    gc.set_threshold(123, 4, 5)
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


class Cycle:
    def __init__(self):
        self.itself = self


def test_garbage_is_collected_less_until_the_start_is_over():
    with start_up.of_a_command():
        assert gc.isenabled() and gc.get_threshold()[0] > 123
        start_up.is_over()
        assert gc.get_threshold() == (123, 4, 5)
    assert gc.get_threshold() == (123, 4, 5)


def test_a_command_without_such_a_moment_leaves_the_collector_as_it_was():
    with pytest.raises(KeyError), start_up.of_a_command():
        raise KeyError
    assert gc.get_threshold() == (123, 4, 5)


def test_what_was_there_is_not_looked_through_until_its_run_is_over():
    with start_up.of_a_command():
        model = Cycle()
        gone = weakref.ref(model)
        start_up.is_over()
        del model
        gc.collect()
        assert gone() is not None
        start_up.forget()
        gc.collect()
        assert gone() is None


def test_outside_of_a_command_nothing_changes():
    start_up.is_over()
    assert gc.get_threshold() == (123, 4, 5)
    assert gc.get_freeze_count() == 0
