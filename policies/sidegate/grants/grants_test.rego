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
		"execute": set(),
		"read_if_present": set(),
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
both_ways := [
	["ls"], ["ls", "-l"], ["ls", "-la"], ["ls", "-l", "--", "-a"], ["ls", "--"], ["ls", "-"], ["ls", ""], ["ls", "-l", "-w", "80"],
	["ls", "/srv", "x", "-a", "/srv"], ["ls", "/etc"], ["ls", "..", "-a"], ["ls", "-I", "-a"], ["ls", "--color"], ["ls", "--all=x"],
	["cat", "-"], ["cat", "-n", "x"], ["cat", "-n", "-", "/etc/shadow"], ["head", "-5"], ["head", "-n"], ["head", "x", "-q"],
	["stat"], ["stat", "x"], ["whoami"], ["whoami", "x"], ["uptime", "-p"], ["uptime", "-p", "x"], ["free", "-m"], ["free", "-s"],
	["sort", "-o", "x"], ["sort", "-o"], ["sort", "-u", "x"], ["uniq", "x", "y"], ["uniq", "-c"], ["wc", "--files0-from=x"],
	["df", "-h", "/srv"], ["du", "-L"], ["id", "a", "b"], ["true", "x"], ["echo", "-n"], ["printf"], ["ss", "-t"], ["ps", "-f"],
	["head", "-n", "5"], ["head", "-n", "5", "x"], ["head", "-n", "5", "-c", "6", "/srv/x"], ["head", "-n", "x"], ["head", "-n", "-5"],
	["head", "-n", "-n", "5"], ["head", "-n", "-q"], ["head", "-n", "-q", "5"], ["head", "x", "-n"], ["head", "--lines", "5", "/etc/x"],
	["head", "-n", "5", "/etc/shadow"], ["head", "-n", "/srv/x"], ["head", "-n", "--", "5"], ["head", "--", "-n", "5"],
	["ls", "-I", "/srv/x", "/etc/shadow"], ["ls", "-I", "/srv/x"], ["ls", "-I", "/etc/shadow", "-l"], ["ls", "-I", "x", "--evil"],
	["ls", "-I", "x", "x", "--evil"], ["date", "-r", "/etc/shadow"], ["date", "-r", "/srv/x"], ["date", "-d", "now"],
	["sort", "-t", ":", "-k", "2", "/srv/x"], ["sort", "-t", "-o", "x"], ["sort", "-o", "5", "5"], ["free", "-s", "1", "-c", "2"],
	["free", "-s", "1", "x"], ["ss", "-f", "inet"], ["du", "-d", "1", "/srv"], ["cut", "-d", ":", "-f", "1", "x"],
	["ls", "-la", "/srv"], ["ls", "-lA", "-h", "/etc"], ["ls", "-lw", "80"], ["ls", "-law", "80"], ["ls", "-lI", "x"], ["ls", "-l-"], ["ls", "-ly"],
	["sort", "-rn", "x"], ["sort", "-ro", "x"], ["sort", "-uo", "/srv/x"], ["sort", "-k2", "x"], ["tail", "-fn", "5", "x"], ["tail", "-5", "x"],
	["du", "-sh", "/srv"], ["du", "-sL", "/srv"], ["head", "-qn5", "x"], ["wc", "-lw", "x"], ["ls", "-la-", "x"],
	["df", "-h"], ["df", "-h", "-t", "ext4"], ["df", "."], ["du", "-s", "-h", "/srv"], ["ps", "-e"], ["date", "-u", "-R"], ["id", "-u"],
	["journalctl", "--no-pager"], ["journalctl", "-u", "x", "--no-pager", "-5"], ["journalctl", "-u", "--no-pager"], ["journalctl", "-n", "5"],
]

settled_alike(workdir) := count(settled) if {
	settled := [same |
		some argv in both_ways
		asked := testing.with_request(testing.simple(argv), {"workdir": workdir})
		found := grants.simple with input as asked
		some held in found.readonly
		spec := sidegate.roles.readonly.commands[argv[0]]
		needs := {fitting | fitting := specs.fit("readonly", spec, array.slice(argv, 1, count(argv)))} with input as asked
		same := needs == {{"read": union({roots | some roots in held}), "write": set()}}
	]
	every same in settled {
		same
	}
}

test_simple_finds_only_what_fit_finds_without_a_workdir if settled_alike("") > 25

test_simple_finds_only_what_fit_finds_in_a_listed_workdir if settled_alike("/srv/app") > 25

test_simple_finds_only_what_fit_finds_in_a_foreign_workdir if settled_alike("/etc") > 15

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

# The bound of the short way is that of the longer one.
test_too_many_words_for_either_way if {
	many := array.concat(["ls"], ["/srv/x" | some _ in numbers.range(1, 256)])
	grants.simple.readonly[0] with input as testing.simple(many)
	more := testing.simple(array.concat(many, ["/srv/x"]))
	not grants.simple.readonly[0] with input as more
	count(grants.covers) == 0 with input as more
}

# A spec that is not well-formed fits nothing, the short way either.
test_what_is_not_plain_is_left_to_the_longer_way if {
	specs_tried := [
		{"requird": ["-a"]}, {"operands": 1}, {"operands": ["x"]}, {"operands": {"min": 1}}, {"operands": {"type": "path", "min": 1}},
		{"operands": {"type": "path", "max": 0}}, {"style": "literal"}, {"required": ["-a"]}, {"apart": {}}, {"subcommands": {}},
		{"network": "full"}, {"workdir": "write"}, {"env": {}}, {"literals": []}, {"never": ["-a"]}, {"optional": ["-a"]}, {"values": ["-a"]},
	]
	asked := testing.with_client(testing.simple(["x"]), {"roles": ["other"]})
	every spec in specs_tried {
		grants.simple == {"other": {}} with input as asked with sidegate.roles.other as {"commands": {"x": spec}}
	}
}

# A required flag counts where it stands alone; joined to others, or with a value, it is left to the longer way.
test_required_flags_in_short if {
	strict := {"flags": ["-a", "-b", "--all", "x"], "values": {"-n": "number"}, "operands": "path", "required": ["--all"]}
	tried := [
		[["--all"], {0: []}], [["-a", "--all", "-n", "5"], {0: []}], [["-a"], {}], [["--al"], {}], [[], {}], [["-n", "--all"], {}],
		[["--", "--all"], {}], [["--all=x"], {}],
	]
	every pair in tried {
		asked := testing.with_client(testing.simple(array.concat(["x"], pair[0])), {"roles": ["other"]})
		grants.simple == {"other": pair[1]} with input as asked with sidegate.roles.other as {"commands": {"x": strict}}
	}
	joined := testing.with_client(testing.simple(["x", "-ab", "-n", "5", "x"]), {"roles": ["other"]})
	every required in [["-a"], ["-ab"], ["-n"], ["x"], "-z", {"-z": 1}, null] {
		other := {"paths": ["/srv"], "commands": {"x": object.union(strict, {"required": required})}}
		grants.simple == {"other": {}} with input as joined with sidegate.roles.other as other
	}
}

# Joined letters and numbers are options like those that stand alone.
test_joined_flags_in_short if {
	other := {"paths": ["/srv"], "commands": {"x": {"flags": ["-a", "-b"], "number": true, "operands": "path"}}}
	every pair in [[["-ab", "-5"], {0: []}], [["-ab", "-a", "/srv/x"], {0: [{"/srv"}]}], [["-az"], {}], [["-5a"], {}]] {
		asked := testing.with_client(testing.simple(array.concat(["x"], pair[0])), {"roles": ["other"]})
		grants.simple == {"other": pair[1]} with input as asked with sidegate.roles.other as other
	}
}

# What one option lists in two ways, or as what must not be allowed, is left to the longer way, too.
test_an_option_listed_twice if {
	other := {"paths": ["/srv"], "commands": {"x": {
		"flags": ["-a", "-ab"],
		"values": {"-a": "text", "-b": "text", "-c": "text", "-cd": "text", "-p": "path"},
		"never": {"-b": "is bad"},
	}}}
	tried := [["x", "-a", "y"], ["x", "-a", "y", "--evil"], ["x", "-b", "y"], ["x", "-ab"], ["x", "-cd", "y"], ["x", "-p", "/srv"], ["x", "-c"], ["x", "-c", "-a"], ["x", "-c", "-z"]]
	every argv in tried {
		asked := testing.with_client(testing.simple(argv), {"roles": ["other"]})
		grants.simple == {"other": {}} with input as asked with sidegate.roles.other as other
	}
	fine := testing.with_client(testing.simple(["x", "-c", "/y", "-a", "-c", "-"]), {"roles": ["other"]})
	grants.simple == {"other": {}} with input as fine with sidegate.roles.other as other
	finer := testing.with_client(testing.simple(["x", "-c", "/y", "-a"]), {"roles": ["other"]})
	grants.simple == {"other": {0: []}} with input as finer with sidegate.roles.other as other
}

# One role may settle what another leaves to the longer way; both are told.
test_two_roles_and_both_ways if {
	other := {"paths": ["/srv"], "commands": {"ls": {"flags": ["-a"], "required": ["-a"], "operands": "path"}}}
	asked := testing.with_client(testing.simple(["ls", "-a", "/srv/x"]), {"roles": ["readonly", "other", "readonly"]})
	{grant.name | some grant in grants.covers} == {"other.ls", "readonly.ls"} with input as asked with sidegate.roles.other as other
}

# What the short way settles, the longer one leaves alone.
test_each_command_is_settled_once if {
	asked := testing.pipeline([["ls", "-l", "/srv/x"], ["cut", "-f1"], ["sort", "-u"]])
	found := grants.covers with input as asked
	sort([grant.command | some grant in found]) == [0, 1, 2]
}

# Operands of any type may be absent, unless the spec says how many there must be.
test_no_operands_where_there_may_be_none if {
	asked := testing.with_client(testing.simple(["x"]), {"roles": ["other"]})
	every operands in ["path", "unit", {"type": "path"}, {"type": ["a"]}] {
		grants.simple == {"other": {0: []}} with input as asked with sidegate.roles.other as {"commands": {"x": {"operands": operands}}}
	}
	named := testing.with_client(testing.simple(["x", "a"]), {"roles": ["other"]})
	grants.simple == {"other": {}} with input as named with sidegate.roles.other as {"commands": {"x": {"operands": {"type": ["a"]}}}}
}
