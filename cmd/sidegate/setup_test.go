package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sidegate/sidegate/internal/config"
)

// newSetup returns what the installer asks for, in a directory of the test and for the test's own user.
func newSetup(t *testing.T) setupOptions {
	t.Helper()
	u, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	return setupOptions{
		dir: filepath.Join(dir, "etc"), state: filepath.Join(dir, "state"), socket: systemSocket, user: u.Username, runUser: u.Username, record: filepath.Join(dir, "record"),
		sandbox: choice{"confined", []string{"confined"}}, offline: true, now: func() time.Time { return time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC) },
	}
}

// do configures, and returns what became of the secret and what was noted.
func (o setupOptions) do(t *testing.T, stdin string) (secret, notes string, err error) {
	t.Helper()
	var b bytes.Buffer
	secret, err = o.configure(context.Background(), strings.NewReader(stdin), &b)
	return secret, b.String(), err
}

// commandsAsOther makes the configuration valid for a test that runs as root: commands may not run as a user who is a client.
func commandsAsOther(t *testing.T, o setupOptions) setupOptions {
	t.Helper()
	if os.Geteuid() == 0 {
		o.runUser = "nobody"
	}
	return o
}

func TestSetupConfig(t *testing.T) {
	t.Parallel()
	o := commandsAsOther(t, newSetup(t))
	secret, _, err := o.do(t, "")
	if err != nil || secret != "created" {
		t.Fatalf("%q, %v", secret, err)
	}
	for name, mode := range map[string]os.FileMode{"etc/func.secret": 0o640, "etc/sidegate.yaml": 0o644, "etc/policies": 0o755 | os.ModeDir, "state": 0o700 | os.ModeDir} {
		if info, err := os.Stat(filepath.Join(filepath.Dir(o.dir), name)); err != nil || info.Mode() != mode {
			t.Errorf("%s: %v, %v, want %v", name, info, err, mode)
		}
	}
	text := fileOf(t, o, "sidegate.yaml")
	if secret, notes, err := o.do(t, ""); err != nil || secret != "kept" || notes != "" {
		t.Errorf("again: %q, %q, %v", secret, notes, err)
	}
	for _, test := range []struct {
		change func(*setupOptions)
		stdin  string
		want   string
	}{
		{func(o *setupOptions) { o.bind = "127.0.0.1:1" }, "", "listens on [127.0.0.1:8099]; to listen elsewhere"},
		{func(o *setupOptions) { o.secretFile = "-" }, "other\n", "with another secret than the one given"},
		{func(o *setupOptions) { o.secretFile = "-" }, "\n", "the secret is empty"},
		{func(o *setupOptions) { o.secretFile = "-" }, strings.Repeat("x", 9000), "longer than 4 KiB"},
		{func(o *setupOptions) { o.bind = "127.0.0.1:1,," }, "", "an address is missing"},
		{func(o *setupOptions) { o.user = "nobody-of-that-name" }, "", "unknown user nobody-of-that-name; create it"},
		{func(o *setupOptions) { o.migrate = "/no/such" }, "", "the configuration of the Sidecar cannot be read"},
		{func(o *setupOptions) { o.migrate = "/dev/null" }, "", "is not a regular file"},
	} {
		changed := o
		test.change(&changed)
		if _, _, err := changed.do(t, test.stdin); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("the error is %v, want %q", err, test.want)
		}
	}
	putFile(t, o, "sidegate.yaml", text+"surprise: 1\n")
	if _, _, err := o.do(t, ""); err == nil || !strings.Contains(err.Error(), "nothing was changed") || !strings.Contains(err.Error(), "surprise: unknown key") {
		t.Errorf("the error is %v", err)
	}
	if got := fileOf(t, o, "sidegate.yaml"); got != text+"surprise: 1\n" {
		t.Error("the configuration was changed")
	}
}

// TestSetupGoesOn: what an interrupted one left is finished, and a wrong wish leaves no configuration behind.
func TestSetupGoesOn(t *testing.T) {
	t.Parallel()
	o := commandsAsOther(t, newSetup(t))
	wrong := o
	wrong.bind = "127.0.0.1"
	if _, _, err := wrong.do(t, ""); err == nil || !strings.Contains(err.Error(), "sidegate.yaml:9: listen[0]: must be host:port") {
		t.Errorf("the error is %v", err)
	}
	if _, err := os.Stat(filepath.Join(o.dir, "sidegate.yaml")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("there is a configuration: %v", err)
	}
	secret := fileOf(t, o, "func.secret")
	putFile(t, o, ".sidegate.yaml.partial", "half")
	putFile(t, o, ".func.secret.partial", "half")
	if err := os.Rename(filepath.Join(o.dir, "policies"), filepath.Join(o.dir, ".policies.partial")); err != nil {
		t.Fatal(err)
	}
	if state, _, err := o.do(t, ""); err != nil || state != "kept" || fileOf(t, o, "func.secret") != secret {
		t.Errorf("%q, %v", state, err)
	}
	entries, err := os.ReadDir(o.dir)
	if err != nil || len(entries) != 3 {
		t.Errorf("there are %v, %v", entries, err)
	}
}

func TestSetupMigrates(t *testing.T) {
	t.Parallel()
	o := commandsAsOther(t, newSetup(t))
	o.migrate = filepath.Join(t.TempDir(), "sidecar")
	if err := os.WriteFile(o.migrate, []byte("BIND=127.0.0.1:1,127.0.0.2:1\nSECRET_KEY='old $x'\nA=1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	state, notes, err := o.do(t, "")
	if err != nil || state != "given" || !strings.Contains(notes, "A means nothing to Sidegate") {
		t.Fatalf("%q, %q, %v", state, notes, err)
	}
	c, err := config.Load(filepath.Join(o.dir, "sidegate.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if !sameAddresses([]string{"127.0.0.1:1", "127.0.0.2:1"}, c.Listen) || string(c.Clients[0].Secrets[0].Bytes()) != "old $x" || c.Executor.User != o.runUser {
		t.Errorf("got %+v", c)
	}
	if want := o.now().Add(14 * 24 * time.Hour); c.Policy.Mode != "observe" || !c.Policy.ObserveUntil.Equal(want) {
		t.Errorf("got %+v", c.Policy)
	}
	o.now = time.Now // later, and the end of observe mode does not move
	text := fileOf(t, o, "sidegate.yaml")
	if state, _, err := o.do(t, ""); err != nil || state != "kept" || fileOf(t, o, "sidegate.yaml") != text {
		t.Errorf("again: %q, %v", state, err)
	}
}

func fileOf(t *testing.T, o setupOptions, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(o.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func putFile(t *testing.T, o setupOptions, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(o.dir, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
