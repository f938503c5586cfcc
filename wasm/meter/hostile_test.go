package meter_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/sidegate/sidegate/wasm/meter"
)

// assignAll gives each of n locals a value.
func assignAll(n uint64) []byte {
	var b []byte
	for i := range n {
		b = join(b, 0x41, 0, 0x21, uleb(i))
	}
	return b
}

// TestRefuses names the exact error for each kind of broken, foreign or oversized module.
func TestRefuses(t *testing.T) {
	t.Parallel()
	header := []byte("\x00asm\x01\x00\x00\x00")
	nop := types(signature(nil, nil))
	run := func(locals []byte, instructions ...any) []byte {
		return wasm(nop, functions(0), code(body(locals, instructions...)))
	}
	for _, test := range []struct {
		name   string
		module []byte
		kind   error
		want   string
	}{
		// Malformed.
		{"nothing", nil, meter.ErrMalformed, "at 0x0: unexpected end: 8 bytes wanted, 0 left"},
		{"text", []byte("(module) ; no"), meter.ErrMalformed, "at 0x0: not a WebAssembly module of version 1"},
		{"component", []byte("\x00asm\x0d\x00\x01\x00"), meter.ErrMalformed, "at 0x0: not a WebAssembly module of version 1"},
		{"section beyond the end", join(header, 1, 5, 0), meter.ErrMalformed, "at 0x8: section 1 of 5 bytes: 1 bytes left"},
		{"unknown section", join(header, 14, 0), meter.ErrMalformed, "at 0x8: unknown section 14"},
		{"sections out of order", wasm(functions(), nop), meter.ErrMalformed, "at 0xb: type section out of order or twice"},
		{"section twice", wasm(nop, nop), meter.ErrMalformed, "at 0xe: type section out of order or twice"},
		{"custom section without name", wasm(section(0, nil)), meter.ErrMalformed, "at 0xa: custom section: unexpected end"},
		{"custom section with broken name", wasm(section(0, []byte{1, 0xff})), meter.ErrMalformed, "at 0xa: custom section: malformed UTF-8 encoding"},
		{"bytes after a section", wasm(section(1, []byte{0, 0})), meter.ErrMalformed, "type section, at 0xb: 1 bytes after the last item"},
		{"4 billion types", wasm(section(1, uleb(1<<32-1))), meter.ErrLimit, "type section, at 0xa: 4294967295 types: at most 50000 are allowed"},
		{"more functions than bytes", wasm(nop, section(3, []byte{100, 0})), meter.ErrMalformed, "function section, at 0x10: 100 functions in 1 bytes"},
		{"unknown type", wasm(nop, functions(1)), meter.ErrMalformed, "function section, at 0x11: unknown type 1"},
		{"long integer", wasm(section(1, []byte{0x80, 0x80, 0x80, 0x80, 0x80, 0})), meter.ErrMalformed, "type section, at 0xa: integer representation too long"},
		{"large integer", wasm(section(1, []byte{0xff, 0xff, 0xff, 0xff, 0x1f})), meter.ErrMalformed, "type section, at 0xa: integer too large"},
		{"unknown value type", wasm(types(signature([]byte{0x11}, nil))), meter.ErrMalformed, "type section, at 0xd: unknown value type 0x11"},
		{"import kind", wasm(imports(join(str("a"), str("b"), 9))), meter.ErrMalformed, "import section, at 0xb: import kind 0x9"},
		{"function without code", wasm(nop, functions(0)), meter.ErrMalformed, "code section, at 0x0: 1 functions are declared, none has code"},
		{"code without function", wasm(nop, code(body(noLocals))), meter.ErrMalformed, "code section, at 0x10: 0 functions are declared, 1 have code"},
		{"export of nothing", wasm(exports(export("x", 0, 0))), meter.ErrMalformed, `export section, at 0xe: export "x": unknown function 0`},
		{"start of nothing", wasm(start(3)), meter.ErrMalformed, "start section, at 0xa: unknown function 3"},
		{"global of two constants", wasm(globals(join(i32, 0, 0x41, 1, 0x41, 1, 0x0b))), meter.ErrMalformed, "global section, at 0xf: constant expression of more than one instruction: opcode 0x41"},
		{"global by a call", wasm(globals(join(i32, 0, 0x10, 0, 0x0b))), meter.ErrMalformed, "global section, at 0xd: constant expression required: opcode 0x10"},
		{"element kind", wasm(elements(join(8))), meter.ErrMalformed, "element section, at 0xb: element segment of kind 8"},
		{"data count", wasm(dataCount(1), data()), meter.ErrMalformed, "data count section, at 0xa: 1 data segments are announced, there are 0"},
		{"data beyond the end", wasm(memory(0, 1), data(join(1, uleb(1000), 1))), meter.ErrMalformed, "data section, at 0x10: a data segment of 1000 bytes in 1"},
		{"memory of 65,537 pages", wasm(memory(0, uleb(65537))), meter.ErrMalformed, "memory section, at 0xb: size of a memory: minimum 65537, maximum 65536"},

		// What the rewriter adds must not make a module valid.
		{"the meter's fuel", run(noLocals, 0x42, 1, 0x24, 0), meter.ErrMalformed, "code section, function 0, at 0x1a: unknown global 0"},
		{"the meter's local", run(noLocals, 0x42, 1, 0x21, 0), meter.ErrMalformed, "code section, function 0, at 0x1a: unknown local 0"},
		{"the meter's function", run(noLocals, 0x10, 1), meter.ErrMalformed, "code section, function 0, at 0x18: unknown function 1"},
		{"the meter's type", run(noLocals, 0x41, 0, 0x11, 1, 0), meter.ErrMalformed, "code section, function 0, at 0x1a: unknown type 1"},
		{"the meter's block type", run(noLocals, 0x02, 1, 0x0b), meter.ErrMalformed, "code section, function 0, at 0x18: unknown type 1 of a block"},
		{"the meter's block", run(noLocals, 0x0c, 1), meter.ErrMalformed, "code section, function 0, at 0x18: unknown label 1"},
		{"the meter's export", wasm(exports(export("sidegate_meter:fuel", 3, 0))), meter.ErrUnsupported, `export section, at 0xb: export "sidegate_meter:fuel": names that begin with sidegate_meter are reserved`},
		{"the meter's import", wasm(nop, imports(join(str("sidegate_meter"), str("refill"), 0, 0))), meter.ErrUnsupported, `import section, at 0x11: import of "refill" from sidegate_meter, which is reserved`},
		{"the meter's global in an initial value", wasm(globals(join(i64, 0, 0x23, 0, 0x0b))), meter.ErrMalformed, "global section, at 0xe: unknown global 0"},

		// Code.
		{"end too early", run(noLocals, 0x0b), meter.ErrMalformed, "code section, function 0, at 0x18: 1 bytes after the end of the function"},
		{"no end", wasm(nop, functions(0), code(join(2, 0, 0x01))), meter.ErrMalformed, "code section, function 0, at 0x18: unexpected end"},
		{"else without if", run(noLocals, 0x05), meter.ErrMalformed, "code section, function 0, at 0x17: else without if"},
		{"empty stack", run(noLocals, 0x1a), meter.ErrMalformed, "code section, function 0, at 0x18: the operand stack has too few values"},
		{"stack of an outer block", run(noLocals, 0x41, 0, 0x02, void, 0x1a, 0x0b), meter.ErrMalformed, "code section, function 0, at 0x1c: the operand stack has too few values"},
		{"value left", run(noLocals, 0x41, 0), meter.ErrMalformed, "code section, function 0, at 0x19: 1 values on the operand stack at the end of a block of 0"},
		{"function beyond the end", wasm(nop, functions(0), code(join(100, 0, 0x0b))), meter.ErrMalformed, "code section, function 0, at 0x15: a function of 100 bytes: 2 bytes left"},

		// Other features.
		{"shared memory", wasm(memory(3, 1, 2)), meter.ErrUnsupported, "memory section, at 0xb: shared memory (threads) is not supported"},
		{"memory64", wasm(memory(4, 1)), meter.ErrUnsupported, "memory section, at 0xb: 64-bit memory is not supported"},
		{"two memories", wasm(section(5, vec([]byte{0, 1}, []byte{0, 1}))), meter.ErrUnsupported, "memory section, at 0xd: more than one memory (multi-memory) is not supported"},
		{"access to another memory", run(noLocals, 0x41, 0, 0x28, 0x42, 1, 0), meter.ErrUnsupported, "code section, function 0, at 0x1a: an access to a numbered memory (multi-memory) is not supported"},
		{"growth of another memory", run(noLocals, 0x41, 0, 0x40, 1), meter.ErrUnsupported, "code section, function 0, at 0x1a: memory 0x1: more than one memory (multi-memory) is not supported"},
		{"atomics", run(noLocals, 0xfe, 0, 0), meter.ErrUnsupported, "code section, function 0, at 0x17: opcode 0xfe (threads) is not supported"},
		{"tail call", run(noLocals, 0x12, 0), meter.ErrUnsupported, "code section, function 0, at 0x17: opcode 0x12 (tail calls) is not supported"},
		{"try_table", run(noLocals, 0x1f, void, 0), meter.ErrUnsupported, "code section, function 0, at 0x17: opcode 0x1f (exception handling) is not supported"},
		{"call_ref", run(noLocals, 0x14, 0), meter.ErrUnsupported, "code section, function 0, at 0x17: opcode 0x14 (typed function references) is not supported"},
		{"struct.new", run(noLocals, 0xfb, 0, 0), meter.ErrUnsupported, "code section, function 0, at 0x17: opcode 0xfb (garbage collection) is not supported"},
		{"relaxed vector", run(noLocals, 0xfd, 0x80, 2), meter.ErrUnsupported, "code section, function 0, at 0x17: opcode 0xfd 0x100 is not supported"},
		{"unknown vector", run(noLocals, 0xfd, 0x9a, 1), meter.ErrUnsupported, "code section, function 0, at 0x17: opcode 0xfd 0x9a is not supported"},
		{"unknown bulk", run(noLocals, 0xfc, 18), meter.ErrUnsupported, "code section, function 0, at 0x17: opcode 0xfc 0x12 is not supported"},
		{"unknown opcode", run(noLocals, 0x27), meter.ErrUnsupported, "code section, function 0, at 0x17: opcode 0x27 is not supported"},
		{"tag section", wasm(section(13, []byte{0})), meter.ErrUnsupported, "at 0x8: exception handling (tag section) is not supported"},
		{"tag import", wasm(imports(join(str("a"), str("b"), 4, 0, 0))), meter.ErrUnsupported, "import section, at 0xb: exception handling (import of a tag) is not supported"},
		{"struct type", wasm(types([]byte{0x5f, 0})), meter.ErrUnsupported, "type section, at 0xb: type form 0x5f is of the garbage collection proposal, which is not supported"},
		{"exnref", wasm(types(signature([]byte{0x69}, nil))), meter.ErrUnsupported, "type section, at 0xd: value type 0x69 is not part of WebAssembly 2.0 and not supported"},
		{"table with initial value", wasm(tables([]byte{0x40, 0, funcref, 0, 1, 0xd0, funcref, 0x0b})), meter.ErrUnsupported, "table section, at 0xb: a table with an initial value is not supported"},
		{"extended constants", wasm(globals(join(i32, 0, 0x41, 1, 0x41, 1, 0x6a, 0x0b))), meter.ErrMalformed, "global section, at 0xf: constant expression of more than one instruction: opcode 0x41"},

		// Too much.
		{"4 billion locals", run(locals(1<<32-1, i32)), meter.ErrLimit, "code section, function 0, at 0x17: 4294967295 locals: at most 20000 are allowed"},
		{"many runs of locals", run(join(3, uleb(10_000), i32, uleb(10_000), i32, 1, i32)), meter.ErrLimit, "code section, function 0, at 0x1d: 20001 locals: at most 20000 are allowed"},
		{"a table of 4 billion", wasm(tables(join(funcref, 0, uleb(1<<32-1)))), meter.ErrLimit, "table section, at 0xb: a table of 4294967295 elements: at most 1000000 are allowed"},
		{"nesting", run(noLocals, bytes.Repeat([]byte{0x02, void}, 10_001), bytes.Repeat([]byte{0x0b}, 10_001)), meter.ErrLimit, "code section, function 0, at 0x4e3b: blocks inside each other: at most 10000 are allowed"},
		{"br_table", run(noLocals, 0x41, 0, 0x0e, uleb(100_000), make([]byte, 100_001)), meter.ErrLimit, "code section, function 0, at 0x1e: 100000 targets of br_table: at most 65520 are allowed"},
		{"locals times branches", run(locals(1000, i32), assignAll(1000), bytes.Repeat([]byte{0x02, void}, 300), bytes.Repeat(join(assignAll(1000), 0x41, 0, 0x0d, 0, 0x0b), 300)), meter.ErrLimit, "code section, function 0, at 0x1a: a function of about 302620 values, among them those of locals where branches meet: at most 100000 are allowed"},
		{"globals times calls", wasm(nop, functions(0), globals(slices.Repeat([][]byte{{i32, 1, 0x41, 0, 0x0b}}, 10_000)...), code(body(noLocals, bytes.Repeat([]byte{0x10, 0}, 105)))), meter.ErrLimit, "code section, function 0, at 0xc36e: a function of 105 calls in a module of 10000 mutable globals: at most 1048576, multiplied, are allowed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			m, err := meter.Rewrite(test.module, meter.Config{})
			var e *meter.Error
			if m != nil || !errors.As(err, &e) || !errors.Is(err, test.kind) || err.Error() != test.want {
				t.Errorf("error is\n%q (%v), want\n%q (%v)", fmt.Sprint(err), errors.Unwrap(err), test.want, test.kind)
			}
		})
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	small := single(nil, nil, noLocals, 0x01)
	for _, test := range []struct {
		config meter.Config
		want   string
	}{
		{meter.Config{MaxModule: 10}, "at 0x0: 48 bytes: at most 10 are allowed"},
		{meter.Config{MaxBody: 2}, "code section, function 0, at 0x2c: 3 bytes: at most 2 are allowed"},
		{meter.Config{MaxModule: -1}, "meter: MaxModule is -1: want 1 to 67108864"},
		{meter.Config{MaxNesting: 1 << 30}, "meter: MaxNesting is 1073741824: want 1 to 100000"},
		{meter.Config{Stack: -1}, "meter: Stack is -1: want a positive number of bytes"},
	} {
		if _, err := meter.Rewrite(small, test.config); err == nil || err.Error() != test.want {
			t.Errorf("%+v: error is %v, want %s", test.config, err, test.want)
		}
	}
}

// TestPrefixes cuts a module off at every byte, and flips every bit: there must be an error or a module, no panic.
func TestPrefixes(t *testing.T) {
	t.Parallel()
	whole := everything()
	if _, err := meter.Rewrite(whole, meter.Config{}); err != nil {
		t.Fatal(err)
	}
	for n := range len(whole) {
		if _, err := meter.Rewrite(whole[:n], meter.Config{}); err == nil && n != 8 {
			// Between two sections a prefix may be a module, if nothing refers to what is missing.
			if _, again := meter.Rewrite(whole[:n-1], meter.Config{}); again == nil {
				t.Errorf("both %d and %d bytes are accepted", n, n-1)
			}
		}
	}
	for bit := range len(whole) * 8 {
		flipped := bytes.Clone(whole)
		flipped[bit/8] ^= 1 << (bit % 8)
		m, err := meter.Rewrite(flipped, meter.Config{})
		if (m == nil) == (err == nil) {
			t.Errorf("bit %d: %v, %v", bit, m, err)
		}
	}
}
