#!/usr/bin/env bash
# Proves that a release does not depend on where, when and by whom it is built: builds that of this machine from a copy of the tree, and again from
# one elsewhere, under another umask and time zone, both without git, and compares the digests. The compiler's cache serves both, since it is -trimpath that keeps directories out.
set -euo pipefail
cd "$(dirname "$0")/../.."
nfpm=$(realpath -- "${1:?usage: deploy/release/check.sh NFPM}")
scratch=$(mktemp -d)
trap 'rm -rf -- "$scratch"' EXIT

version=0.0.0-check commit=$(git rev-parse HEAD) epoch=$(git log -1 --format=%ct)
options=(-nfpm "$nfpm" -arch host -version "$version" -commit "$commit" -epoch "$epoch")
# Both from copies: what somebody edits meanwhile is in neither. Files that are not added yet belong to the tree as well, and those that are gone do not.
mkdir -p "$scratch/here" "$scratch/some/where/else"
git ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' name; do [ ! -e "$name" ] || printf '%s\0' "$name"; done |
  tar --null --no-recursion -c -T - | tar -x -C "$scratch/here"
(umask 077 && tar -c -C "$scratch/here" . | tar -x --no-same-permissions -C "$scratch/some/where/else")
(cd "$scratch/here" && go run ./deploy/release -dist "$scratch/one" "${options[@]}")
(cd "$scratch/some/where/else" && umask 027 && TZ=Asia/Shanghai LC_ALL=C go run ./deploy/release -dist "$scratch/two" "${options[@]}")
if ! diff -u "$scratch/one/SHA256SUMS" "$scratch/two/SHA256SUMS"; then
  echo "two builds of the same tree differ"
  exit 1
fi
echo "release-check: $(wc -l <"$scratch/one/SHA256SUMS") files are the same"
