"""Which servers pixels may be sent to, and the secret that opens them: the user says both, never a card.

A card may come from anybody, so a server that is not this machine has to be allowed once (`cimgen models allow URL`).
Tokens are taken from the environment or the system's keyring; they stand in no file, message or argument of ours.
"""

from __future__ import annotations

import ipaddress
import os
import re
from pathlib import Path
from urllib.parse import urlsplit

from cimgen_qt import paths
from cimgen_qt.core.disk import explained
from cimgen_qt.core.durable import write_text
from cimgen_qt.core.errors import ModelError
from cimgen_qt.generators.card_values import server

SERVICE = "cimgen"
"""What tokens are kept under in the keyring; the user name there is the server's origin."""
_PORTS = {"http": 80, "https": 443}


def origin(url: str) -> str:
    """Scheme, host and port: https://gpu.example.org:443. Raises ModelError where it is no address."""
    plain = server(url)
    if plain is None:
        raise ModelError(f"{url!r} is no address of a server", hint="Write it as https://host or https://host:port.")
    found = urlsplit(plain)
    host = found.hostname or ""
    return f"{found.scheme}://{f'[{host}]' if ':' in host else host}:{found.port or _PORTS[found.scheme]}"


def is_local(url: str) -> bool:
    """Whether it is this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def allowed() -> tuple[str, ...]:
    """Origins that the user allowed, this machine apart."""
    try:
        lines = _file().read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return ()
    return tuple(sorted({line.strip() for line in lines if line.strip() and not line.startswith("#")}))


def allow(url: str) -> str:
    """Remember that pixels may be sent there. Gives the origin; raises ModelError, ExportError."""
    wanted = origin(url)
    _write({*allowed(), wanted})
    return wanted


def forbid(url: str) -> str:
    """Take it back. Raises ModelError where it was not allowed."""
    wanted = origin(url)
    if wanted not in allowed():
        raise ModelError(f"{wanted} was not allowed", hint="Allowed are: " + (", ".join(allowed()) or "none") + ".")
    _write({*allowed()} - {wanted})
    return wanted


def require_allowed(url: str, name: str) -> None:
    """Raise ModelError, with what to do, unless pixels may be sent there."""
    wanted = origin(url)
    if not is_local(url) and wanted not in allowed():
        raise ModelError(
            f"{name} runs on {wanted}, and pixels round each change would be sent there",
            hint=f"If you trust that server with them, allow it once: cimgen models allow {wanted}",
        )


def token(url: str) -> str:
    """The secret for a server; empty where there is none. Raises ModelError where it would travel in the open."""
    found = os.environ.get(variable(url), "").strip() or _from_keyring(origin(url))
    if found and not re.fullmatch(r"[\x21-\x7e]+", found):
        raise ModelError(f"the token for {origin(url)} holds signs that no token has", hint="Set it anew.")
    if found and urlsplit(url).scheme == "http" and not is_local(url):
        raise ModelError(
            f"the token for {origin(url)} would be sent unencrypted", hint="Use an address that begins with https."
        )
    return found


def variable(url: str) -> str:
    """Name of the environment variable for a server's token: CIMGEN_TOKEN_GPU_EXAMPLE_ORG."""
    return "CIMGEN_TOKEN_" + re.sub(r"\W", "_", urlsplit(url).hostname or "").upper()


def _from_keyring(place: str) -> str:
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        return ""
    try:
        return keyring.get_password(SERVICE, place) or ""
    except KeyringError:  # a machine without one, or one that stays locked
        return ""


def _file() -> Path:
    return paths.user_places().config / "servers.txt"


def _write(origins: set[str]) -> None:
    with explained(_file(), "written"):
        _file().parent.mkdir(parents=True, exist_ok=True)
    write_text(_file(), "".join(f"{line}\n" for line in ["# Servers that pixels may be sent to.", *sorted(origins)]))
