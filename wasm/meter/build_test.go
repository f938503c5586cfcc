package meter_test

import "slices"

// The functions here put modules together byte by byte, in the order of the binary format,
// so that a test can also build what no assembler would.

const (
	i32, i64, f32, f64, v128, funcref, externref = 0x7f, 0x7e, 0x7d, 0x7c, 0x7b, 0x70, 0x6f

	void = 0x40 // block type without values
)

// join concatenates bytes, numbers from 0 to 255, strings and slices of bytes.
func join(parts ...any) []byte {
	var b []byte
	for _, p := range parts {
		switch p := p.(type) {
		case byte:
			b = append(b, p)
		case int:
			if p < 0 || p > 255 {
				panic("not a byte: use uleb or sleb")
			}
			b = append(b, byte(p))
		case string:
			b = append(b, p...)
		case []byte:
			b = append(b, p...)
		default:
			panic("join takes bytes")
		}
	}
	return b
}

func uleb(v uint64) []byte {
	var b []byte
	for v >= 0x80 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v))
}

func sleb(v int64) []byte {
	var b []byte
	for v < -64 || v > 63 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v)&0x7f)
}

func str(s string) []byte { return join(uleb(uint64(len(s))), s) }

func vec(items ...[]byte) []byte {
	return slices.Concat(uleb(uint64(len(items))), slices.Concat(items...))
}

func section(id int, contents []byte) []byte { return join(id, uleb(uint64(len(contents))), contents) }

func wasm(sections ...[]byte) []byte {
	return join("\x00asm\x01\x00\x00\x00", slices.Concat(sections...))
}

func types(list ...[]byte) []byte   { return section(1, vec(list...)) }
func imports(list ...[]byte) []byte { return section(2, vec(list...)) }
func functions(typeIndices ...int) []byte {
	var items [][]byte
	for _, i := range typeIndices {
		items = append(items, uleb(uint64(i)))
	}
	return section(3, vec(items...))
}
func tables(list ...[]byte) []byte   { return section(4, vec(list...)) }
func memory(limits ...any) []byte    { return section(5, vec(join(limits...))) }
func globals(list ...[]byte) []byte  { return section(6, vec(list...)) }
func exports(list ...[]byte) []byte  { return section(7, vec(list...)) }
func start(i int) []byte             { return section(8, uleb(uint64(i))) }
func elements(list ...[]byte) []byte { return section(9, vec(list...)) }
func dataCount(n int) []byte         { return section(12, uleb(uint64(n))) }
func code(list ...[]byte) []byte     { return section(10, vec(list...)) }
func data(list ...[]byte) []byte     { return section(11, vec(list...)) }

func signature(params, results []byte) []byte {
	return join(0x60, uleb(uint64(len(params))), params, uleb(uint64(len(results))), results)
}

// body is a function's code: runs of locals, then instructions without the last end.
func body(locals []byte, instructions ...any) []byte {
	b := join(locals, join(instructions...), 0x0b)
	return join(uleb(uint64(len(b))), b)
}

var noLocals = []byte{0}

// locals declares n locals of one type.
func locals(n uint64, valueType byte) []byte { return join(1, uleb(n), valueType) }

func export(name string, kind, index int) []byte {
	return join(str(name), kind, uleb(uint64(index)))
}

// single is a module with one exported function "run".
func single(params, results, locals []byte, instructions ...any) []byte {
	return wasm(
		types(signature(params, results)), functions(0), memory(0, 1), exports(export("run", 0, 0), export("memory", 2, 0)),
		code(body(locals, instructions...)))
}

// everything is a module with an item of every kind, that runs.
func everything() []byte {
	zero := []byte{0x41, 0, 0x0b}
	return wasm(
		section(0, join(str("note"), "custom")),
		types(signature(nil, nil), signature([]byte{i32}, []byte{i32}), signature([]byte{i32, i64}, []byte{i32, i64}), signature(nil, []byte{i64, f64})),
		functions(1, 0, 2, 3),
		tables(join(funcref, 0, 10), join(externref, 1, 1, 5)),
		memory(1, 1, 3),
		globals(join(i32, 1, zero), join(funcref, 1, 0xd2, 1, 0x0b), join(funcref, 0, 0xd0, funcref, 0x0b), join(v128, 1, 0xfd, 12, make([]byte, 16), 0x0b)),
		exports(export("run", 0, 0), export("memory", 2, 0), export("table", 1, 0), export("global", 3, 0)),
		start(1),
		elements(
			join(0, zero, vec([]byte{1}, []byte{2})),
			join(1, 0, vec([]byte{1})),
			join(2, 0, zero, 0, vec([]byte{2})),
			join(3, 0, vec([]byte{3})),
			join(4, 0x41, 3, 0x0b, vec([]byte{0xd2, 3, 0x0b}, []byte{0xd0, funcref, 0x0b})),
			join(5, funcref, vec([]byte{0xd2, 2, 0x0b})),
			join(6, 1, zero, externref, vec([]byte{0xd0, externref, 0x0b})),
			join(7, funcref, vec([]byte{0xd2, 0, 0x0b})),
		),
		dataCount(3),
		code(
			body(locals(2, i64),
				0x20, 0, 0x42, 5, 0x02, 2, 0x0b, 0x21, 1, // a block with parameters
				0x42, 3, 0x03, 2, 0x42, 1, 0x7d, 0x22, 2, 0x20, 2, 0xa7, 0x0d, 0, 0x0b, 0x1a, // a loop with parameters
				0x41, 16, 0x41, 0, 0x41, 5, 0xfc, 8, 1, 0, // memory.init
				0x41, 0, 0x41, 16, 0x41, 4, 0xfc, 10, 0, 0, // memory.copy
				0x41, 1, 0x40, 0, 0x1a, // memory.grow
				0x41, 5, 0x41, 0, 0x41, 1, 0xfc, 12, 1, 0, // table.init
				0x20, 1, 0x41, 2, 0x11, 2, 0, // call_indirect of the function at 2
				0x1a, 0x10, 3, 0x1a, 0x1a, // several results
				0x41, 0, 0xfd, 0, 4, 0, 0xfd, 21, 3, 0x6a, // v128.load, extract_lane
				0xfc, 9, 1, 0xfc, 13, 1),
			body(noLocals, 0x41, 42, 0x24, 0),
			body(noLocals, 0x20, 0, 0x20, 1, 0x0f),
			body(noLocals, 0x10, 1, 0x42, 1, 0x44, make([]byte, 8)),
		),
		data(join(0, 0x41, 8, 0x0b, str("hello")), join(1, str("world")), join(2, 0, 0x41, 1, 0x0b, str("!"))),
	)
}
