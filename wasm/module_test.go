package wasm

import (
	"encoding/binary"
	"slices"
)

// assemble writes a module of the contract that exports one function, whose body calls one import with
// constants and returns 0: the smallest plugin that does something. data stands at address 0.
func assemble(export, importName, data string, args ...uint32) []byte {
	const i32 = 0x7f
	vec := func(items ...[]byte) []byte {
		return slices.Concat(append([][]byte{binary.AppendUvarint(nil, uint64(len(items)))}, items...)...)
	}
	name := func(s string) []byte { return append(binary.AppendUvarint(nil, uint64(len(s))), s...) }
	section := func(id byte, content []byte) []byte {
		return append(append([]byte{id}, binary.AppendUvarint(nil, uint64(len(content)))...), content...)
	}
	constant := func(n uint32) []byte { // signed LEB128; what is used here is below 2^13
		return []byte{0x41, byte(n&0x7f) | 0x80, byte(n >> 7)}
	}
	body := []byte{0} // no locals
	for _, arg := range args {
		body = append(body, constant(arg)...)
	}
	body = append(body, 0x10, 0, 0x1a, 0x41, 0, 0x0b) // call 0, drop, i32.const 0, end
	code := func(b []byte) []byte { return append(binary.AppendUvarint(nil, uint64(len(b))), b...) }
	params := append([]byte{0x60, byte(len(args))}, slices.Repeat([]byte{i32}, len(args))...)
	return slices.Concat(
		[]byte("\x00asm\x01\x00\x00\x00"),
		section(1, vec([]byte{0x60, 0, 0}, []byte{0x60, 0, 1, i32}, append(params, 1, i32))),
		section(2, vec(slices.Concat(name("sidegate"), name(importName), []byte{0, 2}))),
		section(3, vec([]byte{0}, []byte{1})),
		section(5, vec([]byte{0, 1})),
		section(7, vec(append(name("memory"), 2, 0), append(name("sidegate_abi_v1"), 0, 1), append(name(export), 0, 2))),
		section(10, vec(code([]byte{0, 0x0b}), code(body))),
		section(11, vec(slices.Concat([]byte{0, 0x41, 0, 0x0b}, name(data)))),
	)
}

// labels returns a plugin that adds a label to every request.
func labels(label, value string) []byte {
	path, text := "/labels/"+label, `"`+value+`"`
	return assemble("on_request", "field_set", path+text, 0, uint32(len(path)), uint32(len(path)), uint32(len(text)))
}

// silences returns a plugin that replaces standard output.
func silences(text string) []byte {
	return assemble("on_response", "output_write", text, 3, 0, uint32(len(text)))
}
