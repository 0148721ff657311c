# Sourced by the scripts of one language. A laptop without the language's toolchain can do everything
# else: the step is skipped with a message. CI has every toolchain, or fails.

# Usage: need_toolchain LANGUAGE PROGRAM WHERE; ends the calling script when the program is missing.
need_toolchain() {
    local language=$1 program=$2 where=$3
    if command -v "$program" >/dev/null; then
        return
    fi
    if [[ ${CI:-} == true ]]; then
        echo "$language: $program is missing, and CI needs it; it comes with $where" >&2
        exit 1
    fi
    echo "$language: skipped, because $program is missing; it comes with $where"
    exit 0
}
