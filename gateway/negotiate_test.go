package gateway

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// TestAccept: what callers say that they take, from what programs really send to what nobody should.
func TestAccept(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		accept []string
		status int // of a job, which is JSON or events; 0 is that it goes on
		events bool
	}{
		{nil, 0, false},
		{[]string{""}, 0, false},
		{[]string{"*/*"}, 0, false},
		{[]string{"application/json"}, 0, false},
		{[]string{"Application/JSON; charset=utf-8"}, 0, false},
		{[]string{"text/event-stream"}, 0, true},
		{[]string{"TEXT/Event-Stream;q=1.0"}, 0, true},
		{[]string{"text/*"}, 0, true},
		{[]string{"application/json, text/event-stream"}, 0, true}, // who names them knows them
		{[]string{"application/json", "text/event-stream"}, 0, true},
		{[]string{"application/json, text/event-stream;q=0.9"}, 0, false},
		{[]string{"*/*;q=0.1, text/event-stream"}, 0, true},
		{[]string{"*/*, text/event-stream;q=0"}, 0, false},
		{[]string{"text/event-stream;q=0, application/json;q=0"}, 406, false},
		{[]string{"*/*;q=0"}, 406, false},
		{[]string{"*/*;q=0, application/json"}, 0, false},
		{[]string{"text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"}, 0, false}, // Java's client
		{[]string{"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}, 0, false},
		{[]string{"text/html"}, 406, false},
		{[]string{"application/problem+json"}, 406, false},
		{[]string{"application/jsonx"}, 406, false},
		{[]string{"application"}, 406, false},
		{[]string{"/json"}, 406, false},
		{[]string{"*/json"}, 406, false},
		{[]string{"nonsense"}, 406, false},
		{[]string{",,,"}, 406, false},
		{[]string{"application/json;q=2"}, 0, false}, // a quality that is none is none
		{[]string{"application/json;q=NaN"}, 0, false},
		{[]string{"text/event-stream, nonsense, \x80/\xff"}, 0, true},
	} {
		h := http.Header{"Accept": c.accept}
		err := acceptable(h, mediaPlain, mediaEvents)
		status := 0
		if err != nil {
			status = (&Gateway{}).refusal(err).Status()
		}
		if events := acceptanceOf(h).wantsEvents(); status != c.status || events != c.events {
			t.Errorf("%q: %d, events %v", c.accept, status, events)
		}
	}
}

// FuzzAccept: whatever is sent, a job is answered with something that can be had, or refused.
func FuzzAccept(f *testing.F) {
	f.Add("text/event-stream;q=0.5, */*;q=\"")
	f.Fuzz(func(t *testing.T, accept string) {
		a := acceptanceOf(http.Header{"Accept": {accept}})
		if q, _ := a.quality(mediaEvents); q < 0 || q > 1 || q != q || a.wantsEvents() && q == 0 {
			t.Errorf("%q: %v", accept, q)
		}
	})
}

// TestPrefer reads RFC 7240's preferences as it has them.
func TestPrefer(t *testing.T) {
	t.Parallel()
	const bad = "invalid_request: invalid request: Prefer: wait must be a number of seconds"
	for _, c := range []struct {
		prefer  []string
		wait    time.Duration
		err     string
		applied string // where the job is not over by then
	}{
		{nil, 0, "", ""},
		{[]string{""}, 0, "", ""},
		{[]string{"wait=5"}, 5 * time.Second, "", "wait=5"},
		{[]string{"WAIT = 5"}, 5 * time.Second, "", "wait=5"},
		{[]string{`wait="5"`}, 5 * time.Second, "", "wait=5"},
		{[]string{"respond-async, wait=10"}, 10 * time.Second, "", "respond-async, wait=10"},
		{[]string{"respond-async", "wait=10"}, 10 * time.Second, "", "respond-async, wait=10"},
		{[]string{"respond-async"}, 0, "", "respond-async"},
		{[]string{"wait=0"}, 0, "", "wait=0"},
		{[]string{"wait=5, wait=7"}, 5 * time.Second, "", "wait=5"},
		{[]string{"wait=5", "wait=x"}, 5 * time.Second, "", "wait=5"},
		{[]string{"wait=3601"}, time.Hour, "", "wait=3600"},
		{[]string{"wait=99999999999999999999999"}, time.Hour, "", "wait=3600"},
		{[]string{"wait=5; unit=minutes"}, 5 * time.Second, "", "wait=5"},
		{[]string{`foo="a, wait=x", wait=5`}, 5 * time.Second, "", "wait=5"},
		{[]string{`foo="\", wait=x", wait=5`}, 5 * time.Second, "", "wait=5"},
		{[]string{"handling=strict, return=minimal, ;wait=x"}, 0, "", ""},
		{[]string{"wait"}, 0, bad, ""},
		{[]string{"wait="}, 0, bad, ""},
		{[]string{`wait=""`}, 0, bad, ""},
		{[]string{"wait=-1"}, 0, bad, ""},
		{[]string{"wait=+1"}, 0, bad, ""},
		{[]string{"wait=1.5"}, 0, bad, ""},
		{[]string{"wait=1s"}, 0, bad, ""},
		{[]string{"wait=１"}, 0, bad, ""},
		{[]string{"respond-async, wait=soon"}, 0, bad, ""},
	} {
		p, err := preferencesOf(http.Header{"Prefer": c.prefer})
		if got := errorText(err); got != c.err {
			t.Errorf("%q: %s", c.prefer, got)
			continue
		}
		w := httptest.NewRecorder()
		p.applied(w, true)
		if got := w.Header().Get("Preference-Applied"); err == nil && (p.wait != c.wait || got != c.applied) {
			t.Errorf("%q: %v, applied %q", c.prefer, p.wait, got)
		}
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
