"""Types of the fields of ``submission.json``, and the base of its records."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema

JsonObject = dict[str, Any]
Number = int | float


class NoNull:
    """Mark a field that may be absent, but not null."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        schema = handler(source)
        return schema["schema"] if schema["type"] == "nullable" else schema


NO_NULL = NoNull()

# Patterns end in $(?!\n), as $ alone also matches before a final line break.
_CONTROL = r"\x00-\x1f\x7f-\x9f"
_LINE = rf"^[^\s{_CONTROL}\ud800-\udfff]([^{_CONTROL}\u2028\u2029\ud800-\udfff]*[^\s{_CONTROL}\ud800-\udfff])?$(?!\n)"
_URL = r"^https?://[A-Za-z0-9._~:/?#@&+,=%-]+$(?!\n)"
_RELEASE_NUMBER = r"[0-9]+(\.[0-9]+)*((a|b|rc)[0-9]+)?(\.post[0-9]+)?(\.dev[0-9]+)?(\+[a-z0-9]+([._-][a-z0-9]+)*)?"
_VERSION = rf"^{_RELEASE_NUMBER}$(?!\n)"
_VERSION_OR_UNKNOWN = rf"^({_RELEASE_NUMBER}|unknown)$(?!\n)"
_COMMIT = r"^[0-9a-f]{40}([0-9a-f]{24})?(-dirty)?$(?!\n)"
_SHA256 = r"^[0-9a-f]{64}$(?!\n)"
_DATE = r"^([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z|unknown)$(?!\n)"
_NAME = r"^[a-z0-9_]+$(?!\n)"
_TASK = r"^microbench[a-z0-9_]*$(?!\n)"
_FILE = (
    r"^(README\.md|DEMO-DATA\.txt|LOCAL-DATA\.txt|OWN-DATA\.txt|\.eval_results/microbench\.yaml"
    r"|samples/microbench_[a-z0-9_]+\.jsonl\.gz)$(?!\n)"
)
# Patterns of the keys of objects; no value has them.
KEY_PATTERNS = frozenset({_NAME, _TASK, _FILE})
# What each pattern accepts, in words for messages.
MEANING_OF_PATTERN = {
    _LINE: "one line of 1 to 200 printable characters without white space at its ends",
    _URL: "a URL that starts with http:// or https://",
    _VERSION: "a version number such as 1.2.3",
    _VERSION_OR_UNKNOWN: "a version number such as 1.2.3, or unknown",
    _COMMIT: "a commit of 40 or 64 hexadecimal digits, with -dirty for changed files",
    _SHA256: "a SHA-256 of 64 hexadecimal digits",
    _DATE: "a date such as 2026-01-31T12:00:00Z, or unknown",
    _NAME: "a name of lower-case letters, digits and underscores",
    _TASK: "the name of a task or group that starts with microbench",
    _FILE: (
        "README.md, DEMO-DATA.txt, LOCAL-DATA.txt, OWN-DATA.txt, .eval_results/microbench.yaml "
        "or samples/<task>.jsonl.gz"
    ),
}

Line = Annotated[str, Field(min_length=1, max_length=200, pattern=_LINE)]
Url = Annotated[str, Field(pattern=_URL)]
Version = Annotated[str, Field(max_length=64, pattern=_VERSION)]
VersionOrUnknown = Annotated[str, Field(max_length=64, pattern=_VERSION_OR_UNKNOWN)]
Commit = Annotated[str, Field(pattern=_COMMIT)]
Sha256 = Annotated[str, Field(pattern=_SHA256)]
MetricName = Annotated[str, Field(pattern=_NAME)]
TaskName = Annotated[str, Field(pattern=_TASK)]
StartDate = Annotated[str, Field(pattern=_DATE)]
FileName = Annotated[str, Field(pattern=_FILE)]
Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]
Fraction = Annotated[int, Field(ge=0, le=1)] | Annotated[float, Field(ge=0, le=1)]
Level = Annotated[float, Field(gt=0, lt=1)]


class Record(BaseModel):
    """Base of all parts: immutable, without conversions of types, and without unknown fields."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", regex_engine="python-re")
