"""Malformed input is refused by file and line with what to do, several problems at once, and nothing is written."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import datasets
import numpy as np
import pytest
import tifffile
from PIL import Image

from microbench_tasks.data.own_datasets import writing
from microbench_tasks.util.errors import DataError
from tests.support import own_images
from tests.support.own_images import CELL, GLAND, LABELS

# Prepares a folder and returns the options of a request.
Setup = Callable[[Path], dict]


def refusal(root: Path, options: dict) -> str:
    """Return the message of the refusal, and check that nothing was left behind."""
    workspace = root / "workspace"
    workspace.mkdir()
    before = sorted(root.rglob("*"))
    with pytest.raises(DataError) as caught:
        own_images.read(own_images.wanted(options.pop("out", root / "out"), **options), workspace)
    assert [path for path in sorted(root.rglob("*")) if path not in before and workspace not in path.parents] == []
    return str(caught.value)


def folders(change: Callable[[Path], None], **options: object) -> Setup:
    """Change a folder of classes."""

    def set_up(root: Path) -> dict:
        photos = own_images.class_folders(root / "photos")
        change(photos)
        return {"images": photos, **options}

    return set_up


def csv_of(text: str | bytes, change: Callable[[Path], None] = lambda photos: None, **options: object) -> Setup:
    """Label a folder of images by a CSV file."""

    def set_up(root: Path) -> dict:
        photos = own_images.flat_folder(root / "photos")
        change(photos)
        (root / "labels.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
        return {"images": photos, "labels": root / "labels.csv", **options}

    return set_up


def coco_of(change: Callable[[dict], object], **options: object) -> Setup:
    """Annotate a folder of images by a COCO file."""

    def set_up(root: Path) -> dict:
        stated = own_images.coco()
        replaced = change(stated)
        text = replaced if isinstance(replaced, str) else json.dumps(stated)
        (root / "boxes.json").write_text(text)
        return {"images": own_images.flat_folder(root / "photos"), "coco": root / "boxes.json", **options}

    return set_up


def table_of(change: Callable[[datasets.Dataset], datasets.Dataset] = lambda table: table, **options: object) -> Setup:
    """Save a table of images."""

    def set_up(root: Path) -> dict:
        tiles = [own_images.tile(name, number) for name in (GLAND, CELL) for number in range(3)]
        features = datasets.Features({"image": datasets.Image(), "class": datasets.Value("string")})
        table = datasets.Dataset.from_dict({"image": tiles, "class": [GLAND] * 3 + [CELL] * 3}, features=features)
        change(table).to_parquet(root / "table.parquet")
        return {"table": str(root / "table.parquet"), **options}

    return set_up


def with_row(line: str) -> str:
    return LABELS + line + "\n"


def relabelled(old: str, new: str) -> str:
    assert old in LABELS
    return LABELS.replace(old, new, 1)


def link_outside(photos: Path) -> None:
    target = own_images.save(own_images.tile(GLAND, 9), photos.parent / "elsewhere" / "secret.png")
    (photos / GLAND / "link.png").symlink_to(target)


def link_to_nothing(photos: Path) -> None:
    (photos / GLAND / "link.png").symlink_to(photos / "nothing.png")


def link_to_folder(photos: Path) -> None:
    (photos.parent / "elsewhere").mkdir()
    (photos / "third class").symlink_to(photos.parent / "elsewhere")


def large_file(photos: Path) -> None:
    with (photos / GLAND / "large.tif").open("wb") as file:
        file.truncate(300 * 1_000_000)


def large_image(photos: Path) -> None:
    # 300 MB of pixels in a small file.
    Image.new("RGB", (10_000, 10_000)).save(photos / GLAND / "large.png")


def stack(photos: Path) -> None:
    tifffile.imwrite(photos / GLAND / "stack.tif", np.zeros((5, 16, 16), np.uint16))


def pipe(photos: Path) -> None:
    os.mkfifo(photos / GLAND / "pipe.png")


def same_class_twice(photos: Path) -> None:
    own_images.save(own_images.tile(GLAND, 0), photos / GLAND / "copy.tif")


def other_class_twice(photos: Path) -> None:
    own_images.save(own_images.tile(GLAND, 0), photos / CELL / "copy.png")


def splits(photos: Path) -> None:
    (photos / GLAND).rename(photos / "train")
    (photos / CELL).rename(photos / "Test")


def put(name: str, content: bytes = b"") -> Callable[[Path], None]:
    def write(photos: Path) -> None:
        (photos / name).parent.mkdir(parents=True, exist_ok=True)
        (photos / name).write_bytes(content)

    return write


def rename(old: str, new: str) -> Callable[[Path], None]:
    return lambda photos: (photos / old).rename(photos / new) and None


def annotation(number: int, **changes: object) -> Callable[[dict], None]:
    return lambda stated: stated["annotations"][number].update(changes)


def part(which: str, number: int, **changes: object) -> Callable[[dict], None]:
    return lambda stated: stated[which][number].update(changes)


IMAGE_0 = f"{CELL}/{CELL} 0.png"
REFUSED: dict[str, tuple[Setup, str]] = {
    # What is typed.
    "no such folder": (lambda root: {"images": root / "nowhere"}, "--images .*nowhere: no such folder"),
    "a file for a folder": (
        lambda root: put("photos.zip")(root) or {"images": root / "photos.zip"},
        "photos.zip: is a file. Unpack it",
    ),
    "no source": (lambda root: {}, "either --images FOLDER or --table PATH"),
    "two sources": (lambda root: {"images": root, "table": "x"}, "either --images FOLDER or --table PATH"),
    "two kinds of labels": (
        lambda root: {"images": root, "labels": root, "coco": root},
        "--labels and --coco cannot be used together",
    ),
    "a name with capitals": (folders(put("x"), name="Pollen"), "NAME Pollen: expected lowercase letters"),
    "the name of a dataset of the release": (
        folders(put("x"), name="opencell"),
        "NAME opencell: expected .* not the name of a dataset of the benchmark",
    ),
    "no captions": (folders(put("x"), captions=None), "--captions: expected a text with {class}"),
    "captions without class": (folders(put("x"), captions="A cell."), "expected {class} where the name"),
    "captions with another word": (
        folders(put("x"), captions="A {class}, {stain}."),
        "only {class} is replaced, got {stain}",
    ),
    "an empty question": (folders(put("x"), question=" "), "--question: expected text"),
    "no question": (
        folders(put("x"), question=None),
        "1 problem[^:]*Nothing was written.\\n  - --question: expected text, such as",
    ),
    "an output that exists": (
        lambda root: {"images": own_images.class_folders(root / "photos"), "out": root / "photos"},
        "--out .*photos: exists already",
    ),
    "an output within the images": (
        lambda root: {"images": own_images.class_folders(root / "photos"), "out": root / "photos" / "out"},
        "is within --images",
    ),
    "an output with a comma": (
        lambda root: {"images": own_images.class_folders(root / "photos"), "out": root / "a,b"},
        "a comma separates folders",
    ),
    "too large a limit": (folders(put("x"), max_megapixels=1000), "--max-megapixels 1000: expected at most 89"),
    # Folders.
    "an empty folder": (
        lambda root: {"images": (root / "photos").mkdir() or root / "photos"},
        "images: found none. Expected TIFF, PNG or JPEG files",
    ),
    "an empty class": (folders(lambda photos: (photos / "third").mkdir()), "third/: a class without images"),
    "one class": (
        folders(lambda photos: (photos / CELL).rename(photos / GLAND / "inner")),
        f"found only {GLAND}. A question needs at least 2",
    ),
    "an image without a class": (
        folders(rename(f"{GLAND}/{GLAND} 0.png", "lost.png")),
        "lost.png: an image without a class. Move it",
    ),
    "an image without a group": (folders(put("x"), groups="slide"), f"{IMAGE_0}: an image without a group"),
    "splits for classes": (folders(splits), "Test, train, which are splits and not classes"),
    "classes that differ in case": (
        folders(lambda photos: own_images.save(own_images.tile(GLAND, 9), photos / "Colonic Gland" / "x.png")),
        "'colonic gland' is nearly 'Colonic Gland'",
    ),
    "classes that differ in spaces": (
        folders(lambda photos: own_images.save(own_images.tile(GLAND, 9), photos / "colonic  gland" / "x.png")),
        "'colonic  gland' contains characters that cannot be seen|is nearly",
    ),
    "an absent class": (
        folders(put("x"), classes=(GLAND, CELL, "villus")),
        "--classes: no image of the class 'villus'",
    ),
    "an undeclared class": (
        folders(put("x"), classes=(GLAND, "floating cells")),
        f"the class '{CELL}' is not one of --classes. Did you mean 'floating cells'",
    ),
    "a class declared twice": (folders(put("x"), classes=(GLAND, CELL, CELL)), f"'{CELL}' occurs twice"),
    # Files.
    "an empty file": (folders(put(f"{GLAND}/x.png")), f"{GLAND}/x.png: is empty .0 bytes.. Copy the file again"),
    "no image": (folders(put(f"{GLAND}/x.jpg", b"text")), f"{GLAND}/x.jpg: is no TIFF, PNG or JPEG"),
    "a microscope's format": (folders(put(f"{GLAND}/x.czi", b"x")), f"{GLAND}/x.czi: .czi files are not read. Export"),
    "a 3-D TIFF": (folders(stack), f"{GLAND}/stack.tif: contains 5 images .pages, slices"),
    "a file of 300 MB": (folders(large_file), f"{GLAND}/large.tif: is larger than 200,000,000 bytes .300,000,000"),
    "an image of 300 MB": (folders(large_image), f"{GLAND}/large.png: has 10000 x 10000 pixels, more than 50 million"),
    "a link out of the folder": (folders(link_outside), f"{GLAND}/link.png: is a link that leads out of photos"),
    "a link to nothing": (folders(link_to_nothing), f"{GLAND}/link.png: is a link to a file that does not exist"),
    "a link to a folder": (folders(link_to_folder), "third class: is a link to a folder. Put a copy"),
    "a named pipe": (folders(pipe), f"{GLAND}/pipe.png: is a named pipe"),
    "the same pixels twice": (
        folders(same_class_twice),
        rf"{GLAND}/copy.tif: has the same pixels as {GLAND}/{GLAND} 0.png|{GLAND} 0.png: has the same .*copy.tif. Keep",
    ),
    "the same pixels in two classes": (
        folders(other_class_twice),
        f"same pixels.*but the class '{CELL}' and not '{GLAND}'",
    ),
    # CSV.
    "no such CSV": (
        lambda root: {"images": own_images.flat_folder(root / "photos"), "labels": root / "labels.csv"},
        "labels.csv: no such file",
    ),
    "UTF-16": (csv_of(LABELS.encode("utf-16")), "labels.csv: is UTF-16, expected UTF-8. Save it as UTF-8: in Excel"),
    "Latin-1": (
        csv_of(relabelled(f"gland_1.png,{GLAND}", "gland_1.png,Drüse").encode("latin-1")),
        "labels.csv line 3: is not UTF-8 .byte 0xfc.",
    ),
    "a spreadsheet": (csv_of(b"PK\x03\x04rest"), "labels.csv: is a spreadsheet or an archive, expected CSV"),
    "an empty CSV": (csv_of(b"\xef\xbb\xbf\r\n"), "labels.csv: is empty"),
    "a null character": (csv_of(relabelled(CELL, "\0")), "labels.csv line 5: contains a null character"),
    "another separator": (csv_of(LABELS.replace(",", "/")), "line 1: expected column names with a separator"),
    "an unknown stated separator": (csv_of("sep=:\n" + LABELS), "line 1: the separator ':' is not read"),
    "a quote that never ends": (csv_of(relabelled("cell_1", '"cell_1')), "labels.csv line 6: unexpected end of data"),
    "too many cells": (csv_of(with_row("x,y,z")), "labels.csv line 8: expected 2 cells as in the first line, got 3"),
    "no column of classes": (csv_of(relabelled("class", "label")), "no column 'class'. Found the columns file, label"),
    "a column twice": (csv_of("file,class,Class\na,b,c\n"), "the column class occurs twice"),
    "a column with a typing error": (csv_of("file,class,grup\na,b,c\n"), "unknown column 'grup'. Did you mean group"),
    "a mapped column that is absent": (
        csv_of(LABELS, columns=("class=tissue",)),
        "no column 'tissue' .--column class=tissue.",
    ),
    "an unknown role": (csv_of(LABELS, columns=("klass=class",)), "--column klass=class: expected ROLE=COLUMN"),
    "a missing image": (csv_of(with_row("gland_7.png,x")), "labels.csv line 8: no image gland_7.png in .*photos"),
    "a missing image of nearly that name": (
        csv_of(relabelled("gland_2.png", "Gland_2.PNG"), only_listed=True),
        "labels.csv line 4: no image Gland_2.PNG in .*Did you mean gland_2.png",
    ),
    "an unlisted image": (csv_of(relabelled(f"cell_2.png,{CELL}\n", "")), "cell_2.png: is not in labels.csv. Add it"),
    "an image twice": (
        csv_of(with_row(f"gland_1.png,{CELL}")),
        "labels.csv line 8: gland_1.png is in line 3 already",
    ),
    "a path out of the folder": (csv_of(with_row("../x.png,y")), "line 8: ../x.png is not within the folder"),
    "the folder itself": (csv_of(with_row(".,y")), "line 8: . is not within the folder"),
    "an absolute path": (csv_of(with_row("C:\\x.png,y")), r"line 8: C:\\x.png is not within the folder"),
    "a row without a file": (csv_of(with_row(f",{CELL}")), "labels.csv line 8: no file"),
    "an image without a class in the CSV": (
        csv_of(relabelled(f"cell_0.png,{CELL}", "cell_0.png,  ")),
        "labels.csv line 5: cell_0.png has no class",
    ),
    "an unknown class": (
        csv_of(relabelled(f"cell_0.png,{CELL}", "cell_0.png,floting cell"), classes=(GLAND, CELL)),
        "line 5 .cell_0.png.: the class 'floting cell' is not one of --classes. Did you mean 'floating cell'",
    ),
    "classes in other letters": (
        csv_of(relabelled(f"cell_1.png,{CELL}", "cell_1.png,Floating cell")),
        r"line 6 .cell_1.png.: the class 'Floating cell' is nearly 'floating cell' .labels.csv line 5",
    ),
    "a row without a group": (
        csv_of("file,class,group\ngland_0.png,a,1\ngland_1.png,b,\n", only_listed=True),
        "labels.csv line 3 .gland_1.png.: has no group",
    ),
    "no row of the split": (
        csv_of("file,class,split\ngland_0.png,a,train\n", only_listed=True),
        "no row of the split test; found 'train'",
    ),
    "a row without a split": (
        csv_of("file,class,split\ngland_0.png,a,\ngland_1.png,b,test\n", only_listed=True),
        "labels.csv line 2: gland_0.png has no split",
    ),
    "groups without a column": (csv_of(LABELS, groups="slide"), "--groups slide: found no column group"),
    "one option": (
        csv_of("file,class,options\ngland_0.png,a,a\n", only_listed=True),
        "line 2 .gland_0.png.: expected 2 to 8 options as A|B|C, got a",
    ),
    "an option twice": (
        csv_of("file,class,options\ngland_0.png,a,a|b|B\n", only_listed=True),
        r"line 2 .gland_0.png.: an option occurs twice: a\|b\|B",
    ),
    "an option of two lines": (
        csv_of('file,class,options\ngland_0.png,a,"a|b\nc"\n', only_listed=True),
        "line 2 .gland_0.png.: an option contains characters that cannot be seen, or a line break",
    ),
    "options without the answer": (
        csv_of("file,class,options\ngland_0.png,a,b|c\n", only_listed=True),
        r"the class 'a' is the right answer and must be among the options b\|c",
    ),
    # COCO.
    "broken JSON": (coco_of(lambda stated: "{"), "boxes.json: expected COCO JSON, got: "),
    "a file of another form": (coco_of(lambda stated: "[]"), "boxes.json: expected COCO JSON .*images is missing"),
    "a COCO image without a file": (
        coco_of(part("images", 0, file_name="lost.png"), only_listed=True),
        "boxes.json image 0: no image lost.png",
    ),
    "an image that COCO does not list": (
        coco_of(lambda stated: stated["images"].pop(2) and stated["annotations"].pop(2)),
        "gland_2.png: is not in boxes.json",
    ),
    "an unknown category": (coco_of(annotation(0, category_id=5)), "annotation 100: its category_id 5 is not among"),
    "an unknown COCO image": (coco_of(annotation(0, image_id=[1])), "annotation 100: its image_id None is not among"),
    "an image id twice": (coco_of(part("images", 1, id=0), only_listed=True), r"images\[1\]: its id occurs twice"),
    "two categories of one name": (coco_of(part("categories", 1, name="gland")), "'gland' occurs twice"),
    "a box of three numbers": (coco_of(annotation(0, bbox=[1, 2, 3])), r"annotation 100 .gland_0.png.: expected bbox"),
    "a box without area": (
        coco_of(annotation(1, bbox=[1, 2, 0, 9])),
        "annotation 101 .gland_1.png.: expected bbox .*area",
    ),
    "a box outside": (
        coco_of(annotation(0, bbox=[50, 50, 20, 10])),
        "annotation 100 .gland_0.png.: the box .* = 50, 50, 70, 60 is not within the image of 64 x 64",
    ),
    "a box given by its corners": (
        coco_of(annotation(3, bbox=[5, 6, 25, 46.5])),
        "annotation 200 .cell_0.png.: its bbox .* is not around its segmentation.*x, y, width, height",
    ),
    "neither box nor polygon": (
        coco_of(annotation(3, segmentation={"counts": [1], "size": [64, 64]})),
        "annotation 200 .cell_0.png.: expected bbox, or segmentation with polygons",
    ),
    "boxes for another size": (
        coco_of(part("images", 0, width=128, height=128)),
        "gland_0.png: has 64 x 64 pixels, but its boxes are for 128 x 128",
    ),
    "a COCO image without a group": (
        coco_of(lambda stated: None, groups="slide"),
        "gland_0.png: an image without a group. With --groups, expected GROUP/gland_0.png",
    ),
    "no boxes": (coco_of(lambda stated: stated["annotations"].clear()), "boxes.json: no image has a box"),
    "a question about boxes": (
        coco_of(lambda stated: None, question="Where?"),
        "--question: models are asked for boxes",
    ),
    # Tables.
    "no such table": (lambda root: {"table": str(root / "table")}, "--table .*: no such file or folder"),
    "a table that is no table": (
        lambda root: put("x.parquet", b"text")(root) or {"table": str(root / "x.parquet")},
        "x.parquet: cannot be read",
    ),
    "a table of another format": (
        lambda root: put("x.csv", b"text")(root) or {"table": str(root / "x.csv")},
        "x.csv: expected a .parquet or .arrow file",
    ),
    "a table without images": (table_of(lambda table: table.remove_columns("image")), "no column 'image'"),
    "a table with numbers for classes": (
        table_of(lambda table: table.remove_columns("class").add_column("class", [0, 0, 0, 1, 1, 1])),
        "table.parquet row 0: column class: expected text, got 0. Numbers have no names here",
    ),
    "a table with text for images": (
        table_of(lambda table: table.remove_columns("image").add_column("image", ["x"] * 6)),
        "column image is of type string; expected encoded images",
    ),
    "a table with a class that is null": (
        table_of(
            lambda table: table.map(lambda row, n: {"class": None if n == 4 else row["class"]}, with_indices=True)
        ),
        "table.parquet row 4: column class: expected text, got None",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_malformed_input_is_refused_by_file_and_line_and_nothing_is_written(tmp_path, name):
    set_up, problem = REFUSED[name]
    message = refusal(tmp_path, set_up(tmp_path))
    assert re.search(problem.replace("{", r"\{"), message), message


def test_the_first_ten_problems_are_listed_with_the_number_of_the_others(tmp_path):
    lines = "\n".join(f"lost_{number}.png,x" for number in range(25))
    message = refusal(tmp_path, csv_of(with_row(lines))(tmp_path))
    listed = message.split("\n")
    assert listed[0].endswith("photos: 25 problems. Nothing was written.")
    # The labels have seven lines before them.
    assert [line.split(":")[0] for line in listed[1:11]] == [f"  - labels.csv line {line}" for line in range(8, 18)]
    assert listed[11] == "  - and 15 more"


def test_problems_of_many_images_are_found_in_one_go(tmp_path):
    def change(photos: Path) -> None:
        put(f"{GLAND}/x.png")(photos)
        stack(photos)
        same_class_twice(photos)

    message = refusal(tmp_path, folders(change)(tmp_path))
    assert "photos: 3 problems" in message
    assert all(text in message for text in ("x.png: is empty", "stack.tif: contains 5", "has the same pixels"))


def test_boxes_in_an_image_that_is_turned_are_refused(tmp_path):
    photos = own_images.flat_folder(tmp_path / "photos")
    exif = Image.Exif()
    exif[0x0112] = 3
    own_images.save(own_images.tile(GLAND, 0), photos / "gland_0.png", exif=exif)
    path = own_images.write_coco(tmp_path / "boxes.json")
    message = refusal(tmp_path, {"images": photos, "coco": path})
    assert "gland_0.png: is turned by its EXIF orientation" in message


def test_boxes_in_a_tiff_that_is_turned_are_refused(tmp_path):
    """Pillow turns TIFF by itself and then forgets the tag."""
    photos = own_images.flat_folder(tmp_path / "photos")
    (photos / "gland_0.png").unlink()
    own_images.save(own_images.tile(GLAND, 0), photos / "gland_0.tif", tiffinfo={0x0112: 3})
    path = own_images.write_coco(tmp_path / "boxes.json")
    path.write_text(path.read_text().replace("gland_0.png", "gland_0.tif"))
    message = refusal(tmp_path, {"images": photos, "coco": path})
    assert "gland_0.tif: is turned by its EXIF orientation" in message


def test_a_folder_that_appears_while_the_dataset_is_made_is_left_as_it_is(tmp_path, monkeypatch):
    photos, out = own_images.class_folders(tmp_path / "photos"), tmp_path / "out"
    describe = writing.write_description

    def write_description(folder, description):
        describe(folder, description)
        out.mkdir()
        (out / "other").touch()

    monkeypatch.setattr(writing, "write_description", write_description)
    with pytest.raises(DataError, match="out has appeared meanwhile, and was left as it is. Name another folder"):
        own_images.make(out, images=photos)
    assert [path.name for path in out.iterdir()] == ["other"]


def test_a_link_within_the_folder_is_read(tmp_path):
    photos = own_images.class_folders(tmp_path / "photos")
    (photos / GLAND / f"{GLAND} 0.png").rename(photos / ".hidden.png")
    (photos / GLAND / "link.png").symlink_to(photos / ".hidden.png")
    assert len(own_images.make(tmp_path / "out", images=photos)) == 6


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_a_folder_that_may_not_be_read_is_refused(tmp_path):
    photos = own_images.class_folders(tmp_path / "photos")
    (photos / GLAND).chmod(0)
    try:
        assert f"{GLAND}: cannot be opened" in refusal(tmp_path, {"images": photos})
    finally:
        (photos / GLAND).chmod(0o755)
