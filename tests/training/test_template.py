"""What `cimgen recipe` prints is a configuration, and holds every setting at its default."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cimgen_qt.cli import main
from cimgen_qt.core.errors import CimgenError
from cimgen_qt.training.config import RECIPES, TrainConfig, filled, load_config
from cimgen_qt.training.recipes import options_of
from cimgen_qt.training.template import template


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_template_says_what_the_defaults_are(recipe: str, tmp_path: Path) -> None:
    path = tmp_path / "my.toml"
    path.write_text(template(recipe), encoding="utf-8")
    config = load_config(path, "tiles")
    options = config.options
    assert replace(config, options={}) == TrainConfig(f"my-{recipe}", recipe, "tiles")
    assert filled(options_of(recipe), options, "options") == options_of(recipe)()


def test_comments_tell_what_settings_are_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipe", "context"]) == 0
    text = capsys.readouterr().out
    assert "# Share of the run after which learning rates fall linearly to 0.\ndecay_from = 0.6" in text
    assert main(["recipe", "painting"]) == 2
    with pytest.raises(CimgenError, match="no recipe"):
        options_of("painting")
