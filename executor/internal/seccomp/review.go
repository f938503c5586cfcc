package seccomp

import (
	"fmt"
	"slices"

	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/sys/unix"
)

// outcome is what becomes of a call: a condition is asked, or an error is returned, or it is allowed.
type outcome struct {
	call  int // index in verdicts.conditional, plus one
	errno unix.Errno
}

// verdicts is what becomes of every call of an architecture.
type verdicts struct {
	number      [newest + 1]outcome
	conditional []conditional
}

// run is successive numbers with one outcome.
type run struct {
	first uint32
	outcome
}

// review applies the tables to an architecture. A name that the architecture does not have is an error, as is one that is named twice.
func review(info *arch.Info, n Network) (*verdicts, error) {
	sockets, err := n.sockets()
	if err != nil {
		return nil, err
	}
	v := &verdicts{conditional: append(slices.Clone(conditionals), sockets)}
	v.conditional = slices.DeleteFunc(v.conditional, func(c conditional) bool { return c.amd64 && info != arch.X86_64 })
	for nr := range v.number {
		if _, ok := info.SyscallNumbers[nr]; !ok {
			v.number[nr].errno = unix.ENOSYS // no call, or one that was added after the table was made
		}
	}
	for _, nr := range reviewed {
		v.number[nr] = outcome{}
	}
	if info == arch.X86_64 {
		v.number[numberUprobe] = outcome{}
	}
	seen := map[uint32]bool{}
	set := func(name string, o outcome) error {
		nr, ok := number(info, name)
		switch {
		case !ok || nr > newest:
			return fmt.Errorf("seccomp: %s has no call %s", info.Name, name)
		case seen[nr]:
			return fmt.Errorf("seccomp: %s is listed twice", name)
		}
		seen[nr] = true
		v.number[nr] = o
		return nil
	}
	for _, g := range denied {
		names := g.names
		if info == arch.X86_64 {
			names = slices.Concat(g.names, g.amd64)
		}
		for _, name := range names {
			if err := set(name, outcome{errno: g.errno}); err != nil {
				return nil, err
			}
		}
	}
	for i, c := range v.conditional {
		if err := set(c.name, outcome{call: i + 1}); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// number returns the number of a call.
func number(info *arch.Info, name string) (uint32, bool) {
	if nr, ok := reviewed[name]; ok {
		return nr, true
	}
	nr, ok := info.SyscallNames[name]
	return uint32(nr), ok
}

// runs merges the outcomes of numbers that follow each other. The last run has all numbers above the newest, those of x32 included.
func (v *verdicts) runs() []run {
	runs := []run{{0, v.number[0]}}
	for nr, o := range v.number {
		if o != runs[len(runs)-1].outcome {
			runs = append(runs, run{uint32(nr), o})
		}
	}
	return append(runs, run{newest + 1, outcome{errno: unix.ENOSYS}})
}

// errnos lists the errors of all outcomes, each once, in order.
func (v *verdicts) errnos() []unix.Errno {
	all := []unix.Errno{unix.ENOSYS}
	for _, o := range v.number {
		if o.errno != 0 {
			all = append(all, o.errno)
		}
	}
	for _, c := range v.conditional {
		for _, r := range c.refusal {
			all = append(all, r.errno)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
