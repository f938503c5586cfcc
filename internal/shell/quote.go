package shell

import (
	"errors"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// Quote returns a command string whose words are exactly args, for callers that have an argument vector and a gateway
// that takes a string. It refuses what no command string can hold: a NUL byte, and no words at all.
func Quote(args []string) (string, error) {
	if len(args) == 0 {
		return "", errors.New("shell: there are no words to quote")
	}
	words := make([]string, len(args))
	for i, arg := range args {
		word, err := syntax.Quote(arg, syntax.LangBash)
		if err != nil {
			return "", err
		}
		words[i] = word
	}
	return strings.Join(words, " "), nil
}
