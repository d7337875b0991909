#!/usr/bin/env bash
# Makes the sample backups of this release, which every later one has to read: tests/it/fixtures/backups/VERSION. Run by
# hand, as root, once a release: `tests/support/fixtures.sh target/debug/techcare-db`. A manifest names the host, the
# folder and the user of a database, so all of it is made under a neutral name and in /srv/techcare, which must not exist.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tool=$(realpath "${1:?usage: fixtures.sh BINARY}")
home=/srv/techcare

if [ "${2:-}" != inside ]; then
    exec unshare --uts bash -c 'hostname techcare && exec "$0" "$1" inside' "$here/fixtures.sh" "$tool"
fi
[ ! -e $home ] || { echo "$home is in the way" >&2; exit 1; }
clean() {
    "$here/servers" stop $home/postgres
    "$here/servers" stop $home/mariadb
    rm -rf $home
}
trap clean EXIT
mkdir -m 755 -p $home/instance $home/postgres $home/mariadb
# Ports stand in the manifests too: the same ones each time.
echo 25432 >$home/postgres/port
echo 23306 >$home/mariadb/port
postgres=$("$here/servers" start postgres $home/postgres $$)
mariadb=$("$here/servers" start mariadb $home/mariadb $$)

# rows BLOB: what is the same everywhere. tests/it/fixtures.rs asks for it again.
rows() {
    cat <<SQL
INSERT INTO users VALUES (1, 'José', 'jose@example.org'), (2, '漢字 😀', NULL);
INSERT INTO diagnostics VALUES
    (10, 1, 12.50, '2024-02-29 23:59:59.123456', $1, 'first
second ''quoted'''),
    (11, 2, -0.01, '1999-12-31 00:00:00', NULL, ''),
    (12, NULL, 99999999.99, NULL, NULL, NULL);
INSERT INTO tags VALUES (10, 'engine'), (10, '🔧'), (11, 'engine');
SQL
}

# schema BLOB TIMESTAMP: the same for each engine, but for the names of two types.
schema() {
    cat <<SQL
CREATE TABLE users (id INTEGER PRIMARY KEY, name VARCHAR(40) NOT NULL, mail VARCHAR(80) UNIQUE);
CREATE TABLE diagnostics (
    id INTEGER PRIMARY KEY,
    user_id INTEGER,
    price DECIMAL(10, 2) NOT NULL,
    made $2,
    photo $1,
    notes TEXT,
    FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE SET NULL
);
CREATE INDEX by_user ON diagnostics (user_id);
CREATE TABLE tags (
    diagnostic_id INTEGER NOT NULL,
    tag VARCHAR(20) NOT NULL,
    PRIMARY KEY (diagnostic_id, tag),
    FOREIGN KEY (diagnostic_id) REFERENCES diagnostics (id) ON DELETE CASCADE
);
SQL
}

{ schema BLOB DATETIME; rows "x'00ff10'"; } | sqlite3 -bail $home/instance/techcare.db
psql -X -q -d "$postgres" -c 'CREATE DATABASE techcare'
{ schema BYTEA TIMESTAMP; rows "'\\x00ff10'"; } | psql -X -q -v ON_ERROR_STOP=1 -d "${postgres%/*}/techcare"
mysql=(mariadb --no-defaults --default-character-set=utf8mb4 -h 127.0.0.1 -P 23306 -u root)
"${mysql[@]}" -e 'CREATE DATABASE techcare CHARACTER SET utf8mb4 COLLATE utf8mb4_bin'
{ schema BLOB 'DATETIME(6)'; rows "x'00ff10'"; } | "${mysql[@]}" techcare

cd $home
for database in "sqlite:///$home/instance/techcare.db" "${postgres%/*}/techcare" "${mariadb%/*}/techcare"; do
    for method in native portable; do
        env -i PATH="$PATH" HOME=$home LC_ALL=C.UTF-8 TZ=UTC "$tool" backup --app-dir $home --database "$database" --method $method
    done
done
version=$("$tool" --version)
into=$here/../it/fixtures/backups/${version##* }
rm -rf "$into"
mkdir -p "$into"
cp backups/techcare_* "$into"
chmod 644 "$into"/*
