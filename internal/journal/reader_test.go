package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// openReader opens a reader that is closed with the test.
func openReader(tb testing.TB, dir string) *Reader {
	tb.Helper()
	r, err := OpenReadOnly(tb.Context(), dir)
	must(tb, err)
	tb.Cleanup(func() { must(tb, r.Close()) })
	return r
}

// A reader beside a gateway sees what was committed, at once, and does not keep it from ending and from starting again.
func TestReadBesideAGateway(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j, err := Open(t.Context(), testConfig(dir))
	must(t, err)
	r := openReader(t, dir)
	var want model
	for i := range 3 {
		leaf := fmt.Append(nil, i)
		want.add(t, leaf)
		must(t, j.Record(t.Context(), leaf))
		checkAudit(t, r, &want)
	}
	id := inState(t, j, Exited)
	must(t, j.Close())
	if job, err := r.Job(t.Context(), id); err != nil || job.Status != Exited {
		t.Errorf("after the gateway has ended: %+v, %v", job, err)
	}
	j = openTest(t, dir)
	want.add(t, []byte("more"))
	must(t, j.Record(t.Context(), []byte("more")))
	checkAudit(t, r, &want)
}

// A journal without a gateway is read as it is, whether that ended well, was killed, or never ran here.
func TestReadWithoutAGateway(t *testing.T) {
	t.Parallel()
	for name, leave := range map[string]func(t *testing.T, j *Journal, dir string) (where string){
		"closed": func(t *testing.T, j *Journal, dir string) string {
			must(t, j.Close())
			return dir
		},
		"killed, and copied": func(t *testing.T, j *Journal, dir string) string {
			to := t.TempDir()
			must(t, exec.Command("cp", filepath.Join(dir, fileName), filepath.Join(dir, fileName+"-wal"), to).Run())
			must(t, j.Close())
			return to
		},
		"killed, and copied with a stale index": func(t *testing.T, j *Journal, dir string) string {
			to := t.TempDir()
			must(t, exec.Command("cp", filepath.Join(dir, fileName), filepath.Join(dir, fileName+"-wal"), filepath.Join(dir, fileName+"-shm"), to).Run())
			must(t, j.Close())
			return to
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			j, err := Open(t.Context(), testConfig(dir))
			must(t, err)
			var want model
			for i := range 10 {
				want.add(t, fmt.Append(nil, i))
			}
			must(t, j.Record(t.Context(), want.leaves...))
			dir = leave(t, j, dir)
			before := contents(t, dir)
			r, err := OpenReadOnly(t.Context(), dir)
			must(t, err)
			checkAudit(t, r, &want)
			must(t, errors.Join(r.Close(), r.Close()))
			for _, name := range []string{fileName, fileName + "-wal"} {
				if after := contents(t, dir); after[name] != before[name] {
					t.Errorf("%s was changed", name)
				}
			}
			checkAudit(t, openTest(t, dir).Reader, &want) // a gateway takes it over
		})
	}
}

// contents are the files of a directory, without those below it.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := make(map[string]string)
	entries, err := os.ReadDir(dir)
	must(t, err)
	for _, e := range entries {
		if e.IsDir() {
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		must(t, err)
		files[e.Name()] = string(b)
	}
	return files
}

// On media that cannot be written a journal is read if all of it is in its file, and otherwise the error says what to do.
func TestReadOnlyMedia(t *testing.T) {
	t.Parallel()
	mount := smallDisk(t, 16)
	dir := filepath.Join(mount, "state")
	j, err := Open(t.Context(), testConfig(dir))
	must(t, err)
	var want model
	want.add(t, []byte("leaf"))
	must(t, j.Record(t.Context(), []byte("leaf")))
	killed := filepath.Join(mount, "killed")
	must(t, os.Mkdir(killed, 0o700))
	must(t, exec.Command("cp", filepath.Join(dir, fileName), filepath.Join(dir, fileName+"-wal"), killed).Run())
	must(t, j.Close())
	must(t, unix.Mount("", mount, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""))

	checkAudit(t, openReader(t, dir), &want)
	_, err = OpenReadOnly(t.Context(), killed)
	if err == nil || !strings.Contains(err.Error(), "copy "+killed) {
		t.Errorf("a journal with a WAL that cannot be read: %v", err)
	}
}

// What cannot be read is refused, and nothing is made in its place.
func TestReaderRefuses(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		make func(t *testing.T, dir string)
		want error
	}{
		"nothing": {func(*testing.T, string) {}, fs.ErrNotExist},
		"damage": {func(t *testing.T, dir string) {
			must(t, os.WriteFile(filepath.Join(dir, fileName), make([]byte, 8192), 0o600))
		}, ErrCorrupt},
		"older": {func(t *testing.T, dir string) { makeOldJournal(t, dir, 2) }, ErrOlderSchema},
		"newer": {func(t *testing.T, dir string) { setVersion(t, makeJournal(t, dir), 99) }, ErrNewerSchema},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			tc.make(t, dir)
			before := contents(t, dir)[fileName]
			_, err := OpenReadOnly(t.Context(), dir)
			wantErr(t, err, tc.want)
			if contents(t, dir)[fileName] != before {
				t.Error("the refused file was changed")
			}
		})
	}
}

func TestReaderCannotWrite(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	openTest(t, dir)
	r := openReader(t, dir)
	for _, statement := range []string{"DELETE FROM audit", "PRAGMA query_only = 0; UPDATE meta SET floor = 0", "PRAGMA journal_mode = DELETE; DELETE FROM nonce"} {
		if _, err := r.db.Exec(statement); err == nil {
			t.Errorf("a reader ran %q", statement)
		}
	}
}

func TestRequests(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j, err := Open(t.Context(), testConfig(dir))
	must(t, err)
	id := inState(t, j, Exited)
	must(t, j.Close())
	r := openReader(t, dir)
	job, err := r.Job(t.Context(), id)
	must(t, err)
	if len(job.Request) == 0 {
		t.Fatal("the job has no request")
	}
	found, err := r.Requests(t.Context(), []string{"nobody's", id, id})
	if err != nil || len(found) != 1 || string(found[id]) != string(job.Request) {
		t.Errorf("%q, %v", found, err)
	}
	if found, err := r.Requests(t.Context(), nil); err != nil || len(found) > 0 {
		t.Errorf("%q, %v", found, err)
	}
	if _, err := r.Requests(t.Context(), make([]string, maxLeaves+1)); !errors.Is(err, ErrInvalid) {
		t.Errorf("error %v", err)
	}
}
