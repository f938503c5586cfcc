package seccomp

import (
	"cmp"
	"fmt"
	"runtime"
	"slices"
	"sync"

	seccompbpf "github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Offsets in struct seccomp_data, and the size of its fields.
const (
	offsetNumber = 0
	offsetArch   = 4
	word         = 4
)

// maxInstructions is how long a program may be. Every jump of a program that short is one that a conditional jump can make, whose offset has 8 bits;
// the library's way to extend longer ones moves jumps that it resolved before.
const maxInstructions = 256

var cache sync.Map // of Network to []unix.SockFilter

// Assemble returns the filter for this architecture. The slice is made once for each network and shared: it must not be changed. The error is
// about an unknown network, or an architecture other than amd64 and arm64.
func Assemble(n Network) ([]unix.SockFilter, error) {
	if f, ok := cache.Load(n); ok {
		return f.([]unix.SockFilter), nil
	}
	info, err := native(runtime.GOARCH)
	if err != nil {
		return nil, err
	}
	f, err := assemble(info, n)
	if err != nil {
		return nil, err
	}
	cache.Store(n, f)
	return f, nil
}

// native returns the library's table for an architecture that the deny-list was written for.
func native(goarch string) (*arch.Info, error) {
	switch goarch {
	case "amd64":
		return arch.X86_64, nil
	case "arm64":
		return arch.AARCH64, nil
	}
	return nil, fmt.Errorf("seccomp: there is no filter for %s", goarch)
}

// assemble makes the program. The library's Policy is not used for it: it lets calls of another architecture pass under a list of denials, it
// compares all 64 bits of an argument, and it compares the number with one after the other, which makes installing the filter slower.
func assemble(info *arch.Info, n Network) ([]unix.SockFilter, error) {
	v, err := review(info, n)
	if err != nil {
		return nil, err
	}
	program := seccompbpf.NewProgram()
	p := &program
	allow := p.NewLabel()
	errnos := map[unix.Errno]seccompbpf.Label{}
	for _, e := range v.errnos() {
		errnos[e] = p.NewLabel()
	}
	calls := make([]seccompbpf.Label, len(v.conditional))
	for i := range calls {
		calls[i] = p.NewLabel()
	}
	target := func(o outcome) seccompbpf.Label {
		switch {
		case o.call > 0:
			return calls[o.call-1]
		case o.errno != 0:
			return errnos[o.errno]
		}
		return allow
	}
	search(p, v.runs(), newest+2, target)
	for i := range v.conditional {
		p.SetLabel(calls[i])
		v.conditional[i].assemble(p, allow, errnos)
	}
	p.SetLabel(allow)
	p.Ret(seccompbpf.ActionAllow)
	for _, e := range v.errnos() {
		p.SetLabel(errnos[e])
		p.Ret(seccompbpf.ActionErrno | seccompbpf.Action(e))
	}
	body, err := p.Assemble()
	if err != nil {
		return nil, fmt.Errorf("seccomp: %w", err)
	}
	for i, instruction := range body {
		if instruction == (bpf.RetConstant{Val: uint32(seccompbpf.ActionErrno) | uint32(pretend)}) {
			body[i] = bpf.RetConstant{Val: uint32(seccompbpf.ActionErrno)} // which the library takes for EPERM
		}
	}
	return raw(append([]bpf.Instruction{
		bpf.LoadAbsolute{Off: offsetArch, Size: word},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(info.ID), SkipTrue: 1},
		bpf.RetConstant{Val: uint32(seccompbpf.ActionKillProcess)},
		bpf.LoadAbsolute{Off: offsetNumber, Size: word},
	}, body...))
}

// search finds the outcome of the loaded number, which is below end. The runs are in order, the first begins with the lowest possible number. It
// divides where the numbers are halved, not the runs: the kernel runs the program once for every number when it is installed.
func search(p *seccompbpf.Program, runs []run, end uint32, target func(outcome) seccompbpf.Label) {
	middle := halfway(runs, end)
	below, above := runs[:middle], runs[middle:]
	no, yes := target(below[0].outcome), target(above[0].outcome)
	if len(below) > 1 {
		no = p.NewLabel()
	}
	if len(above) > 1 {
		yes = p.NewLabel()
	}
	p.JmpIf(bpf.JumpGreaterOrEqual, above[0].first, yes, no)
	if len(below) > 1 {
		p.SetLabel(no)
		search(p, below, above[0].first, target)
	}
	if len(above) > 1 {
		p.SetLabel(yes)
		search(p, above, end, target)
	}
}

// halfway returns the run, not the first, that begins nearest to the middle of the numbers.
func halfway(runs []run, end uint32) int {
	middle := (runs[0].first + end) / 2
	i, _ := slices.BinarySearchFunc(runs, middle, func(r run, nr uint32) int { return cmp.Compare(r.first, nr) })
	switch {
	case i <= 1:
		return 1
	case i == len(runs) || middle-runs[i-1].first < runs[i].first-middle:
		return i - 1
	}
	return i
}

// raw encodes the program for the kernel.
func raw(program []bpf.Instruction) ([]unix.SockFilter, error) {
	if len(program) > maxInstructions {
		return nil, fmt.Errorf("seccomp: a program of %d instructions is too long", len(program))
	}
	encoded, err := bpf.Assemble(program)
	if err != nil {
		return nil, fmt.Errorf("seccomp: %w", err)
	}
	filter := make([]unix.SockFilter, 0, len(encoded))
	for _, i := range encoded {
		filter = append(filter, unix.SockFilter{Code: i.Op, Jt: i.Jt, Jf: i.Jf, K: i.K})
	}
	return slices.Clip(filter), nil
}
