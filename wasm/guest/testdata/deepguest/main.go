// Command deepguest is a plugin for the tests that lets the standard library recurse: through encoding/json for a request,
// through regexp for a response, and through fmt for a callback.
package main

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"github.com/sidegate/sidegate/sdk/go/sidegate"
)

func main() {}

// on_request decodes the message and encodes it again.
//
//go:wasmexport on_request
func onRequest() sidegate.Verdict {
	message, err := sidegate.Input(sidegate.Message)
	if err != nil {
		return sidegate.Fail(err.Error())
	}
	var value any
	if err := json.Unmarshal(message, &value); err != nil {
		return sidegate.Fail(err.Error())
	}
	if message, err = json.Marshal(value); err != nil {
		return sidegate.Fail(err.Error())
	}
	return output(sidegate.Message, message)
}

// on_response matches standard output with the expression on standard error, and replaces it by what matched.
//
//go:wasmexport on_response
func onResponse() sidegate.Verdict {
	text, err := sidegate.Input(sidegate.Stdout)
	if err != nil {
		return sidegate.Fail(err.Error())
	}
	expression, err := sidegate.Input(sidegate.Stderr)
	if err != nil {
		return sidegate.Fail(err.Error())
	}
	r, err := regexp.Compile(string(expression))
	if err != nil {
		return sidegate.Fail(err.Error())
	}
	return output(sidegate.Stdout, r.Find(text))
}

type node struct{ Next any }

// on_callback formats a value that is as deep as the message is long, or recurses for ever without one.
//
//go:wasmexport on_callback
func onCallback() sidegate.Verdict {
	message, err := sidegate.Input(sidegate.Message)
	if err != nil {
		return sidegate.Fail(err.Error())
	}
	if len(message) == 0 {
		return endless(&node{})
	}
	var deep any
	for range message {
		deep = node{deep}
	}
	text := fmt.Sprintf("%+v", deep)
	return output(sidegate.Message, []byte(fmt.Sprint(strings.Count(text, "Next"))))
}

func endless(n *node) sidegate.Verdict { return endless(&node{n}) + 1 }

func output(kind sidegate.Kind, p []byte) sidegate.Verdict {
	if err := sidegate.Output(kind, p); err != nil {
		return sidegate.Fail(err.Error())
	}
	return sidegate.Continue
}
