package gateway

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestEveryCodeIsDocumented: docs/errors.md has every code under its status, with its title and with what to do, and no others. It says of those that keep
// the nonce, and of no others, that the same request may be sent again.
func TestEveryCodeIsDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/errors.md")
	if err != nil {
		t.Fatal(err)
	}
	var status string
	documented := map[Code]bool{}
	for section := range strings.SplitSeq(string(page), "\n#") {
		if heading := regexp.MustCompile("^# ([0-9]+)\n*$").FindStringSubmatch(section); heading != nil {
			status = heading[1]
			continue
		}
		parts := strings.SplitN(strings.TrimSpace(section), "\n\n", 3)
		name, ok := strings.CutPrefix(parts[0], "## ")
		if !ok {
			continue
		}
		code := Code(name)
		kind, ok := kinds[code]
		if !ok || documented[code] {
			t.Errorf("docs/errors.md describes %s, which there is not, or twice", name)
			continue
		}
		documented[code] = true
		if want := strconv.Itoa(kind.status); len(parts) != 3 || status != want || parts[1] != want+". "+kind.title+"." {
			t.Errorf("docs/errors.md has %s under %s, as %q", name, status, parts)
			continue
		}
		again := (&Error{Code: code}).undecided() || code == RequestTimeout // before there is a nonce
		if got := strings.Contains(parts[2], "he same request may be sent again"); got != again {
			t.Errorf("docs/errors.md: whether a request that is %s may be sent again: %v", code, got)
		}
	}
	for code := range kinds {
		if !documented[code] {
			t.Errorf("docs/errors.md does not describe %s", code)
		}
	}
}
