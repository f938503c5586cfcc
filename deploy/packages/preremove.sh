#!/bin/sh
# Before the files go. An upgrade, for which deb says "upgrade" and rpm 1, leaves the service alone: it is restarted once the new files are there.
set -eu

case "${1-}" in
  remove | 0) ;;
  *) exit 0 ;;
esac
if [ -d /run/systemd/system ]; then
  systemctl disable --now sidegate.socket || true # or systemd would go on listening, and start what is gone
  systemctl disable --now sidegate.service || true
fi
