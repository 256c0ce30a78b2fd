"""Know a file again: its size, its time, and a digest of what is in it."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from cimgen_qt.core.errors import RasterError

WHOLE_BELOW = 64 * 2**20
"""Smaller files are hashed from end to end."""
SAMPLE = 1 << 20
SAMPLES = 48


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """`digest` begins with its scheme: `sha256:` of the whole content, `sampled-sha256:` of size and 48 spread MiB."""

    size: int
    mtime_ns: int
    digest: str

    def matches(self, path: Path) -> bool:
        """Same size and time, or else same size and content, which is read then. Raises `RasterError` if it cannot."""
        try:
            status = path.stat()
        except OSError as error:
            raise _unreadable(path, error) from error
        if status.st_size != self.size:
            return False
        return status.st_mtime_ns == self.mtime_ns or fingerprint(path).digest == self.digest


def fingerprint(path: Path) -> Fingerprint:
    """Read at most 64 MiB. Raises `RasterError` where the file cannot be read."""
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            digest = hashlib.sha256()
            if status.st_size <= WHOLE_BELOW:
                while block := file.read(SAMPLE):
                    digest.update(block)
                return Fingerprint(status.st_size, status.st_mtime_ns, f"sha256:{digest.hexdigest()}")
            digest.update(str(status.st_size).encode())
            for number in range(SAMPLES):
                file.seek((status.st_size - SAMPLE) * number // (SAMPLES - 1))
                digest.update(file.read(SAMPLE))
            return Fingerprint(status.st_size, status.st_mtime_ns, f"sampled-sha256:{digest.hexdigest()}")
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> RasterError:
    return RasterError(f"{path.name} cannot be read: {error.strerror}", hint="Check the path.")
