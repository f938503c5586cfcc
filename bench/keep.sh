#!/usr/bin/env bash
# Keeps what fuzzing one target has found: the inputs in the build cache that reached new code join the package's
# testdata/NAME.corpus. Longer inputs than 300 characters are left out; what fails is in testdata/fuzz by itself.
set -euo pipefail
cd "$(dirname "$0")/.."

usage="usage: keep.sh PACKAGE TARGET, such as: keep.sh ./internal/shell FuzzAnalyze"
package=${1:?$usage} target=${2:?$usage}
found=$(go env GOCACHE)/fuzz/$(go list "$package")/$target
kept=$(go list -f '{{.Dir}}' "$package")/testdata/$target.corpus
{
  cat "$kept" 2>/dev/null || true
  # Each file is a header and a line such as []byte("…") or string("…").
  find "$found" -type f -exec sed -sn '2s/^[^(]*(\(".*"\))$/\1/p' {} +
} | awk 'length <= 300' | LC_ALL=C sort -u -o "$kept"
wc -l "$kept"
