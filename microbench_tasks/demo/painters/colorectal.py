"""Draw sections of colorectal tissue, stained with H&E."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.random import Generator

from microbench_tasks.demo.canvas import (
    Blob,
    Mark,
    Picture,
    Shape,
    apart,
    bands,
    cover,
    dots,
    grain,
    lattice,
    noise,
    rings,
    two_nearest,
    wobbly,
)
from microbench_tasks.demo.painters.sections import Layers, add_nuclei, empty_layers, photograph_section


def tumour_epithelium(rng: Generator, shape: Shape, unit: float) -> Layers:
    """Draw crowded, large, dark, irregular nuclei around a few slit-like lumens."""
    layers = empty_layers(shape)
    layers["hematoxylin"] += 0.38 + 0.07 * noise(rng, shape, 3 * unit)
    layers["eosin"] += 0.4 + 0.08 * noise(rng, shape, 4 * unit)
    places = lattice(rng, shape, 2.15 * unit, 0.2)
    slits = [
        wobbly(rng, x, y, 1.6 * unit, rng.uniform(1.5, 3), 0.15)
        for x, y in apart(rng, shape, rng.integers(1, 3), 8 * unit, 3 * unit)
    ]
    gaps = cover(shape, slits, soft=3)
    places = np.array([place for place in places if _value_at(gaps, place) < 0.3])
    add_nuclei(rng, layers, places, 0.95 * unit, 1.15, 1.45, wobble=0.14)
    for layer in layers.values():
        layer *= 1 - 0.95 * gaps
    return layers


def _value_at(field: np.ndarray, place: np.ndarray) -> float:
    row, column = (int(np.clip(at, 0, size - 1)) for at, size in zip(place[::-1], field.shape, strict=True))
    return field[row, column]


def simple_stroma(rng: Generator, shape: Shape, unit: float) -> Layers:
    """Draw wavy collagen in pale pink with clefts and a few spindle-shaped nuclei."""
    layers, angle = empty_layers(shape), rng.uniform(0, np.pi)
    fibres = bands(rng, shape, angle, 1.1 * unit, waviness=2.5)
    layers["eosin"] += np.clip(0.42 + 0.24 * fibres, 0.02, 1.2)
    layers["hematoxylin"] += 0.06
    add_nuclei(rng, layers, apart(rng, shape, rng.integers(8, 15), 3 * unit), 0.6 * unit, 1.1, 3.5, angle)
    return layers


def complex_stroma(rng: Generator, shape: Shape, unit: float) -> Layers:
    """Draw collagen with scattered immune cells and a nest of tumour cells."""
    layers = simple_stroma(rng, shape, unit)
    add_nuclei(rng, layers, apart(rng, shape, rng.integers(28, 45), 1.9 * unit), 0.55 * unit, 1.6, 1.05)
    x, y = np.array(shape[::-1]) * rng.uniform(0.25, 0.75, 2)
    nest = wobbly(rng, x, y, 0.22 * shape[0], 1.6, 0.1)
    inside = cover(shape, [nest], soft=3)
    layers["hematoxylin"] = layers["hematoxylin"] * (1 - inside) + 0.35 * inside
    places = np.array([place for place in lattice(rng, shape, 2.2 * unit, 0.2) if _value_at(inside, place) > 0.5])
    add_nuclei(rng, layers, places, 0.95 * unit, 1.1, 1.4, wobble=0.12)
    return layers


def immune_cells(rng: Generator, shape: Shape, unit: float) -> Layers:
    """Draw a sheet of small, round, dark nuclei with hardly any cytoplasm."""
    layers = empty_layers(shape)
    layers["hematoxylin"] += 0.12
    layers["eosin"] += 0.18 + 0.05 * noise(rng, shape, 3 * unit)
    places = lattice(rng, shape, 1.5 * unit, 0.17)
    add_nuclei(rng, layers, places[rng.random(len(places)) < 0.93], 0.58 * unit, 1.75, 1.05, wobble=0.03)
    return layers


def debris(rng: Generator, shape: Shape, unit: float) -> Layers:
    """Draw necrosis: smudged pink-purple grains, holes and dust of broken nuclei."""
    layers = empty_layers(shape)
    clumps = noise(rng, shape, 1.6 * unit)
    mask = np.clip(0.75 + 0.55 * noise(rng, shape, 4 * unit), 0, 1)
    layers["eosin"] += mask * np.clip(0.5 + 0.3 * clumps + 0.14 * grain(rng, shape, 1.0), 0, 1.5)
    layers["hematoxylin"] += mask * np.clip(0.2 + 0.16 * noise(rng, shape, 2.2 * unit), 0, 1)
    specks = rng.uniform(0, 1, (rng.integers(120, 220), 2)) * np.array(shape[::-1])
    dust = dots(shape, specks, 0.16 * unit, rng.uniform(0.3, 1.2, len(specks)))
    layers["hematoxylin"] += mask * np.clip(dust, 0, 1.4)
    return layers


def mucosal_glands(rng: Generator, shape: Shape, unit: float) -> Layers:
    """Draw crypts cut across: round glands, pale goblet cells, nuclei in a neat row at the base."""
    layers = _lamina_propria(rng, shape, unit)
    spots = lattice(rng, shape, 8.2 * unit, 0.06)
    for gland in [wobbly(rng, x, y, 3.3 * unit * rng.normal(1, 0.07), rng.uniform(1, 1.3), 0.04) for x, y in spots]:
        add_gland(rng, layers, gland, unit)
    return layers


def _lamina_propria(rng: Generator, shape: Shape, unit: float) -> Layers:
    layers = empty_layers(shape)
    layers["eosin"] += np.clip(0.36 + 0.16 * noise(rng, shape, 1.5 * unit), 0.05, 1)
    layers["hematoxylin"] += 0.1
    places = lattice(rng, shape, 2.6 * unit, 0.28)
    add_nuclei(rng, layers, places[rng.random(len(places)) < 0.75], 0.5 * unit, 1.3, 1.3)
    return layers


def add_gland(rng: Generator, layers: Layers, gland: Blob, unit: float) -> None:
    """Draw one gland: white lumen, goblet cells, basal nuclei, thin clear gap to the tissue around it."""
    shape = layers["eosin"].shape
    body = cover(shape, [gland], soft=1.5)
    # The epithelium is about four nuclei thick, the lumen takes the rest.
    lumen = cover(shape, [gland.scaled(max(0.2, 1 - 4.2 * unit / gland.radius) * rng.uniform(0.8, 1.3))], soft=2)
    for name, density in (("eosin", 0.34), ("hematoxylin", 0.16)):
        layers[name] = layers[name] * (1 - body) + density * body
    count = max(9, int(2 * np.pi * gland.radius / (1.25 * unit)))
    row = gland.scaled(1 - 0.75 * unit / gland.radius).outline(count)
    outward = _directions(row, gland)
    goblets = gland.scaled(max(0.6, 1 - 2.3 * unit / gland.radius)).outline(max(7, int(0.6 * count)))
    cups = [
        wobbly(rng, x, y, 0.85 * unit * rng.normal(1, 0.1), 1.6, 0.04, turn)
        for (x, y), turn in zip(goblets, _directions(goblets, gland), strict=True)
        if rng.random() < 0.85
    ]
    mucus_cups = cover(shape, cups, soft=1.5)
    for name, left in (("eosin", 0.25), ("hematoxylin", 0.65)):
        layers[name] *= (1 - (1 - left) * mucus_cups) * (1 - 0.93 * lumen)
    nuclei = [
        Blob(x, y, 0.52 * unit * rng.normal(1, 0.1), 1.7, turn) for (x, y), turn in zip(row, outward, strict=True)
    ]
    layers["hematoxylin"] = np.maximum(
        layers["hematoxylin"], 1.25 * cover(shape, nuclei, 1.2, rng.uniform(0.75, 1.1, count))
    )
    gap = rings(shape, [gland.scaled(1 + 0.35 * unit / gland.radius)], 0.35 * unit)
    layers["eosin"] *= 1 - 0.7 * gap


def _directions(points: np.ndarray, gland: Blob) -> np.ndarray:
    """Return the direction from the middle of the gland to each point, in radians."""
    return np.arctan2(points[:, 1] - gland.y, points[:, 0] - gland.x)


def adipose(rng: Generator, shape: Shape, unit: float) -> Layers:
    """Draw large empty fat cells between thin pink walls, a few flat nuclei in the corners."""
    layers = empty_layers(shape)
    centres = lattice(rng, shape, rng.uniform(5.5, 8.0) * unit, 0.13)
    near, second = two_nearest(shape, centres)
    wall = np.exp(-(((second - near) / (0.42 * unit)) ** 2))
    layers["eosin"] += 0.75 * wall * (1 + 0.2 * noise(rng, shape, 2 * unit)) + 0.02
    layers["hematoxylin"] += 0.14 * wall
    corners = np.argwhere(wall > 0.9)[:, ::-1]
    add_nuclei(rng, layers, corners[rng.integers(0, len(corners), rng.integers(3, 8))], 0.5 * unit, 1.2, 2.5)
    return layers


def background(rng: Generator, shape: Shape, unit: float) -> Layers:
    """Draw glass: nearly white, with dust."""
    layers = empty_layers(shape)
    layers["eosin"] += np.clip(0.02 + 0.015 * noise(rng, shape, 12 * unit), 0, 1)
    layers["hematoxylin"] += np.clip(0.02 + 0.015 * noise(rng, shape, 9 * unit), 0, 1)
    specks = apart(rng, shape, rng.integers(0, 5), unit)
    if len(specks):
        layers["hematoxylin"] += 0.4 * cover(shape, [wobbly(rng, x, y, 0.25 * unit) for x, y in specks])
    return layers


def mucus(rng: Generator, shape: Shape, unit: float) -> Layers:
    """Draw pale blue-lilac swirls with hardly a cell."""
    layers, angle = empty_layers(shape), rng.uniform(0, np.pi)
    swirl = bands(rng, shape, angle, 0.6 * unit, waviness=5) * (0.6 + 0.3 * noise(rng, shape, 4 * unit))
    layers["hematoxylin"] += np.clip(0.24 + 0.11 * swirl + 0.05 * noise(rng, shape, 5 * unit), 0.02, 1)
    layers["eosin"] += np.clip(0.06 + 0.03 * swirl, 0, 1)
    add_nuclei(rng, layers, apart(rng, shape, rng.integers(0, 5), 4 * unit), 0.5 * unit, 0.9)
    return layers


def smooth_muscle(rng: Generator, shape: Shape, unit: float) -> Layers:
    """Draw tight, straight, deep pink bundles with cigar-shaped nuclei along them."""
    layers, angle = empty_layers(shape), rng.uniform(0, np.pi)
    layers["eosin"] += np.clip(0.95 + 0.16 * bands(rng, shape, angle, 0.55 * unit, waviness=0.8), 0.3, 1.6)
    layers["hematoxylin"] += 0.12
    add_nuclei(rng, layers, apart(rng, shape, rng.integers(22, 34), 2.6 * unit), 0.62 * unit, 1.0, 4.5, angle)
    return layers


COLORECTAL: dict[str, Callable[[Generator, Shape, float], Layers]] = {
    "tumor epithelium": tumour_epithelium,
    "simple stroma": simple_stroma,
    "complex stroma": complex_stroma,
    "immune cells": immune_cells,
    "debris": debris,
    "mucosal glands": mucosal_glands,
    "adipose tissue": adipose,
    "background": background,
    "mucus": mucus,
    "smooth muscle": smooth_muscle,
    "lymphocytes": immune_cells,
    "normal colon mucosa": mucosal_glands,
    "cancer-associated stroma": simple_stroma,
    "colorectal adenocarcinoma epithelium": tumour_epithelium,
}


def colorectal(rng: Generator, label: str, shape: Shape) -> Picture:
    """Draw a tile of one colorectal tissue, H&E; a nucleus of the tumour has a radius of about 1/32 of the tile."""
    unit = rng.uniform(0.9, 1.1) * max(4.6, shape[0] / 32)
    return Picture(photograph_section(rng, COLORECTAL[label](rng, shape, unit)))


def glands(rng: Generator, label: str, shape: Shape) -> Picture:
    """Draw colon mucosa with a few glands, each outlined."""
    unit = rng.uniform(4.4, 5.4)
    layers = _lamina_propria(rng, shape, unit)
    kept: list[Blob] = []
    # Large ones first: the small ones find room between them.
    radii = np.sort(rng.uniform(22, 50, 60))[::-1]
    for (x, y), radius in zip(rng.uniform(0, 1, (60, 2)) * np.array(shape[::-1]), radii, strict=True):
        gland = wobbly(rng, x, y, radius, rng.uniform(1, 1.5), 0.05)
        margin = gland.reach + 2
        fits = margin < x < shape[1] - margin and margin < y < shape[0] - margin
        if fits and all(np.hypot(x - other.x, y - other.y) > gland.reach + other.reach + 4 for other in kept):
            kept.append(gland)
    kept = kept[: rng.integers(3, 9)]
    for gland in kept:
        add_gland(rng, layers, gland, unit)
    return Picture(photograph_section(rng, layers), tuple(Mark("gland", gland.outline(64)) for gland in kept))
