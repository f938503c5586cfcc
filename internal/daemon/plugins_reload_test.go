package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"github.com/sidegate/sidegate/internal/auth"
	"github.com/sidegate/sidegate/internal/config"
)

// TestReloadIsAllOrNothing: where anything is wrong with the configuration, a module, its configuration or the policy, what
// was in force stays, the error says where the trouble stands, and readiness reports show it.
func TestReloadIsAllOrNothing(t *testing.T) {
	h := newHouse(t, echo("one"))
	d, url, stop := h.open(t)
	defer stop()
	policyFile := filepath.Join(h.dir, "policies", "sidegate", "decision.rego")
	line := func(text string) string {
		content, err := os.ReadFile(h.file)
		if err != nil {
			t.Fatal(err)
		}
		before, _, found := strings.Cut(string(content), text)
		if !found {
			t.Fatalf("no %s in the configuration", text)
		}
		return fmt.Sprintf("%s:%d: ", h.file, 1+strings.Count(before, "\n"))
	}
	for _, tt := range []struct {
		name   string
		change func()
		want   func() string
	}{
		{"no module", func() {
			write(t, filepath.Join(h.dir, "bad.wasm"), "no module", 0o644)
			h.configure(t, "bad.wasm", echo("two"))
		},
			func() string { return line("path: bad") + "plugins[0].path: " }},
		{"no file", func() { h.configure(t, "none.wasm", echo("two")) }, func() string { return line("path: none") + "plugins[0].path" }},
		{"refused by the plugin", func() { h.configure(t, "p.wasm", "!not like this") },
			func() string {
				return line("config: \"!") + "plugin_configs[0].config: plugin p refuses its configuration, in its own words: \"not like this\""
			}},
		{"writable by everybody", func() {
			h.writeModule(t, filepath.Join(h.dir, "open.wasm"))
			if err := os.Chmod(filepath.Join(h.dir, "open.wasm"), 0o666); err != nil {
				t.Fatal(err)
			}
			h.configure(t, "open.wasm", echo("two"))
		}, func() string { return line("path: open") + "plugins[0].path" }},
		{"no YAML", func() { write(t, h.file, "{", 0o600) }, func() string { return h.file + ":" }},
		{"the policy", func() {
			h.configure(t, "p.wasm", echo("two"))
			write(t, policyFile, "package sidegate\n\ndecision := {", 0o644)
		}, func() string { return policyFile + ":3" }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.change()
			err := d.Reload(t.Context())
			want := "nothing was reloaded, and what was in force stays: "
			if err == nil || !strings.HasPrefix(err.Error(), want) || !strings.Contains(err.Error(), tt.want()) {
				t.Fatalf("the error is %v, want %s", err, tt.want())
			}
			if got := h.says(t, url); got != "one" {
				t.Errorf("it says %s", got)
			}
			if ready := admin(t, d, "/readyz"); !strings.HasPrefix(ready, "200 ") || !strings.Contains(ready, "nothing was reloaded") {
				t.Errorf("readiness is %s", ready)
			}
		})
	}
	write(t, policyFile, allowAll, 0o644)
	h.configure(t, "p.wasm", echo("three"))
	if err := d.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := h.says(t, url); got != "three" {
		t.Errorf("it says %s", got)
	}
	if ready := admin(t, d, "/readyz"); strings.Contains(ready, "nothing was reloaded") {
		t.Errorf("readiness is %s", ready)
	}
	if chains := admin(t, d, "/v1/chains"); strings.Contains(chains, "three") || !strings.Contains(chains, `"name":"p"`) {
		t.Errorf("chains are %s", chains)
	}
}

// TestReloadNamesWhatNeedsARestart: a file that changes what is fixed while the gateway runs is refused as a whole, and each key is named as the file names it.
func TestReloadNamesWhatNeedsARestart(t *testing.T) {
	h := newHouse(t, echo("one"))
	d, url, stop := h.open(t)
	defer stop()
	before := h.yaml
	h.yaml = strings.Replace(h.yaml, "rate: 100000,", "rate: 200000,", 1)
	h.yaml = strings.Replace(h.yaml, "state_dir: ", "state_dir: /elsewhere", 1)
	h.configure(t, "p.wasm", echo("two"))
	for range 2 { // the second time too
		err := d.Reload(t.Context())
		want := fmt.Sprintf("a restart is needed for %[1]s:3: state_dir, %[1]s:6: limits.rate, and nothing else", h.file)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if got := h.says(t, url); got != "one" {
		t.Errorf("it says %s", got)
	}
	if ready := admin(t, d, "/readyz"); !strings.Contains(ready, "a restart is needed") {
		t.Errorf("readiness is %s", ready)
	}
	h.yaml = before
	h.configure(t, "p.wasm", echo("two"))
	if err := d.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := h.says(t, url); got != "two" {
		t.Errorf("it says %s", got)
	}
}

// TestReloadUnderLoad reloads all plugins 100 times, with others and the same, while calls go through them: none fails, and
// nothing is left of the old ones.
func TestReloadUnderLoad(t *testing.T) {
	leaks := goleak.IgnoreCurrent()
	h := newHouse(t, echo("one"))
	h.yaml += "\nexecutor: {concurrency: 4, queue: 64}\n"
	h.configure(t, "p.wasm", echo("one"))
	d, url, stop := h.open(t)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}
	var (
		callers sync.WaitGroup
		over    atomic.Bool
		calls   atomic.Int64
	)
	for range 4 {
		callers.Go(func() {
			for !over.Load() {
				req, err := signed(context.Background(), url, auth.NewNonce(), map[string]string{"command": "echo asked"})
				if err != nil {
					t.Error(err)
					return
				}
				a, err := send(client, req)
				if err != nil || a.Status != http.StatusOK || a.Data.Stdout != "one\n" && a.Data.Stdout != "two\n" {
					t.Errorf("answered %+v, %v", a, err)
					return
				}
				calls.Add(1)
			}
		})
	}
	var early, late int
	for i := range 100 {
		h.configure(t, "p.wasm", echo([]string{"one", "two"}[i%2]))
		if err := d.Reload(t.Context()); err != nil {
			t.Errorf("reload %d: %v", i, err)
		}
		switch i {
		case 30:
			early = residentMiB(t)
		case 99:
			late = residentMiB(t)
		}
	}
	over.Store(true)
	callers.Wait()
	client.CloseIdleConnections()
	if calls.Load() == 0 {
		t.Error("nothing was called")
	}
	eventually(t, "the old plugins are closed", func() bool { return strings.Count(h.log.String(), "generation closed") >= 99 })
	t.Logf("%d calls; %d MiB after 30 reloads, %d MiB after 100", calls.Load(), early, late)
	if late > early+64 {
		t.Errorf("memory grew from %d to %d MiB", early, late)
	}
	stop()
	goleak.VerifyNone(t, leaks)
}

// residentMiB is how much memory this process has, after the collector has run.
func residentMiB(t *testing.T) int {
	t.Helper()
	runtime.GC()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skipf("needs /proc: %v", err)
	}
	var size, resident int
	if _, err := fmt.Sscan(string(text), &size, &resident); err != nil {
		t.Fatal(err)
	}
	return resident * os.Getpagesize() >> 20
}

// TestReloadsAtOnceAndAtTheEnd: reloads wait for each other, and one that comes when the gateway stops, or has stopped,
// harms nothing and blocks nothing.
func TestReloadsAtOnceAndAtTheEnd(t *testing.T) {
	leaks := goleak.IgnoreCurrent()
	h := newHouse(t, echo("one"))
	d, url, stop := h.open(t)
	reload := func(n int) (wait func()) {
		var all sync.WaitGroup
		for range n {
			all.Go(func() { _ = d.Reload(context.Background()) })
		}
		return all.Wait
	}
	h.configure(t, "p.wasm", echo("two"))
	reload(8)()
	if got := h.says(t, url); got != "two" {
		t.Errorf("it says %s", got)
	}
	http.DefaultClient.CloseIdleConnections()
	wait := reload(8)
	stop()
	wait()
	if err := d.Reload(context.Background()); err == nil {
		t.Error("a gateway that has stopped loads plugins")
	}
	goleak.VerifyNone(t, leaks)
}

// TestStartsOnlyWithItsPlugins: a gateway whose plugins do not load does not start, says where the trouble stands, and
// leaves nothing behind.
func TestStartsOnlyWithItsPlugins(t *testing.T) {
	leaks := goleak.IgnoreCurrent()
	h := newHouse(t, "!no")
	c, err := config.Load(h.file, CheckStart)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := New(t.Context(), c, Build{}, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "plugin_configs[0].config: plugin p refuses its configuration, in its own words: \"no\"") || !strings.HasPrefix(err.Error(), h.file+":") {
		t.Errorf("the error is %v", err)
	}
	goleak.VerifyNone(t, leaks)
}
