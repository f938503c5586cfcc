# The roles beside readonly: deployer, an example of few and fixed commands, and compat,
# the unsafe end.
package sidegate.policy_test

import data.sidegate
import data.sidegate.testing

with_role(role, asked) := testing.with_client(asked, {"roles": [role]})

deploys(argv) if sidegate.allow with input as with_role("deployer", testing.simple(argv))

test_deployer if {
	every argv in [
		["git", "pull", "--ff-only"], ["git", "pull", "-q", "--ff-only"], ["git", "rev-parse", "HEAD"], ["git", "status", "-s"],
		["systemctl", "restart", "app.service"], ["systemctl", "reload", "nginx.service"], ["systemctl", "is-active", "app.service"],
		["systemctl", "status", "--no-pager", "nginx.service"],
		["tar", "czf", "/srv/backup/app.tgz", "/srv/app"], ["tar", "czf", "/srv/backup/app.tgz", "x"], ["tar", "tzf", "/srv/backup/app.tgz"],
	] {
		deploys(argv)
	}
}

test_deployer_does_nothing_else if {
	every argv in [
		["git", "pull"], ["git", "pull", "--ff-only", "origin"], ["git", "log"], ["git", "-C", "/tmp", "pull", "--ff-only"],
		["systemctl", "restart", "sshd.service"], ["systemctl", "restart"], ["systemctl", "restart", "app.service", "sshd.service"],
		["systemctl", "restart", "app*"], ["systemctl", "-H", "x", "restart", "app.service"], ["systemctl", "stop", "app.service"],
		["systemctl", "status", "nginx.service"],
		["tar", "czf", "/srv/app/index.tgz", "/srv/app"], ["tar", "czf", "/srv/backup/x", "/srv/app"], ["tar", "czf", "/srv/backup/x.tgz"],
		["tar", "czf", "/srv/backup/x.tgz", "/etc"], ["tar", "czf", "/srv/backup/x.tgz", "/srv/app", "--remove-files"],
		["tar", "czf", "/srv/backup/x.tgz", "--", "-I"], ["tar", "czf", "host:/srv/backup/x.tgz", "/srv/app"],
		["tar", "xzf", "/srv/backup/x.tgz"], ["tar", "tzf", "/etc/x.tgz"], ["tar", "-czf", "/srv/backup/x.tgz", "/srv/app"],
		["ls"], ["cat", "/srv/app/x"], ["bash"], ["cd", "/srv"], ["rm", "x"],
	] {
		not deploys(argv)
	}
}

test_deployer_elsewhere if {
	pull := with_role("deployer", testing.list([["cd", "/srv/app"], ["git", "pull", "--ff-only"]]))
	sidegate.allow with input as pull
	not sidegate.allow with input as testing.with_request(pull, {"workdir": "/srv"})
	not sidegate.allow with input as testing.with_request(pull, {"env": {"APP_A": "x"}})
}

test_deployer_writes_where_it_must if {
	pull := sidegate.decision with input as with_role("deployer", testing.simple(["git", "pull", "--ff-only"]))
	pull.obligations.network == "full"
	pull.obligations.filesystem.write == ["/srv/app"]
	backup := sidegate.decision with input as with_role("deployer", testing.simple(["tar", "czf", "/srv/backup/x.tgz", "/srv/app"]))
	backup.obligations.filesystem == {"read": ["/srv/app"], "write": ["/srv/backup"], "read_if_present": [], "execute": ["gzip", "sh"]}
	backup.obligations.network == "none"
}

# What neutralizes a repository's configuration stands in both roles.
test_git_is_bridled_everywhere if sidegate.roles.deployer.commands.git.env == sidegate.roles.readonly.commands.git.env

runs(asked) if sidegate.allow with input as with_role("compat", asked)

test_compat_allows_what_can_be_seen if {
	runs(testing.simple(["rm", "-rf", "/srv/app/cache"]))
	runs(testing.simple(["/srv/app/deploy.sh", "--all"]))
	runs(testing.simple(["./deploy.sh"]))
	runs(testing.simple(["curl", "http://x"]))
	runs(testing.pipeline([["cat", "/etc/passwd"], ["tee", "/tmp/x"]]))
	runs(testing.list([["cd", "/opt/x"], ["make-release"]]))
	runs(testing.first(testing.simple(["ls"]), {"redirects": [testing.redirect("write", ">", "/tmp/x")]}))
	runs(testing.first(testing.simple(["ls"]), {"redirects": [testing.redirect("read", "<", "/etc/hosts")]}))
	runs(testing.first(testing.simple(["timeout", "5", "ls"]), {"tags": ["wrapper"]}))
	runs(testing.with_request(testing.simple(["ls"]), {"workdir": "/opt/x", "env": {"APP_A": "x"}}))
}

test_compat_still_refuses if {
	plain := testing.simple(["rsync"])
	runs(plain)
	every asked in [
		testing.simple(["bash", "-c", "ls"]),
		testing.simple(["python3", "x.py"]),
		testing.simple(["sudo", "ls"]),
		testing.simple(["/lib64/ld-linux-x86-64.so.2", "/bin/ls"]),
		testing.simple(["rm", null]),
		testing.simple([null]),
		testing.simple(["cd", "x"]),
		testing.first(plain, {"opaque": "xargs"}),
		testing.first(plain, {"kind": "func"}),
		testing.first(plain, {"context": ["background"]}),
		testing.first(plain, {"assignments": [testing.assignment("FOO", "x")]}),
		testing.first(plain, {"assignments": [object.union(testing.assignment("APP_A", "x"), {"dangerous": true})]}),
		testing.first(plain, {"redirects": [object.union(testing.redirect("write", ">", "/dev/tcp/h/1"), {"net": true})]}),
		testing.first(plain, {"redirects": [testing.redirect("write", ">", null)]}),
		testing.with_shell(plain, {"charset_violations": ["cr"]}),
		testing.with_shell(plain, {"all_static": false}),
		testing.with_shell(plain, {"truncated": true}),
		testing.with_shell(plain, {"features": {"loop": true}}),
		testing.with_request(plain, {"workdir": "/etc"}),
		testing.with_request(plain, {"env": {"FOO": "x"}}),
		testing.with_request(plain, {"env": {"LD_PRELOAD": "x"}, "env_dangerous": ["LD_PRELOAD"]}),
	] {
		not runs(asked)
	}
}

test_compat_needs_everything if {
	decision := sidegate.decision with input as with_role("compat", testing.simple(["rsync"]))
	decision.grants == ["compat.any_command"]
	decision.obligations.filesystem == {"read": ["/", "/srv/app"], "write": ["/"], "read_if_present": [], "execute": ["/"]}
	decision.obligations.network == "full"
}

test_compat_means_itself if {
	not sidegate.allow with input as with_role("x", testing.simple(["rsync"])) with sidegate.roles.x as {"workdirs": ["/srv"], "any_command": "yes"}
	not sidegate.allow with input as testing.simple(["rsync"])
}
