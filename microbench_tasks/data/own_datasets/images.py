"""Check an image of a user, and store it so that only its pixels tell what it shows."""

from __future__ import annotations

import contextlib
import hashlib
import io
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from microbench_tasks.data import table_images
from microbench_tasks.data.own_datasets import metadata

if TYPE_CHECKING:
    from PIL.Image import Image

# Largest size of a file per pixel that is allowed: 8-bit color with transparency, uncompressed.
BYTES_PER_PIXEL = 4
# Pillow warns of larger images whenever they are read, and refuses twice as many.
MOST_MEGAPIXELS = 89

_FORMATS = ("PNG", "JPEG", "MPO", "TIFF")
_DEPTHS = {
    "1": "1-bit black and white",
    "L": "8-bit gray",
    "LA": "8-bit gray",
    "P": "8-bit palette",
    "PA": "8-bit palette",
    "RGB": "8-bit color",
    "RGBA": "8-bit color",
    "RGBX": "8-bit color",
    "I": "16-bit gray",
    "I;16": "16-bit gray",
    "I;16B": "16-bit gray",
    "I;16L": "16-bit gray",
}
_REFUSED_MODES = {
    "CMYK": "is CMYK, made for printing. Export it as RGB",
    "F": "has floating-point values, of which black and white are not known. Scale it to 8 or 16 bits",
    "LAB": "is in the color space LAB. Export it as RGB",
    "YCbCr": "is in the color space YCbCr. Export it as RGB",
}
_TOO_DEEP = "has 16 bits per color channel, of which models would see the upper 8 only. Scale it to 8 bits per channel"
_STACK = (
    "contains {frames} images (pages, slices, channels or times). Export the one that shows the class, or a projection"
)
_SEE_THROUGH = "is transparent in places, where models see other colors than you. Export it without transparency"
_BITS_PER_SAMPLE, _PHOTOMETRIC, _DESCRIPTION, _ORIENTATION = 258, 262, 270, 274
# Orientations by EXIF; others mean nothing.
_UPRIGHT, _TURNED = 1, range(2, 9)
_PNG_BIT_DEPTH = slice(24, 25)


class UnusableImageError(ValueError):
    """Report that an image cannot be used, why, and what to do."""


@dataclass(frozen=True)
class StoredImage:
    """What is known of an image that is stored.

    Attributes:
        num_bytes: of the stored file.
        width, height: of the image turned upright, in pixels.
        file_format: of the file that was read: ``PNG``, ``JPEG`` or ``TIFF``.
        depth: in words.
        pixels_sha256: of what models see.
        is_blank: whether all pixels are the same.
        is_turned: whether the file had to be turned upright.
    """

    num_bytes: int
    width: int
    height: int
    file_format: str
    depth: str
    pixels_sha256: str
    is_blank: bool
    is_turned: bool


def prepare(content: bytes, max_pixels: int) -> tuple[bytes, StoredImage]:
    """Check an image, and return it as a PNG or JPEG file without metadata.

    PNG and JPEG files keep their compressed pixels. TIFF files, and PNG files that are not upright, become PNG without
    loss. What `table_images.to_rgb` returns, which models see, is the same as before.

    Raises:
        UnusableImageError: the content is no image that can be used.
    """
    if not content:
        raise UnusableImageError("is empty (0 bytes). Copy the file again")
    try:
        with _strict_pillow():
            return _prepare(content, max_pixels)
    except UnusableImageError:
        raise
    # Pillow's parsers of pixels and of metadata raise whatever they meet.
    except Exception as error:
        reason = str(error).rstrip(".") or type(error).__name__
        raise UnusableImageError(f"is damaged ({reason}). Copy or export it again") from error


def _prepare(content: bytes, max_pixels: int) -> tuple[bytes, StoredImage]:
    image = _opened(content)
    _check_form(image, content, max_pixels)
    # Pillow turns TIFF when it loads it, and forgets the tag.
    turned_by_pillow = image.format == "TIFF" and image.getexif().get(_ORIENTATION) in _TURNED
    image.load()
    _check_values(image)
    seen = table_images.to_rgb(image)
    stated: Any = image.getexif().get(_ORIENTATION)
    orientation = stated if stated in _TURNED else _UPRIGHT
    stored = _without_metadata(image, content, orientation)
    digest = _pixels_sha256(seen)
    if _pixels_sha256(table_images.decode_image(stored)) != digest:
        raise UnusableImageError("changes when its metadata are removed. Export it again as PNG")
    return stored, StoredImage(
        num_bytes=len(stored),
        width=seen.width,
        height=seen.height,
        file_format="JPEG" if image.format == "MPO" else str(image.format),
        depth=_DEPTHS[image.mode],
        pixels_sha256=digest,
        is_blank=seen.getcolors(1) is not None,
        is_turned=turned_by_pillow or orientation != _UPRIGHT,
    )


@contextlib.contextmanager
def _strict_pillow() -> Iterator[None]:
    """Let Pillow refuse truncated images, which the harness tells it to pad, and leave sizes to us."""
    from PIL import Image, ImageFile

    before = ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS
    ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS = False, None
    try:
        with warnings.catch_warnings():
            # Pillow warns of metadata that it does not understand, and of the kinds of palettes.
            warnings.simplefilter("ignore")
            yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS = before


def _opened(content: bytes) -> Image:
    from PIL import Image, UnidentifiedImageError

    try:
        return Image.open(io.BytesIO(content))
    except UnidentifiedImageError as error:
        if content.startswith(b"version https://git-lfs"):
            raise UnusableImageError("is a pointer of Git LFS, not the image. Type git lfs pull") from error
        raise UnusableImageError("is no TIFF, PNG or JPEG image that can be read. Export it again") from error


def _check_form(image: Image, content: bytes, max_pixels: int) -> None:
    """Check what is known of an image before its pixels are decoded."""
    if image.format not in _FORMATS:
        raise UnusableImageError(f"is {image.format}, expected TIFF, PNG or JPEG. Export it as one of them")
    if image.width * image.height > max_pixels:
        raise UnusableImageError(
            f"has {image.width} x {image.height} pixels, more than {max_pixels / 1e6:g} million. Cut it into tiles, "
            f"reduce it, or allow up to {MOST_MEGAPIXELS} with --max-megapixels"
        )
    frames = _num_frames(image)
    if frames > 1:
        raise UnusableImageError(_STACK.format(frames=frames))
    if image.mode in _REFUSED_MODES:
        raise UnusableImageError(_REFUSED_MODES[image.mode])
    if image.mode not in _DEPTHS:
        raise UnusableImageError(f"has pixels of an unknown kind ({image.mode}). Export it as RGB or gray")
    if _has_deep_channels(image, content):
        raise UnusableImageError(_TOO_DEEP)
    tags = getattr(image, "tag_v2", {})
    if image.format == "TIFF" and image.mode.startswith("I") and tags.get(_PHOTOMETRIC) == 0:
        raise UnusableImageError("stores black as the largest value (MINISWHITE). Export it with black as 0")


def _num_frames(image: Image) -> int:
    # The second image of an MPO file is another view or a preview of the first.
    if image.format == "MPO":
        return 1
    frames = getattr(image, "n_frames", 1)
    # ImageJ writes stacks of more than 4 GB as one page.
    description = str(getattr(image, "tag_v2", {}).get(_DESCRIPTION, ""))
    if frames == 1 and description.startswith("ImageJ="):
        stated = [line.removeprefix("images=") for line in description.splitlines() if line.startswith("images=")]
        return int(stated[0]) if stated and stated[0].isdecimal() else 1
    return frames


def _has_deep_channels(image: Image, content: bytes) -> bool:
    """Tell whether a color image has 16 bits per channel: Pillow reads the upper 8 bits of them."""
    if image.mode.startswith("I"):
        return False
    if image.format == "PNG":
        return content[_PNG_BIT_DEPTH] == b"\x10"
    return image.format == "TIFF" and max(getattr(image, "tag_v2", {}).get(_BITS_PER_SAMPLE, (8,))) > 8


def _check_values(image: Image) -> None:
    if image.mode == "I":
        low, high = image.getextrema()
        if low < 0 or high > 0xFFFF:  # type: ignore[operator]
            raise UnusableImageError(f"has values from {low} to {high}. Scale it to 8 or 16 bits without a sign")
    elif (
        not image.mode.startswith("I")
        and image.has_transparency_data
        and image.convert("RGBA").getchannel("A").getextrema() != (255, 255)
    ):
        raise UnusableImageError(_SEE_THROUGH)


def _without_metadata(image: Image, content: bytes, orientation: int) -> bytes:
    from PIL import ImageOps

    if image.format in ("JPEG", "MPO"):
        return metadata.strip_jpeg(content, orientation)
    if image.format == "PNG" and orientation == _UPRIGHT:
        return metadata.strip_png(content)
    return _png(ImageOps.exif_transpose(image))


def _png(image: Image) -> bytes:
    """Encode pixels alone as PNG."""
    import numpy as np
    from PIL import Image

    if image.mode.startswith("I"):
        bare = Image.fromarray(np.asarray(image).astype(np.uint16))
    else:
        bare = Image.fromarray(np.asarray(image.convert("L" if image.mode in ("1", "L", "LA") else "RGB")))
    buffer = io.BytesIO()
    bare.save(buffer, format="PNG")
    return buffer.getvalue()


def _pixels_sha256(image: Image) -> str:
    digest = hashlib.sha256(f"{image.width} {image.height} ".encode())
    digest.update(image.tobytes())
    return digest.hexdigest()
