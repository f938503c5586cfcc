package config

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestStarterIsAccepted(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	got := values(mustParse(t, dir, string(Starter(StarterOptions{AdminListen: Default().AdminListen}))))
	want := Default()
	want.StateDir, want.Policy.Paths = filepath.Join(dir, "state"), []string{filepath.Join(dir, "policies")}
	want.Clients = []Client{{
		Name: "func", Scheme: "func", Secrets: []Secret{NewSecret([]byte("a secret"))},
		UIDs: []uint32{}, Roles: []string{"readonly"}, Labels: map[string]string{},
	}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant the defaults, below its own directory\n%+v", got, want)
	}
}

func TestStarterOptions(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, `odd "name": [#].secret`, "s", 0o600)
	c := mustParse(t, dir, string(Starter(StarterOptions{
		Listen: []string{"127.0.0.1:0", "unix:/run/a, b.sock"}, AdminListen: "127.0.0.1:1", StateDir: "/var/lib/x: y",
		PoliciesDir: "po,li]cies", SecretFile: `odd "name": [#].secret`, ClientName: "on", Roles: []string{"null", "<&>"},
		CallbackAllow: []string{"http://127.0.0.1:1/*?a=<b>&c"}, Profile: "host", BestEffort: true,
	})))
	if want := []string{"127.0.0.1:0", "unix:/run/a, b.sock"}; !reflect.DeepEqual(c.Listen, want) {
		t.Errorf("Listen = %q, want %q", c.Listen, want)
	}
	if want := []string{"null", "<&>"}; c.Clients[0].Name != "on" || !reflect.DeepEqual(c.Clients[0].Roles, want) {
		t.Errorf("Clients = %+v", c.Clients)
	}
	if c.StateDir != "/var/lib/x: y" || c.Policy.Paths[0] != filepath.Join(dir, "po,li]cies") {
		t.Errorf("StateDir = %q, Paths = %q", c.StateDir, c.Policy.Paths)
	}
	if want := []string{"http://127.0.0.1:1/*?a=<b>&c"}; c.AdminListen != "127.0.0.1:1" || !reflect.DeepEqual(c.Callbacks.Allow, want) {
		t.Errorf("AdminListen = %q, Allow = %q", c.AdminListen, c.Callbacks.Allow)
	}
	allow := c.Executor.Allow
	if want := []string{"host", "confined", "isolated"}; c.Executor.Profile != "host" || !allow.BestEffort || !reflect.DeepEqual(allow.Profiles, want) {
		t.Errorf("Executor = %+v", c.Executor)
	}
}

func TestStarterForOperators(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	c := mustParse(t, dir, string(Starter(StarterOptions{Listen: []string{"127.0.0.1:0", "unix:/run/sidegate.sock"}, OperatorUIDs: []uint32{0, 1000}})))
	want := Client{Name: "local", Scheme: "peercred", Secrets: []Secret{}, UIDs: []uint32{0, 1000}, Roles: []string{"operator"}, Labels: map[string]string{}}
	if len(c.Clients) != 2 || !reflect.DeepEqual(c.Clients[1], want) {
		t.Errorf("the clients are %+v", c.Clients)
	}
	_, err := Parse("f", dir, Starter(StarterOptions{OperatorUIDs: []uint32{0}}))
	if err == nil || !strings.Contains(err.Error(), "clients[1].scheme: peercred is for callers on a Unix socket, and listen names none") {
		t.Errorf("without a socket: %v", err)
	}
}

// TestStarterForMigration: what the policy denies runs until a given moment, and commands have a user of their own.
func TestStarterForMigration(t *testing.T) {
	t.Parallel()
	until := time.Date(2030, 1, 31, 13, 0, 0, 5, time.FixedZone("", 3600))
	c := mustParse(t, newDir(t), string(Starter(StarterOptions{User: "dffs", ObserveUntil: until})))
	if want := time.Date(2030, 1, 31, 12, 0, 0, 0, time.UTC); c.Policy.Mode != "observe" || !c.Policy.ObserveUntil.Equal(want) || len(c.Policy.ObserveObligations) == 0 {
		t.Errorf("Policy = %+v, want it to observe until %v", c.Policy, want)
	}
	if c.Executor.User != "dffs" {
		t.Errorf("User = %q", c.Executor.User)
	}
}

// TestStarterCannotBeBrokenOutOf puts YAML into a value.
func TestStarterCannotBeBrokenOutOf(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	_, err := Parse("f", dir, Starter(StarterOptions{ClientName: "a\"\nplugins: [x]\n#"}))
	checkError(t, err, "f:21: clients[0].name: must not have line breaks or other control characters")
}

func TestStarterCanTurnAdminOff(t *testing.T) {
	t.Parallel()
	if got := mustParse(t, newDir(t), string(Starter(StarterOptions{}))).AdminListen; got != "" {
		t.Errorf("AdminListen = %q, want it off", got)
	}
}

// TestStarterGolden shows what operators get.
func TestStarterGolden(t *testing.T) {
	t.Parallel()
	got := Starter(StarterOptions{AdminListen: Default().AdminListen})
	if *update {
		if err := os.WriteFile("testdata/starter.golden", got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/starter.golden")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
