package spawn

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A helper that dies, lies or says nothing is an error, never a child.
func TestHelperAnswers(t *testing.T) {
	stranger := uint32(os.Getppid())
	for _, tc := range []struct {
		name    string
		records []record
		raw     []byte
		step    Step
		err     error
	}{
		{"nothing", nil, nil, StepHelper, errSilent},
		{"half a record", nil, []byte{1, 0, 0, 0, 1}, StepHelper, nil},
		{"unknown kind", []record{{7, 1, 1}}, nil, StepHelper, errBabble},
		{"step 0", []record{{recordFailure, 0, 1}}, nil, StepHelper, errBabble},
		{"unknown step", []record{{recordFailure, uint32(stepEnd), 1}}, nil, StepHelper, errBabble},
		{"failure without a reason", []record{{recordFailure, uint32(StepExec), 0}}, nil, StepHelper, errBabble},
		{"pid 1", []record{{recordPID, 1, 0}}, nil, StepHelper, errBabble},
		{"somebody else's process", []record{{recordPID, stranger, 0}}, nil, StepHelper, unix.ECHILD},
		{"this process", []record{{recordPID, uint32(os.Getpid()), 0}}, nil, StepHelper, unix.ECHILD},
		{"no process", []record{{recordPID, 1<<22 + 1, 0}}, nil, StepHelper, unix.ESRCH},
		{"impossible pid", []record{{recordPID, 1<<32 - 1, 0}}, nil, StepHelper, unix.EINVAL},
		{"a failure", []record{{recordFailure, uint32(StepLandlock), uint32(unix.EPERM)}}, nil, StepLandlock, unix.EPERM},
	} {
		t.Run(tc.name, func(t *testing.T) {
			fds := openFDs(t)
			talk, answer := conversation(t)
			for _, r := range tc.records {
				tc.raw = append(tc.raw, r.bytes()...)
			}
			if _, err := answer.Write(tc.raw); err != nil {
				t.Fatal(err)
			}
			answer.Close()
			err := talk.order([]byte("message"))
			var e *Error
			if !errors.As(err, &e) || e.Step != tc.step || (tc.err != nil && !errors.Is(err, tc.err)) {
				t.Errorf("error %v, want %v: %v", err, tc.step, tc.err)
			}
			if talk.child != 0 {
				t.Errorf("child %d", talk.child)
			}
			talk.close()
			if now := openFDs(t); now != fds+1 { // the far end of the message
				t.Errorf("%d descriptors are open, before there were %d", now, fds)
			}
		})
	}
}

// conversation is one with a helper whose answer the test writes.
func conversation(t *testing.T) (*talk, *os.File) {
	t.Helper()
	message, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { message.Close() })
	from, answer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	return &talk{to: to, from: from, pidfd: -1}, answer
}

// A helper that is killed before it has read its message leaves nothing behind.
func TestHelperKilled(t *testing.T) {
	fds := openFDs(t)
	t.Cleanup(func() { nothingLeft(t, fds) })
	s := command(t, "true")
	talk, err := startHelper(s)
	if err != nil {
		t.Fatal(err)
	}
	defer talk.close()
	if err := unix.Kill(talk.pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	wantError(t, talk.order(encode(s, s.manifest())), StepHelper, errSilent)
	talk.abort()
	noChildren(t)
}

// The command does not run before the gateway knows it, and never if the gateway is gone by then.
func TestChildWaitsForLeave(t *testing.T) {
	for _, tc := range []struct {
		name string
		end  func(t *testing.T, talk *talk)
	}{
		{"aborted", func(t *testing.T, talk *talk) { talk.abort() }},
		{"gateway gone", func(t *testing.T, talk *talk) {
			talk.to.Close()
			failure, err := talk.receive()
			if err != nil {
				t.Fatal(err)
			}
			wantError(t, failure.failure(), StepHelper, unix.EIO)
			reap(-talk.pid)
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			fds := openFDs(t)
			t.Cleanup(func() { nothingLeft(t, fds) })
			mark := filepath.Join(openDir(t), "mark")
			s := script(t, "echo > "+mark)
			talk, err := startHelper(s)
			if err != nil {
				t.Fatal(err)
			}
			defer talk.close()
			if _, err := talk.to.Write(encode(s, s.manifest())); err != nil {
				t.Fatal(err)
			}
			first, err := talk.receive()
			if err != nil || first == nil || first.kind != recordPID {
				t.Fatal(first, err)
			}
			tc.end(t, talk)
			noChildren(t)
			if _, err := os.Stat(mark); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the command ran: %v", err)
			}
		})
	}
}

// A helper that is stopped is killed when its time is over.
func TestHelperStopped(t *testing.T) {
	defer func(d time.Duration) { patience = d }(patience)
	patience = 200 * time.Millisecond
	fds := openFDs(t)
	t.Cleanup(func() { nothingLeft(t, fds) })
	s := command(t, "true")
	talk, err := startHelper(s)
	if err != nil {
		t.Fatal(err)
	}
	defer talk.close()
	if err := unix.Kill(talk.pid, unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	wantError(t, talk.order(encode(s, s.manifest())), StepHelper, unix.ETIMEDOUT)
	talk.abort()
	noChildren(t)
}

// In any other process RunHelper returns, whatever its name.
func TestRunHelperElsewhere(t *testing.T) {
	for _, argv := range [][]string{{helperName}, {helperName, "x"}} {
		cmd := again("returned")
		cmd.Args = argv
		if got, err := cmd.Output(); err != nil || string(got) != "returned" {
			t.Errorf("argv %q: got %q, %v", argv, got, err)
		}
	}
}
