package sidegate.lib.paths_test

import data.sidegate.lib.paths
import data.sidegate.testing

roots := ["/srv", "/var/log", "/etc/os-release"]

within(word) := found if {
	found := paths.within(word, roots) with input as testing.simple(["ls"])
}

private(word) := found if {
	found := paths.within(word, roots) with input as testing.with_request(testing.simple(["ls"]), {"workdir": ""})
}

test_below_a_root if {
	within("/srv") == {"/srv"}
	within("/var/log/nginx/access.log") == {"/var/log"}
	within("/etc/os-release") == {"/etc/os-release"}
}

test_a_root_that_ends_in_a_slash if {
	every word in ["/srv", "/srv/", "/srv/x", "x", "/srv//x/."] {
		found := paths.within(word, ["/srv/"]) with input as testing.simple(["ls"])
		found == {"/srv"}
	}
	not paths.within("/srv-evil", ["/srv/"]) with input as testing.simple(["ls"])
	not paths.within("/etc", ["/srv/"]) with input as testing.simple(["ls"])
	paths.within("/etc/x", ["/", "/srv/"]) == {"/"} with input as testing.simple(["ls"])
}

test_a_name_that_begins_like_a_root_is_outside if {
	not within("/srv-evil")
	not within("/var/log.old/x")
	not within("/etc/os-release2")
	not within("/etc/srv")
	not within("/etc/srv/x")
	not within("/var")
	not within("/")
}

test_cleaning if {
	within("//srv///app/./x/") == {"/srv"}
	within("/../srv/x") == {"/srv"}
	paths.resolve("//srv/./app//") == {"/srv/app"} with input as testing.simple(["ls"])
	paths.resolve("/..") == {"/"} with input as testing.simple(["ls"])
}

test_up_after_a_name_is_uncertain if {
	not within("/var/log/../../etc/shadow")
	not within("/srv/link/../x")
	not within("x/../y")
}

test_relative_paths_start_at_the_workdir if {
	within("x") == {"/srv"}
	within("./x") == {"/srv"}
	within("..") == {"/srv"}
	paths.resolve("../x") == {"/srv/x"} with input as testing.simple(["ls"])
	not within("../..")
	not within("../../etc/shadow")
}

test_an_empty_path_is_none if not within("")

test_inside_a_private_directory if {
	private("x") == set()
	private("./a/b") == set()
	private("/srv/x") == {"/srv"}
	not private("..")
	not private("../srv/x")
	not private("/etc/shadow")
}

moved(target, word) := found if {
	found := paths.within(word, roots) with input as testing.list([["cd", target], ["ls"]])
}

test_relative_paths_after_cd_hold_for_every_directory if {
	moved("/var/log", "x") == {"/srv", "/var/log"}
	not moved("/etc", "shadow")
	not moved("/srv", "../etc/shadow")
	not moved("/var/log", "..")
	not moved("/srv/maybe-a-link", "../x")
}

test_cd_to_where_the_request_is_changes_nothing if moved("/srv/app", "../x") == {"/srv"}

test_cd_to_an_uncertain_place if {
	not moved("x", "y")
	not moved("..", "y")
	not moved("-", "y")
	not moved("/srv/link/..", "y")
	not moved(null, "y")
	moved("..", "/srv/x") == {"/srv"}
}

# A relative `cd` leads on from wherever the one before it led.
test_one_uncertain_cd_among_several if {
	every targets in [["/srv", "srv"], ["srv", "/srv"], ["/srv", null]] {
		not paths.within("x", roots) with input as testing.list([["cd", target] | some target in targets])
	}
}

# A gateway cleans the workdir; one that is not clean holds nothing.
test_a_workdir_that_is_not_clean if {
	asked := testing.with_request(testing.simple(["ls"]), {"workdir": "/srv/link/.."})
	not paths.within("x", roots) with input as asked
	paths.within("/srv/x", roots) == {"/srv"} with input as asked
}

test_every_cd_counts if {
	not paths.within("x", roots) with input as testing.list([["cd", "/srv"], ["cd", "/etc"], ["cd", "/srv"]])
}

test_below if {
	paths.below("/srv", "/srv")
	paths.below("/srv/x", "/srv")
	paths.below("/srv/x", "/srv/")
	paths.below("/srv", "/srv/")
	paths.below("/x", "/")
	not paths.below("/srv-evil", "/srv")
	not paths.below("/", "/srv")
	not paths.below("/etc/srv", "/srv")
	not paths.below("/etc/srv/x", "/srv")
}
