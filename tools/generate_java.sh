#!/usr/bin/env bash
# Write generated/java from proto/. Needs buf on PATH, Java and Maven; tools/java/pom.xml pins the plugins.
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/toolchain.sh
need_toolchain Java java "Java 17 or newer (Debian: openjdk-17-jdk-headless)"
need_toolchain Java mvn "Maven 3.8 or newer (Debian: maven)"

tools/java_tools.sh
buf generate --template buf.gen.java.yaml
