package durability

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/sidegate/sidegate/internal/trial"
)

// policy lets everything run that does not say forbidden, and what begins with echo in a shell.
const policy = `package sidegate

files := {"filesystem": {"read": ["/"], "write": ["/"]}}

decision := {"allow": false, "grants": [], "reasons": ["it says so itself"], "obligations": {}} if {
	contains(input.request.command, "forbidden")
} else := {"allow": true, "grants": ["test"], "reasons": [], "obligations": object.union(files, {"mode": "shell"})} if {
	startswith(input.request.command, "echo ")
} else := {"allow": true, "grants": ["test"], "reasons": [], "obligations": files}
`

// patience is how long is waited for what must come about.
const patience = 2 * time.Minute

// site is a place for gateways, which take it over from each other: a configuration, a policy, a state directory, and beside it what is kept elsewhere.
type site struct {
	dir    string
	state  string
	socket string // of callers
	admin  string // of health checks
	kept   string // file of checkpoints
	out    string // where commands may write
	signer trial.Caller
	client *http.Client // of callers; each call has a connection of its own, so that none is sent a second time by itself
	starts int
}

// layout says what a site is like. Its zero value will do.
type layout struct {
	state    string // the state directory; beside the rest where it is empty
	receiver string // where callbacks may go
	executor string // settings
	skew     string // an hour where it is empty
	extra    string // more of the configuration
}

func newSite(t testing.TB, l layout) *site {
	t.Helper()
	dir := t.TempDir()
	state := cmp.Or(l.state, filepath.Join(dir, "state"))
	s := &site{
		dir: dir, state: state, socket: filepath.Join(dir, "gate.sock"), admin: filepath.Join(dir, "admin.sock"),
		kept: filepath.Join(dir, "kept", "checkpoints"), out: filepath.Join(dir, "out"),
		signer: trial.Caller{URL: "http://gateway", Secret: []byte("a secret of the trials")},
	}
	s.client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: dialer(s.socket)}}
	for _, name := range []string{filepath.Dir(s.kept), s.out, filepath.Join(dir, "policies", "sidegate")} {
		must(t, os.MkdirAll(name, 0o755))
	}
	must(t, os.WriteFile(filepath.Join(dir, "secret"), s.signer.Secret, 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "policies", "sidegate", "decision.rego"), []byte(policy), 0o644))
	must(t, os.WriteFile(s.config(), fmt.Appendf(nil, `
listen: ["unix:%s"]
admin_listen: "unix:%s"
state_dir: %s
host: {name: trial}
clients: [{name: func, scheme: func, secret_file: secret, roles: [readonly]}]
policy: {paths: [policies]}
executor: {%s}
callbacks: {allow: ["%s/*"], per_destination: 16}
limits: {rate: 1000000, burst: 1000000, skew: %s}
audit: {checkpoint_interval: 1s, checkpoint_leaves: 100, checkpoint_file: %s}
%s`, s.socket, s.admin, s.state, l.executor, cmp.Or(l.receiver, "http://127.0.0.1:9"), cmp.Or(l.skew, "1h"), s.kept, l.extra), 0o600))
	return s
}

func (s *site) config() string { return filepath.Join(s.dir, "sidegate.yaml") }

func dialer(socket string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}
}

// process is a gateway that was started at a site.
type process struct {
	cmd   *exec.Cmd
	log   string // name of a file
	ended chan struct{}
	err   error // valid once ended is closed
}

// start starts a gateway and does not wait for it. It is killed when the test ends.
func (s *site) start(t testing.TB) *process {
	t.Helper()
	s.starts++
	p := &process{log: filepath.Join(s.dir, fmt.Sprintf("log-%d", s.starts)), ended: make(chan struct{})}
	log, err := os.OpenFile(p.log, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	must(t, err)
	defer log.Close()
	p.cmd = exec.Command(program(t), "serve", "--config", s.config())
	p.cmd.Stdout, p.cmd.Stderr = log, log
	must(t, p.cmd.Start())
	go func() {
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(p.kill)
	return p
}

// kill ends a process at once, if it still runs.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // an error means that it has ended
	<-p.ended
}

// killed tells whether it was a SIGKILL that ended the process.
func (p *process) killed() bool {
	status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// stop ends a gateway as a service manager does. It must take that well.
func (p *process) stop(t testing.TB) {
	t.Helper()
	must(t, p.cmd.Process.Signal(syscall.SIGTERM))
	<-p.ended
	if p.err != nil {
		t.Errorf("told to stop, the gateway ended with %v\n%s", p.err, p.tail())
	}
}

// tail is the end of what a process said.
func (p *process) tail() []byte {
	text, _ := os.ReadFile(p.log)
	return text[max(0, len(text)-4000):]
}

// await waits until a gateway serves.
func (s *site) await(t testing.TB, p *process) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		err := s.get(ctx, s.socket, "/")
		if err == nil {
			return
		}
		select {
		case <-p.ended:
			t.Fatalf("the gateway did not start: %v\n%s", p.err, p.tail())
		case <-ctx.Done():
			t.Fatalf("the gateway does not serve: %v\n%s", err, p.tail())
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// get asks for a page that needs no signature.
func (s *site) get(ctx context.Context, socket, path string) error {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: dialer(socket)}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://gateway"+path, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("answered %s: %s", resp.Status, text)
	}
	return err
}

// run runs a command of the program, and returns what it printed and its exit code.
func (s *site) run(t testing.TB, args ...string) (out string, code int) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), program(t), args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return stdout.String() + stderr.String(), cmd.ProcessState.ExitCode()
}

// eventually waits until what is so.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it did not come about that %s", what)
		}
	}
}
