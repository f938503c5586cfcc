package executor

import (
	"fmt"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Status says how a job ended.
type Status string

// The statuses of a job. Run returns the first four, and StatusFailed when the operating system did not tell how the command ended.
// StatusInterrupted is for whoever recovers jobs after a crash of the gateway.
const (
	StatusExited      Status = "exited"
	StatusSignaled    Status = "signaled"
	StatusTimedOut    Status = "timed_out"
	StatusKilled      Status = "killed" // the context was cancelled
	StatusInterrupted Status = "interrupted"
	StatusFailed      Status = "failed"
)

// Result is what became of a job that was started. It has to be closed.
type Result struct {
	Status Status
	// ExitCode is the exit code, or 128+n when signal n ended the command, whoever sent it. A command that was asked to end by SIGTERM
	// and exited keeps its own code.
	ExitCode int
	// Signal is the name of the signal that ended the command, like "SIGSEGV", or "".
	Signal string
	// TimedOut is true if the command was still running at the timeout.
	TimedOut bool
	// OOM is true if the kernel ended the command for want of memory. Without a cgroup that is not known and stays false.
	OOM bool
	// Truncated is true if Stdout or Stderr is not all that was written.
	Truncated bool
	// Stdout and Stderr are the output, byte for byte up to Job.MaxOutput. Of a longer stream the beginning and the end are kept, as much of either, and
	// a line "[sidegate: N bytes left out]", surrounded by newlines, stands between them; together they are no more than MaxOutput. (With a MaxOutput of
	// less than 400 bytes the line comes on top, and where the disk was full a second one does.) Where what is kept ends or begins
	// in the middle of a UTF-8 character, the up to 3 bytes of that character that are in it are left out and counted in N: text stays text. In
	// binary data, bytes that look like such a part of a character are left out as well. Where the disk had no room for all of this, such a line
	// stands where something is missing.
	Stdout, Stderr *Output
	// StdoutBytes and StderrBytes count what was written, kept or not.
	StdoutBytes, StderrBytes int64
	// Survivors is true if processes of the job were found and could not be killed within some seconds.
	Survivors bool
	// Usage is what the command and the descendants it waited for have used.
	Usage Usage
	// Enforced and Missing name the features of the profile, and Missing also the obligations, that did and did not hold.
	Enforced, Missing []string
	// Cause is why the context was cancelled (context.Cause) when Status is StatusKilled, else nil.
	Cause error
	// Started is when the program was executed; Ended is when it, not its descendants, was seen to have ended.
	Started, Ended time.Time
}

// Close closes Stdout and Stderr. Closing again does nothing.
func (r *Result) Close() {
	r.Stdout.Close()
	r.Stderr.Close()
}

// Usage is taken from getrusage(2).
type Usage struct {
	User, System time.Duration
	// MaxRSS is the largest resident set of any one process, in bytes. It is 0 when it is not known: Linux counts the memory of the gateway, from
	// which a child is forked, towards the child, so a command smaller than the gateway's own peak cannot be told from it.
	MaxRSS int64
}

// setEnd fills in how the leader ended.
func (r *Result) setEnd(ws unix.WaitStatus) {
	r.Status = StatusExited
	r.ExitCode = ws.ExitStatus()
	if ws.Signaled() {
		r.Status = StatusSignaled
		r.ExitCode = 128 + int(ws.Signal())
		r.Signal = signalName(ws.Signal())
	}
}

// signalName also names the real-time signals, which have no names in the C library either.
func signalName(s syscall.Signal) string {
	if name := unix.SignalName(s); name != "" {
		return name
	}
	return fmt.Sprintf("SIG%d", int(s))
}
