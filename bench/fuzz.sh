#!/usr/bin/env bash
# Runs fuzz targets, each for the given time: those that are named, or every one of the tree. Inputs that fail are written
# to the package's testdata/fuzz: keep them.
set -euo pipefail
cd "$(dirname "$0")/.."

usage="usage: fuzz.sh TIME [TARGET...], such as: fuzz.sh 30s FuzzAnalyze"
time=${1:?$usage}
shift

# Minimizing an input may take a minute by default, which would be all of the time of a short run.
fuzz() { # FILE TARGET
  local package log
  package=$(dirname "$1")
  echo "== $package $2"
  log=$(go test "$package" -run='^$' -fuzz="^$2\$" -fuzztime="$time" -fuzzminimizetime=5x </dev/null 2>&1) && {
    tail -n 3 <<<"$log"
    return
  }
  cat <<<"$log"
  # The end of the time can hit a worker in the middle of an input (golang.org/issue/48591). Then there is no input that fails.
  if grep -q 'context deadline exceeded' <<<"$log" && ! grep -qE 'Failing input|panic:|_test.go:' <<<"$log"; then
    echo "the time ended in the middle of an input; nothing was found"
    return
  fi
  return 1
}

targets=$(grep -roE '^func Fuzz[A-Za-z0-9_]+' --include='*_test.go' . | sed 's/:func / /' | sort)
for name in "$@"; do
  grep -q " $name\$" <<<"$targets" || { echo "there is no fuzz target $name" >&2; exit 2; }
done
while read -r file target; do
  if [ $# -eq 0 ] || [[ " $* " == *" $target "* ]]; then
    fuzz "$file" "$target"
  fi
done <<<"$targets"
