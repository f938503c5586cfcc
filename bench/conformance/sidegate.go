package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/sidegate/sidegate/internal/auth"
	"github.com/sidegate/sidegate/internal/trial"
)

const (
	sidegateAbout   = "a gateway as sidegate init sets it up, with a role for the commands of the probes"
	sidegateWorkers = 4
)

// grant lets the commands of the probes run, and role lets files below one directory be read, by the shipped library.
const (
	grant = `package sidegate.grants

import data.sidegate.lib.commands

covers contains {"name": "conformance", "command": i, "read": {"/"}, "write": {"/"}, "execute": {%[1]q}} if {
	"conformance" in input.client.roles
	some i, _ in commands.coverable
	input.shell.commands[i].resolved_path == %[1]q
}
`
	role = `paths: [%q]
commands: {cat: {operands: path}}
`
)

// startSidegateSubject is the adapter of Sidegate. It claims everything.
func startSidegateSubject(ctx context.Context, s setup) (*subject, error) {
	subject := &subject{name: "sidegate", about: sidegateAbout, url: s.url, timeout: commandTimeout, close: func() {}, log: func() string { return "" }}
	secret := s.secret
	if s.url != "" {
		subject.why = notHere
	} else {
		dir := filepath.Join(s.dir, "gateway")
		root := filepath.Join(s.dir, "files")
		g, err := trial.Start(ctx, trial.Options{Binary: s.sidegate, Dir: dir, Edit: func(yaml string) (string, error) { return prepare(yaml, dir, root, s.program) }})
		if err != nil {
			return nil, err
		}
		secret = g.Secret
		subject.url, subject.pid, subject.restart, subject.close, subject.log = g.URL, g.PID, g.Restart, g.Close, g.Log
		subject.workers = sidegateWorkers
		subject.jobs = sidegateJobs(subject, secret, trial.SocketClient(filepath.Join(dir, "sidegate.sock")), s.program)
		subject.files = &files{root: root, read: func(path string) (call, error) { return funcCall(secret, "cat "+path, true, time.Now()) }}
	}
	command := func(o order) string { return quoted(o.argv(s.program)) }
	subject.signature = []string{"X-Auth-Signature", "X-Auth-Nonce", "X-Auth-Timestamp"}
	subject.call = func(o order) (call, error) { return funcCall(secret, command(o), true, time.Now()) }
	subject.callAt = func(o order, at time.Time) (call, error) { return funcCall(secret, command(o), true, at) }
	subject.query = func(o order, value string) (call, error) {
		c, err := funcCall(secret, command(o), true, time.Now())
		o.b = value
		c.target += "?command=" + strings.ReplaceAll(command(o), " ", "+") + "&b=" + value
		return c, err
	}
	subject.result = sidegateResult
	subject.claims = func(string) bool { return true }
	return subject, nil
}

// prepare writes the policy of the probes, and sets limits that they can reach.
func prepare(yaml, dir, root, program string) (string, error) {
	policies := filepath.Join(dir, "policies", "sidegate")
	err := errors.Join(
		os.WriteFile(filepath.Join(policies, "grants", "conformance.rego"), fmt.Appendf(nil, grant, program), 0o600),
		os.MkdirAll(filepath.Join(policies, "roles", "conformance"), 0o700),
		os.WriteFile(filepath.Join(policies, "roles", "conformance", "data.yaml"), fmt.Appendf(nil, role, root), 0o600),
	)
	if err != nil {
		return "", err
	}
	return trial.Replace(yaml, map[string]string{
		"timeout: 60s":        "timeout: " + commandTimeout.String(),
		"max_output: 1MiB":    "max_output: 16MiB",
		"concurrency: 64":     "concurrency: " + strconv.Itoa(sidegateWorkers),
		"rate: 200":           "rate: 100000",
		"burst: 400":          "burst: 100000",
		`roles: ["readonly"]`: `roles: ["conformance"]`,
		`roles: [operator]`:   `roles: [operator, conformance]`,
	})
}

// funcCall is a call as the Func connector makes it.
func funcCall(secret []byte, command string, wait bool, at time.Time) (call, error) {
	body, err := json.Marshal(map[string]any{"command": command, "wait": wait})
	nonce, stamp := auth.NewNonce(), strconv.FormatInt(at.Unix(), 10)
	return call{method: http.MethodPost, target: "/shell", body: body, header: http.Header{
		"Content-Type":     {"application/json"},
		"X-Auth-Nonce":     {nonce},
		"X-Auth-Timestamp": {stamp},
		"X-Auth-Signature": {auth.SignFunc(secret, http.MethodPost, "/shell", nonce, stamp, body)},
	}}, err
}

// quoted is a command line of these words.
func quoted(argv []string) string {
	words := make([]string, len(argv))
	for i, word := range argv {
		words[i] = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
	}
	return strings.Join(words, " ")
}

func sidegateResult(r reply) result {
	var said struct {
		Data *struct {
			Stdout, Stderr, Status string
			Truncated              bool
			ExitCode               int `json:"exit_code"`
		}
	}
	if err := json.Unmarshal(r.body, &said); err != nil {
		return result{broken: err.Error()}
	}
	if said.Data == nil {
		return result{failed: true}
	}
	d := said.Data
	return result{ran: true, failed: d.Status != "exited" || d.ExitCode != 0, stdout: d.Stdout, stderr: d.Stderr, cut: d.Truncated}
}

// sidegateJobs reads the gateway's records over its Unix socket, as an operator.
func sidegateJobs(s *subject, secret []byte, client *http.Client, program string) *jobs {
	return &jobs{
		start: func(ctx context.Context, o order) (string, error) {
			c, err := funcCall(secret, quoted(o.argv(program)), false, time.Now())
			if err != nil {
				return "", err
			}
			r, err := s.send(ctx, c)
			if err != nil {
				return "", err
			}
			var said struct {
				Data struct {
					JobID string `json:"job_id"`
				}
			}
			if err := json.Unmarshal(r.body, &said); err != nil || said.Data.JobID == "" {
				return "", fmt.Errorf("no job: %v, %v", r, err)
			}
			return said.Data.JobID, nil
		},
		status: func(ctx context.Context, id string) (string, error) {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://gateway/v1/jobs/"+id, nil)
			if err != nil {
				return "", err
			}
			resp, err := client.Do(req)
			if err != nil {
				return "", err
			}
			defer resp.Body.Close()
			var job struct{ Status string }
			if err := json.NewDecoder(resp.Body).Decode(&job); err != nil || resp.StatusCode != http.StatusOK {
				return "", fmt.Errorf("job %s: %s, %v", id, resp.Status, err)
			}
			return job.Status, nil
		},
		over: func(status string) bool { return status != "accepted" && status != "running" },
	}
}
