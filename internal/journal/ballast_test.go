package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"golang.org/x/sys/unix"
)

// fillUp writes a file until the disk is full to the last byte.
func fillUp(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	must(t, err)
	defer f.Close()
	piece := make([]byte, 1<<20)
	for size := len(piece); size > 0; size /= 2 {
		for err = nil; err == nil; {
			_, err = f.Write(piece[:size])
			err = errors.Join(err, f.Sync())
		}
		if !errors.Is(err, unix.ENOSPC) {
			t.Fatal(err)
		}
	}
}

func fullDisks(t *testing.T) map[string]func(t *testing.T) (dir string) {
	return map[string]func(t *testing.T) string{
		"tmpfs": func(t *testing.T) string { return smallDisk(t, 64) },
		"ext4":  func(t *testing.T) string { return newLoopDisk(t, 64).mount },
	}
}

// A disk that somebody fills to the last byte: new work is refused and leaves nothing, jobs that run end with a status and an output, their callbacks with
// an outcome, and the service resumes by itself when there is room again.
func TestFullDiskWithBallast(t *testing.T) {
	t.Parallel()
	for name, disk := range fullDisks(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mount := disk(t)
			dir, filler := filepath.Join(mount, "state"), filepath.Join(mount, "filler")
			c := testConfig(dir)
			c.LowWater, c.Ballast = 4<<20, 4<<20
			j, err := Open(t.Context(), c)
			must(t, err)
			defer func() { must(t, j.Close()) }()
			var running []string
			for range 10 {
				running = append(running, inState(t, j, Running))
			}
			waiting := inState(t, j, Accepted)
			if !j.ballast.heavy() || j.Stats().BallastGone {
				t.Fatal("there is no ballast")
			}
			for generation := range 2 {
				fillUp(t, filler)
				refused := admission(fmt.Sprint("refused-", generation))
				wantErr(t, j.Admit(t.Context(), refused), ErrNoSpace)
				wantErr(t, j.Writable(t.Context()), ErrNoSpace)
				for i, id := range running {
					o := outcome(id)
					o.Result = make([]byte, 600<<10) // more than the WAL has room for
					if err := j.Finish(t.Context(), o); err != nil {
						t.Fatalf("job %d: %v", i, err)
					}
					must(t, j.Settle(t.Context(), Settlement{DeliveryID: o.Callback.DeliveryID, State: Delivered, At: epoch}))
				}
				if generation == 0 {
					must(t, j.Begin(t.Context(), Start{JobID: waiting, At: epoch}))
				}
				if !j.Stats().BallastGone {
					t.Error("nothing needed the ballast: the test proves nothing")
				}
				wantErr(t, j.Admit(t.Context(), refused), ErrNoSpace)
				wantErr(t, j.Writable(t.Context()), ErrNoSpace)
				_, err = j.Job(t.Context(), refused.Job.ID)
				wantErr(t, err, ErrNotFound)

				must(t, os.Truncate(filler, 0))
				must(t, j.Writable(t.Context()))
				must(t, j.Admit(t.Context(), refused))
				if j.Stats().BallastGone {
					t.Error("the ballast was not taken again")
				}
				for _, id := range running {
					if job, err := j.Job(t.Context(), id); err != nil || job.Status != Exited || read(t, j.Reader, id, Stdout) != "out of "+id {
						t.Errorf("%+v, %v", job, err)
					}
				}
				must(t, j.Begin(t.Context(), Start{JobID: refused.Job.ID, At: epoch}))
				running = []string{refused.Job.ID}
				for range 10 {
					running = append(running, inState(t, j, Running))
				}
			}
		})
	}
}

// Without ballast, and the headroom that comes with it, the same disk lets no job end: this is what they are for.
func TestFullDiskWithoutBallast(t *testing.T) {
	t.Parallel()
	mount := smallDisk(t, 64)
	j, err := Open(t.Context(), testConfig(filepath.Join(mount, "state")))
	must(t, err)
	defer func() { must(t, j.Close()) }()
	o := outcome(inState(t, j, Running))
	o.Result = make([]byte, 100<<10)
	fillUp(t, filepath.Join(mount, "filler"))
	wantErr(t, j.Finish(t.Context(), o), ErrNoSpace)
	must(t, os.Truncate(filepath.Join(mount, "filler"), 0))
	must(t, j.Finish(t.Context(), o))
}

// When the ballast is needed, what waits at the same time is not lost: only new work is refused.
func TestBallastForABatch(t *testing.T) {
	t.Parallel()
	mount := smallDisk(t, 64)
	synctest.Test(t, func(t *testing.T) {
		c := testConfig(filepath.Join(mount, "state"))
		c.Ballast = 4 << 20
		j := openWith(t, c)
		end, refused := outcome(inState(t, j, Running)), admission("refused")
		end.Result, end.Leaf = make([]byte, 6<<20), func(Output) ([]byte, error) { return []byte("ended"), nil }
		refused.Leaves = [][]byte{[]byte("admitted")}
		fillUp(t, filepath.Join(mount, "filler"))

		release := hold(t, j)
		var group sync.WaitGroup
		group.Go(func() { wantErr(t, j.Admit(t.Context(), refused), ErrNoSpace) })
		synctest.Wait()
		group.Go(func() { must(t, j.Finish(t.Context(), end)) })
		synctest.Wait()
		release()
		group.Wait()
		var audit model
		audit.add(t, []byte("ended"))
		checkAudit(t, j.Reader, &audit)
	})
}

func TestBallastFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, ballastName)
	const size = 1 << 20
	check := func(what string, b *ballast, heavy bool) {
		t.Helper()
		var st unix.Stat_t
		must(t, unix.Stat(path, &st))
		if b.heavy() != heavy || heavy && (st.Size != size || st.Blocks*512 < size) || !heavy && st.Blocks != 0 || b.missing() != map[bool]int64{true: 0, false: size}[heavy] {
			t.Errorf("%s: heavy %v with %d bytes in %d blocks", what, b.heavy(), st.Size, st.Blocks)
		}
	}
	reopen := func(b *ballast) *ballast {
		t.Helper()
		must(t, b.close())
		b, err := openBallast(dir, size)
		must(t, err)
		return b
	}
	b, err := openBallast(dir, size)
	must(t, err)
	check("new", b, false)
	must(t, errors.Join(b.take(), b.take()))
	check("taken", b, true)
	b = reopen(b)
	check("opened again", b, true)
	if released, err := b.release(); !released || err != nil {
		t.Errorf("released %v, %v", released, err)
	}
	check("released", b, false)
	if released, err := b.release(); released || err != nil {
		t.Errorf("released again %v, %v", released, err)
	}
	b = reopen(b)
	check("opened after a release", b, false)
	must(t, os.Truncate(path, size))
	b = reopen(b)
	check("hollow", b, false)
	must(t, b.write())
	b.whole = true
	check("written", b, true)
	must(t, b.close())
	must(t, os.WriteFile(path, []byte(strings.Repeat("x", 2*size)), 0o600))
	b, err = openBallast(dir, size)
	must(t, err)
	check("too large", b, true)
	must(t, b.close())

	none, err := openBallast(dir, 0)
	must(t, err)
	if _, err := os.Stat(path); err == nil || none.heavy() || none.missing() != 0 || none.take() != nil || none.close() != nil {
		t.Errorf("none is %+v, %v", none, err)
	}
	must(t, unix.Mkfifo(path, 0o600))
	if _, err := openBallast(dir, size); err == nil {
		t.Error("a pipe is taken for ballast")
	}
	must(t, errors.Join(os.Remove(path), os.Symlink("/dev/null", path)))
	if _, err := openBallast(dir, size); err == nil {
		t.Error("a link is taken for ballast")
	}
}

// The ballast counts as used, also while it is not there: new work must not take its place.
func TestRoomForTheBallast(t *testing.T) {
	t.Parallel()
	c := testConfig(t.TempDir())
	c.LowWater, c.Ballast = 10<<20, 1<<20
	free := int64(12<<20 - 1) // with headroom for the WAL
	c.Free = func(string) (int64, error) { return free, nil }
	j := openWith(t, c)
	wantErr(t, j.Writable(t.Context()), ErrNoSpace)
	if j.ballast.heavy() {
		t.Error("the ballast took room that was not there")
	}
	free++
	must(t, j.Writable(t.Context()))
	if !j.ballast.heavy() {
		t.Error("there is room, and no ballast")
	}
	free = 10 << 20 // as the system says afterwards
	must(t, j.Writable(t.Context()))
	free--
	wantErr(t, j.Writable(t.Context()), ErrNoSpace)
}

func TestBallastSize(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ lowWater, ballast, want int64 }{
		{0, 0, DefaultBallast}, {10 << 20, 0, 5 << 20}, {1 << 30, 0, DefaultBallast}, {-1, 0, DefaultBallast}, {10, 7, 7}, {0, -1, 0},
	} {
		j, err := newJournal(Config{Dir: "x", LowWater: tc.lowWater, Ballast: tc.ballast})
		if must(t, err); j.ballastSize != tc.want {
			t.Errorf("%+v: %d", tc, j.ballastSize)
		}
	}
}
