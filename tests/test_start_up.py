"""Claims about the garbage collector while a command starts."""

import gc

import pytest

from microbench_tasks import start_up


@pytest.fixture
def thresholds():
    before = gc.get_threshold()
    gc.set_threshold(123, 4, 5)
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


def test_garbage_is_collected_less_until_the_start_ends(thresholds):
    start_up.begin()
    start_up.begin()
    assert gc.isenabled() and gc.get_threshold()[0] > 123
    start_up.end()
    assert gc.get_threshold() == (123, 4, 5)


def test_what_was_there_at_the_end_is_not_looked_through_again(thresholds):
    start_up.begin()
    start_up.end()
    assert gc.get_freeze_count() > 10_000


def test_an_end_without_a_beginning_changes_nothing(thresholds):
    start_up.end()
    assert gc.get_threshold() == (123, 4, 5)
    assert gc.get_freeze_count() == 0
