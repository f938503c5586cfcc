package sidegate.reasons_test

import data.sidegate
import data.sidegate.testing

# The reasons for a refusal; undefined when the request is allowed.
reasons(asked) := decision.reasons if {
	decision := sidegate.decision with input as asked
	not decision.allow
}

simple(argv) := reasons(testing.simple(argv))

test_a_missing_command_names_its_line if {
	simple(["rsync", "-a"]) == [`command 0 (rsync -a) is not covered by any grant: add "rsync" under sidegate.roles.readonly.commands in data.yaml`]
}

test_the_index_of_the_command if {
	reasons(testing.pipeline([["ls"], ["rsync"]])) == [`command 1 (rsync) is not covered by any grant: add "rsync" under sidegate.roles.readonly.commands in data.yaml`]
}

test_nothing_is_suggested_against_a_principle if {
	every argv in [["bash"], ["python3", "x"], ["sudo", "ls"], ["/lib64/ld-linux-x86-64.so.2", "x"], ["eval", "x"]] {
		found := simple(argv)
		count(found) == 1
		contains(found[0], "no role can allow")
		not contains(found[0], "data.yaml")
	}
}

test_an_option_that_is_not_listed if {
	simple(["ls", "--colour"]) == ["command 0 (ls --colour) has the option --colour, which is not listed (long options must be written in full): after reading what it does, add it under sidegate.roles.readonly.commands.ls.flags or .values in data.yaml"]
}

test_an_option_that_is_refused_on_principle if {
	simple(["find", "-exec", "id", ";"])[0] == "command 0 (find -exec id ;) has the option -exec, which runs a program; no entry can allow it"
	simple(["sort", "--output=x"]) == ["command 0 (sort --output=x) has the option --output=x, which writes a file; no entry can allow it"]
	simple(["sort", "--outp=x"]) == ["command 0 (sort --outp=x) has the option --outp=x, which writes a file; no entry can allow it"]
}

test_values_and_operands if {
	simple(["head", "-n", "5x"]) == [`command 0 (head -n 5x) has "5x" as the value of -n, which is not of type size`]
	simple(["ls", "--sort=x"]) == [`command 0 (ls --sort=x) has "x" as the value of --sort, which is not one of extension, none, size, time, version, width`]
	contains(simple(["find", "-size", "x"])[0], "which is not of the form")
	contains(simple(["cat", "/etc/shadow"])[0], `the operand "/etc/shadow", which is not a path below /etc/os-release, /proc`)
	contains(simple(["tar", "cf", "/etc/x.tar", "/srv"])[0], "not a path below /srv (the roots of this entry in data.yaml)")
	simple(["head", "-n"]) == ["command 0 (head -n) has the option -n without its value"]
	simple(["whoami", "x"]) == ["command 0 (whoami x) has too few or too many operands (1): see sidegate.roles.readonly.commands.whoami.operands in data.yaml"]
}

test_subcommands if {
	simple(["systemctl", "restart", "x"]) == ["command 0 (systemctl restart x) must have one of the subcommands get-default, is-active, is-enabled, is-failed, is-system-running, list-dependencies, list-jobs, list-sockets, list-timers, list-unit-files, list-units, show, status first: add another under sidegate.roles.readonly.commands.systemctl.subcommands in data.yaml"]
	simple(["systemctl", "status", "x"]) == ["command 0 (systemctl status x) must have the option --no-pager"]
	contains(simple(["systemctl", "-H", "is-active", "x"])[0], "the option -H, which is not listed")
	contains(simple(["git", "log", "-p"])[0], "sidegate.roles.readonly.commands.git.subcommands.log.flags")
}

test_too_many_words if {
	found := simple(array.concat(["ls"], ["x" | some _ in numbers.range(1, 257)]))
	count(found) == 1
	startswith(found[0], "command 0 (ls x x x")
	endswith(found[0], "…) has too many words; 256 are allowed")
}

test_an_entry_that_is_not_well_formed if {
	decision := sidegate.decision with input as testing.simple(["ls"])
		with sidegate.roles.readonly.commands.ls as {"flag": []}
	decision.reasons == ["command 0 (ls) cannot be allowed: sidegate.roles.readonly.commands.ls is not well-formed, see the README"]
}

test_an_empty_entry if {
	decision := sidegate.decision with input as testing.simple(["ls"])
		with sidegate.roles.readonly.commands.ls as null
	decision.reasons == ["command 0 (ls) cannot be allowed: sidegate.roles.readonly.commands.ls is not well-formed, see the README"]
}

test_words_that_only_the_shell_knows if {
	simple(["ls", null]) == ["command 0 (ls $x) has the word $x, which only a shell can resolve: it has a variable"]
}

test_commands_that_cannot_be_covered if {
	contains(simple(["./ls"])[0], "is named by a path outside the system directories")
	reasons(testing.first(testing.simple(["ls"]), {"kind": "func"})) == [`command 0 (ls) is a function; only plain commands can be allowed`]
	reasons(testing.first(testing.simple(["env", "ls"]), {"opaque": "env_split"})) == ["command 0 (env ls) may run something that cannot be seen (env_split)"]
	reasons(testing.first(testing.simple(["ls"]), {"context": ["background"]})) == ["command 0 (ls) stands in the background, which this policy does not allow"]
}

test_the_request_as_a_whole if {
	plain := testing.simple(["ls"])
	"the command is empty" in reasons(testing.with_shell(plain, {"class": "empty"}))
	"the command cannot be analyzed: 1:1: x" in reasons(testing.with_shell(plain, {"class": "invalid", "parse_error": "1:1: x"}))
	reasons(testing.with_shell(plain, {"truncated": true})) == ["the command is longer or more deeply nested than can be analyzed"]
	reasons(testing.with_shell(plain, {"features": {"loop": true}})) == [`the command line uses a loop, which this policy does not allow`]
	`client "test" has no role that this policy knows` in reasons(testing.with_client(plain, {"roles": ["unknown"]}))
	reasons(testing.with_request(plain, {"workdir": "/etc"})) == [`workdir "/etc" is outside the allowed ones: add it under sidegate.roles.readonly.workdirs in data.yaml`]
	reasons(testing.with_request(plain, {"env": {"FOO": "x"}})) == ["environment variable FOO is not allowed, or its value is not: add it, with the type of its value, under sidegate.roles.readonly.env in data.yaml"]
}

test_callbacks if {
	callback := {"scheme": "http", "host": "h", "port": 80, "path": "/", "query": ""}
	asked := testing.with_request(testing.simple(["ls"]), {"callback": callback})
	decision := sidegate.decision with input as asked with sidegate.roles.readonly.callbacks as {}
	decision.reasons == [`callback to "http://h:80" is not allowed: add it, with its paths, under sidegate.roles.readonly.callbacks in data.yaml`]
}

redirected(mode, op, target) := reasons(testing.first(testing.simple(["ls"]), {"redirects": [testing.redirect(mode, op, target)]}))

test_redirects if {
	redirected("write", ">", "/srv/x") == ["command 0 (ls) has the redirect > /srv/x, which is not allowed: add its file or directory under sidegate.roles.readonly.outputs in data.yaml"]
	redirected("read", "<", "/etc/x") == ["command 0 (ls) has the redirect < /etc/x, which is not allowed: add its file or directory under sidegate.roles.readonly.paths in data.yaml"]
	redirected("readwrite", "<>", "/srv/x") == ["command 0 (ls) has the redirect <> /srv/x, which is not allowed"]
	redirected("write", ">", null) == ["command 0 (ls) has the redirect > $x, which is not allowed"]
}

test_assignments if {
	assignment := testing.assignment("FOO", "x")
	reasons(testing.first(testing.simple(["ls"]), {"assignments": [assignment]})) == ["command 0 (ls) sets FOO to a value that is not allowed: add it, with the type of its value, under sidegate.roles.readonly.env in data.yaml"]
	dangerous := object.union(assignment, {"dangerous": true})
	count(reasons(testing.first(testing.simple(["ls"]), {"assignments": [dangerous]}))) == 1
}

test_reasons_stay_short if {
	long := concat("", ["a" | some _ in numbers.range(1, 4000)])
	every reason in simple(["cat", concat("", ["/", long]), concat("", ["--", long])]) {
		count(reason) < 400
	}
}

test_every_problem_is_reported if {
	found := reasons(testing.with_request(testing.pipeline([["rsync"], ["cat", "/etc/x", "/etc/y"]]), {"workdir": "/etc"}))
	count(found) == 4
}

# A role without data has no line to name.
test_no_remedy_without_a_role if {
	found := reasons(testing.with_client(testing.simple(["rsync"]), {"roles": []}))
	"command 0 (rsync) is not covered by any grant" in found
}

test_there_is_always_a_reason if {
	reasons(object.union(testing.simple(["ls"]), {"version": 2})) == ["no grant covers the request"]
}

test_options_that_must_stay_apart if {
	simple(["ps", "-ef", "-o", "pid"]) == ["command 0 (ps -ef -o pid) has the option -f beside -o, which would change its meaning"]
}

test_a_construct_without_words_of_its_own if {
	found := reasons(testing.with_shell(testing.simple(["ls"]), {"features": {"not_invented_yet": true}}))
	found == [`the command line uses "not_invented_yet", which this policy does not allow`]
}

test_a_word_is_told_once if {
	asked := testing.with_shell(testing.simple(["ls", null]), {"features": {"param": true, "loop": true}})
	reasons(asked) == [
		`the command line uses a loop, which this policy does not allow`,
		"command 0 (ls $x) has the word $x, which only a shell can resolve: it has a variable",
	]
}

test_no_reason_disturbs_a_terminal if {
	every asked in [
		testing.simple(["cat", "/etc/\u001b[31m\nallowed"]),
		testing.simple(["\nls", "x"]),
		testing.first(testing.simple(["ls"]), {"redirects": [testing.redirect("write", ">", "\u202e\n")]}),
		testing.with_request(testing.simple(["ls"]), {"env": {"A\nB": "x"}}),
		testing.with_shell(testing.simple(["ls"]), {"class": "invalid", "parse_error": "x\ny"}),
	] {
		every reason in reasons(asked) {
			not regex.match(`[\x00-\x1f\x7f\x{202e}]`, reason)
			count(reason) <= 500
		}
	}
}
