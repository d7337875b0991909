# What the scripts need from the system, and how it gets there: Debian's packages through apt, as root or with
# sudo. Sourced, not run. Nothing that is already installed is upgraded, restarted, removed or configured, and no
# server of the system is started or given a database cluster.

# The newest folder of PostgreSQL server programs; Debian keeps them outside PATH.
postgres_bin() {
    local found
    found=$(ls -d /usr/lib/postgresql/*/bin/postgres 2>/dev/null | sort -t/ -k5,5n | tail -n 1)
    [ -n "$found" ] || found=$(PATH="$PATH:/usr/local/pgsql/bin" command -v postgres || true)
    [ -n "$found" ] || return 1
    dirname "$(readlink -f "$found")"
}

# The MariaDB server program; `mysqld` alone may be another product.
mariadb_server() {
    PATH="$PATH:/usr/sbin:/usr/local/sbin" command -v mariadbd
}

mariadb_install_db() {
    PATH="$PATH:/usr/sbin:/usr/local/sbin" command -v mariadb-install-db
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null 2>&1; then
        sudo "$@"
    else
        echo "neither root nor sudo: can't run $*" >&2
        return 1
    fi
}

# install_packages PACKAGE…: through apt, with everything that would start a service or make a cluster held back.
install_packages() {
    if ! command -v apt-get >/dev/null 2>&1; then
        echo "there is no apt-get here: please install $* by hand" >&2
        return 1
    fi
    echo "installing $* (apt-get)" >&2
    local log
    log=$(mktemp)
    if ! as_root bash -s -- "$@" >"$log" 2>&1 <<'ROOT'
set -eu
policy=/usr/sbin/policy-rc.d
cluster=/etc/postgresql-common/createcluster.d/techcare-db-tests.conf
made=""
undo() { for file in $made; do rm -f "$file"; done; }
trap undo EXIT
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    made="$made $policy"
fi
if [ ! -e "$cluster" ]; then
    mkdir -p "${cluster%/*}"
    echo "create_main_cluster = false" >"$cluster"
    made="$made $cluster"
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -q -o Acquire::Retries=3
apt-get install -q -y --no-install-recommends --no-remove -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 "$@"
ROOT
    then
        tail -n 15 "$log" >&2
        rm -f "$log"
        return 1
    fi
    rm -f "$log"
}

# need_programs [postgres] [mariadb] [sqlite] [PROGRAM=PACKAGE…]: installs what is missing of these.
need_programs() {
    local missing=() need
    for need in "$@"; do
        case $need in
        postgres)
            postgres_bin >/dev/null || missing+=(postgresql)
            command -v psql >/dev/null 2>&1 || missing+=(postgresql-client)
            ;;
        mariadb)
            { mariadb_server && mariadb_install_db; } >/dev/null 2>&1 || missing+=(mariadb-server-core)
            command -v mariadb >/dev/null 2>&1 || missing+=(mariadb-client-core)
            ;;
        sqlite)
            command -v sqlite3 >/dev/null 2>&1 || missing+=(sqlite3)
            ;;
        *=*)
            command -v "${need%%=*}" >/dev/null 2>&1 || missing+=("${need#*=}")
            ;;
        esac
    done
    [ ${#missing[@]} = 0 ] || install_packages "${missing[@]}"
}
