package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// A tiny is a plugin of some hundred bytes, written down in one line of a script: `module FILE WORD...`. Each word is one of
//
//	import=MODULE.NAME:SIGNATURE  imports a function; a signature is written as iI:i, with i for i32 and I for i64
//	NAME                          exports a function () -> i32 that returns 0
//	NAME=BODY                     or does something else: see body
//	NAME:SIGNATURE                exports a function of another type, that traps
//	data=TEXT                     what body say says
//	no-memory, no-abi             leaves an export out
//	slow                          keeps the compiler busy for as long as a module may
type tiny struct {
	imports  []tinyFunction
	exports  []tinyFunction
	data     string
	noMemory bool
	noABI    bool
	slow     bool
}

type tinyFunction struct{ name, signature, body string }

func parseTiny(words []string) (*tiny, error) {
	m := new(tiny)
	for _, word := range words {
		key, value, given := strings.Cut(word, "=")
		switch {
		case word == "no-memory":
			m.noMemory = true
		case word == "no-abi":
			m.noABI = true
		case word == "slow":
			m.slow = true
		case key == "data":
			m.data = value
		case key == "import":
			name, signature, _ := strings.Cut(value, ":")
			m.imports = append(m.imports, tinyFunction{name: name, signature: signature})
		default:
			name, signature, typed := strings.Cut(key, ":")
			f := tinyFunction{name, ":i", "return 0"}
			switch {
			case typed:
				f.signature, f.body = signature, "trap"
			case given:
				f.body = value
			}
			m.exports = append(m.exports, f)
		}
	}
	if !m.noABI {
		m.exports = append(m.exports, tinyFunction{"sidegate_abi_v1", ":", "nothing"})
	}
	if len(m.exports) == 0 {
		return nil, errors.New("it exports no function")
	}
	return m, nil
}

// body is the code of a function.
func (m *tiny) body(f tinyFunction) ([]byte, error) {
	const unreachable, end, constant, call, drop = 0x00, 0x0b, 0x41, 0x10, 0x1a
	switch word, n, _ := strings.Cut(f.body, "-"); word {
	case "nothing":
		return []byte{0, end}, nil
	case "trap":
		return []byte{0, unreachable, end}, nil
	case "loop": // for ever
		return []byte{0, 0x03, 0x40, 0x0c, 0, end, unreachable, end}, nil
	case "return 0":
		return []byte{0, constant, 0, end}, nil
	case "return": // return-2
		return []byte{0, constant, n[0] - '0', end}, nil
	case "say": // say-2 writes the data to standard output through the first import, and returns 2
		if len(m.data) > 63 {
			return nil, errors.New("the data is too long")
		}
		return []byte{0, constant, 3, constant, 0, constant, byte(len(m.data)), call, 0, drop, constant, n[0] - '0', end}, nil
	}
	return nil, fmt.Errorf("there is no body %s", f.body)
}

func (m *tiny) binary() ([]byte, error) {
	var types, imports, functions, exports, code [][]byte
	for _, f := range m.imports {
		module, name, _ := strings.Cut(f.name, ".")
		imports = append(imports, slices.Concat(wasmBytes(module), wasmBytes(name), []byte{0, byte(len(types))}))
		types = append(types, wasmType(f.signature))
	}
	for _, f := range m.exports {
		body, err := m.body(f)
		if err != nil {
			return nil, err
		}
		functions = append(functions, []byte{byte(len(types))})
		exports = append(exports, append(wasmBytes(f.name), 0, byte(len(types))))
		types = append(types, wasmType(f.signature))
		code = append(code, wasmBytes(string(body)))
	}
	if m.slow {
		for range 18 {
			functions, code = append(functions, functions[0]), append(code, wasmBytes(slowBody))
		}
	}
	if !m.noMemory {
		exports = append(exports, append(wasmBytes("memory"), 2, 0))
	}
	return slices.Concat([]byte("\x00asm\x01\x00\x00\x00"),
		wasmSection(1, types), wasmSection(2, imports), wasmSection(3, functions), wasmSection(5, [][]byte{{0, 1}}),
		wasmSection(7, exports), wasmSection(10, code),
		wasmSection(11, [][]byte{append([]byte{0, 0x41, 0, 0x0b}, wasmBytes(m.data)...)})), nil
}

// slowBody is a function without parameters, which traps: one block that can be left at 6000 places.
var slowBody = "\x00\x02\x40" + strings.Repeat("\x41\x00\x0d\x00", 6000) + "\x0b\x00\x0b"

func wasmBytes(s string) []byte { return append(binary.AppendUvarint(nil, uint64(len(s))), s...) }

func wasmSection(id byte, items [][]byte) []byte {
	content := slices.Concat(append([][]byte{binary.AppendUvarint(nil, uint64(len(items)))}, items...)...)
	return append([]byte{id}, wasmBytes(string(content))...)
}

func wasmType(signature string) []byte {
	of := func(letters string) []byte {
		b := []byte{byte(len(letters))}
		for _, c := range letters {
			b = append(b, map[rune]byte{'i': 0x7f, 'I': 0x7e}[c])
		}
		return b
	}
	params, results, _ := strings.Cut(signature, ":")
	return slices.Concat([]byte{0x60}, of(params), of(results))
}

// writeModule is the scripts' command `module`.
func writeModule(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: module FILE WORD...")
	}
	m, err := parseTiny(args[1:])
	ts.Check(err)
	b, err := m.binary()
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b, 0o644))
}

// TestTinyModules holds the writer of modules to what the gateway makes of a good one: scripts whose module is broken by
// mistake would see the errors that they look for.
func TestTinyModules(t *testing.T) {
	t.Parallel()
	m, err := parseTiny([]string{"import=sidegate.output_write:iii:i", "data=hello", "on_request=say-2", "on_response=trap", "on_callback=loop"})
	if err != nil {
		t.Fatal(err)
	}
	b, err := m.binary()
	if err != nil {
		t.Fatal(err)
	}
	file := t.TempDir() + "/tiny.wasm"
	if err := os.WriteFile(file, b, 0o644); err != nil {
		t.Fatal(err)
	}
	report, err := checkPlugin(t.Context(), &sandbox{}, file, []byte("null"), nil)
	if err != nil || len(report.Phases) != 3 || report.Fetches || report.Configuration != accepted {
		t.Errorf("%+v, %v", report, err)
	}
}
