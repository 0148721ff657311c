#!/usr/bin/env bash
# Check and test what there is in Go: format, vet, staticcheck, tests, and that a user can resolve it.
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/toolchain.sh
need_toolchain Go go "Go 1.26 or newer (Debian: golang-go)"
modules=(client/go tests/interop/drivers/go)
scratch=$(mktemp -d)
trap 'chmod -R u+w "$scratch"; rm -rf "$scratch"' EXIT

unformatted=$(gofmt -l "${modules[@]}")
if [[ -n $unformatted ]]; then
    echo "gofmt -w these: $unformatted" >&2
    exit 1
fi
# The tools are a module of their own, apart from the workspace of what we ship.
GOWORK=off go -C tools/go build -o "$scratch/staticcheck" honnef.co/go/tools/cmd/staticcheck
for module in "${modules[@]}"; do
    (cd "$module" && go vet ./... && "$scratch/staticcheck" ./...)
    tools/go_tidy.sh "$module" -diff
done
(cd client/go && go test ./...)

# As a user has it: both modules from a registry, without this repository's workspace around them.
version=$(sed -n 's/^const Version = "\(.*\)"/v\1/p' client/go/version.go)
registry=$scratch/registry
python3 tools/go_registry.py "$registry" tierwise.dev/client "$version" client/go
python3 tools/go_registry.py "$registry" tierwise.dev/proto "$version" generated/go
mkdir "$scratch/user"
cd "$scratch/user"
cat >main.go <<'GO'
package main

import (
	_ "tierwise.dev/client"
	_ "tierwise.dev/client/tierwisetest"
	_ "tierwise.dev/proto/tierwise/v1"
)

func main() {}
GO
# What was downloaded before need not be again.
cached="file://$(go env GOMODCACHE)/cache/download"
export GOWORK=off GOMODCACHE=$scratch/modules GONOSUMDB=tierwise.dev GOFLAGS=-mod=mod
GOPROXY="file://$registry,$cached,$(go env GOPROXY)"
export GOPROXY
if ! {
    go mod init example.com/user &&
        go get "tierwise.dev/client@$version" "tierwise.dev/proto@$version" &&
        go list -deps . &&
        go mod verify
} >"$scratch/log" 2>&1; then
    cat "$scratch/log" >&2
    echo "Go: a user cannot resolve tierwise.dev/client $version" >&2
    exit 1
fi
echo "Go: tierwise.dev/client $version resolves without this repository"
