package wasm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sidegate/sidegate/wasm/guest"
)

var _ module = (*fakeModule)(nil)

// A behaviour is what a fake plugin does in place of a module.
type behaviour struct {
	phases []Phase // all, if nil
	refuse string  // a configuration that it does not accept
	broken error   // why it does not load
	call   func(config string, x *guest.Exchange) (Verdict, error)
}

// A fakeModule is a plugin that is Go.
type fakeModule struct {
	behaviour
	name    string
	configs []string
	closed  chan struct{}
	running atomic.Int64
	t       *testing.T
}

func (m *fakeModule) Phases() []Phase {
	if m.phases == nil {
		return phases
	}
	return m.phases
}

func (m *fakeModule) Instances() int { return len(m.configs) }

func (m *fakeModule) Configure(_ context.Context, config []byte) (pool, error) {
	if m.refuse != "" && string(config) == m.refuse {
		return nil, &guest.RefusedError{Plugin: m.name, Reason: "not this"}
	}
	m.configs = append(m.configs, string(config))
	return fakePool{m, string(config)}, nil
}

func (m *fakeModule) Close(context.Context) error {
	if n := m.running.Load(); n != 0 {
		m.t.Errorf("%s was closed with %d calls going on", m.name, n)
	}
	close(m.closed) // and panics if it is closed twice
	return nil
}

type fakePool struct {
	module *fakeModule
	config string
}

func (p fakePool) Call(ctx context.Context, phase Phase, x *guest.Exchange) (Verdict, error) {
	p.module.running.Add(1)
	defer p.module.running.Add(-1)
	select {
	case <-p.module.closed:
		return Deny, guest.ErrClosed
	default:
	}
	x.NewMessage, x.NewStdout, x.NewStderr, x.Reason, x.Code = nil, nil, nil, "", 0
	x.MessageReplaced, x.StdoutReplaced, x.StderrReplaced, x.FetchWanted = false, false, false, false
	if err := ctx.Err(); err != nil {
		return Deny, &Failure{Plugin: p.module.name, Phase: phase, Kind: guest.KindCancelled, Err: err}
	}
	if p.module.call == nil {
		return Continue, nil
	}
	verdict, err := p.module.call(p.config, x)
	if errors.Is(err, errTrap) {
		err = &Failure{Plugin: p.module.name, Phase: phase, Kind: guest.KindTrap, Err: err}
	}
	return verdict, err
}

var errTrap = errors.New("unreachable executed")

// writes returns a behaviour that replaces the message.
func writes(text string) behaviour {
	return behaviour{call: func(_ string, x *guest.Exchange) (Verdict, error) {
		x.NewMessage, x.MessageReplaced = []byte(text), true
		return Continue, nil
	}}
}

// fails is a plugin that traps.
var fails = behaviour{call: func(string, *guest.Exchange) (Verdict, error) { return Deny, errTrap }}

// A bench is a host whose plugins are fakes, and a folder with their files.
type workbench struct {
	*Host
	t   *testing.T
	dir string
	log *strings.Builder

	mu     sync.Mutex
	does   map[string]behaviour
	opened []*fakeModule
	now    time.Time
}

func newBench(t *testing.T, does map[string]behaviour) *workbench {
	t.Helper()
	b := &workbench{t: t, dir: t.TempDir(), does: does, now: time.Unix(1e9, 0), log: new(strings.Builder)}
	h, err := New(Config{
		Log:    slog.New(slog.NewTextHandler(&lockedWriter{b: b}, nil)),
		Now:    func() time.Time { b.mu.Lock(); defer b.mu.Unlock(); return b.now },
		Fetch:  http.DefaultTransport.RoundTrip,
		Allows: allowsPrefix,
	})
	if err != nil {
		t.Fatal(err)
	}
	h.open = b.open
	b.Host = h
	t.Cleanup(func() {
		if err := h.Close(context.Background()); err != nil {
			t.Error(err)
		}
		for _, m := range b.opened {
			<-m.closed // or the test hangs: it was not closed
		}
	})
	return b
}

type lockedWriter struct{ b *workbench }

func (w *lockedWriter) Write(p []byte) (int, error) {
	w.b.mu.Lock()
	defer w.b.mu.Unlock()
	return w.b.log.Write(p)
}

// allowsPrefix is an allow-list whose patterns are beginnings of URLs.
func allowsPrefix(patterns []string) (func(string) error, error) {
	if slices.Contains(patterns, "bad") {
		return nil, errors.New("must begin with http:// or https://")
	}
	return func(url string) error {
		if slices.ContainsFunc(patterns, func(p string) bool { return strings.HasPrefix(url, p) }) {
			return nil
		}
		return errors.New("is not allowed")
	}, nil
}

func (b *workbench) open(_ context.Context, p *Plugin, _ []byte) (module, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	does, ok := b.does[p.Name]
	if !ok {
		does = b.does["*"]
	}
	if does.broken != nil {
		return nil, does.broken
	}
	m := &fakeModule{behaviour: does, name: p.Name, closed: make(chan struct{}), t: b.t}
	b.opened = append(b.opened, m)
	return m, nil
}

func (b *workbench) advance(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now = b.now.Add(d)
}

// plugin returns a plugin whose file exists.
func (b *workbench) plugin(name string) Plugin {
	b.t.Helper()
	file := filepath.Join(b.dir, name+".wasm")
	if _, err := os.Stat(file); err != nil {
		if err := os.WriteFile(file, []byte("module "+name), 0o600); err != nil {
			b.t.Fatal(err)
		}
	}
	return Plugin{Name: name, Path: file, Priority: DefaultPriority, MayChange: []string{"command", "workdir", "env", "labels", "callback"}}
}

func (b *workbench) load(set Set) {
	b.t.Helper()
	if err := b.Load(b.t.Context(), set); err != nil {
		b.t.Fatal(err)
	}
}

// run selects and runs.
func (b *workbench) run(phase Phase, m Message) (Outcome, error) {
	b.t.Helper()
	s := b.Select(phase, Subject{Client: m.Metadata.Client.Name})
	defer s.Close()
	return s.Run(b.t.Context(), m)
}

const plainRequest = `{"command":"git status","argv":null,"workdir":"","env":{"LANG":"C"},"labels":{},"callback":null}`

func request(client string) Message {
	return Message{JSON: []byte(plainRequest), Metadata: Metadata{Client: Party{Name: client}}}
}

// one is a set of one plugin in one chain.
func one(p Plugin, phase Phase) Set {
	return Set{Plugins: []Plugin{p}, Chains: []Chain{{Name: "c", Phase: phase, Plugins: []string{p.Name}}}}
}

// problemsOf returns what a *SetError lists, one a line.
func problemsOf(t *testing.T, err error) string {
	t.Helper()
	var set *SetError
	if err == nil {
		return ""
	}
	if !errors.As(err, &set) {
		t.Fatalf("the error is a %T: %v", err, err)
	}
	return fmt.Sprint(set)
}
