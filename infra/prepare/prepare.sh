#!/bin/bash
# Prepares this machine and this clone; what is already there costs a fraction of a second.
#
#   prepare.sh all      Debian packages, frp, the workspace image, pnpm, dependencies, build. Needs root.
#   prepare.sh test     the same, and what only the tests need.
#   prepare.sh client   pnpm, dependencies, build: enough for the command line. No root.
#
# One line per step goes to stderr, because stdout belongs to the command that comes after (`--json`).
set -euo pipefail

here=$(dirname "$(readlink -f "$0")")
repo=$(dirname "$(dirname "$here")")
export MUSTER_HOME=${MUSTER_HOME:-/var/lib/muster}
logs=$MUSTER_HOME/log/prepare
if [ "$(id -u)" != 0 ]; then logs=${XDG_CACHE_HOME:-$HOME/.cache}/muster/log; fi
mkdir -p "$logs"

# shellcheck source=infra/prepare/step.sh
. "$here/step.sh"
# shellcheck source=infra/prepare/packages.sh
. "$here/packages.sh"
# shellcheck source=infra/prepare/tree.sh
. "$here/tree.sh"

prepare_frp() { step frp "frp 0.70.1" frp_is_there "$repo/infra/frp/build.sh"; }
frp_is_there() { [ "$("$repo/infra/frp/build.sh" --source)" != build ]; }

prepare_image() { step image "image workspace" image_is_there "$repo/infra/images/workspace/build.sh"; }
image_is_there() {
  local description
  description=$("$repo/infra/images/workspace/build.sh" --path)
  [ -f "$description" ] && [ -f "${description%.json}.tar" ]
}

# The image and frp want what apt brings; the tree wants nothing of either.
prepare_host() {
  prepare_packages || return 1
  beside prepare_frp
  beside prepare_image
  join
}

# One at a time: a second call waits here and then finds everything done.
lock() {
  exec 9>"$1"
  flock -n 9 && return
  echo "another preparation is running; waiting for it" >&2
  flock 9
}

case ${1:-} in
  all | test)
    [ "$(id -u)" = 0 ] || { echo "prepare.sh $1 needs root" >&2; exit 1; }
    # The smallest image that there is (one file, no library), and the browser for the web app.
    if [ "$1" = test ]; then needs_of_tests="busybox:busybox-static chromium:chromium docker-compose:docker-compose"; fi
    lock "$MUSTER_HOME/prepare.lock"
    chmod 755 "$MUSTER_HOME"
    note_users
    beside prepare_host
    beside prepare_tree
    join ;;
  client)
    lock "$logs/../prepare.lock"
    prepare_tree ;;
  *) echo "usage: prepare.sh all | test | client" >&2; exit 1 ;;
esac
