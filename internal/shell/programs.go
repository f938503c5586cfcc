package shell

// Tags of programs.
const (
	tagShell       = "shell"       // reads a language whose commands run programs
	tagInterpreter = "interpreter" // runs code out of its arguments, its input or a file
	tagWrapper     = "wrapper"     // runs the program that its arguments name
	tagPrivilege   = "privilege"   // changes the user, the capabilities or the namespaces
	tagNetwork     = "network"     // talks to other hosts
	tagRemote      = "remote"      // runs commands on other hosts or in containers
	tagDeferred    = "deferred"    // runs commands later or leaves them running
)

// programTags holds the programs of each tag, besides those that wrapper
// specifications and unmodelled list.
var programTags = map[string]map[string]bool{
	tagShell: nameSet(`sh bash dash ash rbash ksh ksh93 mksh lksh pdksh oksh rksh zsh rzsh fish csh tcsh yash posh rc es elvish nu
		osh ysh xonsh pwsh powershell sash bsh hush eval source .`),
	tagInterpreter: nameSet(`python python2 python3 pypy pypy3 ipython perl raku ruby irb jruby node nodejs deno bun qjs php lua luajit
		awk gawk mawk nawk original-awk sed ssed tclsh wish expect gdb lldb vi vim view rvim rview vimdiff nvim ex ed red emacs emacsclient nano
		pico joe mg jjs jrunscript jshell java groovy kotlin scala clojure R Rscript octave julia bc dc make gmake bmake ninja cmake m4 gcc cc
		g++ clang tcc go cargo rustc ghc runghc ghci ocaml erl elixir iex guile racket sbcl clisp gforth psql mysql mariadb sqlite3
		mongo mongosh redis-cli less more most man info pg gnuplot latex pdflatex tex xelatex luatex ghostscript gs jq yq sqlmap dotnet mono
		msfconsole screen tmux crash bpftrace bpftool stap dtrace sysdig xmlstarlet xsltproc zip`),
	tagPrivilege: nameSet(`sudo sudoedit doas su runuser pkexec sg newgrp setpriv capsh setcap chroot nsenter unshare gosu su-exec
		machinectl systemd-run systemd-nspawn bwrap firejail run0 calife super ksu dzdo pfexec chpst setuidgid mount umount passwd chsh
		usermod useradd visudo insmod modprobe kexec`),
	tagNetwork: nameSet(`curl wget wget2 aria2c axel http https httpie lynx links elinks w3m nc ncat netcat nc.openbsd nc.traditional socat
		telnet ftp lftp tftp sftp scp ssh rsync rsh rlogin rcp mosh autossh sshfs dig nslookup host drill whois ping ping6 fping traceroute
		tracepath mtr nmap masscan tcpdump tshark openssl gnutls-cli stunnel git svn hg bzr cvs smbclient rpcclient ldapsearch snmpwalk
		mail mailx sendmail mutt swaks apt apt-get dpkg yum dnf zypper apk pacman snap flatpak pip pip3 npm npx yarn pnpm gem composer
		cpan docker podman kubectl helm aws gcloud az terraform ansible ansible-playbook salt rclone s3cmd mysql psql redis-cli mongo
		iperf iperf3 ab wrk hping3 arping proxychains proxychains4 torsocks torify tor chisel ngrok cloudflared busybox toybox`),
	tagRemote: nameSet(`ssh scp sftp rsync rsh rexec rlogin rcp mosh autossh sshpass telnet pdsh pssh parallel-ssh clush dsh fab
		ansible ansible-playbook salt salt-ssh mco docker podman nerdctl crictl ctr buildah lxc lxc-exec lxc-attach incus kubectl oc
		virsh vagrant machinectl winexe psexec`),
	tagDeferred: nameSet(`at batch crontab atd cron anacron systemd-run incrontab nohup setsid daemonize start-stop-daemon screen tmux
		disown watchman inotifywait entr run-parts`),
}

// tagOrder is the order in which a command's tags are listed.
var tagOrder = []string{tagShell, tagInterpreter, tagWrapper, tagPrivilege, tagNetwork, tagRemote, tagDeferred}

// allTags maps a program to its tags; made once from the sets above.
var allTags = func() map[string][]string {
	wrapping := make(map[string]bool)
	for name := range wrappers {
		wrapping[name] = true
	}
	for name := range unmodelled {
		wrapping[name] = true
	}
	for name := range multicalls {
		wrapping[name] = true
	}
	programTags[tagWrapper] = wrapping
	tags := make(map[string][]string)
	for _, tag := range tagOrder {
		for name := range programTags[tag] {
			tags[name] = append(tags[name], tag)
		}
	}
	return tags
}()

// tagsOf returns the tags of a program, by the last element of its name. The
// name with a version at its end (python3.12) has the tags of the one without.
// The result is the caller's.
func tagsOf(base string) []string {
	for {
		if tags, ok := allTags[base]; ok {
			return append([]string{}, tags...)
		}
		if isLoader(base) {
			return []string{tagWrapper}
		}
		n := len(base)
		if n < 2 || !isDigit(base[n-1]) && base[n-1] != '.' && base[n-1] != '-' {
			return []string{}
		}
		base = base[:n-1]
	}
}
