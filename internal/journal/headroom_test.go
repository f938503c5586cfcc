package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// A disk that somebody keeps full, also when the ballast is given up: the ends of jobs have room that nobody can take.
func TestHeadroomOnAFullDisk(t *testing.T) {
	t.Parallel()
	for name, disk := range fullDisks(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mount := disk(t)
			c := testConfig(filepath.Join(mount, "state"))
			c.LowWater, c.Ballast = 8<<20, 4<<20
			j, err := Open(t.Context(), c)
			must(t, err)
			defer func() { must(t, j.Close()) }()
			var running []string
			for range 50 {
				running = append(running, inState(t, j, Running))
			}
			waiting := inState(t, j, Accepted)
			if j.headroom.wal == nil || j.headroom.missing() != 0 {
				t.Fatal("there is no headroom")
			}
			fillUp(t, filepath.Join(mount, "filler"))
			must(t, j.Begin(t.Context(), Start{JobID: waiting, At: epoch}))
			if !j.Stats().BallastGone {
				t.Error("the ballast is still there")
			}
			fillUp(t, filepath.Join(mount, "filler")) // with what the ballast has given up
			for i, id := range running {
				o := outcome(id)
				if err := j.Finish(t.Context(), o); err != nil {
					t.Fatalf("job %d: %v", i, err)
				}
				must(t, j.Settle(t.Context(), Settlement{DeliveryID: o.Callback.DeliveryID, State: Delivered, At: epoch}))
			}
			wantErr(t, j.Writable(t.Context()), ErrNoSpace)
		})
	}
}

// The headroom is behind the end of the WAL wherever that is, and a WAL that grows takes it along.
func TestHeadroomMovesWithTheWAL(t *testing.T) {
	t.Parallel()
	c := testConfig(filepath.Join(smallDisk(t, 64), "state"))
	c.LowWater, c.Ballast = 4<<20, 2<<20
	j := openWith(t, c)
	for i := range 40 {
		a := admission(fmt.Sprint(i))
		a.Job.Spec = make([]byte, 1<<20)
		err := j.Admit(t.Context(), a)
		if errors.Is(err, ErrNoSpace) {
			break
		}
		must(t, err)
		if end, ahead, err := j.headroom.ahead(); err != nil || end == 0 || ahead < -1<<20 {
			t.Fatalf("%d bytes are ahead of %d, %v", ahead, end, err)
		}
		must(t, j.Writable(t.Context()))
		if j.headroom.missing() != 0 {
			t.Fatalf("%d bytes of headroom are missing", j.headroom.missing())
		}
	}
}

func TestHeadroomFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "wal")
	if _, err := openHeadroom(path, 1); err == nil {
		t.Error("a WAL that is not there has headroom")
	}
	none, err := openHeadroom(path, 0)
	if err != nil || none.missing() != 0 || none.grow() != nil || none.close() != nil {
		t.Errorf("none is %+v, %v", none, err)
	}
	must(t, os.WriteFile(path, make([]byte, 8192), 0o600))
	const size = 1 << 20
	h, err := openHeadroom(path, size)
	must(t, err)
	if h.missing() != size {
		t.Errorf("at first %d bytes are missing", h.missing())
	}
	must(t, h.grow())
	if h.wal == nil {
		t.Skip("this file system gives no room ahead")
	}
	var st unix.Stat_t
	must(t, unix.Stat(path, &st))
	if st.Size != 8192 || st.Blocks*512 < size+8192 || h.missing() != 0 {
		t.Errorf("%d bytes in %d blocks, and %d missing", st.Size, st.Blocks, h.missing())
	}
	must(t, os.Truncate(path, 4096)) // what is ahead may be gone then
	must(t, h.grow())
	if h.missing() != 0 {
		t.Errorf("%d bytes are missing", h.missing())
	}
	must(t, errors.Join(h.close(), h.close()))
}
