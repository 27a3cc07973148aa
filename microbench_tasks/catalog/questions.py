"""Name the kinds of multiple-choice questions, their letters, and the fields of the release that contain them."""

from __future__ import annotations

COARSE_KINDS = ("domain", "subdomain", "modality", "submodality", "stain")
CLASSIFICATION_KIND = "classification"
QUESTION_KINDS = (CLASSIFICATION_KIND, *COARSE_KINDS)

CAPTION_SETS = (0, 1)
# The wording that the paper's tables use for contrastive models.
SCORED_CAPTION_SET = 1

LETTERS = "ABCDEFGH"
MIN_OPTIONS = 2


def caption_key(kind: str, caption_set: int = SCORED_CAPTION_SET) -> str:
    """Return the field of ``captions`` for questions of ``kind`` in wording ``caption_set`` (0 or 1)."""
    return f"{kind}_{caption_set}"
