#!/usr/bin/env bash
# Write generated/go from proto/. Needs buf on PATH, and go; the plugins are pinned in tools/go/go.mod.
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/toolchain.sh
need_toolchain Go go "Go 1.26 or newer (Debian: golang-go)"

# The plugins are a module of their own, apart from the workspace of what we ship.
GOWORK=off buf generate --template buf.gen.go.yaml
