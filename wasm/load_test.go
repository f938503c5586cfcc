package wasm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/sidegate/sidegate/wasm/guest"
)

func TestLoadIsAllOrNothing(t *testing.T) {
	t.Parallel()
	broken := errors.New("is not a module")
	b := newBench(t, map[string]behaviour{
		"*": {}, "picky": {refuse: `{"a":1}`}, "needy": {refuse: "null"}, "broken": {broken: broken}, "requests": {phases: []Phase{PhaseRequest}},
	})
	b.load(b.chainOf(PhaseRequest, "old"))
	set := b.chainOf(PhaseCallback, "good", "requests", "picky", "broken", "gone", "changed", "skips", "folder", "pipe", "open", "large", "needy")
	set.Plugins[4].Path = filepath.Join(b.dir, "not-there.wasm")
	set.Plugins[5].Digest = "sha256:" + strings.Repeat("0", 64)
	set.Plugins[6].Failure = FailureSkip
	set.Plugins[7].Path = b.dir
	set.Plugins[8].Path = filepath.Join(b.dir, "pipe")
	if err := syscall.Mkfifo(set.Plugins[8].Path, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(set.Plugins[9].Path, 0o666); err != nil {
		t.Fatal(err)
	}
	set.Plugins[10].Limits.Module = 11
	set.Configs = []PluginConfig{
		{Plugin: "good", Config: []byte(`1`)},
		{Plugin: "picky", Selector: Selector{MatchLabels: map[string]string{"client.name": "x"}}, Config: []byte(`{ "a": 1 }`)},
	}
	err := b.Load(t.Context(), set)
	changed := sha256.Sum256([]byte("module changed"))
	want := strings.Join([]string{
		"plugin_configs[1].config: plugin picky refuses its configuration: not this",
		"plugins[3].path: is not a module",
		"plugins[4].path: open " + b.dir + "/not-there.wasm: no such file or directory",
		"plugins[5].path: has the digest sha256:" + hex.EncodeToString(changed[:]) + ", not sha256:" + strings.Repeat("0", 64) + " as configured",
		"plugins[7].path: is not a regular file",
		"plugins[8].path: is not a regular file",
		"plugins[9].path: can be written by everybody on this host: take that away (chmod o-w), or give its digest",
		"plugins[10].path: is larger than the 11 bytes that its limits allow",
		"plugins[11]: it sees null where none of plugin_configs matches, and plugin needy refuses its configuration: not this",
		"chains[0].plugins: requests does not export on_callback, so it has nothing to do in the callback phase",
		"plugins[6].failure: skips exports on_response, and " + skipsResponse,
	}, "\n")
	if got := problemsOf(t, err); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	var digest *DigestError
	var refused *guest.RefusedError
	if !errors.Is(err, broken) || !errors.Is(err, fs.ErrNotExist) || !errors.As(err, &digest) || !errors.As(err, &refused) {
		t.Error("a cause is lost")
	}
	if n, _ := b.Generation(); n != 1 {
		t.Errorf("the generation is %d", n)
	}
	s := b.Select(PhaseRequest, Subject{})
	defer s.Close()
	if s.Names()[0] != "old" {
		t.Errorf("the old set is gone: %v", s.Names())
	}
	for _, m := range b.opened[1:] {
		<-m.closed // what had been loaded of the refused set
	}
}

// TestPrepare puts a set into service later, or not at all.
func TestPrepare(t *testing.T) {
	t.Parallel()
	b := newBench(t, map[string]behaviour{"*": {}})
	b.load(b.chainOf(PhaseRequest, "old"))
	p, err := b.Prepare(t.Context(), b.chainOf(PhaseRequest, "new"))
	if err != nil {
		t.Fatal(err)
	}
	if got := b.Select(PhaseRequest, Subject{}).pinned(); got != "old" {
		t.Errorf("before Activate: %s", got)
	}
	p.Activate()
	p.Discard() // comes too late
	if got := b.Select(PhaseRequest, Subject{}).pinned(); got != "new" {
		t.Errorf("after Activate: %s", got)
	}
	p, err = b.Prepare(t.Context(), b.chainOf(PhaseRequest, "old", "new"))
	if err != nil {
		t.Fatal(err)
	}
	p.Discard()
	p.Activate() // comes too late
	<-b.opened[2].closed
	if n, _ := b.Generation(); n != 2 {
		t.Errorf("generation %d", n)
	}
	if !b.Has(PhaseRequest) || b.Has(PhaseCallback) || !b.Has("tcp") {
		t.Error("Has")
	}
}

func TestLoadCancelled(t *testing.T) {
	t.Parallel()
	b := newBench(t, map[string]behaviour{"*": {}})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := b.Load(ctx, b.chainOf(PhaseRequest, "p"))
	if !errors.Is(err, context.Canceled) || err.Error() != "wasm: loading the plugins was given up: context canceled" {
		t.Errorf("got %v", err)
	}
}

// TestLoadKeepsWhatIsTheSame counts the modules that a second set opens.
func TestLoadKeepsWhatIsTheSame(t *testing.T) {
	t.Parallel()
	config := func(text string) func(*workbench, *Set) {
		return func(_ *workbench, s *Set) { s.Configs[0].Config = []byte(text) }
	}
	for _, test := range []struct {
		name   string
		change func(*workbench, *Set)
		opened int
	}{
		{"nothing", func(*workbench, *Set) {}, 0},
		{"priority, failure, may_change, keep_text", func(_ *workbench, s *Set) {
			p := &s.Plugins[0]
			p.Priority, p.MayChange, p.KeepText = 7, nil, true
		}, 0},
		{"the chain", func(_ *workbench, s *Set) {
			s.Chains[0].Selector = Selector{MatchLabels: map[string]string{"client.name": "x"}}
		}, 0},
		{"space in a config", config(` { "a" : 1 } `), 0},
		{"where the file is", func(b *workbench, s *Set) {
			s.Plugins[0].Path = filepath.Join(b.dir, "moved")
			if err := os.WriteFile(s.Plugins[0].Path, []byte("module p"), 0o600); err != nil {
				b.t.Fatal(err)
			}
		}, 0},
		{"a config", config(`{"a":2}`), 1},
		{"one more config", func(_ *workbench, s *Set) {
			s.Configs = append([]PluginConfig{{Plugin: "p", Selector: Selector{MatchLabels: map[string]string{"client.name": "x"}}}}, s.Configs...)
		}, 1},
		{"limits", func(_ *workbench, s *Set) { s.Plugins[0].Limits.Fuel = 1000 }, 1},
		{"state", func(_ *workbench, s *Set) { s.Plugins[0].Persistent = true }, 1},
		{"destinations", func(_ *workbench, s *Set) { s.Plugins[0].Fetch = []string{"http://x/"} }, 1},
		{"name", func(_ *workbench, s *Set) {
			s.Plugins[0].Name, s.Chains[0].Plugins, s.Configs[0].Plugin = "q", []string{"q"}, "q"
		}, 1},
		{"the file", func(b *workbench, s *Set) {
			if err := os.WriteFile(s.Plugins[0].Path, []byte("other"), 0o600); err != nil {
				b.t.Fatal(err)
			}
		}, 1},
	} {
		b := newBench(t, map[string]behaviour{"*": {}})
		set := one(b.plugin("p"), PhaseRequest)
		set.Configs = []PluginConfig{{Plugin: "p", Config: []byte(`{"a":1}`)}}
		b.load(set)
		if _, err := b.run(PhaseRequest, request("x")); err != nil {
			t.Fatal(err)
		}
		set = set.clone()
		test.change(b, &set)
		b.load(set)
		if got := len(b.opened) - 1; got != test.opened {
			t.Errorf("%s: opened %d, want %d", test.name, got, test.opened)
		}
		if test.opened > 0 {
			<-b.opened[0].closed
		}
		if _, err := b.run(PhaseRequest, request("x")); err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		calls, want := b.Status()[0].Calls, uint64(2)
		if test.name == "name" {
			want = 1
		}
		if calls != want {
			t.Errorf("%s: %d calls are counted", test.name, calls)
		}
	}
}

// TestDrain holds a message while the set is replaced twice: its own plugin must stay.
func TestDrain(t *testing.T) {
	t.Parallel()
	entered, leave := make(chan struct{}), make(chan struct{})
	b := newBench(t, map[string]behaviour{
		"a": {call: func(string, *guest.Exchange) (Verdict, error) {
			close(entered)
			<-leave
			return Continue, nil
		}},
		"b": {}, "c": {},
	})
	b.load(b.chainOf(PhaseRequest, "a", "b"))
	var wait sync.WaitGroup
	wait.Go(func() {
		s := b.Select(PhaseRequest, Subject{})
		defer s.Close()
		go s.Close() // while it runs: Run has a pin of its own
		out, err := s.Run(context.Background(), request("x"))
		if err != nil || out.Verdict != Continue {
			t.Errorf("got %+v, %v", out, err)
		}
	})
	<-entered
	b.load(b.chainOf(PhaseRequest, "b"))
	b.load(b.chainOf(PhaseRequest, "c"))
	for _, m := range b.opened[:2] {
		select {
		case <-m.closed:
			t.Errorf("%s was closed under a message", m.name)
		default:
		}
	}
	if got := b.Select(PhaseRequest, Subject{}).pinned(); got != "c" {
		t.Errorf("a new message sees %s", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Close(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Close did not wait for the message: %v", err)
	}
	close(leave)
	wait.Wait()
	for _, m := range b.opened {
		<-m.closed
	}
}

// pinned names the first plugin and lets go.
func (s *Selected) pinned() string {
	defer s.Close()
	return s.Names()[0]
}

// TestLoadUnderMessages swaps sets while messages run. No message may fail, and each must see one set.
func TestLoadUnderMessages(t *testing.T) {
	t.Parallel()
	mark := func(config string, x *guest.Exchange) (Verdict, error) {
		text := strings.Replace(string(x.Message), `"labels":{`, `"labels":{"`+fmt.Sprint(strings.Count(string(x.Message), "set"))+`":"set`+config+`",`, 1)
		x.NewMessage, x.MessageReplaced = []byte(strings.Replace(text, ",}", "}", 1)), true
		return Continue, nil
	}
	b := newBench(t, map[string]behaviour{"*": {call: mark}})
	sets := make([]Set, 3)
	for i := range sets {
		sets[i] = b.chainOf(PhaseRequest, "a", "b", "c")
		for _, name := range []string{"a", "b", "c"} {
			sets[i].Configs = append(sets[i].Configs, PluginConfig{Plugin: name, Config: fmt.Append(nil, i)})
		}
	}
	b.load(sets[0])
	stop := make(chan struct{})
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			for {
				out, err := b.run(PhaseRequest, request("x"))
				if err != nil {
					t.Errorf("a message failed: %v", err)
					return
				}
				seen := out.JSON[strings.Index(string(out.JSON), "set")+3]
				if strings.Count(string(out.JSON), "set"+string(seen)) != 3 {
					t.Errorf("a message saw two sets: %s", out.JSON)
					return
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	for i := range 100 {
		if i%10 == 9 {
			if err := b.Load(t.Context(), Set{Chains: []Chain{{}}}); err == nil {
				t.Error("a bad set was taken")
			}
		}
		b.load(sets[i%3])
	}
	close(stop)
	wait.Wait()
}

// TestLoadIsInterrupted: when its context ends, nobody waits for a set that is being loaded, nor for a module that cannot be
// stopped, and a host that was closed meanwhile stays closed.
func TestLoadIsInterrupted(t *testing.T) {
	t.Parallel()
	b := newBench(t, map[string]behaviour{"*": {}})
	b.load(b.chainOf(PhaseRequest, "old"))
	begun, end := make(chan struct{}), make(chan struct{})
	b.Host.open = func(ctx context.Context, p *Plugin, binary []byte) (module, error) {
		if p.Name == "slow" {
			close(begun)
			<-end
		}
		return b.open(ctx, p, binary)
	}
	loaded := make(chan error)
	go func() { loaded <- b.Load(t.Context(), b.chainOf(PhaseRequest, "slow")) }()
	<-begun
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Load(ended, b.chainOf(PhaseRequest, "other")); !errors.Is(err, context.Canceled) || err.Error() != "wasm: another set is being loaded: context canceled" {
		t.Errorf("got %v", err)
	}
	if _, err := b.run(PhaseRequest, request("x")); err != nil {
		t.Errorf("the old set does not serve: %v", err)
	}
	if err := b.Close(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if _, err := b.run(PhaseRequest, request("x")); !errors.Is(err, ErrClosed) && !errors.Is(err, ErrNotLoaded) {
		t.Errorf("after it was closed: %v", err)
	}
	close(end)
	if err := <-loaded; !errors.Is(err, ErrClosed) {
		t.Errorf("got %v", err)
	}
	if _, err := b.run(PhaseRequest, request("x")); err == nil {
		t.Error("what was loaded meanwhile serves")
	}
}

// TestLoadGivesUp: what is wrong with a set whose loading was interrupted is that, and not each of its plugins.
func TestLoadGivesUp(t *testing.T) {
	t.Parallel()
	b := newBench(t, map[string]behaviour{"*": {}})
	ctx, cancel := context.WithCancel(t.Context())
	b.Host.open = func(ctx context.Context, _ *Plugin, _ []byte) (module, error) {
		cancel()
		return nil, ctx.Err()
	}
	err := b.Load(ctx, b.chainOf(PhaseRequest, "one", "two", "three"))
	if !errors.Is(err, context.Canceled) || err.Error() != "wasm: loading the plugins was given up: context canceled" {
		t.Errorf("got %v", err)
	}
	b.Host.open = b.open
	b.load(b.chainOf(PhaseRequest, "one")) // it can go on
}
