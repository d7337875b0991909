#!/usr/bin/env bash
# `make package-test`: `package-test.sh FILE.deb` looks at the package from outside (lintian, manual pages, completions in
# their shells, the figure of the unit), then boots a Debian 12 of its own in a container, with systemd and PostgreSQL, and
# lets package-inside.sh install, use, remove and purge it there. Root only, for systemd-nspawn.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/packages.sh"
deb=$(readlink -f "$1")
[ "$(id -u)" = 0 ] || { echo "a container can only be booted by root" >&2; exit 1; }
need_programs groff=groff lintian=lintian mandoc=mandoc zsh=zsh fish=fish debootstrap=debootstrap systemd-nspawn=systemd-container
work=$(mktemp -d "${TMPDIR:-/tmp}/techcare-db-package.XXXXXX")
trap 'rm -rf --one-file-system "$work"' EXIT
step() { printf '\n== %s\n' "$*"; }
fail() { echo "FAILED: $*" >&2; exit 1; }

step "lintian"
lintian --fail-on error,warning "$deb"

dpkg-deb -x "$deb" "$work/tree"
tool=$work/tree/usr/bin/techcare-db
step "manual pages"
pages=0
for page in "$work"/tree/usr/share/man/man1/*.1.gz; do
    gzip -dc "$page" >"$work/page.1"
    mandoc -T lint -W error "$work/page.1" || fail "$page"
    said=$(groff -k -man -Tutf8 -ww -z "$work/page.1" 2>&1) || fail "$page: $said"
    [ -z "$said" ] || fail "$page: $said"
    pages=$((pages + 1))
done
commands=$("$tool" --help | sed -n '/^Commands:/,/^$/p' | awk '$1 != "Commands:" && $1 != "help" && NF { print $1 }')
for command in $commands; do
    [ -f "$work/tree/usr/share/man/man1/techcare-db-$command.1.gz" ] || fail "$command has no page"
done
echo "$pages pages, without a word from groff or an error from mandoc"

step "completions"
shared=$work/tree/usr/share
bash -n "$shared/bash-completion/completions/techcare-db"
zsh -n "$shared/zsh/vendor-completions/_techcare-db"
fish --no-execute "$shared/fish/vendor_completions.d/techcare-db.fish"
offered=$(fish --no-config -c "source $shared/fish/vendor_completions.d/techcare-db.fish
    complete -C 'techcare-db migrate --if-exists '" | cut -f1 | tr '\n' ' ')
[ "$offered" = "fail replace " ] || fail "fish offers '$offered'"
known=$(zsh -f -c "fpath=($shared/zsh/vendor-completions \$fpath); autoload -U compinit
    compinit -u -D; print \$_comps[techcare-db]")
[ "$known" = _techcare-db ] || fail "zsh has '$known'"
echo "bash, zsh and fish take them"

step "systemd-analyze"
security() { systemd-analyze security --offline=true "$@" "$work/tree/usr/lib/systemd/system/techcare-db-backup.service"; }
# Of 10, times 10: what docs/packaging.md says.
security --threshold=15 >"$work/security" || fail "the unit is more exposed: $(tail -n 1 "$work/security")"
tail -n 1 "$work/security"

step "a Debian to install it in"
base=$(cache_folder)/debian-12-postgresql.tar
if [ ! -f "$base" ]; then
    mirror=$(apt-get indextargets --format '$(CREATED_BY) $(COMPONENT) $(REPO_URI)' |
        awk '$1 == "Packages" && $2 == "main" { print $3; exit }')
    mkdir -p "$(cache_folder)"
    debootstrap --variant=minbase --include=init,ca-certificates,postgresql bookworm "$work/base" "$mirror" \
        >"$work/debootstrap.log" 2>&1 || { tail -n 5 "$work/debootstrap.log" >&2; fail "debootstrap"; }
    rm -rf "$work"/base/var/cache/apt/archives/*.deb
    tar -C "$work/base" --one-file-system -cf "$base.new" . && mv "$base.new" "$base"
    rm -rf --one-file-system "$work/base"
fi
root=$work/root
mkdir "$root"
tar -C "$root" -xf "$base"
cp "$deb" "$root/root/techcare-db.deb"
cp "$here/package-inside.sh" "$root/root/inside.sh"
cat >"$root/etc/systemd/system/package-test.service" <<'UNIT'
[Unit]
After=multi-user.target
[Service]
Type=oneshot
ExecStart=/bin/bash /root/inside.sh
ExecStopPost=/bin/systemctl --no-block poweroff
StandardOutput=file:/root/said
StandardError=inherit
UNIT
mkdir -p "$root/etc/systemd/system/multi-user.target.wants"
# Started by a timer, so that the boot does not wait for it.
cat >"$root/etc/systemd/system/package-test.timer" <<'UNIT'
[Timer]
OnBootSec=1
UNIT
ln -s ../package-test.timer "$root/etc/systemd/system/multi-user.target.wants/package-test.timer"
step "installed, used, removed and purged in it"
timeout 300 systemd-nspawn --quiet --keep-unit --register=no --private-network -D "$root" -b \
    </dev/null >"$work/boot" 2>&1 || true
cat "$root/root/said" 2>/dev/null || { tail -n 20 "$work/boot" >&2; fail "it did not boot"; }
grep -q '^all well$' "$root/root/said" || fail "see above"
printf '\nthe package is well\n'
