# Sourced: one step = one line with its time, one log file, and on failure the end of that log. Wants $logs.
# shellcheck shell=bash disable=SC2154
green='' red='' dim='' plain=''
if [ -t 2 ] && [ -z "${NO_COLOR:-}" ]; then green=$'\e[32m' red=$'\e[31m' dim=$'\e[2m' plain=$'\e[0m'; fi

# step ID TITLE IS_DONE COMMAND…  Runs COMMAND unless IS_DONE says that there is nothing to do.
step() {
  local id=$1 title=$2 is_done=$3 begin=$EPOCHREALTIME
  shift 3
  if "$is_done" >"$logs/$id.check.log" 2>&1; then
    printf '%s✓%s %-28s %scached%s\n' "$green" "$plain" "$title" "$dim" "$plain" >&2
  elif "$@" >"$logs/$id.log" 2>&1 </dev/null; then
    printf '%s✓%s %-28s %s s\n' "$green" "$plain" "$title" "$(seconds_since "$begin")" >&2
  else
    explain_failure "$id" "$title" "$begin"
    return 1
  fi
}

explain_failure() {
  {
    printf '%s✗%s %-28s failed after %s s\n' "$red" "$plain" "$2" "$(seconds_since "$3")"
    tail -n 15 "$logs/$1.log" | sed 's/^/    /'
    printf '  What to do: %s\n  Whole log: %s\n' "$(remedy "$1")" "$logs/$1.log"
  } >&2
}

remedy() {
  case $1 in
    packages) echo "let 'apt-get update' and 'apt-get install -y --no-install-recommends ${missing[*]:-}' succeed on this machine, then run this again." ;;
    frp) echo "see the last lines above; with frps and frpc 0.70.1 at hand set FRPS_PATH and FRPC_PATH instead." ;;
    image) echo "check that this machine reaches its Debian mirror and the Python package index, then run this again." ;;
    pnpm) echo "check that 'npm view pnpm version' answers, or install pnpm ${PNPM_VERSION:-} yourself, then run this again." ;;
    dependencies) echo "check that 'npm ping' answers, then run this again." ;;
    build) echo "the sources of this clone do not compile; 'git status' shows what differs from the published ones." ;;
  esac
}

seconds_since() { awk -v a="$1" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }'; }

# Steps beside each other. Each is a process group of its own, so that Ctrl-C reaches what it started.
set -m
running=()
beside() { "$@" & running+=($!); }

join() {
  local pid failed=0
  for pid in "${running[@]}"; do wait "$pid" || failed=1; done
  running=()
  return "$failed"
}

stop_running() {
  local pid
  for pid in "${running[@]}"; do kill -TERM -- "-$pid" 2>/dev/null || true; done
  exit 130
}
trap stop_running INT TERM
