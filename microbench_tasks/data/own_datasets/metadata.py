"""Remove metadata from PNG and JPEG files without touching their pixels.

Comments, EXIF, XMP, thumbnails and color profiles can name the class, the patient or the day. No model of the harness
applies them, except for the orientation.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

_PNG_HEADER = b"\x89PNG\r\n\x1a\n"
# All that decides about pixels; transparency is checked before.
_PNG_CHUNKS = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
_CHUNK_FRAME = 12

_SOI, _EOI, _SOS, _JFIF, _ADOBE = 0xD8, 0xD9, 0xDA, 0xE0, 0xEE
# Frames, tables of Huffman and arithmetic codes and of quantization, scans, numbers of lines and restart intervals.
_IMAGE_SEGMENTS = {*range(0xC0, 0xD0), 0xDA, 0xDB, 0xDC, 0xDD} - {0xC8}
# Markers without a length: restarts, and the one of a stuffed zero.
_BARE = frozenset({0x00, 0x01, *range(0xD0, 0xD8)})
# Decoders take the presence of these two segments, and the last byte of Adobe's, for the color space.
_PLAIN_JFIF = b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0"
_ADOBE_LENGTH = 12


def strip_png(content: bytes) -> bytes:
    """Return a PNG file with nothing but what decides about its pixels.

    Raises:
        ValueError: the file ends within a chunk.
    """
    kept, position = [_PNG_HEADER], len(_PNG_HEADER)
    while position < len(content):
        length, kind = struct.unpack_from(">I4s", content, position)
        end = position + _CHUNK_FRAME + length
        if end > len(content):
            raise ValueError("ends within a chunk")
        if kind in _PNG_CHUNKS:
            kept.append(content[position:end])
        position = end
        if kind == b"IEND":
            break
    return b"".join(kept)


def strip_jpeg(content: bytes, orientation: int) -> bytes:
    """Return a JPEG file without comments and application data, but with its orientation.

    Args:
        content: of the file; what follows its first image is removed, too.
        orientation: by EXIF, 1 to 8; 1 is upright.
    """
    kept = [b"\xff\xd8"]
    # EXIF comes after JFIF.
    exif = b"" if orientation == 1 else _segment(0xE1, _orientation_exif(orientation))
    for marker, part in _jpeg_parts(content):
        if marker == _JFIF:
            if part[4:9] == b"JFIF\0" and len(kept) == 1:
                kept.append(_segment(_JFIF, _PLAIN_JFIF))
        elif marker == _ADOBE and part[4:9] == b"Adobe":
            kept.append(_segment(_ADOBE, part[4 : 4 + _ADOBE_LENGTH]))
        elif marker in _IMAGE_SEGMENTS:
            kept += [exif, part]
            exif = b""
    return b"".join(kept) + b"\xff\xd9"


def _jpeg_parts(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield each segment after the start of the image with its marker; that of a scan includes the scan's data."""
    position = 2
    while position + 4 <= len(content):
        if content[position] != 0xFF:
            raise ValueError("expected a marker")
        marker = content[position + 1]
        if marker == 0xFF:
            position += 1
            continue
        if marker == _EOI:
            return
        if marker in _BARE:
            position += 2
            continue
        end = position + 2 + int.from_bytes(content[position + 2 : position + 4])
        if marker == _SOS:
            end = _end_of_scan(content, end)
        yield marker, content[position:end]
        position = end


def _end_of_scan(content: bytes, position: int) -> int:
    while True:
        position = content.find(b"\xff", position)
        if position < 0 or position + 1 >= len(content):
            return len(content)
        if content[position + 1] not in _BARE:
            return position
        position += 2


def _segment(marker: int, payload: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(payload) + 2).to_bytes(2) + payload


def _orientation_exif(orientation: int) -> bytes:
    from PIL import ExifTags, Image

    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    return exif.tobytes()
