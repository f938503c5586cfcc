package executor

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"
)

func init() { helpers["offsets"] = writeOffsets }

// writeOffsets writes OFFSETS bytes: each 8 of them are their own offset. Then it reads from the FIFO, if there is one.
func writeOffsets() error {
	size, err := strconv.Atoi(os.Getenv("OFFSETS"))
	if err != nil {
		return err
	}
	block := make([]byte, 64<<10)
	for at := 0; at < size; at += len(block) {
		for i := 0; i < len(block); i += 8 {
			binary.BigEndian.PutUint64(block[i:], uint64(at+i))
		}
		if _, err := os.Stdout.Write(block[:min(len(block), size-at)]); err != nil {
			return err
		}
	}
	if fifo := os.Getenv("FIFO"); fifo != "" {
		_, err = os.ReadFile(fifo)
	}
	return err
}

// offsets is a job that writes so many bytes, and ends when something was written to fifo, if that is not "".
func offsets(t testing.TB, size int64, fifo string) Job {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	job := command(t, self)
	job.Env = []string{helperKey + "=offsets", "OFFSETS=" + strconv.FormatInt(size, 10), "FIFO=" + fifo, "GORACE=atexit_sleep_ms=0"}
	job.Timeout = time.Minute
	return job
}

// areOffsets tells whether b is what writeOffsets writes at an offset.
func areOffsets(b []byte, at int64) bool {
	var word [8]byte
	for i := range b {
		if o := at + int64(i); i == 0 || o%8 == 0 {
			binary.BigEndian.PutUint64(word[:], uint64(o&^7))
		}
		if b[i] != word[(at+int64(i))%8] {
			return false
		}
	}
	return true
}

// begin starts a job that is to be followed, and returns a function that waits for its end.
func begin(t *testing.T, r *Runner, job Job) (*Running, func() Result) {
	t.Helper()
	started, err := r.Start(t.Context(), job)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan Result, 1)
	go func() { ended <- started.Wait(t.Context()) }()
	return started, func() Result { return <-ended }
}

func follow(t *testing.T, p *Running, s Stream, offset int64) *Follower {
	t.Helper()
	f, err := p.Follow(s, offset)
	if err != nil {
		t.Error(err)
		return nil
	}
	return f
}

// checked follows until an offset, or with -1 to the end, in steps of a size, and checks what it gets. It returns how much was skipped.
func (f *Follower) checked(ctx context.Context, until int64, step int) (skipped int64, err error) {
	b := make([]byte, step)
	for until < 0 || f.Offset() < until {
		from := f.Offset()
		n, left, err := f.Read(ctx, b)
		skipped += left
		switch {
		case err == io.EOF && until < 0 && n == 0 && left == 0:
			return skipped, nil
		case err != nil:
			return skipped, err
		case n == 0 && left == 0 || from+left+int64(n) != f.Offset():
			return skipped, fmt.Errorf("at %d: %d bytes, %d skipped, now at %d", from, n, left, f.Offset())
		case !areOffsets(b[:n], from+left):
			return skipped, fmt.Errorf("at %d: %d bytes of something else", from+left, n)
		}
	}
	return skipped, nil
}

// Followers of every kind read a command that prints 100 MiB.
func TestFollowers(t *testing.T) {
	t.Parallel()
	for _, keep := range []int64{100_000, 4 << 20} { // the smaller ring is overwritten under the eyes of all of them
		t.Run(strconv.FormatInt(keep, 10), func(t *testing.T) {
			t.Parallel()
			testFollowers(t, 100<<20, keep)
		})
	}
}

func testFollowers(t *testing.T, size, keep int64) {
	job := offsets(t, size, "")
	job.MaxOutput = keep
	p, wait := begin(t, newRunner(t, nil), job)
	half, done := make(chan struct{}), make(chan struct{})
	var all sync.WaitGroup
	for name, one := range map[string]func() error{
		"all along": func() error {
			f := follow(t, p, Stdout, 0)
			defer f.Close()
			_, err := f.checked(t.Context(), size/2, 64<<10)
			close(half)
			if err == nil {
				_, err = f.checked(t.Context(), -1, 64<<10)
			}
			if f.Offset() != size {
				err = errors.Join(err, fmt.Errorf("ended at %d", f.Offset()))
			}
			return err
		},
		"late": func() error {
			<-half
			f := follow(t, p, Stdout, 0)
			defer f.Close()
			skipped, err := f.checked(t.Context(), -1, 100_000)
			if skipped < size/2-keep || f.Offset() != size {
				err = errors.Join(err, fmt.Errorf("skipped %d, ended at %d", skipped, f.Offset()))
			}
			return err
		},
		"leaves early": func() error {
			f := follow(t, p, Stdout, 0)
			defer f.Close()
			_, err := f.checked(t.Context(), 300_000, 777)
			return err
		},
		"slow": func() error { // it reads a little, and goes on only after everything was written
			f := follow(t, p, Stdout, 0)
			defer f.Close()
			if _, err := f.checked(t.Context(), 40_000, 10_000); err != nil {
				return err
			}
			<-done
			skipped, err := f.checked(t.Context(), -1, 7777)
			if skipped != size-keep || f.Offset() != size {
				err = errors.Join(err, fmt.Errorf("skipped %d, ended at %d", skipped, f.Offset()))
			}
			return err
		},
		"never reads": func() error {
			f := follow(t, p, Stdout, 0)
			defer f.Close()
			<-done
			return nil
		},
		"another stream": func() error {
			f := follow(t, p, Stderr, 0)
			defer f.Close()
			skipped, err := f.checked(t.Context(), -1, 10)
			if skipped != 0 || f.Offset() != 0 {
				err = errors.Join(err, fmt.Errorf("skipped %d, ended at %d", skipped, f.Offset()))
			}
			return err
		},
		"from the middle": func() error {
			f := follow(t, p, Stdout, size/4+3)
			defer f.Close()
			_, err := f.checked(t.Context(), -1, 30_000)
			return err
		},
		"gives up waiting": func() error {
			f := follow(t, p, Stdout, size)
			defer f.Close()
			ctx, cancel := context.WithCancelCause(t.Context())
			why := errors.New("enough")
			cancel(why)
			_, err := f.checked(ctx, -1, 10)
			if errors.Is(err, why) {
				return nil
			}
			return err // nil if the job has ended before
		},
	} {
		all.Go(func() {
			if err := one(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	res := wait()
	close(done)
	all.Wait()
	if res.Status != StatusExited || res.ExitCode != 0 || !res.Truncated || res.StdoutBytes != size {
		t.Errorf("%+v", res)
	}
	// Who comes after the end gets what is kept.
	f := follow(t, p, Stdout, 0)
	if skipped, err := f.checked(t.Context(), -1, 1<<20); err != nil || skipped != size-keep || f.Offset() != size {
		t.Errorf("after the end: skipped %d, ended at %d, %v", skipped, f.Offset(), err)
	}
	out := outputOf(t, res)
	// Bytes at the cut that look like a part of a character are left out.
	if half := int64(shownHalf(int(keep)) - 3); !areOffsets(out.Stdout[:half], 0) || !areOffsets(out.Stdout[int64(len(out.Stdout))-half:], size-half) {
		t.Error("the output is not what was written")
	}
	// A follower keeps what it reads, also when the result is closed.
	f.offset = 0
	if skipped, err := f.checked(t.Context(), -1, 1<<20); err != nil || skipped != size-keep {
		t.Errorf("after Close: skipped %d, %v", skipped, err)
	}
	f.Close()
	if _, err := p.Follow(Stdout, 0); !errors.Is(err, os.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

// What a command writes is seen before it ends, in memory as in a file, and by one that waited before it came.
func TestFollowWhileItRuns(t *testing.T) {
	t.Parallel()
	for _, size := range []int64{64, inMemory, inMemory + 8, 1 << 20} {
		fifo, _ := meeting(t)
		p, wait := begin(t, newRunner(t, nil), offsets(t, size, fifo))
		f := follow(t, p, Stdout, 0)
		if skipped, err := f.checked(t.Context(), size, 4096); err != nil || skipped != 0 {
			t.Errorf("%d bytes: skipped %d, %v", size, skipped, err)
		}
		release(t, fifo)
		if skipped, err := f.checked(t.Context(), -1, 4096); err != nil || skipped != 0 {
			t.Errorf("%d bytes: skipped %d, %v", size, skipped, err)
		}
		res := wait()
		if res.ExitCode != 0 || res.Truncated || res.StdoutBytes != size {
			t.Errorf("%+v", res)
		}
		f.Close()
		res.Close()
	}
}

// What is not kept is counted as skipped; that nothing is kept of the end, once that has come.
func TestFollowWhatIsNotKept(t *testing.T) {
	t.Parallel()
	r := newRunner(t, nil)
	for _, keep := range []int64{1, 2, 100, 1000} { // of 1, the tail is nothing
		const size = 10_000
		job := offsets(t, size, "")
		job.MaxOutput = keep
		p, wait := begin(t, r, job)
		f := follow(t, p, Stdout, 0)
		if skipped, err := f.checked(t.Context(), -1, 64); err != nil || skipped > size-keep || f.Offset() != size {
			t.Errorf("%d kept: skipped %d, ended at %d, %v", keep, skipped, f.Offset(), err)
		}
		f.Close()
		res := wait()
		late := follow(t, p, Stdout, 0) // the result does not take from it
		if skipped, err := late.checked(t.Context(), -1, 64); err != nil || skipped != size-keep || late.Offset() != size {
			t.Errorf("%d kept, after the end: skipped %d, ended at %d, %v", keep, skipped, late.Offset(), err)
		}
		late.Close()
		way := int64(way(int(keep)))
		if out := outputOf(t, res); !areOffsets(out.Stdout[:keep-keep/2-way], 0) || !areOffsets(out.Stdout[int64(len(out.Stdout))-keep/2+way:], size-keep/2+way) {
			t.Errorf("%d kept: %q", keep, out.Stdout)
		}
	}
}

func TestFollowRefuses(t *testing.T) {
	t.Parallel()
	p, wait := begin(t, newRunner(t, nil), command(t, "true"))
	if _, err := p.Follow(Stdout, -1); err == nil || errors.Is(err, os.ErrClosed) {
		t.Errorf("got %v", err)
	}
	res := wait()
	res.Close()
	if _, err := p.Follow(Stderr, 0); !errors.Is(err, os.ErrClosed) {
		t.Errorf("got %v", err)
	}
	if got := fmt.Sprint(Stdout, Stderr, Stream(7)); got != "stdout stderr Stream(7)" {
		t.Error(got)
	}
}
