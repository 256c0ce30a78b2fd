"""The whole job on the embedded sample: remove a building, add a road and water, generate, export, verify."""

from __future__ import annotations

from pathlib import Path

from cimgen_qt import tasks
from cimgen_qt.cli.console import Console, hectares
from cimgen_qt.cli.picture import write_sheet
from cimgen_qt.core.edits import Edit, Fill, Polygon, Stroke
from cimgen_qt.core.errors import CimgenError
from cimgen_qt.opening import open_project
from cimgen_qt.paths import resources

NAMES = ("village.cimgen", "village_edited.tif", "before_after.png")
GROW = 8
"""Pixels: as long as the shadows of the sample are."""
EDITS = (
    ("remove a building", Fill(325, 346), "vegetation"),
    ("add a building", Polygon((((455.0, 110.0), (455.0, 150.0), (482.0, 150.0), (482.0, 110.0)),)), "building"),
    ("add a road", Stroke(((270.0, 150.0), (380.0, 160.0), (480.0, 80.0), (470.0, 0.0)), 10.0, flat=True), "road"),
    ("add a pond", Stroke(((405.0, 500.0), (420.0, 560.0)), 32.0), "water"),
)


def run_demo(folder: Path, seed: int, console: Console) -> Path:
    """Do it in `folder`; returns the project. Raises `CimgenError` where a file of another kind is in the way."""
    image, classes = (resources() / "samples" / "village.tif"), (resources() / "samples" / "village_map.tif")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CimgenError(f"{folder} cannot be made: {error.strerror}", hint="Choose another folder: --out.") from error
    project, target, picture = (folder / name for name in NAMES)
    _clear(folder)
    console.run(tasks.run_new(tasks.NewRequest(str(project), str(image), map=tasks.MapSourceRequest(str(classes)))))
    steps = [f"new       {project}"]
    with open_project(project) as opened:
        scene = opened.scene
        for said, shape, class_name in EDITS:
            if scene.paint(Edit(shape, scene.palette.find(class_name).id)) is not None:
                steps.append(f"paint     {said}")
    rendered = console.run(tasks.run_render(tasks.RenderRequest(str(project), seed=seed, grow=GROW)))
    console.warn(*rendered.warnings)
    with open_project(project) as opened:
        opened.scene.lay(rendered)
        write_sheet(opened.snapshot(), None, picture)
    area = hectares(rendered.square_metres, rendered.pixels)
    steps.append(f"generate  {len(rendered.patches)} areas, {area}, {rendered.seconds:.1f} s, {rendered.model['name']}")
    exported = console.run(tasks.run_export(tasks.ExportRequest(str(project), str(target))))
    steps.append(f"export    {target}")
    verified = console.run(tasks.run_verify(tasks.VerifyRequest(str(target), str(image))))
    if not verified["passed"]:
        raise CimgenError("the exported file does not prove itself", hint="Please report this with the folder.")
    steps += [f"verify    {exported['proof']}", f"picture   {picture}"]
    console.result({"project": str(project), "target": str(target), "picture": str(picture), "steps": steps}, *steps)
    return project


def _clear(folder: Path) -> None:
    """Remove what an earlier demo left, and nothing else."""
    for path in folder.iterdir():
        if path.name.startswith(("village.cimgen", "village_edited.", NAMES[2])) and path.is_file():
            path.unlink()
