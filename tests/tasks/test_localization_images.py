"""Claims about the image that a model is shown when it is asked for boxes."""

import io

import numpy as np
import pytest
from PIL import Image

from microbench_tasks.data import documents
from microbench_tasks.tasks.box_formats import FORMAT_OF_MODEL
from tests.support import release
from tests.support.box_documents import bound, doc, image, score


@pytest.mark.parametrize(
    ("size", "shown_size"),
    [
        # The reference's table of sizes for lmms-eval's limits.
        ((224, 224), (448, 448)),
        ((512, 512), (504, 504)),
        ((640, 480), (644, 476)),
        ((480, 640), (476, 644)),
        ((2048, 1536), (1456, 1092)),
        # 33 x 57 = 1,881 pixels: sides are multiplied by sqrt(200,704 / 1,881) = 10.3297 to 340.9 and 588.8, and
        # rounded up to 13 and 22 times 28.
        ((33, 57), (364, 616)),
    ],
)
@pytest.mark.parametrize("model", ["qwen2_5_vl"])
def test_qwen2_5_vl_is_shown_the_image_at_the_size_that_it_would_resize_it_to(model, size, shown_size):
    [shown] = bound("doc_to_visual", model)(doc(size, shown=image(*size)))
    assert (shown.size, shown.mode) == (shown_size, "RGB")


def test_an_image_that_has_the_size_already_is_not_touched():
    stored = image(504, 504)
    [shown] = bound("doc_to_visual", "qwen2_5_vl")(doc((504, 504), shown=stored))
    assert shown.tobytes() == stored.tobytes()


@pytest.mark.parametrize("model", sorted({"a_model_of_tomorrow", *FORMAT_OF_MODEL} - {"qwen2_5_vl"}))
def test_other_models_are_shown_the_very_pixels(model):
    stored = image(65, 47)
    [shown] = bound("doc_to_visual", model)(doc((65, 47), shown=stored))
    assert (shown.size, shown.mode, shown.tobytes()) == ((65, 47), "RGB", stored.tobytes())


def test_resizing_keeps_things_where_they_are():
    """The left half of 640 x 480 pixels is white; at 644 x 476 the edge, at 320 of 640, lies at 322."""
    half = np.zeros((480, 640, 3), np.uint8)
    half[:, :320] = 255
    [shown] = bound("doc_to_visual", "qwen2_5_vl")(doc((640, 480), shown=Image.fromarray(half)))
    found = np.asarray(shown)
    assert found[:, :318].min() == 255 and found[:, 326:].max() == 0


@pytest.mark.parametrize("model", ["qwen_vl", "qwen2_5_vl"])
@pytest.mark.parametrize("mode", ["L", "RGBA", "1"])
def test_any_stored_mode_is_shown_as_rgb(mode, model):
    assert bound("doc_to_visual", model)(doc((40, 30), shown=Image.new(mode, (40, 30))))[0].mode == "RGB"


def test_deep_grayscale_is_scaled_and_not_clipped():
    # 4095 becomes 255, so 2048 becomes round(2048 * 255 / 4095) = round(127.53) = 128.
    stored = Image.fromarray(np.array([[0, 2048, 4095]], dtype=np.uint16))
    [shown] = bound("doc_to_visual", "qwen_vl")(doc((3, 1), shown=stored))
    assert np.asarray(shown).tolist() == [[[0] * 3, [128] * 3, [255] * 3]]


@pytest.mark.parametrize(("model", "size"), [("qwen_vl", (640, 480)), ("qwen2_5_vl", (644, 476))])
def test_an_image_on_its_side_is_shown_upright(model, size):
    stored = image(480, 640)
    stored.getexif()[0x0112] = 6
    assert bound("doc_to_visual", model)(doc((640, 480), shown=stored))[0].size == size


def test_what_is_shown_and_what_is_scored_agree_on_a_turned_image():
    """Stored as 480 x 640 and turned by a quarter, it is 640 x 480 and shown as 644 x 476.

    There 161 is 160 of 640, and 119 is 120 of 480.
    """
    stored = image(480, 640)
    exif = stored.getexif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    stored.save(buffer, "JPEG", exif=exif)
    row = release.row(
        0,
        "opencell",
        image={"bytes": buffer.getvalue(), "path": None},
        polygon=[release.instance("nucleus", [160, 120, 320, 240])],
    )
    [document] = documents.microbench_localization_opencell_nuclei_docs(release.table([row]), "the source")
    [shown] = bound("doc_to_visual", "qwen2_5_vl")(document)
    items = score(document, '[{"bbox_2d": [161, 119, 322, 238]}]', "qwen2_5_vl")
    assert shown.size == (644, 476)
    assert items["grit"]["model_input_size"] == [644, 476]
    assert items["score"] == pytest.approx(1, rel=1e-6)
