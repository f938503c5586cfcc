package meter

// An immediate says what follows an opcode (core specification 2.0, 5.4).
type immediate byte

const (
	immInvalid immediate = iota
	immNone
	immControl // handled one by one in body.go
	immLocal
	immGlobal
	immTable
	immMemory // alignment and offset
	immMemoryIndex
	immI32
	immI64
	immF32
	immF64
	immSelect
	immRefNull
	immRefFunc
	immPrefix
)

// An effect is what an instruction does to the operand stack: it takes pops values, then
// leaves pushes.
type effect struct{ pops, pushes uint8 }

// An instruction is what the rewriter knows of a one-byte opcode.
type instruction struct {
	immediate immediate
	effect    effect
	value     bool // makes a new value, unlike constants and reads of locals
}

// Opcodes that the rewriter looks at.
const (
	opUnreachable  = 0x00
	opBlock        = 0x02
	opLoop         = 0x03
	opIf           = 0x04
	opElse         = 0x05
	opEnd          = 0x0b
	opBr           = 0x0c
	opBrIf         = 0x0d
	opBrTable      = 0x0e
	opReturn       = 0x0f
	opCall         = 0x10
	opCallIndirect = 0x11
	opSelect       = 0x1b
	opSelectTyped  = 0x1c
	opLocalGet     = 0x20
	opLocalSet     = 0x21
	opLocalTee     = 0x22
	opGlobalGet    = 0x23
	opGlobalSet    = 0x24
	opTableGet     = 0x25
	opTableSet     = 0x26
	opMemorySize   = 0x3f
	opMemoryGrow   = 0x40
	opI32Const     = 0x41
	opI64Const     = 0x42
	opF32Const     = 0x43
	opF64Const     = 0x44
	opI64LtS       = 0x53
	opI64LeU       = 0x58
	opI64Add       = 0x7c
	opI64Sub       = 0x7d
	opI64Or        = 0x84
	opI64Shl       = 0x86
	opI64ShrU      = 0x88
	opI32WrapI64   = 0xa7
	opI64ExtendU   = 0xad
	opRefNull      = 0xd0
	opRefIsNull    = 0xd1
	opRefFunc      = 0xd2
	opMisc         = 0xfc
	opVector       = 0xfd
	opAtomic       = 0xfe

	blockEmpty = 0x40 // block type without values

	miscMemoryInit = 8
	miscDataDrop   = 9
	miscMemoryCopy = 10
	miscMemoryFill = 11
	miscTableInit  = 12
	miscElemDrop   = 13
	miscTableCopy  = 14
	miscTableGrow  = 15
	miscTableSize  = 16
	miscTableFill  = 17

	vectorConst = 12
)

var instructions = buildInstructions()

func buildInstructions() (t [256]instruction) {
	fill := func(first, last int, imm immediate, pops, pushes uint8) {
		for op := first; op <= last; op++ {
			constant := op == opLocalGet || op == opLocalTee || op >= opI32Const && op <= opF64Const
			t[op] = instruction{imm, effect{pops, pushes}, pushes > 0 && !constant}
		}
	}
	fill(opUnreachable, opUnreachable, immControl, 0, 0)
	fill(0x01, 0x01, immNone, 0, 0) // nop
	fill(opBlock, opElse, immControl, 0, 0)
	fill(opEnd, opCallIndirect, immControl, 0, 0)
	fill(0x1a, 0x1a, immNone, 1, 0) // drop
	fill(opSelect, opSelect, immNone, 3, 1)
	fill(opSelectTyped, opSelectTyped, immSelect, 3, 1)
	fill(opLocalGet, opLocalGet, immLocal, 0, 1)
	fill(opLocalSet, opLocalSet, immLocal, 1, 0)
	fill(opLocalTee, opLocalTee, immLocal, 1, 1)
	fill(opGlobalGet, opGlobalGet, immGlobal, 0, 1)
	fill(opGlobalSet, opGlobalSet, immGlobal, 1, 0)
	fill(opTableGet, opTableGet, immTable, 1, 1)
	fill(opTableSet, opTableSet, immTable, 2, 0)
	fill(0x28, 0x35, immMemory, 1, 1) // loads
	fill(0x36, 0x3e, immMemory, 2, 0) // stores
	fill(opMemorySize, opMemorySize, immMemoryIndex, 0, 1)
	fill(opMemoryGrow, opMemoryGrow, immMemoryIndex, 1, 1)
	fill(opI32Const, opI32Const, immI32, 0, 1)
	fill(opI64Const, opI64Const, immI64, 0, 1)
	fill(opF32Const, opF32Const, immF32, 0, 1)
	fill(opF64Const, opF64Const, immF64, 0, 1)
	fill(0x45, 0x45, immNone, 1, 1) // i32.eqz
	fill(0x46, 0x4f, immNone, 2, 1) // i32 comparisons
	fill(0x50, 0x50, immNone, 1, 1) // i64.eqz
	fill(0x51, 0x66, immNone, 2, 1) // i64, f32 and f64 comparisons
	fill(0x67, 0x69, immNone, 1, 1) // i32 clz, ctz, popcnt
	fill(0x6a, 0x78, immNone, 2, 1)
	fill(0x79, 0x7b, immNone, 1, 1) // i64 clz, ctz, popcnt
	fill(0x7c, 0x8a, immNone, 2, 1)
	fill(0x8b, 0x91, immNone, 1, 1) // f32 abs to sqrt
	fill(0x92, 0x98, immNone, 2, 1)
	fill(0x99, 0x9f, immNone, 1, 1) // f64 abs to sqrt
	fill(0xa0, 0xa6, immNone, 2, 1)
	fill(0xa7, 0xc4, immNone, 1, 1) // conversions, sign extension
	fill(opRefNull, opRefNull, immRefNull, 0, 1)
	fill(opRefIsNull, opRefIsNull, immNone, 1, 1)
	fill(opRefFunc, opRefFunc, immRefFunc, 0, 1)
	fill(opMisc, opVector, immPrefix, 0, 0)
	return t
}

// A vector instruction has a memory argument, a lane, both, 16 bytes, or nothing after its
// number (core specification 2.0, 5.4.8).
type vectorInstruction struct {
	known        bool
	memory, lane bool
	bytes        int
	effect       effect
}

var vectorInstructions = buildVectorInstructions()

func buildVectorInstructions() (t [256]vectorInstruction) {
	fill := func(first, last int, v vectorInstruction, pops, pushes uint8) {
		for op := first; op <= last; op++ {
			v.known, v.effect = true, effect{pops, pushes}
			t[op] = v
		}
	}
	plain := func(pops, pushes uint8, ops ...int) {
		for _, op := range ops {
			fill(op, op, vectorInstruction{}, pops, pushes)
		}
	}
	fill(35, 255, vectorInstruction{}, 2, 1) // most are binary; the others and the gaps follow
	fill(0, 10, vectorInstruction{memory: true}, 1, 1)
	fill(11, 11, vectorInstruction{memory: true}, 2, 0)
	fill(vectorConst, vectorConst, vectorInstruction{bytes: 16}, 0, 1)
	fill(13, 13, vectorInstruction{bytes: 16}, 2, 1) // i8x16.shuffle
	fill(14, 14, vectorInstruction{}, 2, 1)          // i8x16.swizzle
	fill(15, 20, vectorInstruction{}, 1, 1)          // splats
	for op := 21; op <= 34; op++ {                   // extract_lane and replace_lane
		fill(op, op, vectorInstruction{lane: true}, 1, 1)
	}
	for _, replace := range []int{23, 26, 28, 30, 32, 34} {
		t[replace].effect.pops = 2
	}
	fill(84, 87, vectorInstruction{memory: true, lane: true}, 2, 1)
	fill(88, 91, vectorInstruction{memory: true, lane: true}, 2, 0)
	fill(92, 93, vectorInstruction{memory: true}, 1, 1)
	plain(3, 1, 82) // v128.bitselect
	plain(1, 1,
		77, 83, 94, 95, // not, any_true, demote, promote
		96, 97, 98, 99, 100, 103, 104, 105, 106, 116, 117, 122, 124, 125, 126, 127, 148,
		128, 129, 131, 132, 135, 136, 137, 138, 160, 161, 163, 164, 167, 168, 169, 170,
		192, 193, 195, 196, 199, 200, 201, 202,
		224, 225, 227, 236, 237, 239, 248, 249, 250, 251, 252, 253, 254, 255)
	for _, gap := range []int{154, 162, 165, 166, 175, 176, 178, 179, 180, 187, 194, 197, 198, 207, 208, 210, 211, 212, 226, 238} {
		t[gap] = vectorInstruction{}
	}
	return t
}
