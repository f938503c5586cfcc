package main

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/sidegate/sidegate/bench/peers"
)

// commandTimeout is what servers get that have a timeout for commands.
const commandTimeout = 3 * time.Second

const bareAbout = "a handler of some lines around os/exec, with a timeout by exec.CommandContext; no signature"

// startBareSubject is the adapter of the bare handler. It claims nothing.
func startBareSubject(ctx context.Context, s setup) (*subject, error) {
	server, err := peers.StartBare(ctx, commandTimeout)
	if err != nil {
		return nil, err
	}
	return &subject{
		name: "bare", about: bareAbout, url: server.URL,
		pid: server.PID, restart: server.Restart, close: server.Close, log: server.Log,
		timeout: commandTimeout,
		call: func(o order) (call, error) {
			body, err := json.Marshal(map[string]any{"argv": o.argv(s.program)})
			return call{method: http.MethodPost, target: "/run", header: http.Header{"Content-Type": {"application/json"}}, body: body}, err
		},
		result: func(r reply) result {
			if r.status != http.StatusOK {
				return result{ran: r.status == http.StatusInternalServerError, failed: true}
			}
			var said struct{ Stdout, Stderr string }
			if err := json.Unmarshal(r.body, &said); err != nil {
				return result{broken: err.Error()}
			}
			return result{ran: true, stdout: said.Stdout, stderr: said.Stderr}
		},
		claims: func(string) bool { return false },
	}, nil
}
