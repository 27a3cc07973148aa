"""Draw the elements of all pictures: soft shapes, noise fields, strokes, colour by absorption, a camera.

Images are float arrays in [0, 1], ``(height, width)`` or ``(height, width, 3)``; lengths are in
pixels, angles in radians, points are ``(x, y)``. Every random draw comes from the Generator passed in.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.random import Generator
from scipy import ndimage, sparse
from scipy.spatial import cKDTree

Shape = tuple[int, int]


@dataclass(frozen=True)
class Mark:
    """An annotated structure: its class and its outline, ``(points, 2)`` in pixels."""

    class_name: str
    outline: np.ndarray


@dataclass(frozen=True)
class Picture:
    """A finished drawing with the outlines of what it shows."""

    pixels: np.ndarray
    marks: tuple[Mark, ...] = ()


@dataclass(frozen=True)
class Blob:
    """A wobbly ellipse: centre, mean radius, long axis over short axis, direction of the long axis.

    ``harmonics`` holds ``(waves per turn, relative height, phase)`` of each bump on the rim.
    """

    x: float
    y: float
    radius: float
    elongation: float = 1.0
    angle: float = 0.0
    harmonics: tuple[tuple[int, float, float], ...] = ()

    @property
    def semi_axes(self) -> tuple[float, float]:
        """The long and the short half axis without bumps, in pixels."""
        stretch = self.elongation**0.5
        return self.radius * stretch, self.radius / stretch

    @property
    def reach(self) -> float:
        """An upper bound for the distance of the rim from the centre, in pixels."""
        return self.semi_axes[0] * (1 + sum(abs(height) for _, height, _ in self.harmonics))

    def _bump(self, theta: np.ndarray) -> np.ndarray:
        bump = np.ones_like(theta)
        for waves, height, phase in self.harmonics:
            bump += height * np.cos(waves * theta + phase)
        return bump

    def outline(self, points: int = 48) -> np.ndarray:
        """Return points of the rim, ``(points, 2)``."""
        theta = np.linspace(0, 2 * np.pi, points, endpoint=False)
        long, short = self.semi_axes
        bump = self._bump(theta)
        u, v = long * bump * np.cos(theta), short * bump * np.sin(theta)
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        return np.stack([self.x + u * cos - v * sin, self.y + u * sin + v * cos], axis=1)

    def depth(self, shape: Shape, margin: float = 3.0) -> tuple[tuple[slice, slice], np.ndarray]:
        """Return a window around the blob and, in it, the depth below the rim in pixels (negative outside)."""
        reach = self.reach + margin
        top, left = max(0, int(self.y - reach)), max(0, int(self.x - reach))
        bottom, right = min(shape[0], int(self.y + reach) + 2), min(shape[1], int(self.x + reach) + 2)
        window = (slice(top, max(top, bottom)), slice(left, max(left, right)))
        dy, dx = np.ogrid[window]
        dx, dy = dx - self.x, dy - self.y
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        long, short = self.semi_axes
        u, v = (dx * cos + dy * sin) / long, (dy * cos - dx * sin) / short
        rho = np.hypot(u, v)
        if self.harmonics:
            rho = rho / self._bump(np.arctan2(v, u))
        return window, (1 - rho) * short

    def scaled(self, factor: float) -> Blob:
        """Return the same blob, ``factor`` times as large."""
        return Blob(self.x, self.y, self.radius * factor, self.elongation, self.angle, self.harmonics)


def wobbly(
    rng: Generator,
    x: float,
    y: float,
    radius: float,
    elongation: float = 1.0,
    wobble: float = 0.06,
    angle: float | None = None,
) -> Blob:
    """Draw a blob with random bumps of relative height ``wobble``; without ``angle`` its direction is random."""
    angle = rng.uniform(0, np.pi) if angle is None else angle
    harmonics = tuple((waves, wobble * rng.normal() / waves**0.5, rng.uniform(0, 2 * np.pi)) for waves in (2, 3, 5))
    return Blob(x, y, radius, elongation, angle, harmonics)


def cover(shape: Shape, blobs: list[Blob], soft: float = 1.0, tones: np.ndarray | None = None) -> np.ndarray:
    """Return the coverage of each pixel by the blobs, 0 to 1 (times the blob's tone); ``soft`` is the edge's width."""
    canvas = np.zeros(shape)
    for number, blob in enumerate(blobs):
        window, depth = blob.depth(shape, margin=2 + soft)
        layer = np.clip(depth / soft + 0.5, 0, 1)
        if tones is not None:
            layer = layer * tones[number]
        np.maximum(canvas[window], layer, out=canvas[window])
    return canvas


def rings(shape: Shape, blobs: list[Blob], width: float) -> np.ndarray:
    """Draw bands of the given width along the rims of the blobs, 0 to 1."""
    canvas = np.zeros(shape)
    for blob in blobs:
        window, depth = blob.depth(shape, margin=2 + 2 * width)
        layer = np.exp(-((depth / (0.6 * width)) ** 2))
        np.maximum(canvas[window], layer, out=canvas[window])
    return canvas


@lru_cache(maxsize=64)
def _spline(length: int, cell: float) -> sparse.csr_array:
    """Return the weights that interpolate values on a grid of pitch ``cell``, ``(length, knots)``.

    The result is a smooth curve of unit variance.
    """
    knots = np.arange(-1, int(length / cell) + 3)
    far = (np.arange(length)[:, None] / cell - knots) / 0.55
    weights = np.exp(-0.5 * far**2) * (np.abs(far) < 3.7)
    return sparse.csr_array(weights / np.sqrt((weights**2).sum(axis=1, keepdims=True)))


def noise(rng: Generator, shape: Shape, cell: float) -> np.ndarray:
    """Draw a smooth random field of zero mean and unit variance whose features are ``cell`` pixels wide."""
    # Sparse products: small, and unlike BLAS the same on every machine and free of threads.
    rows, columns = _spline(shape[0], cell), _spline(shape[1], cell)
    values = rng.standard_normal((rows.shape[1], columns.shape[1]))
    return rows @ (columns @ values.T).T


def grain(rng: Generator, shape: Shape, sigma: float = 0.0) -> np.ndarray:
    """Draw random grain of unit variance, as fine as a pixel or blurred by ``sigma``."""
    field = rng.standard_normal(shape)
    if sigma == 0:
        return field
    field = ndimage.gaussian_filter(field, sigma)
    return field / field.std()


def dots(shape: Shape, points: np.ndarray, sigma: float, weights: np.ndarray | None = None) -> np.ndarray:
    """Draw Gaussian spots of height 1 (or ``weights``) at ``points`` (n, 2); overlapping spots add up."""
    columns, rows = np.rint(points).astype(int).T
    inside = (rows >= 0) & (rows < shape[0]) & (columns >= 0) & (columns < shape[1])
    weights = np.ones(len(points)) if weights is None else weights
    flat = np.bincount(rows[inside] * shape[1] + columns[inside], weights[inside], minlength=shape[0] * shape[1])
    return ndimage.gaussian_filter(flat.reshape(shape), sigma) * (2 * np.pi * sigma**2)


def strokes(shape: Shape, paths: list[np.ndarray], width: float) -> np.ndarray:
    """Draw lines of the given width through the points of each path, 0 to 1."""
    dense = np.concatenate([_resampled(path) for path in paths]) if paths else np.zeros((0, 2))
    sigma = max(0.5, 0.45 * width)
    # Two samples per pixel along a line of that blur add up to this height at its centre.
    peak = 2 * np.sqrt(2 * np.pi) * sigma
    return np.clip(dots(shape, dense, sigma) / peak * 1.1, 0, 1)


def _resampled(path: np.ndarray) -> np.ndarray:
    """Return the path with two points per pixel of its length."""
    lengths = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(path, axis=0).T))])
    at = np.arange(0, lengths[-1], 0.5)
    return np.stack([np.interp(at, lengths, path[:, 0]), np.interp(at, lengths, path[:, 1])], axis=1)


def walk(
    rng: Generator, start: tuple[float, float], heading: float, length: float, turn: float = 0.1, step: float = 3.0
) -> np.ndarray:
    """Return a random path of the given length that turns by about ``turn`` at every ``step`` pixels."""
    steps = max(2, int(length / step))
    bend = np.cumsum(rng.normal(0, turn, steps)) + heading
    moves = step * np.stack([np.cos(bend), np.sin(bend)], axis=1)
    return np.concatenate([[start], np.asarray(start) + np.cumsum(moves, axis=0)])


def lattice(rng: Generator, shape: Shape, spacing: float, jitter: float = 0.25) -> np.ndarray:
    """Return points that fill the image at about ``spacing`` from each other, ``(n, 2)``."""
    rows = np.arange(-0.5, shape[0] / (0.87 * spacing) + 1)
    columns = np.arange(-0.5, shape[1] / spacing + 1)
    y, x = np.meshgrid(rows * 0.87, columns, indexing="ij")
    x = x + 0.5 * (np.arange(len(rows)) % 2)[:, None]
    points = np.stack([x.ravel(), y.ravel()], axis=1) + rng.normal(0, jitter, (x.size, 2))
    return points * spacing


def apart(rng: Generator, shape: Shape, count: int | np.int64, gap: float, margin: float = 0.0) -> np.ndarray:
    """Draw up to ``count`` points at least ``gap`` from each other and ``margin`` from the border, ``(n, 2)``."""
    low, high = np.array([margin, margin]), np.array([shape[1] - margin, shape[0] - margin])
    kept, num_kept = np.empty((count, 2)), 0
    for point in rng.uniform(low, high, (30 * count, 2)):
        if num_kept == count:
            break
        if ((kept[:num_kept] - point) ** 2).sum(axis=1).min(initial=np.inf) >= gap**2:
            kept[num_kept], num_kept = point, num_kept + 1
    return kept[:num_kept]


def two_nearest(shape: Shape, centres: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the distance of every pixel to the nearest and to the second nearest centre."""
    pixels = np.stack(tuple(np.mgrid[: shape[0], : shape[1]][::-1]), axis=-1).reshape(-1, 2)
    distances = cKDTree(centres).query(pixels, k=2)[0]
    return distances[:, 0].reshape(shape), distances[:, 1].reshape(shape)


def bands(rng: Generator, shape: Shape, angle: float, pitch: float, waviness: float = 1.0) -> np.ndarray:
    """Draw fibres along ``angle``: irregular bands about ``pitch`` wide, of zero mean and unit variance."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    across = y * np.cos(angle) - x * np.sin(angle)
    across = across + waviness * pitch * noise(rng, shape, 6 * pitch)
    profile = rng.standard_normal(int(2.2 * sum(shape) / pitch) + 32)
    return np.interp(across / pitch + len(profile) / 2, np.arange(len(profile)), profile) * 1.2


def ramp(rng: Generator, shape: Shape) -> np.ndarray:
    """Return a linear field of random direction from -1 to 1, for uneven light."""
    angle = rng.uniform(0, 2 * np.pi)
    y = np.linspace(-1, 1, shape[0])[:, None] * np.sin(angle)
    x = np.linspace(-1, 1, shape[1])[None, :] * np.cos(angle)
    return (x + y) / (abs(np.sin(angle)) + abs(np.cos(angle)))


# Optical density per unit of dye in red, green and blue light.
DYES = {
    "hematoxylin": (0.68, 0.68, 0.27),
    "eosin": (0.10, 0.78, 0.34),
    "dab": (0.32, 0.60, 0.85),
    "violet": (0.55, 0.80, 0.26),
    "azure": (0.50, 0.34, 0.08),
    "red cell": (0.12, 0.52, 0.42),
    "orange": (0.10, 0.52, 0.85),
    "cyan": (0.75, 0.26, 0.22),
    "fuchsin": (0.16, 0.88, 0.45),
}


def transmitted(
    rng: Generator,
    layers: dict[str, np.ndarray],
    lamp: tuple[float, float, float] = (0.97, 0.96, 0.96),
    jitter: float = 0.06,
) -> np.ndarray:
    """Compute white light after absorbing dyes (Beer-Lambert): density maps by dye to ``(height, width, 3)``.

    ``jitter`` varies each dye's strength and hue as stainings vary from slide to slide.
    """
    density: np.ndarray | float = 0.0
    for dye, amount in layers.items():
        colour = np.array(DYES[dye]) * rng.normal(1, jitter, 3) * rng.normal(1, jitter)
        density = density + amount[..., None] * colour
    return np.array(lamp) * np.exp(-density)


def tinted(layers: dict[tuple[float, float, float], np.ndarray]) -> np.ndarray:
    """Add up light emitted in several colours: intensity maps by colour to ``(height, width, 3)``."""
    return sum(layer[..., None] * np.array(colour) for colour, layer in layers.items())


def photographed(
    rng: Generator, pixels: np.ndarray, blur: float = 0.6, noise_level: float = 0.015, shading: float = 0.06
) -> np.ndarray:
    """Record ``pixels`` with a camera: uneven light, a slight random defocus, noise; clipped to [0, 1]."""
    shape = pixels.shape[:2]
    sigma = rng.uniform(0.4, 1.3) * blur
    light = 1 + rng.uniform(0, shading) * ramp(rng, shape)
    gain = rng.normal(1, 0.03)
    if pixels.ndim == 3:
        pixels = ndimage.gaussian_filter(pixels, (sigma, sigma, 0)) * light[..., None]
    else:
        pixels = ndimage.gaussian_filter(pixels, sigma) * light
    return np.clip(gain * pixels + noise_level * rng.standard_normal(pixels.shape), 0, 1)
