#!/bin/sh
# Installs PostgreSQL and its extension pgvector, which the tests of vectors in PostgreSQL want and nothing else here needs.
#
#   sh scripts/pgvector.sh
#
# For Debian and Ubuntu, as somebody who may install; silent when nothing is missing. Where the system has a package of pgvector for its
# PostgreSQL that one is taken. Debian 12 has none, so there the source package of Debian 13 is built. Without it these tests are
# skipped, and say so.

set -u

say() {
  printf 'pgvector: %s\n' "$*" >&2
}

has_pgvector() {
  for control in /usr/share/postgresql/*/extension/vector.control; do
    [ -e "$control" ] && return
  done
  return 1
}

has_pgvector && exit

if [ "$(id -u)" = 0 ]; then become=
elif sudo -n true 2>/dev/null; then become='sudo -n'
else
  say "it is missing, and this user may install nothing"
  exit 1
fi

as_root() {
  $become "$@" </dev/null >&2
}

install() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -y -q --no-install-recommends \
    -o Dpkg::Options::=--force-confold -o DPkg::Lock::Timeout=120 -o Acquire::Retries=1 install "$@"
}

command -v apt-get >/dev/null || {
  say "it is missing, and there is no apt-get to install it with"
  exit 1
}

say "installing PostgreSQL and pgvector"
as_root apt-get -q -o DPkg::Lock::Timeout=120 update || exit 1
# Debian would set up a database of its own and start it; ours are private.
[ -e /etc/postgresql-common/createcluster.conf ] ||
  as_root sh -c 'mkdir -p /etc/postgresql-common && echo create_main_cluster = false >/etc/postgresql-common/createcluster.conf'
install postgresql || exit 1
version=
for folder in /usr/lib/postgresql/*/bin; do
  version=${folder#/usr/lib/postgresql/}
  version=${version%/bin}
done

if apt-cache show "postgresql-$version-pgvector" >/dev/null 2>&1; then
  install "postgresql-$version-pgvector"
  exit
fi

# A list of its own, so that nothing else is ever taken from there.
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
chmod 755 "$folder"
mkdir -p "$folder/lists/partial" "$folder/cache/archives/partial"
echo 'deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian trixie main' \
  >"$folder/sources.list"
from_trixie() {
  apt-get -q -o Dir::Etc::SourceList="$folder/sources.list" -o Dir::Etc::SourceParts=/dev/null \
    -o Dir::State::lists="$folder/lists" -o Dir::Cache="$folder/cache" "$@" </dev/null >&2
}
install gcc make "postgresql-server-dev-$version" &&
  from_trixie update &&
  (cd "$folder" && from_trixie source --download-only pgvector) &&
  tar -xzf "$folder"/pgvector_*.orig.tar.gz -C "$folder" &&
  make -s -C "$folder"/pgvector-* OPTFLAGS= with_llvm=no PG_CONFIG="/usr/lib/postgresql/$version/bin/pg_config" >&2 &&
  as_root make -s -C "$folder"/pgvector-* with_llvm=no PG_CONFIG="/usr/lib/postgresql/$version/bin/pg_config" install &&
  has_pgvector || {
  say "it could not be built (see above)"
  exit 1
}
