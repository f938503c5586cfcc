package sidegate.policy_test

import data.sidegate
import data.sidegate.grants
import data.sidegate.testing

obliged(asked) := found if {
	decision := sidegate.decision with input as asked
	decision.allow
	found := decision.obligations
}

# The paths of the commands' own words.
reached(asked) := object.filter(obliged(asked).filesystem, ["read", "write"])

test_mode_of_one_command if obliged(testing.simple(["ls"])).mode == "direct"

test_mode_where_a_program_and_a_builtin_share_a_name if obliged(testing.simple(["echo", "x"])).mode == "direct"

test_mode_of_a_program_that_is_not_there if {
	obliged(testing.first(testing.simple(["ls"]), {"resolved_path": null})).mode == "direct"
}

test_mode_of_what_only_a_shell_can_do if {
	obliged(testing.pipeline([["ls"], ["wc"]])).mode == "shell"
	obliged(testing.simple(["cd", "/srv"])).mode == "shell"
	obliged(testing.with_shell(testing.simple(["ls"]), {"class": "compound"})).mode == "shell"
}

test_only_the_roots_that_are_used if {
	reached(testing.with_request(testing.simple(["cat", "/var/log/x"]), {"workdir": ""})) == {"read": ["/var/log"], "write": []}
	reached(testing.simple(["cat", "/etc/os-release"])) == {"read": ["/etc/os-release", "/srv/app"], "write": []}
	reached(testing.with_request(testing.simple(["uptime"]), {"workdir": ""})) == {"read": [], "write": []}
}

test_writing if {
	reached(testing.simple(["tar", "czf", "/srv/a.tgz", "/var/log"])) == {"read": ["/srv/app", "/var/log"], "write": ["/srv"]}
	obliged(testing.simple(["git", "pull", "--ff-only"])).filesystem.write == ["/srv/app"]
	obliged(testing.simple(["git", "status"])).filesystem.write == []
	obliged(testing.list([["cd", "/srv/b"], ["git", "pull", "--ff-only"]])).filesystem.write == ["/srv/app", "/srv/b"]
	obliged(testing.with_request(testing.simple(["git", "pull", "--ff-only"]), {"workdir": ""})).filesystem.write == []
}

test_helpers_come_with_the_command if {
	obliged(testing.simple(["ls"])).filesystem.execute == []
	obliged(testing.simple(["tar", "czf", "/srv/a.tgz", "/srv/b"])).filesystem.execute == ["bzip2", "gzip", "sh", "xz"]
	obliged(testing.pipeline([["git", "pull", "--ff-only"], ["wc"]])).filesystem.execute == ["/usr/lib/git-core", "/usr/libexec/git-core", "git", "sh", "ssh"]
	obliged(testing.simple(["git", "status"])).filesystem.execute == []
}

test_the_journal_is_read_where_it_is if {
	obliged(testing.simple(["journalctl", "-u", "nginx", "--no-pager"])).filesystem.read_if_present == ["/run/log/journal", "/var/log/journal"]
	obliged(testing.simple(["cat", "/var/log/x"])).filesystem.read_if_present == []
}

test_redirects_count if {
	asked := testing.first(testing.simple(["wc"]), {"redirects": [
		testing.redirect("read", "<", "/var/log/x"),
		testing.redirect("write", ">", "/dev/null"),
	]})
	reached(asked) == {"read": ["/srv/app", "/var/log"], "write": ["/dev/null"]}
	written := testing.first(testing.simple(["cat", "/etc/os-release"]), {"redirects": [testing.redirect("write", ">", "/dev/null")]})
	reached(written) == {"read": ["/etc/os-release", "/srv/app"], "write": ["/dev/null"]}
}

test_network_is_what_the_most_demanding_command_needs if {
	obliged(testing.simple(["ls"])).network == "none"
	obliged(testing.simple(["ss", "-tulnp"])).network == "netlink"
	obliged(testing.pipeline([["ip", "addr"], ["wc"]])).network == "netlink"
	obliged(testing.list([["ip", "addr"], ["git", "pull", "--ff-only"]])).network == "full"
}

test_environment_is_passed_by_name if {
	obliged(testing.with_request(testing.simple(["ls"]), {"env": {"LANG": "C", "APP_A": "x"}})).env == {"set": {}, "pass": ["APP_A", "LANG"]}
}

test_git_forgets_its_repositorys_settings if {
	env := obliged(testing.simple(["git", "status"])).env.set
	env.GIT_OPTIONAL_LOCKS == "0"
	pairs := to_number(env.GIT_CONFIG_COUNT)
	every i in numbers.range(0, pairs - 1) {
		env[sprintf("GIT_CONFIG_KEY_%d", [i])]
		is_string(env[sprintf("GIT_CONFIG_VALUE_%d", [i])])
	}
	not env[sprintf("GIT_CONFIG_KEY_%d", [pairs])]
	keys := {value | some key, value in env; startswith(key, "GIT_CONFIG_KEY_")}
	{"core.hooksPath", "core.fsmonitor", "core.pager", "diff.external"} - keys == set()
	count(keys) == pairs
}

test_git_pulls_over_https_and_ssh_and_from_directories if {
	env := obliged(testing.simple(["git", "pull", "--ff-only"])).env.set
	env.GIT_ALLOW_PROTOCOL == "file:https:ssh"
}

test_grants_may_leave_out_what_they_do_not_need if {
	careless := {{"name": "all", "command": 0}}
	found := sidegate.decision with input as testing.simple(["rsync"]) with grants.covers as careless
	found.allow
	found.obligations.network == "none"
	found.obligations.filesystem == {"read": ["/srv/app"], "write": [], "read_if_present": [], "execute": []}
}

# A kind of network that there is not gives none.
test_an_unknown_network if {
	spec := {"commands": {"x": {"network": "all"}, "y": {"network": "netlink"}, "z": {"network": "full"}}}
	x := testing.with_client(testing.simple(["x"]), {"roles": ["other"]})
	sidegate.obligations.network == "none" with input as x with sidegate.roles.other as spec
	xy := testing.with_client(testing.pipeline([["x"], ["y"]]), {"roles": ["other"]})
	sidegate.obligations.network == "netlink" with input as xy with sidegate.roles.other as spec
	xyz := testing.with_client(testing.pipeline([["x"], ["y"], ["z"]]), {"roles": ["other"]})
	sidegate.obligations.network == "full" with input as xyz with sidegate.roles.other as spec
}
