package sidegate.grants_test

import data.sidegate
import data.sidegate.grants
import data.sidegate.lib.specs
import data.sidegate.testing

covers(asked) := found if {
	found := grants.covers with input as asked
}

test_a_grant_of_a_role if {
	covers(testing.simple(["cat", "/var/log/x"])) == {{
		"name": "readonly.cat",
		"command": 0,
		"read": {"/var/log"},
	}}
	covers(testing.simple(["ss", "-tn"])) == {{
		"name": "readonly.ss",
		"command": 0,
		"read": set(),
		"write": set(),
		"network": "netlink",
		"env": {},
	}}
	covers(testing.simple(["cut", "-f1", "/var/log/x"])) == {{
		"name": "readonly.cut",
		"command": 0,
		"read": {"/var/log"},
		"write": set(),
	}}
}

test_a_grant_covers_one_command if {
	found := covers(testing.pipeline([["rm"], ["ls"], ["./ls"], ["/bin/ls"]]))
	{grant.command | some grant in found} == {1, 3}
}

test_each_role_grants if {
	asked := testing.with_client(testing.simple(["ls"]), {"roles": ["readonly", "other"]})
	found := grants.covers with input as asked with sidegate.roles.other as {"commands": {"ls": {}}}
	{grant.name | some grant in found} == {"readonly.ls", "other.ls"}
}

# The examples of README.md, as an author would write them.

web := yaml.unmarshal(`
workdirs: [/srv]
commands:
  rsync:
    flags: [-a, -v, --delete]
    operands: {type: {path: write, roots: [/srv/www]}, min: 2, max: 2}
`)

test_a_command_of_ones_own_in_data if {
	asked := testing.with_client(testing.simple(["rsync", "-a", "/srv/www/new/", "/srv/www/live"]), {"roles": ["web"]})
	sidegate.allow with input as asked with sidegate.roles.web as web
	outside := testing.with_client(testing.simple(["rsync", "-a", "/srv/www/new/", "/srv/app"]), {"roles": ["web"]})
	not sidegate.allow with input as outside with sidegate.roles.web as web
	shell := testing.with_client(testing.simple(["rsync", "-a", "-e", "sh", "/srv/www/a", "/srv/www/b"]), {"roles": ["web"]})
	not sidegate.allow with input as shell with sidegate.roles.web as web
}

test_a_grant_of_ones_own_in_rego if {
	asked := testing.with_client(testing.simple(["nginx", "-s", "reload"]), {"name": "web-1", "roles": ["readonly"]})
	decision := sidegate.decision with input as asked
	decision.allow
	decision.grants == ["example.reload"]
	not sidegate.allow with input as testing.with_client(testing.simple(["nginx", "-s", "stop"]), {"name": "web-1"})
	not sidegate.allow with input as testing.simple(["nginx", "-s", "reload"])
}

test_a_denial_of_ones_own if {
	asked := testing.with_client(testing.simple(["ls"]), {"name": "web-frozen"})
	decision := sidegate.decision with input as asked
	decision.reasons == ["web servers are frozen until Monday"]
}

# What is settled in one go is what the library would find in its longer way, for every
# kind of word that could tell the two apart.
test_simple_finds_only_what_fit_finds if {
	argvs := [
		["ls"], ["ls", "-l"], ["ls", "-la"], ["ls", "-l", "--", "-a"], ["ls", "--"], ["ls", "-"], ["ls", ""], ["ls", "-l", "-w", "80"],
		["ls", "/srv", "x", "-a", "/srv"], ["ls", "/etc"], ["ls", "..", "-a"], ["ls", "-I", "-a"], ["ls", "--color"], ["ls", "--all=x"],
		["cat", "-"], ["cat", "-n", "x"], ["cat", "-n", "-", "/etc/shadow"], ["head", "-5"], ["head", "-n"], ["head", "x", "-q"],
		["stat"], ["stat", "x"], ["whoami"], ["whoami", "x"], ["uptime", "-p"], ["uptime", "-p", "x"], ["free", "-m"], ["free", "-s"],
		["sort", "-o", "x"], ["sort", "-o"], ["sort", "-u", "x"], ["uniq", "x", "y"], ["uniq", "-c"], ["wc", "--files0-from=x"],
		["df", "-h", "/srv"], ["du", "-L"], ["id", "a", "b"], ["true", "x"], ["echo", "-n"], ["printf"], ["ss", "-t"], ["ps", "-f"],
	]
	settled := [[argv, key, read] |
		some workdir in ["", "/srv/app", "/etc"]
		some argv in argvs
		found := grants.simple with input as testing.with_request(testing.simple(argv), {"workdir": workdir})
		some key, read in found
		spec := sidegate.roles.readonly.commands[argv[0]]
		words := array.slice(argv, 1, count(argv))
		needs := specs.fit("readonly", spec, words) with input as testing.with_request(testing.simple(argv), {"workdir": workdir})
		needs == {"read": read, "write": set()}
	]
	answered := [argv |
		some workdir in ["", "/srv/app", "/etc"]
		some argv in argvs
		found := grants.simple with input as testing.with_request(testing.simple(argv), {"workdir": workdir})
		count(found) > 0
	]
	count(settled) == count(answered)
	count(answered) > 20
}

# An entry that lists an option and bans it bans it.
test_a_ban_wins_over_a_flag if {
	other := {"commands": {"x": {"flags": ["-a", "-b"], "never": {"-b": "is bad"}}}}
	fine := testing.with_client(testing.simple(["x", "-a"]), {"roles": ["other"]})
	count(grants.covers) == 1 with input as fine with sidegate.roles.other as other
	banned := testing.with_client(testing.simple(["x", "-a", "-b"]), {"roles": ["other"]})
	count(grants.covers) == 0 with input as banned with sidegate.roles.other as other
}

# Not even the short way from a plain spec to a grant brings in a letter that must not be allowed.
test_listed_letters_do_not_lift_a_ban if {
	careless := {"paths": ["/srv"], "workdirs": ["/srv"], "commands": {"grep": {
		"flags": ["-rf", "-ri"],
		"never": {"-f": "reads patterns from a file"},
		"operands": "path",
	}}}
	harmless := testing.with_client(testing.simple(["grep", "-ri", "/srv/a", "/srv/b"]), {"roles": ["web"]})
	sidegate.allow with input as harmless with sidegate.roles.web as careless
	banned := testing.with_client(testing.simple(["grep", "-rf", "/srv/a", "/srv/b"]), {"roles": ["web"]})
	not sidegate.allow with input as banned with sidegate.roles.web as careless
}
