# What a tricked shell could try with nothing but itself. Each line of the output is a finding, as JSON.

attempt() {
	case ${ONLY:-"|$1|"} in *"|$1|"*) ;; *) return ;; esac
	if (eval "$2") >/dev/null 2>&1 </dev/null; then through=true; else through=false; fi
	printf '{"Try":"in a shell: %s","Through":%s,"Detail":"by the shell"}\n' "$1" "$through"
}

# rm is not to be started where files are not to be made.
make() {
	: >"$1" && { rm "$1" || true; }
}

attempt 'use a builtin' 'read -r line <"$READABLE/file" && [ "$line" = "a line" ] && make "${TMPDIR:-$WRITABLE}/from-shell"'
attempt 'run a program' '"$PROGRAM"'
attempt 'run a program that PATH finds' '"${PROGRAM##*/}"'
attempt 'run a program with command -p' 'command -p "${PROGRAM##*/}"'
attempt 'run a program under another name' 'exec -a sh "$PROGRAM"'
attempt 'run a program that the hash table names' 'hash -p "$PROGRAM" other && other'
attempt 'run a program in the background' '"$PROGRAM" & wait "$!"'
attempt 'run a program by a coprocess' 'coproc "$PROGRAM"; wait "$COPROC_PID"'
attempt 'run a program by a trap' 'trap "$PROGRAM || exit 1; exit 0" USR1; kill -USR1 "$BASHPID"; exit 1'
attempt 'run a program by the loader' '"$LOADER" "$PROGRAM"'
attempt 'preload a library' 'LD_PRELOAD=$LIBRARY "$BASH" -c '\''while read -r line; do case $line in *"$LIBRARY"*) exit 0 ;; esac; done </proc/self/maps; exit 1'\'
attempt 'read the secret' 'read -r line <"$SECRET"'
attempt 'read the secret as a script' 'set -e; . "$SECRET" || [ $? = 127 ]'
attempt 'read the secret by a glob and mapfile' 'mapfile <"${SECRET%secret}"sec*t'
attempt 'list the state directory by a glob' 'set -- "$STATE"/*; [ "$1" != "$STATE/*" ]'
attempt 'list the state directory from within' 'cd "$STATE" && set -- *; [ "$1" != "*" ]'
attempt 'read the environment of the gateway' 'read -r -d "" line <"/proc/$GATEWAY/environ"'
attempt 'read the environment of its parent' 'read -r -d "" line <"/proc/$PARENT/environ"'
attempt 'open the memory of the gateway' 'exec 3<"/proc/$GATEWAY/mem"'
attempt 'signal the gateway' 'kill -USR1 "$GATEWAY"'
attempt 'connect to the gateway' 'exec 3<>"/dev/tcp/127.0.0.1/$PORT"'
attempt 'send a datagram' 'exec 3<>"/dev/udp/127.0.0.1/9"'
attempt 'write to a file outside' ': >>"$OUTSIDE/file"'
attempt 'make a file outside' 'make "$OUTSIDE/from-shell"'
attempt 'make a file in the state directory' 'make "$STATE/from-shell"'
attempt 'make a file in /tmp' 'make "/tmp/executor-test-from-shell-$GATEWAY"'
attempt 'open the controlling terminal' ': >/dev/tty'
attempt 'raise the limit of core dumps' 'ulimit -H -c unlimited && [ "$(ulimit -H -c)" = unlimited ]'
