#!/usr/bin/env bash
# What package-test.sh runs inside a booted Debian of its own, as root. Not for any other machine.
set -euo pipefail
trap 'echo "FAILED at line $LINENO: $BASH_COMMAND"; journalctl -q -n 20 -u techcare-db-backup --no-pager' ERR
say() { printf '%s\n' "- $*"; }
unit=techcare-db-backup
drop_in() {
    mkdir -p "/etc/systemd/system/$1.d"
    cat >"/etc/systemd/system/$1.d/$2.conf"
    systemctl daemon-reload
}
backups() { find "$1" -type f ! -name '*.json' ! -name '.*' 2>/dev/null | wc -l; }
# Everything below a folder, with owner, mode and content.
state() { (cd "$1" && find . -printf '%p %u %m %s\n' | sort && find . -type f -exec sha256sum {} + | sort); }

useradd --system --no-create-home techcare
install -d -o techcare -g techcare /opt/techcare /opt/techcare/instance
dpkg -i /root/techcare-db.deb
say "installed: $(techcare-db --version)"
[ "$(systemctl is-enabled $unit.timer || true)" = disabled ]
[ "$(systemctl is-active $unit.timer || true)" = inactive ]
say "the timer is neither enabled nor running"

runuser -u techcare -- techcare-db schema up --app-dir /opt/techcare >/dev/null
systemctl start $unit.service
[ "$(backups /opt/techcare/backups)" = 1 ]
file=$(find /opt/techcare/backups -name 'techcare_*.db')
[ "$(stat -c '%U %a' "$file")" = "techcare 600" ]
runuser -u techcare -- techcare-db backup --verify "$file" >/dev/null
say "the service makes a backup of a SQLite file, for its owner alone, and it is sound"

drop_in $unit.timer soon <<'CONF'
[Timer]
OnCalendar=
OnActiveSec=2
RandomizedDelaySec=0
AccuracySec=1s
CONF
systemctl enable --now -q $unit.timer
for _ in $(seq 60); do
    [ "$(backups /opt/techcare/backups)" = 2 ] && [ "$(systemctl is-active $unit.service || true)" = inactive ] && break
    sleep 1
done
say "the timer has run it: $(backups /opt/techcare/backups) backups"
[ "$(backups /opt/techcare/backups)" = 2 ]

echo 'BACKUP_OPTIONS=--keep 1' >>/etc/default/techcare-db
systemctl start $unit.service
[ "$(backups /opt/techcare/backups)" = 1 ]
say "BACKUP_OPTIONS of /etc/default/techcare-db count"

runuser -u postgres -- createuser techcare
runuser -u postgres -- createdb --owner techcare techcare
echo 'DATABASE_URL=postgresql://techcare@/techcare?host=/var/run/postgresql' >/opt/techcare/.env
runuser -u techcare -- techcare-db schema up --app-dir /opt/techcare >/dev/null
systemctl start $unit.service
dump=$(find /opt/techcare/backups -name 'techcare_postgresql_*.dump')
runuser -u techcare -- techcare-db backup --verify "$dump" >/dev/null
say "and one of PostgreSQL by pg_dump"

cp -a /opt/techcare /srv/other
rm -rf /srv/other/backups /srv/other/.env
drop_in $unit.service home <<'CONF'
[Service]
Environment=TECHCARE_HOME=/srv/other
CONF
if systemctl start $unit.service 2>/dev/null; then false; fi
[ ! -e /srv/other/backups ]
[ "$(systemctl show -p ExecMainStatus --value $unit.service)" = 4 ]
journalctl -q -u $unit --no-pager -o cat | grep -q 'Read-only file system'
drop_in $unit.service home <<'CONF'
[Service]
Environment=TECHCARE_HOME=/srv/other
ReadWritePaths=/srv/other
CONF
systemctl start $unit.service
[ "$(backups /srv/other/backups)" = 1 ]
say "another folder is written to when it is named, and not before (exit 4)"

before=$(state /opt/techcare; state /srv/other)
dpkg -r techcare-db >/dev/null
[ ! -e /usr/bin/techcare-db ] && [ ! -e /usr/lib/systemd/system/$unit.service ] && [ -e /etc/default/techcare-db ]
[ "$(systemctl is-active $unit.timer || true)" != active ]
[ "$before" = "$(state /opt/techcare; state /srv/other)" ]
say "removed: data, backups and settings are as they were, the timer has stopped"
dpkg -P techcare-db >/dev/null
[ ! -e /etc/default/techcare-db ] && [ ! -L /etc/systemd/system/timers.target.wants/$unit.timer ]
# But for the folders of TechCare, which are compared below.
left=$(find / -xdev \( -path /proc -o -path /root -o -path /tmp -o -path /var/log -o -path /opt -o -path /srv \) -prune \
    -o -path '*techcare-db*' -not -path '/etc/systemd/system/*.d*' -print)
[ -z "$left" ] || { say "left behind: $left"; false; }
[ "$before" = "$(state /opt/techcare; state /srv/other)" ]
say "purged: settings are gone, data and backups are as they were"
echo "all well"
