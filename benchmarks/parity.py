"""Our networks beside those of pix2pixHD and pytorch-CycleGAN-and-pix2pix, run from checkouts of the user's.

python -m benchmarks.parity --pix2pixhd FOLDER --cyclegan FOLDER [--small]

Each of their networks is made and initialised by their code and saved as they save it; our loader has to tell it from the
file and paint the same. `--small` takes narrow networks of the same depth.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import io
import sys
import tempfile
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cimgen_qt.networks.architecture import PAINTERS
from cimgen_qt.networks.build import build
from cimgen_qt.networks.initial import Family, initialise
from cimgen_qt.networks.official import load


@dataclass(frozen=True)
class Case:
    """`make` builds their network, given how much narrower than published it shall be."""

    name: str
    family: Family
    file: str
    make: Callable[[Any, int], nn.Module]
    inputs: int
    side: int


def _hd(name: str, netg: str, inputs: int, ngf: int, down: int, side: int = 128) -> Case:
    return Case(
        f"pix2pixHD {name}",
        "pix2pixhd",
        "latest_net_G.pth",
        lambda theirs, less: theirs.define_G(inputs, 3, ngf // less, netg, down, 9, 1, 3),
        inputs,
        side,
    )


def _hd_d(name: str, inputs: int, scales: int, features: bool) -> Case:
    return Case(
        f"pix2pixHD {name}",
        "pix2pixhd",
        "latest_net_D.pth",
        lambda theirs, less: theirs.define_D(inputs, 64 // less, 3, "instance", False, scales, features),
        inputs,
        256,
    )


def _cycle(
    name: str, netg: str, norm: str, file: str = "latest_net_G.pth", inputs: int = 3, drop: bool = False
) -> Case:
    return Case(
        name,
        "cyclegan",
        file,
        lambda theirs, less: theirs.define_G(inputs, 3, 64 // less, netg, norm, drop),
        inputs,
        256,
    )


def _cycle_d(name: str, netd: str, norm: str, inputs: int, layers: int = 3) -> Case:
    return Case(
        name,
        "cyclegan",
        "latest_net_D.pth",
        lambda theirs, less: theirs.define_D(inputs, 64 // less, netd, layers, norm),
        inputs,
        256,
    )


CASES = (
    _hd("global, 36 in", "global", 36, 64, 4),
    _hd("global, 3 in, 3 halvings", "global", 3, 64, 3),
    _hd("local enhancer (1024p), 36 in", "local", 36, 32, 4),
    _hd_d("judge, 2 scales, 39 in", 39, 2, True),
    _hd_d("judge, 3 scales, no features", 39, 3, False),
    _cycle("CycleGAN resnet_9blocks", "resnet_9blocks", "instance", "latest_net_G_A.pth"),
    _cycle("CycleGAN resnet_6blocks", "resnet_6blocks", "instance", "latest_net_G_B.pth"),
    _cycle("CycleGAN resnet_9blocks, batch norm", "resnet_9blocks", "batch", drop=True),
    _cycle("pix2pix unet_256", "unet_256", "batch", drop=True),
    _cycle("pix2pix unet_128", "unet_128", "instance"),
    _cycle_d("CycleGAN PatchGAN", "basic", "instance", 3),
    _cycle_d("pix2pix PatchGAN", "basic", "batch", 6),
    _cycle_d("PatchGAN, 5 layers", "n_layers", "batch", 6, 5),
    _cycle_d("pix2pix PixelGAN", "pixel", "batch", 6),
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.parity")
    parser.add_argument("--pix2pixhd", type=Path, metavar="FOLDER", help="a checkout of NVIDIA/pix2pixHD")
    parser.add_argument("--cyclegan", type=Path, metavar="FOLDER", help="of junyanz/pytorch-CycleGAN-and-pix2pix")
    parser.add_argument("--small", action="store_true", help="an eighth of the channels")
    options = parser.parse_args()
    torch.set_num_threads(1)
    folders = {"pix2pixhd": options.pix2pixhd, "cyclegan": options.cyclegan}
    theirs = {family: reference(folder) for family, folder in folders.items() if folder}
    print("| network | parameters | same keys | seed gives same weights | max diff f32 | f64 | pixels that differ |")
    print("|---|---|---|---|---|---|---|")
    wrong = 0
    for case in CASES:
        if case.family in theirs:
            row, good = compare(case, theirs[case.family], 8 if options.small else 1)
            wrong += not good
            print(f"| {case.name} | {' | '.join(row)} |", flush=True)
    return 1 if wrong else 0


def compare(case: Case, theirs: Any, less: int) -> tuple[list[str], bool]:
    with contextlib.redirect_stdout(io.StringIO()):
        torch.manual_seed(1)
        reference_net = case.make(theirs, less).eval()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / case.file
        torch.save(reference_net.state_dict(), path)
        loaded = load(path)
    keys = list(reference_net.state_dict()) == list(loaded.module.state_dict()) and loaded.fit.complete
    torch.manual_seed(1)
    fresh = build(loaded.architecture)
    initialise(fresh, case.family)
    weights = zip(reference_net.parameters(), fresh.parameters(), strict=True)
    seed = all(torch.equal(a, b) for a, b in weights)
    x = torch.randn(1, case.inputs, case.side, case.side, generator=torch.Generator().manual_seed(2))
    single, levels = difference(reference_net, loaded.module, x)
    double, _ = difference(reference_net.double(), loaded.module.double(), x.double())
    parameters = sum(p.numel() for p in loaded.module.parameters())
    pixels = f"{levels} of {case.side**2}" if loaded.architecture.kind in PAINTERS else "-"
    row = [
        f"{parameters:,}",
        "yes" if keys else "NO",
        "yes" if seed else "no",
        f"{single:.3g}",
        f"{double:.3g}",
        pixels,
    ]
    return row, keys and single < 1e-4 and double < 1e-9 and (levels == 0 or pixels == "-")


def difference(one: nn.Module, other: nn.Module, x: Tensor) -> tuple[float, int]:
    """The largest, over all outputs, and how many pixels of the last one differ as 8-bit pictures."""
    with torch.no_grad():
        pairs = list(zip(flat(one(x)), flat(other(x)), strict=True))
    a, b = (((value + 1) * 127.5).round().clamp(0, 255) for value in pairs[-1])
    return max((a - b).abs().max().item() for a, b in pairs), int((a != b).any(1).sum())


def flat(out: Tensor | list[Any]) -> Iterator[Tensor]:
    if isinstance(out, Tensor):
        yield out
    else:
        for part in out:
            yield from flat(part)


def reference(folder: Path) -> Any:
    """Their `models/networks.py`. It names torchvision for a loss that is not used here; an empty module stands in."""
    spec = importlib.util.spec_from_file_location("reference_networks", folder / "models" / "networks.py")
    if spec is None or spec.loader is None:
        raise SystemExit(f"{folder} has no models/networks.py")
    stand_in = types.ModuleType("torchvision")
    stand_in.models = types.ModuleType("torchvision.models")  # type: ignore[attr-defined]
    before = sys.modules.get("torchvision")
    sys.modules["torchvision"] = stand_in
    try:
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        del sys.modules["torchvision"]
        if before is not None:
            sys.modules["torchvision"] = before
    return module


if __name__ == "__main__":
    raise SystemExit(main())
