"""What a card says of a network of PyTorch's."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from cimgen_qt.core.errors import ModelError
from cimgen_qt.generators.card_file import card_text, load_card, parse_card
from cimgen_qt.networks.architecture import Architecture
from tests.generators.checkpoint_nets import SMALL, torch_card
from tests.generators.nets import colour_card

FULL = Architecture("local", 4, 3, 2, 3, 1, "batch", False, True, 2, 1)


@pytest.mark.parametrize("network", [SMALL, FULL, Architecture("unet", 4, 3, 2, 5)], ids=lambda n: n.kind)
def test_network_and_statistics_are_read_back_as_written(tmp_path: Path, network: Architecture) -> None:
    card = replace(torch_card(tmp_path), network=network, statistics="tile", stride=32)
    assert parse_card(card_text(card), card.path) == card


def test_a_card_need_not_name_the_network(tmp_path: Path) -> None:
    card = torch_card(tmp_path)
    assert (card.network, card.statistics, card.unfit, card.runs_in_torch) == (None, "scene", "", True)
    assert "statistics" not in card.path.read_text("utf-8")


def test_onnx_models_do_not_run_in_torch(tmp_path: Path) -> None:
    assert not colour_card(tmp_path).runs_in_torch


def test_other_files_of_weights_are_still_unfit(tmp_path: Path) -> None:
    assert "no ONNX file, .pth or .safetensors" in replace(torch_card(tmp_path), file="net.h5").unfit


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ('kind = "patchgan"', "network.kind has to be one of resnet, local, unet"),
        ('kind = "resnet"\nwidth = 0', "network.width has to be a whole number from 1 to 1024"),
        ('kind = "resnet"\nngf = 64', "network.ngf is not known"),
        ('kind = "resnet"\nnorm = "layer"', "network.norm has to be one of instance, batch"),
        ('kind = "resnet"\nbias = 1', "network.bias has to be true or false"),
        ('kind = "resnet"\ndown = 4', "stride (4) is no multiple of 16"),
        ('kind = "unet"\ndown = 2', "network.down has to be 5 at least"),
        ("width = 64", "network.kind is missing"),
    ],
)
def test_faults_of_a_network_are_named(tmp_path: Path, line: str, fault: str) -> None:
    card = torch_card(tmp_path)
    card.path.write_text(card_text(card) + f"\n[network]\n{line}\n", "utf-8")
    with pytest.raises(ModelError) as caught:
        load_card(card.path)
    assert fault in caught.value.message


def test_an_onnx_card_names_no_network(tmp_path: Path) -> None:
    card = colour_card(tmp_path)
    card.path.write_text(card_text(card) + '\n[network]\nkind = "resnet"\ndown = 0\n', "utf-8")
    with pytest.raises(ModelError, match=r"network says what net\.onnx itself says"):
        load_card(card.path)


def test_cards_and_the_backend_itself_load_no_torch() -> None:
    code = (
        "import sys, cimgen_qt.generators.card_file, cimgen_qt.generators.torch_backend; print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
