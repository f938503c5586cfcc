package spawn

import (
	"errors"
	"io"
	"os"
	"runtime"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// helperName is argv[0] of a helper process.
const helperName = "sidegate-spawn"

// Descriptors of a helper process. 0, 1 and 2 are /dev/null, so that a crash of its runtime is not taken for output of the command.
const (
	fdMessage = 3 // pipe: the message, then the byte that lets the child go on
	fdReport  = 4 // pipe: records
	fdFiles   = 5 // Spec.files, then Spec.Tasks; those that are none are closed
)

// record is what a helper process and its child report, in the byte order of the machine.
type record struct{ kind, a, b uint32 }

const (
	recordPID     = 1 // a: the child's
	recordFailure = 2 // a: Step, b: errno
)

func (r *record) bytes() []byte { return (*[unsafe.Sizeof(*r)]byte)(unsafe.Pointer(r))[:] }

var (
	errSilent = errors.New("the helper process ended without a report; does main call spawn.RunHelper first?")
	errBabble = errors.New("the helper process reported something that makes no sense")
)

// Helper makes children by way of an intermediate process, which is the gateway's own executable started once more. It takes milliseconds
// where Vfork takes a fraction of one, and serves where Vfork cannot: on other processors, and for user namespaces. It has no state;
// Start may be called from several goroutines at once.
type Helper struct{}

// NewHelper tells whether there can be a helper: /proc has to be there, and the processor one whose system calls are known.
func NewHelper() (*Helper, error) {
	if !supported() {
		return nil, &Error{StepHelper, ErrUnsupported}
	}
	if _, err := os.Stat(ownExecutable); err != nil {
		return nil, &Error{StepHelper, err}
	}
	return &Helper{}, nil
}

// ownExecutable is the file that this process runs, even if another one has taken its place since.
const ownExecutable = "/proc/self/exe"

// Start makes a child as Vfork does. The child is the gateway's own, not the helper's: it is made with CLONE_PARENT. The helper process is reaped when
// Start returns. Until then, nobody may wait for unknown children of the gateway.
//
// The helper's child waits until the gateway has its pidfd. So no command runs, and no process is left, that the gateway does not know.
func (h *Helper) Start(s *Spec) (Child, error) {
	defer runtime.KeepAlive(s)
	if err := s.check(); err != nil {
		return Child{}, err
	}
	message := encode(s, s.manifest())
	if len(message) > headerSize+maxBody {
		return Child{}, &Error{StepExec, syscall.E2BIG}
	}
	t, err := startHelper(s)
	if err != nil {
		return Child{}, err
	}
	defer t.close()
	if err := t.order(message); err != nil {
		t.abort()
		return Child{}, err
	}
	reap(t.pid)
	return adopt(t.child, t.pidfd), nil
}

// talk is a conversation with a helper process.
type talk struct {
	pid      int // the helper process, and its process group
	to, from *os.File

	child, pidfd int // the child, 0 and -1 before the helper process has named it
}

// startHelper starts the process. Nothing of the gateway's environment is passed on.
func startHelper(s *Spec) (*talk, error) {
	fail := func(err error) (*talk, error) { return nil, &Error{StepHelper, err} }
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return fail(err)
	}
	defer null.Close()
	message, to, err := os.Pipe()
	if err != nil {
		return fail(err)
	}
	defer message.Close()
	from, report, err := os.Pipe()
	if err != nil {
		to.Close()
		return fail(err)
	}
	defer report.Close()

	t := &talk{to: to, from: from, pidfd: -1}
	files, err := helperFiles(s, null, message, report)
	if err != nil {
		t.close()
		return nil, err
	}
	// A process group of its own is what abort kills and reaps.
	attr := &syscall.ProcAttr{Env: []string{}, Files: files, Sys: &syscall.SysProcAttr{Setpgid: true}}
	if t.pid, err = syscall.ForkExec(ownExecutable, []string{helperName}, attr); err != nil {
		t.close()
		return fail(err)
	}
	return t, nil
}

// helperFiles lists the descriptors of the helper process in their order.
func helperFiles(s *Spec, null, message, report *os.File) ([]uintptr, error) {
	files := []uintptr{null.Fd(), null.Fd(), null.Fd(), message.Fd(), report.Fd()}
	steps := [fileCount]Step{StepExec, StepDir, StepStdio, StepStdio, StepStdio, StepLandlock, StepClone, StepNetwork}
	for i, f := range s.files() {
		fd := (*f).Fd()
		if *f != nil && fd == ^uintptr(0) {
			return nil, &Error{steps[i], syscall.EBADF}
		}
		files = append(files, fd)
	}
	for _, f := range s.Tasks {
		if f.Fd() == ^uintptr(0) {
			return nil, &Error{StepTasks, syscall.EBADF}
		}
		files = append(files, f.Fd())
	}
	return files, nil
}

// order sends the message, and returns when the child has executed the command, or with the reason why not.
func (t *talk) order(message []byte) error {
	deadline := time.Now().Add(patience)
	if err := errors.Join(t.to.SetDeadline(deadline), t.from.SetDeadline(deadline)); err != nil {
		return &Error{StepHelper, err}
	}
	// A helper that reads no further has a reason, which it reports.
	_, sendErr := t.to.Write(message)
	first, err := t.receive()
	if err != nil {
		return errors.Join(err, sendErr)
	}
	if first == nil {
		return &Error{StepHelper, errSilent}
	}
	if err := first.failure(); err != nil {
		return err
	}
	if err := t.meet(int(first.a)); err != nil {
		return &Error{StepHelper, err}
	}
	if _, err := t.to.Write([]byte{1}); err != nil {
		return &Error{StepHelper, err}
	}
	// The pipe ends when the child executes the command.
	second, err := t.receive()
	if err != nil || second == nil {
		return err
	}
	if err := second.failure(); err != nil {
		return err
	}
	return &Error{StepHelper, errBabble}
}

// receive returns the next record, or nil at the end.
func (t *talk) receive() (*record, error) {
	var r record
	_, err := io.ReadFull(t.from, r.bytes())
	switch {
	case err == io.EOF:
		return nil, nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, &Error{StepHelper, errTooLate}
	case err != nil:
		return nil, &Error{StepHelper, err}
	}
	return &r, nil
}

// failure is the error that a record reports, if it does.
func (r *record) failure() error {
	switch {
	case r.kind == recordPID && r.a > 1:
		return nil
	case r.kind == recordFailure && r.a > 0 && r.a < uint32(stepEnd) && r.b > 0:
		return &Error{Step(r.a), syscall.Errno(r.b)}
	}
	return &Error{StepHelper, errBabble}
}

// meet takes the pidfd of the child. It came as a number through a pipe, so it is asked whether that really is a child.
func (t *talk) meet(pid int) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return os.NewSyscallError("pidfd_open", err)
	}
	if err := unix.Waitid(unix.P_PIDFD, fd, nil, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil); err != nil {
		unix.Close(fd)
		return os.NewSyscallError("waitid", err)
	}
	t.child, t.pidfd = pid, fd
	return nil
}

// abort kills and reaps the helper process and its child. A child that was not told to go on is in the helper's process group still.
func (t *talk) abort() {
	_ = unix.Kill(-t.pid, unix.SIGKILL)
	if t.child != 0 {
		_ = unix.PidfdSendSignal(t.pidfd, unix.SIGKILL, nil, 0)
		discard(t.child, t.pidfd)
	}
	reap(-t.pid)
}

func (t *talk) close() {
	t.to.Close()
	t.from.Close()
}
