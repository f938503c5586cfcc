package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sidegate/sidegate/internal/client"
)

// An oldGateway answers as a test says.
func oldGateway(t *testing.T, serve http.HandlerFunc) *native {
	t.Helper()
	server := httptest.NewServer(serve)
	c, err := client.New(client.Config{Address: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		server.Close()
	})
	return &native{client: c, notes: io.Discard}
}

// following follows stdout of a job, and returns what was printed and what was said.
func following(t *testing.T, serve http.HandlerFunc) (printed, said string, err error) {
	t.Helper()
	var out, notes strings.Builder
	f := follower{
		native: oldGateway(t, serve), job: "j", sink: sink{"stdout", &out}, tell: &teller{to: &notes},
		pauses: []time.Duration{time.Millisecond, time.Millisecond, time.Millisecond, time.Millisecond},
	}
	err = f.follow(t.Context())
	return out.String(), notes.String(), err
}

// sends writes events, and cuts the connection behind them unless they end it. One with ~ behind it is cut off there.
func sends(w http.ResponseWriter, events ...string) {
	w.Header().Set("Content-Type", "text/event-stream")
	for _, e := range events {
		if begin, cut := strings.CutSuffix(e, "~"); cut {
			io.WriteString(w, begin)
			continue
		}
		fmt.Fprintf(w, "%s\n\n", e)
	}
	w.(http.Flusher).Flush()
	if len(events) == 0 || !strings.HasPrefix(events[len(events)-1], "event: end") {
		panic(http.ErrAbortHandler)
	}
}

// TestFollowGoesOn: after each cut the follower asks for what comes next, and prints nothing twice.
func TestFollowGoesOn(t *testing.T) {
	t.Parallel()
	var asked []string
	printed, said, err := following(t, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.String()+" "+r.Header.Get("Last-Event-ID"))
		switch len(asked) {
		case 1:
			sends(w, ": a comment", "event: stdout\nid: 3\ndata: {\"offset\":0,\"text\":\"one\"}", "event: stdout\nid: 5\ndata: {\"offset\":3,\"base64\":\"/wA=\"}", "event: stdout\ndata: {\"offset\":5~")
		case 2, 3:
			sends(w)
		case 4:
			w.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprint(w, `{"detail": "the gateway is shutting down", "reason": "shutting_down"}`)
		case 5:
			sends(w, "event: stdout\ndata: {\"offset\":3,\"text\":\"??six\"}", "event: held\ndata: {\"held_by\": [\"scrub\"]}", "event: news\ndata: {}")
		default:
			sends(w, "event: stdout\ndata: {\"offset\":2,\"text\":\"old\"}", "event: stdout\r\ndata: {\"offset\":1000,\r\ndata: \"skipped\":992,\"text\":\"ten\"}\r", "event: end\ndata: {}")
		}
	})
	if err != nil || printed != "one\xff\x00six"+"ten" {
		t.Errorf("printed %q, %v", printed, err)
	}
	path := "/v1/jobs/j/output/stdout?follow=true "
	if want := []string{path, path + "5", path + "5", path + "5", path + "5", path + "8"}; !slices.Equal(asked, want) {
		t.Errorf("asked for %q", asked)
	}
	for _, want := range []string{"trying to go on (1 of 4)", "the gateway is shutting down", "through the plugin scrub", "992 bytes of stdout are missing here"} {
		if !strings.Contains(said, want) {
			t.Errorf("%q is not in what was said: %s", want, said)
		}
	}
}

// TestFollowGivesUp: what no other connection mends ends it at once, and the rest after some tries.
func TestFollowGivesUp(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		serve http.HandlerFunc
		tries int32
		says  string
	}{
		{"cut off each time", func(w http.ResponseWriter, _ *http.Request) { sends(w) }, 5, "4 tries to go on have failed"},
		{"forgotten", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `{"detail": "there is no such job", "reason": "not_found"}`)
		}, 1, "there is no such job"},
		{"cut", func(w http.ResponseWriter, _ *http.Request) {
			sends(w, "event: error\ndata: {\"detail\": \"not all of it is kept\", \"reason\": \"output_cut\", \"status\": 409}")
		}, 1, "not all of it is kept"},
		{"postponed", func(w http.ResponseWriter, _ *http.Request) {
			sends(w, "event: error\ndata: {\"detail\": \"it is accepted\", \"reason\": \"shutting_down\", \"status\": 503}")
		}, 5, "it is accepted"},
		{"nonsense", func(w http.ResponseWriter, _ *http.Request) { sends(w, "event: stdout\ndata: {") }, 1, "cannot be read"},
		{"an error that says nothing", func(w http.ResponseWriter, _ *http.Request) { sends(w, "event: error\ndata: {}") }, 1, "cannot be read"},
		{"endless", func(w http.ResponseWriter, _ *http.Request) {
			for {
				if _, err := w.Write(make([]byte, 1<<20)); err != nil {
					return
				}
			}
		}, 1, "too long"},
		{"another server", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }, 1, "not as a Sidegate does"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var tries atomic.Int32
			printed, _, err := following(t, func(w http.ResponseWriter, r *http.Request) {
				tries.Add(1)
				c.serve(w, r)
			})
			if err == nil || !strings.Contains(err.Error(), c.says) || printed != "" || tries.Load() != c.tries {
				t.Errorf("printed %q in %d tries: %v", printed, tries.Load(), err)
			}
		})
	}
}

// TestFollowEndsWithItsContext: whoever stops it does not wait for a connection.
func TestFollowEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	n := oldGateway(t, func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		cancel()
		<-r.Context().Done()
	})
	f := follower{native: n, job: "j", sink: sink{"stdout", io.Discard}, tell: &teller{to: io.Discard}, pauses: []time.Duration{time.Hour}}
	if err := f.follow(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// TestAskWaitsItsTurn: many calls in a row are no failure.
func TestAskWaitsItsTurn(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	n := oldGateway(t, func(w http.ResponseWriter, _ *http.Request) {
		if calls.Add(1) < 4 {
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusTooManyRequests)
			fmt.Fprint(w, `{"detail": "this client sends more calls than limits.rate allows; try again", "reason": "rate_limited"}`)
			return
		}
		fmt.Fprint(w, `{"job_id": "j"}`)
	})
	if j, err := n.job(t.Context(), "j"); err != nil || j.JobID != "j" {
		t.Errorf("got %+v, %v", j, err)
	}
	calls.Store(-100)
	if _, err := n.job(t.Context(), "j"); err == nil || !strings.HasPrefix(err.Error(), "this client sends more calls") {
		t.Errorf("got %v", err)
	}
}

// TestRefusalsAreSentences: a problem document is what people read, and what is none is said to be none.
func TestRefusalsAreSentences(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status     int
		body, want string
	}{
		{403, `{"type":"about:blank","title":"Forbidden","status":403,"detail":"the jobs of other clients are for operators","reason":"denied"}`, "the jobs of other clients are for operators"},
		{403, `{"detail":"no\u001b[2J","decision_id":"d"}`, "no\uFFFD[2J (decision d)"},
		{404, "404 page not found", "URL answered 404, and not as a Sidegate does"},
		{200, "<html>", "URL answered 200, and not as a Sidegate does"},
		{302, "", "URL answered 302, and not as a Sidegate does"},
	} {
		n := oldGateway(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(c.status)
			fmt.Fprint(w, c.body)
		})
		_, err := n.job(t.Context(), "j")
		if err == nil || strings.ReplaceAll(err.Error(), n.client.Address(), "URL") != c.want {
			t.Errorf("%d %s: got %v", c.status, c.body, err)
		}
	}
}

// TestPagesAreBounded: a gateway that always has one more page does not keep a search for ever, and a prefix is searched for in its time.
func TestPagesAreBounded(t *testing.T) {
	t.Parallel()
	pages := 0
	n := oldGateway(t, func(w http.ResponseWriter, r *http.Request) {
		if pages++; r.FormValue("since") != "2024-05-17T09:39:25Z" || pages > 1 && r.FormValue("cursor") != fmt.Sprint(pages-1) {
			t.Errorf("asked for %s", r.URL)
		}
		fmt.Fprintf(w, `{"jobs": [{"job_id": "018f85ed-0000-7000-8000-000000000000"}], "next": "%d"}`, pages)
	})
	if _, err := n.jobID(t.Context(), "018F85ec-96"); err == nil || !strings.Contains(err.Error(), "give the whole ID") || pages != searchPages {
		t.Errorf("after %d pages: %v", pages, err)
	}
}

// TestBeginningsOfIDs: the beginning of an ID does if it is that of one job only.
func TestBeginningsOfIDs(t *testing.T) {
	t.Parallel()
	const one, two, other = "018f85ec-9600-7000-8000-000000000000", "018f85ec-9600-7000-8000-000000000001", "018f85ec-9700-7000-8000-000000000000"
	n := oldGateway(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.FormValue("cursor") {
		case "":
			fmt.Fprintf(w, `{"jobs": [{"job_id": %q}, {"job_id": %q}], "next": "7"}`, other, two)
		case "7":
			fmt.Fprintf(w, `{"jobs": [{"job_id": %q}]}`, one)
		}
	})
	for text, want := range map[string]string{
		"018f85ec-97": other, " 018F85EC-97 ": other, one: one, "018f85ec-9600-7000-8000-000000000009": "018f85ec-9600-7000-8000-000000000009", // nobody was asked
		"018f85ec": "3 jobs have IDs that begin like that", "018f85ec-96": "2 jobs have IDs", "018f85ec-98": "there is no job", "018f85e": "at least 8 characters",
		"": "is no ID", "-": "is no ID", one + "0": "is no ID", "018f85eg": "is no ID", "../jobs": "is no ID", "018f85ec\x1b[2J": "is no ID",
	} {
		got, err := n.jobID(t.Context(), text)
		if err != nil {
			got = err.Error()
		}
		if got != want && !strings.Contains(got, want) || strings.Contains(got, "\x1b") {
			t.Errorf("%q: %s", text, got)
		}
	}
}

func TestJobWords(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"status": "exited", "exit_code": 0}`:                       "exited 0",
		`{"status": "exited", "exit_code": 3}`:                       "exited 3 (red)",
		`{"status": "running"}`:                                      "running (yellow)",
		`{"status": "timed_out", "exit_code": 143}`:                  "timed out (red)",
		`{"status": "signaled", "exit_code": 139, "signal": "SEGV"}`: "signaled (SEGV) (red)",
		`{"status": "interrupted", "exit_code": 0}`:                  "interrupted (red)",
	} {
		var j job
		if err := json.Unmarshal([]byte(text), &j); err != nil || string(j.raw) != text {
			t.Fatal(j, err)
		}
		c := j.stateCell()
		got := c.text + map[string]string{red: " (red)", yellow: " (yellow)"}[c.colour]
		if got != want {
			t.Errorf("%s: %s", text, got)
		}
	}
	if got := (&job{Argv: []string{"ls", "a b"}}).line(); got != `ls 'a b'` {
		t.Error(got)
	}
}

func TestTimesAsPeopleWriteThem(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"2h": now.Add(-2 * time.Hour), "90s": now.Add(-90 * time.Second), "7d": now.AddDate(0, 0, -7), "2026-01-31T12:00:00Z": time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC),
		"2026-01-31": time.Date(2026, 1, 31, 0, 0, 0, 0, time.Local), "2026-01-31 07:30": time.Date(2026, 1, 31, 7, 30, 0, 0, time.Local),
	} {
		if got, err := timeOf(text, now); err != nil || !got.Equal(want) {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "-2h", "yesterday", "2", "2026-13-01", "99999999d"} {
		if got, err := timeOf(text, now); err == nil {
			t.Errorf("%s: %v", text, got)
		}
	}
	for ms, want := range map[int64]string{0: "0s", 3: "3ms", 1234: "1.2s", 61_400: "1m1s", 7_380_000: "2h3m"} {
		if got := lasting(ms); got != want {
			t.Errorf("%d: %s", ms, got)
		}
	}
	if got := relative(now.Add(-3*time.Minute), now) + ", " + relative(now.Add(2*time.Hour), now); got != "3 minutes ago, 2 hours from now" {
		t.Error(got)
	}
}

// FuzzEvents: whatever a gateway sends, reading it ends, and an event holds no line feed but those between its lines.
func FuzzEvents(f *testing.F) {
	for _, seed := range []string{
		"event: end\ndata: {}\n\n", ": c\n\nevent: a\ndata: 1\ndata: 2\n\n", "data: 1\n\n", "event:a\r\ndata:b\r\n\r\n", "event: a\n", "event\n\n", "\n\n\n", "event: a\nevent: b\nid: 3\nretry: 1\n\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		lines := 0
		for e, err := range eventsIn(strings.NewReader(text), func() { lines++ }) {
			if err != nil {
				t.Fatal(err)
			}
			if e.name == "" || strings.Contains(e.name, "\n") || strings.Count(string(e.data), "\n") > strings.Count(text, "data") {
				t.Errorf("got %q %q", e.name, e.data)
			}
		}
		if lines > strings.Count(text, "\n")+1 {
			t.Errorf("%d lines", lines)
		}
	})
}
