//go:build wasip1

// plugin-name labels every request and refuses those that say a certain word.
// It shows how a plugin reads, changes and denies; which commands may run is
// for policy to say, which sees the command as the shell will.
package main

import (
	"strings"

	"github.com/sidegate/sidegate/sdk/go/sidegate"
)

const word = "forbidden"

func main() {}

//go:wasmexport on_request
func onRequest() sidegate.Verdict {
	command, err := sidegate.Get("/command")
	if err == nil && string(command) == "null" {
		command, err = sidegate.Get("/argv")
	}
	if err != nil {
		return sidegate.Fail(err.Error())
	}
	if strings.Contains(string(command), word) {
		return sidegate.Deny(403, "the word "+word+" is not for the shell")
	}
	if err := sidegate.SetString("/labels/seen-by", "plugin-name"); err != nil {
		return sidegate.Fail(err.Error())
	}
	return sidegate.Continue
}
