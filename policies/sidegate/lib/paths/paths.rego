# METADATA
# description: |
#   Paths as strings. Whether a symbolic link stands in the way only the kernel
#   knows (a decision's filesystem lists hold it to that); what the string says
#   is decided here, exactly, or not at all.
package sidegate.lib.paths

# METADATA
# description: |
#   The roots that hold `word`, which may be relative. Undefined unless every path
#   that the word may mean lies below one of them. A relative path inside the
#   private directory of a request without a workdir needs no root. A root may end in
#   a slash, and is returned without it.
within(word, roots) := held if {
	# Nearly every word: an absolute path of names that begin with no dot, so that there
	# is nothing to clean. What is not found here may still be found on the longer way.
	regex.match(`\A(/[^/.][^/]*)+\z`, word)
	held := {root |
		some root in roots
		startswith(word, root)
		substring(trim_prefix(word, root), 0, 1) in {"", "/"}
	}
	held != set()
} else := union({held | some held in holders}) if {
	candidates := resolve(word)
	holders := {path: held |
		some path in candidates
		held := {bare(root) | some root in roots; below(path, root)}
		count(held) > 0
	}
	count(holders) == count(candidates)
}

# METADATA
# description: |
#   The absolute, cleaned paths that `word` may mean, one for each directory the
#   command may run in. Undefined when the string alone does not say. (What may be
#   undefined is bound before the comprehension: inside one, it would silently
#   leave a path out.)
resolve(word) := {absolute([], steps.names)} if {
	startswith(word, "/")
	steps := steps_of(word)
} else := {absolute(climb(origin, steps.ups), steps.names) | some origin in origins} if {
	word != ""
	not startswith(word, "/")
	steps := steps_of(word)
	certain(steps)
	places := bases - {""}
	origins := {steps_of(place).names | some place in places}
	count(origins) == count(places)
}

# METADATA
# description: |
#   The directories the request may be in: its workdir, which is "" when it has a
#   private one, and wherever a `cd` takes it. Undefined when a `cd` goes to a
#   place that only the shell knows.
bases := {input.request.workdir} if {
	[command | some command in input.shell.commands; command.name == "cd"] == []
} else := {input.request.workdir} | {absolute([], steps.names) | some steps in moves} if {
	targets := [command.argv[count(command.argv) - 1] |
		some command in input.shell.commands
		command.name == "cd"
	]
	every target in targets {
		is_string(target)
		startswith(target, "/")
	}
	moves := [steps | some target in targets; steps := steps_of(target)]
	count(moves) == count(targets)
}

# METADATA
# scope: document
# description: |
#   Whether a cleaned path is the root or lies below it. `/srv-evil` is not below `/srv`. (The
#   first way is the cheaper one, and left to the second where a root ends in a slash.)
below(path, root) if {
	startswith(path, root)
	substring(trim_prefix(path, root), 0, 1) in {"", "/"}
}

below(path, root) if startswith(concat("", [path, "/"]), concat("", [trim_suffix(root, "/"), "/"]))

# What the kernel is told of: obligations hold clean paths only.
bare("/") := "/"

bare(root) := trim_suffix(root, "/") if root != "/"

# METADATA
# description: |
#   A path's steps: how often it goes up, and then the names it goes down. Undefined
#   when it goes up after a name: if that name is a symbolic link, `/srv/link/../x`
#   is not `/srv/x`.
steps_of(path) := {"ups": ups, "names": names} if {
	parts := [part | some part in split(path, "/"); not part in {"", "."}]
	names := [part | some part in parts; part != ".."]
	ups := count(parts) - count(names)
	array.slice(parts, ups, count(parts)) == names
}

# Going up is certain only from the workdir, which is free of symbolic links.
certain(steps) if steps.ups == 0

certain(_) if {
	bases == {input.request.workdir}
	input.request.workdir != ""
}

climb(names, ups) := array.slice(names, 0, max({0, count(names) - ups}))

absolute(base, names) := concat("", ["/", concat("/", array.concat(base, names))])
