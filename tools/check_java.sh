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
# The same classes on the newest Protobuf and gRPC, which a program may bring itself.
mvn --quiet --batch-mode --file client/java/pom.xml --activate-profiles newest surefire:test \
    -Dtest='ClientTest,GenerationStreamTest,StatusesTest,TlsTest'
