package verify

import (
	"strings"
	"testing"
)

func TestNeeds(t *testing.T) {
	t.Parallel()
	const (
		commands = `"commands": ["kubectl", "terraform"]`
		paths    = `"paths": ["/srv/prod", "/etc"]`
	)
	for _, test := range []struct {
		config, command, workdir string
		want                     bool
	}{
		{``, "ls", "/tmp", true}, // no lists: all
		{`"commands": [], "paths": []`, "ls", "/tmp", true},

		{commands, "kubectl get pods", "", true},
		{commands, "/usr/local/bin/kubectl get pods", "", true},
		{commands, "sudo -u app kubectl get pods", "", true},
		{commands, "A=b kubectl", "", true},
		{commands, "ls -l /tmp", "", false},
		{commands, "echo kubectl-not", "", false},
		{commands, "  ", "", false},
		// What a shell would not take as it stands may be anything.
		{commands, "ls; kubectl", "", true},
		{commands, "'kube'ctl", "", true},
		{commands, `k\ubectl`, "", true},
		{commands, "$K", "", true},
		{commands, "ls\nid", "", true},
		{commands, "ls\rid", "", true},
		{commands, "/usr/bin/kubect*", "", true},
		{commands, "/usr/bin/kubect?", "", true},
		{commands, "{kube,x}ctl", "", true},
		{commands, "ls | cat", "", true},
		{commands, "ls\u00a0kubectl", "", true},
		{commands, "~/x", "", true},
		{commands, "ls #", "", true},
		{commands, "!!", "", true},

		{paths, "ls", "/srv/prod", true},
		{paths, "ls", "/srv/prod/app", true},
		{paths, "ls", "/srv/prod/", true},
		{paths, "ls", "/srv/x/../prod", true},
		{paths, "ls", "/srv/production", false},
		{paths, "ls", "/srv", true}, // above
		{paths, "ls", "/home", false},
		{paths, "ls", "", true}, // not known
		{paths, "cat /etc/passwd", "/home", true},
		{paths, "cat ../etc/passwd", "/home", true},
		{paths, "cat ..", "/etc/ssh", true},
		{paths, "git -C /srv/prod status", "/home", true},
		{paths, "git -C/srv/prod status", "/home", true},
		{paths, "make --directory=../srv/prod", "/home", true},
		{paths, "dd of=/etc/x", "/home", true},
		{paths, "scp x host:/etc/x", "/home", true},
		{paths, "ls //etc", "/home", true},
		{paths, "ls /bin:/etc", "/home", true},
		{paths, "rm -rf /", "/home", true},
		{paths, "ls", "/", true},
		{paths, "ls src/", "/home", false},
		{paths, "ls src/etc", "/home", false},
		{paths, "ls /home/../etc", "/home", true},
		{paths, "ls /home/etc", "/home", false},
		{paths, "kubectl", "/home", false},
		{commands + "," + paths, "kubectl", "/home", true},
		{commands + "," + paths, "ls", "/etc", true},
		{commands + "," + paths, "ls", "/home", false},
	} {
		config := `{"url": "https://auth"`
		if test.config != "" {
			config += "," + test.config
		}
		v, err := Parse([]byte(config + "}"))
		if err != nil {
			t.Fatal(err)
		}
		if got := v.Needs(&Request{Command: &test.command, Workdir: test.workdir}); got != test.want {
			t.Errorf("%s: %q in %q: %v", test.config, test.command, test.workdir, got)
		}
		if argv := strings.Fields(test.command); !strings.ContainsAny(test.command, "\n\r") {
			if got := v.Needs(&Request{Argv: argv, Workdir: test.workdir}); got != test.want {
				t.Errorf("%s: %q in %q: %v", test.config, argv, test.workdir, got)
			}
		}
	}
}

func TestNeedsOfArgv(t *testing.T) {
	t.Parallel()
	v, err := Parse([]byte(`{"url": "https://auth", "commands": ["kubectl"]}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, argv := range [][]string{{"sh", "-c", "kubectl get"}, {"echo", ""}, {"x", "a\x00"}, {"x", "\xff"}} {
		if !v.Needs(&Request{Argv: argv}) {
			t.Errorf("%q passes", argv)
		}
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	for config, want := range map[string]string{
		`{}`:                                             "url: ",
		`[]`:                                             "the configuration is not what token-verifier takes",
		`{"url": "ftp://a"}`:                             "url: ",
		`{"url": "https://"}`:                            "url: ",
		`{"url": "https://u:p@a/"}`:                      "url: ",
		`{"url": "https://a/#b"}`:                        "url: ",
		`{"url": "https://a", "x": 1}`:                   "the configuration is not what token-verifier takes",
		`{"url": "https://a"} {}`:                        "something follows",
		`{"url": "https://a", "env": ""}`:                "env: ",
		`{"url": "https://a", "env": "A/B"}`:             "env: ",
		`{"url": "https://a", "env": "1A"}`:              "env: ",
		`{"url": "https://a", "commands": ["a", ""]}`:    "commands[1]: ",
		`{"url": "https://a", "commands": ["/bin/a"]}`:   "commands[0]: ",
		`{"url": "https://a", "commands": ["git push"]}`: "commands[0]: ",
		`{"url": "https://a", "commands": ["A=b"]}`:      "commands[0]: ",
		`{"url": "https://a", "paths": ["srv"]}`:         "paths[0]: ",
		`{"url": "https://a", "paths": ["/srv/"]}`:       "paths[0]: ",
		`{"url": "https://a", "paths": ["/a", "/a/.."]}`: "paths[1]: ",
	} {
		if _, err := Parse([]byte(config)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v, want %s", config, err, want)
		}
	}
	if v, err := Parse([]byte("null")); v != nil || err != nil {
		t.Errorf("null: %v, %v", v, err)
	}
}

func TestTokens(t *testing.T) {
	t.Parallel()
	for token, want := range map[string]bool{
		"a": true, "eyJ0.eyJz-_.~+/=": true, strings.Repeat("a", maxToken): true,
		"": false, "a b": false, "a\r\nX: y": false, "a\x00": false, "\u00e9": false, "\xff": false, "a\x7f": false, strings.Repeat("a", maxToken+1): false,
	} {
		if IsToken(token) != want {
			t.Errorf("%.20q: %v", token, !want)
		}
	}
}

func TestJudge(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]int{
		200: 0, 204: 0, 401: 403, 403: 403, 0: 503, 100: 503, 201: 503, 206: 503, 301: 503, 302: 503, 307: 503, 400: 503, 404: 503, 407: 503, 429: 503, 500: 503, 502: 503, 503: 503,
	} {
		if got, reason := Judge(status); got != want || (reason == "") != (want == 0) {
			t.Errorf("%d: %d %s, want %d", status, got, reason, want)
		}
	}
}
