"""Claims about the script behind ``benchmarks/merging.md``."""

import json

import pytest


@pytest.fixture(scope="module")
def script():
    import merging

    return merging


def write(folder, task, pairs):
    lines = [
        json.dumps({"acc": {"dataset": dataset, "image_id": str(number), "acc": right}})
        for number, (dataset, right) in enumerate(pairs)
    ]
    (folder / f"20260101_samples_{task}.jsonl").write_text("\n".join(lines) + "\n")


def test_questions_are_parted_into_coarse_pathology_and_other_fine_ones(script, tmp_path):
    write(
        tmp_path,
        "microbench_coarse_stain",
        [("kather_et_al_2016", 1.0), ("wu_et_al_2023", 0.0), ("wu_et_al_2023", 0.0), ("wu_et_al_2023", 1.0)],
    )
    write(
        tmp_path,
        "microbench_fine_colorectal_tissue",
        [("kather_et_al_2016", 1.0), ("kather_et_al_2018", 1.0), ("kather_et_al_2018", 0.0)],
    )
    write(tmp_path, "microbench_fine_mitochondria", [("wu_et_al_2023", 0.0)])
    found = script.scores(tmp_path)
    assert {part: (score.accuracy, score.questions) for part, score in found.items()} == {
        "coarse": (0.5, 4),
        "pathology": (pytest.approx(2 / 3), 3),
        "other fine": (0.0, 1),
    }
    assert found["coarse"].low < 0.5 < found["coarse"].high


def test_the_picture_and_the_table_have_every_alpha(script, tmp_path):
    score = script.Score(0.5, 0.25, 0.75, 4)
    by_alpha = {alpha: dict.fromkeys(script.LABELS, score) for alpha in (1.0, 0.0)}
    script.draw(by_alpha, tmp_path / "curve.png")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    lines = script.table(by_alpha).splitlines()
    assert lines[2:] == [
        "| 0 | 50.0 [25.0, 75.0] | 50.0 [25.0, 75.0] | 50.0 [25.0, 75.0] |",
        "| 1 | 50.0 [25.0, 75.0] | 50.0 [25.0, 75.0] | 50.0 [25.0, 75.0] |",
    ]
