//go:build wasip1

// token-injector adds a token to the callbacks for the destinations that its configuration
// lists, and replaces the header if the callback has it. Without a configuration every callback
// passes as it is.
package main

import (
	"github.com/sidegate/sidegate/plugins/token-injector/inject"
	"github.com/sidegate/sidegate/sdk/go/sidegate"
)

var injector *inject.Injector // nil if there is no configuration

func main() {}

//go:wasmexport sidegate_init
func configure() sidegate.Verdict {
	text, err := sidegate.Input(sidegate.Config)
	if err != nil {
		return sidegate.Refuse(err.Error())
	}
	if injector, err = inject.Parse(text); err != nil {
		return sidegate.Refuse(err.Error())
	}
	return sidegate.Continue
}

//go:wasmexport on_callback
func onCallback() sidegate.Verdict {
	if injector == nil {
		return sidegate.Continue
	}
	url, err := sidegate.GetString("/url")
	if err != nil {
		return sidegate.Fail(err.Error())
	}
	if !injector.Wants(url) {
		return sidegate.Continue
	}
	if err := sidegate.SetString("/headers/"+injector.Header, injector.Value); err != nil {
		return sidegate.Fail(err.Error())
	}
	return sidegate.Continue
}
