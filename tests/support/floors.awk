# Reads Rust files (paths relative to the repository's top) and prints file:line for every import that breaks the
# floors of the house: main -> cli -> commands -> pipeline -> engine -> model, commands -> techcare -> model.
# Understands nested `use` groups over several lines, `super`, `self`, and paths in the middle of code.

function fault(text) {
    printf "%s:%d: %s\n", file, here, text
    faults++
}

# Floor of a module path such as "engine::sqlite::read".
function floor_of(path,    part) {
    split(path, part, "::")
    return part[1]
}

# The engine that a module path belongs to, or "".
function engine_of(path,    part) {
    split(path, part, "::")
    return part[1] == "engine" && (part[2] == "sqlite" || part[2] == "postgres" || part[2] == "mysql") ? part[2] : ""
}

# May this file reach the module at `to` (path inside the crate)?
function reach(to,    from, target, mine, theirs) {
    from = floor_of(module)
    target = floor_of(to)
    if (!(target in height) || from == "") return
    if (from != target) {
        if (target == "techcare" && from == "pipeline")
            fault(from " must not know " target ": " to)
        else if (from == "techcare" && target != "model")
            fault("techcare knows only model: " to)
        else if (height[from] <= height[target])
            fault("import runs upwards, " from " -> " target ": " to)
    }
    mine = engine_of(module)
    theirs = engine_of(to)
    if (theirs != "" && theirs != mine && file != "src/engine/connect.rs") {
        if (mine != "")
            fault("engines don't know each other, " mine " -> " theirs ": " to)
        else
            fault("only engine/connect.rs names the engines: " to)
    }
    if (mine != "" && to ~ /^engine::connect/)
        fault("an engine must not know connect: " to)
}

# May this file use the crate `name`?
function outside(name,    pure) {
    pure = file ~ /^src\/model\// || file ~ /^src\/engine\/[a-z]+\/(types|ddl)(\.rs|\/)/ || file ~ /^src\/pipeline\/plan(\.rs|\/)/
    if (pure && (name == "sqlx" || name == "rusqlite" || name == "libsqlite3_sys" || name == "tokio"))
        fault(name " in a pure file")
    if (file ~ /^src\/model\// && name == "sea_orm")
        fault("sea_orm in model")
    if ((name == "clap" || name == "indicatif") && file !~ /^src\/(cli\/|main\.rs)/)
        fault(name " outside cli")
    if (name == "anyhow" && file !~ /^src\/(cli\/|main\.rs)/)
        fault("anyhow below cli")
    if ((name == "entity" || name == "migration") && file !~ /^src\/techcare\//)
        fault(name " outside techcare")
}

# One complete path without groups, as written at this place.
function path(text,    part, n, base, up, i, b, m) {
    gsub(/[ \t]/, "", text)
    sub(/as[A-Z_].*$/, "", text)
    n = split(text, part, "::")
    if (n < 1 || part[1] == "") return
    if (part[1] == "crate" || part[1] == "techcare_db") {
        sub(/^[a-z_]+::/, "", text)
        reach(text)
    } else if (part[1] == "super" || part[1] == "self") {
        base = module (inner != "" ? "::" inner : "")
        for (up = 1; part[up] == "super" || part[up] == "self"; up++)
            if (part[up] == "super") sub(/(::)?[^:]+$/, "", base)
        for (i = up; i <= n; i++) base = base (base == "" ? "" : "::") part[i]
        reach(base)
    } else if (n > 1) {
        outside(part[1])
    }
}

# A path that may end in a group: a::{b, c::{d, e}}
function expand(prefix, text,    depth, i, c, item, at, body) {
    gsub(/^[ \t]+|[ \t]+$/, "", text)
    at = index(text, "{")
    if (at == 0) {
        if (text != "") path(prefix text)
        return
    }
    prefix = prefix substr(text, 1, at - 1)
    body = substr(text, at + 1, length(text) - at - 1)
    depth = 0
    item = ""
    for (i = 1; i <= length(body); i++) {
        c = substr(body, i, 1)
        if (c == "{") depth++
        if (c == "}") depth--
        if (c == "," && depth == 0) {
            expand(prefix, item)
            item = ""
        } else {
            item = item c
        }
    }
    expand(prefix, item)
}

# Paths in code that is no `use`.
function code(line,    rest, word) {
    rest = line
    while (match(rest, /[A-Za-z_][A-Za-z_0-9]*(::[A-Za-z_][A-Za-z_0-9]*)+/)) {
        word = substr(rest, RSTART, RLENGTH)
        rest = substr(rest, RSTART + RLENGTH)
        if (word ~ /^[a-z]/) path(word)
    }
    if (file !~ /^src\/(cli\/|main\.rs)/ && !inner) {
        if (match(line, /(^|[^A-Za-z_0-9])e?print(ln)?!/)) fault("printing outside cli")
        if (match(line, /process::exit/)) fault("process::exit outside cli and main")
    }
}

BEGIN {
    split("model engine pipeline commands cli main", order, " ")
    for (i = 1; i <= 6; i++) height[order[i]] = i
    height["techcare"] = 3
}

FNR == 1 {
    file = FILENAME
    sub(/^\.\//, "", file)
    module = file
    sub(/^src\//, "", module)
    sub(/(\/mod)?\.rs$/, "", module)
    gsub(/\//, "::", module)
    if (module == "lib") module = ""
    inner = ""
    using = ""
}

{
    line = $0
    # Strings first (they may hold "//"), then comments.
    gsub(/\\\\/, "", line)
    gsub(/\\"/, "", line)
    gsub(/"[^"]*"/, "\"\"", line)
    sub(/\/\/.*/, "", line)
    if (match(line, /^(pub )?mod [a-z_]+ \{/)) {
        inner = line
        sub(/^(pub )?mod /, "", inner)
        sub(/ .*/, "", inner)
        next
    }
    if (line ~ /^}/) inner = ""
    if (using == "" && line ~ /^[ \t]*(pub(\([a-z]+\))? )?use /) {
        sub(/^[ \t]*(pub(\([a-z]+\))? )?use /, "", line)
        using = line
        start = FNR
    } else if (using != "") {
        using = using " " line
    } else {
        here = FNR
        code(line)
        next
    }
    if (using ~ /;/) {
        sub(/;.*/, "", using)
        here = start
        expand("", using)
        using = ""
    }
}

END { exit faults > 0 }
