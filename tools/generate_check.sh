#!/usr/bin/env bash
# Regenerate in place and fail when that changes, adds or removes a file. Usage: generate_check.sh MAKE
set -euo pipefail
cd "$(dirname "$0")/.."
folders=(generated client/python/tierwise_client/_sync)

before=$(mktemp -d)
trap 'rm -rf "$before"' EXIT
snapshot() { tar --exclude='__pycache__' -cf - "${folders[@]}" | tar -xf - -C "$1"; }

for folder in "${folders[@]}"; do
    if [[ ! -d $folder ]]; then
        echo "generate-check: $folder/ is missing; run \`make generate\` and commit what it writes" >&2
        exit 1
    fi
done
snapshot "$before"
"$1" generate
for folder in "${folders[@]}"; do
    if ! diff --recursive --unified --exclude='__pycache__' "$before/$folder" "$folder"; then
        echo "generate-check: $folder/ was stale; commit what \`make generate\` writes" >&2
        exit 1
    fi
done
