"""Claims about the size to which Qwen2.5-VL resizes an image."""

import pytest

from microbench_tasks.tasks import image_resizing

# Of the checkpoints on the Hub.
HUB_LIMITS = image_resizing.PixelLimits(3_136, 12_845_056)


@pytest.mark.parametrize(
    ("image_size", "by_hub", "by_lmms_eval"),
    [
        ((224, 224), (224, 224), (448, 448)),
        ((256, 256), (252, 252), (448, 448)),
        ((512, 512), (504, 504), (504, 504)),
        ((640, 480), (644, 476), (644, 476)),
        ((1024, 1024), (1036, 1036), (1036, 1036)),
        ((2048, 1536), (2044, 1540), (1456, 1092)),
    ],
)
def test_smart_resize_gives_the_documented_sizes(image_size, by_hub, by_lmms_eval):
    assert image_resizing.smart_resize(image_size, HUB_LIMITS) == by_hub
    assert image_resizing.smart_resize(image_size, image_resizing.LMMS_EVAL_LIMITS) == by_lmms_eval
    assert image_resizing.smart_resize(image_size[::-1], image_resizing.LMMS_EVAL_LIMITS) == by_lmms_eval[::-1]


def test_an_image_of_the_resized_size_is_not_resized_again():
    for width in range(40, 2500, 61):
        for height in range(40, 2500, 67):
            resized = image_resizing.smart_resize((width, height))
            assert image_resizing.smart_resize(resized) == resized
            assert all(side % 28 == 0 for side in resized)


def test_halves_are_rounded_to_even():
    """42 = 1.5 x 28 and 70 = 2.5 x 28 are both nearest to two multiples; the even one is 56."""
    assert image_resizing.smart_resize((42, 70), image_resizing.PixelLimits(1, 10**6)) == (56, 56)


def test_no_side_is_rounded_to_nothing():
    """Shrinking 300,000 x 20 below the largest area leaves less than 28 pixels of its height."""
    assert image_resizing.smart_resize((300_000, 20))[1] == 28
    assert min(image_resizing.smart_resize((5, 3_000))) >= 28


def test_an_image_without_pixels_is_refused():
    with pytest.raises(ValueError, match=r"1 x 1 pixels, got \(0, 5\)"):
        image_resizing.smart_resize((0, 5))
