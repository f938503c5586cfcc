// Command guest is what a plugin in Go does most: it decodes JSON, changes it and encodes it
// again; and what strains a meter: sorting, maps, goroutines, a recovered panic, recursion.
package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unsafe"
)

var buffer [1 << 16]byte

//go:wasmexport buffer
func address() int32 { return int32(uintptr(unsafe.Pointer(&buffer[0]))) }

// transform replaces the message of n bytes in the buffer and returns the new length.
//
//go:wasmexport transform
func transform(n int32) int32 {
	var message map[string]any
	if err := json.Unmarshal(buffer[:n], &message); err != nil {
		return int32(copy(buffer[:], err.Error()))
	}
	keys := make(chan string)
	go func() {
		defer close(keys)
		for key := range message {
			keys <- key
		}
	}()
	var sorted []string
	for key := range keys {
		sorted = append(sorted, key)
	}
	slices.Sort(sorted)
	message["keys"] = strings.Join(sorted, ",")
	message["panic"] = recovered(sorted)
	out, err := json.Marshal(message)
	if err != nil {
		panic(err)
	}
	return int32(copy(buffer[:], out))
}

func recovered(s []string) (text string) {
	defer func() { text = fmt.Sprint(recover()) }()
	return s[len(s)]
}

func main() {}
