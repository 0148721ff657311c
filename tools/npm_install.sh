#!/usr/bin/env bash
# Install what a folder's package-lock.json pins, once for each content of it. Usage: npm_install.sh FOLDER
set -euo pipefail
cd "$(dirname "$0")/../$1"
stamp=node_modules/.installed

# One at a time, where the system can say so.
if command -v flock >/dev/null; then
    exec 9<package-lock.json
    flock 9
fi

if ! cmp --silent package-lock.json "$stamp"; then
    npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
    cp package-lock.json "$stamp"
fi
