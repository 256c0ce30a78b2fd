# `make demo` and `make test` set up everything they need; see README.md.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint requirements/ci-constraints.txt
DEMO ?= demo_out
SYSTEM := xvfb xauth xdotool openbox x11-utils fontconfig fonts-dejavu-core libegl1 libgl1 libopengl0 libdbus-1-3 \
  libxkbcommon-x11-0 libxcb-cursor0 libxcb-icccm4 libxcb-keysyms1 libxcb-image0 libxcb-render-util0 libxcb-xinerama0 \
  libxcb-shape0 libxcb-randr0 libglib2.0-0 libfontconfig1 libfreetype6 libx11-xcb1

.PHONY: help env env-dev system demo test test-slow lint bench picture clean

help:
	@echo "make demo   environment, then the main job on the embedded sample"
	@echo "make test   environment, system packages where it may, lint and every test"
	@echo "make lint   ruff, import contracts, mypy"
	@echo "make test-slow, make bench, make picture, make clean"

$(VENV)/.base: pyproject.toml requirements/ci-constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) --editable '.[cpu]'
	@touch $@

$(VENV)/.dev: $(VENV)/.base
	$(PIP) --editable '.[cpu,train,dev]'
	@touch $@

env: $(VENV)/.base
env-dev: $(VENV)/.dev

# Libraries that Qt and the tests on a virtual screen need; only where we may install them.
system:
	@if command -v Xvfb >/dev/null && command -v xdotool >/dev/null && ldconfig -p | grep -q libxcb-cursor; then :; \
	elif command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(SYSTEM) >/dev/null; \
	else echo "not installed (needs root and apt-get): $(SYSTEM)"; echo "tests on a real screen will be skipped"; fi

demo: env
	$(BIN)/cimgen demo --out $(DEMO)

lint: env-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy

test: env-dev system lint
	QT_QPA_PLATFORM=offscreen $(BIN)/python -m pytest -m "not slow and not xvfb"
	@if command -v xvfb-run >/dev/null; then \
	  xvfb-run -a -s '-screen 0 1400x900x24' $(BIN)/python -m pytest -m "xvfb and not slow"; \
	else echo "skipped: tests on a real screen need xvfb-run"; fi

test-slow: env-dev system
	QT_QPA_PLATFORM=offscreen $(BIN)/python -m pytest -m slow

bench: env-dev
	$(PIP) --editable '.[bench]'
	$(BIN)/python -m benchmarks

# The pictures of README.md, made by the program itself.
picture: env
	$(BIN)/cimgen demo --no-window --out build/picture
	cp build/picture/before_after.png docs/before_after.png
	QT_QPA_PLATFORM=offscreen $(BIN)/python -c "from pathlib import Path; from cimgen_qt.ui.app import screenshot; \
	  screenshot(Path('build/picture/village.cimgen'), Path('docs/window.png'))"

clean:
	rm -rf $(VENV) demo_out build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache *.egg-info
