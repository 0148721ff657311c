#!/usr/bin/env bash
# Refresh the hashed locks. Usage: tools/lock.sh UV [--upgrade | --upgrade-package NAME]
set -euo pipefail
cd "$(dirname "$0")/.."
uv=$1
shift

# One lock serves Python 3.11 and newer on every system; it names no index, so any mirror will do.
compile() {
    UV_CUSTOM_COMPILE_COMMAND="make lock" "$uv" pip compile --quiet --universal \
        --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
        --no-strip-extras "$@"
}

compile pyproject.toml --extra server --output-file requirements/server.txt "$@"
compile pyproject.toml requirements/dev.in --extra server --extra postgres --extra otel \
    --extra measure --extra web --output-file requirements/dev.txt "$@"
# What `make client-alone` installs: the floors of pyproject.toml.
compile pyproject.toml --resolution lowest-direct --output-file requirements/client-oldest.txt "$@"
compile requirements/codegen.in --output-file requirements/codegen.txt "$@"
