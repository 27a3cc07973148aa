"""Draw the cell cycle: chromatin, Golgi and whole cells from interphase to division."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from microbench_tasks.demo.canvas import (
    Blob,
    Mark,
    Picture,
    Shape,
    cover,
    dots,
    grain,
    noise,
    photographed,
    rings,
    strokes,
    walk,
    wobbly,
)


@dataclass(frozen=True)
class Chromatin:
    """Chromatin of one phase: its brightness, 0 to 1, and the outlines of its separate masses."""

    light: np.ndarray
    masses: list[Blob]


def chromatin(rng: Generator, phase: str, shape: Shape, x: float, y: float, radius: float, angle: float) -> Chromatin:
    """Draw ``phase`` at (x, y); ``radius``: that of a G1 nucleus; ``angle``: the direction in which a cell divides."""
    return PHASES[phase](rng, shape, x, y, radius, angle)


def _nucleus(size: float, brightness: float, spot_count: int, spot_light: float, texture: float):
    """Draw an interphase nucleus, ``size`` times as wide as in G1, with spots and uneven chromatin."""

    def paint(rng: Generator, shape: Shape, x: float, y: float, radius: float, angle: float) -> Chromatin:
        blob = wobbly(rng, x, y, size * radius * rng.normal(1, 0.04), rng.uniform(1.05, 1.3), 0.025)
        inside = cover(shape, [blob], soft=1.2)
        light = brightness * inside * (1 + texture * noise(rng, shape, 0.3 * radius))
        if spot_count:
            angles, far = (
                rng.uniform(0, 2 * np.pi, spot_count),
                np.sqrt(rng.uniform(0, 0.75, spot_count)) * size * radius,
            )
            points = np.stack([x + far * np.cos(angles), y + far * np.sin(angles)], axis=1)
            light = light + spot_light * inside * dots(shape, points, max(0.7, 0.08 * radius))
        return Chromatin(np.clip(light, 0, 1), [blob])

    return paint


def _prophase(rng: Generator, shape: Shape, x: float, y: float, radius: float, angle: float) -> Chromatin:
    """Draw threads of condensing chromosomes inside a still round nucleus."""
    blob = wobbly(rng, x, y, 1.3 * radius, 1.1, 0.02)
    inside = cover(shape, [blob], soft=1.2)
    starts = np.array([x, y]) + rng.normal(0, 0.6 * radius, (16, 2))
    threads = [
        walk(rng, tuple(start), rng.uniform(0, 2 * np.pi), 1.3 * radius, 0.7, max(1.0, 0.15 * radius))
        for start in starts
    ]
    return Chromatin(np.clip(inside * (0.22 + 0.95 * strokes(shape, threads, max(1.2, 0.16 * radius))), 0, 1), [blob])


def _prometaphase(rng: Generator, shape: Shape, x: float, y: float, radius: float, angle: float) -> Chromatin:
    """Draw a ragged ring of short chromosome arms around an empty middle."""
    angles = np.linspace(0, 2 * np.pi, 14, endpoint=False) + rng.normal(0, 0.12, 14)
    far = 0.72 * radius * rng.normal(1, 0.1, 14)
    arms = [
        Blob(x + d * np.cos(a), y + d * np.sin(a), 0.24 * radius, 2.0, a + rng.normal(0, 0.5))
        for a, d in zip(angles, far, strict=True)
    ]
    light = cover(shape, arms, 1.2, rng.uniform(0.75, 1.0, 14))
    return Chromatin(light, [Blob(x, y, 1.02 * radius)])


def _plate(rng: Generator, x: float, y: float, radius: float, angle: float, length: float, thickness: float) -> Blob:
    """Draw a bar of chromosomes across the direction of division, sizes relative to ``radius``."""
    return wobbly(rng, x, y, radius * (length * thickness) ** 0.5, length / thickness, 0.025, angle + np.pi / 2)


def _metaphase(rng: Generator, shape: Shape, x: float, y: float, radius: float, angle: float) -> Chromatin:
    """Draw one bar of chromosomes."""
    bar = _plate(rng, x, y, radius, angle, 1.25 * rng.normal(1, 0.06), 0.33)
    return Chromatin(cover(shape, [bar], soft=1.5) * (0.95 + 0.08 * noise(rng, shape, 3)), [bar])


def _pair(apart: float, length: float, thickness: float, brightness: float):
    """Draw two bars that have moved ``apart`` (half their distance, relative to the radius)."""

    def paint(rng: Generator, shape: Shape, x: float, y: float, radius: float, angle: float) -> Chromatin:
        step = apart * radius * rng.normal(1, 0.07) * np.array([np.cos(angle), np.sin(angle)])
        bars = [
            _plate(rng, x + side * step[0], y + side * step[1], radius, angle, length, thickness) for side in (-1, 1)
        ]
        return Chromatin(brightness * cover(shape, bars, soft=1.5) * (1 + 0.08 * noise(rng, shape, 3)), bars)

    return paint


def _apoptosis(rng: Generator, shape: Shape, x: float, y: float, radius: float, angle: float) -> Chromatin:
    """Draw shrunken, very bright balls."""
    count = rng.integers(4, 8)
    angles = rng.uniform(0, 2 * np.pi) + 2 * np.pi * np.arange(count) / count
    far = radius * rng.uniform(0.3, 0.75, count)
    balls = [
        Blob(x + d * np.cos(a), y + d * np.sin(a), radius * rng.uniform(0.14, 0.3))
        for a, d in zip(angles, far, strict=True)
    ]
    return Chromatin(cover(shape, balls, soft=1.5), balls)


def _multilobed(rng: Generator, shape: Shape, x: float, y: float, radius: float, angle: float) -> Chromatin:
    """Draw several touching interphase lobes after a failed division."""
    count = rng.integers(3, 6)
    angles = angle + 2 * np.pi * np.arange(count) / count
    lobes = [
        wobbly(
            rng,
            x + 0.75 * radius * np.cos(a),
            y + 0.75 * radius * np.sin(a),
            radius * rng.uniform(0.52, 0.7),
            1.15,
            0.04,
        )
        for a in angles
    ]
    seams = rings(shape, lobes, 1.6)
    return Chromatin(
        np.clip(0.6 * cover(shape, lobes, 1.2) * (1 + 0.12 * noise(rng, shape, 4)) * (1 - 0.6 * seams), 0, 1), lobes
    )


PHASES = {
    "interphase": _nucleus(1.2, 0.5, 3, 0.12, 0.14),
    "G1": _nucleus(1.0, 0.42, 0, 0.0, 0.06),
    "S": _nucleus(1.22, 0.45, 26, 0.5, 0.06),
    "G2": _nucleus(1.55, 0.66, 0, 0.0, 0.12),
    "prophase": _prophase,
    "prometaphase": _prometaphase,
    "metaphase": _metaphase,
    "early anaphase": _pair(0.36, 1.15, 0.28, 0.98),
    "anaphase": _pair(0.62, 1.05, 0.32, 0.95),
    "late anaphase": _pair(0.85, 1.0, 0.3, 0.95),
    "telophase": _pair(1.4, 0.85, 0.5, 0.8),
    "apoptosis": _apoptosis,
    "multilobed": _multilobed,
}


def h2b(rng: Generator, label: str, shape: Shape) -> Picture:
    """Draw a fluorescent histone in a live cell, time-lapse; often with a neighbour in interphase."""
    radius, angle = 0.135 * shape[0] * rng.uniform(0.92, 1.08), rng.uniform(0, np.pi)
    x, y = np.array(shape[::-1]) / 2 + rng.normal(0, 0.02 * shape[0], 2)
    drawn = chromatin(rng, label, shape, x, y, radius, angle)
    light, masses = drawn.light, list(drawn.masses)
    # A neighbour lies to the side of a dividing cell, in a corner of the frame.
    for corner in rng.permutation([(-1, -1), (-1, 1), (1, -1), (1, 1)])[: rng.integers(0, 3)]:
        at = np.array(shape[::-1]) * (0.5 + 0.335 * corner)
        other = chromatin(rng, "interphase", shape, at[0], at[1], 0.8 * radius, 0.0)
        light, masses = np.maximum(light, 0.75 * other.light), masses + other.masses
    glow = 0.03 + 0.012 * noise(rng, shape, 30)
    pixels = photographed(rng, glow + rng.uniform(0.65, 0.95) * light, blur=0.9, noise_level=0.012)
    return Picture(pixels, tuple(Mark("H2B-mCherry", mass.outline(40)) for mass in masses))


def golgi(rng: Generator, label: str, shape: Shape) -> Picture:
    """Draw a fluorescent Golgi enzyme in a live cell; the cell's faint body is visible, too."""
    radius, angle = 0.2 * shape[0] * rng.uniform(0.92, 1.08), rng.uniform(0, np.pi)
    x, y = np.array(shape[::-1]) / 2 + rng.normal(0, 0.02 * shape[0], 2)
    light = GOLGI[label](rng, shape, x, y, radius, angle)
    pixels = 0.025 + rng.uniform(0.75, 1.0) * np.clip(light, 0, 1)
    return Picture(photographed(rng, pixels, blur=0.8, noise_level=0.014))


def _around(rng: Generator, count: int, x: float, y: float, near: float, far: float) -> np.ndarray:
    """Return random points between two distances from (x, y), ``(count, 2)``."""
    angles, distances = rng.uniform(0, 2 * np.pi, count), np.sqrt(rng.uniform(near**2, far**2, count))
    return np.stack([x + distances * np.cos(angles), y + distances * np.sin(angles)], axis=1)


def _haze(rng: Generator, shape: Shape, cell: Blob, level: float) -> np.ndarray:
    return level * cover(shape, [cell], soft=4) * (1 + 0.12 * noise(rng, shape, 6))


def _ribbon(rng: Generator, shape: Shape, x: float, y: float, radius: float, angle: float) -> np.ndarray:
    """Draw a compact twisted ribbon beside the nucleus."""
    cell = wobbly(rng, x, y, 1.9 * radius, 1.25, 0.06)
    nucleus = cover(shape, [wobbly(rng, x, y, 0.95 * radius, 1.1, 0.03)], soft=3)
    arc = angle + np.linspace(-0.75, 0.75, 14)
    spine = np.stack([x + 1.15 * radius * np.cos(arc), y + 1.15 * radius * np.sin(arc)], axis=1)
    paths = [spine + rng.normal(0, 0.13 * radius, spine.shape) for _ in range(4)]
    return _haze(rng, shape, cell, 0.12) * (1 - 0.6 * nucleus) + 0.95 * strokes(shape, paths, 0.16 * radius)


def _fragments(count: int, near: float, far: float, size: float, haze: float):
    """Draw separate bright stacks at a distance of ``near`` to ``far`` from the centre of a round cell."""

    def paint(rng: Generator, shape: Shape, x: float, y: float, radius: float, angle: float) -> np.ndarray:
        cell = wobbly(rng, x, y, 1.55 * radius, 1.05, 0.02)
        points = _around(rng, count, x, y, near * radius, far * radius)
        spots = np.clip(dots(shape, points, size * radius, rng.uniform(0.5, 1.0, count)), 0, 1)
        return _haze(rng, shape, cell, haze) + 0.9 * spots

    return paint


def _dispersed(rng: Generator, shape: Shape, x: float, y: float, radius: float, angle: float) -> np.ndarray:
    """Draw even haze with the dark bar of the chromosomes."""
    cell = wobbly(rng, x, y, 1.5 * radius, 1.05, 0.02)
    bar = cover(shape, [_plate(rng, x, y, radius, angle, 1.0, 0.3)], soft=3)
    return _haze(rng, shape, cell, 0.6) * (1 - 0.75 * bar)


def _stretched(rng: Generator, shape: Shape, x: float, y: float, radius: float, angle: float) -> np.ndarray:
    """Draw haze in a long cell with two dark bars."""
    cell = wobbly(rng, x, y, 1.55 * radius, 1.75, 0.02, angle)
    step = 0.85 * radius * np.array([np.cos(angle), np.sin(angle)])
    bars = [_plate(rng, x + side * step[0], y + side * step[1], radius, angle, 0.8, 0.28) for side in (-1, 1)]
    return _haze(rng, shape, cell, 0.6) * (1 - 0.75 * cover(shape, bars, soft=3))


def _daughters(rng: Generator, shape: Shape, x: float, y: float, radius: float, angle: float) -> np.ndarray:
    """Draw two cells, each with its own small new Golgi."""
    step = 1.15 * radius * np.array([np.cos(angle), np.sin(angle)])
    light = np.zeros(shape)
    for side in (-1, 1):
        at = np.array([x, y]) + side * step
        light = np.maximum(light, _haze(rng, shape, wobbly(rng, at[0], at[1], 1.0 * radius, 1.1, 0.03), 0.25))
        points = at + 0.5 * side * step + rng.normal(0, 0.16 * radius, (9, 2))
        light = light + 0.7 * np.clip(dots(shape, points, 0.11 * radius), 0, 1.3)
    return light


def _vesiculated(rng: Generator, shape: Shape, x: float, y: float, radius: float, angle: float) -> np.ndarray:
    """Draw swollen ring-shaped vacuoles."""
    cell = wobbly(rng, x, y, 1.8 * radius, 1.2, 0.05)
    places = _around(rng, 9, x, y, 0.3 * radius, 1.25 * radius)
    bubbles = [Blob(left, top, radius * rng.uniform(0.2, 0.38)) for left, top in places]
    return _haze(rng, shape, cell, 0.14) + 0.8 * rings(shape, bubbles, 0.1 * radius)


GOLGI = {
    "interphase": _ribbon,
    "prophase": _fragments(16, 0.95, 1.2, 0.09, 0.15),
    "prometaphase": _fragments(75, 0.0, 1.45, 0.055, 0.22),
    "metaphase": _dispersed,
    "anaphase": _stretched,
    "telophase": _daughters,
    "apoptosis": lambda rng, shape, x, y, radius, angle: np.clip(
        _apoptosis(rng, shape, x, y, 1.25 * radius, angle).light, 0, 1
    ),
    "vesiculated": _vesiculated,
}


def _cell_body(rng: Generator, label: str, shape: Shape) -> tuple[list[Blob], Chromatin]:
    """Draw a floating cell in the middle of the frame (two when it has nearly divided) and its chromatin."""
    unit = shape[0] * rng.uniform(0.97, 1.03)
    x, y = np.array(shape[::-1]) / 2 + rng.normal(0, 0.02 * unit, 2)
    angle = rng.uniform(0, np.pi)
    inner = chromatin(rng, label, shape, x, y, 0.16 * unit, angle)
    if label == "telophase":
        step = 0.2 * unit * np.array([np.cos(angle), np.sin(angle)])
        return [wobbly(rng, x + side * step[0], y + side * step[1], 0.2 * unit, 1.05, 0.02) for side in (-1, 1)], inner
    size = {"G1": 0.23, "S": 0.275, "G2": 0.34}.get(label, 0.33)
    return [wobbly(rng, x, y, size * unit, 1.3 if label == "anaphase" else 1.05, 0.02, angle)], inner


def flow_brightfield(rng: Generator, label: str, shape: Shape) -> Picture:
    """Draw one floating cell in transmitted light: bright rim, grainy body, chromatin slightly darker."""
    bodies, inner = _cell_body(rng, label, shape)
    inside = cover(shape, bodies, soft=2)
    outer, rim = (
        rings(shape, [body.scaled(1.06) for body in bodies], 2.4),
        rings(shape, [body.scaled(0.93) for body in bodies], 2.6),
    )
    pixels = 0.62 + 0.22 * outer - 0.3 * rim + inside * (0.07 + 0.035 * noise(rng, shape, 3))
    pixels = pixels - 0.42 * inner.light * inside
    return Picture(photographed(rng, pixels, blur=0.9, noise_level=0.012))


def flow_darkfield(rng: Generator, label: str, shape: Shape) -> Picture:
    """Draw light scattered sideways by the same cell: glowing grains on black, brightest at the chromatin."""
    bodies, inner = _cell_body(rng, label, shape)
    inside = cover(shape, bodies, soft=3)
    speckle = np.clip(0.5 + 0.5 * grain(rng, shape, 1.1), 0, 2)
    pixels = (
        0.02 + 0.2 * inside * speckle + 0.13 * rings(shape, bodies, 2.5) + 0.65 * inner.light * (0.75 + 0.3 * speckle)
    )
    return Picture(photographed(rng, pixels, blur=1.0, noise_level=0.01, shading=0.0))


def flow_fluorescence(rng: Generator, label: str, shape: Shape) -> Picture:
    """Draw a DNA dye in the same cell: bright chromatin, faint body."""
    bodies, inner = _cell_body(rng, label, shape)
    pixels = 0.015 + 0.04 * cover(shape, bodies, soft=4) + rng.uniform(0.6, 0.95) * inner.light
    return Picture(photographed(rng, pixels, blur=1.1, noise_level=0.008, shading=0.0))
