"""Makers of pixels behind one small protocol, opened by name or by the path of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cimgen_qt.core.generator import Generator
from cimgen_qt.core.palette import Palette

if TYPE_CHECKING:
    from cimgen_qt.generators.catalog import Entry


def open_generator(
    model: str,
    palette: Palette | None = None,
    device: str = "auto",
    threads: int = 0,
    low_memory: bool = False,
    adapter: bytes | None = None,
    precision: str = "fp32",
) -> Generator:
    """`model` is "flat", "exemplar", the name of a listed model, or the path of a card, folder, .onnx, .emd or .dlpk.

    With a `palette`, classes that do not fit are refused now, not first when a scene is prepared. `device` is auto,
    cpu, cuda, cuda:1, directml, coreml or openvino (of a network of PyTorch's: auto, cpu, cuda, cuda:1 or mps; of one
    on a server: no matter); the generator's spec tells the one in use and why. `threads` 0: one a core. `adapter`
    changes a model's weights for one scene; `precision` is fp32, auto or bf16, see `devices.Choice`. Raises ModelError.
    """
    match model:
        case "flat":
            from cimgen_qt.generators.flat import FlatGenerator

            return FlatGenerator()
        case "exemplar":
            from cimgen_qt.generators.exemplar import ExemplarGenerator

            return ExemplarGenerator()
        case _:
            from cimgen_qt.generators.catalog import model_card
            from cimgen_qt.generators.devices import Choice

            card, choice = model_card(model), Choice(device, threads, low_memory, precision)
            if card.remote is not None:
                from cimgen_qt.generators.remote_backend import Remote

                return Remote(card, palette, adapter)
            if card.runs_in_torch:
                from cimgen_qt.generators.torch_backend import Torch

                return Torch(card, choice, palette, adapter)
            from cimgen_qt.generators.onnx_backend import Onnx

            return Onnx(card, choice, palette, adapter)


def list_models() -> tuple[Entry, ...]:
    """Everything that `open_generator` knows by name; see `catalog`, which can also add, check and remove models."""
    from cimgen_qt.generators import catalog

    return catalog.list_models()
