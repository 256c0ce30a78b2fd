"""The words that the command line understands."""

from __future__ import annotations

import argparse
from pathlib import Path

from cimgen_qt import __version__
from cimgen_qt.core.blend import BlendMode

PROFILES = ("same", "cog", "patch")
MODEL_ACTIONS = ("list", "show", "verify", "add", "remove", "allow", "forbid")


def build() -> argparse.ArgumentParser:
    """All commands, each with `--help`."""
    parser = argparse.ArgumentParser(
        prog="cimgen",
        description="Repaint the class map of an aerial image and get new pixels where it changed, and nowhere else.",
        epilog="Exit codes: 0 done, 1 a check failed, 2 the input cannot be used (one line and a hint say why). "
        "Without a command the window opens.",
    )
    parser.add_argument("--version", action="version", version=f"cimgen {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for add in (
        _demo,
        _new,
        _map,
        _paint,
        _render,
        _export,
        _verify,
        _replay,
        _dataset,
        _recipe,
        _train,
        _adapt,
        _evaluate,
        _info,
        _models,
        _doctor,
        _window,
    ):
        command = add(commands)
        command.add_argument("--json", action="store_true", help="print the result as JSON")
        command.add_argument("--quiet", action="store_true", help="no progress bar")
    return parser


Commands = argparse._SubParsersAction  # the type has no public name


def _demo(commands: Commands[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    command = commands.add_parser("demo", help="the whole job on the embedded sample")
    command.add_argument("--out", type=Path, default=Path("cimgen_demo"), metavar="DIR", help="where the results go")
    command.add_argument("--no-window", action="store_true", help="do not open the editor afterwards")
    command.add_argument("--seed", type=int, default=1)
    return command


def _new(commands: Commands[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    command = commands.add_parser("new", help="make a project from an image and, if there is one, its class map")
    command.add_argument("project", type=Path, metavar="P.cimgen")
    command.add_argument("--image", type=Path, required=True, metavar="I.tif", help="never written to")
    command.add_argument("--palette", type=Path, metavar="P", help="TOML, QML or a paletted raster's colour table")
    _map_source(command, required=False)
    return command


def _map(commands: Commands[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    command = commands.add_parser(
        "map",
        help="take a class map or vectors into a project, or read classes from a photo",
        description="P.cimgen --map M: take a map in. P.cimgen: read the classes from its photo. "
        "I.tif OUT.tif: read classes from an image into a class raster, with a raster of confidence beside it.",
    )
    command.add_argument("source", type=Path, metavar="P.cimgen|I.tif")
    command.add_argument("target", type=Path, nargs="?", metavar="OUT.tif")
    _map_source(command, required=False)
    command.add_argument("--edited", action="store_true", help="it is the wanted map, not the one of the photo")
    command.add_argument("--model", default="", metavar="M", help="what reads classes; the shipped one if not given")
    command.add_argument("--palette", type=Path, metavar="P", help="with OUT.tif: whose classes; else the model's")
    command.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 ...")
    command.add_argument("--overwrite", action="store_true", help="with OUT.tif: replace an existing file")
    return command


def _map_source(command: argparse.ArgumentParser, required: bool) -> None:
    command.add_argument("--map", type=Path, required=required, metavar="M", help="class raster, coloured map, vectors")
    command.add_argument("--field", metavar="F", help="vectors: the attribute that holds the class")
    command.add_argument("--class", dest="class_name", metavar="C", help="vectors: one class for every feature")
    command.add_argument("--table", type=Path, metavar="T", help="TOML or JSON: value of the map -> class")
    command.add_argument("--layer", metavar="L", help="vectors: the layer of a GeoPackage")
    command.add_argument("--tolerance", type=float, metavar="D", help="coloured maps: how far a colour may be off")


def _paint(commands: Commands[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    command = commands.add_parser("paint", help="change classes, or undo and redo")
    command.add_argument("project", type=Path, metavar="P.cimgen")
    command.add_argument("--class", dest="class_name", metavar="C", help="name or id of the class to give")
    command.add_argument("--restore", action="store_true", help="give back the original class and pixels instead")
    what = command.add_mutually_exclusive_group(required=True)
    what.add_argument("--polygon", type=Path, metavar="F", help="vector file; its polygons are filled")
    what.add_argument("--rect", type=int, nargs=4, metavar=("ROW", "COL", "ROW", "COL"), help="two corners, in pixels")
    what.add_argument("--stroke", type=Path, metavar="F", help="lines of a vector file, or JSON {points: [[row, col]]}")
    what.add_argument("--fill", type=int, nargs=2, metavar=("ROW", "COL"), help="all ground connected with this pixel")
    what.add_argument("--undo", action="store_true")
    what.add_argument("--redo", action="store_true")
    command.add_argument("--width", type=float, metavar="M", help="width of a stroke in metres")
    command.add_argument("--width-px", type=float, metavar="PX", help="width of a stroke in pixels")
    command.add_argument("--square", action="store_true", help="a square brush")
    command.add_argument("--everywhere", action="store_true", help="with --fill: connected or not")
    command.add_argument("--protect", action="append", default=[], metavar="C", help="do not paint over this class")
    return command


def _render(commands: Commands[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    command = commands.add_parser("render", help="make pixels where the map changed")
    command.add_argument("project", type=Path, metavar="P.cimgen")
    command.add_argument("--model", default="exemplar", metavar="M", help="name or path; see `cimgen models`")
    command.add_argument("--seed", type=int, default=0, metavar="N")
    command.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 ...")
    command.add_argument("--precision", choices=("fp32", "auto", "bf16"), default="fp32",
                         help="of the CPU: fp32 gives the same pixels everywhere, auto may be much faster")  # fmt: skip
    command.add_argument("--blend", choices=[mode.value for mode in BlendMode], default=BlendMode.MEMBRANE.value)
    command.add_argument("--feather", type=float, metavar="PX", help="width of the transition in pixels")
    command.add_argument("--feather-m", type=float, metavar="M", help="the same in metres")
    command.add_argument("--colour-match", action="store_true", help="match colours to the ring round the change")
    command.add_argument("--scope", default="changed", metavar="S", help="changed, edited, all, or a vector file")
    command.add_argument("--grow", type=int, default=0, metavar="PX", help="widen the changed areas")
    command.add_argument("--soft-edges", action="store_true", help="blend across the borders of classes as well")
    command.add_argument("--plain", action="store_true", help="leave out the project's adapter")
    command.add_argument("--accept", action="store_true", help="make the proposal part of the project")
    command.add_argument("--preview", type=Path, metavar="F.png", help="write a picture: before and after")
    return command


def _export(commands: Commands[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    command = commands.add_parser("export", help="write the result with its proof")
    command.add_argument("project", type=Path, metavar="P.cimgen")
    command.add_argument("target", type=Path, metavar="OUT.tif")
    command.add_argument("--profile", choices=PROFILES, default="same")
    command.add_argument("--overwrite", action="store_true", help="replace an existing file")
    return command


def _dataset(commands: Commands[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    command = commands.add_parser(
        "dataset",
        help="cut tiles to learn from",
        description="Tiles of photos and maps, split into ground to learn from and ground that is held out, "
        "without copies, blurred tiles and seams; what is left out is listed with its reason.",
    )
    command.add_argument("out", type=Path, metavar="DIR", help="new folder")
    command.add_argument("--images", type=Path, metavar="I", help="a folder of photos, or one")
    command.add_argument("--maps", type=Path, metavar="M", help="a folder of maps of the same names, or one map")
    command.add_argument("--project", type=Path, metavar="P.cimgen", help="its photo and original map instead")
    command.add_argument("--palette", type=Path, metavar="P", help="TOML, QML or a paletted raster's colour table")
    command.add_argument("--preset", choices=("map2sat", "building2sat", "cityscapes"), help="a recipe of the paper")
    command.add_argument("--name", metavar="N")
    command.add_argument("--side", type=int, metavar="PX", help="of a tile (512)")
    command.add_argument("--smallest", type=int, metavar="PX", help="of tiles at the edges of a scene (256)")
    command.add_argument("--test", metavar="PATTERN", help="scenes held out for a test, such as tile[26]")
    command.add_argument("--validation", metavar="PATTERN", help="scenes held out while training")
    command.add_argument("--held-out", type=float, metavar="SHARE", help="of blocks, where no scene is (0.1)")
    command.add_argument("--urban", type=float, metavar="SHARE", help="least share of buildings and roads")
    command.add_argument("--dominant", type=float, metavar="SHARE", help="largest share of one class")
    command.add_argument("--blur", type=float, metavar="V", help="least variance of the Laplacian (8)")
    command.add_argument("--seam", type=float, metavar="R", help="largest straight jump, over the usual one (8)")
    command.add_argument("--keep-copies", action="store_true", help="do not look for tiles of the same ground")
    command.add_argument("--field", metavar="F", help="vectors: the attribute that holds the class")
    command.add_argument("--class", dest="class_name", metavar="C", help="vectors: one class for every feature")
    command.add_argument("--table", type=Path, metavar="T", help="TOML or JSON: value of the map -> class")
    command.add_argument("--layer", metavar="L", help="vectors: the layer of a GeoPackage")
    command.add_argument("--tolerance", type=float, metavar="D", help="coloured maps: how far a colour may be off")
    command.add_argument("--seed", type=int, metavar="N")
    return command


def _recipe(commands: Commands[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    command = commands.add_parser("recipe", help="print a configuration for `train` with every setting and its default")
    command.add_argument("recipe", metavar="RECIPE", help="context, paired, unpaired, fast or segment")
    return command


def _train(commands: Commands[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    command = commands.add_parser("train", help="teach a network from a dataset")
    command.add_argument("config", type=Path, metavar="CONFIG.toml")
    command.add_argument("out", type=Path, metavar="DIR", help="new folder: curves, samples, checkpoints, the model")
    command.add_argument("--dataset", type=Path, metavar="DIR", help="in place of the one in the configuration")
    command.add_argument("--steps", type=int, metavar="N", help="in place of those in the configuration")
    command.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1")
    command.add_argument("--threads", type=int, default=0, metavar="N", help="0: one a core")
    command.add_argument("--resume", action="store_true", help="go on with the run in DIR")
    return command


def _adapt(commands: Commands[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    command = commands.add_parser("adapt", help="adapt a model to the scene of a project, in minutes")
    command.add_argument("project", type=Path, metavar="P.cimgen")
    command.add_argument("--model", default="", metavar="M", help="name or path; the shipped one if not given")
    command.add_argument("--mode", choices=("lora", "decoder", "full"), default="lora", help="what of it learns")
    command.add_argument("--steps", type=int, default=200, metavar="N", help="at most; it ends when nothing is gained")
    command.add_argument("--seed", type=int, default=0, metavar="N")
    command.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1")
    command.add_argument("--threads", type=int, default=0, metavar="N", help="0: one a core")
    command.add_argument("--warp", type=float, default=0.0, metavar="SHARE", help="of samples bent by splines, 0 to 1")
    command.add_argument("--drop", action="store_true", help="drop the adapter: use models as they are again")
    return command


def _evaluate(commands: Commands[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    command = commands.add_parser("evaluate", help="compare models on ground that was held out of training")
    command.add_argument("dataset", type=Path, metavar="DATASET")
    command.add_argument("out", type=Path, metavar="DIR", help="figures and a contact sheet")
    command.add_argument("--way", action="append", default=[], metavar="NAME=MODEL[,alone][,MODE]",
                         help="a model, whether it sees the map alone, how it is blended; give several")  # fmt: skip
    command.add_argument("--split", default="test", help="test, validation or train")
    command.add_argument("--each", type=int, default=2, metavar="N", help="edits in every tile")
    command.add_argument("--features", default="efficientnet", metavar="F",
                         help="efficientnet, inception (FID, KID) or inception-legacy")  # fmt: skip
    command.add_argument("--seed", type=int, default=1, metavar="N")
    command.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 ...")
    return command


def _verify(commands: Commands[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    command = commands.add_parser("verify", help="recompute the proof from a delivered file")
    command.add_argument("target", type=Path, metavar="OUT.tif")
    command.add_argument("--source", type=Path, metavar="S.tif", help="compare with the source pixel by pixel as well")
    return command


def _replay(commands: Commands[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    command = commands.add_parser("replay", help="make the same pixels again from the sidecar")
    command.add_argument("sidecar", type=Path, metavar="OUT.tif.json")
    command.add_argument("--source", type=Path, metavar="S.tif", help="where the source lies now")
    command.add_argument("--device", default="auto")
    return command


def _info(commands: Commands[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    command = commands.add_parser("info", help="what a project or a raster holds")
    command.add_argument("path", type=Path, metavar="FILE")
    command.add_argument("--relink", type=Path, metavar="I.tif", help="the project's image lies here now")
    return command


def _models(commands: Commands[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    command = commands.add_parser("models", help="list, show, verify, add or remove models, or allow servers")
    command.add_argument("action", nargs="?", choices=MODEL_ACTIONS, default="list")
    command.add_argument("model", nargs="?", metavar="NAME|PATH|URL", help="URL: of a server, with allow and forbid")
    command.add_argument("--classes", metavar="A,B,...", help="with add FILE.pth: what its channels stand for")
    command.add_argument("--licence", default="not stated", metavar="L", help="with add FILE.pth: of the weights")
    return command


def _doctor(commands: Commands[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    return commands.add_parser("doctor", help="what is installed, which device is used, and why not another")


def _window(commands: Commands[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    command = commands.add_parser("window", help="open the editor")
    command.add_argument("path", nargs="?", type=Path, metavar="P.cimgen|I.tif")
    return command
