"""Save figures as PNG and PDF; the same figure always gives the same bytes."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from microbench_tasks.render.plots.style import own_settings

if TYPE_CHECKING:
    from fontTools.ttLib import TTFont
    from matplotlib.figure import Figure

# Pixels per inch.
DPI = 180
# Pixels per inch of plots on a page, and their number of colours.
PAGE_DPI, _PAGE_COLOURS = 120, 128
# Tables of a TrueType font that a PDF needs, which names glyphs by their numbers (PDF 32000-1:2008, 9.9).
_PDF_TABLES = frozenset(("cvt ", "fpgm", "glyf", "head", "hhea", "hmtx", "loca", "maxp", "prep"))


def png(figure: Figure, dpi: int = DPI) -> bytes:
    """Return the figure as a PNG file, which states its resolution; the figure keeps its layout."""
    _fix_layout(figure, dpi)
    return _encode(figure, "png", dpi=dpi)


def save(figure: Figure, folder: Path, name: str) -> bytes:
    """Write ``name.png`` and ``name.pdf`` into ``folder``, creating it if necessary; return the PNG file."""
    folder.mkdir(parents=True, exist_ok=True)
    content = png(figure)
    (folder / f"{name}.png").write_bytes(content)
    # Without its date, the same figure gives the same file.
    with _small_fonts():
        pdf = _encode(figure, "pdf", metadata={"CreationDate": None})
    (folder / f"{name}.pdf").write_bytes(pdf)
    return content


def lighter(content: bytes) -> bytes:
    """Return a PNG file of a plot with fewer pixels and colours, for pages: a fifth of the size."""
    from PIL import Image

    image = Image.open(io.BytesIO(content)).convert("RGB")
    size = (image.width * PAGE_DPI // DPI, image.height * PAGE_DPI // DPI)
    light = image.resize(size, Image.Resampling.LANCZOS).quantize(
        _PAGE_COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE
    )
    file = io.BytesIO()
    light.save(file, "PNG", dpi=(PAGE_DPI, PAGE_DPI))
    return file.getvalue()


def _fix_layout(figure: Figure, dpi: int) -> None:
    """Compute the layout once: otherwise matplotlib draws the figure for it again before each file."""
    with _drawing():
        figure.set_dpi(dpi)
        if engine := figure.get_layout_engine():
            engine.execute(figure)
        figure.set_layout_engine(None)


@contextmanager
def _small_fonts() -> Iterator[None]:
    """Let matplotlib embed what a PDF needs of a font: reducing the other tables takes most of the time of a PDF."""
    from fontTools import subset

    original: Callable[..., TTFont] = subset.load_font

    def load(*args: Any, **kwargs: Any) -> TTFont:
        font = original(*args, **kwargs)
        if "glyf" in font:
            # Names of the glyphs, which would be read from one of the other tables.
            font.setGlyphOrder([".notdef", *(f"glyph{number}" for number in range(1, font["maxp"].numGlyphs))])
            for tag in set(font.keys()) - _PDF_TABLES - {"GlyphOrder"}:
                del font[tag]
        return font

    subset.load_font = load
    try:
        yield
    finally:
        subset.load_font = original


def _encode(figure: Figure, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    with _drawing():
        figure.savefig(file, format=kind, **options)
    return file.getvalue()


@contextmanager
def _drawing() -> Iterator[None]:
    with own_settings(), warnings.catch_warnings():
        # A missing glyph is drawn as a box, which is enough.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        yield
