"""Serve a stand-in for the Hugging Face Hub on loopback: the requests of huggingface_hub for a dataset repository.

Answers as the Hub does: the repository's state and tree at a commit, ``resolve`` with the commit and the file's
SHA-256 in headers and a redirect to where large files lie, and parts of files by ``Range``. Large files of the
real Hub may also come through its Xet storage, which this one does not have.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

Files = dict[str, bytes]


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass
class Hub:
    """One dataset repository, and what goes wrong with it.

    Attributes:
        repo_id: of the repository.
        commits: files of each commit.
        main: the commit that the branch ``main`` is at.
        states: the commit that it says any revision is, if not that revision's own.
        refuse: answers ``(status, headers)`` for a kind of request (``info``, ``tree``, ``resolve`` or ``content``)
            and a path; None to serve it.
        change: makes the bytes that really arrive of a large file.
        cut_after: how many bytes of each answer arrive before the line breaks off, with how often it does.
        requests: kind, path and ``Range`` of each request.
    """

    repo_id: str
    commits: dict[str, Files]
    main: str
    states: str = ""
    refuse: Callable[[str, str], tuple[int, dict[str, str]] | None] = lambda kind, path: None
    change: Callable[[bytes], bytes] = lambda content: content
    cut_after: int = 0
    num_cuts: int = 0
    requests: list[tuple[str, str, str | None]] = field(default_factory=list)
    url: str = ""
    content_url: str = ""

    def __enter__(self) -> Hub:
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": self}))
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        # Of another name, as large files lie on servers that are no Hub.
        self.content_url = f"http://localhost:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._server.shutdown()
        self._server.server_close()

    def cuts(self) -> bool:
        """Tell whether the line breaks off now."""
        with self._lock:
            self.num_cuts -= 1
            return self.num_cuts >= 0

    def asked(self, kind: str) -> list[str]:
        return [path for asked, path, _ in self.requests if asked == kind]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *_: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self._route()

    def do_GET(self) -> None:
        self._route()

    def _route(self) -> None:
        path = unquote(urlsplit(self.path).path)
        repo = re.escape(self.hub.repo_id)
        routes = {
            rf"/api/datasets/{repo}(?:/revision/(?P<commit>\w+))?": self._info,
            rf"/api/datasets/{repo}/tree/(?P<commit>\w+)": self._tree,
            rf"/datasets/{repo}/resolve/(?P<commit>\w+)/(?P<name>.+)": self._resolve,
            r"/content/(?P<digest>\w+)": self._content,
        }
        for pattern, answer in routes.items():
            if match := re.fullmatch(pattern, path):
                kind = answer.__name__.removeprefix("_")
                self.hub.requests.append((kind, path, self.headers.get("Range")))
                refused = self.hub.refuse(kind, path)
                return self._send(*refused) if refused else answer(**match.groupdict())
        self._send(404, {"X-Error-Code": "RepoNotFound"})

    def _files(self, commit: str | None) -> tuple[str, Files] | None:
        commit = self.hub.main if commit in (None, "main") else commit
        if commit in self.hub.commits:
            return commit, self.hub.commits[commit]
        self._send(404, {"X-Error-Code": "RevisionNotFound"})
        return None

    def _info(self, commit: str | None) -> None:
        if at := self._files(commit):
            siblings = [
                {
                    "rfilename": name,
                    "blobId": sha256(content)[:40],
                    "size": len(content),
                    "lfs": {"sha256": sha256(content), "size": len(content), "pointerSize": 130},
                }
                for name, content in at[1].items()
            ]
            self._send_json(
                {
                    "id": self.hub.repo_id,
                    "sha": self.hub.states or at[0],
                    "siblings": siblings,
                    "private": False,
                    "tags": [],
                    "downloads": 0,
                    "likes": 0,
                }
            )

    def _tree(self, commit: str) -> None:
        if at := self._files(commit):
            lfs = lambda content: {"oid": sha256(content), "size": len(content), "pointerSize": 130}  # noqa: E731
            self._send_json(
                [
                    {
                        "type": "file",
                        "path": name,
                        "size": len(content),
                        "oid": sha256(content)[:40],
                        "lfs": lfs(content),
                    }
                    for name, content in at[1].items()
                ]
            )

    def _resolve(self, commit: str, name: str) -> None:
        at = self._files(commit)
        if at and name not in at[1]:
            self._send(404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": at[0]})
        elif at:
            digest = sha256(at[1][name])
            self._send(
                302,
                {
                    "X-Repo-Commit": at[0],
                    "X-Linked-Etag": f'"{digest}"',
                    "X-Linked-Size": str(len(at[1][name])),
                    "ETag": f'"{digest[:32]}"',
                    "Location": f"{self.hub.content_url}/content/{digest}",
                },
            )

    def _content(self, digest: str) -> None:
        [content] = {
            content for files in self.hub.commits.values() for content in files.values() if sha256(content) == digest
        }
        content = self.hub.change(content)
        start = int(re.match(r"bytes=(\d+)-", self.headers.get("Range") or "bytes=0-")[1])
        headers = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"} if start else {}
        self._send(206 if start else 200, headers | {"ETag": f'"{digest}"', "Accept-Ranges": "bytes"}, content[start:])

    def _send_json(self, answer: Any) -> None:
        self._send(200, {"Content-Type": "application/json"}, json.dumps(answer).encode())

    def _send(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if self.path.startswith("/content/") and self.hub.cuts():
            body, self.close_connection = body[: self.hub.cut_after], True
        self.wfile.write(body)
