#!/bin/sh
# Runs this project's Bun with the given arguments: the one on PATH if it is new enough, else the one
# that bootstrap.sh keeps in .troupe/tools.
#
# That folder goes in front of PATH, so a child process too finds the Bun and the Redis kept there.

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd) || exit 1
oldest=$(sed -n 's/.*"bun": *">=\([0-9.]*\)".*/\1/p' "$root/package.json")

# Is version $1 at least version $2? What follows a hyphen (1.5.0-canary.3) does not count.
at_least() {
  # shellcheck disable=SC2046 # Split into numbers on purpose.
  set -- $(printf '%s %s' "${1%%-*}" "$2" | tr . ' ')
  [ $# -eq 6 ] && [ $(($1 * 1000000 + $2 * 1000 + $3)) -ge $(($4 * 1000000 + $5 * 1000 + $6)) ]
}

for bun in "$(command -v bun)" "$root/.troupe/tools/bin/bun"; do
  if [ -x "$bun" ] && at_least "$("$bun" --version 2>/dev/null)" "$oldest"; then
    PATH=$root/.troupe/tools/bin:$PATH
    export PATH
    exec "$bun" "$@"
  fi
done

echo "bun.sh: there is no Bun $oldest or newer here; 'sh scripts/bootstrap.sh' installs it" >&2
exit 127
