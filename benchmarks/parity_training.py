"""Our recipes beside the training code of pix2pixHD, CycleGAN and CUT, run from checkouts of the user's.

python -m benchmarks.parity_training --pix2pixhd FOLDER --cyclegan FOLDER --cut FOLDER [--published]

Both begin with the same weights and take the same steps on the same samples; then losses, learning rates and weights are
compared. Their code wants a graphics card and torchvision: stand-ins for both live here alone.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import random
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn

from cimgen_qt.training.batch import Batch, make_batch
from cimgen_qt.training.coloured import as_picture
from cimgen_qt.training.perceptual import PerceptualLoss
from cimgen_qt.training.recipe import Recipe
from cimgen_qt.training.recipes.fast import FastOptions, FastRecipe
from cimgen_qt.training.recipes.paired import PairedOptions, PairedRecipe
from cimgen_qt.training.recipes.unpaired import UnpairedOptions, UnpairedRecipe

CLASSES = 6
EPOCHS = 6
"""Of one step each; the rate falls in the last third."""
SIDE = 64
CONSTANT, DECAY = 4, 2
OURS = torch.device("cpu")
LIMITS = {torch.float64: (1e-9, 1e-7), torch.float32: (1e-2, 1e-2)}
"""Largest difference of losses (relative) and of weights. Adam makes whole steps of gradients that are rounding alone."""


@dataclass(frozen=True)
class Run:
    """`theirs` and `ours` by the names of our modules; `step` takes a step of theirs: losses and learning rate."""

    ours: Recipe
    theirs: dict[str, nn.Module]
    step: Callable[[int, Batch], tuple[dict[str, float], float]]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.parity_training")
    parser.add_argument("--pix2pixhd", type=Path, metavar="FOLDER", help="a checkout of NVIDIA/pix2pixHD")
    parser.add_argument("--cyclegan", type=Path, metavar="FOLDER", help="of junyanz/pytorch-CycleGAN-and-pix2pix")
    parser.add_argument("--cut", type=Path, metavar="FOLDER", help="of taesungp/contrastive-unpaired-translation")
    parser.add_argument("--published", action="store_true", help="networks as wide as published: much memory, slow")
    options = parser.parse_args()
    torch.set_num_threads(1)
    width = 64 if options.published else 8
    cases: list[tuple[str, Path, Callable[[Path, torch.dtype], Run]]] = []
    if options.pix2pixhd:
        for name, more in PIX2PIXHD.items():
            cases.append((f"pix2pixHD, {name}", options.pix2pixhd, _later(pix2pixhd, width, more)))
    if options.cyclegan:
        for name, more in CYCLEGAN.items():
            cases.append((f"CycleGAN, {name}", options.cyclegan, _later(cyclegan, width, more)))
    if options.cut:
        for name, more in CUT.items():
            cases.append((f"FastCUT, {name}", options.cut, _later(fastcut, width, more)))
    print(f"{EPOCHS} steps on {SIDE} x {SIDE} pixels, {width} channels\n")
    print("| training | precision | losses: largest relative difference | learning rates | weights |")
    print("|---|---|---|---|---|")
    wrong = 0
    for name, folder, make in cases:
        for dtype in (torch.float64, torch.float32):
            row, good = compare(folder, make, dtype)
            wrong += not good
            print(f"| {name} | {str(dtype).removeprefix('torch.')} | {' | '.join(row)} |", flush=True)
    return 1 if wrong else 0


PIX2PIXHD: dict[str, dict[str, Any]] = {
    "global, features": {},
    "global, features and VGG19": {"vgg": True},
    "global, pool of 2": {"pool": 2},
    "local, global fixed for 2": {"generator": "local", "num_d": 3, "fix_global": 2},
}
CYCLEGAN: dict[str, dict[str, Any]] = {
    "identity 0.5, pool 50": {},
    "no identity, pool of 2": {"identity": 0.0, "pool": 2},
}
CUT: dict[str, dict[str, Any]] = {"mirrored by chance": {}, "not mirrored": {"flip": False}}


def _later(make: Callable[..., Run], width: int, more: dict[str, Any]) -> Callable[[Path, torch.dtype], Run]:
    return lambda folder, dtype: make(folder, dtype, width, more)


def compare(folder: Path, make: Callable[[Path, torch.dtype], Run], dtype: torch.dtype) -> tuple[list[str], bool]:
    apart = rates = 0.0
    with stand_ins(dtype), checkout(folder), contextlib.redirect_stdout(io.StringIO()):
        torch.manual_seed(1)
        run = make(folder, dtype)
        for name, module in run.ours.modules().items():
            module.to(dtype)
            run.theirs[name].to(dtype)
            module.load_state_dict(dict(zip(module.state_dict(), run.theirs[name].state_dict().values(), strict=True)))
        for epoch in range(EPOCHS):
            batch = sample(epoch, dtype)
            random.seed(epoch)
            theirs, rate = run.step(epoch, batch)
            random.seed(epoch)
            run.ours.begin(epoch, EPOCHS)
            ours = run.ours.step(batch)
            if ours.keys() != theirs.keys():
                raise SystemExit(f"losses are named {sorted(ours)} here and {sorted(theirs)} there")
            apart = max(apart, *(abs(ours[k] - theirs[k]) / max(abs(theirs[k]), 1e-9) for k in theirs))
            own = [g["lr"] for optimizer in run.ours.optimizers().values() for g in optimizer.param_groups]
            rates = max(rates, *(abs(value - rate) for value in own))
        weights = max(_gap(run.theirs[name], module) for name, module in run.ours.modules().items())
    limits = LIMITS[dtype]
    return [f"{apart:.2g}", f"{rates:.2g}", f"{weights:.2g}"], apart < limits[0] and weights < limits[1]


def _gap(one: nn.Module, other: nn.Module) -> float:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return max(float((a - b).abs().max()) for a, b in pairs)


def sample(epoch: int, dtype: torch.dtype) -> Batch:
    source = torch.Generator().manual_seed(epoch)
    blocks = torch.randint(0, CLASSES, (1, SIDE // 8, SIDE // 8), generator=source)
    labels = blocks.repeat_interleave(8, 1).repeat_interleave(8, 2)
    photo = torch.randint(0, 256, (1, 3, SIDE, SIDE), generator=source, dtype=torch.uint8)
    hole = torch.ones(1, SIDE, SIDE, dtype=torch.bool)
    plain = make_batch(photo, labels, hole, torch.zeros(1, 1, SIDE, SIDE), CLASSES, epoch)
    kept = {name: getattr(plain, name).to(dtype) for name in ("image", "onehot", "edges", "mask", "noise")}
    return Batch(labels=plain.labels, step=epoch, **kept)


def pix2pixhd(folder: Path, dtype: torch.dtype, width: int, more: dict[str, Any]) -> Run:
    local = more.get("generator") == "local"
    vgg = bool(more.get("vgg"))
    options = PairedOptions(
        ngf=width // 2 if local else width, ndf=width, constant=CONSTANT, decay=DECAY, n_down=3, n_blocks=2,
        **{k: v for k, v in more.items() if k != "vgg"},
    )  # fmt: skip
    theirs = importlib.import_module("models.pix2pixHD_model").Pix2PixHDModel()
    theirs.initialize(types.SimpleNamespace(
        isTrain=True, resize_or_crop="none", instance_feat=False, label_feat=False, load_features=False,
        label_nc=CLASSES, input_nc=3, output_nc=3, no_instance=False, ngf=options.ngf,
        netG=options.generator, n_downsample_global=options.n_down, n_blocks_global=options.n_blocks,
        n_local_enhancers=1, n_blocks_local=options.n_blocks_local, norm="instance", no_lsgan=False, ndf=options.ndf,
        n_layers_D=options.n_layers, num_D=options.num_d, no_ganFeat_loss=False, no_vgg_loss=not vgg, verbose=False,
        continue_train=False, load_pretrain="", pool_size=options.pool, lr=options.rate, beta1=options.beta1,
        niter_fix_global=options.fix_global, gpu_ids=[], checkpoints_dir="", name="", lambda_feat=options.features,
        data_type=32, niter_decay=DECAY,
    ))  # fmt: skip
    with TemporaryDirectory() as place:
        if vgg:
            stages = (getattr(theirs.criterionVGG.vgg, f"slice{k}") for k in range(1, 6))
            table = {f"features.{n}": value for stage in stages for n, value in stage.state_dict().items()}
            torch.save(table, Path(place) / "vgg19.pth")
            options = PairedOptions(**(_plain(options) | {"vgg": str(Path(place) / "vgg19.pth")}))
        ours = PairedRecipe(options, CLASSES, OURS)
    if vgg:
        ours.vgg.to(dtype)  # type: ignore[union-attr]

    def step(epoch: int, batch: Batch) -> tuple[dict[str, float], float]:
        """The order of their train.py: one forward, the generators' step, the judges' step, the end of the epoch."""
        rate = theirs.optimizer_D.param_groups[0]["lr"]
        found, _ = theirs(batch.labels[:, None], batch.labels[:, None], batch.image, None)
        losses = dict(zip(theirs.loss_names, found, strict=True))
        theirs.optimizer_G.zero_grad()
        sum(value for name, value in losses.items() if name.startswith("G_")).backward()
        theirs.optimizer_G.step()
        theirs.optimizer_D.zero_grad()
        ((losses["D_fake"] + losses["D_real"]) * 0.5).backward()
        theirs.optimizer_D.step()
        if options.fix_global == epoch + 1:
            theirs.update_fixed_params()
        if epoch + 1 > CONSTANT:
            theirs.update_learning_rate()
        return {name: float(value.detach()) for name, value in losses.items()}, rate

    return Run(ours, {"generator": theirs.netG, "discriminator": theirs.netD}, step)


def _plain(options: PairedOptions) -> dict[str, Any]:
    return {name: getattr(options, name) for name in PairedOptions.__dataclass_fields__}


def cyclegan(folder: Path, dtype: torch.dtype, width: int, more: dict[str, Any]) -> Run:
    options = UnpairedOptions(ngf=width, ndf=width, n_blocks=6, constant=CONSTANT, decay=DECAY, **more)
    given = types.SimpleNamespace(
        isTrain=True, gpu_ids=[], checkpoints_dir="", name="", preprocess="none", input_nc=3, output_nc=3,
        ngf=options.ngf, netG="resnet_6blocks", norm="instance", no_dropout=True, init_type="normal", init_gain=0.02,
        ndf=options.ndf, netD="n_layers", n_layers_D=options.n_layers, pool_size=options.pool, gan_mode="lsgan",
        lr=options.rate, beta1=options.beta1, direction="AtoB", lambda_A=options.cycle, lambda_B=options.cycle,
        lambda_identity=options.identity, lr_policy="linear", epoch_count=1, n_epochs=CONSTANT, n_epochs_decay=DECAY,
        continue_train=False, verbose=False,
    )  # fmt: skip
    theirs = importlib.import_module("models.cycle_gan_model").CycleGANModel(given)
    theirs.setup(given)
    ours = UnpairedRecipe(options, CLASSES, OURS)
    for network in (theirs.netG_A, theirs.netG_B, theirs.netD_A, theirs.netD_B, theirs.criterionGAN):
        network.to(dtype)

    def step(epoch: int, batch: Batch) -> tuple[dict[str, float], float]:
        theirs.update_learning_rate()
        drawn = as_picture(batch.onehot, ours.colours)
        theirs.set_input({"A": drawn, "B": batch.image, "A_paths": [], "B_paths": []})
        theirs.optimize_parameters()
        losses = {name: getattr(theirs, f"loss_{name}") for name in theirs.loss_names}
        plain = {name: float(value.detach()) for name, value in losses.items() if isinstance(value, Tensor)}
        return plain, theirs.optimizers[0].param_groups[0]["lr"]

    networks = {"generator": theirs.netG_A, "back": theirs.netG_B}
    return Run(ours, networks | {"judge_photo": theirs.netD_A, "judge_map": theirs.netD_B}, step)


def _rows_first(_: nn.Module, __: Any, out: Tensor) -> None:
    """Their sampling of patches sends gradients back channels last, which torch 2.13 gets wrong in instance norms."""
    if out.requires_grad:
        out.register_hook(lambda pull: pull.contiguous())


def fastcut(folder: Path, dtype: torch.dtype, width: int, more: dict[str, Any]) -> Run:
    """All places are compared, so that it does not matter in which order each draws them."""
    options = FastOptions(ngf=width, ndf=width, n_blocks=6, layers=(4, 7, 10), patches=SIDE**2, constant=CONSTANT,
                          decay=DECAY, **more)  # fmt: skip
    given = types.SimpleNamespace(
        isTrain=True, gpu_ids=[], checkpoints_dir="", name="", preprocess="none", input_nc=3, output_nc=3,
        ngf=options.ngf, netG="resnet_6blocks", normG="instance", normD="instance", no_dropout=True,
        init_type="normal", init_gain=0.02, no_antialias=True, no_antialias_up=True, ndf=options.ndf, netD="n_layers",
        n_layers_D=options.n_layers, gan_mode="lsgan", lr=options.rate, beta1=options.beta1, beta2=0.999,
        direction="AtoB", lambda_GAN=1.0, lambda_NCE=options.contrast, nce_idt=False, netF="mlp_sample",
        netF_nc=options.width, nce_layers=",".join(map(str, options.layers)), nce_T=options.temperature,
        num_patches=options.patches, flip_equivariance=options.flip, batch_size=1, crop_size=SIDE,
        nce_includes_all_negatives_from_minibatch=False, lr_policy="linear", epoch_count=1, n_epochs=CONSTANT,
        n_epochs_decay=DECAY, continue_train=False, pretrained_name=None, verbose=False,
    )  # fmt: skip
    theirs = importlib.import_module("models.cut_model").CUTModel(given)
    ours = FastRecipe(options, CLASSES, OURS)

    def pair(batch: Batch) -> dict[str, Any]:
        return {"A": as_picture(batch.onehot, ours.colours), "B": batch.image, "A_paths": [], "B_paths": []}

    for network in (theirs.netG, theirs.netD, theirs.criterionGAN):
        network.to(dtype)
        for part in network.modules():
            if isinstance(part, nn.InstanceNorm2d):
                part.register_forward_hook(_rows_first)
    theirs.data_dependent_initialize(pair(sample(0, dtype)))
    theirs.setup(given)

    def step(epoch: int, batch: Batch) -> tuple[dict[str, float], float]:
        rate = theirs.optimizers[0].param_groups[0]["lr"]
        theirs.set_input(pair(batch))
        with mock.patch("numpy.random.random", random.random):
            theirs.optimize_parameters()
        theirs.update_learning_rate()
        losses = {"D": theirs.loss_D, "G_GAN": theirs.loss_G_GAN, "NCE": theirs.loss_NCE}
        return {name: float(value.detach()) for name, value in losses.items()}, rate

    return Run(ours, {"generator": theirs.netG, "discriminator": theirs.netD, "heads": theirs.netF}, step)


@contextlib.contextmanager
def checkout(folder: Path) -> Iterator[None]:
    """Both repositories call their packages `models` and `util`."""
    ours = {name: module for name, module in sys.modules.items() if name.partition(".")[0] in ("models", "util")}
    for name in ours:
        del sys.modules[name]
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for name in [n for n in sys.modules if n.partition(".")[0] in ("models", "util")]:
            del sys.modules[name]
        sys.modules.update(ours)


@contextlib.contextmanager
def stand_ins(dtype: torch.dtype) -> Iterator[None]:
    """For torch.cuda, by the CPU, and for torchvision's VGG19, by ours without trained weights."""
    vision = types.ModuleType("torchvision")
    vision.models = types.ModuleType("torchvision.models")  # type: ignore[attr-defined]
    vision.models.vgg19 = lambda pretrained: types.SimpleNamespace(features=PerceptualLoss(None).features)  # type: ignore[attr-defined]
    floats = torch.DoubleTensor if dtype == torch.float64 else torch.FloatTensor
    before = torch.get_default_dtype()
    installed = sys.modules.get("torchvision")
    with contextlib.ExitStack() as stack:
        sys.modules["torchvision"] = vision
        stack.enter_context(mock.patch.object(torch.cuda, "FloatTensor", floats))
        stack.enter_context(mock.patch.object(torch.cuda, "ByteTensor", torch.ByteTensor))
        for kind in (Tensor, nn.Module):
            stack.enter_context(mock.patch.object(kind, "cuda", lambda self, *_: self))
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")  # of ways to call torch that were new when they wrote
        torch.set_default_dtype(dtype)
        try:
            yield
        finally:
            torch.set_default_dtype(before)
            del sys.modules["torchvision"]
            if installed is not None:
                sys.modules["torchvision"] = installed


if __name__ == "__main__":
    raise SystemExit(main())
