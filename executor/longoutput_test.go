package executor

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Not parallel: it counts descriptors.
func TestLongOutputLeaksNothing(t *testing.T) {
	r := newRunner(t, nil)
	job := script(t, `head -c 300000 /dev/zero; head -c 300000 /dev/zero >&2`)
	run(t, r, job) // whatever is opened once
	before := openFDs(t)
	results := make([]Result, 5)
	for i := range results {
		job.ID += "x"
		p, err := r.Start(t.Context(), job)
		if err != nil {
			t.Fatal(err)
		}
		f := follow(t, p, Stdout, 0)
		results[i] = p.Wait(t.Context())
		f.Close()
		if results[i].StdoutBytes != 300000 || results[i].StderrBytes != 300000 {
			t.Errorf("%+v", results[i])
		}
	}
	if held := openFDs(t); held != before+2*len(results) {
		t.Errorf("%d descriptors before, %d while the results are held", before, held)
	}
	for _, res := range results {
		res.Close()
		res.Close()
		if _, err := res.Stdout.Bytes(); !errors.Is(err, os.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	}
	if after := openFDs(t); after != before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
	nothingLeft(t, r, job.ID)
}

// While a long command runs, there is nothing to be seen of its output in the work root.
func TestOutputCannotBeSeen(t *testing.T) {
	t.Parallel()
	r := newRunner(t, nil)
	fifo, _ := meeting(t)
	job := offsets(t, 1<<20, fifo)
	job.Workdir = "/"
	p, wait := begin(t, r, job)
	f := follow(t, p, Stdout, 0)
	defer f.Close()
	if _, err := f.checked(t.Context(), 1<<20, 1<<20); err != nil {
		t.Error(err)
	}
	if entries, err := os.ReadDir(r.config.WorkRoot); err != nil || len(entries) > 0 {
		t.Errorf("%v, %v", entries, err)
	}
	release(t, fifo)
	res := wait()
	if out := outputOf(t, res); len(out.Stdout) != 1<<20 || !areOffsets(out.Stdout, 0) {
		t.Error("the output is not what was written")
	}
}

// Whatever a command prints and whatever is kept of it, it is not in memory. (Not parallel: it measures the heap.)
func TestLongOutputMemory(t *testing.T) {
	r := newRunner(t, nil)
	const size = 64 << 20
	for _, keep := range []int64{inMemory, 1 << 20, size} {
		job := offsets(t, size, "")
		job.MaxOutput = keep
		before := inUse()
		res, err := r.Run(t.Context(), job)
		if err != nil || res.StdoutBytes != size || res.Stdout.Len() < keep-int64(markerRoom) || res.Stdout.Len() > keep {
			t.Fatalf("%+v, %v", res, err)
		}
		if grown := inUse() - before; grown > 512<<10 {
			t.Errorf("%d bytes of %d are kept, and %d are in memory", keep, size, grown)
		}
		res.Close()
	}
}

// inUse is how much of the heap is in use.
func inUse() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // pools keep what they hold for one more
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// When the disk is full the command goes on, what was written is shown, and the log says once what happened.
func TestFullDisk(t *testing.T) {
	needsRoot(t)
	const size = 8 << 20
	for name, change := range map[string]func(*Config){
		"nothing is kept free": func(c *Config) { c.Reserve = -1 },
		"too little for more":  func(c *Config) { c.Reserve = 1 << 60 },
	} {
		var log bytes.Buffer
		r := newRunner(t, func(c *Config) {
			c.WorkRoot, c.Logger = filepath.Join(smallDisk(t), "work"), slog.New(slog.NewTextHandler(&log, nil))
			change(c)
		})
		before := openFDs(t)
		job := offsets(t, size, "")
		job.Workdir, job.MaxOutput = "/", size
		res := run(t, r, job)
		if res.Status != StatusExited || res.ExitCode != 0 || !res.Truncated || res.StdoutBytes != size {
			t.Errorf("%s: %+v", name, res.Result)
		}
		head, rest, marked := bytes.Cut(res.Stdout, []byte("\n[sidegate: "))
		if !marked || !areOffsets(head, 0) {
			t.Fatalf("%s: %d bytes, then %.50q", name, len(head), rest)
		}
		if r.config.Reserve < 0 {
			if len(head) < 512<<10 || string(rest) != fmt.Sprintf("%d bytes left out]\n", size-len(head)) {
				t.Errorf("%s: %d bytes, then %.50q", name, len(head), rest)
			}
		} else if before, tail, _ := bytes.Cut(rest, []byte("\n")); len(head) < shownHalf(inMemory)-3 || len(res.Stdout) > inMemory ||
			string(before) != fmt.Sprintf("%d bytes left out]", size-len(head)-len(tail)) || !areOffsets(tail, int64(size-len(tail))) {
			t.Errorf("%s: %d bytes, then %d: %.50q", name, len(head), len(rest), rest)
		}
		if strings.Count(log.String(), "not kept") != 1 || !strings.Contains(log.String(), "stream=stdout") || !strings.Contains(log.String(), job.ID) {
			t.Errorf("%s: the log says %s", name, &log)
		}
		if after := openFDs(t); after != before {
			t.Errorf("%s: %d descriptors before, %d after", name, before, after)
		}
	}
}

// On a disk on which nothing can be made any more, a Runner is made and proves its sandbox as ever.
func TestNewOnFullDisk(t *testing.T) {
	needsRoot(t)
	for room := range 3 { // directories that can be made yet
		disk := smallDisk(t, fmt.Sprintf("nr_inodes=%d", 2+room)) // the root of the disk and the one of work
		work := filepath.Join(disk, "work")
		r, err := New(Config{WorkRoot: work})
		if err != nil {
			t.Fatalf("with room for %d: %v", room, err)
		}
		if got, want := r.Report().Profiles, newRunner(t, nil).Report().Profiles; !reflect.DeepEqual(got, want) {
			t.Errorf("with room for %d: %+v, want %+v", room, got, want)
		}
		if _, err := r.Run(t.Context(), command(t, "true")); room == 0 && !errors.Is(err, unix.ENOSPC) {
			t.Errorf("a job that needs a directory: %v", err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

// smallDisk mounts a file system of 1 MiB.
func smallDisk(t *testing.T, more ...string) string {
	t.Helper()
	dir := openDir(t)
	if err := unix.Mount("sidegate-test", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, strings.Join(append(more, "size=1m,mode=755"), ",")); err != nil {
		t.Skipf("needs to mount a file system: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}
