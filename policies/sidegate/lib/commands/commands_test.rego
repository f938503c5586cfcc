package sidegate.lib.commands_test

import data.sidegate.lib.commands
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
