#!/usr/bin/env bash
# Runs every test of the workspace against the servers that `servers run` provides, and closes with the counts.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
log=$(mktemp "${TMPDIR:-/tmp}/techcare-db-test.XXXXXX")
trap 'rm -f "$log"' EXIT
# Tests mostly wait for servers and for the program that they run: one a core would leave half of the machine idle.
export RUST_TEST_THREADS=${RUST_TEST_THREADS:-$(($(nproc) * 2))}

"${CARGO:-cargo}" test --workspace --locked --no-fail-fast "$@" 2>&1 | tee "$log"
status=${PIPESTATUS[0]}

awk '
    /^test result: / {
        for (i = 2; i <= NF; i++) {
            if ($i == "passed;") passed += $(i - 1)
            if ($i == "failed;") failed += $(i - 1)
            if ($i == "ignored;") ignored += $(i - 1)
        }
    }
    /^test .* \.\.\. FAILED$/ { names = names "\n  " $2 }
    END {
        printf "\n%d tests run: %d passed, %d failed, %d ignored%s\n", passed + failed, passed, failed, ignored, names
        exit passed + failed == 0
    }' "$log" || status=1
exit "$status"
