package gateway

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxWait bounds what "Prefer: wait=N" can ask for; who wants to wait longer asks again, or follows the output.
const maxWait = time.Hour

// preferences are what Prefer (RFC 7240) asks for of what is understood here.
type preferences struct {
	async bool          // respond-async
	wait  time.Duration // wait=N; 0 answers at once
	waits bool          // wait was given
}

// preferencesOf reads the headers. Of what is given twice the first counts, and what is unknown is passed over, as the RFC demands.
func preferencesOf(h http.Header) (preferences, error) {
	var p preferences
	for _, header := range h.Values("Prefer") {
		for _, preference := range split(header, ',') {
			preference = split(preference, ';')[0] // what follows are parameters, and there are none
			name, value, _ := strings.Cut(preference, "=")
			switch strings.ToLower(strings.TrimSpace(name)) {
			case "respond-async":
				p.async = true
			case "wait":
				if p.waits {
					continue
				}
				seconds, ok := secondsOf(strings.Trim(strings.TrimSpace(value), `"`))
				if !ok {
					return p, invalid(&FieldError{"Prefer", "wait must be a number of seconds"})
				}
				p.wait, p.waits = seconds, true
			}
		}
	}
	return p, nil
}

// secondsOf reads a number of seconds; more than maxWait is that.
func secondsOf(text string) (time.Duration, bool) {
	if text == "" || strings.Trim(text, "0123456789") != "" {
		return 0, false
	}
	seconds, err := strconv.ParseUint(text, 10, 31)
	if most := uint64(maxWait / time.Second); err != nil || seconds > most { // it is a number, and too large to be read
		seconds = most
	}
	return time.Duration(seconds) * time.Second, true
}

// split cuts a header where a character stands outside of quotes.
func split(text string, at byte) []string {
	var parts []string
	start, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == at && !quoted:
			parts = append(parts, text[start:i])
			start = i + 1
		}
	}
	return append(parts, text[start:])
}

// applied says which preferences an answer follows; async is whether it came before the job's end.
func (p preferences) applied(w http.ResponseWriter, async bool) {
	var names []string
	if p.async && async {
		names = append(names, "respond-async")
	}
	if p.waits {
		names = append(names, "wait="+strconv.Itoa(int(p.wait/time.Second)))
	}
	if len(names) > 0 {
		w.Header().Set("Preference-Applied", strings.Join(names, ", "))
	}
}
