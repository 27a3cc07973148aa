"""Claims about the data from the Hub, with MICROBENCH_DATASET unset.

The libraries' own clients ask a stand-in on loopback.
"""

import errno
import io
import re
import types

import datasets
import huggingface_hub
import pyarrow as pa
import pytest
from huggingface_hub import constants

from microbench_tasks.catalog import pinned_release
from microbench_tasks.data import cognition, hub, micrographs, resolved_data, source_identity
from microbench_tasks.harness import preflight
from microbench_tasks.runs import mismatches
from microbench_tasks.submissions import data_kinds
from microbench_tasks.tasks import yaml_values
from microbench_tasks.util import files
from microbench_tasks.util.errors import DataError
from tests.support import release
from tests.support.hub_server import Hub, sha256

REVISION, OTHER = pinned_release.HUB_REVISION, "0123456789abcdef0123456789abcdef01234567"
RESOLVED = re.escape(f"jnirschl/uBench (revision {REVISION[:8]}): ")
WAY_OUT = "To use a copy of the data instead, set MICROBENCH_DATASET to its folder"


def shards(first=0):
    """Seven Arrow streams of two rows each, in the release's layout; their rows begin at ``first``."""
    made = {}
    for number, name in enumerate(pinned_release.RELEASE_FILES):
        table = release.table([release.row(first + 2 * number + index) for index in range(2)]).data.table
        with io.BytesIO() as buffer:
            with pa.ipc.new_stream(buffer, table.schema) as writer:
                writer.write_table(table)
            made[name] = buffer.getvalue()
    return made


SHARDS, OTHER_SHARDS = shards(), shards(first=50)


@pytest.fixture
def online(tmp_path, monkeypatch):
    """A stand-in whose release is `SHARDS`, and an empty cache of the Hub's client."""
    monkeypatch.setattr(pinned_release, "RELEASE_SHARDS", tuple(map(sha256, SHARDS.values())))
    monkeypatch.delenv("MICROBENCH_DATASET", raising=False)
    preflight._passed.clear()
    # The clients wait between their tries.
    for module in (huggingface_hub.utils._http, huggingface_hub.file_download):
        monkeypatch.setattr(
            module, "time", types.SimpleNamespace(**vars(module.time) | {"sleep": lambda seconds: None})
        )
    with Hub(pinned_release.HUB_ID, {REVISION: SHARDS}, REVISION) as stand_in:
        for name, value in {
            "ENDPOINT": stand_in.url,
            "HUGGINGFACE_CO_URL_TEMPLATE": stand_in.url + "/{repo_id}/resolve/{revision}/{filename}",
            "HF_HUB_CACHE": str(tmp_path / "hub"),
            "HF_HUB_OFFLINE": False,
            "HF_HUB_DOWNLOAD_TIMEOUT": 1,
        }.items():
            monkeypatch.setattr(constants, name, value)
        monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
        yield stand_in


def resolve():
    return micrographs.resolve(download=True)


def refused():
    """The message of a refusal, after which nothing is loaded."""
    with pytest.raises(DataError) as error:
        preflight.check(["microbench_coarse_domain"])
    assert not preflight._passed
    return str(error.value)


def cached():
    return sorted(
        str(file.relative_to(hub.cache_dir())).split(f"{REVISION}/")[1]
        for file in hub.cache_dir().rglob(f"{REVISION}/*/*/*.arrow")
    )


# --- what is loaded ---------------------------------------------------------------------


def test_the_first_run_downloads_the_release_and_records_what_it_measured(online):
    found = resolve()
    assert found.identity == {
        "source": "hub",
        "id": "jnirschl/uBench",
        "config": "perception",
        "revision": REVISION,
        "sha256": sha256("\n".join(map(sha256, SHARDS.values())).encode()),
        "is_release": True,
    }
    assert data_kinds.classify_source(found.identity) == "release"
    assert found.rows["image_id"] == [release.row(index)["image_id"] for index in range(14)]
    assert sorted(online.asked("resolve")) == sorted(
        f"/datasets/jnirschl/uBench/resolve/{REVISION}/{name}" for name in SHARDS
    )
    assert len(online.asked("content")) == 7


def test_the_shards_are_mapped_where_the_hub_s_cache_has_them(online):
    mapped = {entry["filename"] for entry in resolve().rows.cache_files}
    assert mapped == {
        str(hub.cache_dir() / "datasets--jnirschl--uBench" / "snapshots" / REVISION / name) for name in SHARDS
    }


def test_what_a_download_costs_is_said_before_it_starts(online, monkeypatch):
    said = []
    monkeypatch.setattr(hub.logger, "info", lambda message: said.append((message, len(online.asked("content")))))
    resolve()
    [(message, asked_before)] = said
    assert asked_before == 0
    gigabytes = sum(map(len, SHARDS.values())) / 1e9
    assert message == (
        f"Micro-Bench data jnirschl/uBench (revision {REVISION[:8]}): downloading 7 of 7 files, {gigabytes:.2f} GB "
        f"(all: 3.57 GB), into {hub.cache_dir()}. This happens once. "
        f"{WAY_OUT}, or to demo for the demo set. If the download breaks off, the next run continues it."
    )


@pytest.mark.parametrize("offline", [False, True])
def test_the_second_run_asks_the_hub_for_nothing(offline, online, monkeypatch):
    first = resolve()
    online.requests.clear()
    resolved_data.forget()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", offline)
    assert resolve().identity == first.identity
    assert not online.requests


def test_a_source_is_resolved_once_per_process(online, monkeypatch):
    found = resolve()
    monkeypatch.setattr(
        files, "content_hashes", lambda paths: list(map(sha256, SHARDS.values())) if paths else pytest.fail()
    )
    assert resolve() is found
    assert resolve().rows is found.rows


def test_only_an_evaluation_downloads(online):
    not_there = micrographs.resolve()
    assert not_there.identity == source_identity.release_identity()
    with pytest.raises(DataError) as error:
        len(not_there.rows)
    assert str(error.value) == (
        f"jnirschl/uBench (revision {REVISION[:8]}): 7 of 7 files are not in the Hub's cache ({hub.cache_dir()}), "
        f"such as {pinned_release.RELEASE_FILES[0]}. An evaluation downloads them (3.57 GB), or: hf download "
        "jnirschl/uBench "
        f'--repo-type dataset --revision {REVISION} --include "perception/*". {WAY_OUT}, '
        "or to demo for the demo set."
    )
    assert not online.requests
    assert yaml_values.DATASET_KWARGS == {"load_from_disk": True}
    assert yaml_values.METADATA["dataset"] == source_identity.release_identity()
    assert micrographs.resolve().path == yaml_values.DATASET_PATH


def test_a_folder_of_the_repository_s_name_in_the_working_directory_is_not_taken(online, tmp_path, monkeypatch):
    """`datasets.load_dataset` would take it for the repository."""
    work = tmp_path / "work"
    release.write_parquet(work / "jnirschl" / "uBench", [release.row(90)])
    monkeypatch.chdir(work)
    assert len(resolve().rows) == 14
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "empty"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE" in refused()


def test_the_cache_of_datasets_is_not_taken(online, tmp_path, monkeypatch):
    """Offline, `datasets` would take whatever commit it has a table of."""
    other = datasets.load_dataset(
        "arrow", data_files=str(next(write(tmp_path / "other", OTHER_SHARDS))), cache_dir=str(tmp_path / "datasets")
    )
    assert len(other["train"]) == 2
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "datasets")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE" in refused()


def write(folder, contents):
    for name, content in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
        yield folder / name


def test_a_copy_with_the_same_hashes_is_the_release_too(online, tmp_path, monkeypatch):
    list(write(tmp_path / "copy", SHARDS))
    monkeypatch.setenv("MICROBENCH_DATASET", str(tmp_path / "copy"))
    found = micrographs.resolve()
    assert found.identity == {
        "source": "folder",
        "path": str(tmp_path / "copy"),
        "sha256": source_identity.release_sha256(),
        "is_release": True,
    }
    assert data_kinds.classify_source(found.identity) == "release"
    on_hub = source_identity.release_identity()
    assert (
        mismatches.source_mismatch(on_hub, found.identity) == mismatches.source_mismatch(found.identity, on_hub) == ""
    )
    assert mismatches.source_mismatch(on_hub | {"sha256": "0" * 64}, found.identity)
    assert mismatches.source_mismatch(on_hub | {"note": 1}, found.identity)


# --- what is refused --------------------------------------------------------------------


def test_offline_with_nothing_cached(online, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert re.match(
        rf"{RESOLVED}cannot be downloaded: the Hub is switched off by HF_HUB_OFFLINE \(or HF_DATASETS_OFFLINE\). "
        rf"Unset it to download. {WAY_OUT}",
        refused(),
    )
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    assert "HF_DATASETS_OFFLINE" in refused()
    assert not online.requests


@pytest.mark.parametrize("offline", [True, False])
def test_another_commit_in_the_cache_is_named_and_not_taken(offline, online, monkeypatch):
    online.commits, online.main = {OTHER: OTHER_SHARDS}, OTHER
    huggingface_hub.snapshot_download(pinned_release.HUB_ID, repo_type="dataset")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", offline)
    message = refused()
    assert (
        f"The cache contains another commit of the repository, which is not the release and is not used: {OTHER}."
        in message
    )
    assert ("the repository has no such commit (404)" in message) is not offline


def test_other_bytes_under_the_right_commit_are_refused_before_they_are_downloaded(online):
    online.commits = {
        REVISION: SHARDS | {pinned_release.RELEASE_FILES[3]: OTHER_SHARDS[pinned_release.RELEASE_FILES[3]]}
    }
    wrong, right = (sha256(found[pinned_release.RELEASE_FILES[3]]) for found in (OTHER_SHARDS, SHARDS))
    assert refused().startswith(
        f"jnirschl/uBench (revision {REVISION[:8]}): {pinned_release.RELEASE_FILES[3]} has other bytes on the "
        "Hub: SHA-256 "
        f"{wrong}, expected {right}. Nothing was downloaded."
    )
    assert not online.asked("content")


def test_other_bytes_in_the_cache_under_the_right_commit_are_refused_by_hash(online, monkeypatch):
    resolve()
    damaged = hub.cache_dir() / "datasets--jnirschl--uBench" / "snapshots" / REVISION / pinned_release.RELEASE_FILES[6]
    damaged.resolve().write_bytes(OTHER_SHARDS[pinned_release.RELEASE_FILES[6]])
    message = refused()
    assert (
        f"{pinned_release.RELEASE_FILES[6]} has other bytes than the release: SHA-256 "
        f"{sha256(OTHER_SHARDS[pinned_release.RELEASE_FILES[6]])}" in message
    )
    assert message.endswith(f"Delete the file and run again: {damaged.resolve()}")
    damaged.resolve().unlink()
    assert resolve().identity["is_release"]


def test_bytes_changed_on_the_way_are_refused_by_hash(online):
    online.change = lambda content: content[:-1] + bytes([content[-1] ^ 1])
    assert "has other bytes than the release" in refused()


def test_a_shard_that_is_missing_on_the_hub_is_named(online):
    online.commits = {REVISION: {name: content for name, content in SHARDS.items() if "00004-of" not in name}}
    assert (
        f"1 of 7 files are missing on the Hub: {pinned_release.RELEASE_FILES[4]}. Check HF_ENDPOINT: a mirror "
        "may lack them. "
        f"{WAY_OUT}" in refused()
    )
    assert not online.asked("content")


def test_a_shard_that_vanishes_between_listing_and_download_is_an_error(online):
    online.refuse = lambda kind, path: (
        (404, {"X-Error-Code": "EntryNotFound"}) if kind == "resolve" and "00004-of" in path else None
    )
    assert "a file is missing there at this commit (404)" in refused()


def test_a_line_that_breaks_off_is_resumed_where_it_broke(online, monkeypatch):
    # The client keeps whole chunks, of 10 MB each.
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 500)
    online.cut_after, online.num_cuts = 1000, 3
    # The same file may be hit again.
    assert resolve().identity["is_release"]
    resumed = [part for kind, _, part in online.requests if kind == "content" and part]
    assert len(resumed) == 3 and set(resumed) <= {"bytes=1000-", "bytes=2000-", "bytes=3000-"}


def test_what_has_arrived_of_a_broken_off_download_is_kept_for_the_next_run(online, monkeypatch):
    """The client gives up on a file after six tries without a byte."""
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.1)
    [broken] = [sha256(content) for name, content in SHARDS.items() if "00005-of" in name]
    online.refuse = lambda kind, path: (
        (200, {"Content-Length": "99999"}) if kind == "content" and path.endswith(broken) else None
    )
    message = refused()
    assert "Run the same command again: files that have arrived are kept" in message and WAY_OUT in message
    assert cached() == [name for name in SHARDS if "00005-of" not in name]
    online.refuse = lambda kind, path: None
    online.requests.clear()
    assert resolve().identity["is_release"]
    assert len(online.asked("content")) == 1


STATUSES = {
    "repository not found": (
        (404, {"X-Error-Code": "RepoNotFound"}),
        r"the repository was not found \(404\). Check HF_ENDPOINT",
    ),
    "wrong token": (
        (401, {}),
        r"the Hub rejected the login \(401\).*Check HF_TOKEN, or log in with `hf auth login`",
    ),
    "invalid credentials": (
        (401, {"X-Error-Message": "Invalid credentials in Authorization header"}),
        r"the Hub rejected the login \(401\)",
    ),
    "gated": (
        (403, {"X-Error-Code": "GatedRepo"}),
        r"access to the repository must be granted to you first \(gated\). Ask for it on the repository's page, "
        r"then log in",
    ),
    "forbidden": ((403, {}), r"the Hub refused access \(403\)"),
    "too many requests": (
        (429, {"Retry-After": "1"}),
        r"the Hub limits the number of requests \(429\). Wait some minutes",
    ),
    "server error": ((503, {}), r"the Hub has a server error"),
}


@pytest.mark.parametrize("kind", ["info", "resolve", "content"])
@pytest.mark.parametrize(("answer", "said"), STATUSES.values(), ids=STATUSES)
def test_each_refusal_of_the_hub_says_what_it_means_and_the_way_out(answer, said, kind, online):
    online.refuse = lambda asked, path: answer if asked == kind else None
    assert re.search(rf"{RESOLVED}cannot be downloaded: .*{said}.*{WAY_OUT}", refused())


def test_an_endpoint_where_nothing_answers(online, monkeypatch):
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    assert re.search(
        r"cannot be downloaded: ConnectError: .* \(asked: http://127.0.0.1:9\). Check the network, the proxy and "
        r"HF_ENDPOINT",
        refused(),
    )


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((200, {}), "Check the network, the proxy and HF_ENDPOINT"),
        ((418, {}), "Check the network, the proxy and HF_ENDPOINT"),
        ((302, {"Location": "/login"}), r"the repository was not found \(404\). Check HF_ENDPOINT"),
    ],
)
def test_an_endpoint_that_is_no_hub(answer, said, online):
    online.refuse = lambda kind, path: answer
    assert re.search(f"cannot be downloaded: .*{said}.*{WAY_OUT}", refused())


def test_a_hub_that_answers_with_another_commit_is_refused(online):
    online.states = OTHER
    assert f"the Hub answers with another commit, {OTHER}. Check HF_ENDPOINT" in refused()
    assert not online.asked("content")


def test_a_disk_that_is_too_small_is_refused_before_the_download(online, monkeypatch):
    monkeypatch.setattr(hub.shutil, "disk_usage", lambda path: types.SimpleNamespace(free=10))
    assert re.search(
        r"the download needs 0.00 GB, and the disk of .*/hub has 0.00 GB free. Free some space, or set HF_HOME",
        refused(),
    )
    assert not online.asked("content")


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, r"the disk is full \(.*/hub\). Free some space, or set HF_HOME"),
        (errno.EROFS, r"the Hub's cache \(.*/hub\) cannot be written. Set HF_HOME"),
    ],
)
def test_a_disk_that_fills_up_or_cannot_be_written(number, said, online, monkeypatch):
    def fail(*arguments, **named):
        raise OSError(number, "as the system says it")

    monkeypatch.setattr(huggingface_hub.file_download, "http_get", fail)
    assert re.search(f"cannot be downloaded: {said}.*{WAY_OUT}", refused())


# --- cognition --------------------------------------------------------------------------


def cognition_files(tmp_path):
    folder = release.write_cognition(
        tmp_path / "made" / "cognition" / "test", {"cell.png": [release.cognition_question()]}
    )
    return {f"cognition/test/{file.name}": file.read_bytes() for file in folder.iterdir()}


def test_cognition_questions_of_the_repository_are_recorded_as_measured(online, tmp_path):
    online.commits, online.main = {OTHER: SHARDS | cognition_files(tmp_path)}, OTHER
    found = cognition.resolve(download=True)
    assert {**found.identity, "sha256": ""} == {
        "source": "hub",
        "id": "jnirschl/uBench",
        "config": "cognition",
        "revision": OTHER,
        "sha256": "",
    }
    image = f"/datasets/jnirschl/uBench/resolve/{OTHER}/cognition/test/cell.png"
    assert image in online.asked("resolve") and not any("perception" in path for path in online.asked("resolve"))
    assert cognition.resolve().identity == found.identity


def test_a_changed_cognition_image_changes_the_identity(online, tmp_path):
    made = cognition_files(tmp_path)
    identities = []
    for number, shade in enumerate(
        (made["cognition/test/cell.png"], release.png(release.np.zeros((4, 4, 3), dtype="uint8")))
    ):
        online.main = f"{number}" * 40
        online.commits = {online.main: made | {"cognition/test/cell.png": shade}}
        identities.append(cognition.resolve(download=True).identity["sha256"])
    assert len(set(identities)) == 2


def test_a_folder_of_the_repository_s_name_does_not_stand_in_for_cognition(online, tmp_path, monkeypatch):
    for name, content in cognition_files(tmp_path).items():
        list(write(tmp_path / "work" / "jnirschl" / "uBench", {name: content}))
    monkeypatch.chdir(tmp_path / "work")
    with pytest.raises(
        DataError,
        match=rf"^jnirschl/uBench \(revision {REVISION[:8]}\) has no folder 'cognition'. The cognition questions "
        rf"are not in the public release. Set MICROBENCH_COGNITION",
    ):
        cognition.resolve(download=True)


def test_without_cognition_questions_nothing_is_downloaded_for_the_largest_group(online):
    with pytest.raises(DataError, match="The cognition questions are not in the public release"):
        preflight.check(["microbench_all"])
    assert not online.asked("content")
