package guest

import (
	"slices"
	"strings"
)

// A module is assembled from functions whose code is given as bytes. Function 0 and up are the imports that were
// added first; add all imports before the first function.
type module struct {
	types, imports, functions, tables, globals, exports, elements, code, data [][]byte
	start                                                                     []byte
	min, max                                                                  int // pages; max 0 for none
	known                                                                     map[string]int
}

// Opcodes of WebAssembly that the tests use.
const (
	unreachable = 0x00
	block       = 0x02
	loop        = 0x03
	ifOp        = 0x04
	end         = 0x0b
	br          = 0x0c
	brIf        = 0x0d
	ret         = 0x0f
	callOp      = 0x10
	drop        = 0x1a
	localGet    = 0x20
	localSet    = 0x21
	localTee    = 0x22
	globalGet   = 0x23
	globalSet   = 0x24
	load32      = 0x28
	store32     = 0x36
	memorySize  = 0x3f
	memoryGrow  = 0x40
	i32Const    = 0x41
	i64Const    = 0x42
	eqz         = 0x45
	ne          = 0x47
	add         = 0x6a
	sub         = 0x6b
	void        = 0x40
	i32Type     = 0x7f
	i64Type     = 0x7e
	v128Type    = 0x7b
	funcref     = 0x70
)

func uleb(v int) []byte {
	var b []byte
	for u := uint64(v); ; {
		c := byte(u & 0x7f)
		if u >>= 7; u == 0 {
			return append(b, c)
		}
		b = append(b, c|0x80)
	}
}

func sleb(v int64) []byte {
	var b []byte
	for {
		c := byte(v & 0x7f)
		v >>= 7
		if v == 0 && c&0x40 == 0 || v == -1 && c&0x40 != 0 {
			return append(b, c)
		}
		b = append(b, c|0x80)
	}
}

// ops joins code: bytes and ints below 256 are opcodes, slices are taken as they are.
func ops(parts ...any) []byte {
	var b []byte
	for _, p := range parts {
		switch p := p.(type) {
		case int:
			b = append(b, byte(p))
		case byte:
			b = append(b, p)
		case []byte:
			b = append(b, p...)
		}
	}
	return b
}

func i32(v int) []byte       { return append([]byte{i32Const}, sleb(int64(int32(v)))...) }
func i64(v int64) []byte     { return append([]byte{i64Const}, sleb(v)...) }
func call(f int) []byte      { return append([]byte{callOp}, uleb(f)...) }
func get(l int) []byte       { return append([]byte{localGet}, uleb(l)...) }
func set(l int) []byte       { return append([]byte{localSet}, uleb(l)...) }
func getGlobal(g int) []byte { return append([]byte{globalGet}, uleb(g)...) }
func setGlobal(g int) []byte { return append([]byte{globalSet}, uleb(g)...) }
func load(at int) []byte     { return ops(i32(at), load32, 2, 0) }
func store(at, v int) []byte { return ops(i32(at), i32(v), store32, 2, 0) }
func forever(body []byte) []byte {
	return ops(loop, void, body, br, 0, end)
}

func named(name string) []byte { return append(uleb(len(name)), name...) }

func vec(items [][]byte) []byte {
	return append(uleb(len(items)), slices.Concat(items...)...)
}

func (m *module) signature(s string) []byte {
	if m.known == nil {
		m.known = map[string]int{}
	}
	if i, ok := m.known[s]; ok {
		return uleb(i)
	}
	list := func(s string) []byte {
		b := uleb(len(s))
		for _, c := range s {
			b = append(b, map[rune]byte{'i': i32Type, 'I': i64Type}[c])
		}
		return b
	}
	params, results, _ := strings.Cut(s, ":")
	m.known[s] = len(m.types)
	m.types = append(m.types, ops(0x60, list(params), list(results)))
	return uleb(m.known[s])
}

// importing adds an imported function and returns its index.
func (m *module) importing(mod, name, sig string) int {
	m.imports = append(m.imports, ops(named(mod), named(name), 0, m.signature(sig)))
	return len(m.imports) - 1
}

// function adds a function with so many i32 locals, exported unless the name is "", and returns its index.
func (m *module) function(export, sig string, locals int, code ...any) int {
	index := len(m.imports) + len(m.functions)
	m.functions = append(m.functions, m.signature(sig))
	body := ops(1, uleb(locals), i32Type, ops(code...), end)
	m.code = append(m.code, append(uleb(len(body)), body...))
	if export != "" {
		m.exporting(export, 0, index)
	}
	return index
}

func (m *module) exporting(name string, kind byte, index int) {
	m.exports = append(m.exports, ops(named(name), kind, uleb(index)))
}

// global adds a mutable global with an initial value of code.
func (m *module) global(t byte, initial []byte) int {
	m.globals = append(m.globals, ops(t, 1, initial, end))
	return len(m.globals) - 1
}

// text puts data at an offset of memory.
func (m *module) text(at int, s string) { m.data = append(m.data, ops(0, i32(at), end, named(s))) }

func (m *module) build() []byte {
	b := []byte("\x00asm\x01\x00\x00\x00")
	section := func(id byte, body []byte) {
		b = append(append(append(b, id), uleb(len(body))...), body...)
	}
	some := func(id byte, items [][]byte) {
		if len(items) > 0 {
			section(id, vec(items))
		}
	}
	some(1, m.types)
	some(2, m.imports)
	some(3, m.functions)
	some(4, m.tables)
	if m.min >= 0 {
		limits := ops(0, uleb(m.min))
		if m.max > 0 {
			limits = ops(1, uleb(m.min), uleb(m.max))
		}
		some(5, [][]byte{limits})
	}
	some(6, m.globals)
	some(7, m.exports)
	if m.start != nil {
		section(8, m.start)
	}
	some(9, m.elements)
	if len(m.data) > 0 {
		section(12, uleb(len(m.data)))
	}
	some(10, m.code)
	some(11, m.data)
	return b
}

// imports of the contract, by index in a module made by plugin.
const (
	fInputLen = iota
	fInputRead
	fOutputWrite
	fFieldGet
	fFieldSet
	fLog
	fFail
	fConfigGet
)

// plugin begins a module with one page of memory that keeps the contract, but for a phase.
func plugin() *module {
	m := &module{min: 1}
	m.importing("sidegate", "input_len", "i:i")
	m.importing("sidegate", "input_read", "iiii:i")
	m.importing("sidegate", "output_write", "iii:i")
	m.importing("sidegate", "field_get", "iiii:i")
	m.importing("sidegate", "field_set", "iiii:i")
	m.importing("sidegate", "log", "iii:")
	m.importing("sidegate", "fail", "iii:")
	m.importing("sidegate", "config_get", "iiii:i")
	m.exporting("memory", 2, 0)
	return m
}

// abi exports the marker of the contract; call it after the last import.
func (m *module) abi() *module {
	m.function("sidegate_abi_v1", ":", 0)
	return m
}

// onRequest is a plugin with the code of on_request, which has four i32 locals.
func onRequest(code ...any) []byte {
	m := plugin().abi()
	m.function("on_request", ":i", 4, code...)
	return m.build()
}

// echo is what a small C plugin compiles to: it reads the message to memory and writes it back.
func echo() []byte {
	m := plugin().abi()
	for _, name := range []string{"on_request", "on_response", "on_callback"} {
		m.function(name, ":i", 1,
			i32(0), call(fInputLen), set(0),
			i32(0), i32(1024), i32(0), get(0), call(fInputRead), drop,
			i32(0), i32(1024), get(0), call(fOutputWrite), drop,
			i32(0))
	}
	return m.build()
}
