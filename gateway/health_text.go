package gateway

import (
	"fmt"
	"net/http"
	"strings"
	"text/tabwriter"
)

// asText tells whether whoever asks wants to read: "Accept: text/plain", or "?format=text" where a header is hard to set. JSON is for everybody else.
func asText(r *http.Request) bool {
	return r.URL.Query().Get("format") == "text" || strings.HasPrefix(r.Header.Get("Accept"), "text/plain")
}

// text is a report for people: whether the gateway is ready, then a line for each check.
func (r readiness) text() string {
	var b strings.Builder
	state := "ready\n"
	if !r.Ready {
		state = "not ready\n"
	}
	b.WriteString(state)
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, c := range r.Checks {
		verdict := "ok"
		switch {
		case !c.OK && c.Advisory:
			verdict = "NOTE"
		case !c.OK:
			verdict = "FAILED"
		}
		detail := printable(c.Detail, maxReason)
		if c.Reason != "" {
			detail = c.Reason + ": " + detail
		}
		fmt.Fprintf(t, "%s\t%s\t%s\n", verdict, c.Name, detail)
	}
	t.Flush()
	return b.String()
}
