package sidegate.lib.specs

import data.sidegate.lib.arguments

# METADATA
# description: |
#   What `long` finds, in short, for most command lines; undefined for all else. Options are
#   here whole words, joined letters without a value (`-rn`), a number (`-5`), or have their
#   value in the same word (`-n5`, `--lines=5`) or as the next one. What begins with a dash is
#   never the next word's value or an operand, so that each word counts once. The spec must be
#   sound, and the words must not be too many.
short(role, spec, words) := {"names": names, "needs": needs} if {
	object.keys(spec) & {"literals", "style"} == set()
	whole := `\A-(.|-.+)\z` # one letter, or a long option: listed letters in a row may hide a banned one
	flags := [word |
		some word in words
		word in spec.flags
		regex.match(whole, word)
		object.get(spec, ["never", word], set()) == set()
	]
	clusters := [found |
		some word in words
		regex.match(`\A-([0-9]|[^-].+)\z`, word)
		found := arguments.joined(spec, word)
	]
	attached := [found |
		some word in words
		found := arguments.with_value(spec, word)
	]
	apart := {i: [type, value, word] |
		some i, word in words
		type := spec.values[word]
		regex.match(whole, word)
		object.get(spec, ["never", word], set()) == set()
		not word in spec.flags
		value := words[i + 1]
		not startswith(value, "-")
	}
	operands := [word | some i, word in words; not startswith(word, "-"); not apart[i - 1]]
	number := count(words)
	number == ((count(flags) + count(clusters)) + (count(attached) + count(operands))) + (2 * count(apart))
	given := array.concat(attached, [found | some found in apart])
	names := array.flatten([flags, array.flatten(clusters), [found[2] | some found in given]])
	needs := needed(role, array.concat(given, operand_types(spec, names, operands)))
}
