package spawn

import (
	"sync"

	"golang.org/x/sys/unix"
)

// A child gets a copy of the gateway's table of descriptors, and execve(2) closes what of it the command is not to have: a gateway with a thousand open
// ones pays for each of them with every command. So a child of Vfork shares the table at first, and then takes a copy that ends behind the highest
// descriptor that it needs. For these to be at the bottom some low numbers are set aside, and what is not low is duplicated there while its child is made.
const (
	// lowest is how many numbers at the bottom are good enough: a table of so many is small.
	lowest = 128
	// sets is how many children can have low descriptors at the same time. Each set is copied for each child, which is why there are no more.
	sets = 16
	// needs is how many a child needs in its own table: the executable, three streams, the directory and the ruleset.
	needs = 6
)

// low is a set of numbers for one child.
type low struct {
	numbers [needs]int
	from    [needs]uintptr // what is open there now
	used    int
}

// reserve is what was set aside. Under numbers that are not in use idle is open, of which nobody has any use, so that nothing else gets them.
type reserve struct {
	idle int
	free chan *low
}

// lows is made by the first call of Vfork.
var lows = sync.OnceValue(func() *reserve {
	r := &reserve{free: make(chan *low, sets)}
	var err error
	if r.idle, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return r
	}
	for range sets {
		l := &low{}
		for i := range l.numbers {
			fd, err := unix.FcntlInt(uintptr(r.idle), unix.F_DUPFD_CLOEXEC, 3)
			if err != nil || fd >= lowest {
				if err == nil {
					unix.Close(fd)
				}
				for _, fd := range l.numbers[:i] {
					unix.Close(fd)
				}
				return r
			}
			l.numbers[i] = fd
		}
		r.free <- l
	}
	return r
})

// takeLow returns a free set. A child for which there is none, nil, is made all the same, with a longer table.
func takeLow() *low {
	select {
	case l := <-lows().free:
		return l
	default:
		return nil
	}
}

// put duplicates a descriptor to a number of the set, if there is one left.
func (l *low) put(fd uintptr) (uintptr, error) {
	for i, from := range l.from[:l.used] {
		if from == fd {
			return uintptr(l.numbers[i]), nil
		}
	}
	if l.used == needs {
		return fd, nil
	}
	to := l.numbers[l.used]
	if err := unix.Dup3(int(fd), to, unix.O_CLOEXEC); err != nil {
		return 0, err
	}
	l.from[l.used] = fd
	l.used++
	return uintptr(to), nil
}

// close closes what was duplicated, and gives the set back. A number that cannot be covered again is closed, and the set is not used any more.
func (l *low) close() {
	whole := true
	for _, fd := range l.numbers[:l.used] {
		if unix.Dup3(lows().idle, fd, unix.O_CLOEXEC) != nil {
			unix.Close(fd)
			whole = false
		}
	}
	l.used = 0
	if whole {
		lows().free <- l
	}
}
