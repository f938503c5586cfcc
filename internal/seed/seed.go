// Package seed reads what fuzzing has found: for a fuzz target that takes one text, the inputs that reached new code, kept in
// testdata/NAME.corpus as one quoted Go string on each line, and run by every `go test`. bench/keep.sh writes these files.
package seed

import (
	"bufio"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// Corpus returns the kept inputs of a fuzz target of the package that is tested.
func Corpus(tb testing.TB, target string) []string {
	tb.Helper()
	file, err := os.Open(filepath.Join("testdata", target+".corpus"))
	if err != nil {
		tb.Fatal(err)
	}
	defer file.Close()
	var inputs []string
	scanner := bufio.NewScanner(file)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		input, err := strconv.Unquote(scanner.Text())
		if err != nil {
			tb.Fatalf("%s: line %d is not a quoted string", file.Name(), len(inputs)+1)
		}
		inputs = append(inputs, input)
	}
	if err := scanner.Err(); err != nil {
		tb.Fatal(err)
	}
	return inputs
}
