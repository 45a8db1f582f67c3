# Sourced: puts the pinned pnpm first on PATH, for turbo calls pnpm by its name too. Wants $repo and $MUSTER_HOME.
# shellcheck shell=bash disable=SC2154,SC2034
PNPM_VERSION=$(sed -n 's/.*"packageManager": "pnpm@\([0-9.]*\).*/\1/p' "$repo/package.json")

# Where tools go that the system lacks; a person without root keeps them at home.
PNPM_PREFIX=$MUSTER_HOME/tools
if [ "$(id -u)" != 0 ] && ! [ -x "$PNPM_PREFIX/bin/pnpm" ]; then PNPM_PREFIX=${XDG_CACHE_HOME:-$HOME/.cache}/muster/tools; fi

# Asked from outside the repository: inside it another version would fetch the pinned one just to answer.
pnpm_is_there() { command -v pnpm >/dev/null && [ "$(cd / && pnpm --version 2>/dev/null)" = "$PNPM_VERSION" ]; }

PNPM_OF_PERSON=1
if ! pnpm_is_there; then
  PNPM_OF_PERSON=
  export PATH=$PNPM_PREFIX/bin:$PATH
fi
export TURBO_TELEMETRY_DISABLED=1 DO_NOT_TRACK=1
