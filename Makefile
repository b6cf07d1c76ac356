# Two commands are enough: `make run` and `make test`. Each does all the set-up it needs, once.
# PYTHON=python3.12 make run   chooses the interpreter (3.11 or 3.12).

VENV := .venv
BIN := $(VENV)/bin
.DEFAULT_GOAL := help
.PHONY: help setup setup-dev assets run test test-slow lint bench starter ablation package lock clean

help: ## Show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: ## System libraries, virtual environment, locked packages
	@bash scripts/setup.sh run

setup-dev: ## The same, with what tests and lint need
	@bash scripts/setup.sh dev

assets: setup ## Fetch and verify the model files
	@$(BIN)/dmd models fetch

run: assets ## Open the window; without a display, play the demo into a picture of it
	@if [ -n "$$DISPLAY$$WAYLAND_DISPLAY" ] || [ "$$(uname)" = Darwin ]; then exec $(BIN)/dmd-desktop; fi; \
	echo "There is no display here: the demo plays without a window, and a picture of it goes to out/demo.png."; \
	mkdir -p out && QT_QPA_PLATFORM=offscreen $(BIN)/dmd-desktop --demo --quit-after 20 --screenshot out/demo.png && \
	echo "Done: out/demo.png"

test: setup-dev ## Run the whole suite
	@$(BIN)/dmd models fetch
	@$(BIN)/python -m pytest

test-slow: setup-dev ## The long versions of the tests
	@$(BIN)/dmd models fetch
	@$(BIN)/python -m pytest -m slow

lint: setup-dev ## ruff (format and lint), mypy --strict, import contracts
	@$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy && $(BIN)/lint-imports

bench: setup-dev ## Measure the budgets of docs/performance.md
	@$(BIN)/dmd models fetch
	@$(BIN)/dmd bench dmd
	@$(BIN)/dmd bench live

# Where the corpora lie, and where finished parts of a build are kept.
DATA ?= ../shared/data
STARTER_CACHE ?= $(HOME)/.cache/dmd/starter

starter: assets ## Rebuild the starter model from the corpora in DATA (an hour on two cores; goes on where it was)
	@$(BIN)/python -m dmd_runtime.training.starter $(DATA) --cache $(STARTER_CACHE) --out resources/checkpoints/starter.safetensors

ablation: assets ## The comparisons of docs/science.md, after make starter
	@$(BIN)/python -m dmd_runtime.training.starter.compare $(DATA) --cache $(STARTER_CACHE) --out out/ablation.jsonl

package: setup-dev ## One folder with everything inside, in dist/
	@$(BIN)/dmd models fetch
	@bash scripts/package.sh

lock: setup-dev ## Write requirements*.lock from what is installed
	@$(BIN)/python scripts/lock.py

clean: ## Remove the virtual environment and caches (never sessions)
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache build dist *.egg-info
