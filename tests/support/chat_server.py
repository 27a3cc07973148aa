"""Serve chat completions on loopback, for the harness's own clients of OpenAI-compatible servers."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import math
import socket
import threading
import time
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
from PIL import Image


@dataclass(frozen=True)
class Reply:
    """Describe what the server sends: the text of an answer (None: null), or ``raw`` bytes with a status.

    Attributes:
        headers: further headers; ``x-should-retry`` is ``false`` unless it is among them.
        hangs_up: whether the connection is closed instead.
        chunk_s: seconds between single bytes of the body.
        tokens: probabilities of the tokens that may come first, by token; sent if the request asks for them.
    """

    text: object = None
    status: int = 200
    raw: bytes | None = None
    headers: tuple = ()
    hangs_up: bool = False
    chunk_s: float = 0.0
    tokens: dict = field(default_factory=dict)


@dataclass
class ChatServer:
    """Answer by a function of prompt and pixels, and record the questions.

    Attributes:
        answer: from the prompt and the image, an RGB array, to a `Reply`.
        asked: (prompt, pixels as bytes) of each request, in order.
        answered: those that got an answer.
        payloads: each request's body, less its image.
        faults: requests that were not one user's turn with one PNG image and one text.
    """

    answer: object
    asked: list = field(default_factory=list)
    answered: list = field(default_factory=list)
    payloads: list = field(default_factory=list)
    faults: list = field(default_factory=list)
    url: str = ""
    # Stops the server early: new connections are refused.
    close: object = None

    def respond(self, body: bytes) -> Reply:
        payload = json.loads(body)
        try:
            [message] = payload["messages"]
            [picture] = [part for part in message["content"] if part["type"] == "image_url"]
            [text] = [part["text"] for part in message["content"] if part["type"] == "text"]
            assert message["role"] == "user" and len(message["content"]) == 2
            head, data = picture["image_url"]["url"].split(",", 1)
            assert head == "data:image/png;base64"
            pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))
            assert pixels.ndim == 3 and pixels.shape[2] == 3 and pixels.dtype == np.uint8
        except (AssertionError, ValueError, KeyError) as error:
            self.faults.append(repr(error))
            return Reply(status=400, raw=b"{}")
        key = text, pixels.tobytes()
        self.asked.append(key)
        self.payloads.append({name: value for name, value in payload.items() if name != "messages"})
        reply = self.answer(text, pixels)
        if not payload.get("logprobs"):
            reply = replace(reply, tokens={})
        # As servers do, the most probable ones and no more than were asked for.
        tokens = sorted(reply.tokens.items(), key=lambda pair: -pair[1])[: payload.get("top_logprobs")]
        reply = replace(reply, tokens=dict(tokens))
        if reply.status == 200 and reply.text is not None and not reply.hangs_up and not reply.chunk_s:
            self.answered.append(key)
        return reply


def _body(reply: Reply) -> bytes:
    if reply.raw is not None:
        return reply.raw
    message = {"role": "assistant", "content": reply.text}
    usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    if reply.tokens:
        top = [{"token": token, "logprob": math.log(share), "bytes": None} for token, share in reply.tokens.items()]
        choice["logprobs"] = {"content": [top[0] | {"top_logprobs": top}], "refusal": None}
    head = {"id": "1", "object": "chat.completion", "created": 0, "model": "stand-in"}
    return json.dumps(head | {"choices": [choice], "usage": usage}).encode()


@contextlib.contextmanager
def serving(answer, port=0):
    """Yield a running `ChatServer`, whose ``url`` is the base URL for a client; ``port`` 0 takes a free port."""
    server = ChatServer(answer)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            reply = server.respond(body) if self.path == "/v1/chat/completions" else Reply(status=404, raw=b"{}")
            content = _body(reply)
            # A killed client does not wait for its answer.
            with contextlib.suppress(ConnectionError):
                if reply.hangs_up:
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                self.send_response(reply.status)
                # Without the last of them, a question would be asked again, with pauses of seconds.
                defaults = {
                    "Content-Type": "application/json",
                    "Content-Length": len(content),
                    "x-should-retry": "false",
                }
                for name, value in (defaults | dict(reply.headers)).items():
                    self.send_header(name, str(value))
                self.end_headers()
                if not reply.chunk_s:
                    self.wfile.write(content)
                    return
                for place in range(len(content)):
                    self.wfile.write(content[place : place + 1])
                    time.sleep(reply.chunk_s)

        def log_message(self, *args):
            pass

    http = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    http.daemon_threads = True
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    server.url = f"http://127.0.0.1:{http.server_port}/v1"

    def close():
        http.shutdown()
        http.server_close()

    server.close = close
    try:
        yield server
    finally:
        close()
        thread.join()
