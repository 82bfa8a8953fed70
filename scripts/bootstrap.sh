#!/bin/sh
# Installs what this project needs and the machine lacks: Bun, the locked packages, a Redis server.
#
#   sh scripts/bootstrap.sh [--redis wanted|required|none]
#
# It is silent when nothing is missing. Otherwise it tells on stderr what it installs, asks nothing, and
# fails with a line that says what is missing. Bun and the packages stay in this folder (.troupe/tools,
# node_modules); Redis comes from the system's package manager. Where that cannot be, a `wanted` Redis
# (the default, not looked for when REDIS_URL names one) is done without, and a `required` one is an error.

set -u
cd "$(dirname -- "$0")/.." || exit 1

redis=${2:-wanted}
case "${1:---redis} $redis" in
  "--redis wanted") [ -z "${REDIS_URL:-}" ] || redis=none ;;
  "--redis required" | "--redis none") ;;
  *)
    echo "usage: sh scripts/bootstrap.sh [--redis wanted|required|none]" >&2
    exit 2
    ;;
esac

bun_version=$(sed -n 's/.*"bun": *">=\([0-9.]*\)".*/\1/p' package.json)
tools=.troupe/tools
lock=.troupe/bootstrap.lock
locked=no
PATH=$PWD/$tools/bin:$PATH

say() {
  printf 'bootstrap: %s\n' "$*" >&2
}

die() {
  say "$*"
  exit 1
}

# --- What is there

has_bun() {
  sh scripts/bun.sh --version >/dev/null 2>&1
}

# The stamp is a copy of the lockfile that node_modules was installed from.
has_packages() {
  [ "$(cat node_modules/.bootstrapped 2>/dev/null)" = "$(cat bun.lock)" ]
}

# Is $1 a Redis or Valkey server of version 7 or newer? It says `Redis server v=7.0.15 sha=…`.
is_redis() {
  server=$(command -v "$1") && server=$("$server" --version 2>/dev/null) || return 1
  server=${server#*v=}
  [ "${server%%.*}" -ge 7 ] 2>/dev/null
}

has_redis() {
  [ "$redis" = none ] || is_redis redis-server || is_redis valkey-server
}

# --- One bootstrap at a time

# The lock is a symbolic link to the number of the process that holds it: made in one step, with its content.

alive() {
  # Another user's process refuses the signal, but can be seen.
  kill -0 "$1" 2>/dev/null || [ -d "/proc/$1" ] || ps -p "$1" >/dev/null 2>&1
}

unlock() {
  [ "$locked" = no ] || rm -f "$lock"
  locked=no
}

# Fails where this folder cannot be written.
take_lock() {
  waited=0
  refused=0
  mkdir -p .troupe 2>/dev/null || return 1
  until ln -s $$ "$lock" 2>/dev/null; do
    holder=$(readlink "$lock")
    if [ -z "$holder" ]; then
      refused=$((refused + 1))
      [ "$refused" -lt 3 ] || return 1
    elif alive "$holder"; then
      [ "$waited" -ne 1 ] || say "waiting for another bootstrap (process $holder)"
      [ "$waited" -lt 900 ] || die "process $holder does not end; if it is none of ours, remove $lock"
      waited=$((waited + 1))
      sleep 1
    # Who held it died. Only one at a time may remove it, and looks again: it may have a new holder by now.
    elif mkdir "$lock.removal" 2>/dev/null; then
      holder=$(readlink "$lock")
      [ -z "$holder" ] || alive "$holder" || rm -f "$lock"
      rmdir "$lock.removal"
    else
      sleep 1
    fi
  done
  locked=yes
}

# --- Bun

# The package has a binary for each kind of machine, and npm brings those that may fit (an older npm those for
# glibc and for musl). We link the one that runs, so no install script of the package need be allowed.
# The cache is our own and goes again: a HOME that cannot be written is no obstacle.
install_bun() {
  say "installing Bun $bun_version into $tools"
  rm -rf "$tools/bun" "$tools/bin/bun"
  mkdir -p "$tools/bun" "$tools/bin" || die "cannot write to $PWD/$tools, where Bun would go"
  if command -v npm >/dev/null; then
    npm install --prefix "$tools/bun" --cache "$tools/cache" --no-save --ignore-scripts --include=optional \
      --no-audit --no-fund --no-update-notifier --loglevel=error \
      --fetch-retry-mintimeout=1000 --fetch-retry-maxtimeout=5000 "bun@$bun_version" </dev/null >&2
  elif command -v bun >/dev/null; then
    echo '{}' >"$tools/bun/package.json"
    BUN_INSTALL_CACHE_DIR=$PWD/$tools/cache \
      bun add --cwd "$tools/bun" --ignore-scripts "bun@$bun_version" </dev/null >&2
  else
    die "there is neither npm nor Bun on PATH; install Node.js with npm, or Bun $bun_version or newer"
  fi || die "Bun $bun_version could not be installed (see above); is the npm registry within reach?"
  rm -rf "$tools/cache"

  for binary in "$tools"/bun/node_modules/@oven/bun-*/bin/bun; do
    if [ "$("$binary" --version 2>/dev/null)" = "$bun_version" ]; then
      ln -s "../${binary#"$tools"/}" "$tools/bin/bun"
      return
    fi
  done
  "$binary" --version >&2
  die "the package bun@$bun_version has no binary that runs on this machine ($(uname -sm))"
}

# --- Packages

install_packages() {
  say "installing the packages of bun.lock"
  sh scripts/bun.sh install --frozen-lockfile </dev/null >&2 ||
    die "the packages of bun.lock could not be installed (see above); is the npm registry within reach?"
  # Without the stamp the next run only looks through the packages once more.
  cp bun.lock node_modules/.bootstrapped 2>/dev/null || true
}

# --- Redis

# How this user becomes root without being asked for a password, if at all.
may_be_root() {
  if [ "$(id -u)" = 0 ]; then become=
  elif sudo -n true 2>/dev/null; then become='sudo -n'
  elif doas -n true 2>/dev/null; then become='doas -n'
  else return 1
  fi
}

as_root() {
  $become "$@" </dev/null >&2
}

# Debian starts a service when it is installed, unless policy-rc.d forbids it, and at every boot. Ours is a
# private process, so neither is wanted. The policy holds only while this shell lives: were it left behind,
# it would forbid nothing.
apt_install='
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    trap "rm -f $policy" EXIT
    trap "exit 130" INT TERM HUP
    printf "#!/bin/sh\nkill -0 %s 2>/dev/null && exit 101\nexit 0\n" $$ >"$policy"
    chmod 755 "$policy"
  fi
  DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 apt-get -y -q --no-install-recommends \
    -o DPkg::Lock::Timeout=120 -o Acquire::Retries=1 -o Acquire::http::Timeout=20 install "$1" || exit
  update-rc.d "$1" disable >/dev/null 2>&1 || true
'

# A package that would be too old (Debian 11, Ubuntu 22.04) is not installed. The lists are fetched only
# when there is no other way: a fresh container has none, and old ones name packages that are gone.
with_apt() {
  for lists in as-they-are fetched; do
    if [ "$lists" = fetched ]; then
      as_root apt-get -q -o Acquire::Retries=1 -o Acquire::http::Timeout=20 update || return 1
    fi
    for package in redis-server valkey-server; do
      major=$(apt-cache policy "$package" 2>/dev/null |
        sed -n 's/^ *Candidate: \([0-9]*:\)\{0,1\}\([0-9]*\)\..*/\2/p')
      if [ "${major:-0}" -ge 7 ] && as_root sh -c "$apt_install" sh "$package"; then
        return 0
      fi
    done
  done
  return 1
}

# Outside of Debian no package starts a service by being installed. `redis` is not the same everywhere: where
# it became too old, or went away, `valkey` stands before it.
with_manager() {
  case $1 in
    apt-get) with_apt ;;
    apk) as_root apk add --no-cache redis || as_root apk add --no-cache valkey ;;
    dnf | microdnf | yum) as_root "$1" -y install valkey || as_root "$1" -y install 'redis >= 7' ;;
    pacman)
      as_root pacman -S --noconfirm --needed valkey || as_root pacman -Sy --noconfirm --needed valkey ||
        as_root pacman -S --noconfirm --needed redis
      ;;
    zypper) as_root zypper -n install valkey || as_root zypper -n install redis ;;
    brew)
      export NONINTERACTIVE=1 HOMEBREW_NO_AUTO_UPDATE=1
      brew install redis </dev/null >&2 || brew install valkey </dev/null >&2
      ;;
  esac
}

first_of() {
  for program; do
    command -v "$program" >/dev/null && echo "$program" && return
  done
  return 1
}

# Some systems keep servers where a plain user's PATH does not look.
link_redis() {
  for folder in /usr/sbin /sbin /usr/local/bin /opt/homebrew/bin /home/linuxbrew/.linuxbrew/bin; do
    for name in redis-server valkey-server; do
      if is_redis "$folder/$name"; then
        mkdir -p "$tools/bin" && ln -sf "$folder/$name" "$tools/bin/$name"
        return
      fi
    done
  done
  return 1
}

install_redis() {
  link_redis && return
  # Homebrew needs no root, and refuses it.
  if may_be_root && manager=$(first_of apt-get apk dnf microdnf yum pacman zypper) ||
    manager=$(first_of brew); then
    say "installing a Redis server with $manager"
    with_manager "$manager"
    has_redis || link_redis && return
    problem="$manager gave none (see above)"
  else
    problem="there is no package manager that this user may install with, unasked"
  fi
  problem="no redis-server or valkey-server 7.0 or newer is on PATH, and $problem"
  [ "$redis" = wanted ] || die "$problem; the tests need one"
  say "$problem; 'npm start' falls back to the memory store, and 'npm test' will not run"
}

# --- All of it

has_bun && has_packages && has_redis && exit

trap unlock EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
if ! take_lock && ! { has_bun && has_packages; }; then
  die "cannot write to $PWD, so Bun $bun_version and the packages of bun.lock cannot be installed"
fi

has_bun || install_bun
has_packages || install_packages
has_redis || install_redis
