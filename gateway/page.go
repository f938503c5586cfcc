package gateway

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"unicode/utf8"
)

// listLimit is how many rows a page of a list has, unless the caller asks for fewer or more; maxListLimit is the most.
const (
	listLimit    = 100
	maxListLimit = 1000
)

// pageBytes is how much text the rows of a page have before no more are read, and stepBytes how much those may have that are read at once: what a
// caller has stored does not decide how much memory it takes to list it.
const (
	pageBytes = 4 << 20
	stepBytes = 4 << 20
)

// pageOf reads which page of a list a caller wants: cursor (next of the last page) and limit.
func pageOf(query url.Values) (before int64, limit int, err error) {
	limit = listLimit
	if text := query.Get("cursor"); text != "" {
		if before, err = strconv.ParseInt(text, 10, 64); err != nil || before < 1 {
			return 0, 0, invalid(&FieldError{"cursor", "must be next of an earlier page"})
		}
	}
	if text := query.Get("limit"); text != "" {
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 || limit > maxListLimit {
			return 0, 0, invalid(&FieldError{"limit", fmt.Sprintf("must be from 1 to %d", maxListLimit)})
		}
	}
	return before, limit, nil
}

// A pager reads one page, a few rows at a time.
type pager[Row any] struct {
	read func(before int64, limit int) ([]Row, error) // rows before a number, or from the newest where that is 0
	seq  func(Row) int64
	size func(Row) int // bytes of its text
	step int           // rows that are read at once
}

// page returns up to limit rows, or fewer where they are long, and what to send as cursor for the next page, "" after the last.
func (p pager[Row]) page(before int64, limit int) (rows []Row, next string, err error) {
	size := 0
	for len(rows) < limit && size < pageBytes {
		want := min(p.step, limit-len(rows))
		more, err := p.read(before, want)
		if err != nil {
			return nil, "", err
		}
		rows = append(rows, more...)
		if len(more) < want {
			return rows, "", nil
		}
		for _, row := range more {
			size += p.size(row)
		}
		before = p.seq(more[len(more)-1])
	}
	return rows, strconv.FormatInt(before, 10), nil
}

// repeated are the parameters that may be given more than once.
var repeated = []string{"status", "label"}

// queryOf reads the query of a route, which has these parameters and no others.
func queryOf(r *http.Request, parameters ...string) (query url.Values, err error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, invalid(&FieldError{"query", "is not valid"})
	}
	for name, given := range values {
		switch {
		case !slices.Contains(parameters, name):
			return nil, invalid(&FieldError{"query", "has the unknown parameter " + printable(name, maxName)})
		case len(given) > 1 && !slices.Contains(repeated, name):
			return nil, invalid(&FieldError{name, "is given twice"})
		case slices.Contains(given, ""): // most likely a variable of a script that is not set
			return nil, invalid(&FieldError{name, "is empty"})
		case slices.ContainsFunc(given, func(value string) bool { return !utf8.ValidString(value) }): // which nothing that is listed is not
			return nil, invalid(&FieldError{name, "must be UTF-8"})
		}
	}
	return values, nil
}
