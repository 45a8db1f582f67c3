# Sourced: what a build of this clone reads. Wants $repo.
# shellcheck shell=bash disable=SC2154
readonly BUILD_STAMP=$repo/node_modules/.muster-build

# sources TEST…  What `find` finds of it; generated and installed things are not sources.
sources() {
  (cd "$repo" && find package.json pnpm-lock.yaml pnpm-workspace.yaml turbo.json tsconfig.base.json apps packages prisma bench \
    \( -name node_modules -o -name dist -o -name generated -o -name .turbo -o -name next-env.d.ts \) -prune -o "$@")
}

# 10 ms, and true after a `git pull` as after an edit. What was built by hand has no stamp and is trusted.
build_is_old() {
  [ -f "$repo/apps/cli/dist/main.js" ] || return 0
  [ -f "$BUILD_STAMP" ] && [ -n "$(sources -newer "$BUILD_STAMP" -print -quit)" ]
}
