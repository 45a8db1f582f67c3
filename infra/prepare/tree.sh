# Sourced: pnpm, the clone's dependencies and its build. Stamps lie in node_modules, so they go when that goes.
# shellcheck shell=bash disable=SC2154
# shellcheck source=infra/prepare/pnpm.sh
. "$here/pnpm.sh"
# shellcheck source=infra/prepare/sources.sh
. "$here/sources.sh"
readonly INSTALL_STAMP=$repo/node_modules/.muster-install

prepare_tree() {
  step pnpm "pnpm $PNPM_VERSION" pnpm_is_there npm install -g --no-fund --no-audit --cache "$PNPM_PREFIX/npm-cache" --prefix "$PNPM_PREFIX" "pnpm@$PNPM_VERSION" &&
    step dependencies "dependencies" dependencies_are_there install_dependencies &&
    step build "build" build_is_there build_tree
}

# A clone that belongs to the person behind sudo stays theirs, and strangers' install scripts do not run as root.
as_owner() {
  local owner
  owner=$(stat -c %u "$repo")
  if [ "$(id -u)" != 0 ] || [ "$owner" = 0 ] || [ "$owner" != "${MUSTER_CALLER_UID:-0}" ]; then "$@"; return; fi
  setpriv --reuid="$owner" --regid="${MUSTER_CALLER_GID:-$owner}" --clear-groups env "HOME=$MUSTER_CALLER_HOME" "$@"
}

runs_as_owner() { [ "$(as_owner id -u)" != "$(id -u)" ]; }

lock_hash() { (cd "$repo" && cat pnpm-lock.yaml pnpm-workspace.yaml package.json apps/*/package.json packages/*/package.json && node --version) | sha256sum; }

source_hash() {
  (cd "$repo" && lock_hash && sources -type f -print0 | sort -z | xargs -0 sha256sum) | sha256sum
}

dependencies_are_there() { [ "$(cat "$INSTALL_STAMP" 2>/dev/null)" = "$(lock_hash)" ]; }

# Root's folders for stores and settings would outlive `uninstall`; a person who uses pnpm already keeps their store.
install_dependencies() {
  local folders=()
  if ! runs_as_owner && [ "$(id -u)" = 0 ] && [ -z "$PNPM_OF_PERSON" ]; then
    folders=(env "XDG_DATA_HOME=$MUSTER_HOME/cache" "XDG_CACHE_HOME=$MUSTER_HOME/cache" "XDG_CONFIG_HOME=$MUSTER_HOME/tools/config")
  fi
  # CI=1: with no terminal pnpm would refuse to replace a node_modules that another store made.
  (cd "$repo" && CI=1 as_owner "${folders[@]}" pnpm install --frozen-lockfile) || return 1
  lock_hash | as_owner tee "$INSTALL_STAMP" >/dev/null
}

build_is_there() {
  local package
  [ "$(cat "$BUILD_STAMP" 2>/dev/null)" = "$(source_hash)" ] || return 1
  for package in "$repo"/apps/* "$repo"/packages/*; do
    ! grep -qs '"build":' "$package/package.json" || [ -d "$package/dist" ] || return 1
  done
  as_owner touch "$BUILD_STAMP" # sources that are newer and the same are not looked at again
}

build_tree() {
  local hash home=()
  if ! runs_as_owner && [ "$(id -u)" = 0 ]; then home=(env "HOME=$MUSTER_HOME/tools/home"); fi
  hash=$(source_hash)
  (cd "$repo" && as_owner "${home[@]}" pnpm run build 9>&-) || return 1
  # What was edited meanwhile counts as not built.
  [ "$(source_hash)" != "$hash" ] || as_owner tee "$BUILD_STAMP" <<<"$hash" >/dev/null
}
