package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// clientsWith is one client for each list of secret files.
func clientsWith(files ...[]string) string {
	var b strings.Builder
	b.WriteString("clients:\n")
	for i, list := range files {
		fmt.Fprintf(&b, "  - {name: c%d, scheme: func, secret_files: [%s]}\n", i, strings.Join(list, ", "))
	}
	return b.String()
}

func TestSecretLosesOneLineFeed(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]string{
		"s":                       "s",
		"s\n":                     "s",
		"s\n\n":                   "s\n",
		"s\r\n":                   "s\r",
		"\ns":                     "\ns",
		" s ":                     " s ",
		"密\n":                     "密",
		"\n\n":                    "\n",
		strings.Repeat("x", 4096): strings.Repeat("x", 4096),
	} {
		dir := t.TempDir()
		write(t, dir, "func.secret", content, 0o600)
		if got := mustParse(t, dir, oneClient).Clients[0].Secrets[0].Bytes(); string(got) != want {
			t.Errorf("a file of %q gives %q, want %q", content, got, want)
		}
	}
}

func TestRefusesSecretFiles(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	if err := os.Mkdir(filepath.Join(dir, "dir"), 0o700); err != nil {
		t.Fatal(err)
	}
	const relative = "; a relative name starts at the configuration's directory"
	const closed = "the file cannot be used: others than its owner and group have access to it; run chmod o= on the file" + relative
	absolute := filepath.Join(dir, "gone")
	for _, test := range []struct {
		content string
		mode    os.FileMode
		name    string // of the file in the configuration, when not the one with the content
		want    string
	}{
		{"", 0o600, "", "the file cannot be used: is empty" + relative},
		{"\n", 0o600, "", "the file cannot be used: is empty" + relative},
		{"a\xffb", 0o600, "", "the file cannot be used: is not UTF-8 text; make a secret with: openssl rand -hex 32" + relative},
		{"a\x00", 0o600, "", "the file cannot be used: has a NUL byte; make a secret with: openssl rand -hex 32" + relative},
		{strings.Repeat("x", 4097), 0o600, "", "the file cannot be used: is larger than 4 KiB" + relative},
		{"s", 0o604, "", closed},
		{"s", 0o602, "", closed},
		{"s", 0o601, "", closed},
		{"s", 0o644, "", closed},
		{"s", 0o600, "none", "the file cannot be used: no such file or directory" + relative},
		{"s", 0o600, "dir", "the file cannot be used: is not a regular file" + relative},
		{"s", 0o600, "/dev/null", `the file "/dev/null" cannot be used: is not a regular file`},
		{"s", 0o600, absolute, fmt.Sprintf("the file %q cannot be used: no such file or directory", absolute)},
		{"s", 0o600, "${X}/s", "the file cannot be used: no such file or directory; ${…} is taken literally, environment variables are not expanded" + relative},
		{"s", 0o600, `""`, "must not be empty"},
		{"s", 0o600, "[a]", "must be a path, not a list"},
		{"s", 0o600, "12345", "must be a string; put the value in quotes, so that nobody reads a number, a date or a boolean"},
		{"s", 0o600, "credential:../x", "a credential is written credential:NAME, with a NAME of letters, digits, . _ -"},
		{"s", 0o600, "credential:..", "a credential is written credential:NAME, with a NAME of letters, digits, . _ -"},
		{"s", 0o600, `"credential:"`, "a credential is written credential:NAME, with a NAME of letters, digits, . _ -"},
	} {
		name := test.name
		if name == "" {
			name = "tested"
		}
		write(t, dir, "tested", test.content, test.mode)
		_, err := Parse("f", dir, []byte("clients:\n  - {name: a, scheme: func, secret_file: "+quoted(name)+"}\n"))
		checkError(t, err, "f:2: clients[0].secret_file: "+test.want)
	}
}

// quoted puts what has a $ in quotes, because { has a meaning in a flow mapping.
func quoted(s string) string {
	if strings.Contains(s, "$") {
		return `"` + s + `"`
	}
	return s
}

func TestReadSecret(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	s, err := ReadSecret(filepath.Join(dir, "func.secret"))
	if err != nil || string(s.Bytes()) != "a secret" {
		t.Errorf("ReadSecret = %q, %v", s.Bytes(), err)
	}
	open := write(t, dir, "open.secret", "s", 0o644)
	empty := write(t, dir, "empty.secret", "\n", 0o600)
	for path, want := range map[string]string{
		open:       "others than its owner and group have access to it; run chmod o= on the file",
		empty:      "is empty",
		dir:        "is not a regular file",
		dir + "/x": "no such file or directory",
		"":         "no such file or directory",
	} {
		s, err := ReadSecret(path)
		if want := "the secret's file " + path + " cannot be used: " + want; err == nil || err.Error() != want || len(s.Bytes()) > 0 {
			t.Errorf("ReadSecret(%q) = %v, %v; want the error %s", path, s, err, want)
		}
	}
}

func TestSecretThroughSymlink(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "real", "s", 0o440)
	if err := os.Symlink("real", filepath.Join(dir, "func.secret")); err != nil {
		t.Fatal(err)
	}
	mustParse(t, dir, oneClient)
}

func TestSecretFromCredential(t *testing.T) {
	dir := newDir(t)
	text := "clients: [{name: a, scheme: func, secret_file: \"credential:func\"}]\n"
	t.Setenv("CREDENTIALS_DIRECTORY", "")
	_, err := Parse("f", dir, []byte(text))
	checkError(t, err, "f:1: clients[0].secret_file: systemd passed no credentials: CREDENTIALS_DIRECTORY is not set; add LoadCredential= to the unit")

	credentials := t.TempDir()
	t.Setenv("CREDENTIALS_DIRECTORY", credentials)
	_, err = Parse("f", dir, []byte(text))
	checkError(t, err, "f:1: clients[0].secret_file: the credential cannot be used: no such file or directory")

	write(t, credentials, "func", "from systemd\n", 0o400)
	if got := mustParse(t, dir, text).Clients[0].Secrets[0].Bytes(); string(got) != "from systemd" {
		t.Errorf("the secret is %q", got)
	}
}

func TestSecretsMustDiffer(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	write(t, dir, "same.secret", "a secret", 0o600) // only the line feed differs
	write(t, dir, "other.secret", "another", 0o600)
	for text, want := range map[string]string{
		clientsWith([]string{"func.secret"}, []string{"other.secret"}, []string{"same.secret"}): "f:4: clients[2].secret_files[0]: holds the same secret as clients[0].secret_files[0] on line 2; every secret must differ",
		clientsWith([]string{"func.secret", "same.secret"}):                                     "f:2: clients[0].secret_files[1]: holds the same secret as clients[0].secret_files[0] on line 2; every secret must differ",
		clientsWith([]string{"func.secret", "func.secret"}):                                     "f:2: clients[0].secret_files[1]: holds the same secret as clients[0].secret_files[0] on line 2; every secret must differ",
	} {
		_, err := Parse("f", dir, []byte(text))
		checkError(t, err, want)
	}
}

func TestRefusesClients(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	write(t, dir, "b.secret", "b", 0o600)
	write(t, dir, "c.secret", "c", 0o600)
	for text, want := range map[string]string{
		"clients: []":  "f:1: clients: must list at least one client",
		"clients: {}":  "f:1: clients: must be a list, not a mapping; write [a, b], or each item on its own line after a dash",
		"clients: [a]": "f:1: clients[0]: must be a mapping, not a string",
		"clients: [{}]": "f:1: clients[0].name: is required\nf:1: clients[0].scheme: is required\n" +
			"f:1: clients[0].secret_file: is required",
		"clients: [{name: a, scheme: func}]":                                                                              "f:1: clients[0].secret_file: is required",
		"clients: [{name: a, scheme: func, secret_file: func.secret, secret_files: [b.secret]}]":                          "f:1: clients[0].secret_files: secret_file is set too; use one of the two",
		"clients: [{name: a, scheme: func, secret_files: []}]":                                                            "f:1: clients[0].secret_files: must list one file, or two during rotation",
		"clients: [{name: a, scheme: func, secret_files: [func.secret, b.secret, c.secret]}]":                             "f:1: clients[0].secret_files: must list one file, or two during rotation",
		"clients: [{name: a, scheme: func, secret: hunter2}]":                                                             "f:1: clients[0].secret: unknown key; did you mean secret_file?\nf:1: clients[0].secret_file: is required",
		"clients:\n- {name: a, scheme: func, secret_file: func.secret}\n- {name: a, scheme: func, secret_file: b.secret}": "f:3: clients[1].name: the name \"a\" is taken by clients[0] on line 2",
		"clients: [{name: A, scheme: func, secret_file: func.secret}]":                                                    "f:1: clients[0].name: must be 1 to 64 of a-z 0-9 . _ -, not \"A\"",
		"clients: [{name: \"\", scheme: func, secret_file: func.secret}]":                                                 "f:1: clients[0].name: must be 1 to 64 of a-z 0-9 . _ -, not \"\"",
		"clients: [{name: a, scheme: func, secret_file: func.secret, roles: [\"\"]}]":                                     "f:1: clients[0].roles[0]: must be a name without spaces",
		"clients: [{name: a, scheme: func, secret_file: func.secret, callback_kwargs: [stdout]}]":                         `f:1: clients[0].callback_kwargs[0]: must be one of job_id, status, exit_code, signal, truncated, duration_ms, not "stdout"`,
		"clients: [{name: a, scheme: func, secret_file: func.secret, callback_kwargs: [status, status]}]":                 "f:1: clients[0].callback_kwargs[1]: repeats item 0 of the list",
		"clients: [{name: a, scheme: func, secret_file: func.secret, roles: [x, x]}]":                                     "f:1: clients[0].roles[1]: repeats item 0 of the list",
	} {
		_, err := Parse("f", dir, []byte(text))
		checkError(t, err, want)
	}
}

// TestErrorsDoNotEchoSecrets writes the secret itself where its file's name belongs.
func TestErrorsDoNotEchoSecrets(t *testing.T) {
	t.Parallel()
	const slip = "hunter2hunter2"
	for _, text := range []string{
		"clients: [{name: a, scheme: func, secret_file: " + slip + "}]",
		"clients: [{name: a, scheme: func, secret_file: \"credential:/" + slip + "\"}]",
		"clients: [{name: a, scheme: func, secret_file: *" + slip + "}]",
		"clients: [{name: a, scheme: func, secret_file: &" + slip + " x}]",
		"clients: [{name: a, scheme: func, secret_file: !" + slip + " x}]",
		"clients: [{name: a, scheme: func, secret_file: \"" + slip + "\\n\"}]",
		"clients: [{name: a, scheme: func, secret_files: [" + slip + ", {" + slip + ": x}]}]",
		"clients: [{name: a, scheme: func, secret: " + slip + "}]",
		"tls: {key_file: " + slip + "}\n" + oneClient,
	} {
		_, err := Parse("f", t.TempDir(), []byte(text))
		if err == nil {
			t.Errorf("%s: no error", text)
		} else if strings.Contains(err.Error(), slip) {
			t.Errorf("%s: the error shows the value: %v", text, err)
		}
	}
}

func TestSecretIsRedacted(t *testing.T) {
	t.Parallel()
	const key = "hunter2"
	c := mustParse(t, newDir(t), oneClient)
	c.Clients[0].Secrets = []Secret{NewSecret([]byte(key))}
	s := c.Clients[0].Secrets[0]
	var shown []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%o", "%b", "%c", "%U", "%t", "%e"} {
		shown = append(shown, fmt.Sprintf(verb, s), fmt.Sprintf(verb, &s), fmt.Sprintf(verb, c), fmt.Sprintf(verb, c.Clients), fmt.Sprintf(verb, values(c)))
	}
	var log bytes.Buffer
	for _, h := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
		slog.New(h).Info("m", "s", s, "c", c, "clients", c.Clients)
	}
	j, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	y, err := yaml.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	shown = append(shown, log.String(), string(j), string(y), s.String(), s.GoString(), s.LogValue().String())
	numbers := strings.Trim(fmt.Sprint([]byte(key)), "[]")
	for _, text := range shown {
		for _, form := range []string{key, numbers, fmt.Sprintf("%x", key), fmt.Sprintf("%X", key), "aHVudGVyMg"} {
			if strings.Contains(text, form) {
				t.Errorf("a secret shows: %s", text)
			}
		}
	}
	if got := fmt.Sprintf("%s|%d|%#v", s, s, s); got != "[redacted]|[redacted]|[redacted]" {
		t.Errorf("it is shown as %s", got)
	}
}

func TestSecretIsCopied(t *testing.T) {
	t.Parallel()
	b := []byte("abc")
	s := NewSecret(b)
	b[0] = 'x'
	s.Bytes()[1] = 'x'
	if got := string(s.Bytes()); got != "abc" {
		t.Errorf("somebody changed it to %q", got)
	}
}

func TestTLSFiles(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	write(t, dir, "cert.pem", "c", 0o644)
	write(t, dir, "key.pem", "k", 0o640)
	write(t, dir, "open.pem", "k", 0o644)
	write(t, dir, "writable.pem", "c", 0o646)
	const relative = "; a relative name starts at the configuration's directory"
	for text, want := range map[string]string{
		"tls: {cert_file: cert.pem}":                         "f:1: tls.key_file: is required with cert_file",
		"tls: {key_file: key.pem}":                           "f:1: tls.cert_file: is required with key_file",
		"tls: {client_ca_file: cert.pem}":                    "f:1: tls.cert_file: is required with client_ca_file",
		"tls: {cert_file: cert.pem, key_file: open.pem}":     "f:1: tls.key_file: the file cannot be used: others than its owner and group have access to it; run chmod o= on the file" + relative,
		"tls: {cert_file: writable.pem, key_file: key.pem}":  "f:1: tls.cert_file: the file cannot be used: everybody may write to it; run chmod o-w on the file" + relative,
		"tls: {cert_file: /nonexistent, key_file: key.pem}":  `f:1: tls.cert_file: the file "/nonexistent" cannot be used: no such file or directory`,
		"tls: {cert_file: cert.pem, key_file: [k]}":          "f:1: tls.key_file: must be a path, not a list",
		"tls: {cert_file: \"\", key_file: missing}":          "f:1: tls.key_file: the file cannot be used: no such file or directory" + relative,
		"tls: {cert_file: cert.pem, key_file: \"${K}.pem\"}": "f:1: tls.key_file: the file cannot be used: no such file or directory; ${…} is taken literally, environment variables are not expanded" + relative,
	} {
		_, err := Parse("f", dir, []byte(text+"\n"+oneClient))
		checkError(t, err, want)
	}
	var none *Error
	if _, err := Parse("f", dir, []byte("tls: {cert_file: cert.pem, key_file: key.pem}\n"+oneClient)); errors.As(err, &none) {
		t.Error(err)
	}
}
