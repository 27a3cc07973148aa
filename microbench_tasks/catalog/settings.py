"""Name the environment variables that this package reads; docs/settings.md describes them."""

from __future__ import annotations

PREFIX = "MICROBENCH_"
DATASET = f"{PREFIX}DATASET"
COGNITION = f"{PREFIX}COGNITION"
OWN = f"{PREFIX}OWN"
BOXES = f"{PREFIX}BOXES"
INTERVAL = f"{PREFIX}INTERVAL"
SHRINK_IMAGES = f"{PREFIX}SHRINK_IMAGES"
LOGPROBS = f"{PREFIX}LOGPROBS"
ALL = (DATASET, COGNITION, OWN, BOXES, INTERVAL, SHRINK_IMAGES, LOGPROBS)
