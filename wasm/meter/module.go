package meter

import "slices"

// Reserved is the import module of the meter and the prefix of the exports that it adds. A
// module that imports from it, or exports a name that begins with it, is refused.
const Reserved = "sidegate_meter"

const (
	refillName   = "refill"
	fuelName     = Reserved + ":fuel"
	depthName    = Reserved + ":depth"
	globalPrefix = Reserved + ":global:"
)

// A ValueType is the type byte of a WebAssembly value (core specification 2.0, 5.3).
type ValueType byte

// The value types of WebAssembly 2.0. The numbers are those of the binary format and of
// wazero's api.ValueType.
const (
	I32       ValueType = 0x7f
	I64       ValueType = 0x7e
	F32       ValueType = 0x7d
	F64       ValueType = 0x7c
	V128      ValueType = 0x7b
	FuncRef   ValueType = 0x70
	ExternRef ValueType = 0x6f
)

func (t ValueType) valid() bool {
	return t >= V128 && t <= I32 || t.reference()
}

func (t ValueType) reference() bool { return t == FuncRef || t == ExternRef }

func (t ValueType) String() string {
	switch t {
	case I32:
		return "i32"
	case I64:
		return "i64"
	case F32:
		return "f32"
	case F64:
		return "f64"
	case V128:
		return "v128"
	case FuncRef:
		return "funcref"
	case ExternRef:
		return "externref"
	}
	return "unknown"
}

// A Kind says what an import or export is. The numbers are those of the binary format.
type Kind byte

// The kinds of imports and exports.
const (
	FunctionKind Kind = iota
	TableKind
	MemoryKind
	GlobalKind
)

func (k Kind) String() string {
	if k > GlobalKind {
		return "unknown"
	}
	return [...]string{"function", "table", "memory", "global"}[k]
}

// A Signature is the type of a function. Its slices are shared: do not change them.
type Signature struct {
	Params, Results []ValueType
}

// Equal reports whether two functions have the same type.
func (s Signature) Equal(o Signature) bool {
	return slices.Equal(s.Params, o.Params) && slices.Equal(s.Results, o.Results)
}

// An Extern is an import or export of the module as it was given, without the meter's own.
type Extern struct {
	Module, Name string // Module is "" for exports
	Kind         Kind
	Signature    Signature // of functions
	Type         ValueType // of globals, and of a table's elements
	Mutable      bool      // of globals
}

// A Global is a mutable global of the module as it was given.
type Global struct {
	Export string // name of the export that the meter added for it
	Type   ValueType
}

// Memory describes the module's memory, its own or imported, in pages of 64 KiB.
type Memory struct {
	Min, Max uint32 // Max is 65,536 without HasMax
	HasMax   bool
	Imported bool
}

// A Module is the result of [Rewrite].
type Module struct {
	Binary []byte // the metered module; belongs to the caller

	// Fuel is the export name of the mutable i64 global with the fuel left. It is zero at
	// instantiation, so that the first thing a guest does, its start function too, is to
	// ask for fuel.
	Fuel string
	// Depth is the export name of the mutable i64 global with the bytes of native stack
	// left, Config.Stack at instantiation. The host sets it before each call, because a
	// trap does not unwind it. Below zero after a trap (unreachable) it means that the
	// calls went too deep.
	Depth string
	// Refill is the function (param i64) (result i64) that the host must provide. The guest
	// calls it when its fuel or its depth fell below zero, with the fuel: what was used since
	// the host last set it is what it set minus this. The result is the new fuel; a negative
	// one is taken, and asks again at the next check. If it is the depth that is below zero,
	// the host may set it to the bytes that are left indeed, since frames are estimated from
	// above; they are taken back when the function that was entered returns. Otherwise the
	// guest traps. To stop it itself, the host panics or closes the module with an exit code.
	Refill Extern

	// Globals are all mutable globals, in the order of their index, imported ones included.
	Globals []Global
	// OpaqueGlobals: some mutable global is a v128 or a reference, which a host cannot
	// always read and write through wazero's interface.
	OpaqueGlobals bool
	// MutatesTables: some function writes to a table; DropsSegments: some function drops a
	// segment. Copying back memory and globals does not undo these.
	MutatesTables, DropsSegments bool

	Memory  *Memory // nil without memory
	Start   bool    // there is a start function, which runs at instantiation
	Imports []Extern
	Exports []Extern
}

// Resettable reports whether memory and mutable globals are all the state that an instance
// of the module has, so that copying them back makes it as good as a new one.
func (m *Module) Resettable() bool {
	return !m.OpaqueGlobals && !m.MutatesTables && !m.DropsSegments
}

// Export returns the export of that name, or nil.
func (m *Module) Export(name string) *Extern {
	if i := slices.IndexFunc(m.Exports, func(e Extern) bool { return e.Name == name }); i >= 0 {
		return &m.Exports[i]
	}
	return nil
}
