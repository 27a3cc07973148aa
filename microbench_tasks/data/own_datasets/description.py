"""Read and write the description of a dataset of one's own: ``microbench_dataset.yaml`` beside its table.

A dataset is a folder:

    NAME/
      microbench_dataset.yaml            what the dataset is (`Description`)
      data/test-00000-of-00001.parquet   one row per image, in the release's columns and `GROUP_COLUMN`

The table has all columns of the release (`microbench_tasks.catalog.release_columns.release_features`). Those that the
dataset does not know are null. ``dataset`` is the name of the dataset. Only ``questions.classification`` asks
something; its captions are ``captions.classification_0`` and ``_1``, which are the same. Each question has its options
in an order of its own. `GROUP_COLUMN` is text or null: images of one patient, slide or well have the same group, and
confidence intervals count them as one observation. Rows are in the order of ``image_id``, a hash of the pixels.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

import yaml
from microbench_tasks.catalog.own_tasks import NAME_RULE, is_dataset_name
from microbench_tasks.util import files, untrusted
from microbench_tasks.util.errors import DataError
from microbench_tasks.util.validation import field_problems

DESCRIPTION_FILE = "microbench_dataset.yaml"
TABLE_FILE = "data/test-00000-of-00001.parquet"
GROUP_COLUMN = "group"
# Stands for the name of a class in a caption.
CLASS_PLACEHOLDER = "{class}"


def _checked_name(name: str) -> str:
    if not is_dataset_name(name):
        raise ValueError(f"expected {NAME_RULE}")
    return name


class Description(BaseModel):
    """Describe an own dataset.

    Attributes:
        form: version of this file's form.
        name: of the dataset; its tasks are ``microbench_own_NAME`` and ``microbench_own_NAME_boxes``.
        question: the question about every image; None if rows have different ones, or if there are only boxes.
        captions: the text that contrastive models score, with ``{class}``; None if there are only boxes.
        classes: of questions or boxes, in the user's order.
        licence: of the images, in the user's words.
        groups: what a group is, such as ``slide``; None if the images are independent.
        num_images, num_questions, num_boxes: of the table.
        table_sha256: of the table's file.
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    form: Literal[1] = 1
    name: Annotated[str, AfterValidator(_checked_name)]
    question: str | None
    captions: str | None
    classes: list[str]
    licence: str | None
    groups: str | None
    num_images: Annotated[int, Field(ge=1)]
    num_questions: Annotated[int, Field(ge=0)]
    num_boxes: Annotated[int, Field(ge=0)]
    table_sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


def read_description(folder: Path) -> Description:
    """Read the description of the dataset in ``folder``.

    Raises:
        DataError: the file is missing, is no YAML, or a field is wrong; names the file and the field.
    """
    path = folder / DESCRIPTION_FILE
    try:
        stated = yaml.safe_load(untrusted.read_regular_file(path))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: expected YAML, got: {error}. Make the dataset again with new-dataset.") from error
    try:
        return Description.model_validate(stated)
    except ValidationError as error:
        problem = field_problems(error)[0]
        raise DataError(f"{path}: {problem}. Make the dataset again with new-dataset.") from error


def write_description(folder: Path, description: Description) -> None:
    """Write the description of a dataset to its folder."""
    text = yaml.safe_dump(description.model_dump(), sort_keys=False, allow_unicode=True, width=120)
    files.write_file(folder / DESCRIPTION_FILE, text.encode())
