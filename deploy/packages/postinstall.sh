#!/bin/sh
# After the files are there, of a first installation or of an upgrade: users, secret, state directory, service. deb says "configure" and the version
# before, rpm how many versions there are now.
set -eu

case "${1-}" in
  configure) if [ -n "${2-}" ]; then upgrade=true; else upgrade=false; fi ;;
  1) upgrade=false ;;
  [0-9]*) upgrade=true ;;
  *) exit 0 ;; # deb, when something was taken back
esac

ensure_user() { # NAME HOME
  if grep -q "^$1:" /etc/passwd; then return; fi
  if grep -q "^$1:" /etc/group; then group="--gid $1"; else group=--user-group; fi
  # shellcheck disable=SC2086 # one word or two
  useradd --system $group --no-create-home --home-dir "$2" --shell /usr/sbin/nologin "$1"
}
ensure_user sidegate /var/lib/sidegate
ensure_user sidegate-run /nonexistent

# What belongs to this host is made here and is in no package: the secret, the directory of the journal.
if ! secret=$(/usr/bin/sidegate setup config --offline </dev/null); then
  echo "sidegate: the configuration has to be mended before the gateway can start: sudo sidegate doctor" >&2
  exit 0
fi

if [ "$secret" = created ]; then
  echo "sidegate: callers sign with the secret in /etc/sidegate/func.secret; where they call and what they may run is said in /etc/sidegate"
fi

if [ ! -d /run/systemd/system ]; then exit 0; fi
systemctl daemon-reload || true
if $upgrade; then
  systemctl try-restart sidegate.service || echo "sidegate: the gateway did not start: see journalctl -u sidegate, and sudo sidegate doctor" >&2
else
  systemctl enable sidegate.service || true
  systemctl start sidegate.service || echo "sidegate: the gateway did not start: see journalctl -u sidegate, and sudo sidegate doctor" >&2
fi
