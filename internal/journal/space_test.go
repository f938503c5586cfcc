package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

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
	must(t, j.Begin(t.Context(), Start{JobID: waiting, At: epoch}))
	must(t, ignoreCount(j.PruneNonces(t.Context(), epoch)))
	prune(t, j, epoch)

	free.Store(DefaultLowWater)
	broken.Store(true) // not to know is not to have
	checkRefused()
	broken.Store(false)
	must(t, j.Admit(t.Context(), refused)) // nothing of it had been stored
	must(t, j.Writable(t.Context()))
}

// Room inside the journal counts as free, as long as the WAL has room on the disk.
func TestReusableSpaceIsFree(t *testing.T) {
	t.Parallel()
	const lowWater = 4 * walRoom
	for _, tc := range []struct {
		name                string
		free, reusable, wal int64
		unknown             bool
		want                error
	}{
		{"enough on the disk", lowWater, 0, 0, true, nil},
		{"too little in both", lowWater - 2, 1, 0, false, ErrNoSpace},
		{"enough in both", lowWater - 1, 1, 0, false, nil},
		{"no room for the WAL", walRoom - 1, lowWater, 0, false, ErrNoSpace},
		{"room for the WAL", walRoom, lowWater, 0, false, nil},
		{"room for the rest of the WAL", walRoom - 4096, lowWater, 4096, false, nil},
		{"a WAL is no room for jobs", walRoom, 0, lowWater, false, ErrNoSpace},
		{"unknown", lowWater - 1, lowWater, 0, true, ErrNoSpace},
	} {
		c := testConfig(t.TempDir())
		c.LowWater = lowWater
		c.Free = func(string) (int64, error) { return tc.free, nil }
		j, err := newJournal(c)
		must(t, err)
		j.ballast, j.headroom = &ballast{whole: true}, &headroom{}
		wal := filepath.Join(c.Dir, fileName+"-wal")
		must(t, os.WriteFile(wal, nil, 0o600))
		must(t, os.Truncate(wal, tc.wal))
		err = j.checkSpace(func() (int64, error) {
			if tc.unknown {
				return 0, unix.EIO
			}
			return tc.reusable, nil
		})
		if !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", tc.name, err, tc.want)
		}
	}
}

// A disk that the journal has filled up to the mark takes new work again after every pruning. It is not quite as much as at
// first, when the WAL was small.
func TestPruningMakesRoomOnASmallDisk(t *testing.T) {
	t.Parallel()
	c := testConfig(filepath.Join(smallDisk(t, 64), "state"))
	c.LowWater = walRoom
	j, err := Open(t.Context(), c)
	must(t, err)
	defer func() { must(t, j.Close()) }()
	jobs := 0
	for generation := range 3 {
		var admitted []string
		for {
			a := admission(fmt.Sprintf("%d-%d", generation, len(admitted)))
			a.Job.Spec, a.Begin = make([]byte, 1<<20), true
			if err = j.Admit(t.Context(), a); err != nil {
				break
			}
			admitted = append(admitted, a.Job.ID)
		}
		wantErr(t, err, ErrNoSpace)
		if generation == 0 {
			jobs = len(admitted)
		}
		if len(admitted) == 0 || len(admitted) < jobs/2 {
			t.Fatalf("generation %d: %d jobs had room, %d at first", generation, len(admitted), jobs)
		}
		for _, id := range admitted {
			must(t, j.Finish(t.Context(), Outcome{JobID: id, Status: Exited, At: epoch}))
		}
		if n := prune(t, j, epoch.Add(time.Second)); n != len(admitted) {
			t.Fatalf("pruned %d of %d", n, len(admitted))
		}
	}
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

// smallDisk mounts a file system of some megabytes and returns a directory on it.
func smallDisk(t *testing.T, megabytes int) string {
	t.Helper()
	mount := t.TempDir()
	if err := unix.Mount("tmpfs", mount, "tmpfs", 0, fmt.Sprintf("size=%dm,mode=0700", megabytes)); err != nil {
		t.Skipf("cannot mount a small file system (this needs root): %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(mount, unix.MNT_DETACH); err != nil { // children of other tests may hold its files between fork and exec
			t.Errorf("unmount: %v", err)
		}
	})
	return mount
}

// A really full disk: everything acknowledged is there, everything refused is not, and the journal works again when there is room.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	mount := smallDisk(t, 4)
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
	end.Result = make([]byte, 200<<10)
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
	must(t, errors.Join(j.Begin(t.Context(), Start{JobID: refused.Job.ID, At: epoch}), j.Finish(t.Context(), Outcome{JobID: refused.Job.ID, Status: Exited, At: epoch})))
	running = inState(t, j, Running)
	must(t, j.Close())

	j, err = Open(t.Context(), testConfig(dir))
	must(t, err)
	check()
}
