package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/sidegate/sidegate/internal/trial"
)

// site is a gateway with all that stands around it.
type site struct {
	dir, binary string
	sleep       string // the argument of sleep by which commands of this soak are known
	gateway     *trial.Gateway
	caller      *http.Client // of /shell
	local       *http.Client // of /v1, over the Unix socket
	admin       *http.Client
	good        *receiver
	failing     []string // URLs of receivers that fail
	closers     []func()
	jobs        atomic.Int64 // that were started with a callback

	policyEdits, moduleEdits edits
}

const secretText = "password=hunter2"

// policy lets callers sleep, and follow and cancel that. The comment changes with every edit.
const policy = `# edit %d
commands:
  sleep: {operands: {type: {pattern: '[0-9.]+'}}}
  seq: {operands: number}
`

func newSite(ctx context.Context, o options) (_ *site, err error) {
	s := &site{caller: &http.Client{Transport: &http.Transport{MaxIdleConns: 64, MaxIdleConnsPerHost: 64}}, sleep: fmt.Sprintf("97.%07d", os.Getpid())}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.dir, err = os.MkdirTemp("", "sidegate-soak-"); err != nil {
		return nil, err
	}
	if s.binary, err = filepath.Abs(o.sidegate); err != nil {
		return nil, err
	}
	s.good = receive(takes)
	s.closers = append(s.closers, s.good.close)
	var allow string
	for _, behaviour := range []behaviour{refuses, hangs} {
		r := receive(behaviour)
		s.closers = append(s.closers, r.close)
		s.failing = append(s.failing, r.url)
	}
	closed := receive(takes)
	closed.close()
	s.failing = append(s.failing, closed.url)
	for _, url := range s.failing {
		allow += fmt.Sprintf(`, "%s/*"`, url)
	}
	gate := filepath.Join(s.dir, "gate")
	if err := s.modules(o.plugins); err != nil {
		return nil, err
	}
	s.gateway, err = trial.Start(ctx, trial.Options{Binary: s.binary, Dir: gate, Callbacks: s.good.url + "/*", Edit: func(yaml string) (string, error) {
		return s.configure(yaml, allow)
	}})
	if err != nil {
		return nil, err
	}
	s.local, s.admin = trial.SocketClient(filepath.Join(gate, "sidegate.sock")), trial.SocketClient(filepath.Join(gate, "admin.sock"))
	return s, nil
}

// configure sets up all that is to be under load.
func (s *site) configure(yaml, allow string) (string, error) {
	gate := filepath.Join(s.dir, "gate")
	if err := errors.Join(os.MkdirAll(filepath.Dir(s.policyFile()), 0o700), os.WriteFile(s.policyFile(), fmt.Appendf(nil, policy, 0), 0o600)); err != nil {
		return "", err
	}
	yaml, err := trial.Replace(yaml, map[string]string{
		`admin_listen: ""`:    fmt.Sprintf("admin_listen: %q", "unix:"+filepath.Join(gate, "admin.sock")),
		s.good.url + `/*"`:    s.good.url + `/*"` + allow,
		"callbacks:\n":        "callbacks:\n  timeout: 2s\n  attempts: 5\n  max_age: 1m\n", // what is given up is soon as much as what is begun
		"concurrency: 64":     "concurrency: 16",                                           // what is kept for each command that runs at once is soon there
		"rate: 200":           "rate: 100000",
		"burst: 400":          "burst: 100000",
		`roles: ["readonly"]`: `roles: ["readonly", "soak"]`,
		"roles: [operator]":   "roles: [operator, readonly, soak]",
	})
	return yaml + fmt.Sprintf(`
telemetry: {log_level: warn}
plugins:
  - {name: redact, path: %q, limits: {deadline: 10s}} # of the clock's time, of which a machine that has other work gives little
chains:
  - {name: output, phase: response, plugins: [redact]}
plugin_configs:
  - plugin: redact
    config: {patterns: ["password=[a-z0-9]{1,40}"]}
`, s.moduleFile()), err
}

func (s *site) policyFile() string {
	return filepath.Join(s.dir, "gate", "policies", "sidegate", "roles", "soak", "data.yaml")
}

func (s *site) moduleFile() string { return filepath.Join(s.dir, "redact.wasm") }

// warmUp has the gateway do everything once, so that what it needs once is there before its memory is looked at.
func (s *site) warmUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for _, l := range s.loads() {
		if err := l.do(ctx); err != nil && !errors.Is(err, errBusy) && !errors.Is(err, errSlow) {
			return fmt.Errorf("%s: %w", l.name, err)
		}
	}
	return nil
}

func (s *site) close() {
	if s.gateway != nil {
		s.gateway.Close()
	}
	for _, f := range s.closers {
		f()
	}
	_ = os.RemoveAll(s.dir) // what is left of it is in the way of nothing
}
