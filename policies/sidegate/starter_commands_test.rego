# The starter role command by command, one list of words per line.
package sidegate.policy_test

import data.sidegate
import data.sidegate.testing

all_allowed(lines) if {
	every argv in lines {
		sidegate.allow with input as testing.simple(argv)
	}
}

all_denied(lines) if {
	every argv in lines {
		not sidegate.allow with input as testing.simple(argv)
	}
}

test_ls if {
	all_allowed([["ls"], ["ls", "-la", "/var/log"], ["ls", "-1", "--sort=time", "-w80"], ["ls", "-lh", "--", "-x"], ["/bin/ls"]])
	all_denied([["ls", "/etc"], ["ls", "/root/.ssh"], ["ls", "--time-style=+%9999999Y"], ["ls", "-w", "x"], ["./ls"], ["/tmp/ls"]])
}

test_cat if {
	all_allowed([["cat", "/etc/os-release"], ["cat", "-n", "x", "-"], ["cat", "/proc/loadavg", "/var/log/a"]])
	all_denied([["cat", "/etc/passwd"], ["cat", "/proc/self/environ"], ["cat", "/var/log/../../etc/shadow"], ["cat", "--", "/etc/shadow"], ["cat", "/srv-evil/x"], ["cat", ""]])
}

test_head_and_tail if {
	all_allowed([["head", "-5", "/var/log/x"], ["head", "-c5", "/var/log/x"], ["head", "-n", "-5", "x"], ["tail", "-n", "+5", "x"], ["tail", "-f", "/var/log/x"], ["tail", "-qn5", "x"]])
	all_denied([["tail", "-n5/etc/shadow"], ["tail", "-n", "5", "/etc/shadow"], ["tail", "--pid=1", "-f", "x"], ["head", "-5x", "x"], ["head", "--", "-n", "/etc/shadow"], ["head", "-n", "--", "/etc/shadow"]])
}

test_grep if {
	all_allowed([["grep", "-i", "error", "/var/log/x"], ["grep", "-c", "GET /", "x"], ["grep", "-e", "-f", "x"], ["grep", "-rn", "--include=*.log", "x", "/srv"], ["grep", "-3", "x", "y"]])
	all_denied([["grep", "-f", "/etc/shadow", "x"], ["grep", "-if", "/etc/shadow", "x"], ["grep", "-f/etc/shadow", "x"], ["grep", "--file=/etc/shadow", "x"], ["grep", "--fil=/etc/shadow", "x"], ["grep", "root", "/etc/shadow"], ["grep", "-e", "root", "/etc/shadow"], ["grep", "-eroot", "/etc/shadow"], ["grep", "--regexp=root", "/etc/shadow"], ["grep", "-R", "x", "/srv"], ["grep", "--exclude-from=/etc/shadow", "x"]])
}

test_find if {
	all_allowed([["find", "/var/log", "-name", "*.log", "-mtime", "+7"], ["find", "/srv", "(", "-type", "f", "-o", "-type", "l", ")", "-size", "+100M"], ["find", ".", "-newer", "x", "-printf", "%p %s\\n"]])
	all_denied([["find", "/"], ["find", "/srv", "-delete"], ["find", "/srv", "-exec", "id", ";"], ["find", "/srv", "-execdir", "id", "+"], ["find", "/srv", "-ok", "id", ";"], ["find", "/srv", "-fprint", "x"], ["find", "/srv", "-fls", "x"], ["find", "-files0-from", "x"], ["find", "/srv", "-newer", "/etc/shadow"], ["find", "-L", "/srv"], ["find", "--", "-delete"], ["find", "--", "/srv", "-exec", "id", ";"], ["find", "-D", "exec", "/srv"], ["find", "-printf", "%999999999p"]])
}

test_sort_uniq_cut_wc if {
	all_allowed([["sort", "-k2", "-t:", "-rn", "x"], ["sort"], ["uniq", "-c", "x"], ["cut", "-d ", "-f1", "/var/log/x"], ["cut", "-d", "-", "-f", "1-3", "x"], ["wc", "-l"]])
	all_denied([["sort", "-o", "x"], ["sort", "-rox"], ["sort", "-ro", "/etc/x", "x"], ["sort", "--output=x"], ["sort", "--outp=x"], ["sort", "-T", "/srv", "x"], ["sort", "--compress-program=sh", "x"], ["sort", "--files0-from=x"], ["sort", "--random-source=/etc/shadow", "-R", "x"], ["uniq", "x", "y"], ["uniq", "--", "x", "y"], ["cut", "-f1", "/etc/shadow"], ["cut", "-f", "1/x", "y"], ["wc", "--files0-from=/etc/shadow"], ["wc", "--files0=/etc/shadow"]])
}

test_stat_df_du if {
	all_allowed([["stat", "-c", "%s", "/var/log/x"], ["df", "-hT"], ["df", "-h", "/srv"], ["df", "-BG", "/"], ["df", "."], ["du", "-sh", "/var/log"], ["du", "-hd1", "/srv"]])
	all_denied([["stat", "/etc/shadow"], ["stat", "-c", "%99999999s", "x"], ["stat"], ["df", "/root"], ["df", "/srv/../etc"], ["df", "../../etc"], ["df", "-B", ""], ["du", "--files0-from=x"], ["du", "-X", "/etc/shadow", "."], ["du", "-X/etc/shadow", "."], ["du", "-L", "/srv"], ["du", "/"]])
}

test_system if {
	all_allowed([["free", "-m"], ["uptime"], ["id"], ["id", "root"], ["whoami"], ["hostname", "-f"], ["uname", "-a"], ["ps", "aux"], ["ps", "-ef"], ["ps", "-eo", "pid,cmd", "--sort=-%mem"], ["ps", "-p", "1"], ["ps", "-p", "1", "-o", "comm="], ["ps", "-C", "nginx"], ["ps", "-aux"], ["ps", "-efww"]])
	all_denied([["hostname", "x"], ["hostname", "-F", "/srv/x"], ["hostname", "-F/srv/x"], ["hostname", "-b", "x"], ["whoami", "x"], ["uptime", "x"], ["id", "-x"], ["id", "a", "b"], ["uname", "x"], ["free", "-s", "x"]])
}

# The letter e of BSD's ps, also in what falls back to BSD's reading, shows environments.
test_ps_shows_no_environment if {
	all_denied([["ps", "auxe"], ["ps", "e"], ["ps", "-auxe"], ["ps", "-ef", "-x"], ["ps", "aux", "e"], ["ps", "-o", "environ"], ["ps", "-eo", "pid,environ"], ["ps", "-ue"], ["ps", "-p", "1e"], ["ps", "--", "e"], ["ps", "-ef", "-o", "pid,args"], ["ps", "-o", "pid", "-p", "1", "-F"], ["ps", "-leo", "pid"], ["ps", "-aux", "-e"], ["ps", "-ef", "-aux"], ["ps", "-ax", "-A"], ["ps", "-e", "-C", ""], ["ps", "-C", "a,e"], ["ps", "-o", "pid=,environ"]])
}

test_date if {
	all_allowed([["date"], ["date", "-u"], ["date", "+%F"], ["date", "-d", "yesterday", "+%s"], ["date", "-Iseconds"], ["date", "-r", "/var/log/x"]])
	all_denied([["date", "-s", "12:00"], ["date", "--set=12:00"], ["date", "--se=12:00"], ["date", "-us12:00"], ["date", "010203042026"], ["date", "-f", "/etc/shadow"], ["date", "-r", "/etc/shadow"], ["date", "-d", `TZ="/etc/shadow" now`], ["date", "+%F", "+%F"], ["date", "+%999999999Y"]])
}

test_words if {
	all_allowed([["echo", "-e", "--help", "any; thing"], ["printf", "%s %5d\\n", "x", "5"], ["printf", "--", "%s", "x"], ["pwd", "-P"], ["true"]])
	all_denied([["printf", "%99999999999d", "1"], ["printf", "--", "%99999999999d", "1"], ["printf", "-v", "PATH", "x"], ["printf", "%*d", "999999999", "1"], ["printf"], ["true", "x"], ["pwd", "x"]])
}

test_cd if {
	all_allowed([["cd", "/srv/app"], ["cd", "--", "/var/log"]])
	all_denied([["cd"], ["cd", "-"], ["cd", "x"], ["cd", ".."], ["cd", "/"], ["cd", "/etc"], ["cd", "-P", "/srv"], ["cd", "/srv", "/srv"], ["cd", "/srv/link/.."]])
}

test_relative_paths_after_cd if {
	sidegate.allow with input as testing.list([["cd", "/srv/b"], ["cat", "x"]])
	not sidegate.allow with input as testing.list([["cd", "/srv"], ["cat", "../etc/shadow"]])
	not sidegate.allow with input as testing.list([["cd", "/var/log"], ["tar", "cf", "x.tar", "y"]])
}

test_ss_and_ip if {
	all_allowed([["ss", "-tulnp"], ["ss", "-s"], ["ss", "-tn", "state", "established"], ["ss", "-t", "( dport = :443 or sport = :443 )"], ["ss", "dst", "192.0.2.0/24"], ["ip", "-c", "rule"], ["ip", "addr"], ["ip", "a"], ["ip", "-br", "-4", "addr", "show", "dev", "eth0"], ["ip", "route", "get", "192.0.2.1"], ["ip", "-s", "link", "show", "eth0"]])
	all_denied([["ss", "-F", "/etc/shadow"], ["ss", "-tF", "/etc/shadow"], ["ss", "-F/etc/shadow"], ["ss", "--filter=/etc/shadow"], ["ss", "-K"], ["ss", "-D", "x"], ["ss", "-E"], ["ss", "-N", "x"], ["ss", "cgroup", "/etc/x"], ["ss", "-K", "state", "all"], ["ip", "rule", "add", "from", "all"], ["ip", "rule", "x"], ["ip", "link", "set", "eth0", "down"], ["ip", "addr", "add", "192.0.2.1/24", "dev", "eth0"], ["ip", "addr", "flush", "dev", "eth0"], ["ip", "-b", "/etc/shadow"], ["ip", "-batch", "x", "addr"], ["ip", "-n", "x", "addr"], ["ip", "netns", "exec", "x", "sh"], ["ip", "--", "addr"], ["ip", "vrf", "exec", "x", "sh"], ["ip", "route", "del", "default"], ["ip"]])
}

test_services if {
	all_allowed([["systemctl", "status", "nginx", "--no-pager"], ["systemctl", "--no-pager", "status", "-n50", "nginx.service"], ["systemctl", "is-active", "nginx"], ["journalctl", "-u", "nginx", "-n", "50", "--no-pager"], ["journalctl", "--no-pager", "--since", "1 hour ago", "-p", "err"], ["journalctl", "--no-pager", "-xe", "_COMM=sshd"], ["journalctl", "--no-pager", "-b", "-1", "--lines", "5"], ["systemctl", "list-units", "--failed", "--no-pager"], ["systemctl", "show", "x", "-p", "MainPID", "--no-pager"], ["systemctl", "is-system-running"]])
	all_denied([["systemctl", "status", "nginx"], ["systemctl", "status", "nginx", "--no-page"], ["systemctl", "status", "--", "nginx", "--no-pager"], ["systemctl", "restart", "nginx"], ["systemctl", "-H", "x", "status", "--no-pager"], ["systemctl", "status", "-Hx", "--no-pager"], ["systemctl", "edit", "nginx"], ["systemctl", "is-active"], ["systemctl", "show", "nginx", "--no-pager"], ["systemctl", "show", "nginx", "--no-pager", "-p", "Id,Environment"], ["systemctl", "show", "nginx", "--no-pager", "-p", "Id", "-p", "ExecStart"], ["systemctl", "show", "nginx", "-p", "Id"], ["systemctl", "list-units"], ["systemctl", "set-default", "x"], ["systemctl"], ["journalctl", "-u", "nginx"], ["journalctl", "--no-pager", "-D", "/srv"], ["journalctl", "--no-pager", "--file=/etc/shadow"], ["journalctl", "--no-pager", "--vacuum-time=1s"], ["journalctl", "--no-pager", "--cursor-file=/srv/x"], ["journalctl", "--no-pager", "--rotate"], ["journalctl", "--no-pager", "/dev/sda"], ["journalctl", "--no-pager", "-b", "/dev/sda"], ["journalctl", "--no-pager", "--boot=/x"], ["journalctl", "--lines", "--no-pager"]])
}

test_git if {
	all_allowed([["git", "pull", "--ff-only"], ["git", "status", "-s"], ["git", "status", "--porcelain=v1", "-uno"], ["git", "log", "--oneline", "-5"], ["git", "rev-parse", "--short=8", "HEAD"], ["git", "--no-pager", "log", "--oneline", "--grep", "-p"]])
	all_denied([["git", "pull"], ["git", "pull", "--ff-only", "ext::sh -c id"], ["git", "pull", "--ff-only", "--upload-pack=sh"], ["git", "-C", "/tmp", "status"], ["git", "-c", "core.pager=sh", "status"], ["git", "--exec-path=/tmp", "status"], ["git", "--git-dir=/tmp", "status"], ["git", "log"], ["git", "log", "-5"], ["git", "log", "--pretty=short"], ["git", "log", "-p"], ["git", "log", "--output=/srv/x"], ["git", "log", "--ext-diff"], ["git", "push"], ["git", "clean", "-fdx"], ["git", "config", "core.pager", "sh"], ["git", "rev-parse", "--git-path", "x"], ["git", "log", "main"], ["git", "--no-pager", "log"], ["git", "--no-pager", "-p", "log", "--oneline"], ["git", "--help"], ["git"]])
}

test_tar if {
	all_allowed([["tar", "czf", "/srv/backup.tgz", "/srv/app"], ["tar", "cf", "a.tar", "x", "/var/log"], ["tar", "-czf", "/srv/a.tgz", "/srv"]])
	all_denied([["tar", "xf", "/srv/a.tar"], ["tar", "czf", "/etc/a.tgz", "/srv"], ["tar", "czf", "/srv/app/config.php", "/srv/app"], ["tar", "czf", "/srv/a.tgz", "/etc"], ["tar", "czf", "host:/srv/a.tgz", "/srv"], ["tar", "czf", "-", "/srv"], ["tar", "-c", "-f", "/srv/a.tar", "/srv"], ["tar", "-cfI", "/srv/a.tar", "sh", "x"], ["tar", "xf", "-cf", "/srv/a.tar", "x"], ["tar", "-cf", "--", "/srv/a.tar", "x"], ["tar", "-cf", "/srv/a.tar", "-C", "/etc", "x"], ["tar", "-cf", "/srv/a.tar", "-"], ["tar", "cf", "/srv/a.tar", "/srv", "--checkpoint=1", "--checkpoint-action=exec=sh"], ["tar", "cf", "/srv/a.tar", "/srv", "-I", "sh"], ["tar", "cf", "/srv/a.tar", "-T", "/etc/shadow"], ["tar", "cf", "/srv/a.tar"]])
}

test_nothing_else if {
	all_denied([["rm", "x"], ["sh"], ["env"], ["env", "ls"], ["xargs", "ls"], ["tee", "x"], ["dd", "if=/etc/shadow"], ["awk", "1"], ["sed", "-n", "1p", "x"], ["curl", "x"], ["ssh", "x"], ["busybox", "ls"], ["timeout", "5", "ls"], ["vi", "x"], ["less", "x"], ["mount"], ["ld.so", "/bin/ls"], ["LS"], ["ls "], [""]])
}
