"""Claims about tasks that a model cannot answer."""

from __future__ import annotations

import pytest

from microbench_tasks import catalog
from microbench_tasks.harness import capabilities
from microbench_tasks.util.errors import DataError

BOXES = [task for task in catalog.ALL_TASKS if task.startswith("microbench_localization_")]


class Choosing:
    needs_choices = True


class Writing:
    pass


@pytest.fixture
def warnings(monkeypatch):
    messages = []
    monkeypatch.setattr(capabilities.logger, "warning", messages.append)
    capabilities.reset_record()
    yield messages
    capabilities.reset_record()


@pytest.mark.parametrize(
    ("names", "kept"),
    [
        (["microbench"], ["microbench_vqa"]),
        (["microbench_all"], ["microbench_vqa", "microbench_cognition"]),
        (["mmmu_val", "microbench"], ["mmmu_val", "microbench_vqa"]),
        (["microbench", "microbench_robustness"], ["microbench_vqa", "microbench_robustness"]),
    ],
)
def test_the_largest_groups_without_boxes_remain_and_one_line_names_the_rest(names, kept, warnings):
    assert capabilities.answerable(names, Choosing) == kept
    # Once more, as the Python API does after the command line.
    assert capabilities.answerable(kept, Choosing) == kept
    [line] = warnings
    assert f"Choosing only chooses among given texts. Left out, as they ask for boxes: {', '.join(BOXES)}" == line
    assert list(capabilities.record()) == BOXES


@pytest.mark.parametrize(
    ("names", "refused", "instead"),
    [
        (["microbench_localization"], "microbench_localization", "microbench_vqa"),
        ([BOXES[0], BOXES[1]], f"{BOXES[0]}, {BOXES[1]}", "microbench_vqa"),
        (["microbench_fine", BOXES[0]], BOXES[0], "microbench_fine"),
        (
            ["microbench_all", "microbench_localization"],
            "microbench_localization",
            "microbench_vqa,microbench_cognition",
        ),
    ],
)
def test_what_was_asked_for_by_name_is_refused_with_what_to_type(names, refused, instead, warnings):
    with pytest.raises(DataError) as error:
        capabilities.answerable(names, Choosing)
    assert str(error.value) == (
        f"{refused}: asks for boxes, and Choosing only chooses among given texts. Instead: --tasks {instead}"
    )
    assert not warnings and not capabilities.record()


@pytest.mark.parametrize("model", [Writing, Writing(), None, "qwen2_5_vl", "no_such_model", "microbench_random"])
def test_other_models_are_asked_everything(model, warnings):
    names = ["microbench_all", "microbench_localization"]
    assert capabilities.answerable(names, model) == names
    assert not warnings


@pytest.mark.parametrize("model", ["demo_clip", "clip", "open_clip", "transformers_clip", "conch"])
def test_contrastive_models_are_known_by_their_id_and_loaded_for_that_by_nobody(model, warnings, monkeypatch):
    from microbench_adapters.models.contrastive import ContrastiveModel

    def loaded(*arguments, **options):
        raise AssertionError("loaded")

    monkeypatch.setattr(ContrastiveModel, "__init__", loaded)
    assert capabilities.answerable(["microbench"], model) == ["microbench_vqa"]


def test_a_group_without_boxes_stays_as_it_is(warnings):
    for names in (["microbench_vqa"], ["microbench_cognition", "mmmu_val"], []):
        assert capabilities.answerable(names, Choosing) == names
    assert not warnings
