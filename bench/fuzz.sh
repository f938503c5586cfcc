#!/usr/bin/env bash
# Runs every fuzz target of the tree, one after the other, each for the given time. New corpus entries that fail are
# written to the package's testdata/fuzz: keep them.
set -euo pipefail
cd "$(dirname "$0")/.."

time=${1:?usage: fuzz.sh TIME, such as 30s}
grep -rlE '^func Fuzz' --include='*_test.go' . | sort | while read -r file; do
  grep -oE '^func Fuzz[A-Za-z0-9_]+' "$file" | sed 's/^func //' | while read -r target; do
    echo "== $(dirname "$file") $target"
    go test "$(dirname "$file")" -run='^$' -fuzz="^$target\$" -fuzztime="$time" </dev/null
  done
done
