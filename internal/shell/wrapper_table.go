package shell

// wrappers are the programs whose way to the command is known, from the
// manuals of coreutils 9, util-linux 2.39, findutils 4.9, sudo 1.9, procps 4,
// GNU time 1.9, strace 6 and bash 5. An option that is missing here, or that
// differs between versions, makes a use of it opaque.
var wrappers = map[string]*wrapper{
	"env": {
		flags: "iv0", values: "uCSa", dash: true, assigns: true, split: "S split-string", stops: "0 null", moves: "i - ignore-environment u unset C chdir",
		long: "ignore-environment null unset= chdir= split-string= argv0= debug block-signal? default-signal? ignore-signal? list-signal-handling",
	},
	"sudo": {
		flags: "AbBEHnPSkN", values: "CcDghpRrTtu", assigns: true, lookup: lookupElsewhere, opaque: "", alone: "interactive_shell",
		long: "askpass background bell preserve-env? set-home non-interactive preserve-groups stdin reset-timestamp no-update close-from= chdir= group= host= prompt= chroot= role= command-timeout= type= user=",
	},
	"doas":    {flags: "Ln", values: "Cu", lookup: lookupElsewhere, alone: "interactive_shell"},
	"pkexec":  {long: "user= disable-internal-agent keep-cwd", lookup: lookupElsewhere, alone: "interactive_shell"},
	"gosu":    {operands: 1, lookup: lookupElsewhere},
	"su-exec": {operands: 1, lookup: lookupElsewhere},
	"su": {
		flags: "lmpfP", values: "cgGsw", dash: true, scripts: "c command", opaque: "interactive_shell", operands: 1, trailing: "c",
		long: "login preserve-environment fast pty command= session-command= group= supp-group= shell= whitelist-environment=",
	},
	"runuser": {
		flags: "lmpfP", values: "cgGsuw", dash: true, scripts: "c command", opaque: "interactive_shell", lookup: lookupElsewhere,
		long: "login preserve-environment fast pty command= session-command= group= supp-group= shell= user= whitelist-environment=",
	},
	"nohup":   {},
	"setsid":  {flags: "cfw", long: "ctty fork wait"},
	"nice":    {values: "n", numeric: true, long: "adjustment="},
	"ionice":  {flags: "t", values: "cnpPu", long: "class= classdata= ignore pid= pgid= uid=", stops: "p P u pid pgid uid"},
	"chrt":    {flags: "frRv", operands: 1, long: "fifo rr reset-on-fork verbose"},
	"taskset": {flags: "acp", operands: 1, stops: "p pid", long: "all-tasks cpu-list pid"},
	"choom":   {values: "np", stops: "p pid", long: "adjust= pid="},
	"prlimit": {
		values: "p", stops: "p pid", optional: "cdefilmnqrstuvxy",
		long: "pid= core? data? nice? fsize? sigpending? memlock? rss? nofile? msgqueue? rtprio? stack? cpu? nproc? as? locks? rttime? verbose noheadings raw output=",
	},
	"numactl":   {values: "iImNCPpl", long: "interleave= membind= cpunodebind= physcpubind= preferred= localalloc all"},
	"stdbuf":    {values: "ioe", long: "input= output= error="},
	"timeout":   {flags: "v", values: "ks", operands: 1, long: "foreground preserve-status verbose kill-after= signal="},
	"time":      {flags: "apqv", values: "fo", long: "append portability quiet verbose format= output="},
	"command":   {flags: "pvV", stops: "v V", moves: "p"},
	"builtin":   {lookup: lookupNowhere},
	"exec":      {flags: "cl", values: "a", moves: "c"},
	"setarch":   {flags: "vRFZLXBIST3", operands: 1, long: "verbose addr-no-randomize fdpic-funcptrs mmap-page-zero addr-compat-layout read-implies-exec 32bit short-inode whole-seconds sticky-timeouts 3gb 4gb", opaque: "optional_operand"},
	"linux32":   {flags: "vRFZLXBIST3"},
	"linux64":   {flags: "vRFZLXBIST3"},
	"i386":      {flags: "vRFZLXBIST3"},
	"x86_64":    {flags: "vRFZLXBIST3"},
	"catchsegv": {},
	"fakeroot":  {flags: "uhv", values: "lsifb", long: "lib= faked= unknown-is-real"},
	"dumb-init": {flags: "cv", values: "r", long: "single-child rewrite= verbose"},
	"tini":      {flags: "sgvw", values: "pe"},
	"chroot":    {operands: 1, lookup: lookupNowhere, alone: "interactive_shell", long: "userspec= groups= skip-chdir"},
	"unshare": {
		flags: "fhVmuinpCTUrc", values: "RwSGl", lookup: lookupElsewhere, alone: "interactive_shell", opaque: "namespaces",
		long: "mount? uts? ipc? net? pid? user? cgroup? time? fork mount-proc? mount-binfmt? map-user= map-group= map-users= map-groups= map-root-user map-current-user map-auto propagation= setgroups= keep-caps root= wd= setuid= setgid= kill-child? monotonic= boottime= load-interp=",
	},
	"nsenter": {
		flags: "aFZec", values: "tSGN", optional: "muinpCUTrwW", lookup: lookupNowhere, alone: "interactive_shell",
		long: "all target= mount? uts? ipc? net? pid? cgroup? user? time? setuid= setgid= preserve-credentials keep-caps root? wd? wdns? env no-fork follow-context join-cgroup net-socket=",
	},
	"flock": {
		flags: "sxeunoFv", values: "wEc", operands: 1, scripts: "c command", trailing: "c command",
		long: "shared exclusive unlock nonblock nb close no-fork verbose wait= timeout= conflict-exit-code= command=",
	},
	"watch":  {flags: "bcdegtwC", values: "nqs", joins: true, long: "beep color differences? errexit chgexit no-title no-wrap no-color interval= precise equexit= shotsdir="},
	"script": {flags: "aefq", values: "cBEIOTmo", operands: 1, scripts: "c command", trailing: "c command", opaque: "interactive_shell", long: "append return flush quiet command= echo= log-in= log-out= log-io= log-timing= logging-format= output-limit= timing? force"},
	"strace": {
		flags: "cCdfFhiqrtTvVwxyYzZDkn", values: "abeEIoOPsSuUX", opaque: "tracer",
		long: "follow-forks output-separately summary summary-only trace= signal= status= quiet? string-limit= output= user= env= columns=",
	},
	"ltrace": {flags: "cCfhiLrStTV", values: "aAeFlnopsuwxX", opaque: "tracer"},
	"xargs": {
		flags: "0rtxop", values: "adEILnsP", optional: "eil", stdin: true, implied: []string{"echo"}, replaces: "I i replace",
		long: "null arg-file= delimiter= eof? replace? max-lines? max-args= max-procs= max-chars= interactive open-tty no-run-if-empty process-slot-var= show-limits exit verbose",
	},
	"parallel": {
		flags: "kuXmqtv0rx", values: "jadnNLPI", stdin: true, replaces: "I", opaque: "shell_string", alone: "commands_from_stdin",
		long: "jobs= keep-order arg-file= delimiter= null no-run-if-empty dry-run verbose halt= joblog= results= tag line-buffer pipe delay= retries= timeout= bar progress",
	},
	"systemd-run": {
		flags: "qrdtP", values: "pHMEGu", opaque: "service_manager", lookup: lookupElsewhere,
		long: "user system scope unit= property= description= slice= remain-after-exit send-sighup service-type= uid= gid= nice= working-directory= setenv= pty pipe quiet wait collect no-block same-dir shell on-active= on-boot= on-startup= on-unit-active= on-calendar= timer-property=",
	},
}

// unmodelled are programs that run a command out of their arguments, files or
// input in a way that this package does not follow, and why they are opaque.
var unmodelled = func() map[string]string {
	reasons := make(map[string]string)
	for reason, names := range map[string]string{
		"remote": `ssh rsh rexec rlogin mosh autossh sshpass pdsh pssh parallel-ssh clush dsh ansible ansible-playbook salt salt-ssh fab
			docker podman nerdctl crictl ctr buildah lxc lxc-exec lxc-attach incus kubectl oc machinectl vagrant winexe`,
		"deferred": "at batch crontab incrontab start-stop-daemon daemonize run-parts anacron",
		"unmodelled_wrapper": `sudoedit run0 sg newgrp setpriv capsh ksu dzdo pfexec chpst setuidgid envdir envuidgid softlimit s6-setuidgid s6-envdir
			bwrap firejail systemd-nspawn systemd-inhibit systemd-cat proot fakechroot aa-exec runcon cgexec cgclassify perf valgrind
			rlwrap unbuffer dbus-run-session dbus-launch xvfb-run faketime torsocks torify proxychains proxychains4 tsocks entr inotifywait
			fd fdfind screen tmux dtach abduco expect cpulimit hyperfine multitime ts setlock lockrun ccache distcc sccache
			npx uvx pipx bundle poetry direnv nix-shell nix guix conda tox gdb lldb rr heaptrack eatmydata logsave
			xterm gnome-terminal konsole xdg-open sensible-editor sensible-pager sensible-browser update-alternatives
			ip-netns vrf setns daemon runit runsv svlogd supervise multilog openvt fbterm login agetty getty tcpserver inetd xinetd
			socat ncat scanmem rpm2cpio dpkg-trigger debconf openssl-wrapper wine qemu-x86_64 qemu-aarch64 qemu-arm`,
	} {
		for name := range nameSet(names) {
			reasons[name] = reason
		}
	}
	return reasons
}()
