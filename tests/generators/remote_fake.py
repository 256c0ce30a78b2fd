"""A strict server of the Open Inference Protocol v2 in this process, with a real ONNX model behind it.

It refuses every request that is not to the letter, remembers what it was asked, and can be told to misbehave.
"""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

TYPES = {"FP32": np.dtype("<f4"), "FP16": np.dtype("<f2"), "UINT8": np.dtype("u1"), "INT64": np.dtype("<i8")}
NAMES = {"tensor(float)": "FP32", "tensor(float16)": "FP16", "tensor(uint8)": "UINT8", "tensor(int64)": "INT64"}
LENGTH = "Inference-Header-Content-Length"


@dataclass
class Fake:
    """`faults` are taken one a request, before anything else is done; None lets a request through."""

    model: Path
    name: str = "net"
    binary: bool = True
    token: str = ""
    versions: tuple[str, ...] = ("1",)
    faults: list[Callable[[BaseHTTPRequestHandler], None] | None] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)
    fed: list[dict[str, np.ndarray]] = field(default_factory=list)
    spoil: Callable[[dict[str, Any], bytes], tuple[dict[str, Any], bytes]] | None = None
    url: str = ""

    def __post_init__(self) -> None:
        self.session = onnxruntime.InferenceSession(str(self.model), providers=["CPUExecutionProvider"])

    def metadata(self) -> dict[str, Any]:
        def ports(listed: list[Any]) -> list[dict[str, Any]]:
            return [
                {"name": p.name, "datatype": NAMES[p.type], "shape": [d if isinstance(d, int) else -1 for d in p.shape]}
                for p in listed
            ]

        return {
            "name": self.name, "versions": list(self.versions), "platform": "onnx",
            "inputs": ports(self.session.get_inputs()), "outputs": ports(self.session.get_outputs()),
        }  # fmt: skip

    def infer(self, head: dict[str, Any], tail: bytes) -> tuple[dict[str, Any], bytes]:
        assert set(head) == {"inputs", "outputs"}
        feeds, at = {}, 0
        for one in head["inputs"]:
            dtype, shape = TYPES[one["datatype"]], one["shape"]
            if self.binary:
                assert set(one) == {"name", "shape", "datatype", "parameters"}
                size = one["parameters"]["binary_data_size"]
                assert size == int(np.prod(shape)) * dtype.itemsize
                feeds[one["name"]] = np.frombuffer(tail[at : at + size], dtype).reshape(shape)
                at += size
            else:
                assert set(one) == {"name", "shape", "datatype", "data"}
                feeds[one["name"]] = np.array(one["data"], dtype).reshape(shape)
        assert at == len(tail)
        (wanted,) = head["outputs"]
        assert wanted.get("parameters") == ({"binary_data": True} if self.binary else None)
        self.fed.append(feeds)
        (made,) = self.session.run([wanted["name"]], feeds)
        one = {"name": wanted["name"], "shape": list(made.shape), "datatype": "FP32"}
        said = {"model_name": self.name, "model_version": "1", "outputs": [one]}
        if self.binary:
            one["parameters"] = {"binary_data_size": made.nbytes}
            answer = said, made.astype("<f4").tobytes()
        else:
            one["data"] = made.tolist()  # nested, as some servers do
            answer = said, b""
        return answer if self.spoil is None else self.spoil(*answer)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    fake: Fake

    def do_GET(self) -> None:
        fake = self.fake
        if not self._admitted():
            return
        model = f"/v2/models/{fake.name}"
        places = [model, *(f"{model}/versions/{v}" for v in fake.versions)]
        if self.path in ("/v2/health/ready", *(f"{p}/ready" for p in places)):
            self.answer(200, b"")
        elif self.path == "/v2":
            extensions = ["binary_tensor_data"] if fake.binary else []
            self.answer(200, json.dumps({"name": "fake", "version": "2.0", "extensions": extensions}).encode())
        elif self.path in places:
            self.answer(200, json.dumps(fake.metadata()).encode())
        else:
            self.answer(404, b'{"error": "Request for unknown model"}')

    def do_POST(self) -> None:
        fake = self.fake
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if not self._admitted():
            return
        places = [f"/v2/models/{fake.name}/infer"]
        places += [f"/v2/models/{fake.name}/versions/{v}/infer" for v in fake.versions]
        if self.path not in places:
            self.answer(404, b'{"error": "Request for unknown model"}')
            return
        try:
            length = int(self.headers[LENGTH]) if fake.binary else len(body)
            assert self.headers["Content-Type"] == ("application/octet-stream" if fake.binary else "application/json")
            said, tail = fake.infer(json.loads(body[:length]), body[length:])
        except (AssertionError, KeyError, TypeError, ValueError) as error:
            self.answer(400, json.dumps({"error": f"strict: {error!r}"}).encode())
            return
        head = json.dumps(said).encode()
        self.answer(200, head + tail, {LENGTH: str(len(head))} if fake.binary else {})

    def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _admitted(self) -> bool:
        fake = self.fake
        fake.asked.append((self.command, self.path))
        if fake.token and self.headers.get("Authorization") != f"Bearer {fake.token}":
            self.answer(401, b'{"error": "who are you?"}')
            return False
        fault = fake.faults.pop(0) if fake.faults else None
        if fault is not None:
            fault(self)
        return fault is None

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def served(fake: Fake, tls: ssl.SSLContext | None = None) -> Iterator[Fake]:
    """`fake.url` is where it listens meanwhile."""
    handler = type("Handler", (_Handler,), {"fake": fake})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    fake.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def status(code: int, body: bytes = b"{}", headers: dict[str, str] | None = None) -> Callable[..., None]:
    """A fault: answer so in place of what was asked for."""
    return lambda handler: handler.answer(code, body, headers)


def broken_off(handler: BaseHTTPRequestHandler) -> None:
    """A fault: say nothing and hang up."""
    handler.close_connection = True
    handler.connection.shutdown(2)
