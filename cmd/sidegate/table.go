package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/dustin/go-humanize"
	"golang.org/x/term"
)

// A table is printed with aligned columns. On a terminal its last column is cut so that a row is a line, and some cells have colours; elsewhere everything
// stands there whole.
type table struct {
	head   []string
	rows   [][]cell
	narrow int // the last column is never cut to less than this
}

// A cell is a text of one line, and its colour on a terminal.
type cell struct{ text, colour string }

func (t *table) add(cells ...cell) { t.rows = append(t.rows, cells) }

// plainly is a cell without colour.
func plainly(text string) cell { return cell{text: text} }

func (t *table) print(w io.Writer) error {
	widths := make([]int, len(t.head))
	for i, name := range t.head {
		widths[i] = len(name)
	}
	for _, row := range t.rows {
		for i, c := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(c.text))
		}
	}
	last := len(t.head) - 1
	room := widthOf(w)
	for _, width := range widths[:last] {
		room -= width + 2
	}
	head := make([]cell, len(t.head))
	for i, name := range t.head {
		head[i] = plainly(name)
	}
	for _, row := range append([][]cell{head}, t.rows...) {
		var line strings.Builder
		for i, c := range row {
			if i == last {
				if isTerminal(w) {
					c.text = shown(c.text, max(room, t.narrow))
				}
				line.WriteString(painted(w, c))
				break
			}
			line.WriteString(painted(w, c))
			line.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c.text)+2))
		}
		if _, err := fmt.Fprintln(w, strings.TrimRight(line.String(), " ")); err != nil {
			return err
		}
	}
	return nil
}

func painted(w io.Writer, c cell) string {
	if c.colour == "" || c.text == "" {
		return c.text
	}
	return colour(w, c.colour, c.text)
}

// widthOf is how many characters a line of a terminal has, or 80 where that is not known.
func widthOf(w io.Writer) int {
	if file, ok := w.(*os.File); ok {
		if width, _, err := term.GetSize(int(file.Fd())); err == nil && width > 0 {
			return width
		}
	}
	return 80
}

// fitting is as much of a line as a terminal has room for. One that is wrapped could not be written over: what clears a line clears the last part of it.
func fitting(w io.Writer, line string) string {
	runes := []rune(line)
	return string(runes[:min(len(runes), widthOf(w)-1)])
}

// when writes a time for who reads it now or later: on a terminal how long ago it is, elsewhere as RFC 3339 in UTC.
func when(w io.Writer, t *time.Time) string {
	switch {
	case t == nil:
		return "-"
	case isTerminal(w):
		return relative(*t, time.Now())
	}
	return t.UTC().Format(time.RFC3339)
}

// relative is how long before or after now a time is.
func relative(t, now time.Time) string { return humanize.RelTime(t, now, "ago", "from now") }

// fully is when with both: the time as the clock of this host shows it, and how long ago it is.
func fully(w io.Writer, t *time.Time) string {
	if t == nil || !isTerminal(w) {
		return when(w, t)
	}
	return t.Local().Format("2006-01-02 15:04:05 MST") + " (" + relative(*t, time.Now()) + ")"
}

// lasting is how long something took, in few characters.
func lasting(ms int64) string {
	d := time.Duration(ms) * time.Millisecond
	switch {
	case d < time.Second:
		return d.String()
	case d < time.Minute:
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + "s"
	case d < time.Hour:
		return d.Round(time.Second).String()
	}
	return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
}
