#!/usr/bin/env bash
# Install the base wheel, without extras, in a virtualenv of its own and use the client from there:
# proves that the client needs nothing of the server, and that it and the generated code run on the
# oldest dependencies that pyproject.toml allows. Usage: tools/client_alone.sh PYTHON
set -euo pipefail
cd "$(dirname "$0")/.."
python=$1
root=$PWD

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

.venv/bin/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir "$scratch" .
"$python" -m venv "$scratch/venv"
"$scratch/venv/bin/python" -m pip install --quiet --require-hashes -r requirements/client-oldest.txt
"$scratch/venv/bin/python" -m pip install --quiet --no-deps "$scratch"/tierwise-*.whl
"$scratch/venv/bin/python" -m pip check
cd "$scratch"
"$scratch/venv/bin/python" -I "$root/tools/client_alone.py"
