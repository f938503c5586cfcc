#!/bin/sh
# Before the files go. An upgrade, for which deb says "upgrade" and rpm 1, leaves the service alone: it is restarted once the new files are there.
set -eu

case "${1-}" in
  remove | 0) ;;
  *) exit 0 ;;
esac
if [ -d /run/systemd/system ]; then systemctl disable --now sidegate.socket sidegate.service || true; fi
