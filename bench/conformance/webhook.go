package main

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"

	"github.com/sidegate/sidegate/bench/peers"
)

const (
	webhookSecret = "the secret of the probes"
	webhookAbout  = "adnanh/webhook with the rule payload-hmac-sha256, waiting for its commands (include-command-output-in-response)"
)

// webhookHooks are the hooks of the probes: arguments come from the signed body, and in the second hook one comes from the query, which webhook offers too.
func webhookHooks(program string) []peers.Hook {
	fixed := []peers.Argument{{Source: "string", Name: actFlag}, {Source: "payload", Name: "act"}, {Source: "payload", Name: "a"}}
	return []peers.Hook{
		{ID: "run", Program: program, Arguments: append(slices.Clone(fixed), peers.Argument{Source: "payload", Name: "b"})},
		{ID: "query", Program: program, Arguments: append(slices.Clone(fixed), peers.Argument{Source: "url", Name: "b"})},
	}
}

// startWebhookSubject is the adapter of webhook. It claims what webhook's documentation says: that the body is what was signed, and that arguments
// reach a command without a shell.
func startWebhookSubject(ctx context.Context, s setup) (*subject, error) {
	subject := &subject{name: "webhook", about: webhookAbout, url: s.url, close: func() {}, log: func() string { return "" }}
	secret := webhookSecret
	if s.url != "" {
		secret, subject.why = string(s.secret), notHere
	} else {
		version, err := peers.WebhookVersion(ctx)
		if err != nil {
			return nil, err
		}
		server, err := peers.StartWebhook(ctx, s.dir, secret, webhookHooks(s.program))
		if err != nil {
			return nil, err
		}
		subject.about = version + ": " + webhookAbout
		subject.url, subject.pid, subject.restart, subject.close, subject.log = server.URL, server.PID, server.Restart, server.Close, server.Log
	}
	to := func(target string, o order) (call, error) {
		body, err := json.Marshal(map[string]string{"act": o.act, "a": o.a, "b": o.b})
		return call{
			method: http.MethodPost, target: target, body: body,
			header: http.Header{"Content-Type": {"application/json"}, "X-Signature": {peers.SignWebhook(secret, body)}},
		}, err
	}
	subject.signature = []string{"X-Signature"}
	subject.call = func(o order) (call, error) { return to("/hooks/run", o) }
	subject.query = func(o order, value string) (call, error) { return to("/hooks/query?b="+value, o) }
	subject.result = func(r reply) result {
		return result{ran: r.status == http.StatusOK || r.status == http.StatusInternalServerError, failed: r.status != http.StatusOK, stdout: string(r.body)}
	}
	subject.claims = func(probe string) bool {
		return slices.Contains([]string{"unsigned-call", "flipped-byte", "header-tricks", "metacharacters"}, probe)
	}
	return subject, nil
}
