"""Draw electron micrographs: serial block-face sections of tissue, slices of cryo-tomograms."""

from __future__ import annotations

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
    noise,
    photographed,
    rings,
    wobbly,
)


def block_face(rng: Generator, label: str, shape: Shape) -> Picture:
    """Draw one structure at the centre of a heavy-metal-stained section; membranes are dark."""
    unit = shape[0] / 32
    pixels = 0.66 + 0.05 * noise(rng, shape, 2 * unit) + 0.03 * noise(rng, shape, 0.6 * unit)
    specks = rng.uniform(0, 1, (260, 2)) * np.array(shape[::-1])
    pixels -= 0.22 * np.clip(dots(shape, specks, 0.16 * unit), 0, 1.5)
    x, y = np.array(shape[::-1]) / 2 + rng.normal(0, 1.2 * unit, 2)
    pixels = BLOCK_FACE[label](rng, shape, x, y, unit, pixels)
    return Picture(photographed(rng, pixels, blur=0.7, noise_level=0.035))


def _organelle(rng: Generator, shape: Shape, body: Blob, unit: float, pixels: np.ndarray) -> np.ndarray:
    """Draw a mitochondrion: double membrane, gray matrix, cristae across."""
    inside = cover(shape, [body.scaled(0.93)], soft=1.5)
    cristae = np.clip(1.6 - 4.5 * np.abs(bands(rng, shape, body.angle + np.pi / 2, 0.9 * unit, waviness=1.0)), 0, 1)
    pixels = pixels * (1 - inside) + inside * (0.46 - 0.26 * cristae * cover(shape, [body.scaled(0.85)], soft=2))
    return pixels - 0.42 * rings(shape, [body], 0.38 * unit)


def _mitochondrion(rng: Generator, shape: Shape, x: float, y: float, unit: float, pixels: np.ndarray) -> np.ndarray:
    pixels = _organelle(
        rng, shape, wobbly(rng, x, y, rng.uniform(6, 8) * unit, rng.uniform(1.4, 2.4), 0.05), unit, pixels
    )
    turn = rng.uniform(0, 2 * np.pi)
    other = wobbly(rng, x + 13 * unit * np.cos(turn), y + 13 * unit * np.sin(turn), 3.2 * unit, 1.5, 0.05)
    return _organelle(rng, shape, other, unit, pixels)


def _nucleus(rng: Generator, shape: Shape, x: float, y: float, unit: float, pixels: np.ndarray) -> np.ndarray:
    """Draw a big body with a double envelope, clumps of chromatin along it and a dark nucleolus."""
    body = wobbly(rng, x, y, rng.uniform(11, 13) * unit, rng.uniform(1.05, 1.3), 0.04)
    inside = cover(shape, [body], soft=1.5)
    clumps = np.clip(noise(rng, shape, 1.6 * unit) - 0.5, 0, 1) + rings(
        shape, [body.scaled(0.94)], 1.4 * unit
    ) * np.clip(0.5 + noise(rng, shape, 1.5 * unit), 0, 1)
    core = wobbly(rng, x + rng.normal(0, 3 * unit), y + rng.normal(0, 3 * unit), 2.6 * unit, 1.1, 0.08)
    chromatin = 0.58 + 0.04 * noise(rng, shape, unit) - 0.2 * np.clip(clumps, 0, 1)
    pixels = pixels * (1 - inside) + inside * chromatin
    pixels = (
        pixels
        - 0.3 * rings(shape, [body], 0.35 * unit)
        - 0.24 * rings(shape, [body.scaled(1.0 + 0.9 * unit / body.radius)], 0.25 * unit)
    )
    return pixels - 0.3 * cover(shape, [core], soft=3) * (1 + 0.2 * noise(rng, shape, 0.5 * unit))


def _myelinated_axon(rng: Generator, shape: Shape, x: float, y: float, unit: float, pixels: np.ndarray) -> np.ndarray:
    """Draw a pale axon in a thick black sheath; smaller ones beside it."""
    turn = rng.uniform(0, 2 * np.pi)
    for size, far in ((rng.uniform(7.5, 9.5), 0.0), (3.4, 14.5), (2.8, -14.5)):
        sheath = wobbly(
            rng, x + far * unit * np.cos(turn), y + far * unit * np.sin(turn), size * unit, rng.uniform(1, 1.3), 0.05
        )
        body, axon = cover(shape, [sheath], soft=1.5), cover(shape, [sheath.scaled(0.7)], soft=1.5)
        layers = 0.1 + 0.06 * rings(shape, [sheath.scaled(s) for s in (0.78, 0.85, 0.92)], 0.2 * unit)
        pixels = pixels * (1 - body) + body * ((1 - axon) * layers + axon * (0.74 + 0.04 * noise(rng, shape, unit)))
    return pixels - 0.2 * np.clip(dots(shape, np.array([x, y]) + rng.normal(0, 2 * unit, (18, 2)), 0.2 * unit), 0, 1)


def _synapse(rng: Generator, shape: Shape, x: float, y: float, unit: float, pixels: np.ndarray) -> np.ndarray:
    """Draw a bouton packed with round vesicles against a thick dark density."""
    turn = rng.uniform(0, 2 * np.pi)
    out = np.array([np.cos(turn), np.sin(turn)])
    (bouton_x, bouton_y), (spine_x, spine_y) = np.array([x, y]) - 5 * unit * out, np.array([x, y]) + 6 * unit * out
    bouton = wobbly(rng, bouton_x, bouton_y, 6.5 * unit, 1.1, 0.05)
    spine = wobbly(rng, spine_x, spine_y, 4.4 * unit, 1.1, 0.05)
    pixels = pixels + 0.12 * cover(shape, [bouton, spine], soft=2) - 0.4 * rings(shape, [bouton, spine], 0.32 * unit)
    places = np.array([bouton.x, bouton.y]) + rng.normal(0, 2.6 * unit, (70, 2))
    vesicles = [Blob(px, py, 0.55 * unit) for px, py in places if np.hypot(px - bouton.x, py - bouton.y) < 5.4 * unit]
    pixels = pixels - 0.34 * rings(shape, vesicles, 0.28 * unit)
    density_x, density_y = np.array([x, y]) + 1.5 * unit * out
    density = Blob(density_x, density_y, 2.2 * unit, 5.5, turn + np.pi / 2)
    return pixels * (1 - 0.85 * cover(shape, [density], soft=2))


def _reticulum(rng: Generator, shape: Shape, x: float, y: float, unit: float, pixels: np.ndarray) -> np.ndarray:
    """Draw stacked long cisternae studded with ribosomes."""
    sheets = np.abs(bands(rng, shape, rng.uniform(0, np.pi), 1.9 * unit, waviness=1.6))
    membrane = np.exp(-(((sheets - 0.45) / 0.14) ** 2))
    where = np.argwhere(membrane > 0.8)[:, ::-1]
    ribosomes = where[rng.integers(0, len(where), 420)] + rng.normal(0, 0.3 * unit, (420, 2))
    pixels = pixels + 0.1 * (sheets < 0.4) - 0.32 * membrane
    return pixels - 0.3 * np.clip(dots(shape, ribosomes, 0.17 * unit), 0, 1)


BLOCK_FACE = {
    "endoplasmic reticulum": _reticulum,
    "mitochondrion": _mitochondrion,
    "myelinated axon": _myelinated_axon,
    "nucleus": _nucleus,
    "synapse": _synapse,
}


def cryo_tomogram(rng: Generator, label: str, shape: Shape) -> Picture:
    """Draw mitochondria in ice at low contrast.

    Normal ones are long with many cristae; abnormal ones are round, swollen and nearly empty.
    """
    unit, normal = shape[0] / 32, label == "normal mitochondrial morphology"
    pixels = 0.56 + 0.03 * noise(rng, shape, 3 * unit) + 0.035 * grain(rng, shape, 1.2)
    bodies = _mitochondria_outlines(rng, shape, unit, normal)
    for body in bodies:
        inside, inner = cover(shape, [body], soft=1.5), cover(shape, [body.scaled(0.82)], soft=2)
        if normal:
            cristae = np.clip(
                1.5 - 4 * np.abs(bands(rng, shape, body.angle + np.pi / 2, 0.8 * unit, waviness=0.7)), 0, 1
            )
            pixels = pixels - inside * 0.12 - 0.25 * cristae * inner
        else:
            stumps = body.scaled(0.8).outline(7)[rng.permutation(7)[:3]]
            remains = cover(shape, [wobbly(rng, px, py, 0.7 * unit, 2.0, 0.1) for px, py in stumps], soft=2)
            pixels = pixels + inside * 0.1 - 0.2 * remains * inside
            grains = dots(shape, np.array([body.x, body.y]) + rng.normal(0, 0.35 * body.radius, (5, 2)), 0.35 * unit)
            pixels = pixels - 0.35 * np.clip(grains, 0, 1) * inside
        pixels = (
            pixels
            - 0.3 * rings(shape, [body], 0.35 * unit)
            - 0.22 * rings(shape, [body.scaled(1 - 0.9 * unit / body.radius)], 0.3 * unit)
        )
    gold = apart(rng, shape, rng.integers(1, 5), 3 * unit)
    pixels = pixels * (1 - 0.85 * cover(shape, [Blob(px, py, 0.4 * unit) for px, py in gold]))
    pixels = photographed(rng, pixels, blur=0.8, noise_level=0.05)
    return Picture(pixels, tuple(Mark("mitochondria", body.outline(64)) for body in bodies))


def _mitochondria_outlines(rng: Generator, shape: Shape, unit: float, normal: bool) -> list[Blob]:
    """Return one to three outlines that do not touch each other or the frame."""
    kept: list[Blob] = []
    for x, y in rng.uniform(0, 1, (60, 2)) * np.array(shape[::-1]):
        body = wobbly(
            rng, x, y, rng.uniform(4.3, 5.6) * unit, rng.uniform(1.9, 2.7) if normal else rng.uniform(1.0, 1.2), 0.03
        )
        edge = body.reach + 1
        fits = edge < x < shape[1] - edge and edge < y < shape[0] - edge
        if fits and all(np.hypot(x - other.x, y - other.y) > body.reach + other.reach for other in kept):
            kept.append(body)
    return kept[:3] or [Blob(shape[1] / 2, shape[0] / 2, 6 * unit, 2.2 if normal else 1.1)]
