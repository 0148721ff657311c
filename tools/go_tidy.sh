#!/usr/bin/env bash
# Tidy go.mod and go.sum of one of our modules. Usage: tools/go_tidy.sh FOLDER [-diff]
#
# `go mod tidy` does not know workspaces, and our modules need each other before they are released: it
# gets a copy of go.mod that replaces them, and what it finds goes back without the replacements.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
cd "$1"
mode=${2:-}
export GOWORK=off
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

cp go.mod "$scratch/go.mod"
cp go.sum "$scratch/go.sum" 2>/dev/null || true
for pair in tierwise.dev/client=client/go tierwise.dev/proto=generated/go; do
    go mod edit -replace "${pair%%=*}=$root/${pair#*=}" "$scratch/go.mod"
done
go mod tidy -modfile="$scratch/go.mod" ${mode:+"$mode"}
if [[ -z $mode ]]; then
    go mod edit -dropreplace tierwise.dev/client -dropreplace tierwise.dev/proto "$scratch/go.mod"
    cp "$scratch/go.mod" go.mod
    cp "$scratch/go.sum" go.sum
fi
