"""Check and decode the images of a table."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from microbench_tasks.catalog.release_columns import IMAGE
from microbench_tasks.data import arrow_images
from microbench_tasks.data.table_rows import row_name
from microbench_tasks.util.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa
    from PIL.Image import Image

# EXIF orientations that swap width and height.
_SIDEWAYS = range(5, 9)
# Names of the chunks of a PNG file that can contain its orientation.
_PNG_EXIF_MARKERS = (b"eXIf", b"Raw profile type", b"XML:com.adobe.xmp")


def check_images(table: pa.Table, where: str) -> None:
    """Raise `DataError` at the first image that cannot be read, or is not in the table itself.

    PNG files (the release has no others) are verified by their checksums, without decoding a pixel. Other formats
    are decoded.
    """
    from PIL import ImageFile

    # The harness tells Pillow to pad truncated images with gray; here they are an error.
    padding, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, False
    try:
        for row, image in enumerate(image_contents(table)):
            problem = _image_problem(image)
            if problem:
                raise _unreadable(table, row, where, problem)
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = padding


def _image_problem(stored: dict[str, Any]) -> str | None:
    from PIL import Image, UnidentifiedImageError

    if stored["bytes"] is None:
        return _absence(stored["path"])
    try:
        with Image.open(io.BytesIO(stored["bytes"])) as image:
            image.verify() if image.format == "PNG" else image.load()
    except UnidentifiedImageError:
        return f"{len(stored['bytes'])} bytes in no known image format"
    # Pillow's decoders raise whatever their format's parser meets: SyntaxError, struct.error, …
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


def _absence(path: str | None) -> str:
    # A file beside the data would escape its content hash.
    return f"the path {path!r}; save the data with the image bytes in it" if path else "no image"


def _unreadable(table: pa.Table, row: int, where: str, problem: str) -> DataError:
    return DataError(f"{where}: {row_name(table, row)}: column image: expected a readable image, got: {problem}")


def image_column(table: pa.Table) -> pa.ChunkedArray:
    """Return the images as ``struct<bytes, path>``, the storage of ``datasets.Image``, without copying them."""
    return arrow_images.image_column(table[IMAGE])


def image_contents(table: pa.Table) -> Iterator[dict[str, Any]]:
    """Yield the stored image of each row, ``{"bytes": …, "path": …}``; both are None where there is no image."""
    for chunk in image_column(table).chunks:
        for value in chunk:
            yield value.as_py() or {"bytes": None, "path": None}


def image_size(table: pa.Table, row: int, where: str) -> tuple[int, int]:
    """Return width and height of a row's image as `to_rgb` turns it, mostly without decoding a pixel.

    Raises:
        DataError: the row has no readable image; names the row.
    """
    from PIL import ExifTags, Image

    stored = table["image"][row].as_py()
    content = stored["bytes"] if isinstance(stored, dict) else stored
    if content is None:
        raise _unreadable(table, row, where, _absence(stored.get("path") if isinstance(stored, dict) else None))
    try:
        with Image.open(io.BytesIO(content)) as image:
            if image.format == "TIFF" or (
                image.format == "PNG" and not any(marker in content for marker in _PNG_EXIF_MARKERS)
            ):
                # Pillow turns TIFF by itself. Of PNG it would decode the pixels to search for a tag behind them.
                return image.size
            is_sideways = image.getexif().get(ExifTags.Base.Orientation) in _SIDEWAYS
            return image.size[::-1] if is_sideways else image.size
    # Pillow's parsers raise whatever they meet.
    except Exception as error:
        raise _unreadable(table, row, where, f"{type(error).__name__}: {error}") from error


def to_rgb(image: Image) -> Image:
    """Convert ``image`` to 8-bit RGB as the paper's evaluation code does, turned upright by its EXIF tag.

    Grayscale deeper than 8 bits is scaled so that its maximum becomes 255 if it is above 255. This deviates from
    Pillow's conversion, which the paper's evaluation code uses and which clips to white.
    """
    import numpy as np
    from PIL import Image, ImageOps

    upright = ImageOps.exif_transpose(image)
    if upright.mode not in ("I", "F") and not upright.mode.startswith("I;16"):
        return upright.convert("RGB")
    values = np.nan_to_num(np.asarray(upright, dtype=np.float64)).clip(min=0)
    scaled = values * 255 / max(255, values.max(initial=0))
    return Image.fromarray(np.rint(scaled).astype(np.uint8)).convert("RGB")


def decode_image(content: bytes) -> Image:
    """Decode an image to what models see: 8-bit RGB (see `to_rgb`)."""
    from PIL import Image

    with Image.open(io.BytesIO(content)) as image:
        return to_rgb(image)
