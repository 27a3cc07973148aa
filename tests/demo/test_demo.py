"""The demo set: every dataset of the release, its columns and its oddities, drawn the same every time."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
import sys
import threading
from collections import Counter, defaultdict
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage
from skimage.draw import polygon2mask

from microbench_tasks.catalog.questions import CAPTION_SETS, QUESTION_KINDS, caption_key
from microbench_tasks.catalog.release_columns import release_features
from microbench_tasks.demo import demo_set, manifest
from microbench_tasks.demo.version import DEMO_SEED, DEMO_VERSION

NONE = "none of the above"
# Dataset name: number of classes, as the paper's evaluation code counts them; 0: localization only.
CLASSES = {
    "acevedo_et_al_2020": 8,
    "jung_et_al_2022": 5,
    "burgess_et_al_2024_contour": 3,
    "burgess_et_al_2024_eccentricity": 3,
    "burgess_et_al_2024_texture": 3,
    "empiar_sbfsem": 5,
    "colocalization_benchmark": 4,
    "eulenberg_et_al_2017_brightfield": 7,
    "eulenberg_et_al_2017_darkfield": 7,
    "eulenberg_et_al_2017_epifluorescence": 5,
    "H2B-mCherry": 9,
    "GalT\u2013EGFP": 8,
    "hussain_et_al_2019": 4,
    "icpr2020_pollen": 4,
    "kather_et_al_2016": 8,
    "kather_et_al_2018": 8,
    "kather_et_al_2018_val7k": 8,
    "nirschl_et_al_2018": 2,
    "nirschl_unpub_fluorescence": 13,
    "tang_et_al_2019": 4,
    "wong_et_al_2022": 4,
    "wu_et_al_2023": 2,
    "opencell": 0,
    "sirinukunwattana_et_al_2016": 0,
}
POLYGON_CLASSES = {
    "burgess_et_al_2024_contour": {"cell", "nucleus"},
    "burgess_et_al_2024_eccentricity": {"cell", "nucleus"},
    "burgess_et_al_2024_texture": {"cell", "nucleus"},
    "H2B-mCherry": {"H2B-mCherry"},
    "opencell": {"nucleus"},
    "sirinukunwattana_et_al_2016": {"gland"},
    "wu_et_al_2023": {"mitochondria"},
}


@pytest.fixture(scope="session")
def built(demo_folder) -> Path:
    return demo_folder


@pytest.fixture(scope="session")
def loaded(built, tmp_path_factory):
    """The shards as anybody reads them."""
    import datasets

    files = sorted(map(str, (built / "perception").iterdir()))
    return datasets.load_dataset(
        "parquet", data_files={"test": files}, split="test", cache_dir=str(tmp_path_factory.mktemp("cache"))
    )


@pytest.fixture(scope="session")
def rows(loaded) -> list[dict]:
    from datasets import Image as ImageColumn

    return loaded.cast_column("image", ImageColumn(decode=False)).to_list()


@pytest.fixture(scope="session")
def by_dataset(rows) -> dict[str, list[dict]]:
    """Rows by dataset name, those without one by their stain."""
    groups = defaultdict(list)
    for row in rows:
        groups[row["dataset"] or row["stain"]].append(row)
    return groups


def picture(row: dict) -> Image.Image:
    image = Image.open(io.BytesIO(row["image"]["bytes"]))
    image.load()
    return image


def asked(row: dict, kind: str) -> dict | None:
    question = row["questions"][kind]
    return None if question is None or question["question"] is None else question


def is_drawn(row: dict) -> bool:
    return "skimage" not in row["institution"]


def hashes(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


# --- what is there -------------------------------------------------------------------


def test_import_loads_nothing_heavy_and_touches_no_file():
    code = (
        "import sys, microbench_tasks.demo; print(sorted({'numpy', 'scipy', 'skimage', 'PIL', 'datasets', 'pyarrow'} "
        "& set(sys.modules)))"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    ).stdout
    assert printed.strip() == "[]"


def test_all_24_datasets_are_there_with_at_least_12_rows_each(by_dataset):
    assert set(by_dataset) == set(CLASSES)
    assert min(map(len, by_dataset.values())) >= 12


def test_every_class_has_at_least_two_drawn_rows(by_dataset):
    for name, group in by_dataset.items():
        counts = Counter(row["label_name"] for row in group if is_drawn(row))
        counts.pop(None, None)
        assert len(counts) == CLASSES[name], name
        assert min(counts.values(), default=2) >= 2, name


def test_parquet_gives_back_the_features_of_the_release(loaded):
    assert loaded.features == release_features()


def test_an_image_is_keyed_by_dataset_and_id(rows):
    keys = [(row["dataset"], row["image_id"]) for row in rows]
    assert len(set(keys)) == len(keys)


# --- the same every time -------------------------------------------------------------


def test_two_builds_are_byte_identical(built, tmp_path):
    assert hashes(demo_set.build(tmp_path / "again")) == hashes(built)


def test_another_seed_draws_other_images_under_other_ids():
    ours, theirs = (list(demo_set.rows(seed=seed, rows_per_dataset=1, real_tiles=False)) for seed in (1, 2))
    assert not {row["image"]["bytes"] for row in ours} & {row["image"]["bytes"] for row in theirs}
    assert not {row["image_id"] for row in ours} & {row["image_id"] for row in theirs}


def test_a_row_does_not_depend_on_how_many_are_asked_for():
    few = list(demo_set.rows(seed=3, rows_per_dataset=1, real_tiles=False))
    more = list(demo_set.rows(seed=3, rows_per_dataset=2, real_tiles=False))
    assert more[::2] == few


def test_rows_equal_what_is_built(rows):
    assert list(islice(demo_set.rows(), 5)) == [{key: row[key] for key in row} for row in rows[:5]]


@pytest.mark.parametrize("arguments", [{"seed": -1}, {"rows_per_dataset": 0}])
def test_arguments_that_mean_nothing_are_refused_at_the_call(arguments):
    with pytest.raises(ValueError, match="Expected"):
        demo_set.rows(**arguments)


# --- questions and captions ----------------------------------------------------------


def test_every_answer_stands_among_its_options_at_its_index(rows):
    for row in rows:
        for kind in QUESTION_KINDS:
            if question := asked(row, kind):
                assert question["options"][question["answer_idx"]] == question["answer"]
                assert question["name"] == kind


def test_none_of_the_above_is_the_last_of_at_most_eight_options_and_never_right(rows):
    for row in rows:
        for kind in QUESTION_KINDS:
            if question := asked(row, kind):
                options = question["options"]
                assert options[-1] == NONE and options.count(NONE) == 1
                assert len(set(options)) == len(options) <= 8
                assert question["answer"] != NONE


def test_coarse_answers_repeat_the_columns(rows):
    for row in rows:
        for kind in ("domain", "subdomain", "modality", "submodality", "stain"):
            if question := asked(row, kind):
                assert question["answer"] == row[kind]


def test_each_coarse_question_has_several_answers_over_the_set(rows):
    for kind, least in {"domain": 3, "subdomain": 8, "modality": 3, "submodality": 7, "stain": 10}.items():
        assert len({row[kind] for row in rows}) >= least, kind


def test_captions_are_templates_filled_with_the_options_in_their_order(rows):
    for row in rows:
        for kind in QUESTION_KINDS:
            for number in CAPTION_SETS:
                question, caption = asked(row, kind), row["captions"][caption_key(kind, number)]
                if question is None:
                    assert caption is None
                    continue
                filled = [caption["question"].replace("{class}", option) for option in question["options"][:-1]]
                assert caption["options"] == [*filled, NONE]
                assert caption["answer_idx"] == str(question["answer_idx"])


def test_the_two_wordings_of_a_caption_differ(rows):
    for row in rows:
        for kind in QUESTION_KINDS:
            if asked(row, kind):
                assert (
                    row["captions"][caption_key(kind, 0)]["question"]
                    != row["captions"][caption_key(kind, 1)]["question"]
                )


def test_right_letters_are_spread(rows):
    letters = Counter(
        "ABCDEFGH"[question["answer_idx"]] for row in rows for kind in QUESTION_KINDS if (question := asked(row, kind))
    )
    # Five of the six letters of the six-option questions can be right; none takes half.
    assert min(letters[letter] for letter in "ABCDE") > 0.08 * letters.total()
    assert max(letters.values()) < 0.5 * letters.total()


def test_localization_only_datasets_ask_no_classification(by_dataset):
    for name in ("opencell", "sirinukunwattana_et_al_2016"):
        for row in by_dataset[name]:
            assert asked(row, "classification") is None and row["label"] is None and row["label_name"] is None


# --- the release's oddities ----------------------------------------------------------


def test_held_rows_have_no_dataset_and_one_stain_has_an_en_dash(rows):
    assert {row["stain"] for row in rows if row["dataset"] is None} == {"H2B-mCherry", "GalT\N{EN DASH}EGFP"}


def test_missing_stain_questions_come_in_both_forms_of_null(by_dataset):
    stains = [row["questions"]["stain"] for row in by_dataset["nirschl_unpub_fluorescence"]]
    assert all(stain is None or stain["question"] is None for stain in stains)
    assert {stain is None for stain in stains} == {True, False}


def test_the_three_burgess_datasets_share_their_image_ids(by_dataset):
    contour, eccentricity, texture = (
        [row["image_id"] for row in by_dataset[f"burgess_et_al_2024_{name}"]]
        for name in ("contour", "eccentricity", "texture")
    )
    assert contour == eccentricity == texture


def test_the_synthetic_datasets_say_so(rows):
    synthetic = {row["dataset"] for row in rows if row["synthetic"]}
    assert synthetic == {
        "jung_et_al_2022",
        "colocalization_benchmark",
        *(name for name in CLASSES if name.startswith("burgess")),
    }


def test_images_come_in_colour_gray_16_bit_and_with_opaque_alpha(rows):
    found = defaultdict(list)
    for row in rows:
        image = picture(row)
        found[image.mode].append(np.asarray(image))
    assert set(found) == {"RGB", "L", "I;16", "RGBA"}
    assert all(pixels[..., 3].min() == 255 for pixels in found["RGBA"])
    # 8-bit readers would clip these to white.
    assert all(pixels.max() > 255 for pixels in found["I;16"])


def test_sizes_differ_and_one_dataset_is_not_square(rows):
    sizes = {picture(row).size for row in rows}
    assert len(sizes) >= 6 and any(width != height for width, height in sizes)
    assert min(map(min, sizes)) >= 64 and max(map(max, sizes)) <= 320


# --- annotations ---------------------------------------------------------------------


def test_only_the_localization_datasets_have_polygons_and_all_their_rows_do(by_dataset):
    for name, group in by_dataset.items():
        for row in group:
            classes = {polygon["className"] for polygon in row["polygon"] or ()}
            assert classes == POLYGON_CLASSES.get(name, set()), name
            assert (row["polygon"] is None) == (row["bbox"] is None) == (name not in POLYGON_CLASSES)


def test_several_instances_occur_in_every_dataset_that_can_have_them(by_dataset):
    for name in ("H2B-mCherry", "opencell", "sirinukunwattana_et_al_2016", "wu_et_al_2023"):
        assert max(len(row["polygon"]) for row in by_dataset[name]) >= 2, name


def test_polygons_lie_in_the_image_and_boxes_enclose_them(rows):
    for row in rows:
        width, height = picture(row).size
        for polygon, box in zip(row["polygon"] or (), row["bbox"] or (), strict=True):
            x, y = polygon["points"][::2], polygon["points"][1::2]
            assert len(x) == len(y) >= 3
            assert 0 <= min(x) < max(x) <= width - 1 and 0 <= min(y) < max(y) <= height - 1
            assert box == {
                "className": polygon["className"],
                "points": {"x1": min(x), "x2": max(x), "y1": min(y), "y2": max(y)},
            }


def contrast(row: dict, class_name: str) -> float:
    """Largest difference over the channels between pixels just inside and just outside the outlines, 0 to 1."""
    pixels = np.atleast_3d(np.asarray(picture(row), dtype=float))
    pixels = pixels / pixels.max()
    outlines = [
        np.reshape(polygon["points"], (-1, 2)) for polygon in row["polygon"] if polygon["className"] == class_name
    ]
    inside = np.any([polygon2mask(pixels.shape[:2], outline[:, ::-1]) for outline in outlines], axis=0)
    # Membranes and epithelia lie along the rim: a lumen need not differ from the surroundings.
    within = inside & ~ndimage.binary_erosion(inside, iterations=2)
    around = ndimage.binary_dilation(inside, iterations=6) & ~ndimage.binary_dilation(inside, iterations=2)
    return float(np.abs(pixels[within].mean(axis=0) - pixels[around].mean(axis=0)).max())


@pytest.mark.parametrize("name", POLYGON_CLASSES)
def test_polygons_lie_on_what_is_drawn(by_dataset, name):
    for class_name in POLYGON_CLASSES[name]:
        contrasts = [contrast(row, class_name) for row in by_dataset[name]]
        assert min(contrasts) > 0.05, (class_name, min(contrasts))


# --- real tiles ----------------------------------------------------------------------


def test_real_tiles_state_their_source_and_licence(rows):
    real = [row for row in rows if not is_drawn(row)]
    assert {(row["dataset"], row["license"]) for row in real} == {
        ("kather_et_al_2016", "no known copyright restrictions"),
        ("eulenberg_et_al_2017_brightfield", "CC0-1.0"),
    }
    assert all("skimage.data." in row["institution"] for row in real)


def test_real_colon_tiles_are_asked_about_their_own_stain(by_dataset):
    tiles = [row for row in by_dataset["kather_et_al_2016"] if not is_drawn(row)]
    assert tiles
    for row in tiles:
        texts = json.dumps(
            [
                row["questions"]["classification"],
                row["captions"]["classification_0"],
                row["captions"]["classification_1"],
            ]
        )
        assert row["stain"] == "IHC(DAB)" and "IHC(DAB)" in texts and "H&E" not in texts


def test_the_real_cell_of_unknown_phase_is_not_asked_for_it(by_dataset):
    tiles = [row for row in by_dataset["eulenberg_et_al_2017_brightfield"] if not is_drawn(row)]
    assert tiles
    assert all(asked(row, "classification") is None and row["label"] is None for row in tiles)


def test_real_tiles_can_be_left_out():
    assert all(map(is_drawn, demo_set.rows(rows_per_dataset=1, real_tiles=False)))


# --- the folder ----------------------------------------------------------------------


def test_a_complete_set_is_left_alone(built):
    before = {path: path.stat().st_mtime_ns for path in built.rglob("*")}
    assert demo_set.build(built) == built
    assert {path: path.stat().st_mtime_ns for path in built.rglob("*")} == before


@pytest.fixture
def quick(monkeypatch, built):
    """Let the slow part of a build be a copy of what the session built."""
    import shutil

    from microbench_tasks.demo import writing

    monkeypatch.setattr(writing, "_fill", lambda draft, seed: shutil.copytree(built, draft, dirs_exist_ok=True))


def test_an_incomplete_leftover_is_replaced(quick, built, tmp_path):
    target = tmp_path / "set"
    (target / "perception").mkdir(parents=True)
    (target / "perception" / "test-00000-of-00002.parquet").write_bytes(b"half")
    assert hashes(demo_set.build(target)) == hashes(built)
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_a_truncated_file_makes_a_set_incomplete(quick, built, tmp_path):
    target = demo_set.build(tmp_path / "set")
    (target / "perception" / "test-00001-of-00002.parquet").write_bytes(b"half")
    assert hashes(demo_set.build(target)) == hashes(built)


def test_a_folder_with_other_files_is_refused_and_kept(quick, tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(FileExistsError, match=r"thesis\.tex"):
        demo_set.build(tmp_path)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_a_build_that_dies_leaves_no_folder(monkeypatch, tmp_path):
    from microbench_tasks.demo import writing

    def die(folder, seed):
        raise KeyboardInterrupt

    monkeypatch.setattr(writing, "_write_perception", lambda folder, table_rows: folder.mkdir(parents=True))
    monkeypatch.setattr(writing, "rows", lambda seed: [])
    monkeypatch.setattr(writing, "_write_cognition", die)
    with pytest.raises(KeyboardInterrupt):
        demo_set.build(tmp_path / "set")
    assert not list(tmp_path.iterdir())


def test_concurrent_builders_all_get_the_whole_set(quick, built, tmp_path):
    target, failures = tmp_path / "set", []

    def build_and_check():
        try:
            assert hashes(demo_set.build(target)) == hashes(built)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=build_and_check) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


# --- cognition -----------------------------------------------------------------------


@pytest.fixture(scope="session")
def documents(built) -> dict[Path, dict]:
    return {path: json.loads(path.read_text()) for path in sorted((built / "cognition" / "test").glob("*.json"))}


def test_cognition_lies_in_the_layout_of_the_evaluation_code(documents):
    for path, document in documents.items():
        with Image.open(path.parent / document["metadata"]["name"]) as image:
            image.load()
        described = document["custom_metadata"]
        assert set(described) == {
            "domain",
            "subdomain",
            "modality",
            "submodality",
            "microns_per_pixel",
            "normal_or_abnormal",
            "questions",
        }
        assert list(described["questions"]) == [f"cognition_{number}" for number in range(len(described["questions"]))]


def test_cognition_asks_enough_with_six_options_each(documents):
    questions = [list(document["custom_metadata"]["questions"].values()) for document in documents.values()]
    assert len(documents) >= 6 and sum(map(len, questions)) >= 12 and max(map(len, questions)) >= 2
    for question in sum(questions, []):
        assert len(set(question["options"])) == 6
        assert question["options"][-1] == "None of the above"
        assert question["answer"] in question["options"]


def test_right_cognition_letters_run_evenly_over_a_to_f(documents):
    questions = [
        question for document in documents.values() for question in document["custom_metadata"]["questions"].values()
    ]
    letters = Counter("ABCDEF"[question["options"].index(question["answer"])] for question in questions)
    assert set(letters) == set("ABCDEF")
    assert max(letters.values()) - min(letters.values()) <= 1


def test_the_files_of_a_set_name_its_version_and_seed(built, tmp_path, monkeypatch):
    """Not with a file of other content beside them, and not without the manifest."""
    shards = sorted((built / "perception").iterdir())
    assert manifest.origin(shards) == {"version": DEMO_VERSION, "seed": DEMO_SEED}
    assert manifest.origin([*built.glob("cognition/test/*")]) == {"version": DEMO_VERSION, "seed": DEMO_SEED}
    assert manifest.origin([*shards, built / "demo.json"]) is None
    copy = shutil.copy(shards[0], tmp_path / shards[0].name)
    assert manifest.origin([Path(copy)]) is None
    # From inside the set, too.
    monkeypatch.chdir(built / "cognition" / "test")
    assert manifest.origin([*Path().glob("*")]) == {"version": DEMO_VERSION, "seed": DEMO_SEED}
    (tmp_path / "demo.json").write_text('{"version": "1.0", "seed": 1, "bytes": []}')
    assert manifest.origin([Path(copy)]) is None
