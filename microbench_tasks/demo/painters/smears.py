"""Draw cells spread on a slide: stained blood, Pap smears, pollen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from microbench_tasks.demo.canvas import (
    Blob,
    Picture,
    Shape,
    apart,
    cover,
    dots,
    grain,
    noise,
    photographed,
    rings,
    transmitted,
    wobbly,
)


@dataclass(frozen=True)
class BloodCell:
    """How one kind of blood cell looks; lengths relative to a red cell's radius."""

    radius: float
    nucleus: str  # "round", "kidney", "oval" or a number of lobes
    nucleus_size: float
    cytoplasm: dict[str, float]  # density by dye
    granule_dye: str = "violet"
    granules: int = 0
    granule_size: float = 0.05
    granule_density: float = 1.0
    granules_cover_nucleus: bool = False
    nucleus_density: float = 1.15
    vacuoles: int = 0


BLOOD_CELLS = {
    "basophil": BloodCell(1.55, "2", 0.62, {"violet": 0.18}, "violet", 85, 0.12, 1.5, True, 0.75),
    "eosinophil": BloodCell(1.7, "2", 0.58, {"orange": 0.22}, "orange", 130, 0.1, 1.15),
    "erythroblast": BloodCell(1.15, "round", 0.6, {"azure": 0.35, "red cell": 0.35}, nucleus_density=1.9),
    "immature granulocyte": BloodCell(
        2.1, "oval", 1.45, {"azure": 0.38, "violet": 0.1}, "violet", 60, 0.05, 0.8, False, 0.72
    ),
    "lymphocyte": BloodCell(1.22, "round", 1.04, {"azure": 0.5}, nucleus_density=1.3),
    "monocyte": BloodCell(2.15, "kidney", 1.5, {"azure": 0.42, "violet": 0.12}, nucleus_density=0.85, vacuoles=7),
    "neutrophil": BloodCell(1.75, "4", 0.5, {"red cell": 0.2, "violet": 0.04}, "violet", 90, 0.04, 0.25, False, 1.25),
}


def blood(rng: Generator, label: str, shape: Shape) -> Picture:
    """Draw one white cell, erythroblast or group of platelets among red cells (May-Grunwald-Giemsa)."""
    red_radius = 0.105 * shape[0] * rng.uniform(0.9, 1.1)
    layers = _red_cells(rng, shape, red_radius, clear=1.3 if label == "platelet" else BLOOD_CELLS[label].radius + 0.6)
    centre = np.array(shape[::-1]) / 2 + rng.normal(0, 0.03 * shape[0], 2)
    if label == "platelet":
        _add_platelets(rng, shape, centre, red_radius, layers)
    else:
        _add_blood_cell(rng, shape, BLOOD_CELLS[label], centre, red_radius, layers)
    return Picture(photographed(rng, transmitted(rng, layers, lamp=(0.96, 0.93, 0.90))))


def blood_close_up(rng: Generator, label: str, shape: Shape) -> Picture:
    """Draw one white cell that fills the frame, as image generators draw it (Wright-Giemsa)."""
    red_radius = 0.185 * shape[0] * rng.uniform(0.92, 1.08)
    layers = {dye: np.zeros(shape) for dye in ("red cell", "violet", "azure", "orange")}
    layers["red cell"] += 0.12 + 0.03 * noise(rng, shape, 25)
    centre = np.array(shape[::-1]) / 2 + rng.normal(0, 0.03 * shape[0], 2)
    _add_blood_cell(rng, shape, BLOOD_CELLS[label], centre, red_radius, layers)
    return Picture(photographed(rng, transmitted(rng, layers, lamp=(0.93, 0.89, 0.96)), blur=1.2, noise_level=0.008))


def _red_cells(rng: Generator, shape: Shape, radius: float, clear: float) -> dict[str, np.ndarray]:
    """Return density maps with red cells everywhere but within ``clear`` red-cell radii of the centre."""
    layers = {dye: np.zeros(shape) for dye in ("red cell", "violet", "azure", "orange")}
    centre = np.array(shape[::-1]) / 2
    spots = apart(rng, (shape[0] + 40, shape[1] + 40), rng.integers(14, 26), 2.05 * radius) - 20
    for x, y in spots[np.hypot(*(spots - centre).T) > (clear + 0.9) * radius]:
        cell = wobbly(rng, x, y, radius * rng.normal(1, 0.06), rng.uniform(1, 1.2), 0.02)
        window, depth = cell.depth(shape)
        pallor = np.clip(1 - depth / radius / 0.62, 0, 1) ** 0.7
        layers["red cell"][window] += np.clip(depth + 0.5, 0, 1) * (0.28 + 0.55 * pallor)
    return layers


def _add_platelets(
    rng: Generator, shape: Shape, centre: np.ndarray, radius: float, layers: dict[str, np.ndarray]
) -> None:
    count = rng.integers(1, 4)
    for x, y in centre + rng.normal(0, 0.55 * radius, (count, 2)):
        body = wobbly(rng, x, y, radius * rng.uniform(0.3, 0.45), rng.uniform(1, 1.5), 0.14)
        inside = cover(shape, [body], soft=2)
        layers["azure"] += 0.35 * inside
        layers["violet"] += inside * np.clip(0.65 + 0.4 * noise(rng, shape, 3), 0, 1.3)


def _add_blood_cell(
    rng: Generator, shape: Shape, cell: BloodCell, centre: np.ndarray, unit: float, layers: dict[str, np.ndarray]
) -> None:
    """Add the cell's cytoplasm, nucleus and granules to the density maps; ``unit`` is the radius of a red cell."""
    body = wobbly(rng, centre[0], centre[1], cell.radius * unit * rng.normal(1, 0.05), rng.uniform(1, 1.12), 0.025)
    inside = cover(shape, [body], soft=1.5)
    nucleus = inside * _nucleus(rng, shape, cell, body, unit)
    mottled = 1 + 0.12 * noise(rng, shape, 0.18 * unit)
    for layer in layers.values():
        layer *= 1 - inside
    for dye, density in cell.cytoplasm.items():
        layers[dye] += density * inside * (1 - 0.6 * nucleus) * (1 + 0.15 * noise(rng, shape, 0.3 * unit))
    layers["violet"] += cell.nucleus_density * nucleus * mottled
    if cell.granules:
        angles, distances = rng.uniform(0, 2 * np.pi, cell.granules), np.sqrt(rng.uniform(0, 0.86, cell.granules))
        spots = np.array([body.x, body.y]) + (body.radius * distances * np.array([np.cos(angles), np.sin(angles)])).T
        weights = rng.uniform(0.6, 1.2, cell.granules)
        granules = np.clip(dots(shape, spots, max(0.7, 0.8 * cell.granule_size * unit), weights), 0, 1.3) * inside
        layers[cell.granule_dye] += (
            cell.granule_density * granules * (1 if cell.granules_cover_nucleus else 1 - 0.9 * nucleus)
        )
    if cell.vacuoles:
        places = [centre + rng.normal(0, 0.55 * body.radius, 2) for _ in range(cell.vacuoles)]
        holes = [Blob(x, y, 0.1 * unit) for x, y in places]
        layers["azure"] *= 1 - 0.8 * cover(shape, holes) * inside


def _nucleus(rng: Generator, shape: Shape, cell: BloodCell, body: Blob, unit: float) -> np.ndarray:
    """Return the coverage by the nucleus, 0 to 1."""
    size, turn = cell.nucleus_size * unit, rng.uniform(0, 2 * np.pi)
    off = rng.normal(0, 0.07 * unit, 2)
    if cell.nucleus in ("round", "oval"):
        shift = off + 0.12 * (body.radius - size) * np.array([np.cos(turn), np.sin(turn)])
        return cover(
            shape, [wobbly(rng, body.x + shift[0], body.y + shift[1], size, rng.uniform(1, 1.15), 0.03)], soft=1.5
        )
    if cell.nucleus == "kidney":
        bean = cover(shape, [wobbly(rng, body.x + off[0], body.y + off[1], size, 1.3, 0.04, turn)], soft=1.5)
        # The bite comes from a side of the short axis.
        bite_at = np.array([body.x + off[0], body.y + off[1]]) + 0.85 * size * np.array([-np.sin(turn), np.cos(turn)])
        return bean * (1 - cover(shape, [Blob(bite_at[0], bite_at[1], 0.55 * size)], soft=3))
    lobes = int(cell.nucleus) + (rng.integers(-1, 2) if int(cell.nucleus) > 2 else 0)
    spread = (0.9 if lobes > 2 else 0.8) * size * (lobes / 2.6 if lobes > 2 else 1)
    angles = turn + np.linspace(0, 1.5 * np.pi if lobes > 2 else np.pi, lobes)
    at = np.array([body.x, body.y]) + off + spread * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    parts = [wobbly(rng, x, y, size * rng.normal(1, 0.1), rng.uniform(1, 1.35), 0.07) for x, y in at]
    middles, steps = (at[:-1] + at[1:]) / 2, np.diff(at, axis=0)
    bridges = [
        Blob(x, y, 0.28 * size, 2.5, np.arctan2(dy, dx)) for (x, y), (dx, dy) in zip(middles, steps, strict=True)
    ]
    return cover(shape, parts + bridges, soft=1.5)


@dataclass(frozen=True)
class PapCell:
    """How the squamous cells of one grade look; lengths in tenths of the image's height."""

    count: int
    radius: float
    nucleus: float
    elongation: float
    wobble: float
    nucleus_density: float
    body_density: float
    halo: float = 0.0
    clustered: bool = False
    orange: float = 0.2  # share of orange cells, the others are blue-green or pink


PAP_CELLS = {
    "negative for intraepithelial malignancy": PapCell(6, 2.3, 0.26, 1.25, 0.09, 1.3, 0.42),
    "low-grade squamous intraepithelial lesion": PapCell(5, 2.2, 0.62, 1.2, 0.07, 1.2, 0.5, halo=2.1),
    "high-grade squamous intraepithelial lesion": PapCell(
        22, 0.85, 0.6, 1.15, 0.08, 1.35, 0.5, clustered=True, orange=0.0
    ),
    "squamous cell carcinoma": PapCell(10, 1.15, 0.5, 3.6, 0.16, 1.8, 0.85, orange=0.85),
}


def pap_smear(rng: Generator, label: str, shape: Shape) -> Picture:
    """Draw liquid-based cytology, Papanicolaou stain: cell size, nucleus and colour depend on the grade."""
    kind, unit = PAP_CELLS[label], shape[0] / 10
    layers = {dye: np.zeros(shape) for dye in ("hematoxylin", "cyan", "fuchsin", "orange")}
    layers["cyan"] += np.clip(0.05 + 0.03 * noise(rng, shape, 30), 0, 1)
    if label == "squamous cell carcinoma":
        _add_dirt(rng, shape, layers)
    count = max(3, int(kind.count * rng.uniform(0.75, 1.25)))
    for x, y in _pap_places(rng, shape, kind, count, unit):
        elongation = max(1.0, kind.elongation * rng.normal(1, 0.2))
        body = wobbly(rng, x, y, kind.radius * unit * rng.normal(1, 0.12), elongation, kind.wobble)
        dye = "orange" if rng.random() < kind.orange else rng.choice(["cyan", "cyan", "fuchsin"])
        _add_pap_cell(rng, shape, kind, body, dye, unit, layers)
    return Picture(photographed(rng, transmitted(rng, layers), blur=0.8))


def _pap_places(rng: Generator, shape: Shape, kind: PapCell, count: int, unit: float) -> np.ndarray:
    if not kind.clustered:
        return apart(rng, shape, count, 1.35 * kind.radius * unit, margin=0.6 * unit)
    heart = np.array(shape[::-1]) * rng.uniform(0.4, 0.6, 2)
    places = heart + rng.normal(0, 1.9 * unit, (4 * count, 2))
    kept: list[np.ndarray] = []
    for place in places:
        if all(np.hypot(*(place - other)) > 1.05 * unit for other in kept):
            kept.append(place)
    return np.array(kept[:count])


def _add_pap_cell(
    rng: Generator, shape: Shape, kind: PapCell, body: Blob, dye: str, unit: float, layers: dict[str, np.ndarray]
) -> None:
    """Draw one squamous cell: sheet of cytoplasm, maybe a pale halo, nucleus with coarse chromatin."""
    inside = cover(shape, [body], soft=2)
    at = np.array([body.x, body.y]) + rng.normal(0, 0.08 * kind.radius * unit, 2)
    nucleus = wobbly(
        rng,
        at[0],
        at[1],
        kind.nucleus * unit * rng.normal(1, 0.12),
        min(1.8, 0.5 + 0.5 * body.elongation),
        0.05,
        body.angle,
    )
    sheet = inside * kind.body_density * (1 + 0.15 * noise(rng, shape, 9)) + 0.1 * rings(shape, [body], 2)
    if kind.halo:
        halo = cover(shape, [nucleus.scaled(kind.halo)], soft=4)
        sheet = sheet * (1 - 0.85 * halo) + 0.35 * rings(shape, [nucleus.scaled(kind.halo * 1.05)], 4) * inside
    layers[dye] += np.clip(sheet, 0, None)
    window, depth = nucleus.depth(shape)
    chromatin = np.clip(depth / 1.5 + 0.5, 0, 1) * (1 + 0.25 * noise(rng, depth.shape, 3))
    layers["hematoxylin"][window] = np.maximum(layers["hematoxylin"][window], kind.nucleus_density * chromatin)


def _add_dirt(rng: Generator, shape: Shape, layers: dict[str, np.ndarray]) -> None:
    """Draw the granular, bloody background of an invasive tumour."""
    layers["fuchsin"] += np.clip(0.12 + 0.1 * noise(rng, shape, 14) + 0.1 * grain(rng, shape, 1.2), 0, 0.6)
    specks = rng.uniform(0, 1, (90, 2)) * np.array(shape[::-1])
    layers["hematoxylin"] += np.clip(dots(shape, specks, 1.0, rng.uniform(0.2, 0.8, 90)), 0, 1)


def pollen(rng: Generator, label: str, shape: Shape) -> Picture:
    """Draw one grain stained with basic fuchsin; pores, wall and body depend on the kind."""
    radius = 0.3 * shape[0] * rng.uniform(0.9, 1.1)
    x, y = np.array(shape[::-1]) / 2 + rng.normal(0, 0.04 * shape[0], 2)
    turn = rng.uniform(0, 2 * np.pi)
    layers = {"fuchsin": np.clip(0.06 + 0.03 * noise(rng, shape, 20), 0, 1), "hematoxylin": np.zeros(shape)}
    POLLEN[label](rng, shape, x, y, radius, turn, layers)
    return Picture(photographed(rng, transmitted(rng, layers, lamp=(0.93, 0.92, 0.90)), blur=1.0))


def _pored_grain(
    rng: Generator,
    shape: Shape,
    x: float,
    y: float,
    radius: float,
    turn: float,
    layers: dict[str, np.ndarray],
    pores: int,
    corner: float,
) -> None:
    """Draw a rounded polygon with a thick wall and a pore at every corner."""
    grain_blob = Blob(x, y, radius, 1.0, 0.0, ((pores, corner, -pores * turn), (2, 0.015 * rng.normal(), 0.0)))
    body = cover(shape, [grain_blob], soft=2)
    angles = turn + 2 * np.pi * np.arange(pores) / pores
    rim = radius * (1 + corner)
    corners = np.array([x, y]) + rim * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    layers["fuchsin"] += body * (0.55 + 0.1 * noise(rng, shape, 6)) + 0.75 * rings(
        shape, [grain_blob.scaled(0.95)], 0.1 * radius
    )
    plugs = cover(shape, [Blob(px, py, 0.2 * radius) for px, py in corners], soft=2)
    layers["fuchsin"] += 0.9 * plugs
    layers["fuchsin"] *= 1 - 0.85 * cover(shape, [Blob(px, py, 0.09 * radius) for px, py in corners], soft=2)


def _hazel(
    rng: Generator, shape: Shape, x: float, y: float, radius: float, turn: float, layers: dict[str, np.ndarray]
) -> None:
    _pored_grain(rng, shape, x, y, radius, turn, layers, pores=3, corner=0.09)


def _alder(
    rng: Generator, shape: Shape, x: float, y: float, radius: float, turn: float, layers: dict[str, np.ndarray]
) -> None:
    """Draw five pores, joined by the thickened arcs that mark the genus."""
    _pored_grain(rng, shape, x, y, radius, turn, layers, pores=5, corner=0.06)
    middles = turn + 2 * np.pi * (np.arange(5) + 0.5) / 5
    arcs = [Blob(x + 1.25 * radius * np.cos(m), y + 1.25 * radius * np.sin(m), 0.72 * radius) for m in middles]
    inside = cover(shape, [Blob(x, y, 0.9 * radius)], soft=3)
    layers["fuchsin"] += 0.55 * rings(shape, arcs, 0.07 * radius) * inside


def _shrivelled(
    rng: Generator, shape: Shape, x: float, y: float, radius: float, turn: float, layers: dict[str, np.ndarray]
) -> None:
    """Draw a collapsed grain: dented outline, folds, dark clumped contents."""
    dents = ((2, 0.16, turn), (3, 0.14, 2 * turn), (4, 0.1 * rng.normal(1, 0.3), 3 * turn), (7, 0.04, turn))
    husk = Blob(x, y, 0.85 * radius, rng.uniform(1.3, 1.7), turn, dents)
    body = cover(shape, [husk], soft=2)
    folds = np.abs(noise(rng, shape, 0.35 * radius)) < 0.25
    layers["fuchsin"] += body * (0.7 + 0.55 * folds + 0.2 * noise(rng, shape, 5)) + 0.4 * rings(shape, [husk], 3)
    layers["hematoxylin"] += 0.45 * body * np.clip(noise(rng, shape, 0.4 * radius), 0, 1)


def _cypress(
    rng: Generator, shape: Shape, x: float, y: float, radius: float, turn: float, layers: dict[str, np.ndarray]
) -> None:
    """Draw a round grain: thin wall, wide clear layer, star-shaped dark protoplast."""
    layers["fuchsin"] += 0.22 * cover(shape, [Blob(x, y, radius)], soft=2) + 0.6 * rings(shape, [Blob(x, y, radius)], 3)
    star = Blob(x, y, 0.5 * radius, 1.0, 0.0, ((5, 0.22, turn), (3, 0.12, 2 * turn), (8, 0.05, turn)))
    layers["fuchsin"] += cover(shape, [star], soft=3) * (0.95 + 0.15 * noise(rng, shape, 4))


POLLEN = {
    "normal hazel pollen": _hazel,
    "anomalous hazel pollen": _shrivelled,
    "alder pollen": _alder,
    "cypress family pollen": _cypress,
}
