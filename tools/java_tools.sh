#!/usr/bin/env bash
# Copy the tools that tools/java/pom.xml pins to build/java: protoc, its gRPC plugin, and the formatter.
set -euo pipefail
cd "$(dirname "$0")/.."

# As the registry names its programs.
case "$(uname -s)" in
    Darwin) platform=osx ;;
    *) platform=linux ;;
esac
case "$(uname -m)" in
    arm64 | aarch64) platform+=-aarch_64 ;;
    *) platform+=-x86_64 ;;
esac

stamp=build/java/.stamp
if [[ $stamp -nt tools/java/pom.xml && $stamp -nt tools/java_tools.sh ]]; then
    exit
fi
mvn --quiet --batch-mode --file tools/java/pom.xml dependency:copy -Dplatform="$platform"
chmod +x build/java/protoc build/java/protoc-gen-grpc-java
touch "$stamp"
