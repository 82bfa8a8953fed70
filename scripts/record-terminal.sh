#!/bin/sh
# Records the command line as people see it: a session in tmux, its screen written to docs/examples/terminal.txt at each
# step, one of them while a progress bar moves. It needs tmux and a redis-server, and starts a Redis of its own.
#
#   sh scripts/record-terminal.sh

set -eu
cd "$(dirname -- "$0")/.."
root=$PWD
command -v tmux >/dev/null || { echo "record-terminal.sh: tmux is not installed" >&2; exit 1; }

folder=$(mktemp -d)
out=$root/docs/examples/terminal.txt
# A server of its own, so that no session of the user's is touched.
mux() { tmux -S "$folder/tmux.sock" "$@"; }
finish() {
  mux kill-server 2>/dev/null || true
  [ -z "${redis:-}" ] || kill "$redis" 2>/dev/null || true
  wait
  rm -rf "$folder"
}
trap finish EXIT
trap 'exit 130' INT TERM

redis-server --port 0 --unixsocket "$folder/redis.sock" --save '' --dir "$folder" >/dev/null &
redis=$!

cat >"$folder/rc" <<EOF
PS1='\$ '
export REDIS_URL=unix:$folder/redis.sock TROUPE_HANDLERS=$root/docs/examples/handlers TROUPE_LOG=warn
troupe() { sh $root/scripts/bun.sh $root/api/main.ts "\$@"; }
cd $folder
EOF
mux -f /dev/null new-session -d -x 120 -y 30 "bash --noprofile --rcfile $folder/rc -i"
mux new-window -d "bash --noprofile --rcfile $folder/rc -ic 'troupe worker'"

screen() { mux capture-pane -p -t :0; }

# Waits until the screen shows $1, at most two minutes.
await() {
  tries=0
  until screen | grep -q -- "$1"; do
    tries=$((tries + 1))
    [ "$tries" -lt 1200 ] || { echo "record-terminal.sh: never saw: $1" >&2; screen >&2; exit 1; }
    sleep 0.1
  done
}

# Clears the screen and types $1; the prompt comes back when it has ended.
type_in() {
  mux send-keys -t :0 C-l
  mux send-keys -t :0 -l -- "$1"
  mux send-keys -t :0 Enter
}
ended() { await '^\$ *$'; }
keep() { screen | sed -e 's/ *$//' -e :a -e '/^\n*$/{$d;N;ba' -e '}' | sed '${/^\$ *$/d;}' >>"$out"; echo >>"$out"; }

: >"$out"
# Before there is a worker a submit would warn.
until REDIS_URL=unix:$folder/redis.sock sh scripts/bun.sh api/main.ts workers | grep -q running; do sleep 1; done
await '^\$'
type_in "troupe submit demo.walk --input '{\"steps\": 8}' --wait"
# As it moves, and when it is gone.
await '\[#.*%'
keep
ended
keep
type_in 'troupe tasks'
ended
keep
type_in 'troupe workers'
ended
keep
echo "wrote $out"
