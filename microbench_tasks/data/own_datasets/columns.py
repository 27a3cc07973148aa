"""Find the columns of a user's table by their role."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence

from microbench_tasks.util.errors import DataError

# What a column may state of the image: its file, in a CSV file, or the image itself.
FILE, IMAGE = "file", "image"
# What a column may state, besides the image.
LABEL_ROLES = ("class", "question", "options", "domain", "modality", "stain", "group", "split")
SPLIT = "test"
OPTION_SEPARATOR = "|"


def parse_mapping(typed: Iterable[str], roles: Sequence[str]) -> dict[str, str]:
    """Parse ``--column ROLE=COLUMN`` options to column names by role.

    Raises:
        DataError: an option has another form, an unknown role, or a role twice.

    >>> parse_mapping(["class=label", "image=img"], ("image", "class"))
    {'class': 'label', 'image': 'img'}
    """
    mapping: dict[str, str] = {}
    for text in typed:
        role, equals, column = (part.strip() for part in text.partition("="))
        if not equals or not column or role not in roles:
            raise DataError(f"--column {text}: expected ROLE=COLUMN with a role of {', '.join(roles)}.")
        if role in mapping:
            raise DataError(f"--column {text}: the role {role} occurs twice. Name one column for each role.")
        mapping[role] = column
    return mapping


def resolve(names: Sequence[str], mapping: Mapping[str, str], needed: Sequence[str], where: str) -> dict[str, int]:
    """Return the index of each role's column; roles without a column are left out.

    Args:
        names: of the columns. Upper and lower case are the same.
        mapping: column names by role; other roles have columns of their own name.
        needed: the roles that the table must have, the image's first.
        where: names the table in messages.

    Raises:
        DataError: a column is missing, occurs twice, or has a name like a role's.
    """
    lowered = [name.casefold() for name in names]
    roles = (*needed, *(role for role in LABEL_ROLES if role not in needed))
    found: dict[str, int] = {}
    for role in roles:
        wanted = mapping.get(role, role).casefold()
        if lowered.count(wanted) > 1:
            raise DataError(f"{where}: the column {mapping.get(role, role)} occurs twice. Rename or remove one.")
        if wanted in lowered:
            found[role] = lowered.index(wanted)
        elif role in mapping:
            raise DataError(
                f"{where}: no column {mapping[role]!r} (--column {role}={mapping[role]}). {_present(names)}"
            )
        elif role in needed:
            raise DataError(
                f"{where}: no column {role!r}. {_present(names)} Rename one, or type --column {role}=COLUMN."
            )
    if needed[0] == FILE:
        # Other tables have columns for other purposes.
        _check_near_misses(names, found, roles, where)
    return found


def _present(names: Sequence[str]) -> str:
    return f"Found the columns {', '.join(names)}."


def _check_near_misses(names: Sequence[str], found: Mapping[str, int], roles: Sequence[str], where: str) -> None:
    free = [role for role in roles if role not in found]
    for at, name in enumerate(names):
        close = difflib.get_close_matches(name.casefold(), free, 1, cutoff=0.8)
        if close and at not in found.values():
            raise DataError(
                f"{where}: unknown column {name!r}. Did you mean {close[0]}? Rename it, or type "
                f"--column {close[0]}={name}."
            )


def split_options(text: str) -> tuple[str, ...]:
    """Return the options of a cell.

    >>> split_options("birch | hazel")
    ('birch', 'hazel')
    """
    return tuple(option.strip() for option in text.split(OPTION_SEPARATOR))
