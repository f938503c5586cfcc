package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/sidegate/sidegate/bench/peers"
	"github.com/sidegate/sidegate/internal/trial"
)

// size is how long the long reply is, in lines like those of a log.
const (
	size = 10 << 20
	line = "Nov 22 04:12:42 host sidegate[4711]: a line of a log with some words in it, as they are\n"
)

// A server is one that is measured.
type server struct {
	name  string
	about string // all that it does
	pid   int
	short call // runs /bin/true
	long  call // has a reply of 10 MiB
	log   func() string
}

// startAll starts the servers. stop ends them; it may be called after an error too.
func startAll(ctx context.Context, sidegate, dir string) (servers []server, stop func(), err error) {
	var stops []func()
	stop = func() {
		for _, f := range stops {
			f()
		}
	}
	defer func() {
		if err != nil {
			stop()
		}
	}()
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, bytes.Repeat([]byte(line), size/len(line)+1)[:size], 0o644); err != nil {
		return nil, stop, err
	}
	if sidegate, err = filepath.Abs(sidegate); err != nil {
		return nil, stop, err
	}
	gateway := filepath.Join(dir, "gateway")
	g, err := trial.Start(ctx, trial.Options{Binary: sidegate, Dir: gateway, Edit: func(yaml string) (string, error) { return generous(yaml, gateway, text) }})
	if err != nil {
		return nil, stop, err
	}
	stops = append(stops, g.Close)
	servers = append(servers, gatewayServer(g, text))

	hooks := []peers.Hook{{ID: "true", Program: "/bin/true"}, {ID: "long", Program: "/bin/cat", Arguments: []peers.Argument{{Source: "string", Name: text}}}}
	switch w, err := peers.StartWebhook(ctx, dir, secret, hooks); {
	case errors.Is(err, peers.ErrNoWebhook):
		fmt.Fprintln(os.Stderr, "bench: webhook is left out:", err)
	case err != nil:
		return nil, stop, err
	default:
		stops = append(stops, w.Close)
		servers = append(servers, webhookServer(w))
	}
	b, err := peers.StartBare(ctx, time.Minute)
	if err != nil {
		return nil, stop, err
	}
	stops = append(stops, b.Close)
	return append(servers, bareServer(b, text)), stop, nil
}

// secret is what webhook checks bodies with.
const secret = "the secret of the bench"

// generous takes the rate limit out of the way, because one client is the whole load, and lets it read the long text and be told all of it.
func generous(yaml, gateway, text string) (string, error) {
	file := filepath.Join(gateway, "policies", "sidegate", "roles", "readonly", "data.yaml")
	role, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	changed, err := trial.Replace(string(role), map[string]string{"paths: [/var/log, ": fmt.Sprintf("paths: [%q, /var/log, ", text)})
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(file, []byte(changed), 0o600); err != nil {
		return "", err
	}
	return trial.Replace(yaml, map[string]string{"rate: 200": "rate: 1000000", "burst: 400": "burst: 1000000", "max_output: 1MiB": "max_output: 16MiB"})
}

func gatewayServer(g *trial.Gateway, text string) server {
	client := keepAlive()
	post := func(ctx context.Context, command string) (*http.Response, error) {
		signed, err := g.Sign(trial.Order{Command: command, Wait: true})
		if err != nil {
			return nil, err
		}
		return g.Post(ctx, client, signed)
	}
	return server{
		name: "sidegate", pid: g.PID(), log: g.Log,
		about: "signature with replay protection, decision by policy, kernel sandbox (confined), journal and audit with fsync before the start and before the reply",
		short: func(ctx context.Context) error {
			resp, err := post(ctx, "true")
			text, err := receive(resp, err)
			if err == nil && !(bytes.Contains(text, []byte(`"exit_code":0`)) && bytes.Contains(text, []byte(`"status":"exited"`))) {
				err = fmt.Errorf("it answered %s", text)
			}
			return err
		},
		long: func(ctx context.Context) error { return whole(post(ctx, "cat "+text)) },
	}
}

func webhookServer(w *peers.Server) server {
	client := keepAlive()
	body := []byte(`{"command": "true"}`)
	post := func(ctx context.Context, hook string) (*http.Response, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL+"/hooks/"+hook, bytes.NewReader(body))
		if err != nil {
			return nil, err
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("X-Signature", peers.SignWebhook(secret, body))
		return client.Do(req)
	}
	return server{
		name: "webhook", about: "HMAC of the body", pid: w.PID(), log: w.Log,
		short: func(ctx context.Context) error {
			_, err := receive(post(ctx, "true"))
			return err
		},
		long: func(ctx context.Context) error { return whole(post(ctx, "long")) },
	}
}

func bareServer(b *peers.Server, text string) server {
	client := keepAlive()
	post := func(ctx context.Context, route string, argv ...string) (*http.Response, error) {
		body, err := json.Marshal(map[string]any{"argv": argv})
		if err != nil {
			return nil, err
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, b.URL+route, bytes.NewReader(body))
		if err != nil {
			return nil, err
		}
		return client.Do(req)
	}
	return server{
		name: "bare handler", about: "nothing but a timeout; its long reply is streamed as it comes", pid: b.PID(), log: b.Log,
		short: func(ctx context.Context) error {
			_, err := receive(post(ctx, "/run", "/bin/true"))
			return err
		},
		long: func(ctx context.Context) error { return whole(post(ctx, "/stream", "/bin/cat", text)) },
	}
}

// receive reads a reply, which must be 200.
func receive(resp *http.Response, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("it answered %s: %s", resp.Status, text)
	}
	return text, err
}

// whole reads a long reply, which must be all there.
func whole(resp *http.Response, err error) error {
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	n, err := io.Copy(io.Discard, resp.Body)
	if err == nil && (resp.StatusCode != http.StatusOK || n < size) {
		err = fmt.Errorf("it answered %s with %d bytes", resp.Status, n)
	}
	return err
}

// keepAlive returns a client that keeps a connection per caller.
func keepAlive() *http.Client {
	return &http.Client{Transport: &http.Transport{MaxIdleConns: 128, MaxIdleConnsPerHost: 128}}
}
