"""Let the library that draws the harness's tables copy its list of codecs at once: for each cell, it does so deeply."""

from __future__ import annotations

from mbstrdecoder import MultiByteStrDecoder

_NAME = "_MultiByteStrDecoder__CODECS"


class _Codecs(list):
    """Names, which need no copies of their own."""

    def __deepcopy__(self, memo: dict) -> list:
        return list(self)


def install() -> None:
    """Halve the time of a table for this process and its forks; the table stays the same."""
    setattr(MultiByteStrDecoder, _NAME, _Codecs(getattr(MultiByteStrDecoder, _NAME)))
