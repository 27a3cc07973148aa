"""Images of an own dataset: their pixels stay as models see them, and everything else is removed."""

from __future__ import annotations

import hashlib
import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, PngImagePlugin, TiffImagePlugin

from microbench_tasks.data.own_datasets import images
from microbench_tasks.data.own_datasets.images import StoredImage, UnusableImageError, prepare
from microbench_tasks.data.table_images import decode_image
from tests.support import own_images
from tests.support.own_images import CELL, GLAND

SECRET = "tumor of J. Doe"
MILLION = 1_000_000
COLOR, GRAY = own_images.tile(GLAND, 3), own_images.tile(CELL, 19)
DEEP = (own_images.tile(CELL, 19).astype(np.uint16) << 4) + 3


def encode(image: Image.Image | np.ndarray, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.save(buffer, format=kind, **options)
    return buffer.getvalue()


def exif(orientation: int = 1) -> Image.Exif:
    written = Image.Exif()
    written[0x010E] = SECRET
    if orientation != 1:
        written[0x0112] = orientation
    return written


def png_text() -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", SECRET)
    info.add_itxt("XML:com.adobe.xmp", f"<x>{SECRET}</x>")
    info.add_text("zipped", SECRET * 9, zip=True)
    return info


def plain_metadata(content: bytes) -> dict:
    with Image.open(io.BytesIO(content)) as image:
        image.load()
        return {name: value for name, value in image.info.items() if name not in ("exif", "transparency")}


PNGS = {
    "color": encode(COLOR, "PNG", pnginfo=png_text(), exif=exif(), icc_profile=SECRET.encode(), dpi=(72, 72)),
    "gray": encode(GRAY, "PNG", pnginfo=png_text()),
    "16 bits": encode(DEEP, "PNG", pnginfo=png_text()),
    "palette": encode(Image.fromarray(COLOR).quantize(32), "PNG", pnginfo=png_text()),
    "opaque alpha": encode(Image.fromarray(COLOR).convert("RGBA"), "PNG", pnginfo=png_text()),
    "1 bit": encode(Image.fromarray(GRAY > 100), "PNG", pnginfo=png_text()),
    "bytes after its end": encode(GRAY, "PNG") + SECRET.encode(),
}
JPEGS = {
    "color": encode(COLOR, "JPEG", exif=exif(), comment=SECRET, icc_profile=SECRET.encode(), dpi=(72, 72)),
    "gray": encode(GRAY, "JPEG", exif=exif(), comment=SECRET),
    "progressive": encode(COLOR, "JPEG", progressive=True, exif=exif(), comment=SECRET),
    "restarts": encode(COLOR, "JPEG", restart_marker_rows=1, exif=exif(), comment=SECRET),
    "no subsampling": encode(COLOR, "JPEG", subsampling=0, quality=100, exif=exif(), comment=SECRET),
    "RGB": encode(COLOR, "JPEG", keep_rgb=True, comment=SECRET),
    "bytes after its end": encode(COLOR, "JPEG") + SECRET.encode(),
}


@pytest.mark.parametrize("name", PNGS)
def test_a_png_keeps_its_compressed_pixels_and_nothing_else(name):
    content = PNGS[name]
    stored, seen = prepare(content, MILLION)
    kinds = [kind for kind, _ in chunks(stored)]
    assert set(kinds) <= {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}
    assert [data for kind, data in chunks(stored) if kind == b"IDAT"] == [
        data for kind, data in chunks(content) if kind == b"IDAT"
    ]
    assert SECRET.encode() not in stored and stored.endswith(b"IEND\xaeB`\x82")
    assert plain_metadata(stored) == {}
    assert_same_pixels(content, stored, seen)


def chunks(content: bytes) -> list[tuple[bytes, bytes]]:
    """Return kind and data of each chunk of a PNG file, and check their checksums."""
    found, position = [], 8
    while position < len(content) and (not found or found[-1][0] != b"IEND"):
        length, kind = struct.unpack_from(">I4s", content, position)
        data = content[position + 8 : position + 8 + length]
        assert zlib.crc32(kind + data) == int.from_bytes(content[position + 8 + length : position + 12 + length])
        found.append((kind, data))
        position += 12 + length
    return found


def assert_same_pixels(content: bytes, stored: bytes, seen: StoredImage) -> None:
    with Image.open(io.BytesIO(content)) as before, Image.open(io.BytesIO(stored)) as after:
        assert np.array_equal(np.asarray(before), np.asarray(after))
        assert before.mode == after.mode
    assert np.array_equal(np.asarray(decode_image(content)), np.asarray(decode_image(stored)))
    rgb = decode_image(stored)
    assert (seen.width, seen.height, seen.num_bytes) == (*rgb.size, len(stored))
    # The hash, computed again.
    assert seen.pixels_sha256 == hashlib.sha256(b"%d %d " % rgb.size + rgb.tobytes()).hexdigest()


@pytest.mark.parametrize("name", JPEGS)
def test_a_jpeg_keeps_its_compressed_pixels_and_nothing_else(name):
    content = JPEGS[name]
    stored, seen = prepare(content, MILLION)
    assert stored[:2] == b"\xff\xd8" and stored[-2:] == b"\xff\xd9"
    assert SECRET.encode() not in stored and b"Exif" not in stored
    # What Pillow itself takes from the fixed header of JFIF.
    assert plain_metadata(stored).keys() <= {"jfif", "jfif_version", "jfif_unit", "jfif_density", "adobe",
                                             "adobe_transform", "progressive", "progression"}  # fmt: skip
    assert_same_pixels(content, stored, seen)


@pytest.mark.parametrize("orientation", range(2, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_an_image_is_seen_as_its_orientation_says(kind, orientation):
    # Rows and columns that differ, and quarters that differ.
    pixels = np.zeros((24, 16), np.uint8)
    pixels[:8, :8], pixels[16:, :8], pixels[16:, 8:] = 240, 160, 80
    content = encode(pixels, kind, exif=exif(orientation), **({"quality": 100} if kind == "JPEG" else {}))
    stored, seen = prepare(content, MILLION)
    # By the EXIF standard: what the first row and the first column of the file are.
    upright = {
        2: np.fliplr(pixels),
        3: np.flipud(np.fliplr(pixels)),
        4: np.flipud(pixels),
        5: pixels.T,
        6: np.fliplr(pixels.T),
        7: np.flipud(np.fliplr(pixels.T)),
        8: np.flipud(pixels.T),
    }[orientation]
    shown = np.asarray(decode_image(stored))[..., 0].astype(int)
    assert (seen.height, seen.width) == upright.shape
    assert np.abs(shown - upright).max() <= (4 if kind == "JPEG" else 0)
    assert SECRET.encode() not in stored


TIFFS = {
    "8-bit gray": GRAY,
    "8-bit color": COLOR,
    "16-bit gray": DEEP,
}


@pytest.mark.parametrize("depth", TIFFS)
@pytest.mark.parametrize("byteorder", "<>")
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_tiff_becomes_a_png_of_the_same_values(tmp_path, depth, byteorder, compression):
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, TIFFS[depth], byteorder=byteorder, compression=compression, description=SECRET)
    stored, seen = prepare(path.read_bytes(), MILLION)
    with Image.open(io.BytesIO(stored)) as image:
        assert image.format == "PNG"
        # tifffile reads without Pillow.
        assert np.array_equal(np.asarray(image), tifffile.imread(path))
    assert seen.depth == depth
    assert SECRET.encode() not in stored and plain_metadata(stored) == {}


def test_deep_images_are_scaled_as_those_of_the_release():
    stored, _ = prepare(encode(DEEP, "TIFF"), MILLION)
    shown = np.asarray(decode_image(stored))[..., 1]
    assert np.array_equal(shown, np.rint(DEEP * (255 / DEEP.max())).astype(np.uint8))


def test_an_imagej_file_of_one_image_is_read(tmp_path):
    tifffile.imwrite(tmp_path / "image.tif", DEEP, imagej=True)
    stored, _ = prepare((tmp_path / "image.tif").read_bytes(), MILLION)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(stored))), DEEP)


def tiff(pixels: np.ndarray, **options) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, pixels, **options)
    return buffer.getvalue()


def stack_of_one_page() -> bytes:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[270] = "ImageJ=1.54f\nimages=5\nslices=5\n"
    return encode(GRAY, "TIFF", tiffinfo=tags)


def flipped(content: bytes, position: int) -> bytes:
    return content[:position] + bytes([content[position] ^ 0xFF]) + content[position + 1 :]


SEE_THROUGH = Image.fromarray(np.dstack([COLOR, np.full(COLOR.shape[:2], 128, np.uint8)]))
UNUSABLE = {
    "empty file": (b"", "is empty"),
    "text": (b"hello", "is no TIFF, PNG or JPEG"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS.*git lfs pull"),
    "half a PNG": (PNGS["color"][:2000], "damaged"),
    "half a JPEG": (JPEGS["color"][:-400], "damaged"),
    "half a TIFF": (tiff(COLOR)[:3000], "damaged|no TIFF"),
    "a PNG with a wrong byte": (flipped(encode(COLOR, "PNG"), 2000), "damaged"),
    "damaged EXIF": (encode(COLOR, "PNG", exif=b"Exif\0\0MX\0*\0\0\0\x08"), "damaged"),
    "GIF": (encode(GRAY, "GIF"), "is GIF, expected TIFF, PNG or JPEG"),
    "BMP": (encode(GRAY, "BMP"), "is BMP"),
    "WebP": (encode(COLOR, "WEBP"), "is WEBP"),
    "stack": (tiff(np.stack([GRAY, GRAY.T])), "contains 2 images"),
    "RGB time series": (tiff(np.stack([COLOR, COLOR, COLOR])), "contains 3 images"),
    "ImageJ hyperstack": (tiff(np.stack([DEEP, DEEP]), imagej=True), "contains 2 images"),
    "large ImageJ stack": (stack_of_one_page(), "contains 5 images"),
    "animated PNG": (
        encode(GRAY, "PNG", save_all=True, append_images=[Image.fromarray(GRAY.T)]),
        "contains 2 images",
    ),
    "float TIFF": (tiff(GRAY.astype(np.float32) / 255), "floating-point"),
    "CMYK JPEG": (encode(Image.fromarray(COLOR).convert("CMYK"), "JPEG"), "CMYK.*RGB"),
    "LAB TIFF": (encode(Image.frombytes("LAB", (64, 64), COLOR.tobytes()), "TIFF"), "LAB"),
    "16-bit color TIFF": (tiff(COLOR.astype(np.uint16) << 4), "16 bits per color channel"),
    "16-bit color PNG": (None, "16 bits per color channel"),
    "transparent PNG": (encode(SEE_THROUGH, "PNG"), "transparent in places"),
    "transparent palette": (encode(Image.fromarray(GRAY).convert("P"), "PNG", transparency=b"\0" * 256), "transparent"),
    "signed TIFF": (tiff(GRAY.astype(np.int16) - 100), "has values from -"),
    "32-bit TIFF": (tiff(GRAY.astype(np.int32) << 12), "has values from"),
    "black as the largest value": (tiff(DEEP, photometric="miniswhite"), "MINISWHITE"),
    "more pixels than allowed": (encode(Image.new("L", (2000, 501)), "PNG"), "2000 x 501 pixels.*--max-megapixels"),
    "decompression bomb": (encode(Image.new("1", (30000, 30000)), "PNG"), "30000 x 30000 pixels"),
}


def deep_color_png() -> bytes:
    """Write a PNG of 16 bits per channel by hand."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in COLOR)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 64, 64, 16, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("name", UNUSABLE)
def test_an_image_that_cannot_be_used_is_refused_with_advice(name):
    content, problem = UNUSABLE[name]
    with pytest.raises(UnusableImageError, match=problem):
        prepare(deep_color_png() if content is None else content, MILLION)


def test_pillow_is_left_as_it_was():
    from PIL import ImageFile

    before = (ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS)
    with pytest.raises(UnusableImageError):
        prepare(b"hello", MILLION)
    assert before == (ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS)


def test_a_truncated_image_is_refused_though_the_harness_pads_such_images(monkeypatch):
    monkeypatch.setattr("PIL.ImageFile.LOAD_TRUNCATED_IMAGES", True)
    with pytest.raises(UnusableImageError, match="damaged"):
        prepare(JPEGS["color"][:-400], MILLION)


def test_the_most_pixels_that_may_be_allowed_are_read_by_pillow_without_a_warning():
    assert images.MOST_MEGAPIXELS * MILLION < Image.MAX_IMAGE_PIXELS


def test_an_image_of_one_color_is_told(tmp_path: Path):
    assert prepare(encode(Image.new("RGB", (9, 9), (1, 2, 3)), "PNG"), MILLION)[1].is_blank
    assert not prepare(encode(GRAY, "PNG"), MILLION)[1].is_blank
