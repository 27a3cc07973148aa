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

# A pattern that starts with plain text is searched for ten times as fast; what must not stand before it is asked afterwards.
_SECRETS = {
    "a Hugging Face token": re.compile(r"hf_[A-Za-z0-9]{20,}"),
    "an OpenAI or similar key": re.compile(r"sk-(?<!\wsk-)[A-Za-z0-9_-]{16,}"),
    "a Google key": re.compile(r"AIza[A-Za-z0-9_-]{30,}"),
    "an AWS access key": re.compile(r"A(?:KIA|SIA)[A-Z0-9]{16}(?!\w)"),
    "a GitHub token": re.compile(r"gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{30,}"),
    "a bearer token": re.compile(r"earer\s+[A-Za-z0-9._~+/-]{16,}"),
    "a JSON web token": re.compile(r"eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY"),
    "a user name and password in a URL": re.compile(r"://[^\s/:@]+:[^\s/@]+@"),
}
_SECRET_WORDS = frozenset({"KEY", "APIKEY", "TOKEN", "SECRET", "PASSWORD", "PASSWD", "CREDENTIAL", "CREDENTIALS"})
# Shorter values ("none", "1") are no secrets, and occur anywhere.
_SHORTEST_SECRET = 8

# A path does not start after these: within a word, another path, a URL, a tag.
_WITHIN = r"[\w./~<-]"
_FILE = r"[^\s/,;:\"'\[\]{}()<>|=]+"
# Texts of models and data may hold other slashes than those of paths; these folders hold what is a user's or a machine's own.
_HOMES, _OTHER_FOLDERS = ("home", "Users"), ("tmp", "var", "mnt", "media", "scratch", "Volumes", "private", "workspace", "data", "srv")
_PERSONAL_PATHS = (
    *(("a path of a home folder", re.compile(rf"/{folder}/(?<!{_WITHIN}/{folder}/){_FILE}")) for folder in _HOMES),
    ("a path of a home folder", re.compile(rf"/root(?<!{_WITHIN}/root)(?![\w-])")),
    ("a path of a home folder", re.compile(rf"~/(?<![\w/]~/){_FILE}")),
    ("a path of a home folder", re.compile(r":\\+(?:Users|Documents and Settings)\\")),
    *(("a path of a temporary, mounted or data folder", re.compile(rf"/{folder}/(?<!{_WITHIN}/{folder}/){_FILE}")) for folder in _OTHER_FOLDERS),
    ("a path in a URL", re.compile(rf"file://(?:localhost)?/{_FILE}")),
)
# In metadata no slash has another meaning.
_ABSOLUTE = re.compile(rf"(?:file://(?:localhost)?|(?<!{_WITHIN}))/(?=[\w.@~]){_FILE}(?:/{_FILE})+/?")
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
    yield from dict.fromkeys(kind for kind, pattern in _PERSONAL_PATHS if pattern.search(text))
    for kind, folder in folders.items():
        if folder != Path(folder.anchor) and re.search(rf"{re.escape(str(folder))}(?<![\w.-]{re.escape(str(folder))})(?![\w-])", text):
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
