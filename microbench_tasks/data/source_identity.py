"""Identify data sources: the records that results files hold, and the content hash of the release."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from microbench_tasks.catalog import pinned_release
from microbench_tasks.data.dataset_setting import DEMO
from microbench_tasks.demo.version import DEMO_SEED, DEMO_VERSION

# The source of datasets of one's own.
OWN = "own"
# Fields of a record that may differ between records of the same content.
_ABOUT = ("path", "licence", "groups")


def release_sha256() -> str:
    """Return the content hash of the release, which copies share."""
    return combined_sha256(pinned_release.RELEASE_SHARDS)


def combined_sha256(hashes: Iterable[str]) -> str:
    """Return the content hash of several files in order."""
    return hashlib.sha256("\n".join(hashes).encode()).hexdigest()


def release_identity() -> dict[str, Any]:
    """Return the record of the release on the Hub for results files."""
    return hub_identity(pinned_release.HUB_CONFIG, pinned_release.HUB_REVISION) | {
        "sha256": release_sha256(),
        "is_release": True,
    }


def is_release(identity: Mapping[str, Any]) -> bool:
    """Tell whether the record of a source is that of the release, on the Hub or in a folder."""
    copied = {"source": "folder"} | folder_identity(release_sha256())
    return without_path(identity) in (release_identity(), copied)


def hub_identity(config: str, revision: str) -> dict[str, Any]:
    """Return the record of a config on the Hub for results files, without its content hash."""
    return {"source": "hub", "id": pinned_release.HUB_ID, "config": config, "revision": revision}


def demo_identity(sha256: str, version: str = DEMO_VERSION, seed: int = DEMO_SEED) -> dict[str, Any]:
    """Return the record of a part of the demo set for results files."""
    return {"source": DEMO, "version": version, "seed": seed, "sha256": sha256}


def folder_identity(sha256: str) -> dict[str, Any]:
    """Return the content hash of a folder, and whether it is that of the release."""
    return {"sha256": sha256, "is_release": sha256 == release_sha256()}


def own_identity(name: str, sha256: str, about: Mapping[str, str]) -> dict[str, Any]:
    """Return the record of an own dataset: its name, content hash, and ``about`` (`_ABOUT`)."""
    return {"source": OWN, "name": name, "sha256": sha256, **about}


def without_path(identity: Mapping[str, Any]) -> dict[str, Any]:
    """Return what others may know of a data source: its record less where it lies on a machine."""
    return {name: value for name, value in identity.items() if name != "path"}


def content_of(identity: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a data source's record that tells its content: less its place and what is said about it."""
    return {name: value for name, value in identity.items() if name not in _ABOUT}
