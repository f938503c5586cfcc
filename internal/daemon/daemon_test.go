package daemon

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/sidegate/sidegate/internal/auth"
	"github.com/sidegate/sidegate/internal/config"
)

const testSecret = "a secret of the tests"

// allowAll is the policy of tests that are not about policies.
const allowAll = `package sidegate

decision := {"allow": true, "grants": ["test"], "reasons": [], "obligations": {"filesystem": {"read": ["/"], "write": ["/"]}}}
`

// site is a place for a gateway: a configuration, a policy and a state directory. Commands write below out: beside what belongs to the gateway they cannot
// make files.
type site struct {
	dir  string
	yaml string
}

// newSite writes a site; extra is added to its configuration.
func newSite(t *testing.T, stateDir, extra string) site {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "out"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "secret"), testSecret+"\n", 0o600)
	write(t, filepath.Join(dir, "policies", "sidegate", "decision.rego"), allowAll, 0o644)
	return site{dir: dir, yaml: fmt.Sprintf(`
listen: ["127.0.0.1:0"]
admin_listen: ""
state_dir: %s
clients: [{name: func, scheme: func, secret_file: secret, roles: [readonly]}]
policy: {paths: [policies]}
limits: {rate: 100000, burst: 100000}
%s`, stateDir, extra)}
}

func write(t *testing.T, name, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

// start runs a gateway at the site until stop is called, or the test ends.
func (s site) start(t *testing.T) (d *Daemon, url string, stop func()) {
	t.Helper()
	c, err := config.Parse("sidegate.yaml", s.dir, []byte(s.yaml))
	if err != nil {
		t.Fatal(err)
	}
	d, err = New(t.Context(), c, Build{Version: "test"}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- d.Serve(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-served; err != nil {
			t.Errorf("the gateway ended with %v", err)
		}
	}
	t.Cleanup(stop)
	return d, "http://" + d.addresses()[0].String(), stop
}

// answer is a reply of the gateway.
type answer struct {
	Status  int
	Reason  string
	Message string
	Data    *struct {
		Stdout, Stderr, Status string
		ExitCode               int `json:"exit_code"`
	}
}

// signed makes one call of the connector.
func signed(ctx context.Context, url, nonce string, body any) (*http.Request, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/shell", bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	now := strconv.FormatInt(time.Now().Unix(), 10)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Auth-Nonce", nonce)
	req.Header.Set("X-Auth-Timestamp", now)
	req.Header.Set("X-Auth-Signature", auth.SignFunc([]byte(testSecret), http.MethodPost, "/shell", nonce, now, text))
	return req, nil
}

func send(client *http.Client, req *http.Request) (answer, error) {
	resp, err := client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body) // to its end, or the connection is not used again
	if err != nil {
		return answer{}, err
	}
	a := answer{Status: resp.StatusCode}
	err = json.Unmarshal(text, &a)
	return a, err
}

// call makes one call and returns its answer.
func (s site) call(t *testing.T, url string, body any) answer {
	t.Helper()
	req, err := signed(t.Context(), url, auth.NewNonce(), body)
	if err != nil {
		t.Fatal(err)
	}
	a, err := send(http.DefaultClient, req)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// background makes one call, whose answer comes later.
func (s site) background(t *testing.T, url string, body any) <-chan answer {
	t.Helper()
	req, err := signed(t.Context(), url, auth.NewNonce(), body)
	if err != nil {
		t.Fatal(err)
	}
	answers := make(chan answer, 1)
	go func() {
		a, err := send(http.DefaultClient, req)
		if err != nil {
			a.Message = err.Error()
		}
		answers <- a
	}()
	return answers
}

// untilReleased is a command that creates the file begun and runs until there is a file release.
func (s site) untilReleased() string {
	return fmt.Sprintf("sh -c 'touch %[1]s/begun; until [ -e %[1]s/release ]; do sleep 0.01; done'", filepath.Join(s.dir, "out"))
}

// await waits until the site holds the file.
func (s site) await(t *testing.T, name string) {
	t.Helper()
	eventually(t, name+" exists", func() bool {
		_, err := os.Stat(filepath.Join(s.dir, "out", name))
		return err == nil
	})
}

// eventually waits, up to half a minute, until what is so.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it did not come about that %s", what)
		}
	}
}
