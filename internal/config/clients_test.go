package config

import (
	"slices"
	"strings"
	"testing"
)

// onSocket is a file with a socket and these clients, from line 2 on.
func onSocket(clients ...string) string {
	return "listen: [\"127.0.0.1:0\", unix:/run/sidegate.sock]\nclients:\n  - " + strings.Join(clients, "\n  - ") + "\n"
}

func TestPeerClients(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]uint32{
		"{name: a, scheme: peercred, uids: [0, 1000]}":                     {0, 1000},
		"{name: a, scheme: peercred, uids: [4294967294]}":                  {4294967294},
		"{uids: [65533, 65535], scheme: peercred, name: a, roles: [oper]}": {65533, 65535},
		"{name: a, scheme: peercred, uids: [7], public_key_file: \"\"}":    {7},
	} {
		c := mustParse(t, newDir(t), onSocket(text)).Clients[0]
		if !slices.Equal(c.UIDs, want) || c.Scheme != "peercred" || c.Secrets == nil || len(c.Secrets) > 0 {
			t.Errorf("%s gives %+v", text, c)
		}
	}
}

func TestRefusesPeerClients(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	write(t, dir, "b.secret", "b", 0o600)
	const (
		required = "uids: is required with scheme peercred: the numbers of the users whose processes are this client, such as [1000]"
		noSecret = "is not for scheme peercred, which has no secret: the kernel says whose process connects"
		number   = "must be the number of a user, as `id -u` prints it, not "
	)
	for _, test := range []struct{ text, want string }{
		{onSocket("{name: a, scheme: peercred}"), "f:3: clients[0]." + required},
		{onSocket("{name: a, scheme: peercred, uids: []}"), "f:3: clients[0]." + required},
		{onSocket("{name: a, scheme: peercred, uids: [0], secret_file: func.secret}"), "f:3: clients[0].secret_file: " + noSecret},
		{onSocket("{name: a, scheme: peercred, uids: [0], secret_files: [func.secret]}"), "f:3: clients[0].secret_files: " + noSecret},
		{onSocket("{name: a, scheme: peercred, uids: [0], secret_files: []}"), "f:3: clients[0].secret_files: " + noSecret},
		{onSocket("{name: a, scheme: peercred, secret_file: func.secret}"), "f:3: clients[0].secret_file: " + noSecret + "\nf:3: clients[0]." + required},
		{onSocket("{name: a, scheme: func, secret_file: func.secret, uids: [0]}"), "f:3: clients[0].uids: is for scheme peercred; this client is known by its signature"},
		{onSocket("{name: a, scheme: func, uids: [0]}"), "f:3: clients[0].uids: is for scheme peercred; this client is known by its signature"},
		{onSocket("{name: a, uids: [0]}"), "f:3: clients[0].scheme: is required"},
		{onSocket("{name: a, scheme: peer, uids: [0]}"), `f:3: clients[0].scheme: must be one of func, httpsig, peercred, not "peer"`},

		{onSocket("{name: a, scheme: peercred, uids: 0}"), "f:3: clients[0].uids: must be a list, not a single value; write [a, b], or each item on its own line after a dash"},
		{onSocket("{name: a, scheme: peercred, uids: [root]}"), "f:3: clients[0].uids[0]: " + number + `"root"`},
		{onSocket("{name: a, scheme: peercred, uids: [\"0\"]}"), "f:3: clients[0].uids[0]: " + number + `"0"`},
		{onSocket("{name: a, scheme: peercred, uids: [00]}"), "f:3: clients[0].uids[0]: " + number + `"00"`},
		{onSocket("{name: a, scheme: peercred, uids: [0x0]}"), "f:3: clients[0].uids[0]: " + number + `"0x0"`},
		{onSocket("{name: a, scheme: peercred, uids: [1_0]}"), "f:3: clients[0].uids[0]: " + number + `"1_0"`},
		{onSocket("{name: a, scheme: peercred, uids: [~]}"), "f:3: clients[0].uids[0]: has no value; give an integer, or leave the key out"},
		{onSocket("{name: a, scheme: peercred, uids: [[0]]}"), "f:3: clients[0].uids[0]: must be an integer, not a list"},
		{onSocket("{name: a, scheme: peercred, uids: [-1]}"), `f:3: clients[0].uids[0]: must be from 0 to 4294967294, not "-1"`},
		{onSocket("{name: a, scheme: peercred, uids: [4294967295]}"), `f:3: clients[0].uids[0]: must be from 0 to 4294967294, not "4294967295"`},
		{onSocket("{name: a, scheme: peercred, uids: [4294967296]}"), `f:3: clients[0].uids[0]: must be from 0 to 4294967294, not "4294967296"`},
		{onSocket("{name: a, scheme: peercred, uids: [65534]}"), "f:3: clients[0].uids[0]: must not be 65534: it stands for every user who has no number here"},

		{onSocket("{name: a, scheme: peercred, uids: [5, 7, 5]}"), "f:3: clients[0].uids[2]: repeats item 0 of the list"},
		{onSocket("{name: a, scheme: peercred, uids: [5, 7]}", "{name: b, scheme: peercred, uids: [0, 7]}"),
			`f:4: clients[1].uids[1]: the uid 7 is in the uids of "a" (line 3) and of "b"; a user is one client`},
		{onSocket("{scheme: peercred, uids: [7]}", "{name: b, scheme: peercred, uids: [7]}"),
			"f:3: clients[0].name: is required\n" + `f:4: clients[1].uids[0]: the uid 7 is in the uids of clients[0] (line 3) and of "b"; a user is one client`},
		{onSocket("{name: a, scheme: peercred, uids: [x, y, 0]}", "{name: b, scheme: peercred, uids: [0]}"), "f:3: clients[0].uids[0]: " + number + `"x"` + "\nf:3: clients[0].uids[1]: " + number + `"y"` +
			"\n" + `f:4: clients[1].uids[0]: the uid 0 is in the uids of "a" (line 3) and of "b"; a user is one client`},

		{"clients: [{name: a, scheme: peercred, uids: [0]}]", "f:1: clients[0].scheme: peercred is for callers on a Unix socket, and listen names none; add one, such as unix:/run/sidegate/sidegate.sock"},
		{"admin_listen: unix:/x\nclients: [{name: a, scheme: peercred, uids: [0]}]", "f:2: clients[0].scheme: peercred is for callers on a Unix socket, and listen names none; add one, such as unix:/run/sidegate/sidegate.sock"},
		{"listen: [unix:x]\nclients: [{name: a, scheme: peercred, uids: [0]}]", `f:1: listen[0]: a socket is written unix:/absolute/path, not "unix:x"`},
	} {
		_, err := Parse("f", dir, []byte(test.text))
		checkError(t, err, test.want)
	}
}

// TestCallbackSecret: receivers know it, so it must be nobody's secret for calling.
func TestCallbackSecret(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	path := write(t, dir, "callbacks.secret", "for receivers\n", 0o600)
	write(t, dir, "same.secret", "a secret", 0o600)
	c := mustParse(t, dir, "callbacks: {secret_file: callbacks.secret}\n"+oneClient)
	if string(c.Callbacks.Secret.Bytes()) != "for receivers" || !slices.Contains(c.PrivateFiles(), path) {
		t.Errorf("the secret is %q, of %q", c.Callbacks.Secret.Bytes(), c.PrivateFiles())
	}
	if c := mustParse(t, dir, "callbacks: {secret_file: \"\"}\n"+oneClient); !c.Callbacks.Secret.IsZero() || len(c.PrivateFiles()) != 1 {
		t.Errorf("without a file there is the secret %q, of %q", c.Callbacks.Secret.Bytes(), c.PrivateFiles())
	}
	const same = "holds the same secret as clients[0].secret_file on line 1; every secret must differ"
	_, err := Parse("f", dir, []byte(oneClient+"callbacks: {secret_file: same.secret}\n"))
	checkError(t, err, "f:2: callbacks.secret_file: "+same)
	_, err = Parse("f", dir, []byte("callbacks: {secret_file: same.secret}\n"+oneClient))
	checkError(t, err, "f:2: clients[0].secret_file: holds the same secret as callbacks.secret_file on line 1; every secret must differ")
}

// TestRetentionHasRoom: the complaint is where the file says what does not fit.
func TestRetentionHasRoom(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	const why = "retention.bytes: must have room for the output of one job, which is 6MiB (executor.max_output for each of two streams)"
	for text, want := range map[string]string{
		"executor: {max_output: 3MiB}\nretention: {bytes: 6291455}\n": "f:2: " + why,
		"retention: {bytes: 5MiB}\nexecutor: {max_output: 3MiB}\n":    "f:1: " + why,
	} {
		_, err := Parse("f", dir, []byte(text+oneClient))
		checkError(t, err, want)
	}
	mustParse(t, dir, "executor: {max_output: 3MiB}\nretention: {bytes: 6MiB}\n"+oneClient)
	mustParse(t, dir, "executor: {max_output: 256MiB}\n"+oneClient)
}

// TestSocketModes: with and without quotes they mean what they look like.
func TestSocketModes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]uint32{"0600": 0o600, `"0600"`: 0o600, "0660": 0o660, "'0666'": 0o666} {
		if got := mustParse(t, newDir(t), "socket_mode: "+text+"\n"+oneClient).SocketMode; uint32(got) != want {
			t.Errorf("%s is %v", text, got)
		}
	}
	_, err := Parse("f", newDir(t), []byte("socket_mode: ~\n"+oneClient))
	checkError(t, err, "f:1: socket_mode: has no value; give a mode, or leave the key out")
}
