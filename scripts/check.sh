#!/bin/sh
# Checks format, lint, types, names and unused code. `bun run check` and CI both come here.

set -e
cd "$(dirname -- "$0")/.."
sh scripts/bootstrap.sh --redis none
exec sh scripts/bun.sh scripts/check.ts
