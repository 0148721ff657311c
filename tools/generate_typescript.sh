#!/usr/bin/env bash
# Write generated/typescript from proto/. Needs buf on PATH, and Node; the plugin is pinned in client/typescript.
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/toolchain.sh
need_toolchain TypeScript npm "Node.js 20 or newer (Debian: nodejs, npm)"

tools/npm_install.sh client/typescript
buf generate --template buf.gen.typescript.yaml
