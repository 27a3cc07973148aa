"""What must not leave a machine: secrets and local paths, taken out of records and looked for in texts.

Taking out and looking for are apart: `without_paths` cleans what is known to hold paths, the
functions that look make sure of the rest. They say what they found, and never show it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

# What a removed value is replaced by.
REMOVED = "(removed)"

_SECRETS = {
    "a Hugging Face token": re.compile(r"\bhf_[A-Za-z0-9]{20,}"),
    "an API key": re.compile(r"\bsk-[A-Za-z0-9_-]{16,}|\bAIza[A-Za-z0-9_-]{30,}"),
    "an AWS access key": re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    "a GitHub token": re.compile(r"\bgh[pousr]_[A-Za-z0-9]{30,}|\bgithub_pat_[A-Za-z0-9_]{30,}"),
    "a bearer token": re.compile(r"\b[Bb]earer\s+[A-Za-z0-9._~+/-]{16,}"),
    "a JSON web token": re.compile(r"\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY"),
    "a user name and password in a URL": re.compile(r"://[^\s/:@]+:[^\s/@]+@"),
}
_SECRET_WORDS = frozenset({"KEY", "APIKEY", "TOKEN", "SECRET", "PASSWORD", "PASSWD", "CREDENTIAL", "CREDENTIALS"})
# Shorter values ("none", "1") are no secrets, and occur anywhere.
_SHORTEST_SECRET = 8

# A path may start here: not within a word, another path, a URL or a fraction.
_START = r"(?<![\w./~<-])"
_FILE = r"[^\s/,;:\"'\[\]{}()<>|=]+"
# Below the folders that hold what is a user's or a machine's own. Texts of models and data may hold other slashes.
_PERSONAL_PATHS = {
    "a path of a home folder": re.compile(rf"(?:{_START}|file://)/(?:home|Users)/{_FILE}|{_START}/root(?![\w-])|(?<![\w/])~/{_FILE}|(?<![A-Za-z])[A-Za-z]:\\+(?:Users|Documents and Settings)\\"),
    "a path of a temporary or mounted folder": re.compile(rf"(?:{_START}|file://)/(?:tmp|var|mnt|media|scratch|Volumes|private|workspace|data|srv)/{_FILE}"),
}
# In metadata no slash has another meaning.
_ABSOLUTE = re.compile(rf"(?:file://(?:localhost)?|{_START})/(?=[\w.@~]){_FILE}(?:/{_FILE})+/?")
_RELATIVE = re.compile(rf"(?<![\w./-])(?:~[\w.-]*|\.{{1,2}})/(?:{_FILE}/)*{_FILE}/?")
_WINDOWS = re.compile(r"(?<![A-Za-z])[A-Za-z]:[\\/]+(?!/)[^\s,;\"'\[\]{}()<>|=]*|\\\\[\w.$-]+\\[^\s,;\"'\[\]{}()<>|=]*")
_ARGUMENT = re.compile(r"(?P<name>[\w-]+)(?P<equals>\s*=\s*)(?P<value>[^,]*)")


def without_paths(value: Any) -> Any:
    """A JSON value with the folders of all local paths taken off its texts: ``/home/me/plip.pt`` becomes ``plip.pt``.

    >>> without_paths({"checkpoint": "local-dir:/home/me/plip", "card": "https://huggingface.co/vinid/plip"})
    {'checkpoint': 'local-dir:plip', 'card': 'https://huggingface.co/vinid/plip'}
    """
    if isinstance(value, str):
        return _cleaned(value)
    if isinstance(value, Mapping):
        return {_cleaned(str(name)): without_paths(entry) for name, entry in value.items()}
    return [without_paths(entry) for entry in value] if isinstance(value, (list, tuple)) else value


def without_secrets(arguments: Any) -> Any:
    """Arguments of a model, text or mapping, with the values of those removed that are named as keys, tokens or passwords.

    >>> without_secrets("model=gpt-4o,api_key=abc")
    'model=gpt-4o,api_key=(removed)'
    """
    if isinstance(arguments, Mapping):
        return {name: REMOVED if _names_secret(str(name)) else value for name, value in arguments.items()}
    return _ARGUMENT.sub(lambda found: found["name"] + found["equals"] + (REMOVED if _names_secret(found["name"]) else found["value"]), arguments)


def secrets(text: str, environment: Mapping[str, str] | None = None) -> Iterator[str]:
    """What kinds of secrets ``text`` holds, by their form, or as the value of a variable of ``environment`` (by default the process's) that is named as one."""
    yield from (kind for kind, pattern in _SECRETS.items() if pattern.search(text))
    for name, value in (os.environ if environment is None else environment).items():
        if _names_secret(name) and len(value) >= _SHORTEST_SECRET and value in text:
            yield f"the value of the environment variable {name}"


def personal_paths(text: str, folders: Mapping[str, Path]) -> Iterator[str]:
    """What kinds of paths ``text`` holds that tell of a user or a machine.

    Slashes between words, in units, formulas and URLs are none.

    Args:
        folders: by what to call it, a folder that must not occur (such as ``the home folder``); ``/`` is passed over.
    """
    yield from (kind for kind, pattern in _PERSONAL_PATHS.items() if pattern.search(text))
    for kind, folder in folders.items():
        if folder != Path(folder.anchor) and re.search(rf"(?<![\w.-]){re.escape(str(folder))}(?![\w-])", text):
            yield f"a path of {kind}"


def any_path(text: str) -> Iterator[str]:
    """Whether ``text``, of metadata, holds a local path at all."""
    if _ABSOLUTE.search(text) or _WINDOWS.search(text):
        yield "a local path"


def user_folders() -> dict[str, Path]:
    """The folders that tell of the user of this process, for `personal_paths`."""
    return {"the home folder": Path.home(), "the current folder": Path.cwd()}


def _cleaned(text: str) -> str:
    if text.startswith(("/", "~/")) and "\n" not in text:
        # The whole text is one path, whatever characters are in it.
        return _last_part(text)
    for pattern in (_WINDOWS, _ABSOLUTE, _RELATIVE):
        text = pattern.sub(lambda found: _last_part(found[0]), text)
    return text


def _last_part(path: str) -> str:
    return re.split(r"[/\\]", path.rstrip("/\\"))[-1] or REMOVED


def _names_secret(name: str) -> bool:
    return not _SECRET_WORDS.isdisjoint(re.split(r"[_\-.]", name.upper()))
