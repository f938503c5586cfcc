# The starter role against what people run on hosts all day: each with its analysis as
# [argv, what differs from a plain command], in workdir /srv/app. The same lines run
# through the real analysis in the Go tests.

package sidegate.policy_test

import data.sidegate
import data.sidegate.testing

test_everyday_lines_are_allowed_when_all_is_known if {
	every case in everyday {
		decision := sidegate.decision with input as testing.line(case.commands, case.shell)
		decision.allow == case.allow
	}
}

test_most_everyday_lines_are_allowed if {
	count([case | some case in everyday; case.allow]) >= 36
}

everyday := [
	{"id": "day-01", "command": "ls -l /var/log | head -5", "allow": true, "shell": {"class": "pipeline", "features": {"pipe": true}, "all_static": true}, "commands": [[["ls", "-l", "/var/log"], {"context": ["pipe"]}], [["head", "-5"], {"context": ["pipe"]}]]},
	{"id": "day-02", "command": "cd /srv/app && git pull --ff-only", "allow": true, "shell": {"class": "compound", "features": {"and_or": true, "list": true}, "all_static": true}, "commands": [[["cd", "/srv/app"], {}], [["git", "pull", "--ff-only"], {"tags": ["network"]}]]},
	{"id": "day-03", "command": "systemctl status nginx --no-pager", "allow": true, "shell": {"class": "simple", "features": {}, "all_static": true}, "commands": [[["systemctl", "status", "nginx", "--no-pager"], {}]]},
	{"id": "day-04", "command": "df -h", "allow": true, "shell": {"class": "simple", "features": {}, "all_static": true}, "commands": [[["df", "-h"], {}]]},
	{"id": "day-05", "command": "du -sh /var/log", "allow": true, "shell": {"class": "simple", "features": {}, "all_static": true}, "commands": [[["du", "-sh", "/var/log"], {}]]},
	{"id": "day-06", "command": "uptime", "allow": true, "shell": {"class": "simple", "features": {}, "all_static": true}, "commands": [[["uptime"], {}]]},
	{"id": "day-07", "command": "free -m", "allow": true, "shell": {"class": "simple", "features": {}, "all_static": true}, "commands": [[["free", "-m"], {}]]},
	{"id": "day-08", "command": "ps aux --sort=-%mem | head -10", "allow": true, "shell": {"class": "pipeline", "features": {"pipe": true}, "all_static": true}, "commands": [[["ps", "aux", "--sort=-%mem"], {"context": ["pipe"]}], [["head", "-10"], {"context": ["pipe"]}]]},
	{"id": "day-09", "command": "tail -n 100 /var/log/syslog", "allow": true, "shell": {"class": "simple", "features": {}, "all_static": true}, "commands": [[["tail", "-n", "100", "/var/log/syslog"], {}]]},
	{"id": "day-10", "command": "tail -f /var/log/nginx/access.log", "allow": true, "shell": {"class": "simple", "features": {}, "all_static": true}, "commands": [[["tail", "-f", "/var/log/nginx/access.log"], {}]]},
	{"id": "day-11", "command": "grep -i error /var/log/syslog | tail -20", "allow": true, "shell": {"class": "pipeline", "features": {"pipe": true}, "all_static": true}, "commands": [[["grep", "-i", "error", "/var/log/syslog"], {"context": ["pipe"]}], [["tail", "-20"], {"context": ["pipe"]}]]},
	{"id": "day-12", "command": "grep -c \"GET /\" /var/log/nginx/access.log", "allow": true, "shell": {"class": "simple", "features": {}, "all_static": true}, "commands": [[["grep", "-c", "GET /", "/var/log/nginx/access.log"], {}]]},
	{"id": "day-13", "command": "find /var/log -name \"*.log\" -mtime +7", "allow": true, "shell": {"class": "simple", "features": {}, "all_static": true}, "commands": [[["find", "/var/log", "-name", "*.log", "-mtime", "+7"], {}]]},
	{"id": "day-14", "command": "find /srv -type f -size +100M", "allow": true, "shell": {"class": "simple", "features": {}, "all_static": true}, "commands": [[["find", "/srv", "-type", "f", "-size", "+100M"], {}]]},
	{"id": "day-15", "command": "tar czf /srv/backup.tgz /srv/app", "allow": true, "shell": {"class": "simple", "features": {}, "all_static": true}, "commands": [[["tar", "czf", "/srv/backup.tgz", "/srv/app"], {}]]},
	{"id": "day-16", "command": "journalctl -u nginx -n 50 --no-pager", "allow": true, "shell": {"class": "simple", "features": {}, "all_static": true}, "commands": [[["journalctl", "-u", "nginx", "-n", "50", "--no-pager"], {}]]},
	{"id": "day-17", "command": "cat /etc/os-release", "allow": true, "shell": {"class": "simple", "features": {}, "all_static": true}, "commands": [[["cat", "/etc/os-release"], {}]]},
	{"id": "day-18", "command": "cat /var/log/dpkg.log | grep install | wc -l", "allow": true, "shell": {"class": "pipeline", "features": {"pipe": true}, "all_static": true}, "commands": [[["cat", "/var/log/dpkg.log"], {"context": ["pipe"]}], [["grep", "install"], {"context": ["pipe"]}], [["wc", "-l"], {"context": ["pipe"]}]]},
	{"id": "day-19", "command": "ss -tulnp", "allow": true, "shell": {"class": "simple", "features": {}, "all_static": true}, "commands": [[["ss", "-tulnp"], {}]]},
	{"id": "day-20", "command": "ip addr", "allow": true, "shell": {"class": "simple", "features": {}, "all_static": true}, "commands": [[["ip", "addr"], {}]]},
	{"id": "day-21", "command": "hostname -f", "allow": true, "shell": {"class": "simple", "features": {}, "all_static": true}, "commands": [[["hostname", "-f"], {}]]},
	{"id": "day-22", "command": "uname -a", "allow": true, "shell": {"class": "simple", "features": {}, "all_static": true}, "commands": [[["uname", "-a"], {}]]},
	{"id": "day-23", "command": "date -u", "allow": true, "shell": {"class": "simple", "features": {}, "all_static": true}, "commands": [[["date", "-u"], {}]]},
	{"id": "day-24", "command": "date +%F", "allow": true, "shell": {"class": "simple", "features": {}, "all_static": true}, "commands": [[["date", "+%F"], {}]]},
	{"id": "day-25", "command": "id", "allow": true, "shell": {"class": "simple", "features": {}, "all_static": true}, "commands": [[["id"], {}]]},
	{"id": "day-26", "command": "whoami", "allow": true, "shell": {"class": "simple", "features": {}, "all_static": true}, "commands": [[["whoami"], {}]]},
	{"id": "day-27", "command": "echo \"done\"", "allow": true, "shell": {"class": "simple", "features": {}, "all_static": true}, "commands": [[["echo", "done"], {}]]},
	{"id": "day-28", "command": "ls /var/log/*.log", "allow": false, "shell": {"class": "compound", "features": {"glob": true}, "all_static": false}, "commands": [[["ls", null], {}]]},
	{"id": "day-29", "command": "cat /var/log/syslog 2>/dev/null", "allow": true, "shell": {"class": "compound", "features": {"file_write_redirect": true, "redirect": true}, "all_static": true}, "commands": [[["cat", "/var/log/syslog"], {"redirects": [{"op": ">", "mode": "write", "fd": "2", "target": {"value": "/dev/null", "static": true, "raw": "/dev/null", "dynamic": []}, "path": "/dev/null", "net": false}]}]]},
	{"id": "day-30", "command": "grep error /var/log/app.log || true", "allow": true, "shell": {"class": "compound", "features": {"and_or": true, "list": true}, "all_static": true}, "commands": [[["grep", "error", "/var/log/app.log"], {}], [["true"], {}]]},
	{"id": "day-31", "command": "for f in /var/log/a.log /var/log/b.log; do tail -n 1 \"$f\"; done", "allow": false, "shell": {"class": "compound", "features": {"compound": true, "loop": true, "param": true, "shell_assign": true}, "all_static": false}, "commands": [[[], {"kind": "assign", "name_static": true, "path_kind": "none", "assignments": [{"name": "f", "value": {"value": "/var/log/a.log", "static": true, "raw": "/var/log/a.log", "dynamic": []}, "scope": "shell", "dangerous": false}, {"name": "f", "value": {"value": "/var/log/b.log", "static": true, "raw": "/var/log/b.log", "dynamic": []}, "scope": "shell", "dangerous": false}]}], [["tail", "-n", "1", null], {"context": ["loop"]}]]},
	{"id": "day-32", "command": "if systemctl is-active nginx; then echo up; else echo down; fi", "allow": true, "shell": {"class": "compound", "features": {"compound": true, "conditional": true}, "all_static": true}, "commands": [[["systemctl", "is-active", "nginx"], {"context": ["conditional"]}], [["echo", "up"], {"context": ["conditional"]}], [["echo", "down"], {"context": ["conditional"]}]]},
	{"id": "day-33", "command": "echo \"$(hostname): $(uptime)\"", "allow": false, "shell": {"class": "compound", "features": {"cmdsubst": true}, "all_static": false}, "commands": [[["echo", null], {}], [["hostname"], {"parent": 0, "context": ["cmdsubst"]}], [["uptime"], {"parent": 0, "context": ["cmdsubst"]}]]},
	{"id": "day-34", "command": "d=$(date +%F); ls -l /var/log/app-$d.log", "allow": false, "shell": {"class": "compound", "features": {"cmdsubst": true, "list": true, "param": true, "shell_assign": true}, "all_static": false}, "commands": [[[], {"kind": "assign", "name_static": true, "path_kind": "none", "assignments": [{"name": "d", "value": {"value": null, "static": false, "raw": "$(date +%F)", "dynamic": ["cmdsubst"]}, "scope": "shell", "dangerous": false}]}], [["date", "+%F"], {"parent": 0, "context": ["cmdsubst"]}], [["ls", "-l", null], {}]]},
	{"id": "day-35", "command": "sort /var/log/app.log | uniq -c | sort -rn | head", "allow": true, "shell": {"class": "pipeline", "features": {"pipe": true}, "all_static": true}, "commands": [[["sort", "/var/log/app.log"], {"context": ["pipe"]}], [["uniq", "-c"], {"context": ["pipe"]}], [["sort", "-rn"], {"context": ["pipe"]}], [["head"], {"context": ["pipe"]}]]},
	{"id": "day-36", "command": "cut -d' ' -f1 /var/log/nginx/access.log | sort | uniq -c | sort -rn | head -n 20", "allow": true, "shell": {"class": "pipeline", "features": {"pipe": true}, "all_static": true}, "commands": [[["cut", "-d ", "-f1", "/var/log/nginx/access.log"], {"context": ["pipe"]}], [["sort"], {"context": ["pipe"]}], [["uniq", "-c"], {"context": ["pipe"]}], [["sort", "-rn"], {"context": ["pipe"]}], [["head", "-n", "20"], {"context": ["pipe"]}]]},
	{"id": "day-37", "command": "cd /srv/app; git status -s; git log --oneline -5", "allow": true, "shell": {"class": "compound", "features": {"list": true}, "all_static": true}, "commands": [[["cd", "/srv/app"], {}], [["git", "status", "-s"], {"tags": ["network"]}], [["git", "log", "--oneline", "-5"], {"tags": ["network"]}]]},
	{"id": "day-38", "command": "stat -c %s /var/log/syslog", "allow": true, "shell": {"class": "simple", "features": {}, "all_static": true}, "commands": [[["stat", "-c", "%s", "/var/log/syslog"], {}]]},
	{"id": "day-39", "command": "wc -l < /var/log/syslog", "allow": true, "shell": {"class": "compound", "features": {"redirect": true}, "all_static": true}, "commands": [[["wc", "-l"], {"redirects": [{"op": "<", "mode": "read", "fd": "", "target": {"value": "/var/log/syslog", "static": true, "raw": "/var/log/syslog", "dynamic": []}, "path": "/var/log/syslog", "net": false}]}]]},
	{"id": "day-40", "command": "LC_ALL=C sort -k2 /var/log/app.log > /dev/null", "allow": true, "shell": {"class": "compound", "features": {"file_write_redirect": true, "redirect": true}, "all_static": true}, "commands": [[["sort", "-k2", "/var/log/app.log"], {"redirects": [{"op": ">", "mode": "write", "fd": "", "target": {"value": "/dev/null", "static": true, "raw": "/dev/null", "dynamic": []}, "path": "/dev/null", "net": false}], "assignments": [{"name": "LC_ALL", "value": {"value": "C", "static": true, "raw": "C", "dynamic": []}, "scope": "prefix", "dangerous": false}]}]]},
]
