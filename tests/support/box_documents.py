"""Build documents of localization tasks, and ask and score one model for their boxes."""

from __future__ import annotations

import json

import numpy as np
from PIL import Image

from microbench_tasks.tasks import localization

# A model that is asked for the neutral format.
NEUTRAL = "microbench_random"


def image(width, height, seed=0):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def doc(size, boxes=((10, 10, 20, 20),), expression="nucleus", shown=None):
    width, height = size
    return {
        "image_key": "source/0",
        "image": shown,
        "image_id": "17",
        "dataset": "opencell",
        "kind": "boxes",
        "expression": expression,
        "width": width,
        "height": height,
        "boxes": [list(map(float, box)) for box in boxes],
    }


def bound(name, model, options=None):
    return getattr(localization, f"microbench_localization_{name}").for_model(model, options)


def score(document, response, model=NEUTRAL, options=None):
    return bound("process_results", model, options)(document, [response])


def pixels(*boxes):
    """Boxes as the neutral format has them."""
    return json.dumps([dict(zip(("x1", "y1", "x2", "y2"), box, strict=False)) for box in boxes])
