package spawn

import (
	"os"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// program is everything that a child does before it becomes the command: a list of system calls with their arguments. It is written in the parent,
// where memory can be allocated and decisions taken, and run in the child, where neither is possible. Both ways of making a child run the
// same program.
//
// Addresses are stored as numbers. What they point to is on the heap, where Go does not move it, and is kept alive by the program.
type program struct {
	calls  []call
	flags  uintptr // of clone(2): the namespaces
	cgroup int32   // directory of cgroup v2, or -1

	pidfd int32 // written by the kernel when the child is made
	step  Step  // that the child is at, or failed at
	errno syscall.Errno

	// report, if not -1, is a pipe that takes the message of a failed child. Without it the parent reads step and errno, sharing the memory.
	report  int32
	message record

	opened   int32                        // descriptor that one call opened, for later ones
	proc     unix.LandlockPathBeneathAttr // rule for the fresh /proc, which it names by a descriptor
	dir, now unix.Statx_t                 // the working directory as it was opened, and as its path leads to it in the child
	none     [1]byte                      // the empty C string
	sigset   [2]uint64                    // masks: what the thread that makes the child gets, and what it had
	keep     []any                        // what else the arguments point to
	lifted   []int                        // duplicates that close closes

	shares bool    // the child begins with the gateway's table of descriptors, see low.go
	table  int     // the call that ends this
	top    uintptr // the highest descriptor that is needed after it
	low    *low    // where descriptors were duplicated; nil for nowhere
}

// call is one system call. A result below least, and an error other than pass, is the end of the child.
type call struct {
	nr    uintptr
	args  [6]uintptr
	in    *int32 // if not nil, replaces the first argument
	out   *int32 // if not nil, takes the result
	least uintptr
	pass  syscall.Errno
	step  Step
}

// compareDir is no system call but compares dir and now.
const compareDir = ^uintptr(0)

// exitCode is how a child ends that did not become the command. Nobody sees it.
const exitCode = 253

// run is the child: it executes the program and never returns.
//
// Under Vfork it runs on the parent's stack, in the parent's memory, with the parent's thread-local storage, while the rest of the
// gateway goes on. So it must not allocate, lock, grow the stack (nosplit, and so must be all that it calls), store a pointer (the garbage
// collector may be marking), or be instrumented (norace, nocheckptr; with -race and -cover at once it is, which works, but not under a small
// limit on memory). It writes to *p alone, and only what is no pointer.
//
//go:noinline
//go:nosplit
//go:norace
//go:nocheckptr
func run(p *program) {
	var r uintptr
	var e syscall.Errno
	for i := range p.calls {
		c := &p.calls[i]
		p.step = c.step
		if c.in != nil {
			c.args[0] = uintptr(*c.in)
		}
		if c.nr == compareDir {
			r, e = 0, 0
			if p.now.Ino != p.dir.Ino || p.now.Dev_major != p.dir.Dev_major || p.now.Dev_minor != p.dir.Dev_minor {
				e = syscall.ESTALE
			}
		} else {
			r, _, e = syscall.RawSyscall6(c.nr, c.args[0], c.args[1], c.args[2], c.args[3], c.args[4], c.args[5])
		}
		if e == 0 && r < c.least {
			e = syscall.EIO
		}
		if e != 0 && e != c.pass {
			p.errno = e
			break
		}
		if c.out != nil {
			*c.out = int32(r)
		}
	}
	if p.report >= 0 {
		p.message.a, p.message.b = uint32(p.step), uint32(p.errno)
		syscall.RawSyscall6(unix.SYS_WRITE, uintptr(p.report), uintptr(unsafe.Pointer(&p.message)), unsafe.Sizeof(p.message), 0, 0, 0)
	}
	for {
		syscall.RawSyscall6(unix.SYS_EXIT_GROUP, exitCode, 0, 0, 0, 0, 0)
	}
}

// add appends a call and returns it, to be changed before the next one is added.
func (p *program) add(step Step, nr uintptr, args ...uintptr) *call {
	c := call{nr: nr, step: step}
	copy(c.args[:], args)
	p.calls = append(p.calls, c)
	return p.last()
}

// address returns where v is and keeps it there: the assignment to keep makes v escape to the heap.
func address[T any](p *program, v *T) uintptr {
	p.keep = append(p.keep, v)
	return uintptr(unsafe.Pointer(v))
}

// last is the call that was added last.
func (p *program) last() *call { return &p.calls[len(p.calls)-1] }

// text returns the address of s as a C string.
func (p *program) text(step Step, s string) (uintptr, error) {
	b, err := syscall.BytePtrFromString(s)
	if err != nil {
		return 0, &Error{step, err}
	}
	return address(p, b), nil
}

// texts returns the address of a NULL-terminated array of C strings.
func (p *program) texts(step Step, list []string) (uintptr, error) {
	array, err := syscall.SlicePtrFromStrings(list)
	if err != nil {
		return 0, &Error{step, err}
	}
	return address(p, &array[0]), nil
}

// number returns the descriptor of f, for calls that come before those that put 0, 1 and 2 into place, and before the child has a table of its own.
func number(f *os.File, step Step) (uintptr, error) {
	fd := f.Fd()
	if fd == ^uintptr(0) {
		return 0, &Error{step, syscall.EBADF}
	}
	return fd, nil
}

// fd returns the descriptor of f as a number above 2, so that putting 0, 1 and 2 into place cannot overwrite it, and as a low one where that matters.
func (p *program) fd(f *os.File, step Step) (uintptr, error) {
	fd, err := number(f, step)
	if err != nil {
		return 0, err
	}
	if p.shares && fd >= lowest {
		if p.low == nil {
			p.low = takeLow()
		}
		if p.low != nil {
			if fd, err = p.low.put(fd); err != nil {
				return 0, &Error{step, err}
			}
		}
	}
	if fd <= 2 {
		high, err := unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 3)
		if err != nil {
			return 0, &Error{step, err}
		}
		p.lifted = append(p.lifted, high)
		fd = uintptr(high)
	}
	p.top = max(p.top, fd)
	return fd, nil
}

// room is for the calls of programs, which are a few hundred bytes for each of a hundred calls.
var room = sync.Pool{New: func() any { return new(make([]call, 0, 192)) }}

// close closes what writing the program has opened, and gives its calls back. No child may be running it any more: one that shares this memory has
// executed its command or is dead.
func (p *program) close() {
	for _, fd := range p.lifted {
		unix.Close(fd)
	}
	if p.low != nil {
		p.low.close()
		p.low = nil
	}
	calls := p.calls
	p.calls = nil
	clear(calls) // they point into the program, which other calls must not keep alive
	calls = calls[:0]
	room.Put(&calls)
}
