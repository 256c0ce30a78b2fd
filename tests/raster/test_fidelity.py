"""What real files of many kinds keep on their way through the whole job."""

from pathlib import Path

import pytest

from benchmarks.fidelity import compare
from cimgen_qt.core.errors import RasterError

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
CHANGED_BY_NEED = {"photometric", "compression"}
"""Of files that were compressed with loss: they are written without, and the export says so."""


def test_everything_is_kept_but_what_a_lossy_file_cannot_keep(shared_data: Path, tmp_path: Path) -> None:
    files = sorted((shared_data / "geotiff").glob("*.tif"))
    assert len(files) >= 24
    refused = []
    for number, image in enumerate(files):
        folder = tmp_path / str(number)
        folder.mkdir()
        try:
            lost, said = compare(image, folder)
        except RasterError as error:
            refused.append((image.name, error.message))
            continue
        assert set(lost) <= (CHANGED_BY_NEED if "with loss" in said else set()), (image.name, lost)
    assert [name for name, _ in refused] == ["rotated_complex64_utm31n.tif"]
    assert "complex64" in refused[0][1]
