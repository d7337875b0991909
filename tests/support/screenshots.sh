#!/usr/bin/env bash
# `make screenshots`: moves a seeded TechCare database to a private PostgreSQL, opens the page of that migration in a
# headless Chromium, and takes the pictures of docs/report.md. Fails if the browser has anything to say on its console,
# if the page asks for anything, if axe finds a barrier (light, dark, phone), or if the page is not valid HTML. Chromium
# comes from apt where it is missing; what comes from npm is kept in the cache folder, beside the repository.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
. "$here/packages.sh"
rows=${DEMO_ROWS:-20000}
packages=(playwright-core@1.64.1 axe-core@4.14.1 html-validate@10.17.0)

# The part that needs a server runs inside `servers run`.
if [ "${1:-}" != inside ]; then
    need_programs chromium=chromium node=nodejs npm=npm sqlite
    cd "$top"
    profile=(--release)
    [ -z "${SCREENSHOTS_DEBUG:-}" ] || profile=()
    "${CARGO:-cargo}" build "${profile[@]}" --locked --bin techcare-db --example seed
    exec "$here/servers" run "$0" inside
fi

target=${CARGO_TARGET_DIR:-$top/target}
built=$target/release
[ -z "${SCREENSHOTS_DEBUG:-}" ] || built=$target/debug
tools=$(cache_folder)/screenshots
mkdir -p "$tools"
if [ "$(cat "$tools/packages" 2>/dev/null)" != "${packages[*]}" ]; then
    echo "installing ${packages[*]} (npm, beside the system)" >&2
    npm install --prefix "$tools" --silent --no-audit --no-fund --ignore-scripts "${packages[@]}" >&2
    echo "${packages[*]}" >"$tools/packages"
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/techcare-db-screenshots.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"
"$built/examples/seed" --out techcare.db --diagnostics "$rows" >/dev/null
sqlite3 techcare.db 'CREATE TRIGGER watch AFTER INSERT ON users BEGIN SELECT 1; END'
psql -X -q -d "$TECHCARE_DB_TEST_POSTGRES" -c 'CREATE DATABASE techcare'
code=0
"$built/techcare-db" migrate --progress never --source techcare.db \
    --target "${TECHCARE_DB_TEST_POSTGRES%/*}/techcare" --report "$work/report.html" || code=$?
# The trigger stays behind, so that there is a finding to be seen.
[ "$code" = 1 ] || { echo "migrate ended with $code" >&2; exit 1; }
NODE_PATH=$tools/node_modules node "$here/screenshots.cjs" "$work/report.html" "$top/docs/images"
