package authoring

import (
	"cmp"
	"maps"
	"slices"

	"github.com/open-policy-agent/opa/v1/cover"
)

// Coverage says which lines the tests reach, counted as `opa test --coverage`
// counts them: tests themselves included.
type Coverage struct {
	Percent float64        `json:"percent"`
	Lines   int            `json:"lines"` // that can be reached
	Covered int            `json:"covered"`
	Files   []FileCoverage `json:"files"` // by name
}

// FileCoverage is the coverage of one file.
type FileCoverage struct {
	File       string  `json:"file"`
	Percent    float64 `json:"percent"`
	Lines      int     `json:"lines"`
	Covered    int     `json:"covered"`
	NotCovered []Lines `json:"not_covered"`
}

// Lines are the lines of a file from From to To, both included.
type Lines struct {
	From int `json:"from"`
	To   int `json:"to"`
}

func coverageOf(r cover.Report) *Coverage {
	c := &Coverage{Percent: r.Coverage, Lines: r.CoveredLines + r.NotCoveredLines, Covered: r.CoveredLines, Files: []FileCoverage{}}
	for _, name := range slices.Sorted(maps.Keys(r.Files)) {
		f := r.Files[name]
		if f.CoveredLines+f.NotCoveredLines == 0 {
			continue // data, or only a package line
		}
		c.Files = append(c.Files, FileCoverage{
			File: name, Percent: f.Coverage, Lines: f.CoveredLines + f.NotCoveredLines, Covered: f.CoveredLines,
			NotCovered: linesOf(f.NotCovered),
		})
	}
	return c
}

// linesOf turns ranges of characters into lines, joined where they touch.
func linesOf(ranges []cover.Range) []Lines {
	ranges = slices.SortedFunc(slices.Values(ranges), func(a, b cover.Range) int { return cmp.Compare(a.Start.Row, b.Start.Row) })
	lines := []Lines{}
	for _, r := range ranges {
		if last := len(lines) - 1; last >= 0 && r.Start.Row <= lines[last].To+1 {
			lines[last].To = max(lines[last].To, r.End.Row)
			continue
		}
		lines = append(lines, Lines{r.Start.Row, r.End.Row})
	}
	return lines
}
