#!/usr/bin/env bash
# Format our Java, or with --check fail where it is not formatted. Usage: tools/java_format.sh [--check]
set -euo pipefail
cd "$(dirname "$0")/.."
mode=(--replace)
if [[ ${1:-} == --check ]]; then
    mode=(--dry-run --set-exit-if-changed)
fi

tools/java_tools.sh
# The formatter reads Java with the compiler's own parser, which Java does not show to everyone.
exports=()
for package in api code file parser tree util; do
    exports+=(--add-exports "jdk.compiler/com.sun.tools.javac.$package=ALL-UNNAMED")
done
find client/java/src tests/interop/drivers/java/src -name '*.java' -print0 |
    xargs -0 java "${exports[@]}" -jar build/java/google-java-format.jar --aosp "${mode[@]}"
