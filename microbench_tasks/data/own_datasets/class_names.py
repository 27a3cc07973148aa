"""Check the names of classes and options, and bring the classes into order."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping

from microbench_tasks.catalog.questions import LETTERS, MIN_OPTIONS
from microbench_tasks.data.own_datasets.entries import Collected, Entry
from microbench_tasks.data.own_datasets.image_files import normalized
from microbench_tasks.data.own_datasets.problems import Problems
from microbench_tasks.util.text_safety import confusable_key, printable_line

_LONGEST_NAME = 200
# A class is taken for a typing error if another has so many times its images, and a name as similar (0 to 1) as this.
_MUCH_MORE = 5
_NEARLY_ALIKE = 0.85


def ordered_classes(collected: Collected, declared: tuple[str, ...], problems: Problems) -> list[str]:
    """Return the classes of a dataset in order.

    Args:
        collected: the images, with the class of each image or box.
        declared: all classes in the wanted order; empty if they are those of the images.
        problems: gets classes that are not declared or without images, and names that differ in little.
    """
    first_places: dict[str, str] = {}
    for name, place in _names(collected.entries):
        first_places.setdefault(name, place)
    for name, place in first_places.items():
        _check_name(name, place, problems)
    wanted = [" ".join(normalized(name).split()) for name in declared]
    _check_alike([*((name, "--classes") for name in wanted), *first_places.items()], problems)
    if not declared:
        return collected.class_order or sorted(first_places, key=lambda name: (name.casefold(), name))
    for name in sorted(set(wanted)):
        if wanted.count(name) > 1:
            problems.add("--classes", f"{name!r} occurs twice. Name each class once")
        if name not in first_places:
            problems.add("--classes", f"no image of the class {name!r}.{_did_you_mean(name, first_places)}")
    for name, place in first_places.items():
        if name not in wanted:
            problems.add(place, f"the class {name!r} is not one of --classes.{_did_you_mean(name, wanted, 'It has')}")
    return wanted


def check_options(entries: Iterable[Entry], classes: list[str], problems: Problems) -> None:
    """Add questions without a choice, and options of single images that are malformed, to ``problems``."""
    with_classes = [entry for entry in entries if entry.labels.options is None]
    if with_classes and len(classes) < MIN_OPTIONS:
        problems.add(
            "classes",
            f"found only {classes[0] if classes else 'none'}. A question needs at least {MIN_OPTIONS} options: add a "
            "folder or rows of another class",
        )
    for entry in entries:
        options = entry.labels.options
        if options is None:
            continue
        if not MIN_OPTIONS <= len(options) <= len(LETTERS) or not all(options):
            problems.add(
                entry.place, f"expected {MIN_OPTIONS} to {len(LETTERS)} options as A|B|C, got {'|'.join(options)}"
            )
        elif any(option != printable_line(option) for option in options):
            problems.add(entry.place, "an option contains characters that cannot be seen, or a line break. Remove them")
        elif len({_key(option) for option in options}) < len(options):
            problems.add(entry.place, f"an option occurs twice: {'|'.join(options)}. Write each option once")
        elif entry.labels.class_name not in options:
            problems.add(
                entry.place,
                f"the class {entry.labels.class_name!r} is the right answer and must be among the options "
                f"{'|'.join(options)}",
            )


def naming_notes(classes: list[str]) -> list[str]:
    """Describe names that models can hardly understand."""
    notes = []
    if underscored := [name for name in classes if "_" in name]:
        notes.append(f"models read names of classes as they are: {underscored[0]!r} may be clearer without underscores")
    if numbered := [name for name in classes if name.replace(".", "").isdecimal()]:
        notes.append(f"the class {numbered[0]!r} is a number, which tells a model nothing: write words")
    return notes


def similar_notes(counts: Mapping[str, int]) -> list[str]:
    """Describe rare classes whose name is nearly that of a frequent one: they may be typing errors.

    Args:
        counts: number of images of each class.
    """
    notes = []
    for name, number in counts.items():
        frequent = [other for other, of_other in counts.items() if of_other >= _MUCH_MORE * number]
        # Names with numbers, such as stage 1 and stage 2, differ in little on purpose.
        close = difflib.get_close_matches(name, frequent, 1, cutoff=_NEARLY_ALIKE)
        if close and not any(map(str.isdigit, name)):
            images = "1 image" if number == 1 else f"{number} images"
            notes.append(
                f"the class {name!r} ({images}) is nearly {close[0]!r} ({counts[close[0]]}). If it is a typing error, "
                "correct it. --classes with all names refuses any other"
            )
    return notes


def _names(entries: Iterable[Entry]) -> Iterator[tuple[str, str]]:
    """Yield the class of each image and box with its place."""
    for entry in entries:
        if entry.labels.class_name is not None:
            yield entry.labels.class_name, entry.place
        yield from ((box.class_name, box.place) for box in entry.boxes)


def _check_name(name: str, place: str, problems: Problems) -> None:
    if name != printable_line(name):
        problems.add(
            place, f"the class {name!r} contains characters that cannot be seen, or spaces at an end. Rename it"
        )
    elif len(name) > _LONGEST_NAME:
        problems.add(place, f"the name of the class has {len(name)} characters, at most {_LONGEST_NAME}. Shorten it")


def _key(name: str) -> str:
    return confusable_key(name).casefold()


def _check_alike(named: list[tuple[str, str]], problems: Problems) -> None:
    """Add pairs of names that differ in case, spaces or forms of letters only."""
    first: dict[str, tuple[str, str]] = {}
    for name, place in named:
        other, other_place = first.setdefault(_key(name), (name, place))
        if other != name:
            problems.add(
                place, f"the class {name!r} is nearly {other!r} ({other_place}). Write both alike if they are the same"
            )


def _did_you_mean(name: str, known: Iterable[str], listed: str = "Found") -> str:
    close = difflib.get_close_matches(name, list(known), 1)
    return f" Did you mean {close[0]!r}?" if close else f" {listed} {', '.join(map(repr, known))}."
