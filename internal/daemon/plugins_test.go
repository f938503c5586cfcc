package daemon

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/sidegate/sidegate/internal/config"
)

// logBuffer collects a log.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// house is a site with a configuration file, so that it can be read again, and with a plugin, the puppet of the gateway's
// tests, whose configuration says what it does.
type house struct {
	site
	file  string
	phase string // of the plugin
	log   *logBuffer
}

// newHouse writes a house whose plugin p, in the request phase, does what the script says.
func newHouse(t *testing.T, script string) house {
	t.Helper()
	h := house{site: newSite(t, filepath.Join(t.TempDir(), "state"), ""), phase: "request", log: &logBuffer{}}
	h.file = filepath.Join(h.dir, "sidegate.yaml")
	h.writeModule(t, filepath.Join(h.dir, "p.wasm"))
	h.configure(t, "p.wasm", script)
	return h
}

// puppetModule is the plugin, without the import of http_fetch.
func puppetModule(t *testing.T) []byte {
	t.Helper()
	binary, err := os.ReadFile("../../gateway/testdata/plugins/puppet.wasm")
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Replace(binary, []byte("http_fetch"), []byte("input_read"), 1) // of the same type
}

func (h house) writeModule(t *testing.T, name string) {
	t.Helper()
	write(t, name, string(puppetModule(t)), 0o644)
}

// configure writes the configuration in place of the one before, as careful editors do.
func (h house) configure(t *testing.T, module, script string) {
	t.Helper()
	text := h.yaml + fmt.Sprintf(`
admin_listen: "127.0.0.1:0"
plugins:
- name: p
  path: %s
  may_change: [command, labels]
chains: [{name: in, phase: %s, plugins: [p]}]
plugin_configs:
- plugin: p
  config: %q
`, module, h.phase, script)
	text = strings.Replace(text, "admin_listen: \"\"\n", "", 1)
	write(t, h.file+".new", text, 0o600)
	if err := os.Rename(h.file+".new", h.file); err != nil {
		t.Fatal(err)
	}
}

// open starts the gateway as `sidegate serve` does.
func (h house) open(t *testing.T, prepare ...func(*Daemon)) (d *Daemon, url string, stop func()) {
	t.Helper()
	c, err := config.Load(h.file, CheckStart)
	if err != nil {
		t.Fatal(err)
	}
	d, err = New(t.Context(), c, Build{Version: "test"}, slog.New(slog.NewTextHandler(h.log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	for _, prepare := range prepare {
		prepare(d)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- d.Serve(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("the gateway ended with %v", err)
		}
	})
	t.Cleanup(stop)
	return d, "http://" + d.addresses()[0].String(), stop
}

// says runs a command that the plugin has rewritten, and returns what that prints.
func (h house) says(t *testing.T, url string) string {
	t.Helper()
	a := h.call(t, url, map[string]string{"command": "echo asked"})
	if a.Status != http.StatusOK {
		return a.Reason
	}
	return strings.TrimSpace(a.Data.Stdout)
}

func echo(word string) string { return "=/command='echo " + word + "'" }

func (h house) eventuallySays(t *testing.T, url, want string) {
	t.Helper()
	eventually(t, "it says "+want, func() bool { return h.says(t, url) == want })
}

// admin asks the admin listener, which is opened last.
func admin(t *testing.T, d *Daemon, path string) string {
	t.Helper()
	all := d.addresses()
	resp, err := http.Get("http://" + all[len(all)-1].String() + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(resp.StatusCode, " ", string(text))
}
