package sidegate.lib.commands_test

import data.sidegate.lib.commands
import data.sidegate.lib.programs
import data.sidegate.testing

known(changes) if commands.known(object.union(testing.command(0, ["ls", "/srv"]), changes))

test_plain_commands_are_known if known({})

test_what_is_not_known if {
	not known({"kind": "decl"})
	not known({"name_static": false})
	not known({"args_static": false})
	not known({"opaque": "eval"})
	not known({"context": ["pipe", "background"]})
	not known({"context": ["loop"]})
	not known({"argv": ["ls", null]})
	not known({"tags": ["shell"]})
}

test_contexts_that_are_allowed if known({"context": ["pipe", "subshell", "conditional"]})

test_named if {
	found := commands.named with input as testing.pipeline([["ls"], ["/bin/ls", "-l"], ["./ls"], ["bash"], ["wc", null]])
	object.keys(found) == {"ls"}
	{command.id | some command in found.ls} == {0, 1}
}

test_words if {
	commands.words(testing.command(0, ["ls", "-l", "/srv"])) == ["-l", "/srv"]
	commands.words(testing.command(0, ["ls"])) == []
}

test_coverable if {
	ordinary := commands.coverable with input as testing.pipeline([["ls"], ["wc"]])
	ordinary == ["ls", "wc"]
	mixed := commands.coverable with input as testing.pipeline([["ls"], ["bash"], ["./x"], ["wc", null]])
	object.keys(mixed) == {0, 2}
}

# The look at all commands at once must see what `known` sees of each.
test_one_odd_command_among_ordinary_ones if {
	every change in [
		{"kind": "decl"}, {"name_static": false}, {"args_static": false}, {"opaque": "eval"},
		{"context": ["background"]}, {"argv": ["ls", null]}, {"tags": ["shell"]},
		{"resolved_path": "/opt/ls"}, {"name": "bash", "resolved_path": "/usr/bin/bash"},
		{"name": "python3.11", "resolved_path": "/usr/bin/python3.11"},
		{"name": "ld.so", "resolved_path": "/usr/bin/ld.so"},
	] {
		found := commands.names with input as testing.first(testing.pipeline([["ls"], ["wc"]]), change)
		object.keys(found) == {1}
	}
}

# The look at all commands at once finds for each what `known` and programs.name would.
test_one_look_at_all_finds_what_each_would if {
	oddities := [
		{}, {"kind": "decl"}, {"name_static": false}, {"args_static": false}, {"opaque": "wrapper"}, {"tags": ["shell"]}, {"tags": ["network"]},
		{"path_kind": "relative"}, {"path_kind": "absolute"}, {"resolved_path": null}, {"resolved_path": "/tmp/ls"}, {"resolved_path": "/usr/bin/cat"},
		{"resolved_path": "/usr/bin/../../tmp/ls"}, {"argv": ["ls", null]}, {"name": "bash", "resolved_path": "/usr/bin/bash"},
		{"name": "python3.11", "resolved_path": "/usr/bin/python3.11"}, {"name": "b2", "resolved_path": "/usr/bin/b2"},
		{"name": "ld-linux.so.2", "resolved_path": "/usr/bin/ld-linux.so.2"}, {"name": "x.so", "resolved_path": "/usr/bin/x.so"},
		{"name": "x.so.y", "resolved_path": "/usr/bin/x.so.y"}, {"name": "python3", "resolved_path": "/usr/bin/python3"},
		{"name": "python.", "resolved_path": "/usr/bin/python."}, {"name": "python-", "resolved_path": "/usr/bin/python-"}, {"name": "a b", "resolved_path": "/usr/bin/a b"},
		{"context": ["loop"]}, {"context": ["pipe"]}, {"context": ["pipe", "background"]},
	]
	plain := testing.pipeline([["ls"], ["wc"]])
	every oddity in oddities {
		odd := json.patch(plain, [{"op": "replace", "path": "/shell/commands/0", "value": object.union(plain.shell.commands[0], oddity)}])
		each := {i: name |
			some i, command in odd.shell.commands
			commands.known(command)
			name := programs.name(command)
		}
		found := commands.names with input as odd
		{i: name | some i, name in found} == each
		known := {i | some i, command in odd.shell.commands; commands.known(command)}
		covered := commands.coverable with input as odd
		{i: true | some i, _ in covered} == {i: true | some i in known}
		principles := programs.principles with input as odd
		principles == {i: why | some i, command in odd.shell.commands; why := programs.principle(command)}
	}
}
