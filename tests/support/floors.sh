#!/usr/bin/env bash
# The floors of the house, checked: `floors.sh TOP` reads TOP/src and fails with file:line for each import that runs
# upwards or sideways; `floors.sh --self-test` plants one violation of each kind and fails if one is not found.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

check() {
    (cd "$1" && find src -name '*.rs' -print0 | LC_ALL=C sort -z | xargs -0 awk -f "$here/floors.awk")
}

self_test() {
    local found missed=0 path line expected text
    top=$(mktemp -d)
    trap 'rm -rf "$top"' EXIT
    # FILE | CODE | what is reported ("" = nothing). Each is checked alone.
    while IFS='|' read -r path text expected; do
        [ -n "$path" ] || continue
        rm -rf "$top/src"
        mkdir -p "$top/$(dirname "$path")"
        printf '//! Planted.\n\n%b\n' "$text" >"$top/$path"
        found=$(check "$top") || true
        line=${expected%% *}
        if [ -z "$expected" ] && [ -n "$found" ]; then
            echo "self-test: reported without reason: $found" >&2
            missed=1
        elif [ -n "$expected" ] && [[ $found != "$path:$line: "*"${expected#* }"* ]]; then
            echo "self-test: $path: expected '$expected', found '$found' in: $text" >&2
            missed=1
        fi
    done <<'CASES'
src/model/schema.rs|use crate::engine::capability::Facts;|3 upwards, model -> engine
src/model/schema.rs|use super::super::engine::stream;|3 upwards, model -> engine
src/model/schema.rs|use super::value::Value;\nuse crate::model::error::Error;|
src/model/value.rs|fn f() {\n    crate::pipeline::plan::plan();\n}|4 upwards, model -> pipeline
src/model/value.rs|use sea_orm::DbErr;|3 sea_orm in model
src/model/value.rs|use tokio::sync::mpsc;|3 tokio in a pure file
src/engine/capability.rs|use crate::{\n    model::error::Result,\n    commands::migrate::Options,\n};|3 upwards, engine -> commands
src/engine/sqlite/read.rs|use super::super::{blocking, mysql::types};|3 sqlite -> mysql
src/engine/sqlite/read.rs|use crate::engine::postgres;|3 sqlite -> postgres
src/engine/sqlite/read.rs|use super::types;\nuse crate::engine::stream::BatchSender;\nuse rusqlite::Connection;|
src/engine/sqlite/read.rs|use crate::engine::connect;|3 must not know connect
src/engine/mysql/ddl.rs|use sqlx::MySqlConnection;|3 sqlx in a pure file
src/engine/mysql/types/text.rs|fn f() -> rusqlite::Result<()> {\n}|3 rusqlite in a pure file
src/engine/connect.rs|use super::{mysql, postgres, sqlite};|
src/engine/stream.rs|use super::{mysql, postgres, sqlite};|3 only engine/connect.rs names the engines
src/engine/postgres/mod.rs|mod tests {\n    use super::super::mysql;\n}|4 postgres -> mysql
src/engine/postgres/read.rs|mod tests {\n    use super::super::types;\n    use super::*;\n}|
src/pipeline/plan/mod.rs|use sqlx::Row;|3 sqlx in a pure file
src/pipeline/plan.rs|use crate::techcare::registry;|3 must not know techcare
src/pipeline/execute.rs|use crate::engine::{connect, sqlite::read};|3 only engine/connect.rs names the engines
src/techcare/mod.rs|use crate::engine::capability::Source;|3 techcare knows only model
src/techcare/mod.rs|use crate::model::schema::Schema;\nuse entity::users;\nuse sea_orm::EntityTrait;|
src/commands/detect.rs|use crate::cli::args::Args;|3 upwards, commands -> cli
src/commands/detect.rs|use entity::users;|3 entity outside techcare
src/commands/detect.rs|fn f() {\n    println!("x");\n}|4 printing outside cli
src/commands/detect.rs|fn f() {\n    // println! and crate::cli are words here\n    let text = "eprintln! crate::cli::x";\n}|
src/engine/tool.rs|fn f() {\n    std::process::exit(1);\n}|4 process::exit outside
src/cli/render.rs|use crate::commands::detect::Report;\nfn f() {\n    println!("x");\n}|
src/commands/backup.rs|use anyhow::Context;|3 anyhow below cli
src/main.rs|use techcare_db::cli;|
CASES
    [ $missed = 0 ]
}

case ${1:-} in
--self-test) self_test ;;
"") echo "usage: floors.sh TOP | --self-test" >&2; exit 2 ;;
*) check "$1" && echo "floors: imports run downwards only" ;;
esac
