package meter

import "math/bits"

// A frame estimates from above how many bytes of native stack a call of a function takes.
//
// wazero's compiler gives each value of its intermediate form that does not stay in a
// register a place of its own in the frame, for the whole function. So values are counted:
// one for each result of an instruction, and one for each variable whose value may have come
// by several ways where these meet (a phi). Variables are locals, and what the compiler
// keeps of the instance between calls: globals that are read, memory's address and length.
// Constants and reads of locals make no value. Most values of a real function stay in
// registers, or are dead by the next call: the estimate is two to three times too high for
// small functions of C, and about ten times for Go's large ones.
type frame struct {
	signature Signature
	locals    int
	values    int
	vectors   bool // some value may be a v128
	calls     int
	assigned  int    // assignments to locals
	meets     int    // where variables other than locals may have got their value by several ways
	outgoing  int    // most parameters and results of a call
	globals   uint64 // which are read; those from 63 on share a bit
	more      int    // reads of those
}

func (f *frame) reset(s Signature) {
	*f = frame{signature: s, locals: len(s.Params), vectors: hasVector(s)}
}

func hasVector(s Signature) bool {
	for _, types := range [][]ValueType{s.Params, s.Results} {
		for _, t := range types {
			if t == V128 {
				return true
			}
		}
	}
	return false
}

// declare adds n locals.
func (f *frame) declare(n int, t ValueType) {
	f.locals += n
	f.vectors = f.vectors || n > 0 && t == V128
}

// readGlobal notes a variable.
func (f *frame) readGlobal(i uint32) {
	if i < 63 {
		f.globals |= 1 << i
	} else {
		f.more++
	}
}

// called counts a call. Afterwards all variables but locals have new values.
func (f *frame) called(s Signature) {
	f.calls++
	f.values += len(s.Results)
	f.outgoing = max(f.outgoing, len(s.Params)+len(s.Results))
	f.vectors = f.vectors || hasVector(s)
}

// meet counts the values of variables where several ways meet. Since the block began,
// assigned locals were assigned, and other variables too if others is true.
func (f *frame) meet(assigned int, others bool) {
	f.values += min(assigned, f.locals)
	if others {
		f.meets++
	}
}

// count returns the values. A check is a way with a call that meets the way without it.
func (f *frame) count(checks int) int {
	const (
		perCheck = 3 // fuel before, after, and where they meet
		own      = 4 // variables: fuel, depth, memory's address and length
		saved    = 1 // the depth before
	)
	variables := min(bits.OnesCount64(f.globals)+f.more, maxGlobals) + own
	return f.values + f.locals + saved + perCheck*checks + variables*(f.meets+checks+1)
}

// bytes returns the estimate.
func (f *frame) bytes(checks int) int {
	const (
		fixed = 224 // return address, frame pointer, callee-saved registers, contexts
		slot  = 8
	)
	size := slot
	if f.vectors {
		size = 2 * slot
	}
	return fixed + size*(f.count(checks)+len(f.signature.Params)+len(f.signature.Results)+f.outgoing)
}
