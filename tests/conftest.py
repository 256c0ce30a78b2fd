"""What every test may lean on: the real imagery that lies beside a checkout, where there is some."""

from pathlib import Path

import pytest

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real imagery; a clone without it skips what needs it."""
    if not (DATA / "README.md").is_file():
        pytest.skip("real imagery is missing: ../shared/data beside the checkout")
    return DATA
