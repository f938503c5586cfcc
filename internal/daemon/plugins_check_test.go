package daemon

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sidegate/sidegate/internal/config"
)

// withPlugin writes a configuration whose plugin p has these lines more, and returns what keeps it from being loaded, each
// problem without the name of the file.
func (h house) withPlugin(t *testing.T, lines string) []string {
	t.Helper()
	write(t, h.file, h.yaml+"\nplugins:\n- name: p\n  path: p.wasm\n"+lines, 0o600)
	_, err := config.Load(h.file, CheckStart)
	if err == nil {
		return nil
	}
	return strings.Split(strings.ReplaceAll(err.Error(), h.file+":", ""), "\n")
}

// TestPatternsAreToldWhereTheyStand: a pattern that cannot be read is told at its own key and line, once.
func TestPatternsAreToldWhereTheyStand(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	first := strings.Count(h.yaml, "\n") + 5
	for pattern, want := range map[string]string{
		"127.0.0.1:9000/*":                    "must begin with http:// or https://",
		"http://user:hunter2@127.0.0.1:9000/": "must not have a user name or password",
		"http://*/":                           `may have "*" in its path, and as the first label of its host with two labels after it, and nowhere else`,
	} {
		got := h.withPlugin(t, fmt.Sprintf("  capabilities:\n    http_fetch:\n    - http://127.0.0.1:9000/*\n    - %q\n", pattern))
		want := fmt.Sprintf("%d: plugins[0].capabilities.http_fetch[1]: %s; a pattern is a URL such as http://127.0.0.1:9000/verify, "+
			"with * for anything in its path, as in http://127.0.0.1:9000/*", first+3, want)
		if len(got) != 1 || got[0] != want {
			t.Errorf("%s:\ngot  %q\nwant %q", pattern, got, want)
		}
	}
}

// TestLimitsHaveOneRule: what the configuration takes for a limit, the host of guests takes, so that there is one message
// for what is out of bounds.
func TestLimitsHaveOneRule(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	line := strings.Count(h.yaml, "\n") + 5
	for _, tt := range []struct{ name, least, most, below, above, bounds string }{
		{"memory", "64KiB", "4GiB", "65535", "4294967297", "64KiB to 4GiB"},
		{"fuel", "1", "1125899906842624", "0", "1125899906842625", "1 to 1125899906842624"},
		{"deadline", "1ms", "1m", "999us", "61s", "1ms to 1m"},
		{"output", "1B", "256MiB", "0", "257MiB", "1B to 256MiB"},
		{"log", "1B", "1MiB", "0", "1025KiB", "1B to 1MiB"},
		{"concurrency", "1", "1024", "0", "1025", "1 to 1024"},
		{"module", "8B", "64MiB", "7", "65MiB", "8B to 64MiB"},
	} {
		for _, value := range []string{tt.least, tt.most} {
			if got := h.withPlugin(t, fmt.Sprintf("  limits: {%s: %s}\n", tt.name, value)); got != nil {
				t.Errorf("%s: %s: %q", tt.name, value, got)
			}
		}
		for _, value := range []string{tt.below, tt.above} {
			want := fmt.Sprintf("%d: plugins[0].limits.%s: must be from %s, not %q", line, tt.name, tt.bounds, value)
			if got := h.withPlugin(t, fmt.Sprintf("  limits: {%s: %s}\n", tt.name, value)); len(got) != 1 || got[0] != want {
				t.Errorf("got %q, want %q", got, want)
			}
		}
	}
}

// TestNotesOfPlugins: what is most likely not meant is told where it stands, and judged by the clients that there are.
func TestNotesOfPlugins(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	c, err := config.Parse("f", h.dir, []byte(h.yaml+`
host: {labels: {zone: z}}
plugins: [{name: p, path: p.wasm}, {name: idle, path: p.wasm}]
chains:
- {name: a, phase: response, plugins: [p], selector: {matchLabels: {client.name: func, host.labels.zone: z}}}
- {name: b, phase: response, plugins: [p], selector: {matchLabels: {client.name: fnuc}}}
`))
	if err != nil {
		t.Fatal(err)
	}
	line := strings.Count(h.yaml, "\n") + 3
	want := fmt.Sprintf("f:%d: plugins[1]: plugin idle is in no chain and does not run\n"+
		"f:%d: chains[1].selector: matches nothing here: no client meets its condition on client.name", line, line+3)
	if got := strings.Join(Notes(c, time.Now()), "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
