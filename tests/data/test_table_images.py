"""Claims about checking, measuring and decoding the images of a table."""

import io
import struct
import zlib

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image, ImageFile

from microbench_tasks.data import table_columns, table_images
from microbench_tasks.util import errors
from tests.support import release

WHERE = "the source"


def arrow(rows):
    return release.table(rows).data.table


@pytest.mark.parametrize(
    "content",
    [
        b"not an image",
        release.png(np.zeros((8, 8, 3), np.uint8))[:-20],
        None,
    ],
    ids=["no image", "cut off", "null"],
)
def test_an_unreadable_image_is_named_by_row(content):
    table = arrow([release.row(0), release.row(1, image=content and {"bytes": content, "path": None})])
    with pytest.raises(errors.DataError, match=r"row 1 \(image_id .*1\): column image: expected a readable image"):
        table_images.check_images(table, WHERE)


def test_a_flipped_bit_in_a_png_is_found():
    content = bytearray(release.png(np.arange(192, dtype=np.uint8).reshape(8, 8, 3)))
    content[content.index(b"IDAT") + 10] ^= 1
    with pytest.raises(errors.DataError, match="row 0"):
        table_images.check_images(arrow([release.row(0, image={"bytes": bytes(content), "path": None})]), WHERE)


def test_images_may_be_bare_bytes():
    table = arrow([release.row(0)])
    bare = table.set_column(
        table.schema.get_field_index("image"), "image", pa.array([release.row(0)["image"]["bytes"]])
    )
    table_columns.check_columns(bare.schema, "modality", WHERE)
    table_images.check_images(bare, WHERE)


def test_an_image_beside_the_data_is_refused(tmp_path):
    """Its pixels would escape the content hash that results record."""
    path = tmp_path / "cell.png"
    path.write_bytes(release.png(np.zeros((4, 4, 3), np.uint8)))
    with pytest.raises(
        errors.DataError, match=r"row 0 .*column image: .*cell\.png'; save the data with the image bytes in it"
    ):
        table_images.check_images(arrow([release.row(0, image={"bytes": None, "path": str(path)})]), WHERE)


def test_a_truncated_jpeg_is_found_although_the_harness_lets_pillow_pad_it(monkeypatch):
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(buffer, "JPEG")
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    table_images.check_images(arrow([release.row(0, image={"bytes": buffer.getvalue(), "path": None})]), WHERE)
    with pytest.raises(errors.DataError, match="row 0 .*truncated"):
        table_images.check_images(
            arrow([release.row(0, image={"bytes": buffer.getvalue()[:1500], "path": None})]), WHERE
        )
    assert ImageFile.LOAD_TRUNCATED_IMAGES is True


def test_a_size_is_width_and_height():
    table = arrow(
        [release.row(0), release.row(1, image={"bytes": release.png(np.zeros((5, 9), np.uint8)), "path": None})]
    )
    assert [table_images.image_size(table, row, WHERE) for row in (0, 1)] == [(32, 24), (9, 5)]


@pytest.mark.parametrize("content", [b"not an image", None], ids=["no image", "null"])
def test_an_image_without_a_size_is_named_by_row(content):
    table = arrow([release.row(0), release.row(1, image=content and {"bytes": content, "path": None})])
    with pytest.raises(
        errors.DataError, match=r"the source: row 1 \(image_id .*1\): column image: expected a readable image, got: "
    ):
        table_images.image_size(table, 1, WHERE)


def size_of(content):
    return table_images.image_size(arrow([release.row(0, image={"bytes": content, "path": None})]), 0, WHERE)


def encoded(file_format):
    """An image of 40 x 24 whose pixels take more bytes than its head."""
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 40, 3), dtype=np.uint8)).save(buffer, file_format)
    return buffer.getvalue()


def chunk(name, content):
    """A part of a PNG file: length, name, content, checksum."""
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def with_chunk(added, place):
    """A PNG file with one chunk more.

    The file starts with a signature of 8 bytes and a header of 25, and ends with a chunk of 12.
    """
    content = encoded("PNG")
    cut = 33 if place == "before the pixels" else len(content) - 12
    return content[:cut] + added + content[cut:]


# EXIF in its standard form: big-endian, with one entry at byte 8: tag 0x0112, one short integer, is 6 (a quarter turn).
QUARTER_TURN = b"MM\x00\x2a" + struct.pack(">IHHHIHHI", 8, 1, 0x0112, 3, 1, 6, 0, 0)
PROFILE = f"\nexif\n      {len(QUARTER_TURN)}\n{QUARTER_TURN.hex()}\n".encode()
ORIENTATIONS = {
    "exif": chunk(b"eXIf", QUARTER_TURN),
    "profile": chunk(b"tEXt", b"Raw profile type exif\x00" + PROFILE),
    "compressed profile": chunk(b"zTXt", b"Raw profile type exif\x00\x00" + zlib.compress(PROFILE)),
    "xmp": chunk(
        b"iTXt", b'XML:com.adobe.xmp\x00\x00\x00\x00\x00<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    ),
}


@pytest.mark.parametrize("place", ["before the pixels", "behind the pixels"])
@pytest.mark.parametrize("form", ORIENTATIONS)
def test_the_size_of_a_png_that_lies_on_its_side_is_that_of_the_upright_image(form, place):
    content = with_chunk(ORIENTATIONS[form], place)
    assert size_of(content) == (24, 40)
    assert table_images.decode_image(content).size == (24, 40)


def test_another_chunk_does_not_turn_a_png():
    content = with_chunk(chunk(b"tEXt", b"Comment\x00Orientation 6"), "before the pixels")
    assert size_of(content) == table_images.decode_image(content).size == (40, 24)


@pytest.mark.parametrize("file_format", ["PNG", "JPEG"])
def test_a_size_is_read_although_the_pixels_break_off(file_format, monkeypatch):
    content = encoded(file_format)
    content = content[: len(content) * 3 // 4]
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", False)
    with pytest.raises(OSError):
        table_images.decode_image(content)
    assert size_of(content) == (40, 24)


def test_a_size_is_read_from_the_head_of_a_png_alone(monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", False)
    content = encoded("PNG")
    assert size_of(content[: content.index(b"IDAT") + 4]) == (40, 24)


def test_a_turned_size_is_read_although_the_pixels_break_off(monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", False)
    content = with_chunk(ORIENTATIONS["exif"], "before the pixels")
    assert size_of(content[: len(content) * 3 // 4]) == (24, 40)


@pytest.mark.parametrize("file_format", ["PNG", "JPEG"])
def test_a_size_costs_no_decoding(file_format, monkeypatch):
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda image: pytest.fail("decoded"))
    assert size_of(encoded(file_format)) == (40, 24)


def pixels(image: Image.Image) -> np.ndarray:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return np.asarray(table_images.decode_image(buffer.getvalue()))


def test_eight_bit_images_are_pillows_own_conversion():
    rng = np.random.default_rng(0)
    values = rng.integers(0, 256, (5, 7, 4), dtype=np.uint8)
    assert np.array_equal(pixels(Image.fromarray(values[..., :3])), values[..., :3])
    assert np.array_equal(pixels(Image.fromarray(values)), values[..., :3])
    assert np.array_equal(pixels(Image.fromarray(values[..., 0])), np.repeat(values[..., :1], 3, axis=2))


def test_deep_grayscale_is_scaled_to_its_maximum_instead_of_clipped():
    # 4095 becomes 255, so 2048 becomes round(2048 * 255 / 4095) = round(127.53) = 128.
    image = Image.fromarray(np.array([[0, 2048, 4095]], dtype=np.uint16))
    assert np.asarray(image.convert("RGB"))[0, :, 0].tolist() == [0, 255, 255]
    assert pixels(image)[0, :, 0].tolist() == [0, 128, 255]


def test_deep_grayscale_that_pillow_would_not_clip_is_left_alone():
    image = Image.fromarray(np.array([[0, 100, 200]], dtype=np.uint16))
    assert pixels(image)[0, :, 0].tolist() == [0, 100, 200]


def test_float_images_are_read_without_their_negative_and_missing_values():
    image = Image.fromarray(np.array([[-5, np.nan, 100, 510]], dtype=np.float32))
    # The maximum 510 becomes 255, so 100 becomes 50.
    assert np.asarray(table_images.to_rgb(image))[0, :, 0].tolist() == [0, 0, 50, 255]


def test_exif_orientation_is_applied_exactly_once():
    upright = np.zeros((2, 3, 3), np.uint8)
    upright[0, 0] = 255
    image = Image.fromarray(upright)
    exif = image.getexif()
    exif[0x0112] = 3  # turned by 180 degrees
    buffer = io.BytesIO()
    image.save(buffer, "PNG", exif=exif)
    once = table_images.decode_image(buffer.getvalue())
    assert np.asarray(once)[1, 2].tolist() == [255, 255, 255]
    assert np.array_equal(np.asarray(table_images.to_rgb(once)), np.asarray(once))
