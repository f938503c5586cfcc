package sidegate.lib.wording_test

import data.sidegate.lib.wording
import data.sidegate.testing

test_a_sentence_about_a_command if {
	wording.of_command(testing.command(2, ["ls", "-l"]), "is fine") == "command 2 (ls -l) is fine"
}

test_nothing_disturbs_a_terminal if {
	wording.clip("a\nb\u001b[0m") == "a?b?[0m"
	wording.clip("\u202e\u200b\u2028\u007f\u009b") == "?????"
	wording.bounded("x\ry") == "x?y"
}

test_long_texts_are_cut if {
	long := concat("", ["ä" | some _ in numbers.range(1, 600)])
	count(wording.clip(long)) == 81
	count(wording.bounded(long)) == 500
	endswith(wording.bounded(long), "ä…")
	wording.clip("short") == "short"
	wording.clip(substring(long, 0, 80)) == substring(long, 0, 80)
}

test_commands_without_words if {
	wording.text(object.union(testing.command(0, []), {"kind": "assign"})) == "an assignment"
	wording.text(object.union(testing.command(0, []), {"kind": "new\n"})) == "new?"
}

test_a_reason_that_is_no_string if {
	wording.bounded(5) == "5"
	wording.bounded({"why": "frozen"}) == `{"why": "frozen"}`
}
