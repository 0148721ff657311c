#!/usr/bin/env bash
# Check and test what there is in Java: format, warnings, documentation comments, tests.
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/toolchain.sh
need_toolchain Java java "Java 17 or newer (Debian: openjdk-17-jdk-headless)"
need_toolchain Java mvn "Maven 3.8 or newer (Debian: maven)"

if ! tools/java_format.sh --check; then
    echo "format these with tools/java_format.sh" >&2
    exit 1
fi
mvn --quiet --batch-mode package
