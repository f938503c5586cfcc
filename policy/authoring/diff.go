package authoring

import (
	"bytes"
	"fmt"
)

const (
	diffContext = 3       // unchanged lines around a change
	maxDiffWork = 4 << 20 // cells of the table that finds what two texts have in common
)

// edit is one line of a diff.
type edit struct {
	kind byte // ' ', '-' or '+'
	line []byte
}

// Diff returns a unified diff, as diff -u writes it, or nothing for equal
// texts.
func Diff(name string, before, after []byte) []byte {
	if bytes.Equal(before, after) {
		return nil
	}
	edits := editsBetween(splitLines(before), splitLines(after))
	var out bytes.Buffer
	fmt.Fprintf(&out, "--- %s\n+++ %s\n", name, name+" (formatted)")
	oldLine, newLine := 1, 1
	for i := 0; i < len(edits); {
		if edits[i].kind == ' ' {
			oldLine, newLine, i = oldLine+1, newLine+1, i+1
			continue
		}
		start := max(0, i-diffContext)
		end := hunkEnd(edits, i)
		writeHunk(&out, edits[start:end], oldLine-(i-start), newLine-(i-start))
		for ; i < end; i++ {
			if edits[i].kind != '+' {
				oldLine++
			}
			if edits[i].kind != '-' {
				newLine++
			}
		}
	}
	return out.Bytes()
}

// hunkEnd is where the hunk whose first change is at i ends: after the
// context of its last change that is near enough to the one before.
func hunkEnd(edits []edit, i int) int {
	last := i
	for j := i; j < len(edits) && j-last <= 2*diffContext; j++ {
		if edits[j].kind != ' ' {
			last = j
		}
	}
	return min(len(edits), last+1+diffContext)
}

func writeHunk(out *bytes.Buffer, edits []edit, oldStart, newStart int) {
	oldCount, newCount := 0, 0
	for _, e := range edits {
		if e.kind != '+' {
			oldCount++
		}
		if e.kind != '-' {
			newCount++
		}
	}
	if oldCount == 0 {
		oldStart--
	}
	if newCount == 0 {
		newStart--
	}
	fmt.Fprintf(out, "@@ -%d,%d +%d,%d @@\n", oldStart, oldCount, newStart, newCount)
	for _, e := range edits {
		out.WriteByte(e.kind)
		out.Write(e.line)
		if !bytes.HasSuffix(e.line, []byte("\n")) {
			out.WriteString("\n\\ No newline at end of file\n")
		}
	}
}

// editsBetween finds the longest common subsequence of lines by dynamic
// programming, between a common beginning and a common end. Texts too large
// for that are one change.
func editsBetween(a, b [][]byte) []edit {
	var head, tail []edit
	for len(a) > 0 && len(b) > 0 && bytes.Equal(a[0], b[0]) {
		head = append(head, edit{' ', a[0]})
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && bytes.Equal(a[len(a)-1], b[len(b)-1]) {
		tail = append(tail, edit{' ', a[len(a)-1]})
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	i, j := 0, 0
	if len(a)*len(b) <= maxDiffWork {
		common := commonLengths(a, b)
		for i < len(a) && j < len(b) {
			switch {
			case bytes.Equal(a[i], b[j]):
				head = append(head, edit{' ', a[i]})
				i, j = i+1, j+1
			case common[i+1][j] >= common[i][j+1]:
				head = append(head, edit{'-', a[i]})
				i++
			default:
				head = append(head, edit{'+', b[j]})
				j++
			}
		}
	}
	for ; i < len(a); i++ {
		head = append(head, edit{'-', a[i]})
	}
	for ; j < len(b); j++ {
		head = append(head, edit{'+', b[j]})
	}
	for k := range tail {
		head = append(head, tail[len(tail)-1-k])
	}
	return head
}

// commonLengths holds at [i][j] how many lines a[i:] and b[j:] have in common.
func commonLengths(a, b [][]byte) [][]int32 {
	common := make([][]int32, len(a)+1)
	for i := range common {
		common[i] = make([]int32, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if bytes.Equal(a[i], b[j]) {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	return common
}

// splitLines keeps the line ends.
func splitLines(text []byte) [][]byte {
	lines := bytes.SplitAfter(text, []byte("\n"))
	if len(lines[len(lines)-1]) == 0 {
		lines = lines[:len(lines)-1]
	}
	return lines
}
