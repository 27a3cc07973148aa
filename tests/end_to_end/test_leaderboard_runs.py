"""From runs of the real harness to a leaderboard on the command line."""

from __future__ import annotations

import csv
import hashlib
import json
import math
import shutil

import pytest

from microbench_tasks.data import source_identity
from microbench_tasks.submissions import manifest_file, text_files
from microbench_tasks.submissions.manifest_model import Manifest
from tests.support.commands import SCRIPTS, results_in, run

MODELS = {"demo_clip": (), "microbench_random": ("--model_args", "seed=7")}
TASKS = "microbench_coarse,microbench_cognition"


@pytest.fixture(scope="module")
def runs(demo_folder, tmp_path_factory):
    """The folders of two models' runs; that of random answers has localization too."""
    folder = tmp_path_factory.mktemp("runs")
    for model, arguments in MODELS.items():
        tasks = TASKS if model == "demo_clip" else f"{TASKS},microbench_localization"
        done = run(
            SCRIPTS / "lmms_eval",
            "--model",
            model,
            *arguments,
            "--tasks",
            tasks,
            "--output_path",
            folder / model,
            "--log_samples",
        )
        assert done.returncode == 0, done.stderr[-3000:]
    return folder


@pytest.fixture(scope="module")
def submissions(runs):
    for model in MODELS:
        done = run(
            SCRIPTS / "microbench",
            "submit",
            runs / model,
            "--model-name",
            f"{model} <b>",
            "--out",
            runs / f"submission_{model}",
        )
        assert done.returncode == 0, done.stderr
    return [runs / f"submission_{model}" for model in MODELS]


@pytest.fixture(scope="module")
def written(submissions, tmp_path_factory):
    folder = tmp_path_factory.mktemp("leaderboard")
    done = run(SCRIPTS / "microbench", "leaderboard", *submissions, "--paper", "--out", folder)
    assert done.returncode == 0, done.stderr
    names = (
        "leaderboard.md",
        "leaderboard.csv",
        "leaderboard-pairs.csv",
        "leaderboard.tex",
        "leaderboard.html",
        "leaderboard.json",
    )
    assert done.stdout.split() == [str(folder / name) for name in names]
    return folder


def runs_of(folder):
    return {
        (line["group"], line["model"]): line
        for line in csv.DictReader((folder / "leaderboard.csv").open(encoding="utf-8", newline=""))
        if line["origin"] == "run"
    }


def test_scores_and_intervals_are_the_runs_own(written, runs):
    lines = runs_of(written)
    for model in MODELS:
        results = results_in(runs / model)["results"]
        for group, names in (
            ("microbench_coarse", ("acc", "acc_image_ci_low", "acc_image_ci_high", "acc_strict")),
            ("microbench_cognition", ("acc", "acc_image_ci_low", "acc_image_ci_high", "acc_strict")),
        ):
            found = [
                float(lines[group, f"{model} <b>"][column])
                for column in ("score", "score_low", "score_high", "acc_strict")
            ]
            assert found == pytest.approx([results[group][f"{name},none"] for name in names], abs=1e-12)
    grit = results_in(runs / "microbench_random")["results"]["microbench_localization"]
    assert float(lines["microbench_localization", "microbench_random <b>"]["score"]) == pytest.approx(
        grit["grit,none"], abs=1e-12
    )


def test_the_difference_is_that_of_the_logged_answers_image_by_image(written, runs):
    """The interval against the normal one, from the harness's own log."""
    scores = {}
    for model in MODELS:
        for file in (runs / model).rglob("*_samples_microbench_coarse_*.jsonl"):
            for line in file.read_text(encoding="utf-8").splitlines():
                item = json.loads(line)["acc"]
                scores.setdefault((item["image"], item["kind"]), {})[model] = item["score"]
    apart = {key: found["demo_clip"] - found["microbench_random"] for key, found in scores.items()}
    difference = math.fsum(apart.values()) / len(apart)
    images = {}
    for (image, _), value in apart.items():
        images.setdefault(image, []).append(value - difference)
    half = 1.96 * math.sqrt(sum(sum(values) ** 2 for values in images.values())) / len(apart)
    line = runs_of(written)["microbench_coarse", "demo_clip <b>"]
    assert float(line["difference"]) == pytest.approx(difference)
    ends = [float(line["difference_low"]), float(line["difference_high"])]
    assert ends == pytest.approx([difference - half, difference + half], abs=0.2 * half)
    assert (line["rank"], line["verdict"]) == ("1", "better")
    assert float(line["p_adjusted"]) < 1e-6


def test_demo_data_are_marked_and_the_paper_stands_beside_them(written):
    text = (written / "leaderboard.md").read_text(encoding="utf-8")
    assert text.count("Demo data: synthetic micrographs.") == 3
    [align] = [line for line in text.splitlines() if line.startswith("| – | ALIGN | 40.7 ± 0.34 |")]
    assert "| reported, not re-run |" in align
    rows = [line for line in text.splitlines() if "| demo_clip \\<b\\> |" in line]
    assert rows and all("| demo |" in row for row in rows)
    assert "- demo_clip \\<b\\>: did not answer all of microbench_localization" in text
    assert "GPT-4o" in (written / "leaderboard.html").read_text(encoding="utf-8")
    assert [
        ranking["group"]
        for ranking in json.loads((written / "leaderboard.json").read_text(encoding="utf-8"))["rankings"]
    ] == ["microbench_coarse", "microbench_cognition", "microbench_localization"]


def test_without_a_folder_markdown_is_printed_in_whatever_order_the_submissions_come(submissions, written):
    printed = [
        run(SCRIPTS / "microbench", "leaderboard", *folders, "--paper").stdout
        for folders in (submissions, submissions[::-1])
    ]
    assert printed[0] == printed[1] == (written / "leaderboard.md").read_text(encoding="utf-8")


def test_one_submission_twice_is_refused(submissions):
    done = run(SCRIPTS / "microbench", "leaderboard", submissions[0], submissions[0])
    assert done.returncode == 1
    assert "is the same submission as" in done.stderr


def test_a_changed_submission_is_refused_by_name(submissions, tmp_path):
    changed = tmp_path / "changed"
    shutil.copytree(submissions[0], changed)
    file = changed / "samples" / "microbench_coarse_stain.jsonl.gz"
    file.write_bytes(file.read_bytes()[:-1])
    done = run(SCRIPTS / "microbench", "leaderboard", submissions[1], changed, "--out", tmp_path / "out")
    assert done.returncode == 1
    assert (
        f"microbench: error: {changed}" in done.stderr
        and "microbench_coarse_stain.jsonl.gz has been changed" in done.stderr
    )
    assert not (tmp_path / "out").exists()


RELEASE = source_identity.release_identity()
# Of cognition no one knows whether it is the release's.
ON_HUB = source_identity.hub_identity("cognition", "a" * 40) | {"sha256": "b" * 64}


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        (
            lambda tasks: {task: ON_HUB if task == "microbench_cognition" else RELEASE for task in tasks},
            "microbench_coarse_domain: 315 samples, but the release has 16130 questions",
        ),
        (lambda tasks: {}, "submission.json, data.sources: expected an entry for microbench_coarse_domain"),
    ],
)
def test_demo_answers_that_pose_as_the_releases_or_come_from_nowhere_are_refused(
    sources, message, submissions, tmp_path
):
    posing = tmp_path / "posing"
    shutil.copytree(submissions[0], posing)
    manifest = json.loads((posing / "submission.json").read_text(encoding="utf-8"))
    manifest["data"] |= {"kind": "release", "sources": sources(manifest["num_samples"])}
    # The texts, too, say what the manifest says.
    for name in ("DEMO-DATA.txt", "README.md"):
        (posing / name).unlink()
        del manifest["files"][name]
    for name, text in text_files.render_texts(Manifest.model_validate(manifest)).items():
        (posing / name).parent.mkdir(exist_ok=True)
        (posing / name).write_text(text, encoding="utf-8")
        manifest["files"][name] = hashlib.sha256(text.encode()).hexdigest()
    (posing / "submission.json").write_text(
        json.dumps(manifest | {"digest": manifest_file.compute_digest(manifest)}), encoding="utf-8"
    )
    done = run(SCRIPTS / "microbench", "leaderboard", posing)
    assert done.returncode == 1
    assert f"{posing}: {message}" in done.stderr


def test_a_folder_that_is_no_submission_is_named(tmp_path):
    done = run(SCRIPTS / "microbench", "leaderboard", tmp_path)
    assert done.returncode == 1
    assert f"microbench: error: {tmp_path}: contains no submission.json" in done.stderr


def test_the_page_works_in_a_browser(written):
    playwright = pytest.importorskip("playwright.sync_api")
    asked, said = [], []
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto((written / "leaderboard.html").as_uri())
        table = page.locator("table").first

        def models():
            return table.locator("tbody tr td:nth-child(2)").all_text_contents()

        by_score = models()
        assert by_score == ["demo_clip <b>", "microbench_random <b>"]
        # The paper's rows are on other data: they have a table of their own, folded.
        assert page.locator("table").nth(1).locator("td:nth-child(2)").first.text_content() == "GPT-4o (reported)"
        table.locator("th").nth(1).click()
        assert models() == sorted(by_score, key=str.casefold)
        table.locator("th").nth(2).click()
        ascending = models()
        table.locator("th").nth(2).click()
        assert models() == ascending[::-1]
        assert page.evaluate(
            "document.images.length >= 2 && [...document.images].every(image => image.complete && "
            "image.naturalWidth > 300)"
        )
        browser.close()
    assert said == []
    assert all(url.startswith(("file:", "data:")) for url in asked)


def test_help_has_an_example():
    done = run(SCRIPTS / "microbench", "leaderboard", "--help")
    assert done.returncode == 0
    assert "microbench leaderboard submissions/* --paper" in done.stdout.replace("\n", " ")
