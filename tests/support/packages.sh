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
            # The core package has the shell, but no mariadb-dump.
            { command -v mariadb && command -v mariadb-dump; } >/dev/null 2>&1 || missing+=(mariadb-client)
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

# Where programs are kept that are fetched beside the system, so that a second run is quick.
cache_folder() {
    echo "${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/techcare-db"
}

# fetch_mysql FOLDER: Debian's own build of MySQL and its mysqldump (they are in the unstable suite only), unpacked into
# FOLDER/root with every library they need, their libc too. apt gets a configuration and a state of its own; the system's is only asked
# where Debian is.
fetch_mysql() {
    local to=$1 codename address key=/usr/share/keyrings/debian-archive-keyring.gpg deb
    command -v apt-get >/dev/null 2>&1 && command -v dpkg >/dev/null 2>&1 || { echo "there is no apt" >&2; return 1; }
    codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
    address=$(apt-get indextargets --format '$(CREATED_BY) $(RELEASE) $(COMPONENT) $(REPO_URI)' |
        awk -v suite="$codename" '$1 == "Packages" && $2 == suite && $3 == "main" { print $4; exit }')
    [ -n "$address" ] || { echo "no source of $codename is configured" >&2; return 1; }
    mkdir -p "$to/lists/partial" "$to/deb/partial" "$to/parts" "$to/root"
    : >"$to/status"
    if [ -f $key ]; then key="[signed-by=$key] "; else key=""; fi
    echo "deb $key$address unstable main" >"$to/sources.list"
    apt_of() {
        apt-get -q -y -o Dir::Etc::sourcelist="$to/sources.list" -o Dir::Etc::sourceparts="$to/parts" \
            -o Dir::Etc::preferencesparts="$to/parts" -o Dir::State="$to" -o Dir::State::status="$to/status" \
            -o Dir::State::lists="$to/lists" -o Dir::Cache="$to" -o Dir::Cache::archives="$to/deb" \
            -o Dir::Log="$to" -o APT::Sandbox::User="$(id -un)" -o Acquire::Languages=none -o Acquire::Retries=3 "$@"
    }
    apt_of update || return 1
    apt_of install --download-only --no-install-recommends mysql-server-core mysql-client-core || return 1
    for deb in "$to"/deb/*.deb; do dpkg -x "$deb" "$to/root" || return 1; done
    # What a server does not need: two thirds of it.
    rm -rf "$to/lists" "$to/deb" "$to"/*.bin "$to"/root/usr/lib/*/{perl,gconv}*
    find "$to/root/usr/bin" -mindepth 1 ! -name mysqldump -delete
    find "$to/root/usr/share" -mindepth 1 -maxdepth 1 ! -name mysql -exec rm -rf {} +
}

# mysql_root: prints the folder in which MySQL's programs are, fetched at the first call; two runs at once wait for
# each other. Fails where it cannot be had (no apt, no network, the suite gone), with one line that says so.
mysql_root() {
    local cache at work log
    cache=$(cache_folder)
    at="$cache/mysql"
    mysql_in() { [ -x "$1/root/usr/sbin/mysqld" ] && [ -x "$1/root/usr/bin/mysqldump" ]; }
    mysql_in "$at" && { echo "$at/root"; return; }
    mkdir -p "$cache" || return 1
    (
        flock 9
        mysql_in "$at" && exit 0
        echo "fetching MySQL (apt-get, beside the system)" >&2
        find "$cache" -maxdepth 1 -type d -name 'mysql*' -exec rm -rf {} +
        work=$(mktemp -d "$cache/mysql.XXXXXX")
        log=$(mktemp)
        if fetch_mysql "$work" >"$log" 2>&1 && mysql_in "$work"; then
            mv "$work" "$at"
            rm -f "$log"
            exit 0
        fi
        echo "MySQL cannot be had, tests of it are left out: $(grep -v '^ *$' "$log" | tail -n 1)" >&2
        rm -rf "$work" "$log"
        exit 1
    ) 9>"$cache/mysql.lock" || return 1
    echo "$at/root"
}
