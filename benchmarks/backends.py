"""Generators on the CPU: a tile through each runtime and precision, and a small edit as a window or as its tile."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.protocol import Case, Runner, Target
from cimgen_qt.core.generator import GeneratorSpec
from cimgen_qt.core.grid import Window
from cimgen_qt.core.tiling import Lattice
from cimgen_qt.generators import openvino_session
from cimgen_qt.generators.devices import Choice, open_session
from cimgen_qt.generators.frozen import Freezer
from cimgen_qt.generators.precision import AGREEMENT_DB, agreement

CHANNELS = 9
NETWORKS = {"ResNet-9": (2, 84), "GlobalGenerator": (4, 324)}
"""Number of halvings, and the halo in pixels."""
EXACT_DB = 90.0
"""What float32 has to agree to."""
TILE, EDIT = 1024, 64
Feeds = Mapping[str, NDArray[Any]]


def cases(quick: bool) -> Iterator[Case]:
    for name in list(NETWORKS)[: 1 if quick else None]:
        module, model = _network(name)
        for side in (256,) if quick else (256, 512):
            yield _tile(name, module, model, side)
        yield _edit(name, model)


def _network(name: str) -> tuple[Any, bytes]:
    """As pix2pixHD and CycleGAN publish it, with instance normalisation and random weights."""
    import torch

    from cimgen_qt.networks.resnet import ResnetGenerator
    from cimgen_qt.networks.to_onnx import export

    torch.manual_seed(0)
    torch.set_num_threads(os.cpu_count() or 1)
    module = ResnetGenerator(CHANNELS, 3, ngf=64, n_down=NETWORKS[name][0], n_blocks=9).eval()
    return module, export(module, {"x": torch.zeros(1, CHANNELS, 64, 64)}, ["y"])


def _feeds(side: int) -> Feeds:
    return {"x": np.random.default_rng(1).normal(size=(1, CHANNELS, side, side)).astype(np.float32)}


def _frozen(model: bytes, feeds: Feeds) -> bytes:
    """With the statistics of this very tile, so that the answer is that of the network as it came."""
    import onnx

    freezer = Freezer(parsed := onnx.load_from_string(model))
    found = open_session(freezer.measuring(), Choice("cpu")).session.run(freezer.taps, dict(feeds))
    freezer.freeze(dict(zip(freezer.taps, found, strict=True)))
    made: bytes = parsed.SerializeToString()
    return made


def _tile(name: str, module: Any, model: bytes, side: int) -> Case:
    feeds = _feeds(side)
    eager = _eager(module, feeds, "float32")
    wanted = eager()
    frozen = _frozen(model, feeds)
    ours = _session(frozen, Choice("cpu"), feeds)
    fast = _session(frozen, Choice("cpu", precision="bf16"), feeds)
    runners = [
        Runner("ours: frozen, fp32", ours, _agrees(wanted, EXACT_DB)),
        Runner("ours: frozen, bf16", fast, _agrees(wanted, AGREEMENT_DB), ("openvino",)),
        Runner("torch eager fp32", eager, needs=("torch",)),
        Runner("torch bf16", _eager(module, feeds, "bfloat16"), _agrees(wanted, AGREEMENT_DB), ("torch",)),
        Runner("ONNX Runtime fp32", _session(model, Choice("cpu"), feeds), _agrees(wanted, EXACT_DB)),
    ]
    for precision, limit in (("fp32", EXACT_DB), ("bf16", AGREEMENT_DB)):
        work = _session(model, Choice("openvino", precision=precision), feeds)
        runners.append(Runner(f"OpenVINO {precision}", work, _agrees(wanted, limit), ("openvino",)))
    targets = [Target("G1: time of OpenVINO, fp32", runners[0].name, 1.05, "OpenVINO fp32")]
    if openvino_session.has_bf16(openvino_session.package()):
        targets.append(Target("G1: time of OpenVINO, bf16", runners[1].name, 1.05, "OpenVINO bf16"))
        targets.append(Target("G1: torch eager over ours, bf16", "torch eager fp32", 6.0, runners[1].name, True))
    return Case(f"{name}, {side} px", tuple(runners), targets=tuple(targets))


def _edit(name: str, model: bytes) -> Case:
    halvings, halo = NETWORKS[name]
    lattice = Lattice(GeneratorSpec(name, tile=TILE, stride=1 << halvings, halo=halo, exact=True))
    (tile,) = lattice.tiles_under(Window(0, 0, 1, 1))
    (part,) = lattice.cut(tile, [Window(480, 480, EDIT, EDIT)])
    feeds = _feeds(tile.height)
    session = open_session(_frozen(model, _feeds(256)), Choice("cpu")).session
    window = {"x": np.ascontiguousarray(feeds["x"][(..., *part.outer.slices(tile.outer))])}
    kept = (..., *part.inner.slices(tile.outer))
    wanted = session.run(["y"], dict(feeds))[0][kept]

    def same(answer: NDArray[Any]) -> str:
        return "" if np.array_equal(answer, wanted) else "differs from the tile"

    runners = (
        Runner("window", lambda: session.run(["y"], window)[0][(..., *part.inner.slices(part.outer))], same),
        Runner("whole tile", lambda: session.run(["y"], dict(feeds))[0][kept], same),
    )
    limit = 15.0 if halvings == 2 else 8.0
    area = f"{tile.outer.area / part.outer.area:.1f} times fewer pixels fed"
    return Case(
        f"{name}, {EDIT} px edit in a tile of {TILE}", runners, (area,),
        (Target("G2: whole tile over window", "whole tile", limit, "window", True),),
    )  # fmt: skip


def _session(model: bytes, choice: Choice, feeds: Feeds) -> Callable[[], Any]:
    opened = open_session(model, choice)
    return lambda: opened.session.run(["y"], dict(feeds))[0]


def _eager(module: Any, feeds: Feeds, dtype: str) -> Callable[[], Any]:
    import copy

    import torch

    kind = getattr(torch, dtype)
    moved = module if kind is torch.float32 else copy.deepcopy(module).to(kind)
    given = torch.from_numpy(feeds["x"]).to(kind)

    def run() -> NDArray[Any]:
        with torch.inference_mode():
            made: NDArray[Any] = moved(given).float().numpy()
            return made

    return run


def _agrees(wanted: NDArray[Any], limit: float) -> Callable[[Any], str]:
    def check(answer: Any) -> str:
        found = agreement(wanted, answer, 2.0)
        return "" if found >= limit else f"agrees to {found:.0f} dB only"

    return check
