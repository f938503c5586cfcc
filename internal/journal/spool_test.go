package journal

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// long is a content of a size, made in pieces while it is written, which fails after so many bytes if fail is not nil.
type long struct {
	size int
	fail error
	at   int
}

func (l long) WriteTo(w io.Writer) (n int64, err error) {
	piece := bytes.Repeat([]byte("0123456789abcde\n"), 1<<9)
	for n < int64(l.size) {
		if l.fail != nil && n >= int64(l.at) {
			return n, l.fail
		}
		m, err := w.Write(piece[:min(len(piece), l.size-int(n))])
		n += int64(m)
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

func (l long) text() string {
	var b strings.Builder
	_, _ = l.WriteTo(&b)
	return b.String()
}

// spooled are the names of the files in the spool.
func spooled(tb testing.TB, dir string) (names []string) {
	tb.Helper()
	entries, err := os.ReadDir(filepath.Join(dir, spoolName))
	must(tb, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// What is long is in files, what is short is not, and both are read in the same way.
func TestSpool(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, maxInline - 1, maxInline, maxInline + 1, 3*maxInline + 17} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			j, err := Open(t.Context(), testConfig(dir))
			must(t, err)
			content := long{size: size}
			want := content.text()
			o := outcome(inState(t, j, Running))
			o.Stdout, o.Stderr = Stream{Content: content, Bytes: int64(size)}, Stream{Content: content, Bytes: int64(size) + 1, Truncated: true}
			o.Callback.Body = content
			var told Output
			o.Leaf = func(got Output) ([]byte, error) { told = got; return []byte("leaf"), nil }
			must(t, j.Finish(t.Context(), o))
			must(t, j.Close())

			j = openTest(t, dir)
			files := 0
			if size > maxInline {
				files = 3
			}
			if names := spooled(t, dir); len(names) != files {
				t.Errorf("%d bytes are in %d files: %v", size, len(names), names)
			}
			stream := StoredStream{Bytes: int64(size), Size: int64(size), SHA256: sha256.Sum256([]byte(want))}
			cut := stream
			cut.Bytes, cut.Truncated = int64(size)+1, true
			got, err := j.Output(t.Context(), o.JobID)
			if err != nil || got != (Output{stream, cut}) || told != got {
				t.Errorf("the output is %+v, %v; the leaf was told %+v", got, err, told)
			}
			if read(t, j.Reader, o.JobID, Stdout) != want || read(t, j.Reader, o.JobID, Stderr) != want || readAll(t)(j.OpenBody(t.Context(), o.Callback.DeliveryID)) != want {
				t.Error("what is read is not what was stored")
			}
			if due, _, err := j.Due(t.Context(), receiver, epoch.Add(time.Hour), 1); err != nil || len(due) != 1 || due[0].BodySize != int64(size) {
				t.Errorf("due are %+v, %v", due, err)
			}
			checkContent(t, j, o.JobID, want)

			must(t, j.Settle(t.Context(), Settlement{DeliveryID: o.Callback.DeliveryID, State: Delivered, At: epoch}))
			_, err = j.OpenBody(t.Context(), o.Callback.DeliveryID)
			wantErr(t, err, ErrNotFound)
			if names := spooled(t, dir); len(names) != files-files/3 {
				t.Errorf("after the delivery there are %v", names)
			}
			if n := prune(t, j, epoch.Add(time.Hour)); n != 1 {
				t.Errorf("pruned %d", n)
			}
			if names := spooled(t, dir); len(names) != 0 {
				t.Errorf("after pruning there are %v", names)
			}
		})
	}
}

// checkContent reads parts of an output.
func checkContent(t *testing.T, j *Journal, id, want string) {
	t.Helper()
	c, err := j.OpenOutput(t.Context(), id, Stdout)
	must(t, err)
	defer c.Close()
	if c.Size() != int64(len(want)) {
		t.Errorf("its size is %d", c.Size())
	}
	if at, err := c.Seek(-min(5, c.Size()), io.SeekEnd); err != nil || at != max(0, c.Size()-5) {
		t.Errorf("seeking leads to %d, %v", at, err)
	}
	must(t, c.Verify())
	if rest, err := io.ReadAll(c); err != nil || string(rest) != want[max(0, len(want)-5):] {
		t.Errorf("its end is %q, %v", rest, err)
	}
}

// A delivery that is given up keeps its message, and loses it with its job.
func TestDeadMessageIsKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := openTest(t, dir)
	o := outcome(inState(t, j, Running))
	o.Callback.Body = long{size: 2 * maxInline}
	must(t, j.Finish(t.Context(), o))
	must(t, j.Settle(t.Context(), Settlement{DeliveryID: o.Callback.DeliveryID, State: Pending, NextAt: epoch, At: epoch}))
	must(t, j.Settle(t.Context(), Settlement{DeliveryID: o.Callback.DeliveryID, State: Dead, At: epoch}))
	if text := readAll(t)(j.OpenBody(t.Context(), o.Callback.DeliveryID)); len(text) != 2*maxInline {
		t.Errorf("it has %d bytes", len(text))
	}
	prune(t, j, epoch.Add(time.Hour))
	if names := spooled(t, dir); len(names) != 0 {
		t.Errorf("left are %v", names)
	}
}

// An end that is not committed leaves no files, and can be committed later with the same contents.
func TestRefusedFinishLeavesNoFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := openTest(t, dir)
	boom := errors.New("boom")
	id := inState(t, j, Running)
	whole := func() Outcome {
		o := outcome(id)
		o.Stdout, o.Stderr = Stream{Content: long{size: 100_000}, Bytes: 100_000}, Stream{Content: long{size: 100_000}, Bytes: 100_000}
		o.Callback.Body = long{size: 100_000}
		return o
	}
	for name, tc := range map[string]struct {
		spoil func(*Outcome)
		want  error
	}{
		"a job that has ended":          {func(o *Outcome) { o.JobID = inState(t, j, Exited) }, ErrState},
		"a delivery that is there":      {func(o *Outcome) { o.Callback.DeliveryID = "c-" + inState(t, j, Exited) }, ErrExists},
		"more kept than written":        {func(o *Outcome) { o.Stderr.Bytes-- }, ErrInvalid},
		"stdout fails at once":          {func(o *Outcome) { o.Stdout.Content = long{size: 1, fail: boom} }, ErrContent},
		"stdout fails in the file":      {func(o *Outcome) { o.Stdout.Content = long{size: 100_000, fail: boom, at: 90_000} }, ErrContent},
		"stderr fails, with full disk":  {func(o *Outcome) { o.Stderr.Content = long{size: 100_000, fail: unix.ENOSPC, at: 90_000} }, ErrContent},
		"the message fails":             {func(o *Outcome) { o.Callback.Body = long{size: 100_000, fail: boom, at: 10} }, ErrContent},
		"the leaf fails":                {func(o *Outcome) { o.Leaf = func(Output) ([]byte, error) { return nil, boom } }, boom},
		"the leaf is empty":             {func(o *Outcome) { o.Leaf = func(Output) ([]byte, error) { return nil, nil } }, ErrInvalid},
		"the caller left in the middle": {func(o *Outcome) { o.Leaf = func(Output) ([]byte, error) { return nil, context.Canceled } }, context.Canceled},
	} {
		before := len(spooled(t, dir))
		o := whole()
		tc.spoil(&o)
		err := j.Finish(t.Context(), o)
		if !errors.Is(err, tc.want) || tc.want == ErrContent && errors.Is(err, ErrNoSpace) {
			t.Errorf("%s: %v, want %v", name, err, tc.want)
		}
		if names := spooled(t, dir); len(names) != before {
			t.Errorf("%s leaves %v", name, names)
		}
	}
	must(t, j.Finish(t.Context(), whole()))
}

// A disk without room for an output refuses it as such, and the job can still end without it.
func TestNoRoomForASpoolFile(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(smallDisk(t, 4), "state")
	j, err := Open(t.Context(), testConfig(dir))
	must(t, err)
	defer func() { must(t, j.Close()) }()
	o := outcome(inState(t, j, Running))
	o.Stdout = Stream{Content: long{size: 8 << 20}, Bytes: 8 << 20}
	wantErr(t, j.Finish(t.Context(), o), ErrNoSpace)
	if names := spooled(t, dir); len(names) != 0 {
		t.Errorf("left are %v", names)
	}
	o.Stdout = Stream{Bytes: 8 << 20, Truncated: true}
	must(t, j.Finish(t.Context(), o))
}

// Long outputs leave room for the ends of other jobs, also one that begins while there is enough.
func TestLongOutputsLeaveRoom(t *testing.T) {
	t.Parallel()
	var free atomic.Int64
	c := testConfig(t.TempDir())
	c.LowWater = 10 << 20
	c.Free = func(string) (int64, error) { return free.Add(-1 << 20), nil }
	free.Store(1 << 30)
	j := openWith(t, c)
	o := outcome(inState(t, j, Running))
	o.Stdout = Stream{Content: long{size: 8 << 20}, Bytes: 8 << 20}
	free.Store(10 << 20)
	wantErr(t, j.Finish(t.Context(), o), ErrNoSpace)
	in := o
	in.Stdout.Content = newInFileOrSkip(t, c.Dir, 8<<20, 0)
	free.Store(5 << 20)
	wantErr(t, j.Finish(t.Context(), in), ErrNoSpace)
	if names := spooled(t, c.Dir); len(names) != 0 {
		t.Errorf("left are %v", names)
	}
	short := o
	short.Stdout = Stream{Content: long{size: maxInline}, Bytes: 8 << 20, Truncated: true}
	must(t, j.Finish(t.Context(), short))

	free.Store(1 << 30)
	next := outcome(inState(t, j, Running))
	next.Stdout = o.Stdout
	must(t, j.Finish(t.Context(), next))
}

func TestOutputReserve(t *testing.T) {
	t.Parallel()
	for lowWater, want := range map[int64]int64{-1: -1, 0: 0, 8 << 20: 4 << 20, DefaultLowWater: 32 << 20, 1 << 40: 32 << 20} {
		if got := OutputReserve(lowWater); got != want {
			t.Errorf("of %d: %d, want %d", lowWater, got, want)
		}
	}
}

// What a killed process left behind without a row is removed at the next start, and nothing else is.
func TestSweep(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j, err := Open(t.Context(), testConfig(dir))
	must(t, err)
	o := outcome(inState(t, j, Running))
	o.Stdout, o.Stderr = Stream{Content: long{size: 100_000}, Bytes: 100_000}, Stream{Content: long{size: 100_000}, Bytes: 100_000}
	o.Callback.Body = long{size: 100_000}
	must(t, j.Finish(t.Context(), o))
	want := spooled(t, dir)
	must(t, j.Close())
	folder := filepath.Join(dir, spoolName)
	for i := range 2*sweepAtOnce + 1 {
		must(t, os.WriteFile(filepath.Join(folder, fmt.Sprintf("ABCDEFGHIJKLMNOP-%d", i)), nil, 0o600))
	}
	foreign := []string{"notes.txt", "ABCDEFGHIJKLMNOP-1.bak"} // somebody else's
	for _, name := range foreign {
		must(t, os.WriteFile(filepath.Join(folder, name), nil, 0o600))
	}
	must(t, os.Mkdir(filepath.Join(folder, "ABCDEFGHIJKLMNOQ-1"), 0o700))

	j = openTest(t, dir)
	running := outcome(inState(t, j, Running)) // whose file is there before its row
	running.Stdout = Stream{Content: long{size: 100_000}, Bytes: 100_000}
	running.Leaf = func(Output) ([]byte, error) {
		j.sweeping.Wait()
		_, err := j.sweep(t.Context())
		return []byte("leaf"), err
	}
	must(t, j.Finish(t.Context(), running))
	if got := spooled(t, dir); len(got) != len(want)+len(foreign)+2 {
		t.Errorf("left are %v, want %v, %v, a folder, and one more", got, want, foreign)
	}
	for _, id := range []string{o.JobID, running.JobID} {
		if len(read(t, j.Reader, id, Stdout)) != 100_000 {
			t.Errorf("the output of %s is gone", id)
		}
	}
}

// Damage in the spool is told as such.
func TestDamagedSpoolFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := openTest(t, dir)
	o := outcome(inState(t, j, Running))
	o.Stdout = Stream{Content: long{size: 100_000}, Bytes: 100_000}
	must(t, j.Finish(t.Context(), o))
	path := filepath.Join(dir, spoolName, spooled(t, dir)[0])
	open := func() (*Content, error) { return j.OpenOutput(t.Context(), o.JobID, Stdout) }

	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	must(t, err)
	_, err = f.WriteAt([]byte("X"), 99_999)
	must(t, errors.Join(err, f.Close()))
	c, err := open()
	must(t, err)
	wantErr(t, c.Verify(), ErrCorrupt)
	_, err = c.ReadAll()
	wantErr(t, err, ErrCorrupt)
	must(t, c.Close())

	refused := func(what string) {
		t.Helper()
		if _, err := open(); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", what, err)
		}
	}
	must(t, os.Truncate(path, 99_999))
	refused("cut off")
	must(t, os.Remove(path))
	refused("missing")
	must(t, unix.Mkfifo(path, 0o600))
	refused("a pipe")
	for _, name := range []string{"../journal.db", "/etc/passwd", "..", ""} {
		tamper(t, j, "UPDATE output SET stdout_file = '"+name+"'")
		if _, err := open(); err == nil {
			t.Errorf("a file %q was opened", name)
		}
	}
	_, err = j.OpenOutput(t.Context(), o.JobID, "stdin")
	wantErr(t, err, ErrInvalid)
	must(t, os.RemoveAll(filepath.Join(dir, spoolName)))
	refused("no folder")
}

// A reader that has opened an output keeps it when its job is forgotten.
func TestReadWhilePruned(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := openTest(t, dir)
	o := outcome(inState(t, j, Running))
	o.Stdout, o.Callback = Stream{Content: long{size: 100_000}, Bytes: 100_000}, nil
	must(t, j.Finish(t.Context(), o))
	r := openReader(t, dir)
	c, err := r.OpenOutput(t.Context(), o.JobID, Stdout)
	must(t, err)
	prune(t, j, epoch.Add(time.Hour))
	if text, err := c.ReadAll(); err != nil || len(text) != 100_000 {
		t.Errorf("%d bytes, %v", len(text), err)
	}
	must(t, c.Close())

	// Between the row and the file: the next look finds no row.
	tries := 0
	_, err = r.open(func() (place, error) {
		if tries++; tries == 1 {
			return place{file: sqlText("ABCDEFGHIJKLMNOP-1")}, nil
		}
		return place{}, ErrNotFound
	})
	if !errors.Is(err, ErrNotFound) || tries != 2 {
		t.Errorf("after %d tries: %v", tries, err)
	}
}

func TestSpoolMustBeAFolder(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(path string) error{
		"a file":           func(path string) error { return os.WriteFile(path, nil, 0o600) },
		"a link elsewhere": func(path string) error { return os.Symlink(t.TempDir(), path) },
		"a dangling link":  func(path string) error { return os.Symlink("nowhere", path) },
	} {
		dir := t.TempDir()
		must(t, prepare(filepath.Join(dir, spoolName)))
		if _, err := Open(t.Context(), testConfig(dir)); err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A long output costs no memory that depends on its length.
func TestLongOutputCostsNoMemory(t *testing.T) {
	dir := t.TempDir()
	j := openTest(t, dir)
	o := outcome(inState(t, j, Running))
	const size = 32 << 20
	o.Stdout, o.Callback.Body = Stream{Content: long{size: size}, Bytes: size}, long{size: size}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	must(t, j.Finish(t.Context(), o))
	c, err := j.OpenOutput(t.Context(), o.JobID, Stdout)
	must(t, err)
	must(t, errors.Join(c.Verify(), c.Close()))
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 2<<20 {
		t.Errorf("%d bytes were allocated for %d", n, 2*size)
	}
}

// While a crash could bring a failed commit back to life, the files that it names stay; they go after the next one that succeeds.
func TestFilesOfADoubtfulCommit(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := openTest(t, dir)
	st := j.writer.st
	bad, err := j.writer.conn.PrepareContext(t.Context(), "INSERT INTO meta (id, floor, beat) VALUES (1, 0, 0)") // fails when it runs
	must(t, err)
	defer func() { must(t, bad.Close()) }()
	o := outcome(inState(t, j, Running))
	o.Stdout = Stream{Content: long{size: 2 * maxInline}, Bytes: 2 * maxInline}
	swap := func(to *sql.Stmt) (was *sql.Stmt) {
		err := j.writer.do(t.Context(), op{name: "swap", run: func(*statements) error { was, st.commit = st.commit, to; return nil }})
		if to != bad {
			must(t, err)
		}
		return was
	}
	good := swap(bad)
	for try := 1; try <= 2; try++ {
		if err := j.Finish(t.Context(), o); err == nil || errors.Is(err, ErrState) {
			t.Fatalf("a commit that failed was acknowledged: %v", err)
		}
		if n := len(spooled(t, dir)); n != try {
			t.Errorf("%d files after try %d", n, try)
		}
	}
	swap(good)
	must(t, j.Finish(t.Context(), o))
	if n := len(spooled(t, dir)); n != 1 {
		t.Errorf("%d files of one output", n)
	}
}

// inFile is a content in a file that may be given a name.
type inFile struct {
	long
	file *os.File
	none bool // no digest
}

// newInFile makes one as the executor does.
func newInFile(dir string, size, flags int) (inFile, error) {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC|flags, 0o600)
	if err != nil {
		return inFile{}, err
	}
	c := inFile{long: long{size: size}, file: os.NewFile(uintptr(fd), "content")}
	_, err = c.file.WriteString(c.text())
	return c, err
}

// newInFileOrSkip is newInFile for a test, which needs a file system with files without a name.
func newInFileOrSkip(t *testing.T, dir string, size, flags int) inFile {
	t.Helper()
	c, err := newInFile(dir, size, flags)
	if errors.Is(err, unix.EOPNOTSUPP) {
		t.Skip("this file system makes no files without a name")
	}
	must(t, err)
	t.Cleanup(func() { c.file.Close() })
	return c
}

func (f inFile) File() *os.File { return f.file }

func (f inFile) SHA256() ([sha256.Size]byte, bool) { return sha256.Sum256([]byte(f.text())), !f.none }

// What is in a file without a name becomes a file of the spool, and is copied where that cannot be.
func TestAdopt(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		size   int
		flags  int
		none   bool
		linked bool // whether it is the very file
		files  int
	}{
		"long":               {size: 3 * maxInline, linked: true, files: 1},
		"short":              {size: maxInline, files: 0},
		"cannot have a name": {size: 3 * maxInline, flags: unix.O_EXCL, files: 1},
		"without a digest":   {size: 3 * maxInline, none: true, files: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			j := openTest(t, dir)
			content := newInFileOrSkip(t, dir, c.size, c.flags)
			content.none = c.none
			before, err := content.file.Stat()
			must(t, err)
			id := inState(t, j, Running)
			o := outcome(id)
			o.Stdout = Stream{Content: content, Bytes: int64(c.size)}
			must(t, j.Finish(t.Context(), o))
			names := spooled(t, dir)
			if len(names) != c.files {
				t.Fatalf("files %v", names)
			}
			for _, file := range names {
				after, err := os.Stat(filepath.Join(dir, spoolName, file))
				must(t, err)
				if os.SameFile(before, after) != c.linked || after.Mode() != 0o600 {
					t.Errorf("the same file: %v, mode %v", !c.linked, after.Mode())
				}
			}
			if got := read(t, j.Reader, id, Stdout); got != content.text() {
				t.Error("the output is not what was stored")
			}
		})
	}
}

// A file that was given a name for a commit that failed is copied for the next: it can be given no other.
func TestAdoptAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := openTest(t, dir)
	content := newInFileOrSkip(t, dir, 2*maxInline, 0)
	id := inState(t, j, Running)
	o := outcome(id)
	o.Stdout = Stream{Content: content, Bytes: 2 * maxInline}
	o.Leaf = func(Output) ([]byte, error) { return nil, io.ErrUnexpectedEOF }
	if err := j.Finish(t.Context(), o); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatal(err)
	}
	if names := spooled(t, dir); len(names) != 0 {
		t.Fatalf("files %v", names)
	}
	o.Leaf = nil
	must(t, j.Finish(t.Context(), o))
	if got := read(t, j.Reader, id, Stdout); got != content.text() {
		t.Error("the output is not what was stored")
	}
}
