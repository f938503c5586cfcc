package audit

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestOpenKey(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, err := OpenKey(dir, "web 1")
	if err != nil || !first.Fresh() || !strings.HasPrefix(first.Origin(), "web-1/sidegate/") {
		t.Fatal(first, err)
	}
	modes := map[string]os.FileMode{PrivateFile: 0o600, PublicFile: 0o644}
	for name, want := range modes {
		if st, err := os.Stat(filepath.Join(dir, name)); err != nil || st.Mode() != want {
			t.Errorf("%s: %v, %v", name, st, err)
		}
	}
	again, err := OpenKey(dir, "web-2")
	if err != nil || again.Fresh() || again.Public() != first.Public() || again.Digest("env A", []byte("x")) != first.Digest("env A", []byte("x")) {
		t.Fatal(again, err)
	}
	keys, err := ReadKeys(dir)
	if err != nil || len(keys.Lines()) != 1 || keys.Lines()[0] != first.Public() {
		t.Fatal(keys, err)
	}
	// A lost public key is written again; a lost private key is replaced, and checkpoints of the old one are still known.
	remove(t, dir, PublicFile)
	if _, err = OpenKey(dir, ""); err != nil {
		t.Fatal(err)
	}
	remove(t, dir, PrivateFile)
	second, err := OpenKey(dir, "")
	if err != nil || !second.Fresh() || second.Origin() == first.Origin() || !strings.HasPrefix(second.Origin(), "host/sidegate/") {
		t.Fatal(second, err)
	}
	signed, err := first.sign(Checkpoint{Size: 1, Time: epoch})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := openCheckpoint(signed, second.Known()); err != nil || len(second.Known().Lines()) != 2 {
		t.Error(err, second.Known().Lines())
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 2 {
		t.Errorf("%v, %v", entries, err)
	}
}

func remove(t *testing.T, dir, name string) {
	t.Helper()
	if err := os.Remove(filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
}

func TestOpenKeyRefuses(t *testing.T) {
	t.Parallel()
	line, err := newPrivate("web-1")
	if err != nil {
		t.Fatal(err)
	}
	key, err := parsePrivate(line)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name            string
		private, public string
		mode            os.FileMode
		want            string
	}{
		{"readable by others", line, "", 0o640, "others have access to DIR/audit.key (mode 0640); run: chmod 0600 DIR/audit.key"},
		{"empty", "", "", 0o600, "DIR/audit.key: not a key of an audit log: a private key is one line that begins with PRIVATE+KEY+; restore the file from a backup, or remove it, and the next start makes a new key"},
		{"two lines", line + "\n" + line, "", 0o600, "DIR/audit.key: not a key of an audit log: a private key is one line that begins with PRIVATE+KEY+; restore the file from a backup, or remove it, and the next start makes a new key"},
		{"a public key", key.Public(), "", 0o600, "DIR/audit.key: not a key of an audit log: a private key is one line that begins with PRIVATE+KEY+; restore the file from a backup, or remove it, and the next start makes a new key"},
		{"a long file", strings.Repeat("x", maxKeyFile+1), "", 0o600, "DIR/audit.key is longer than 64 KiB"},
		{"damaged public keys", line, "x", 0o600, "DIR/audit.pub: not a key of an audit log: a public key has the form NAME+HASH+KEY, as in audit.pub; mend the file, or remove it, and checkpoints that are signed with an earlier key count as forged"},
	} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, PrivateFile), test.private, test.mode)
		if test.public != "" {
			write(t, filepath.Join(dir, PublicFile), test.public, 0o644)
		}
		_, err := OpenKey(dir, "web-1")
		if got := strings.ReplaceAll(fmt.Sprint(err), dir, "DIR"); got != test.want {
			t.Errorf("%s:\ngot  %s\nwant %s", test.name, got, test.want)
		}
		if err != nil && strings.Contains(err.Error(), line[len(line)-20:]) {
			t.Errorf("%s: the error quotes the key", test.name)
		}
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "elsewhere"), line, 0o600)
	if err := os.Symlink("elsewhere", filepath.Join(dir, PrivateFile)); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenKey(dir, "web-1"); err == nil {
		t.Error("a key was read through a symbolic link")
	}
	if err := os.Mkdir(filepath.Join(dir, PublicFile), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadKeys(dir); err == nil || !strings.HasSuffix(err.Error(), "is not a regular file") {
		t.Error(err)
	}
}

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // whatever the umask is
		t.Fatal(err)
	}
}

func TestParseKeys(t *testing.T) {
	t.Parallel()
	a, b := newKey(t), newKey(t)
	keys, err := ParseKeys("# of web-1\n\n  " + a.Public() + " \r\n" + b.Public())
	if err != nil || len(keys.Lines()) != 2 || keys.Origins()[1] != b.Origin() {
		t.Fatal(keys, err)
	}
	private, _ := newPrivate("x")
	for _, test := range []struct{ text, want string }{
		{"", "there is none"},
		{"# nothing", "there is none"},
		{"hello", "a public key has the form NAME+HASH+KEY, as in audit.pub"},
		{strings.Replace(a.Public(), "+", "x+", 1), "a public key has the form NAME+HASH+KEY, as in audit.pub"},
		{a.Public() + "\n" + a.Public(), keyNameOf(a) + " is there twice"},
		{private, "this is the private key; give the public one, which stands in audit.pub"},
	} {
		_, err := ParseKeys(test.text)
		if want := "not a key of an audit log: " + test.want; fmt.Sprint(err) != want || !errors.Is(err, ErrKey) {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

func keyNameOf(k *Key) string { return fmt.Sprintf("%s+%08x", k.signer.Name(), k.signer.KeyHash()) }

func TestDigest(t *testing.T) {
	t.Parallel()
	a, b := newKey(t), newKey(t)
	one := a.Env(map[string]string{"PIN": "1234", "PIN2": "1234"})
	switch {
	case len(one["PIN"]) != 64 || one["PIN"] == one["PIN2"]:
		t.Error("equal values of two variables show, or are no digests:", one)
	case one["PIN"] != a.Digest("env PIN", []byte("1234")):
		t.Error("who has the key cannot confirm a value")
	case one["PIN"] == b.Digest("env PIN", []byte("1234")):
		t.Error("the digest does not depend on the key")
	case a.Digest("env A", []byte("BC")) == a.Digest("env AB", []byte("C")):
		t.Error("the end of a name and the beginning of a value are not told apart")
	case a.Env(nil) != nil:
		t.Error("no variables have digests")
	}
}
