#!/bin/sh
# `make test` and `make test-full`: lint, then the suite on each backend.
# Everything runs even where something fails; the summary at the end says what.
set -u

fast="not slow"
[ "$1" = test-full ] && fast="slow or not slow"
failed=0
summary=""

step() {
    name=$1
    shift
    echo "=== $name"
    start=$(date +%s)
    if "$@"; then verdict=passed; else verdict=FAILED failed=1; fi
    seconds=$(($(date +%s) - start))
    line=$(printf '%-12s %s in %d s' "$name" "$verdict" "$seconds")
    summary="$summary$line
"
}

step lint "$MAKE" --no-print-directory lint
once=""
for backend in $BACKENDS; do
    # What does not depend on the backend runs under the first one only;
    # worksteal keeps most of a file, its fixtures and what it compiled, on
    # one worker.
    step "$backend" env KERAS_BACKEND="$backend" \
        "$BIN/python" -m pytest -q -n 2 --dist worksteal -m "($fast)$once" tests
    once=" and not run_once"
done

printf '\n%s' "$summary"
exit "$failed"
