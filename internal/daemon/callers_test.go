package daemon

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
	"strings"
	"testing"

	"github.com/sidegate/sidegate/internal/config"
)

// anotherUser is a user of this host who is not the one that runs the tests.
func anotherUser(t *testing.T) (name string, uid uint32) {
	t.Helper()
	for _, name := range []string{"daemon", "bin", "root"} {
		u, err := user.Lookup(name)
		if err != nil || u.Uid == strconv.Itoa(os.Geteuid()) {
			continue
		}
		n, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil {
			t.Fatal(err)
		}
		return name, uint32(n)
	}
	t.Skip("this host has no other users")
	return "", 0
}

// TestCommandsAreNoClients: a gateway does not start whose commands would be clients.
func TestCommandsAreNoClients(t *testing.T) {
	t.Parallel()
	name, uid := anotherUser(t)
	own := uint32(os.Geteuid())
	const warning = "commands run as this user too, the gateway's own, and one that can connect to the socket could call as the client ops; set executor.user"
	for _, test := range []struct {
		user  string
		runAs []string
		uids  []uint32
		want  []string
		warn  string // the key
	}{
		{user: name, uids: []uint32{54321, own}},
		{user: name, uids: []uint32{54321, uid}, want: []string{fmt.Sprintf("clients[1].uids[1]: is the user %s, whom commands run as by executor.user, so that any of them could call as the client ops; "+
			"let commands run as another user, or take the number out", name)}},
		{user: "", runAs: []string{name}, uids: []uint32{uid}, want: []string{fmt.Sprintf("clients[1].uids[0]: is the user %s, whom commands run as by executor.allow.run_as[0], so that any of them could call as the client ops; "+
			"let commands run as another user, or take the number out", name)}},
		{user: "", uids: []uint32{54321, own}, warn: "clients[1].uids[1]"},
		{user: "", uids: []uint32{54321}},
		{user: "no-such-user", uids: []uint32{own}, want: []string{"executor.user: user: unknown user no-such-user; create it (useradd --system), or name a user of this host"}},
	} {
		c := config.Default()
		c.Clients = []config.Client{{Name: "func", Scheme: "func"}, {Name: "ops", Scheme: "peercred", UIDs: test.uids}}
		c.Executor.User, c.Executor.Allow.RunAs = test.user, test.runAs
		var got []string
		CheckStart(&c, func(key string, err error) {
			if err != nil {
				got = append(got, key+": "+err.Error())
			}
		})
		if strings.Join(got, "\n") != strings.Join(test.want, "\n") {
			t.Errorf("%+v: the problems are\n%s\nwant\n%s", test, strings.Join(got, "\n"), strings.Join(test.want, "\n"))
		}
		warned := ""
		ownCommands(&c, func(key, message string) {
			if warned += key; message != warning {
				t.Errorf("the warning is %s", message)
			}
		})
		if warned != test.warn {
			t.Errorf("%+v: warned of %q, want %q", test, warned, test.warn)
		}
	}
}

func TestSocketGroupExists(t *testing.T) {
	t.Parallel()
	c := config.Default()
	for group, want := range map[string]string{
		"": "", "root": "",
		"no-such-group": "socket_group: group: unknown group no-such-group; create it (groupadd --system), or name a group of this host",
	} {
		c.SocketGroup = group
		got := ""
		CheckStart(&c, func(key string, err error) {
			if err != nil {
				got += key + ": " + err.Error()
			}
		})
		if got != want {
			t.Errorf("%s: %q, want %q", group, got, want)
		}
	}
}

func TestCheckpointFileIsLookedFor(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir+"/file", "", 0o600)
	for file, want := range map[string]string{
		"": "<nil>", dir + "/new": "<nil>", dir + "/file": "<nil>",
		dir + "/none/new": "stat " + dir + "/none: no such file or directory; make the directory, or name another",
		dir + "/file/new": dir + "/file is not a directory",
	} {
		if got := fmt.Sprint(checkpointProblem(file)); got != want {
			t.Errorf("%s: %s, want %s", file, got, want)
		}
	}
}
