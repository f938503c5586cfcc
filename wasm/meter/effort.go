package meter

import "time"

// What wazero's compiler takes for each, in nanoseconds of one core of a server (2.9 GHz, wazero 1.12).
// Those of instructions are between what they take in small functions and in large ones, the others
// are the largest that hostile functions made of little else have shown.
const (
	byteEffort     = 20     // of the module: decoding and validation
	functionEffort = 5_000  // beyond its instructions
	declareEffort  = 5      // of an import or a global, for each function
	typeEffort     = 15     // of a type, for each function
	preambleEffort = 800    // of a parameter or result of a type, once
	verifyEffort   = 10     // of a value that an instruction takes or leaves, also where it is not reached
	searchEffort   = 3      // of an import, for each call of one
	constEffort    = 100    // constants, and moves between locals and the stack
	simpleEffort   = 700    // most instructions
	accessEffort   = 6_000  // of memory: the address is checked
	slowEffort     = 4_000  // divisions, floating point, vectors
	tableEffort    = 12_000 // access to a table, reference to a function
	indirectEffort = 20_000 // call by a table
	bulkEffort     = 60_000
	callEffort     = 2_000
	argumentEffort = 800 // or result, of a call
	reloadEffort   = 300 // of a mutable global, after each call
	blockEffort    = 2_500
	edgeEffort     = 500 // from a block to another
	passEffort     = 300 // of a value, along an edge

	climbEffort  = 4  // of a step up the tree of dominators
	pairEffort   = 1  // of a pair of edges to the same block
	findEffort   = 8  // of a step back in search of a local's value
	phiEffort    = 1  // of a pair of values that meet, for each edge and each loop around
	liveEffort   = 70 // of a value that is wanted after a block
	boundEffort  = 25 // of a checked address that is known in a block
	commonEffort = 2  // of one that may be known on all edges to a block, for each edge
)

// An effort estimates how long wazero's compiler takes for a function. It is in proportion to the
// instructions where there are few blocks, but:
//
//   - For every block and edge the compiler climbs the tree of blocks that dominate each other
//     (subPassLoopDetection, passBuildLoopNestingForest, intersect).
//   - For every edge to a block it looks through those that it knows (addPred, passLayoutBlocks).
//   - It looks for the value of a local in one block after the other, back to where ways meet and there
//     on every way (findValue).
//   - There each local that is wanted later becomes a parameter of the block; to find out which
//     need not be, each is compared with all arguments of all edges, again for every loop around
//     (passRedundantPhiEliminationOpt).
//   - Each block has a list of the values that are wanted after it (livenessAnalysis), and one of the
//     addresses whose bounds are checked (finalizeKnownSafeBoundsAtTheEndOfBlock).
//
// All of these are polynomials of a degree up to four: without a limit, 8 KB of code took 6 s.
type effort struct {
	took     time.Duration // without what finishEffort adds
	here     way
	accesses int        // to memory, so far
	nesting  int        // most loops inside each other
	blocks   []crossing // in the order of the code
	wanted
}

// A way is how the code being read is reached.
type way struct {
	depth  int // blocks that dominate it
	chain  int // of these, since ways met
	bounds int // addresses whose bounds may be known
}

// A crossing is where ways meet, at a block of that number; empty for other blocks.
type crossing struct {
	edges    int
	walked   int // blocks on the ways, each back to where ways met before
	assigned int // locals that may have got a value on them
	results  int // values that each passes on the stack
}

// A meeting gathers the ways to the end of a structured instruction.
type meeting struct {
	edges, walked int
	bounds        int // on all ways
	common        way // the least of each
}

func (m *meeting) arrive(w way) {
	if m.edges == 0 {
		m.common = w
	}
	m.common.depth = min(m.common.depth, w.depth)
	m.common.bounds = min(m.common.bounds, w.bounds)
	m.edges++
	m.walked += w.chain + 1
	m.bounds += w.bounds
}

// beginEffort counts what every function takes.
func (b *body) beginEffort(s Signature) {
	e := &b.effort
	*e = effort{blocks: e.blocks[:0], wanted: e.wanted}
	e.reset(b.locals)
	e.adds(functionEffort + argumentEffort*(len(s.Params)+len(s.Results)) + declareEffort*(len(b.out.Imports)+len(b.globals)) + typeEffort*len(b.types))
	b.enterBlock(way{}, crossing{})
	b.checking()
}

// adds counts so many nanoseconds.
func (e *effort) adds(ns int) { e.took += time.Duration(ns) }

// verifies counts values whose types are compared, also where that is not reached.
func (b *body) verifies(values int) { b.effort.adds(verifyEffort * values) }

// takes counts an instruction of so many nanoseconds, if it is reached.
func (b *body) takes(ns int) {
	if !b.dead {
		b.effort.adds(ns)
	}
}

// finds counts the search for the value of a variable.
func (b *body) finds() { b.takes(findEffort * b.effort.here.chain) }

// accesses counts an access to memory, for which the compiler wants to know where that is and how long.
func (b *body) accesses() {
	b.finds()
	b.finds()
	if !b.dead {
		b.effort.accesses++
		b.effort.here.bounds++
	}
}

// calling counts a call.
func (b *body) calling(arguments int) {
	b.takes(callEffort + argumentEffort*arguments + reloadEffort*len(b.out.Globals))
}

// finishEffort adds what is not known before all of the function has been read.
func (b *body) finishEffort() {
	e := &b.effort
	live := 0
	for i, change := range e.changes(len(e.blocks)) {
		live += change
		e.adds(liveEffort * live)
		if c := e.blocks[i]; c.edges > 0 {
			values := live + c.results
			rounds := min(c.edges*(e.nesting+1), 1<<30) // more are refused in any case, and would overflow
			e.adds(2*findEffort*live*c.walked + passEffort*c.edges*min(c.assigned, live) + phiEffort*values*values*rounds)
		}
		if e.took > maxEffort {
			return
		}
	}
}

// limitCompiler refuses what would keep the engine's compiler busy for long, or let frames become too large.
func (b *body) limitCompiler(start int) {
	values := b.frame.count(b.checks + 1)
	loads := b.others * len(b.out.Globals)
	if !b.cached {
		b.totalValues += values
		b.totalEffort += b.effort.took
	}
	switch {
	case values > maxValues:
		b.r.failAt(start, ErrLimit, "a function of about %d values, among them those of locals where branches meet: at most %d are allowed", values, maxValues)
	case b.totalValues > maxTotalValues:
		b.r.failAt(start, ErrLimit, "about %d values in all functions so far: at most %d are allowed", b.totalValues, maxTotalValues)
	case b.effort.took > maxEffort:
		b.r.failAt(start, ErrLimit, "a function that would keep the compiler busy for longer than %v: it needs fewer branches, or fewer locals around them, or to be split", maxEffort)
	case b.totalEffort > maxTotalEffort:
		b.r.failAt(start, ErrLimit, "functions so far that would keep the compiler busy for longer than %v in all", maxTotalEffort)
	case loads > maxGlobalLoads:
		b.r.failAt(start, ErrLimit, "a function of %d calls in a module of %d mutable globals: at most %d, multiplied, are allowed", b.others, len(b.out.Globals), maxGlobalLoads)
	}
}

// opEfforts are those of the opcodes of one byte, but for what depends on where they stand.
var opEfforts = buildOpEfforts()

func buildOpEfforts() (t [256]int) {
	fill := func(first, last, ns int) {
		for op := first; op <= last; op++ {
			t[op] = ns
		}
	}
	fill(0, 255, simpleEffort)
	fill(opLocalGet, opLocalTee, constEffort)
	fill(opTableGet, opTableSet, tableEffort)
	fill(0x28, 0x3e, accessEffort) // loads and stores
	fill(opI32Const, opF64Const, constEffort)
	fill(0x6d, 0x70, slowEffort) // i32 division
	fill(0x7f, 0x82, slowEffort) // i64 division
	fill(0x8b, 0xbf, slowEffort) // floating point
	fill(opI32WrapI64, opI32WrapI64, simpleEffort)
	fill(0xac, opI64ExtendU, simpleEffort) // i64.extend_i32
	fill(opRefFunc, opRefFunc, tableEffort)
	fill(opCallIndirect, opCallIndirect, indirectEffort)
	fill(opMisc, opVector, slowEffort)
	return t
}
