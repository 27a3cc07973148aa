"""Claims about runs without any setting: the real command line and Hub client against a stand-in for the Hub."""

import os
import re
import subprocess
import sys

import pytest

from microbench_tasks.catalog import pinned_release
from tests.data.test_hub import OTHER_SHARDS, REVISION, SHARDS
from tests.support import release
from tests.support.commands import results_in, run
from tests.support.hub_server import Hub, sha256

# The script `lmms_eval`, for a release whose shards have the hashes given before the script's own arguments.
_COMMAND = """
import sys
from microbench_tasks.catalog import pinned_release
from microbench_tasks.harness import launcher
pinned_release.RELEASE_SHARDS = tuple(sys.argv.pop(1).split(","))
launcher.main()
"""

# The same in a process that has imported the Hub's client, which reads its settings only then.
_SETTINGS = """
import os, sys
import datasets
from huggingface_hub import constants
del os.environ["MICROBENCH_DATASET"]
constants.ENDPOINT, constants.HF_HUB_CACHE = sys.argv.pop(1), sys.argv.pop(1)
constants.HUGGINGFACE_CO_URL_TEMPLATE = constants.ENDPOINT + "/{repo_id}/resolve/{revision}/{filename}"
constants.HF_HUB_OFFLINE = datasets.config.HF_HUB_OFFLINE = False
"""


@pytest.fixture(scope="module")
def hub():
    with Hub(pinned_release.HUB_ID, {REVISION: SHARDS}, REVISION) as stand_in:
        yield stand_in


@pytest.fixture(scope="module")
def evaluate(hub, tmp_path_factory):
    """Run a task in a folder that itself holds a `jnirschl/uBench` of other data."""
    folder = tmp_path_factory.mktemp("run")
    release.write_parquet(folder / "jnirschl" / "uBench", [release.row(90)])

    def run(name, **environment):
        kept = {key: value for key, value in os.environ.items() if key != "MICROBENCH_DATASET"}
        command = [
            sys.executable,
            "-c",
            _COMMAND,
            ",".join(map(sha256, SHARDS.values())),
            "--model",
            "microbench_random",
            "--tasks",
            "microbench_coarse_domain",
            "--output_path",
            str(folder / name),
        ]
        settings = {
            "HF_ENDPOINT": hub.url,
            "HF_HUB_OFFLINE": "0",
            "HF_HUB_CACHE": str(folder / "cache"),
            "HF_HUB_DISABLE_PROGRESS_BARS": "0",
        }
        return subprocess.run(
            command, capture_output=True, text=True, cwd=folder, env=kept | settings | environment
        ), folder / name

    return run


def recorded(folder):
    return results_in(folder)["configs"]["microbench_coarse_domain"]["metadata"]["dataset"]


def test_a_first_run_downloads_and_a_later_one_needs_no_network(evaluate, hub):
    first, folder = evaluate("first")
    assert first.returncode == 0, first.stderr
    assert re.search(
        r"downloading 7 of 7 files, 0\.00 GB \(all: 3\.57 GB\), into .*/cache\. This happens once\. To use a copy "
        r"of the data instead, set MICROBENCH_DATASET",
        first.stdout + first.stderr,
    )
    assert "Fetching 7 files: 100%" in first.stderr
    expected = {
        "source": "hub",
        "id": "jnirschl/uBench",
        "config": "perception",
        "revision": REVISION,
        "sha256": sha256("\n".join(map(sha256, SHARDS.values())).encode()),
        "is_release": True,
    }
    assert recorded(folder) == expected
    assert results_in(folder)["n-samples"]["microbench_coarse_domain"]["original"] == 14
    hub.requests.clear()
    second, folder = evaluate("second", HF_HUB_OFFLINE="1")
    assert second.returncode == 0, second.stderr
    assert "downloading" not in second.stdout + second.stderr
    assert recorded(folder) == expected
    assert not hub.requests


def test_a_download_of_other_bytes_ends_the_command_before_anything_is_asked(hub, monkeypatch, tmp_path):
    other = pinned_release.RELEASE_FILES[0]
    monkeypatch.setattr(hub, "commits", {REVISION: SHARDS | {other: OTHER_SHARDS[other]}})
    ended = run(
        sys.executable,
        "-c",
        _SETTINGS + _COMMAND,
        hub.url,
        tmp_path / "cache",
        ",".join(map(sha256, SHARDS.values())),
        "--model",
        "microbench_random",
        "--tasks",
        "microbench_coarse_domain",
        "--output_path",
        tmp_path / "refused",
        "--log_samples",
    )
    assert ended.returncode == 1
    assert f"{other} has other bytes on the Hub: SHA-256 {sha256(OTHER_SHARDS[other])}" in ended.stderr
    assert not list(tmp_path.rglob("*.json*"))
