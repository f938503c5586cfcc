package guest

import (
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/sidegate/sidegate/wasm/meter"
)

const (
	// slice is how much fuel a guest gets at a time: 3 µs of Go, which pays for much that it does not
	// run, 10 to 40 µs of ordinary C, and up to 30 ms of the slowest code, so it gets less near
	// its deadline. Between two slices the clock is read, and Go's collector can
	// stop this goroutine. Half of it would cost Go guests another 5 %.
	slice = 1 << 17
	// slowest is how long one unit of fuel takes at worst: a load that depends on the one before it, and
	// misses the caches and the processor's table of pages, or a page that is written for the first time.
	// For bulk instructions it is touching 64 bytes for the first time. grace is how far beyond its
	// deadline a call may run for code that it has entered.
	slowest     = 250 * time.Nanosecond
	slowestBulk = 32 * time.Nanosecond
	grace       = 8 * time.Millisecond
	// yieldEvery is how long a call keeps its processor before it lets other goroutines have it. Most calls
	// end sooner and never wait in the scheduler's queue; those that spin take turns with the others.
	yieldEvery = 200 * time.Microsecond

	// What the host does for a guest is charged as fuel too, by what it costs next to an
	// instruction of the guest.
	importCost = 64   // any import
	copyShift  = 4    // one unit for 16 bytes copied
	randomCost = 8    // for a byte of randomness
	fieldCost  = 8    // for a byte of a message that is searched for a field
	lineCost   = 4096 // a line for the log
	sleepCost  = 1024
	fetchCost  = 4096
)

var (
	errFuel      = errors.New("out of fuel")
	errDeadline  = errors.New("deadline exceeded")
	errMemory    = errors.New("out of memory")
	errDepth     = errors.New("call depth exceeded")
	errOutput    = errors.New("output limit exceeded")
	errLog       = errors.New("log limit exceeded")
	errBounds    = errors.New("pointer outside memory")
	errNoVerdict = errors.New("returned a number that is no verdict in this phase")
)

// A budget is what a call, or an initialization, may still use.
type budget struct {
	limit     int64         // fuel for the whole call
	spent     int64         // fuel, but for what the guest has used of its slice
	granted   int64         // what the guest's fuel global was last set to
	unchecked int64         // charged for imports since the clock was last read
	deadline  time.Duration // by now, as the next
	yielded   time.Duration
}

// epoch is where time begins for this package and for the guests' monotonic clock.
var epoch = time.Now()

// now is the time since epoch. It reads only the monotonic clock, in half the time of time.Now.
func now() time.Duration { return time.Since(epoch) }

// refill is what the import of the meter does about fuel. If that is negative, the guest has used up its slice, and gets the
// next, or is stopped. What is below zero has been paid for and not run, and will run without another check: a fill of all
// its memory, say. If that could end too long after the deadline, the guest is stopped before it.
func (in *instance) refill(fuel int64) int64 {
	in.spent += in.granted - fuel
	in.granted = 0
	in.check()
	t := now()
	if ahead := time.Duration(min(-fuel, 1<<30)) * slowestBulk; ahead > grace && t+ahead > in.deadline+grace {
		in.halt(KindDeadline, errDeadline)
	}
	in.grant(t)
	return in.granted
}

// grant gives the guest its next slice: no more than what can be run by the deadline, and its grace, at worst.
func (in *instance) grant(t time.Duration) {
	most := int64((in.deadline+grace-t)/slowest) - meter.MaxSegment
	in.granted = max(0, min(slice, most, in.limit-in.spent))
}

// charge takes fuel for what an import does, and reads the clock once the charges since it was last read make
// a slice. So imports are checked against the deadline as the guest's own code is, by the work done.
func (in *instance) charge(cost int64) {
	in.spent += cost
	in.unchecked += cost
	if in.unchecked >= slice {
		in.check()
	}
}

// check stops the guest if its fuel, its time or its caller's patience has ended.
func (in *instance) check() {
	in.unchecked = 0
	if in.spent > in.limit {
		in.halt(KindFuel, errFuel)
	}
	t := now()
	if t >= in.deadline {
		in.halt(KindDeadline, errDeadline)
	}
	if err := in.caller.Err(); err != nil {
		in.halt(KindCancelled, err)
	}
	if t-in.yielded >= yieldEvery {
		runtime.Gosched()
		in.yielded = now()
	}
}

// errHalt unwinds a guest; why is in the instance.
var errHalt = errors.New("halted")

// halt stops the guest. It does not return: wazero recovers the panic where the guest was called.
func (in *instance) halt(kind Kind, err error) {
	in.halted, in.haltErr = kind, err
	panic(errHalt)
}

// exit is what proc_exit does.
func (in *instance) exit(code uint32) { in.halt(KindExit, fmt.Errorf("exit code %d", code)) }
