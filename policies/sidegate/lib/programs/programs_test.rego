package sidegate.lib.programs_test

import data.sidegate.lib.programs
import data.sidegate.testing

program(name, path) := object.union(testing.command(0, [name]), {"resolved_path": path})

principle(name, path) := programs.principle(program(name, path))

test_bare_names_in_system_directories if {
	programs.name(program("ls", "/usr/bin/ls")) == "ls"
	programs.name(program("ip", "/usr/sbin/ip")) == "ip"
	every directory in ["/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"] {
		programs.name(program("ip", concat("/", [directory, "ip"]))) == "ip"
	}
}

test_a_bare_name_found_elsewhere_has_none if {
	not programs.name(program("ls", "/opt/evil/ls"))
	not programs.name(program("ls", "/usr/bin/sub/ls"))
	not programs.name(program("ls", "/usr/bin/../../tmp/ls"))
}

test_a_program_that_is_not_there_keeps_its_name if programs.name(program("ls", null)) == "ls"

test_absolute_names if {
	programs.name(program("/bin/ls", "/usr/bin/ls")) == "ls"
	not programs.name(program("/tmp/ls", "/tmp/ls"))
	not programs.name(program("/tmp/ls", "/usr/bin/ls"))
	not programs.name(program("/usr/bin/ls", "/tmp/ls"))
	not programs.name(program("/usr/bin/ls", null))
	not programs.name(program("/usr/bin/../../tmp/ls", "/usr/bin/ls"))
}

test_relative_and_unknown_names_have_none if {
	not programs.name(program("./ls", "/usr/bin/ls"))
	not programs.name(program("bin/ls", null))
	not programs.name(program(null, null))
	not programs.name(object.union(program("/bin/ls", "/usr/bin/ls"), {"path_kind": "dynamic"}))
}

test_principles_go_by_name if {
	principle("bash", null) == "a shell"
	principle("/bin/sh", "/usr/bin/dash") == "a shell"
	principle("./python3.11", null) == "an interpreter"
	principle("sudo", null)
	principle("ssh", null)
	principle(".", null)
	principle("busybox", null)
	not principle("ls", "/usr/bin/ls")
}

test_principles_go_by_the_program_behind_the_name if {
	principle("harmless", "/usr/bin/bash") == "a shell"
	principle("harmless", "/usr/bin/python3.11") == "an interpreter"
	not principle("ls", "/usr/bin/busybox")
}

test_the_loader_is_refused if {
	principle("/lib64/ld-linux-x86-64.so.2", "/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2")
	principle("ld.so", "/usr/bin/ld.so") == "the program loader or a library"
	principle("harmless", "/usr/lib/x86_64-linux-gnu/libc.so.6")
	not principle("also", "/usr/bin/also")
}

test_principles_go_by_tags_too if {
	tagged := object.union(program("newsh", "/usr/bin/newsh"), {"tags": ["network", "shell", "privilege"]})
	programs.principle(tagged) == "a shell"
	programs.principle(object.union(tagged, {"tags": ["interpreter"]})) == "an interpreter"
	programs.principle(object.union(tagged, {"tags": ["privilege"]})) == "a program that runs others with other rights or in another world"
	not programs.principle(object.union(program("curl", "/usr/bin/curl"), {"tags": ["network"]}))
}
