//go:build wasip1

// token-verifier lets requests pass whose token an authentication service accepts. A request has
// no field for a token, so it comes in the environment, and is removed before policy and
// the command could see it.
//
// The plugin needs the http_fetch capability for the service, and env in may_change. Without a
// configuration everything passes, and the environment stays as it is.
//
// Refused are: with 401, requests without a token or with one that cannot be sent; with
// 403, those whose token the service refuses; with 503, all others that need a token, when
// the service cannot be asked. So a dry run of a request that needs a token ends with
// 503 too: nothing is fetched then, and a token that was not checked must not look like a good one.
package main

import (
	"encoding/json"
	"errors"

	"github.com/sidegate/sidegate/plugins/token-verifier/verify"
	"github.com/sidegate/sidegate/sdk/go/sidegate"
)

// maxAnswer is the longest answer of the service that is taken, in bytes. Only its status counts.
const maxAnswer = 64 << 10

var verifier *verify.Verifier // nil if there is no configuration

func main() {}

//go:wasmexport sidegate_init
func configure() sidegate.Verdict {
	text, err := sidegate.Input(sidegate.Config)
	if err != nil {
		return sidegate.Refuse(err.Error())
	}
	if verifier, err = verify.Parse(text); err != nil {
		return sidegate.Refuse(err.Error())
	}
	return sidegate.Continue
}

//go:wasmexport on_request
func onRequest() sidegate.Verdict {
	if verifier == nil {
		return sidegate.Continue
	}
	text, err := sidegate.Input(sidegate.Message)
	if err != nil {
		return sidegate.Fail(err.Error())
	}
	var request verify.Request
	if err := json.Unmarshal(text, &request); err != nil {
		return sidegate.Fail(err.Error())
	}
	token, given := request.Env[verifier.Env]
	if given {
		if err := sidegate.Remove("/env/" + verifier.Env); err != nil {
			return sidegate.Fail(err.Error())
		}
	}
	switch {
	case !verifier.Needs(&request):
		return sidegate.Continue
	case token == "":
		return sidegate.Deny(401, "this request needs a token in the environment as "+verifier.Env)
	case !verify.IsToken(token):
		return sidegate.Deny(401, "the token in the environment as "+verifier.Env+" is not one")
	}
	return ask(token)
}

// ask asks the authentication service about a token.
func ask(token string) sidegate.Verdict {
	request, err := json.Marshal(sidegate.FetchRequest{
		URL:     verifier.URL,
		Headers: map[string]string{"Authorization": "Bearer " + token},
	})
	if err != nil {
		return sidegate.Fail(err.Error())
	}
	text, err := sidegate.Fetch(request, maxAnswer)
	switch {
	case errors.Is(err, sidegate.ErrDisabled):
		return sidegate.Deny(503, "the token was not checked, because nothing is fetched during a dry run")
	case err != nil:
		sidegate.Log(sidegate.Error, "the authentication service cannot be asked: "+err.Error())
		return sidegate.Deny(503, "the authentication service cannot be asked")
	}
	var answer sidegate.FetchResponse
	if err := json.Unmarshal(text, &answer); err != nil {
		return sidegate.Fail(err.Error())
	}
	if code, reason := verify.Judge(answer.Status); code != 0 {
		return sidegate.Deny(code, reason)
	}
	return sidegate.Continue
}
