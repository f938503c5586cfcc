#!/bin/sh
# After the files are gone. Secret, journal and users stay, unless deb is told to purge.
set -eu

if [ -d /run/systemd/system ]; then systemctl daemon-reload || true; fi
if [ "${1-}" = purge ]; then
  rm -rf /etc/sidegate /var/lib/sidegate
  for user in sidegate sidegate-run; do
    if grep -q "^$user:" /etc/passwd; then userdel "$user" || true; fi
  done
fi
