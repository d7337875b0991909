#!/usr/bin/env bash
# The packages. `package.sh deb` (`make deb`) builds target/debian/techcare-db_*.deb by cargo-deb, which is fetched into the
# cache folder; `package.sh test` (`make package-test`) installs it in a Debian of its own and tries it there (root
# only); `package.sh dist` (`make dist`) adds the archive of the binary, an SBOM and checksums in target/dist, as a
# release has them. PACKAGE_NO_BUILD=1 takes the release binary that is there.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
. "$here/packages.sh"
cd "$top"
cargo=${CARGO:-cargo}
out=${CARGO_TARGET_DIR:-$top/target}
made=$top/target/package
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
# What is made twice from the same commit is the same.
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}

# cargo_tool CRATE VERSION: prints the folder that has the program, built at the first call.
cargo_tool() {
    local at
    at=$(cache_folder)/tools
    if ! grep -q "^\"$1 $2 " "$at/.crates.toml" 2>/dev/null; then
        echo "installing $1 $2 (cargo install, beside the system)" >&2
        mkdir -p "$at"
        # Built elsewhere than the project, whose settings are not its own.
        (cd "$at" && env -u CARGO_TARGET_DIR "$cargo" install --quiet --locked --root "$at" "$1" --version "$2") >&2
    fi
    echo "$at/bin"
}

# What a package has beside the binary, made by the binary.
make_parts() {
    local tool=$out/release/techcare-db shell
    [ -n "${PACKAGE_NO_BUILD:-}" ] || "$cargo" build --release --locked --bin techcare-db
    rm -rf "$made"
    mkdir -p "$made/completions"
    "$tool" man --output-dir "$made/man" >/dev/null
    "$tool" completions bash >"$made/completions/techcare-db"
    "$tool" completions zsh >"$made/completions/_techcare-db"
    "$tool" completions fish >"$made/completions/techcare-db.fish"
    for shell in elvish powershell; do "$tool" completions $shell >"$made/completions/$shell"; done
    gzip -9n <CHANGELOG.md >"$made/changelog.gz"
    cat >"$made/changelog.Debian" <<LOG
techcare-db ($version-1) stable; urgency=medium

  * Version $version; what is new is in changelog.gz.

 -- $(sed -n 's/^maintainer = "\(.*\)"/\1/p' Cargo.toml)  $(LC_ALL=C date -u -R -d "@$SOURCE_DATE_EPOCH")
LOG
}

make_deb() {
    local bin
    bin=$(cargo_tool cargo-deb 3.8.0)
    make_parts
    # Only --no-build leaves alone what make_parts took the pages from.
    "$bin/cargo-deb" --no-build --no-strip ${DEB_MAINTAINER:+--maintainer "$DEB_MAINTAINER"} --output "$top/target/debian/"
}

deb_file() {
    ls -t "$top"/target/debian/techcare-db_"$version"-*.deb | head -n 1
}

make_dist() {
    local name bin dist=$top/target/dist
    make_deb
    name=techcare-db-$version-$(rustc -vV | sed -n 's/^host: //p')
    rm -rf "$dist"
    mkdir -p "$dist/$name/completions" "$dist/$name/man"
    cp "$out/release/techcare-db" README.md CHANGELOG.md LICENSE SECURITY.md "$dist/$name/"
    cp "$made"/man/*.1 "$dist/$name/man/"
    cp "$made"/completions/* "$dist/$name/completions/"
    tar -C "$dist" --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" -c "$name" |
        gzip -9n >"$dist/$name.tar.gz"
    rm -rf "${dist:?}/$name"
    cp "$(deb_file)" "$dist/"
    bin=$(cargo_tool cargo-sbom 0.10.0)
    "$bin/cargo-sbom" --cargo-package techcare-db --output-format cyclone_dx_json_1_6 >"$dist/$name.cdx.json"
    (cd "$dist" && sha256sum -- * >SHA256SUMS)
    ls -l "$dist"
}

case ${1:-} in
deb) make_deb ;;
dist) make_dist ;;
test)
    [ -n "${PACKAGE_NO_BUILD:-}" ] && [ -e "$(deb_file 2>/dev/null)" ] || make_deb
    exec "$here/package-test.sh" "$(deb_file)"
    ;;
*) echo "usage: package.sh deb|test|dist" >&2; exit 2 ;;
esac
