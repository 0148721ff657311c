#!/usr/bin/env bash
# Fail when the contract breaks its callers. Usage: tools/buf_breaking.sh BUF [COMMIT]
#
# It is compared with the last release, if there is one, and with the main branch: where this work
# left it, or, on the main branch itself, the commit before this one.
set -euo pipefail
cd "$(dirname "$0")/.."
buf=$1
against=${2:-}

main_base() {
    local ref base
    for ref in refs/remotes/origin/main refs/heads/main; do
        base=$(git merge-base HEAD "$ref" 2>/dev/null) || continue
        if [[ $base != $(git rev-parse HEAD) ]]; then
            echo "$base"
            return
        fi
    done
    git rev-parse --verify --quiet 'HEAD~1^{commit}' || true
}

compare() {
    local commit=$1 name=$2
    if [[ -z $(git ls-tree "$commit" -- proto) ]]; then
        echo "buf breaking: $name ($commit) has no contract yet; nothing can break"
        return
    fi
    echo "buf breaking: comparing with $name ($commit)"
    "$buf" breaking --against ".git#ref=$commit"
}

if ! git rev-parse --verify --quiet 'HEAD^{commit}' >/dev/null; then
    echo "buf breaking: this is not a git clone, so there is nothing to compare the contract with" >&2
    exit 1
fi
if [[ -n $against ]]; then
    compare "$(git rev-parse --verify "$against^{commit}")" "$against"
    exit
fi

release=$(git describe --tags --abbrev=0 --match 'v[0-9]*' 2>/dev/null || true)
if [[ -n $release ]]; then
    compare "$(git rev-parse "$release^{commit}")" "$release"
fi
base=$(main_base)
if [[ -n $base ]]; then
    compare "$base" "the main branch"
elif [[ -z $release ]]; then
    if [[ $(git rev-parse --is-shallow-repository) == true ]]; then
        echo "buf breaking: this clone is too shallow to compare; fetch one commit more, or the tags" >&2
        exit 1
    fi
    echo "buf breaking: this is the first commit; nothing can break"
fi
