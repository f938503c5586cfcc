#!/usr/bin/env bash
# Installs Sidegate from an unpacked release, upgrades it, and takes it away again. It needs no network. It can be run again after any interruption.
set -euo pipefail
umask 022
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

usage() {
  cat <<'USAGE'
Install Sidegate:   sudo bash install.sh [options]
Upgrade it:         the same, from the directory of the newer release; the configuration is kept
Take it away:       sudo bash install.sh --uninstall [--purge]

  --bind LIST            addresses to listen on, joined by commas, such as 127.0.0.1:8099,172.17.0.1:8099
                         (by default 127.0.0.1:8099, and 172.17.0.1:8099 where this host has that address)
  --secret-key K         the secret that callers sign with (by default a new one). Every user of this host can
                         see it in the list of processes while the script runs: better is
  --secret-key-file F    a file that holds it and that others cannot read
  --migrate              take over from the DataFlux Func Sidecar: its addresses, its secret and its user
  --sandbox NAME         what holds commands: confined (the default), isolated, or host (nothing: unsafe)
  --uninstall            stop the gateway and remove the program; configuration and journal stay
  --purge                with --uninstall: remove configuration, secret, journal and users too
  --root DIR             install into the root file system at DIR, such as an image; starts nothing
  --dry-run              say what would be done, and do nothing
  --help                 this text
USAGE
}

# What goes where. The names of users are those of `sidegate setup`.
readonly bin=/usr/local/bin/sidegate next=/usr/local/bin/.sidegate.next previous=/usr/local/bin/.sidegate.previous
readonly lib=/usr/local/lib/sidegate units=/etc/systemd/system etc=/etc/sidegate state=/var/lib/sidegate
readonly gateway_user=sidegate command_user=sidegate-run
readonly sidecar=dataflux-func-sidecar sidecar_config=/etc/dataflux-func-sidecar sidecar_user=dffs

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
root='' bind='' secret='' secret_file='' sandbox='' secret_given=false
migrate=false uninstall=false purge=false dry=false

say() { printf '%s\n' "$*"; }
note() { printf 'note: %s\n' "$*" >&2; }
die() {
  printf 'install.sh: %s\n' "$*" >&2
  exit 1
}
misused() {
  printf 'install.sh: %s\nbash install.sh --help shows what there is.\n' "$*" >&2
  exit 2
}

# run does something that changes the host, or says what it would do.
run() {
  if $dry; then
    printf 'would run:'
    printf ' %q' "$@"
    printf '\n'
  else
    "$@"
  fi
}

booted() { [ -d /run/systemd/system ]; } # as sd_booted(3) tells
ctl() { [ -n "$root" ] || run systemctl "$@"; }
in_root() { if [ -n "$root" ]; then chroot "$root" "$@"; else "$@"; fi; }
has_user() { if [ -n "$root" ]; then grep -q "^$1:" "$root/etc/passwd"; else getent passwd "$1" >/dev/null; fi; }
has_group() { if [ -n "$root" ]; then grep -q "^$1:" "$root/etc/group"; else getent group "$1" >/dev/null; fi; }
prefix() { if [ -n "$root" ]; then printf '%s\n' --prefix "$root"; fi; }
installed() { [ -f "$root$lib/version" ]; }

read_options() {
  while [ $# -gt 0 ]; do
    case $1 in
      --bind | --secret-key | --secret-key-file | --sandbox | --root)
        [ $# -ge 2 ] || misused "$1 needs a value"
        case $1 in
          --bind) bind=$2 ;;
          --secret-key) secret=$2 secret_given=true ;;
          --secret-key-file) secret_file=$2 ;;
          --sandbox) sandbox=$2 ;;
          --root) root=$2 ;;
        esac
        [ -n "$2" ] || misused "$1 needs a value, and an empty one was given"
        shift 2
        ;;
      --migrate) migrate=true && shift ;;
      --uninstall) uninstall=true && shift ;;
      --purge) purge=true && shift ;;
      --upgrade) shift ;; # which it does by itself
      --dry-run) dry=true && shift ;;
      --help | -h)
        usage
        exit 0
        ;;
      *) misused "the option ${1@Q} is not known" ;;
    esac
  done
  [[ $bind =~ ^[]0-9A-Za-z.:,[-]*$ ]] || misused "--bind takes addresses such as 127.0.0.1:8099,172.17.0.1:8099, not ${bind@Q}"
  [[ $secret != *[[:cntrl:]]* ]] || misused "--secret-key has a line break or another control character in it"
  case $sandbox in '' | confined | isolated | host) ;; *) misused "--sandbox takes confined, isolated or host, not ${sandbox@Q}" ;; esac
  ! $secret_given || [ -z "$secret_file" ] || misused "--secret-key and --secret-key-file are two secrets; give one"
  ! $purge || $uninstall || misused "--purge removes configuration and journal, and goes with --uninstall"
  if $uninstall && { [ -n "$bind$secret$secret_file$sandbox" ] || $migrate; }; then
    misused "--uninstall takes only --purge, --root and --dry-run with it"
  fi
}

# check_host refuses what this script is not for.
check_host() {
  [ "$(uname -s)" = Linux ] || die "Sidegate runs on Linux, and this is $(uname -s)"
  [ "$(id -u)" = 0 ] || die "this needs root: sudo bash install.sh …"
  case $(uname -m) in x86_64 | aarch64) ;; *) die "there are releases for x86_64 and aarch64, and this is $(uname -m)" ;; esac
  if [ -n "$root" ]; then
    [[ $root == /* && $root != *[[:cntrl:]]* ]] || misused "--root takes an absolute path, not ${root@Q}"
    root=$(realpath -e -- "$root") || die "--root: there is no such directory"
    [ "$root" != / ] || root=''
  fi
  if [ -n "$root" ]; then
    check_links
    if [ ! -f "$root/etc/passwd" ] || [ ! -f "$root/etc/group" ]; then die "$root is no root file system: it has no etc/passwd or no etc/group"; fi
  else
    command -v systemctl >/dev/null || die "there is no systemctl here; without systemd, start the gateway yourself (sidegate init, sidegate serve), or use --root"
    # Before anything is made: systemctl alone is in many containers, and starts nothing there.
    $uninstall || $dry || booted || die "systemd does not run here, so nothing would start the gateway: start it yourself (sidegate init DIR, sidegate serve), or install into the root file system of an image with --root DIR"
  fi
  for unit in "$root"/usr/lib/systemd/system/sidegate.service "$root"/lib/systemd/system/sidegate.service; do
    [ ! -e "$unit" ] || die "Sidegate was installed here from a package; use apt or dnf, or remove the package first"
  done
}

# check_links refuses a root file system in which what this script changes is reached through links that lead out of it: an absolute one, as images have them, is
# one of this host for everything but chroot.
check_links() {
  local at real
  for at in "${bin%/*}" "$lib" "$units" "$etc" "$state" /etc/passwd /etc/shadow /etc/group /etc/gshadow /etc/subuid /etc/subgid; do
    real=$(realpath -m -- "$root$at")
    [[ $real == "$root"/* ]] || die "--root: a link on the way to $root$at leads out of $root, to $real: make it a relative one that stays inside"
  done
}

# check_release refuses a directory that is not whole, or for another machine.
check_release() {
  for file in sidegate sidegate.service version; do
    [ -f "$here/$file" ] || die "$here/$file is missing: run this in the directory of an unpacked release"
  done
  new_version=$(head -n 1 -- "$here/version")
  local says
  says=$("$here/sidegate" version 2>/dev/null) || die "$here/sidegate does not run here: this is a release for another architecture, or the file is not whole"
  [[ $says == "sidegate $new_version "* ]] || die "$here/sidegate is not version $new_version: unpack the release again"
}

check_secret_file() {
  [ -n "$secret_file" ] || return 0
  [ -f "$secret_file" ] || die "--secret-key-file: ${secret_file@Q} is not a file"
  local mode
  mode=$(stat -Lc %a -- "$secret_file")
  [[ $mode == *0 ]] || die "--secret-key-file: others can read ${secret_file@Q}; run chmod o= on the file"
}

check_migration() {
  $migrate || return 0
  [ -f "$root$sidecar_config" ] || die "--migrate: there is no $sidecar_config here, so no DataFlux Func Sidecar was installed; leave --migrate out"
  has_user "$sidecar_user" || die "--migrate: the user $sidecar_user of the Sidecar is gone; create it (useradd --system $sidecar_user), or leave --migrate out"
}

ensure_user() { # NAME HOME
  ! has_user "$1" || return 0
  local group=(--user-group) into
  ! has_group "$1" || group=(--gid "$1")
  mapfile -t into < <(prefix)
  run useradd "${into[@]}" --system "${group[@]}" --no-create-home --home-dir "$2" --shell /usr/sbin/nologin "$1"
}

# place puts a file in its place as a whole: FROM TO MODE
place() {
  local partial=${2%/*}/.${2##*/}.partial
  run rm -f -- "$root$partial"
  run cp -- "$1" "$root$partial"
  run chown 0:0 -- "$root$partial"
  run chmod "$3" -- "$root$partial"
  run sync -- "$root$partial"
  run mv -fT -- "$root$partial" "$root$2"
}

# keep_previous remembers what is known to work. What an interrupted upgrade remembered is it still.
keep_previous() {
  installed && [ ! -e "$root$previous" ] && [ -f "$root$bin" ] || return 0
  for unit in sidegate.service sidegate.socket; do
    if [ -f "$root$units/$unit" ]; then place "$root$units/$unit" "$lib/$unit.previous" 0644; fi
  done
  place "$root$bin" "$previous" 0755
}

forget_previous() {
  run rm -f -- "$root$previous"
  run rm -f -- "$root$lib/sidegate.service.previous" "$root$lib/sidegate.socket.previous"
}

place_units() {
  for unit in sidegate.service sidegate.socket; do
    if [ -f "$here/$unit" ]; then place "$here/$unit" "$units/$unit" 0644; fi
  done
}

# configure lets the new program write the configuration, or check the one that is there, before anything is replaced.
configure() {
  local options=(--record "$lib")
  [ -z "$root" ] || options+=(--offline)
  [ -z "$bind" ] || options+=(--bind "$bind")
  [ -z "$sandbox" ] || options+=(--sandbox "$sandbox")
  ! $migrate || options+=(--migrate-from "$sidecar_config" --run-user "$sidecar_user")
  if $dry; then
    say "would run: sidegate setup config ${options[*]}, which writes what is missing of $etc and $state, and checks what is there"
    secret_state=kept
  elif $secret_given; then
    secret_state=$(printf '%s\n' "$secret" | in_root "$next" setup config "${options[@]}" --secret-key-file -) || refuse
  elif [ -n "$secret_file" ]; then
    secret_state=$(in_root "$next" setup config "${options[@]}" --secret-key-file - <"$secret_file") || refuse
  else
    secret_state=$(in_root "$next" setup config "${options[@]}" </dev/null) || refuse
  fi
}

refuse() { die "no program was replaced, and no service was touched: mend what the lines above say, and run this again"; }

sidecar_is_here() { [ -z "$root" ] && systemctl cat "$sidecar.service" >/dev/null 2>&1; }

stop_sidecar() {
  if $migrate && sidecar_is_here; then ctl disable --now "$sidecar.service"; fi
}

start_gateway() { # returns whether it is ready
  ctl daemon-reload || return 1
  installed || ctl enable sidegate.service || return 1 # what was disabled since stays so
  ctl restart sidegate.service || return 1
  [ -n "$root" ] || $dry || "$bin" setup ready
}

# give_up undoes what was done when the gateway does not become ready.
give_up() {
  journalctl -u sidegate.service -n 15 --no-pager -o cat >&2 2>/dev/null || true
  if [ -f "$previous" ]; then
    for unit in sidegate.service sidegate.socket; do
      if [ -f "$lib/$unit.previous" ]; then place "$lib/$unit.previous" "$units/$unit" 0644; else rm -f -- "$units/$unit"; fi
    done
    mv -fT -- "$previous" "$bin"
    rm -f -- "$lib"/*.previous
    start_gateway || die "version $new_version did not become ready, and neither did the one before, which was put back: see journalctl -u sidegate"
    die "version $new_version did not become ready; the version before was put back, and is running. The lines above say why"
  fi
  systemctl disable --now sidegate.service >&2 || true
  remove_program
  if $migrate && sidecar_is_here; then
    systemctl enable --now "$sidecar.service" >&2 || die "the gateway did not become ready, and the Sidecar did not start again: see journalctl -u $sidecar"
    die "the gateway did not become ready and was removed again; the Sidecar runs as before. The lines above say why; $etc was kept"
  fi
  die "the gateway did not become ready and was removed again. The lines above say why; $etc was kept, so mend what is wrong and run this again"
}

install_all() {
  check_release
  check_secret_file
  check_migration
  ! $secret_given || note "a secret on a command line can be seen by every user of this host while the command runs; --secret-key-file keeps it out of sight"
  if installed; then say "Upgrading Sidegate $(head -n 1 -- "$root$lib/version") to $new_version"; else say "Installing Sidegate $new_version"; fi
  ensure_user "$gateway_user" "$state"
  $migrate || ensure_user "$command_user" /nonexistent
  run mkdir -p -- "$root${bin%/*}" "$root$lib" "$root$units"
  place "$here/sidegate" "$next" 0755
  trap 'rm -f -- "$root$next"' EXIT
  configure
  keep_previous
  place_units
  if [ "$here" != "$root$lib" ]; then place "$here/install.sh" "$lib/install.sh" 0755; fi
  run mv -fT -- "$root$next" "$root$bin"
  stop_sidecar
  start_gateway || give_up
  place "$here/version" "$lib/version" 0644
  forget_previous
  report
}

report() {
  ! $dry || return 0
  local show=()
  [ "$secret_state" != created ] || show=(--show-secret)
  say ''
  in_root "$bin" setup summary "${show[@]}"
  cat <<TEXT
To shutdown:
    sudo systemctl stop sidegate
To start:
    sudo systemctl start sidegate

Configuration: $etc/sidegate.yaml, and beside it policies, which say what callers may run
What is wrong: sudo sidegate doctor
Take it away:  sudo bash $lib/install.sh --uninstall
TEXT
  if [ -n "$root" ]; then say "It is installed in $root and was not started."; else say "Sidegate $new_version is running."; fi
  ! $migrate || cat <<TEXT

It has taken over from the DataFlux Func Sidecar: its addresses, its secret, and its user $sidecar_user, whom commands run as. The Sidecar's service
was stopped and disabled; its files were left alone.
OBSERVE MODE: for 14 days every command that can be analyzed runs, also where the policy denies it; the log and each reply say would_deny. Write the
policy from that until then: afterwards it is enforced. policy in $etc/sidegate.yaml says until when.
sudo does nothing inside commands any more: sudo sidegate doctor says which of its rules are meant for $sidecar_user.
To go back:
    sudo systemctl disable --now sidegate && sudo systemctl enable --now $sidecar
TEXT
}

remove_program() {
  run rm -f -- "$root$units/sidegate.service" "$root$units/sidegate.socket"
  if booted; then ctl daemon-reload || true; fi
  run rm -f -- "$root$next" "$root$previous" "$root$bin"
  run rm -rf -- "$root$lib"
}

remove_user() { # NAME
  has_user "$1" || return 0
  local from
  mapfile -t from < <(prefix)
  run userdel "${from[@]}" -- "$1"
}

uninstall_all() {
  if [ -z "$root" ] && [ -f "$units/sidegate.service" ] && booted; then
    if [ -f "$units/sidegate.socket" ]; then ctl disable --now sidegate.socket; fi
    ctl disable --now sidegate.service
  fi
  if $purge; then
    run rm -rf -- "$root$etc" "$root$state"
    remove_user "$gateway_user"
    remove_user "$command_user"
  fi
  remove_program
  if $purge; then
    say "Sidegate is gone, with its configuration, its secret and its journal."
  else
    say "Sidegate is gone. $etc and $state were kept; with --uninstall --purge they go too."
  fi
  if [ -z "$root" ] && [ -f "/etc/systemd/system/$sidecar.service" ]; then say "The DataFlux Func Sidecar is still installed: sudo systemctl enable --now $sidecar starts it."; fi
}

main() {
  read_options "$@"
  check_host
  # One at a time. The lock ends with the process, whatever ends that. Nobody but root can open its file, so nobody else can hold it.
  if ! $dry; then
    umask 077
    exec 9>>/run/sidegate-install.lock
    umask 022
    flock -n 9 || die "another install.sh is at work on this host"
  fi
  if $uninstall; then uninstall_all; else install_all; fi
}

main "$@"
