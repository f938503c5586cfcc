package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// Below the mark new work is refused, and what runs can still end.
func TestLowWater(t *testing.T) {
	t.Parallel()
	var free atomic.Int64
	var broken atomic.Bool
	free.Store(DefaultLowWater)
	c := testConfig(t.TempDir())
	c.LowWater = 0
	c.Free = func(dir string) (int64, error) {
		if dir != c.Dir {
			t.Errorf("asked about %s", dir)
		}
		if broken.Load() {
			return 0, unix.EIO
		}
		return free.Load(), nil
	}
	j := openWith(t, c)
	running, waiting := inState(t, j, Running), inState(t, j, Accepted)

	refused := admission("refused")
	checkRefused := func() {
		t.Helper()
		wantErr(t, j.Admit(t.Context(), refused), ErrNoSpace)
		wantErr(t, j.Admit(t.Context(), Admission{Nonce: refused.Nonce}), ErrNoSpace)
		wantErr(t, j.Writable(t.Context()), ErrNoSpace)
	}
	free.Store(DefaultLowWater - 1)
	checkRefused()
	must(t, j.Finish(t.Context(), outcome(running)))
	must(t, j.Settle(t.Context(), Settlement{DeliveryID: "c-" + running, State: Delivered, At: epoch}))
	must(t, j.Begin(t.Context(), waiting, epoch))
	must(t, ignoreCount(j.PruneNonces(t.Context(), epoch)))
	must(t, ignoreCount(j.PruneJobs(t.Context(), epoch)))

	free.Store(DefaultLowWater)
	broken.Store(true) // not to know is not to have
	checkRefused()
	broken.Store(false)
	must(t, j.Admit(t.Context(), refused)) // nothing of it had been stored
	must(t, j.Writable(t.Context()))
}

func TestFreeBytes(t *testing.T) {
	t.Parallel()
	if n, err := freeBytes(t.TempDir()); err != nil || n <= 0 {
		t.Errorf("%d bytes are free, %v", n, err)
	}
	if _, err := freeBytes(filepath.Join(t.TempDir(), "nowhere")); err == nil {
		t.Error("nowhere has free space")
	}
}

// smallDisk mounts a file system of a few megabytes and returns a directory on it.
func smallDisk(t *testing.T) string {
	t.Helper()
	mount := t.TempDir()
	if err := unix.Mount("tmpfs", mount, "tmpfs", 0, "size=4m,mode=0700"); err != nil {
		t.Skipf("cannot mount a small file system (this needs root): %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(mount, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return mount
}

// A really full disk: everything acknowledged is there, everything refused is not, and the journal works again when there is room.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	mount := smallDisk(t)
	dir := filepath.Join(mount, "state")
	ballast := filepath.Join(mount, "ballast")
	must(t, os.WriteFile(ballast, make([]byte, 2<<20), 0o600))
	j, err := Open(t.Context(), testConfig(dir))
	must(t, err)
	defer func() { must(t, j.Close()) }()
	running := inState(t, j, Running)

	var admitted []string
	var refused Admission
	for i := 0; err == nil; i++ {
		refused = admission(fmt.Sprint(i))
		refused.Job.Spec = make([]byte, 60<<10)
		if err = j.Admit(t.Context(), refused); err == nil {
			admitted = append(admitted, refused.Job.ID)
		}
	}
	wantErr(t, err, ErrNoSpace)
	if len(admitted) < 10 {
		t.Fatalf("the disk was full after %d jobs", len(admitted))
	}
	end := outcome(running)
	end.Stdout = Stream{Data: make([]byte, 200<<10), Bytes: 200 << 10}
	wantErr(t, j.Finish(t.Context(), end), ErrNoSpace)

	check := func() {
		t.Helper()
		jobs, err := j.Waiting(t.Context())
		must(t, err)
		for i, job := range jobs {
			if i >= len(admitted) || job.ID != admitted[i] {
				t.Fatalf("job %d of %d is %s, and %d were acknowledged", i, len(jobs), job.ID, len(admitted))
			}
		}
		if len(jobs) != len(admitted) {
			t.Fatalf("%d jobs are there, %d were acknowledged", len(jobs), len(admitted))
		}
		if jobs, err := j.Running(t.Context()); err != nil || len(jobs) != 1 || jobs[0].ID != running {
			t.Errorf("running are %v, %v", jobs, err)
		}
	}
	check()
	must(t, os.Remove(ballast))
	must(t, j.Writable(t.Context()))
	must(t, j.Finish(t.Context(), end))
	must(t, j.Admit(t.Context(), refused))
	must(t, errors.Join(j.Begin(t.Context(), refused.Job.ID, epoch), j.Finish(t.Context(), Outcome{JobID: refused.Job.ID, Status: Exited, At: epoch})))
	running = inState(t, j, Running)
	must(t, j.Close())

	j, err = Open(t.Context(), testConfig(dir))
	must(t, err)
	check()
}
