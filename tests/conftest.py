"""What every test may lean on: the real imagery that lies beside a checkout, where there is some."""

from pathlib import Path

import pytest

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(autouse=True)
def own_places(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test writes to the user's own folders."""
    monkeypatch.setenv("CIMGEN_DATA", str(tmp_path_factory.getbasetemp() / "cimgen"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real imagery; a clone without it skips what needs it."""
    if not (DATA / "README.md").is_file():
        pytest.skip("real imagery is missing: ../shared/data beside the checkout")
    return DATA
