"""Save figures as PNG and PDF; the same figure always gives the same bytes."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from microbench_tasks.render.plots.style import own_settings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Pixels per inch.
DPI = 180
# Pixels per inch of plots on a page, and their number of colours.
PAGE_DPI, _PAGE_COLOURS = 120, 128


def png(figure: Figure, dpi: int = DPI) -> bytes:
    """Return the figure as a PNG file, which states its resolution."""
    return _encode(figure, "png", dpi=dpi)


def save(figure: Figure, folder: Path, name: str) -> bytes:
    """Write ``name.png`` and ``name.pdf`` into ``folder``, creating it if necessary; return the PNG file."""
    folder.mkdir(parents=True, exist_ok=True)
    content = png(figure)
    # Keep the layout for the PDF: computing it takes as long as drawing.
    figure.set_layout_engine("none")
    (folder / f"{name}.png").write_bytes(content)
    # Without its date, the same figure gives the same file.
    (folder / f"{name}.pdf").write_bytes(_encode(figure, "pdf", metadata={"CreationDate": None}))
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
    light.save(file, "PNG", optimize=True, dpi=(PAGE_DPI, PAGE_DPI))
    return file.getvalue()


def _encode(figure: Figure, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    with own_settings(), warnings.catch_warnings():
        # A missing glyph is drawn as a box, which is enough.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.savefig(file, format=kind, **options)
    return file.getvalue()
