//go:build wasip1

// plugin-name labels every request and refuses those that say a certain word.
// It shows how a plugin is configured, and how it reads, changes and denies;
// which commands may run is for policy to say, which sees the command as the
// shell will. Its configuration is {"word": "…", "label": "…"}; without one it
// lets everything pass as it is.
package main

import (
	"bytes"

	"github.com/sidegate/sidegate/sdk/go/sidegate"
)

// Both as JSON has them, with escapes; the word without its quotes. They are
// nil without a configuration.
var word, label []byte

func main() {}

//go:wasmexport sidegate_init
func configure() sidegate.Verdict {
	if whole, err := sidegate.GetConfig(""); err == nil && string(whole) == "null" {
		return sidegate.Continue
	}
	word, label = configured("/word"), configured("/label")
	if word == nil || label == nil {
		return sidegate.Refuse("want a word and a label")
	}
	word = word[1 : len(word)-1]
	return sidegate.Continue
}

// configured returns a string of the configuration that is not empty, or nil.
func configured(path string) []byte {
	text, err := sidegate.GetConfig(path)
	if err != nil || len(text) <= 2 || text[0] != '"' {
		return nil
	}
	return text
}

//go:wasmexport on_request
func onRequest() sidegate.Verdict {
	if label == nil {
		return sidegate.Continue
	}
	command, err := sidegate.Get("/command")
	if err == nil && string(command) == "null" {
		command, err = sidegate.Get("/argv")
	}
	if err != nil {
		return sidegate.Fail(err.Error())
	}
	if bytes.Contains(command, word) {
		return sidegate.Deny(403, "it says a word that is not for the shell")
	}
	if err := sidegate.Set("/labels/seen-by", label); err != nil {
		return sidegate.Fail(err.Error())
	}
	return sidegate.Continue
}
