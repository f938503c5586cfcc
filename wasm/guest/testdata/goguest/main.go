// Command goguest is a plugin for the tests, built for wasip1 as a c-shared library. It prefixes the command of a
// request, keeps a secret between calls to see whether it is wiped, and misbehaves on request.
package main

import (
	"runtime"
	"strings"
	"unsafe"
)

//go:wasmimport sidegate input_len
func inputLen(kind uint32) int32

//go:wasmimport sidegate input_read
func inputRead(kind uint32, to unsafe.Pointer, off, n uint32) int32

//go:wasmimport sidegate output_write
func outputWrite(kind uint32, from unsafe.Pointer, n uint32) int32

//go:wasmimport sidegate field_get
func fieldGet(path unsafe.Pointer, pathLen uint32, to unsafe.Pointer, n uint32) int32

//go:wasmimport sidegate field_set
func fieldSet(path unsafe.Pointer, pathLen uint32, from unsafe.Pointer, n uint32) int32

//go:wasmimport sidegate fail
func fail(code int32, text unsafe.Pointer, n uint32)

func pointer(b []byte) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(b)) }

func read(kind uint32) []byte {
	b := make([]byte, inputLen(kind))
	inputRead(kind, pointer(b), 0, uint32(len(b)))
	return b
}

var config, secret string

//go:wasmexport sidegate_abi_v1
func abi() {}

//go:wasmexport sidegate_init
func initialize() int32 {
	config = string(read(1))
	if config == `"refuse"` {
		reason := []byte("no such realm")
		fail(403, pointer(reason), uint32(len(reason)))
		return 1
	}
	return 0
}

// on_request is the work of a small real plugin: it reads the message, replaces a substring, and writes it.
//
//go:wasmexport on_request
func onRequest() int32 {
	message := string(read(0))
	switch {
	case strings.Contains(message, "panic"):
		panic("asked to")
	case strings.Contains(message, "spin"):
		for n := 0; ; n++ {
			secret = message[:n%2]
		}
	case strings.Contains(message, "bomb"):
		var kept [][]byte
		for {
			kept = append(kept, make([]byte, 1<<20))
			runtime.KeepAlive(kept)
		}
	}
	if secret != "" {
		message = "leaked " + secret
	}
	secret = message
	out := []byte(strings.ReplaceAll(message, "git", "echo git"))
	outputWrite(0, pointer(out), uint32(len(out)))
	runtime.Gosched()
	return 0
}

// on_response changes one field without parsing.
//
//go:wasmexport on_response
func onResponse() int32 {
	path, value := []byte("/annotations/seen"), make([]byte, 64)
	n := fieldGet(pointer(path), uint32(len(path)), pointer(value), uint32(len(value)))
	if n < 0 {
		value = []byte(`"yes"`)
		n = int32(len(value))
	}
	return fieldSet(pointer(path), uint32(len(path)), pointer(value), uint32(n))
}

func main() {}
