package audit

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestExportAndRead(t *testing.T) {
	t.Parallel()
	log := newLog(t, 44, 10)
	var file bytes.Buffer
	n, err := Export(&file, log.source().Leaves)
	if err != nil || n != 44 || strings.Count(file.String(), "\n") != 44 || !IsExport(file.Bytes()) || IsExport(log.prove(t, 3, 0).Encode()) {
		t.Fatal(n, err)
	}
	for range 2 {
		r, err := Verify(t.Context(), ReadExport(bytes.NewReader(file.Bytes())), Expect{Keys: log.key.Known()})
		if err != nil || !r.OK() || r.Size != 44 || r.Stored.Good != 4 {
			t.Fatalf("%+v, %v", r, err)
		}
	}
	lines := strings.SplitAfter(file.String(), "\n")
	// Whatever is done to lines that are signed is found.
	for name, changed := range map[string][]string{
		"dropped":      slices.Delete(slices.Clone(lines), 5, 6),
		"first":        lines[1:],
		"swapped":      slices.Concat(lines[:5], []string{lines[6], lines[5]}, lines[7:]),
		"added":        slices.Insert(slices.Clone(lines), 5, lines[5]),
		"empty line":   slices.Insert(slices.Clone(lines), 5, "\n"),
		"line endings": {strings.ReplaceAll(file.String(), "\n", "\r\n")},
	} {
		r, err := Verify(t.Context(), ReadExport(strings.NewReader(strings.Join(changed, ""))), Expect{Keys: log.key.Known()})
		if err != nil || r.OK() {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
	text := file.String()
	if _, err := Verify(t.Context(), ReadExport(strings.NewReader(text[:len(text)-1])), Expect{Keys: log.key.Known()}); !errors.Is(err, ErrExport) ||
		err.Error() != "line 44: not a whole export: it is cut off" {
		t.Error(err)
	}
}

func TestExportRefuses(t *testing.T) {
	t.Parallel()
	for want, do := range map[string]func(*memoryLog){
		"the log is not whole: leaf 3 is missing; run sidegate audit verify":                              func(l *memoryLog) { l.leaves = slices.Delete(l.leaves, 3, 4) },
		"the log is not whole: leaf 0 is missing; run sidegate audit verify":                              func(l *memoryLog) { l.leaves = l.leaves[1:] },
		"the log is not whole: leaf 2 is not one line, so no gateway wrote it; run sidegate audit verify": func(l *memoryLog) { l.leaves[2].data[20] = '\n' },
		"the log is not whole: leaf 4 is not one line, so no gateway wrote it; run sidegate audit verify": func(l *memoryLog) { l.leaves[4].data = nil },
	} {
		log := newLog(t, 22, 10)
		do(log)
		if _, err := Export(&bytes.Buffer{}, log.source().Leaves); fmt.Sprint(err) != want || !errors.Is(err, ErrIncomplete) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
