"""The options of an own dataset's questions: which are offered, and in which order."""

from __future__ import annotations

import hashlib
from collections import Counter

import pytest

from microbench_tasks.data.own_datasets import class_names
from microbench_tasks.data.own_datasets.options import Asked, arrange, caption


def ids(count: int) -> list[str]:
    return sorted(hashlib.sha256(str(number).encode()).hexdigest() for number in range(count))


@pytest.mark.parametrize("num_classes", [2, 3, 7, 8, 12])
def test_each_letter_is_equally_often_right_in_each_class(num_classes):
    classes = tuple(f"class {number}" for number in range(num_classes))
    images = [(image_id, classes[number % num_classes], classes) for number, image_id in enumerate(ids(480))]
    letters: dict[str, Counter[int]] = {}
    for (_, right, _), asked in zip(images, arrange(images), strict=True):
        letters.setdefault(right, Counter())[asked.answer_idx] += 1
    for counts in letters.values():
        assert len(counts) == min(num_classes, 8)
        assert max(counts.values()) - min(counts.values()) <= 1


def test_of_many_classes_the_right_one_and_seven_others_are_offered():
    classes = tuple(f"class {number}" for number in range(30))
    images = [(image_id, classes[number % 30], classes) for number, image_id in enumerate(ids(3000))]
    offered: Counter[str] = Counter()
    for (_, right, _), asked in zip(images, arrange(images), strict=True):
        assert asked.options[asked.answer_idx] == right
        assert len(set(asked.options)) == 8
        offered.update(option for option in asked.options if option != right)
    # Each of the 30 classes is one of the 7 wrong options of 29 x 100 images in 7 of 29 cases: 700 on average, with a
    # standard deviation of sqrt(2900 x 7/29 x 22/29) = 23.
    assert all(abs(offered[name] - 700) < 5 * 23 for name in classes)


def test_the_options_of_an_image_do_not_depend_on_other_images_but_for_the_place_of_the_right_one():
    classes = tuple(f"class {number}" for number in range(12))
    one, *_ = arrange([("a", classes[0], classes)])
    _, other = arrange([("0", classes[0], classes), ("a", classes[0], classes)])
    without_right = [[option for option in asked.options if option != classes[0]] for asked in (one, other)]
    assert without_right[0] == without_right[1]


def test_none_of_the_above_stays_last_and_is_not_put_into_a_sentence():
    classes = ("None of the above", "birch", "hazel")
    images = [(image_id, "birch", classes) for image_id in ids(10)]
    assert {asked.options[-1] for asked in arrange(images)} == {"None of the above"}
    assert {asked.answer_idx for asked in arrange(images)} == {0, 1}
    (asked,) = arrange([("a", "None of the above", classes)])
    assert asked == Asked([*asked.options[:2], "None of the above"], 2)
    assert [caption("A {class} grain.", name) for name in classes] == [
        "None of the above",
        "A birch grain.",
        "A hazel grain.",
    ]


def test_a_rare_class_named_nearly_as_a_frequent_one_is_told():
    [note] = class_names.similar_notes({"rod bacteria": 20, "rod bacteira": 1, "coccus": 1, "rod bacteria 2": 1})
    assert "'rod bacteira' (1 image) is nearly 'rod bacteria' (20)" in note and "--classes" in note
    assert class_names.similar_notes({"rod bacteria": 4, "rod bacteira": 1}) == []
