"""Talk with an inference server: one connection that is kept, bounded answers, retries, and words for failures."""

from __future__ import annotations

import contextlib
import errno
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from cimgen_qt.core.errors import ModelError
from cimgen_qt.core.jobs import Job, Progress
from cimgen_qt.generators.remote_protocol import LARGEST_HEAD, LENGTH, Sent, parsed
from cimgen_qt.generators.remote_trust import origin, token, variable

DELAYS = (0.0, 0.5, 2.0, 5.0)
"""Seconds before each new try."""
_BUSY = (408, 425, 429, 502, 503, 504)
_LONGEST_DELAY = 30.0
_CONNECT = 10.0
_LOOK = 0.1
"""Seconds between two chances to cancel."""
_SHOWN = 200
_LOCAL_HINT = "Start the server, correct the address in the card, or choose a model that runs on this machine."


@dataclass(frozen=True, slots=True)
class Answer:
    """`headers` by names in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Server:
    """Belongs to one thread. `close` ends the connection."""

    def __init__(self, url: str, timeout: float) -> None:
        """`timeout` in seconds for each answer. Raises ModelError where a token would travel in the open."""
        parts = urlsplit(url)
        self.origin = origin(url)
        self._url, self._path, self._timeout = url, parts.path, timeout
        self._host, self._port, self._safe = parts.hostname or "", parts.port, parts.scheme == "https"
        self._headers = {"User-Agent": "CIMGen", "Accept-Encoding": "identity"}
        if secret := token(url):
            self._headers["Authorization"] = f"Bearer {secret}"
        self._connection: http.client.HTTPConnection | None = None
        self._pool = ThreadPoolExecutor(1, "cimgen-remote")

    def ask(self, *path: str, sent: Sent | None = None, largest: int = LARGEST_HEAD) -> Job[Answer]:
        """GET, or POST where there is a body, `/v2/...`; tried again while the server is away or busy.

        Closing the job ends the exchange. Raises ModelError for every answer but 200, one larger than `largest` bytes,
        and a server that stays away.
        """
        where = "/".join([self._path, "v2", *(quote(part, safe="") for part in path)])
        failure, wanted = ModelError(f"{self.origin} was not asked"), 0.0
        for delay in (None, *DELAYS):
            if delay is not None:
                yield from _pause(max(delay, wanted), f"{failure.message}; trying again")
            try:
                answer = yield from self._once(where, sent, largest)
            except (OSError, http.client.HTTPException) as error:
                self._drop()
                failure, wanted = self._explained(error), 0.0
                distrusted = isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError)
                if distrusted or isinstance(error, TimeoutError):
                    raise failure from error
                failure.__cause__ = error
                continue
            if answer.status == 200:
                return answer
            failure = self._refused(answer)
            if answer.status not in _BUSY:
                raise failure
            wanted = _seconds(answer.headers.get("retry-after", ""))
        raise failure

    def close(self) -> None:
        self._drop()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _once(self, path: str, sent: Sent | None, largest: int) -> Job[Answer]:
        stop = threading.Event()
        future: Future[Answer] = self._pool.submit(self._exchange, path, sent, largest, stop)
        try:
            while not wait([future], _LOOK).done:
                yield Progress(0, 0, f"waiting for {self.origin}")
            return future.result()
        finally:
            if not future.done():
                stop.set()
                self._drop()

    def _exchange(self, path: str, sent: Sent | None, largest: int, stop: threading.Event) -> Answer:
        """In the thread of the pool."""
        if self._connection is None:
            self._connection = self._connected()
        if stop.is_set():
            self._drop()
            raise ConnectionAbortedError
        headers = dict(self._headers)
        if sent is not None:
            headers["Content-Type"] = "application/json" if sent.head is None else "application/octet-stream"
        if sent is not None and sent.head is not None:
            headers[LENGTH] = str(sent.head)
        connection = self._connection
        connection.request("GET" if sent is None else "POST", path, None if sent is None else sent.body, headers)
        response = connection.getresponse()
        body = response.read(largest + 1)
        if len(body) > largest or (response.length or 0) > 0:
            self._drop()
            raise ModelError(
                f"{self.origin} answered with more than the {largest} bytes that fit",
                hint="Does the address in the card lead to the right model?",
            )
        if response.will_close:
            self._drop()
        return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, body)

    def _connected(self) -> http.client.HTTPConnection:
        made = (
            http.client.HTTPSConnection(self._host, self._port, timeout=_CONNECT, context=ssl.create_default_context())
            if self._safe
            else http.client.HTTPConnection(self._host, self._port, timeout=_CONNECT)
        )
        try:
            made.connect()
        except TimeoutError as error:
            raise ConnectionAbortedError(errno.ETIMEDOUT, f"no connection within {_CONNECT:.0f} s") from error
        made.sock.settimeout(self._timeout)
        return made

    def _drop(self) -> None:
        """Also from another thread than the one that waits: shutting the socket down wakes it."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if connection.sock is not None:
            with contextlib.suppress(OSError):  # the other side was faster
                connection.sock.shutdown(socket.SHUT_RDWR)
        connection.close()

    def _explained(self, error: Exception) -> ModelError:
        if isinstance(error, ssl.SSLCertVerificationError):
            hint = "If it is a server of your own, name the file of its authority in SSL_CERT_FILE."
            return ModelError(f"the certificate of {self.origin} is not to be trusted: {error.verify_message}", hint)
        if isinstance(error, ssl.SSLError):
            return ModelError(f"{self.origin} speaks no TLS that is known here: {error.reason}", "Is it https at all?")
        if isinstance(error, socket.gaierror):
            return ModelError(f"{self.origin} is not known to the network", _LOCAL_HINT)
        if isinstance(error, TimeoutError):
            hint = "It may be overloaded. `timeout` in the card says how many seconds it is given."
            return ModelError(f"{self.origin} gave no answer within {self._timeout:g} s", hint)
        if isinstance(error, OSError) and not isinstance(error, http.client.RemoteDisconnected):
            return ModelError(f"{self.origin} is down: {error.strerror or type(error).__name__}", _LOCAL_HINT)
        return ModelError(f"{self.origin} broke off in the middle of an answer", _LOCAL_HINT)

    def _refused(self, answer: Answer) -> ModelError:
        said = _said(answer.body)
        match answer.status:
            case 401 | 403:
                hint = f"Set {variable(self._url)}, or: keyring set cimgen {self.origin}"
                return ModelError(f"{self.origin} wants another token ({answer.status}{said})", hint)
            case 404:
                return ModelError(f"{self.origin} has no such model ({answer.status}{said})", "Correct the card.")
            case 413:
                return ModelError(f"{self.origin} takes no tiles so large", "Make `tile` in the card smaller.")
            case status if 300 <= status < 400:
                away = answer.headers.get("location", "another address")[:_SHOWN]
                return ModelError(f"{self.origin} has moved to {away}", "Put the new address into the card.")
            case status if status in _BUSY:
                return ModelError(f"{self.origin} is not ready ({status}{said})", "Wait, or choose another model.")
            case status:
                return ModelError(f"{self.origin} refused ({status}{said})", "See the log of the server.")


def _said(body: bytes) -> str:
    """What the server gives as its reason, if it keeps to the protocol."""
    try:
        found = str(parsed(body[:LARGEST_HEAD]).get("error", ""))
    except ModelError:
        return ""
    plain = "".join(sign if sign.isprintable() else " " for sign in found)[:_SHOWN].strip()
    return f": {plain}" if plain else ""


def _seconds(text: str) -> float:
    return min(float(text), _LONGEST_DELAY) if text.isascii() and text.isdigit() else 0.0


def _pause(seconds: float, why: str) -> Job[None]:
    end = time.monotonic() + seconds
    yield Progress(0, 0, why)
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(left, _LOOK))
        yield Progress(0, 0, why)
