package spawn

import (
	"os"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A child that hangs on its way to the command, here in a write to a full pipe, is killed; and meanwhile the gateway goes on, its garbage
// collector included.
func TestChildThatHangs(t *testing.T) {
	defer func(d time.Duration) { patience = d }(patience)
	patience = 500 * time.Millisecond
	for name, step := range map[string]Step{"vfork": StepTasks, "helper": StepHelper} {
		t.Run(name, func(t *testing.T) {
			start, ok := ways(t)[name]
			if !ok {
				t.Skip("not supported on this processor")
			}
			fds := openFDs(t)
			t.Cleanup(func() { nothingLeft(t, fds) })
			s := command(t, "true")
			s.Tasks = []*os.File{fullPipe(t)}
			refusal := make(chan error)
			go func() {
				_, err := start(s)
				refusal <- err
			}()
			collections := 0
			for {
				select {
				case err := <-refusal:
					wantError(t, err, step, unix.ETIMEDOUT)
					if collections == 0 {
						t.Error("the gateway stood still while the child hung")
					}
					return
				default:
					runtime.GC()
					collections++
				}
			}
		})
	}
}

// fullPipe returns the writing end of a pipe that takes nothing more.
func fullPipe(t testing.TB) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	size, err := unix.FcntlInt(r.Fd(), unix.F_GETPIPE_SZ, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	return w
}
