package wasm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sidegate/sidegate/wasm/guest"
)

// realHost returns a host of real modules, and a folder for them.
func realHost(tb testing.TB) (*Host, string) {
	tb.Helper()
	dir := tb.TempDir()
	h, err := New(Config{CacheDir: filepath.Join(dir, "cache"), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := h.Close(context.Background()); err != nil {
			tb.Error(err)
		}
	})
	return h, dir
}

// realSet writes n plugins, each of which adds a label, and one that replaces output.
func realSet(tb testing.TB, dir string, n int, value string) Set {
	tb.Helper()
	var set Set
	write := func(name string, binary []byte) {
		p := Plugin{Name: name, Path: filepath.Join(dir, name+".wasm"), MayChange: []string{"labels"}}
		if err := os.WriteFile(p.Path, binary, 0o600); err != nil {
			tb.Fatal(err)
		}
		set.Plugins = append(set.Plugins, p)
	}
	request := Chain{Name: "in", Phase: PhaseRequest}
	for i := range n {
		name := fmt.Sprintf("label%d", i)
		write(name, labels(name, value))
		request.Plugins = append(request.Plugins, name)
	}
	write("silence", silences(value))
	set.Chains = []Chain{request, {Name: "out", Phase: PhaseResponse, Plugins: []string{"silence"}}}
	return set
}

func TestRealModules(t *testing.T) {
	t.Parallel()
	h, dir := realHost(t)
	set := realSet(t, dir, 2, "on")
	if err := h.Load(t.Context(), set); err != nil {
		t.Fatal(err)
	}
	s := h.Select(PhaseRequest, Subject{})
	defer s.Close()
	out, err := s.Run(t.Context(), request("x"))
	if err != nil || !strings.Contains(string(out.JSON), `"labels":{"label0":"on","label1":"on"}`) || !slices.Equal(out.ChangedBy, []string{"label0", "label1"}) {
		t.Errorf("got %s, %v, %v", out.JSON, out.ChangedBy, err)
	}
	for _, s := range h.Status() {
		if s.Instances != 1 {
			t.Errorf("%s has %d instances", s.Name, s.Instances)
		}
	}
	r := h.Select(PhaseResponse, Subject{})
	defer r.Close()
	out, err = r.Run(t.Context(), Message{JSON: []byte(aResponse), Stdout: []byte("secret")})
	if err != nil || string(out.Stdout) != "on" {
		t.Errorf("got %s, %v", out.Stdout, err)
	}

	set.Plugins[0].MayChange = nil
	if err := h.Load(t.Context(), set); err != nil {
		t.Fatal(err)
	}
	s = h.Select(PhaseRequest, Subject{})
	defer s.Close()
	if _, err := s.Run(t.Context(), request("x")); err == nil || err.Error() != "plugin label0: request: change: changed labels, which its may_change does not list" {
		t.Errorf("got %v", err)
	}
	set.Chains[0].Plugins = []string{"silence"}
	want := "chains[0].plugins: silence does not export on_request, so it has nothing to do in the request phase"
	if got := problemsOf(t, h.Load(t.Context(), set)); got != want {
		t.Errorf("got %s", got)
	}
	if err := os.WriteFile(set.Plugins[0].Path, []byte("no module"), 0o600); err != nil {
		t.Fatal(err)
	}
	var load *guest.LoadError
	if err := h.Load(t.Context(), set); !errors.As(err, &load) || load.Plugin != "label0" {
		t.Errorf("got %v", err)
	}
}

// TestReloadRealModules replaces all plugins 100 times under messages: none may fail or see two sets,
// and nothing of an old set may stay mapped.
func TestReloadRealModules(t *testing.T) {
	t.Parallel()
	h, dir := realHost(t)
	values := []string{"on", "no"}
	sets := []Set{realSet(t, mkdir(t, dir, "a"), 2, values[0]), realSet(t, mkdir(t, dir, "b"), 2, values[1])}
	for i := range sets { // without the one for responses
		sets[i].Plugins, sets[i].Chains = sets[i].Plugins[:2], sets[i].Chains[:1]
	}
	before := addressSpace(t)
	if err := h.Load(t.Context(), sets[0]); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var messages atomic.Int64
	var wait sync.WaitGroup
	for range 3 {
		wait.Go(func() {
			for {
				s := h.Select(PhaseRequest, Subject{})
				out, err := s.Run(context.Background(), request("x"))
				s.Close()
				if err != nil || !slices.ContainsFunc(values, func(v string) bool { return strings.Count(string(out.JSON), `"`+v+`"`) == 2 }) {
					t.Errorf("got %s, %v", out.JSON, err)
					return
				}
				messages.Add(1)
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	for i := range 100 {
		if err := h.Load(t.Context(), sets[(i+1)%2]); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	wait.Wait()
	if err := h.Close(t.Context()); err != nil { // waits for every generation
		t.Fatal(err)
	}
	// Each instance reserves 64 MiB of address space; one that is left of each reload would be 6 GiB.
	if after := addressSpace(t); after > before+4<<30 {
		t.Errorf("address space grew by %d MiB", (after-before)>>20)
	}
	t.Logf("%d messages", messages.Load())
}

// addressSpace is how much the process has mapped, in bytes.
func addressSpace(t *testing.T) (pages int) {
	t.Helper()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skipf("needs /proc to see leaks: %v", err)
	}
	if _, err := fmt.Sscan(string(text), &pages); err != nil {
		t.Fatal(err)
	}
	return pages * os.Getpagesize()
}

func mkdir(tb testing.TB, parts ...string) string {
	tb.Helper()
	dir := filepath.Join(parts...)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		tb.Fatal(err)
	}
	return dir
}

// BenchmarkRun compares 1 and 5 plugins, each of which sets the same field to something else. The message
// does not grow from one to the next, so 5 should cost no more than 5 times what 1 does.
func BenchmarkRun(b *testing.B) {
	for _, n := range []int{1, 5} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			h, dir := realHost(b)
			set := Set{Chains: []Chain{{Name: "in", Phase: PhaseRequest}}}
			for i := range n {
				p := Plugin{Name: fmt.Sprintf("p%d", i), Path: filepath.Join(dir, fmt.Sprint(i)), MayChange: []string{"labels"}}
				if err := os.WriteFile(p.Path, labels("seen", fmt.Sprint(i)), 0o600); err != nil {
					b.Fatal(err)
				}
				set.Plugins, set.Chains[0].Plugins = append(set.Plugins, p), append(set.Chains[0].Plugins, p.Name)
			}
			if err := h.Load(b.Context(), set); err != nil {
				b.Fatal(err)
			}
			m, ctx := request("x"), context.Background()
			m.JSON = []byte(strings.Replace(plainRequest, `"labels":{}`, `"labels":{"seen":""}`, 1))
			b.ReportAllocs()
			for b.Loop() {
				s := h.Select(PhaseRequest, Subject{Client: "x"})
				out, err := s.Run(ctx, m)
				if err != nil || len(out.ChangedBy) != n {
					b.Fatal(out, err)
				}
				s.Close()
			}
		})
	}
}

// BenchmarkRunUnchanged is what a chain costs by itself: five plugins that do nothing.
func BenchmarkRunUnchanged(b *testing.B) {
	h, err := New(Config{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	h.open = func(context.Context, *Plugin, []byte) (module, error) { return idle{}, nil }
	set := Set{Chains: []Chain{{Name: "in", Phase: PhaseRequest}}}
	file := filepath.Join(b.TempDir(), "p")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		b.Fatal(err)
	}
	for i := range 5 {
		set.Plugins = append(set.Plugins, Plugin{Name: fmt.Sprint(i), Path: file})
		set.Chains[0].Plugins = append(set.Chains[0].Plugins, fmt.Sprint(i))
	}
	if err := h.Load(b.Context(), set); err != nil {
		b.Fatal(err)
	}
	m, ctx := request("x"), context.Background()
	b.ReportAllocs()
	for b.Loop() {
		s := h.Select(PhaseRequest, Subject{Client: "x"})
		if _, err := s.Run(ctx, m); err != nil {
			b.Fatal(err)
		}
		s.Close()
	}
}

// idle is a plugin that does nothing.
type idle struct{}

func (idle) Phases() []Phase                                 { return phases }
func (idle) Instances() int                                  { return 1 }
func (idle) Configure(context.Context, []byte) (pool, error) { return idle{}, nil }
func (idle) Close(context.Context) error                     { return nil }

func (idle) Call(_ context.Context, _ Phase, x *guest.Exchange) (Verdict, error) {
	x.MessageReplaced = false // as another benchmark may have left it
	return Continue, nil
}

// BenchmarkApply compares a message of 1 KiB with one in which a variable was changed.
func BenchmarkApply(b *testing.B) {
	before := []byte(strings.Replace(plainRequest, `"C"`, `"`+strings.Repeat("x", 900)+`"`, 1))
	written := []byte(strings.Replace(string(before), `{}`, `{"a":"b"}`, 1))
	r := newRule(PhaseRequest, &Plugin{MayChange: []string{"labels"}})
	b.ReportAllocs()
	b.SetBytes(int64(len(before)))
	for b.Loop() {
		if _, _, err := r.apply(before, written); err != nil {
			b.Fatal(err)
		}
	}
}
