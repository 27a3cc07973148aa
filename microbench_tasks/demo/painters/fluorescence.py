"""Draw fluorescent structures and organisms, labelled proteins and colocalized spots."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from microbench_tasks.demo.canvas import (
    Blob,
    Mark,
    Picture,
    Shape,
    apart,
    cover,
    dots,
    lattice,
    noise,
    photographed,
    rings,
    strokes,
    tinted,
    two_nearest,
    walk,
    wobbly,
)

GREEN, RED, BLUE = (0.15, 1.0, 0.25), (1.0, 0.18, 0.12), (0.22, 0.35, 1.0)
CYAN, MAGENTA, GRAY, YELLOW = (0.1, 0.95, 0.95), (1.0, 0.2, 0.95), (1.0, 1.0, 1.0), (1.0, 0.85, 0.2)


def structures(rng: Generator, label: str, shape: Shape) -> Picture:
    """Draw one fluorescent organism or structure in a false colour of its own choice."""
    light = STRUCTURES[label](rng, shape, shape[0] / 32)
    colour = [GREEN, RED, CYAN, MAGENTA, GRAY, YELLOW][rng.integers(6)]
    pixels = 0.02 + tinted({colour: np.clip(rng.uniform(0.75, 1.0) * light, 0, 1)})
    return Picture(photographed(rng, pixels, blur=0.7, noise_level=0.02))


def _flat_cell(rng: Generator, shape: Shape) -> Blob:
    """Return the outline of a spread cell that nearly fills the frame."""
    x, y = np.array(shape[::-1]) / 2 + rng.normal(0, 0.03 * shape[0], 2)
    return wobbly(rng, x, y, 0.4 * shape[0], rng.uniform(1.1, 1.5), 0.1)


def _actin(rng: Generator, shape: Shape, unit: float) -> np.ndarray:
    """Draw straight parallel stress fibres that fill a cell."""
    cell, angle = _flat_cell(rng, shape), rng.uniform(0, np.pi)
    starts = rng.uniform(0, 1, (55, 2)) * np.array(shape[::-1])
    fibres = [walk(rng, tuple(start), angle + rng.normal(0, 0.07), rng.uniform(8, 20) * unit, 0.01) for start in starts]
    inside = cover(shape, [cell], soft=4)
    return inside * (0.12 + 0.8 * strokes(shape, fibres, 0.3 * unit)) + 0.5 * rings(shape, [cell], 0.6 * unit)


def _microtubules(rng: Generator, shape: Shape, unit: float) -> np.ndarray:
    """Draw thin curved threads that radiate from one point beside the nucleus."""
    cell = _flat_cell(rng, shape)
    centre = np.array([cell.x, cell.y]) + rng.normal(0, 1.5 * unit, 2)
    threads = [
        walk(rng, tuple(centre), turn, rng.uniform(9, 17) * unit, 0.09) for turn in np.linspace(0, 2 * np.pi, 46)
    ]
    inside = cover(shape, [cell], soft=6)
    return inside * (0.05 + 0.75 * strokes(shape, threads, 0.2 * unit)) + 0.5 * dots(shape, centre[None], unit)


def _mitochondria(rng: Generator, shape: Shape, unit: float) -> np.ndarray:
    """Draw short thick worms around a dark nucleus."""
    cell = _flat_cell(rng, shape)
    hole = cover(shape, [Blob(cell.x, cell.y, 3.8 * unit, 1.2)], soft=4)
    inside = cover(shape, [cell], soft=4) * (1 - hole)
    starts = apart(rng, shape, 75, 1.5 * unit)
    worms = [
        walk(rng, tuple(start), rng.uniform(0, 2 * np.pi), rng.uniform(1.5, 4) * unit, 0.3, 0.4 * unit)
        for start in starts
    ]
    return inside * (0.06 + 0.95 * strokes(shape, worms, 0.5 * unit))


def _nuclei(rng: Generator, shape: Shape, unit: float) -> np.ndarray:
    """Draw a field of smooth ovals."""
    places = apart(rng, shape, rng.integers(10, 18), 6.4 * unit)
    blobs = [wobbly(rng, x, y, 2.5 * unit * rng.normal(1, 0.12), rng.uniform(1.1, 1.5), 0.03) for x, y in places]
    return cover(shape, blobs, 1.5, rng.uniform(0.5, 0.9, len(blobs))) * (1 + 0.15 * noise(rng, shape, unit))


def _lysosomes(rng: Generator, shape: Shape, unit: float) -> np.ndarray:
    """Draw round dots of many sizes crowded around a nucleus."""
    cell = _flat_cell(rng, shape)
    hole = cover(shape, [Blob(cell.x, cell.y, 3.5 * unit, 1.2)], soft=4)
    points = np.array([cell.x, cell.y]) + rng.normal(0, 0.17 * shape[0], (110, 2))
    balls = [Blob(x, y, unit * rng.uniform(0.2, 0.62)) for x, y in points]
    return 0.07 * cover(shape, [cell], soft=6) + cover(shape, balls, 1.5, rng.uniform(0.4, 1.0, len(balls))) * (
        1 - hole
    )


def _membrane(rng: Generator, shape: Shape, unit: float) -> np.ndarray:
    """Draw a sheet of polygonal cells of which only the borders glow."""
    near, second = two_nearest(shape, lattice(rng, shape, rng.uniform(6, 8) * unit, 0.15))
    return np.exp(-(((second - near) / (0.55 * unit)) ** 2)) * (0.8 + 0.15 * noise(rng, shape, 3 * unit)) + 0.04


def _neuron(rng: Generator, shape: Shape, unit: float) -> np.ndarray:
    """Draw a cell body with long branching processes."""
    soma = np.array(shape[::-1]) / 2 + rng.normal(0, 2 * unit, 2)
    paths: list[np.ndarray] = []
    for turn in rng.uniform(0, 2 * np.pi) + np.linspace(0, 2 * np.pi, rng.integers(4, 7), endpoint=False):
        trunk = walk(rng, tuple(soma), turn + rng.normal(0, 0.2), rng.uniform(13, 20) * unit, 0.14)
        paths.append(trunk)
        for start in trunk[rng.integers(len(trunk) // 3, len(trunk), 3)]:
            paths.append(walk(rng, tuple(start), turn + rng.choice([-0.8, 0.8]), rng.uniform(4, 9) * unit, 0.16))
    body = cover(shape, [wobbly(rng, soma[0], soma[1], 2.0 * unit, 1.3, 0.08)], soft=3)
    return np.maximum(body, 0.75 * strokes(shape, paths, 0.42 * unit)) + 0.02


def _yeast(rng: Generator, shape: Shape, unit: float) -> np.ndarray:
    """Draw small ovals with bright walls, many with a bud."""
    blobs: list[Blob] = []
    for x, y in apart(rng, shape, rng.integers(16, 26), 5 * unit):
        mother = wobbly(rng, x, y, 1.6 * unit * rng.normal(1, 0.1), 1.2, 0.02)
        blobs.append(mother)
        if rng.random() < 0.7:
            turn = rng.uniform(0, 2 * np.pi)
            blobs.append(
                wobbly(rng, x + 2.3 * unit * np.cos(turn), y + 2.3 * unit * np.sin(turn), 0.95 * unit, 1.1, 0.02)
            )
    return 0.22 * cover(shape, blobs, 1.5) + 0.75 * rings(shape, blobs, 0.35 * unit)


def _bacteria(rng: Generator, shape: Shape, unit: float) -> np.ndarray:
    """Draw many straight little rods in all directions."""
    rods = []
    for start in apart(rng, shape, rng.integers(60, 95), 2.2 * unit):
        turn, length = rng.uniform(0, np.pi), rng.uniform(1.3, 2.6) * unit
        rods.append(np.stack([start, start + length * np.array([np.cos(turn), np.sin(turn)])]))
    return strokes(shape, rods, 0.62 * unit) * (0.85 + 0.1 * noise(rng, shape, 2 * unit))


def _worm(rng: Generator, shape: Shape, unit: float) -> np.ndarray:
    """Draw one long, smooth, tapering worm in curves, with a brighter gut."""
    at = np.linspace(0, 1, 60)
    bends, phase, angle = rng.uniform(0.8, 1.5), rng.uniform(0, 2 * np.pi), rng.uniform(0, np.pi)
    u, v = (at - 0.5) * 24 * unit, 4.5 * unit * np.sin(2 * np.pi * bends * at + phase)
    cos, sin = np.cos(angle), np.sin(angle)
    spine = np.stack([shape[1] / 2 + u * cos - v * sin, shape[0] / 2 + u * sin + v * cos], axis=1)
    girth = 1.5 * unit * np.sqrt(np.sin(np.pi * np.clip(at, 0.015, 0.985))) + 0.2 * unit
    fine = np.stack([np.interp(np.linspace(0, 1, 220), at, axis) for axis in spine.T], axis=1)
    radii = np.interp(np.linspace(0, 1, 220), at, girth)
    body = cover(shape, [Blob(x, y, radius) for (x, y), radius in zip(fine, radii, strict=True)], soft=2)
    gut = strokes(shape, [spine[6:-5]], 0.7 * unit)
    return body * (0.42 + 0.06 * noise(rng, shape, unit)) + 0.45 * gut * (0.8 + 0.3 * noise(rng, shape, unit))


def _embryo(rng: Generator, shape: Shape, unit: float) -> np.ndarray:
    """Draw a large oval with a single layer of nuclei along its rim and a dim, grainy yolk."""
    x, y = np.array(shape[::-1]) / 2 + rng.normal(0, unit, 2)
    egg = wobbly(rng, x, y, 11 * unit, rng.uniform(1.5, 1.8), 0.02)
    rim = egg.scaled(0.94).outline(int(rng.integers(52, 66)))
    yolk = 0.16 * cover(shape, [egg], soft=3) * (1 + 0.4 * noise(rng, shape, 1.5 * unit))
    return yolk + 0.85 * cover(shape, [Blob(x, y, 0.55 * unit) for x, y in rim], soft=1.5)


def _sarcomeres(rng: Generator, shape: Shape, unit: float) -> np.ndarray:
    """Draw muscle fibres with regular cross stripes."""
    angle = rng.uniform(0, np.pi)
    y, x = np.mgrid[: shape[0], : shape[1]]
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    along = along + 0.5 * unit * noise(rng, shape, 9 * unit)
    pitch, width = rng.uniform(1.6, 2.2) * unit, rng.uniform(4, 6) * unit
    stripes = np.clip(np.cos(2 * np.pi * along / pitch), 0, 1) ** 1.5
    fibre = np.clip(2.5 * np.abs(np.sin(np.pi * across / width + 0.3 * noise(rng, shape, 12 * unit))), 0, 1)
    return fibre * (0.1 + 0.8 * stripes)


def _spiky_pollen(rng: Generator, shape: Shape, unit: float) -> np.ndarray:
    """Draw autofluorescent balls covered in spines."""
    light = np.zeros(shape)
    for x, y in apart(rng, shape, rng.integers(3, 6), 11 * unit, margin=4 * unit):
        radius = rng.uniform(3.4, 4.6) * unit
        ball = Blob(x, y, radius)
        turns = np.linspace(0, 2 * np.pi, 18, endpoint=False) + rng.uniform(0, 1)
        spines = [
            np.array([[x + r * np.cos(a), y + r * np.sin(a)] for r in (0.9 * radius, 1.28 * radius)]) for a in turns
        ]
        bumps = dots(shape, np.array([x, y]) + rng.normal(0, 0.45 * radius, (26, 2)), 0.22 * unit)
        shade = cover(shape, [ball], soft=1.5) * (0.3 + 0.5 * np.clip(bumps, 0, 1))
        light = np.maximum(
            light, shade + 0.4 * rings(shape, [ball], 0.5 * unit) + 0.7 * strokes(shape, spines, 0.4 * unit)
        )
    return light


STRUCTURES = {
    "actin filaments": _actin,
    "bacteria": _bacteria,
    "C. elegans": _worm,
    "Drosophila embryo": _embryo,
    "lysosomes": _lysosomes,
    "microtubules": _microtubules,
    "mitochondria": _mitochondria,
    "neuron": _neuron,
    "nuclei": _nuclei,
    "plasma membranes": _membrane,
    "pollen grains": _spiky_pollen,
    "sarcomeres": _sarcomeres,
    "budding yeast": _yeast,
}


def labelled_protein(rng: Generator, label: str, shape: Shape) -> Picture:
    """Draw live cells: nuclei in blue, each outlined, and one labelled protein in green."""
    unit = shape[0] / 32
    places = apart(rng, shape, rng.integers(3, 7), 9 * unit, margin=4.6 * unit)
    blobs = [wobbly(rng, x, y, rng.uniform(2.9, 3.5) * unit, rng.uniform(1.05, 1.35), 0.03) for x, y in places]
    nuclei = cover(shape, blobs, 1.5, rng.uniform(0.65, 0.95, len(blobs)))
    cytoplasm = np.clip(cover(shape, [blob.scaled(1.75) for blob in blobs], soft=5) - np.clip(1.3 * nuclei, 0, 1), 0, 1)
    style = rng.integers(3)
    if style == 0:
        protein = cytoplasm * np.clip(0.3 + 0.25 * noise(rng, shape, 0.8 * unit), 0.03, 1)
    elif style == 1:
        points = np.concatenate([np.array([b.x, b.y]) + rng.normal(0, 0.9 * b.radius, (30, 2)) for b in blobs])
        protein = 0.05 * cytoplasm + 0.8 * np.clip(dots(shape, points, 0.28 * unit), 0, 1) * cytoplasm
    else:
        protein = 0.1 * cytoplasm + 0.6 * rings(shape, [blob.scaled(1.8) for blob in blobs], 0.5 * unit)
    pixels = 0.015 + tinted({BLUE: 0.85 * nuclei * (1 + 0.1 * noise(rng, shape, unit)), GREEN: protein})
    return Picture(
        photographed(rng, pixels, blur=0.7, noise_level=0.018),
        tuple(Mark("nucleus", blob.outline(40)) for blob in blobs),
    )


# Share of the spots that appear in both colours.
COLOCALIZATION = {"very weak": 0.0, "weak": 0.33, "moderate": 0.66, "strong": 1.0}


def colocalization(rng: Generator, label: str, shape: Shape) -> Picture:
    """Draw simulated red and green spots; where both are, the spot is yellow."""
    share = np.clip(COLOCALIZATION[label] + rng.uniform(-0.04, 0.04), 0, 1)
    places = apart(rng, shape, rng.integers(55, 85), 0.055 * shape[0])
    both = np.arange(len(places)) < round(share * len(places))
    red = both | (rng.random(len(places)) < 0.5)
    green = both | ~red
    sigma, weights = rng.uniform(0.012, 0.017) * shape[0], rng.uniform(0.65, 1.0, len(places))
    layers = {}
    for colour, shown in (((1.0, 0.0, 0.0), red), ((0.0, 1.0, 0.0), green)):
        haze = np.clip(0.03 + 0.015 * noise(rng, shape, 0.2 * shape[0]), 0, 1)
        layers[colour] = haze + dots(shape, places[shown] + rng.normal(0, 0.3, (shown.sum(), 2)), sigma, weights[shown])
    return Picture(photographed(rng, tinted(layers), blur=0.6, noise_level=0.03, shading=0.0))
