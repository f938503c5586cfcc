package sidegate.lib.redirects_test

import data.sidegate.lib.redirects
import data.sidegate.testing

needs(mode, op, target) := found if {
	found := redirects.needs(["readonly"], testing.redirect(mode, op, target)) with input as testing.simple(["ls"])
}

nothing := {"read": set(), "write": set()}

test_copies_of_descriptors if {
	every descriptor in ["-", "0", "1", "2", "0-", "1-", "2-"] {
		needs("dup", ">&", descriptor) == nothing
	}
	not needs("dup", "<&", "3")
	not needs("dup", ">&", "x")
	not needs("dup", ">&", "1\n")
	not needs("dup", ">&", null)
}

test_writing_only_to_outputs if {
	needs("write", ">", "/dev/null") == {"read": set(), "write": {"/dev/null"}}
	needs("append", ">>", "/dev/null")
	not needs("write", ">", "/srv/x")
	not needs("append", ">>", "/var/log/x")
	not needs("write", ">", "1")
	not needs("write", ">", "/dev/null/../sda")
	not needs("readwrite", "<>", "/dev/null")
	not needs("write", ">", null)
}

test_reading_below_paths if {
	needs("read", "<", "/var/log/syslog") == {"read": {"/var/log"}, "write": set()}
	needs("read", "<", "x") == {"read": {"/srv"}, "write": set()}
	not needs("read", "<", "/etc/shadow")
	not needs("read", "<", "/dev/null")
	not needs("read", "<", null)
}

test_texts_that_are_known if {
	needs("heredoc", "<<", "text") == nothing
	needs("herestring", "<<<", "text") == nothing
	not needs("heredoc", "<<", null)
	not needs("herestring", "<<<", null)
}

test_sockets_are_no_files if {
	redirect := object.union(testing.redirect("write", ">", "/dev/null"), {"net": true})
	not redirects.needs(["readonly"], redirect) with input as testing.simple(["ls"])
	reading := object.union(testing.redirect("read", "<", "/srv/x"), {"net": true})
	not redirects.needs(["readonly"], reading) with input as testing.simple(["ls"])
}

# A target that only the shell knows holds nothing, whatever is said of its value.
test_targets_that_are_not_known if {
	every pair in [["dup", "1"], ["read", "/srv/x"], ["write", "/dev/null"], ["append", "/dev/null"], ["heredoc", "x"], ["herestring", "x"]] {
		needs(pair[0], "", pair[1])
		known := testing.redirect(pair[0], "", pair[1])
		unknown := object.union(known, {"target": object.union(known.target, {"static": false})})
		not redirects.needs(["readonly"], unknown) with input as testing.simple(["ls"])
	}
}

test_only_of_the_clients_roles if {
	not redirects.needs([], testing.redirect("write", ">", "/dev/null")) with input as testing.simple(["ls"])
}
