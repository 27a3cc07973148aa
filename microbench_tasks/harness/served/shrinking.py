"""Downscale the images of a question after a server refused it as too large (HTTP 413)."""

from __future__ import annotations

import base64
import binascii
import io
import os
from collections.abc import Mapping
from typing import Any

from microbench_tasks.runs.result_keys import SHRINK_SETTING
from microbench_tasks.util.errors import DataError

_VALUE = "once"
_HEAD = "data:image/"
ADVICE = (
    f"the image is too large for the server. {SHRINK_SETTING}={_VALUE} sends such an image once more at half its size"
)


def is_wanted() -> bool:
    """Read the setting.

    Raises:
        DataError: it has a value other than ``once``.
    """
    value = os.environ.get(SHRINK_SETTING, "")
    if value not in ("", _VALUE):
        raise DataError(f"{SHRINK_SETTING}={value}: expected {_VALUE}. Set {SHRINK_SETTING}={_VALUE}, or unset it.")
    return value == _VALUE


def shrunk(payload: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the question with each image at half its width and height; None if no image can be downscaled."""
    changed = 0

    def part(content: Any) -> Any:
        nonlocal changed
        url = content.get("image_url", {}).get("url", "") if isinstance(content, Mapping) else ""
        smaller = _half(url) if isinstance(url, str) and url.startswith(_HEAD) else None
        if smaller is None:
            return content
        changed += 1
        return content | {"image_url": content["image_url"] | {"url": smaller}}

    def turn(message: Any) -> Any:
        content = message.get("content") if isinstance(message, Mapping) else None
        return message | {"content": [part(item) for item in content]} if isinstance(content, list) else message

    messages = [turn(message) for message in payload.get("messages") or ()]
    return {**payload, "messages": messages} if changed else None


def _half(url: str) -> str | None:
    from PIL import Image

    head, _, data = url.partition(",")
    try:
        image = Image.open(io.BytesIO(base64.b64decode(data)))
        width, height = image.size
        half = image.resize((max(width // 2, 1), max(height // 2, 1)), Image.Resampling.LANCZOS)
    except (binascii.Error, OSError):
        return None
    buffer = io.BytesIO()
    half.save(buffer, format=image.format)
    return f"{head},{base64.b64encode(buffer.getvalue()).decode()}"
