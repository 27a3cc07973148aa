"""``microbench new-dataset``: make a dataset of one's own images."""

from __future__ import annotations

import argparse
from pathlib import Path

from microbench_tasks.cli.command import Command
from microbench_tasks.cli.progress import progress_bar


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="of the dataset: lowercase letters, digits and underscores")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="the dataset's folder, which does not exist yet"
    )
    _add_image_options(parser)
    _add_question_options(parser)
    parser.add_argument("--dry-run", action="store_true", help="show what would be written, and write nothing")


def _add_image_options(parser: argparse.ArgumentParser) -> None:
    source = parser.add_argument_group("images")
    source.add_argument(
        "--images", type=Path, metavar="FOLDER", help="TIFF, PNG or JPEG files; alone: one folder per class"
    )
    source.add_argument(
        "--labels",
        type=Path,
        metavar="CSV",
        help="table about --images with the columns file and class, and optionally question, options, domain, "
        "modality, stain, group and split",
    )
    source.add_argument("--coco", type=Path, metavar="JSON", help="boxes in --images, as COCO JSON")
    source.add_argument(
        "--table", metavar="PATH", help="Parquet, Arrow, a save_to_disk folder, or a data set in the Hub's cache"
    )
    source.add_argument(
        "--column",
        dest="columns",
        action="append",
        default=[],
        metavar="ROLE=COLUMN",
        help="name of a column in --labels or --table, such as class=label; may be repeated",
    )
    source.add_argument(
        "--only-listed", action="store_true", help="leave out images that --labels or --coco does not list"
    )
    source.add_argument(
        "--max-megapixels",
        type=float,
        default=50,
        metavar="N",
        help="largest size of an image, in millions of pixels (default: %(default)s)",
    )


def _add_question_options(parser: argparse.ArgumentParser) -> None:
    words = parser.add_argument_group("question")
    words.add_argument("--question", metavar="TEXT", help="about every image; its options are the classes")
    words.add_argument(
        "--captions", metavar="TEXT", help="text that contrastive models compare, with {class} in place of the class"
    )
    words.add_argument(
        "--classes", nargs="+", default=[], metavar="CLASS", help="all classes (default: those that occur)"
    )
    words.add_argument("--licence", "--license", metavar="TEXT", help="of the images")
    words.add_argument(
        "--groups",
        metavar="WORD",
        help="what a group is: patient, slide or well. Without a column group, groups are the folders in a class, or "
        "with --coco those in --images",
    )


def _run(options: argparse.Namespace) -> None:
    import tempfile

    from microbench_tasks.data.own_datasets import creation, overview, request

    chosen = {name: getattr(options, name) for name in request.Request.__dataclass_fields__}
    wanted = request.Request(**chosen | {"columns": tuple(options.columns), "classes": tuple(options.classes)})
    request.check(wanted)
    # Beside the dataset, where there is space for its images.
    beside = next(folder for folder in wanted.out.absolute().parents if folder.exists())
    with tempfile.TemporaryDirectory(prefix=".microbench-", dir=beside) as workspace:
        dataset = creation.read(wanted, Path(workspace), progress_bar, keep_images=not options.dry_run)
        print("\n".join(overview.describe(dataset)))
        if options.dry_run:
            print("\nnothing written (--dry-run)")
            return
        dataset.write()
    print(f"\nwrote {wanted.out}. Next, type:\n")
    print("\n".join(f"  {line}" for line in overview.next_commands(dataset)))


COMMAND = Command(
    name="new-dataset",
    summary="make a dataset of your own images",
    description="Make a dataset of your own micrographs, which models are asked about with MICROBENCH_OWN. Everything "
    "is checked first; file names and metadata are left out, since they may reveal the class. "
    "docs/own-data.md explains every step.",
    examples=(
        "microbench new-dataset pollen --images photos --question 'Which pollen is this?' "
        "--captions 'A micrograph of {class} pollen.' --out pollen",
        "microbench new-dataset pollen --images photos --labels labels.csv --groups slide "
        "--question 'Which pollen is this?' --captions 'A micrograph of {class} pollen.' --out pollen",
        "microbench new-dataset nuclei --images photos --coco boxes.json --out nuclei",
    ),
    add_options=_add_options,
    run=_run,
)
