package journal

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
)

func TestOpenCreates(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a", "st?te #1%20 中") // a name that a URI must not take apart
	j := openTest(t, dir)
	must(t, j.Admit(t.Context(), admission("a")))
	for path, want := range map[string]fs.FileMode{
		dir: fs.ModeDir | 0o700, spoolName: fs.ModeDir | 0o700, fileName: 0o600, fileName + "-wal": 0o600, fileName + "-shm": 0o600, lockName: 0o600,
	} {
		if path != dir {
			path = filepath.Join(dir, path)
		}
		st, err := os.Stat(path)
		must(t, err)
		if st.Mode() != want {
			t.Errorf("%s has mode %v, want %v", path, st.Mode(), want)
		}
	}
	entries, err := os.ReadDir(dir)
	must(t, err)
	if len(entries) != 5 {
		t.Errorf("there is more than the journal: %v", entries)
	}
}

// A journal whose creation was cut off is made anew; what was there under the temporary name does not matter.
func TestOpenAfterInterruptedCreation(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
		must(t, os.WriteFile(filepath.Join(dir, newName+suffix), []byte("half"), 0o600))
	}
	j := openTest(t, dir)
	must(t, j.Admit(t.Context(), admission("a")))
}

// After Close no descriptor is left, and the main file alone holds everything.
func TestCloseReleasesTheFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := makeJournal(t, dir)
	descriptors, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	for _, d := range descriptors {
		if target, err := os.Readlink(filepath.Join("/proc/self/fd", d.Name())); err == nil && strings.HasPrefix(target, dir) {
			t.Errorf("still open: %s", target)
		}
	}
	for _, suffix := range []string{"-wal", "-shm", "-journal"} {
		if _, err := os.Stat(path + suffix); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is left: %v", suffix, err)
		}
	}
	alone := t.TempDir()
	b, err := os.ReadFile(path)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(alone, fileName), b, 0o600))
	if _, err := openTest(t, alone).Job(t.Context(), "a"); err != nil {
		t.Error(err)
	}
}

// Commands that the gateway starts do not inherit the journal.
func TestDescriptorsAreNotInherited(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := openTest(t, dir)
	must(t, j.Admit(t.Context(), admission("a")))
	_, err := j.Job(t.Context(), "a")
	must(t, err)
	listing, err := exec.Command("ls", "-l", "/proc/self/fd").Output()
	must(t, err)
	if bytes.Contains(listing, []byte(dir)) {
		t.Errorf("a child process has\n%s", listing)
	}
}

func TestOpenTwice(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j, err := Open(t.Context(), testConfig(dir))
	must(t, err)
	_, err = Open(t.Context(), impatient(dir))
	wantErr(t, err, ErrInUse)
	if !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "(process ") {
		t.Errorf("the error does not say where and by whom: %v", err)
	}
	must(t, j.Admit(t.Context(), admission("a"))) // the refused Open did not take the lock away
	_, err = Open(t.Context(), impatient(dir))
	wantErr(t, err, ErrInUse)
	must(t, j.Close())
	openTest(t, dir)
}

// makeJournal creates a journal with one job and returns its file's path.
func makeJournal(t testing.TB, dir string) string {
	t.Helper()
	j, err := Open(t.Context(), testConfig(dir))
	must(t, err)
	must(t, j.Admit(t.Context(), admission("a")))
	must(t, j.Close())
	return filepath.Join(dir, fileName)
}

// wantRefused opens a journal that must be refused, and makes sure that the file stays as it is.
func wantRefused(t *testing.T, dir string, sentinel error) {
	t.Helper()
	path := filepath.Join(dir, fileName)
	before, err := os.ReadFile(path)
	must(t, err)
	_, err = Open(t.Context(), testConfig(dir))
	wantErr(t, err, sentinel)
	after, err := os.ReadFile(path)
	must(t, err)
	if !bytes.Equal(before, after) {
		t.Error("the refused file was changed")
	}
}

func TestNewerSchemaIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	setVersion(t, makeJournal(t, dir), 99)
	wantRefused(t, dir, ErrNewerSchema)
}

func TestDamagedFileIsRefused(t *testing.T) {
	t.Parallel()
	overwrite := func(offset int, with string) func([]byte) []byte {
		return func(b []byte) []byte { copy(b[offset:], with); return b }
	}
	for name, damage := range map[string]func([]byte) []byte{
		"empty":                  func([]byte) []byte { return nil },
		"no header":              func(b []byte) []byte { return b[:99] },
		"less than a page":       func(b []byte) []byte { return b[:1000] },
		"pages missing":          func(b []byte) []byte { return b[:2*4096] },
		"text":                   func([]byte) []byte { return bytes.Repeat([]byte("not a database\n"), 1000) },
		"magic":                  overwrite(0, "sqlite format 3"),
		"page size":              overwrite(16, "\x03\x00"),
		"application":            overwrite(68, "\x00\x00\x00\x00"),
		"schema version of zero": overwrite(60, "\x00\x00\x00\x00"),
		"schema page":            overwrite(100, "\xff\xff\xff\xff"),
		"a page in the middle":   overwrite(3*4096, strings.Repeat("\xa5", 4096)),
		"zeros in the middle":    overwrite(2*4096, strings.Repeat("\x00", 4096)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := makeJournal(t, dir)
			b, err := os.ReadFile(path)
			must(t, err)
			must(t, os.WriteFile(path, damage(b), 0o600))
			wantRefused(t, dir, ErrCorrupt)
		})
	}
}

// A missing main file beside a WAL is a half restored backup, not a new journal.
func TestStrayWALIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, fileName+"-wal"), []byte("frames"), 0o600))
	_, err := Open(t.Context(), testConfig(dir))
	wantErr(t, err, ErrCorrupt)
	if _, err := os.Stat(filepath.Join(dir, fileName)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a new journal was begun: %v", err)
	}
}

func TestUnsafeDirectoryIsRefused(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(dir string) error{
		"others may write":        func(dir string) error { return os.Chmod(dir, 0o777) },
		"the group may write":     func(dir string) error { return os.Chmod(dir, 0o770) },
		"a file":                  func(dir string) error { return errors.Join(os.Remove(dir), os.WriteFile(dir, nil, 0o600)) },
		"the journal is a link":   func(dir string) error { return os.Symlink("/dev/null", filepath.Join(dir, fileName)) },
		"the lock is a link":      func(dir string) error { return os.Symlink("/dev/null", filepath.Join(dir, lockName)) },
		"the journal is a folder": func(dir string) error { return os.Mkdir(filepath.Join(dir, fileName), 0o700) },
		"of somebody else": func(dir string) error {
			if os.Geteuid() != 0 {
				return errors.ErrUnsupported
			}
			return os.Chown(dir, 12345, 12345)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "state")
			must(t, os.Mkdir(dir, 0o700))
			if err := prepare(dir); errors.Is(err, errors.ErrUnsupported) {
				t.Skip("needs root")
			} else {
				must(t, err)
			}
			if _, err := Open(t.Context(), testConfig(dir)); err == nil {
				t.Error("opened")
			}
		})
	}
	if _, err := Open(t.Context(), Config{}); err == nil {
		t.Error("opened without a directory")
	}
}

// A file that was left readable by a careless copy is closed again.
func TestLooseModeIsTightened(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := makeJournal(t, dir)
	must(t, os.Chmod(path, 0o644))
	openTest(t, dir)
	st, err := os.Stat(path)
	must(t, err)
	if st.Mode() != 0o600 {
		t.Errorf("mode is %v", st.Mode())
	}
}

func TestPragmasAreVerified(t *testing.T) {
	t.Parallel()
	path := makeJournal(t, t.TempDir())
	for _, tc := range []struct{ name, dsn, want string }{
		{"ours", writerDSN(path, full), ""},
		{"weak", strings.Replace(writerDSN(path, full), "FULL", "NORMAL", 1), "synchronous"},
		{"unchecked", strings.Replace(writerDSN(path, full), "foreign_keys%281%29", "foreign_keys%280%29", 1), "foreign_keys"},
		{"impatient", strings.Replace(writerDSN(path, full), "_busy_timeout=5000", "_busy_timeout=0", 1), "busy_timeout"},
	} {
		db, conn, err := openConn(t.Context(), tc.dsn)
		must(t, err)
		err = checkPragmas(t.Context(), conn, full)
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
		}
		must(t, errors.Join(conn.Close(), db.Close()))
	}
}

func TestReadersCannotWrite(t *testing.T) {
	t.Parallel()
	j := openTest(t, t.TempDir())
	for _, statement := range []string{"DELETE FROM nonce", "PRAGMA query_only = 0; UPDATE meta SET floor = 0"} {
		if _, err := j.db.Exec(statement); err == nil {
			t.Errorf("a reader ran %q", statement)
		}
	}
}

// A schema is brought forward with its rows, and a migration that fails leaves everything as it was.
func TestMigrate(t *testing.T) {
	t.Parallel()
	path := makeJournal(t, t.TempDir())
	db, conn, err := openConn(t.Context(), writerDSN(path, full))
	must(t, err)
	defer func() { must(t, errors.Join(conn.Close(), db.Close())) }()
	version := func() int {
		v, err := pragma[int](t.Context(), conn, "user_version")
		must(t, err)
		return v
	}

	half := append(migrations[:len(migrations):len(migrations)], "ALTER TABLE job ADD COLUMN extra TEXT; ALTER TABLE nowhere ADD COLUMN x TEXT;")
	if err := migrate(t.Context(), conn, half); err == nil {
		t.Fatal("a bad migration succeeded")
	}
	if version() != len(migrations) {
		t.Errorf("a failed migration left version %d", version())
	}
	good := append(half[:len(migrations):len(migrations)],
		"ALTER TABLE job ADD COLUMN extra TEXT NOT NULL DEFAULT 'none';", "CREATE TABLE leaf (seq INTEGER PRIMARY KEY) STRICT; UPDATE job SET extra = 'more';")
	must(t, migrate(t.Context(), conn, good))
	must(t, migrate(t.Context(), conn, good)) // nothing more to do
	if version() != len(good) {
		t.Errorf("version is %d, want %d", version(), len(good))
	}
	var extra string
	must(t, conn.QueryRowContext(t.Context(), "SELECT extra FROM job WHERE id = 'a'").Scan(&extra))
	if extra != "more" {
		t.Errorf("the migrated row says %q", extra)
	}
	if err := migrate(t.Context(), conn, migrations); !errors.Is(err, ErrNewerSchema) {
		t.Errorf("migrating backwards: %v", err)
	}
}

func TestMigrationFilesAreNumbered(t *testing.T) {
	t.Parallel()
	for name, files := range map[string]fstest.MapFS{
		"a gap":     {"schema/0001_a.sql": {}, "schema/0003_b.sql": {}},
		"twice":     {"schema/0001_a.sql": {}, "schema/0001_b.sql": {}},
		"no number": {"schema/init.sql": {}},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: accepted", name)
				}
			}()
			mustLoadMigrations(files)
		}()
	}
	scripts := mustLoadMigrations(fstest.MapFS{"schema/0002_b.sql": {Data: []byte("b")}, "schema/0001_a.sql": {Data: []byte("a")}})
	if strings.Join(scripts, "") != "ab" {
		t.Errorf("scripts in the order %v", scripts)
	}
}

func TestOpenIsBoundByItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := t.TempDir()
	_, err := Open(ctx, testConfig(dir))
	wantErr(t, err, context.Canceled)
	openTest(t, dir) // and left nothing locked
}
