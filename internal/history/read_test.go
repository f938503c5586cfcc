package history

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sidegate/sidegate/gateway"
	"github.com/sidegate/sidegate/internal/audit"
	"github.com/sidegate/sidegate/internal/auth"
	"github.com/sidegate/sidegate/internal/config"
)

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// pastAudit is an audit that is made up, with the requests that are stored beside it.
type pastAudit struct {
	leaves [][]byte
	stored map[string][]byte
	asked  int // the most jobs that were looked up at once
}

func (p *pastAudit) add(leaves ...audit.Leaf) {
	for _, l := range leaves {
		if l.Time.IsZero() {
			l.Time = epoch.Add(time.Duration(len(p.leaves)) * time.Second)
		}
		if l.Client == "" {
			l.Client = "func"
		}
		p.leaves = append(p.leaves, l.Encode())
	}
}

// admit adds a job with its request.
func (p *pastAudit) admit(t testing.TB, l audit.Leaf, env map[string]string) {
	t.Helper()
	l.Job, l.Decision = fmt.Sprintf("job-%d", len(p.leaves)), "d"
	r := gateway.Request{ID: l.Job, Principal: auth.Principal{Client: "func"}, Order: gateway.Order{Command: l.Command}}
	l.Env = map[string]string{}
	for key, value := range env {
		r.Env = append(r.Env, gateway.Variable{Key: key, Value: value})
		l.Env[key] = "digest of " + value
	}
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if p.stored == nil {
		p.stored = map[string][]byte{}
	}
	p.stored[l.Job] = text
	p.add(l)
}

func (p *pastAudit) source() Source {
	return Source{Leaves: rowsOf(p.leaves), Requests: func(_ context.Context, jobs []string) (map[string][]byte, error) {
		p.asked = max(p.asked, len(jobs))
		found := map[string][]byte{}
		for _, id := range jobs {
			if text, ok := p.stored[id]; ok {
				found[id] = text
			}
		}
		return found, nil
	}}
}

func rowsOf(leaves [][]byte) iter.Seq2[audit.Row, error] {
	return func(yield func(audit.Row, error) bool) {
		for i, l := range leaves {
			if !yield(audit.Row{Seq: int64(i), Leaf: l}, nil) {
				return
			}
		}
	}
}

func readAll(t testing.TB, p *pastAudit, q Query) Requests {
	t.Helper()
	if q.Limit == 0 {
		q.Limit = 1000
	}
	clients := []config.Client{{Name: "func", Scheme: "func", Labels: map[string]string{"a": "b"}}}
	found, err := Read(t.Context(), clients, p.source(), q)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// told is what was found, in short: verdict, command and count of each.
func told(found Requests) string {
	var all []string
	for _, a := range found.Distinct {
		all = append(all, fmt.Sprintf("%s %s%s %d", a.Recorded.Verdict, a.Newest.Command, strings.Join(a.Newest.Argv, " "), a.Count))
	}
	return strings.Join(all, ", ")
}

func TestRead(t *testing.T) {
	t.Parallel()
	var p pastAudit
	p.admit(t, audit.Leaf{Type: audit.Admitted, Command: "ls", Grants: []string{"r.ls"}, Revision: "1"}, nil)
	p.add(
		audit.Leaf{Type: audit.Started, Job: "job-0"}, audit.Leaf{Type: audit.Ended, Job: "job-0"}, audit.Leaf{Type: audit.Recovered},
		audit.Leaf{Type: audit.PluginDenied, Command: "ls", Code: "plugin_denied"},
		audit.Leaf{Type: audit.Denied, Command: "ls", Code: "invalid_request"},
		audit.Leaf{Type: audit.Denied, Command: "rm", Code: "denied", Decision: "d", Reasons: []string{"no"}},
		audit.Leaf{Type: audit.Denied, Command: "rm", Code: "denied", Decision: "e", Reasons: []string{"no"}},
		audit.Leaf{Type: audit.Denied, Command: "rm", Code: "denied", Decision: "e", Reasons: []string{"no", "really"}},
		audit.Leaf{Type: audit.Asked, Command: "rm", Code: "denied", Decision: "d", Reasons: []string{"no"}, Revision: "1"},
		audit.Leaf{Type: audit.Asked, Command: "id", Decision: "d", Grants: []string{"r.id"}, Revision: "1"},
		audit.Leaf{Type: audit.Asked, Command: "su", Decision: "d", Reasons: []string{"no"}, Revision: "1"},
		audit.Leaf{Type: audit.Asked, Command: "id", Decision: "d"}, // a plugin answered or denied
		audit.Leaf{Type: audit.Denied, Client: "gone", Argv: []string{"rm", "-r"}, Code: "denied", Reasons: []string{"no"}},
	)
	p.admit(t, audit.Leaf{Type: audit.Observed, Command: "su", Reasons: []string{"no"}, Revision: "1"}, nil)
	p.admit(t, audit.Leaf{Type: audit.Admitted, Command: "ls", Grants: []string{"r.ls"}, Revision: "1"}, nil)
	p.leaves = append(p.leaves, []byte("{"), []byte(`{"v":1,"time":"2026-03-01T12:00:00.000000Z","type":"denied","x":1}`))

	found := readAll(t, &p, Query{})
	const want = "denied rm 2, denied rm 1, denied rm 1, allowed id 1, observed su 1, denied rm -r 1, observed su 1, allowed ls 2"
	if got := told(found); got != want || found.Events != 10 || found.Damaged != 2 || found.Leaves != int64(len(p.leaves)) || found.LeftOut != 0 {
		t.Errorf("got %s\n%+v", got, found)
	}
	for _, a := range found.Distinct {
		if stored := a.Recorded.Grants != nil && a.Newest.Command == "ls" || a.Newest.ID != ""; a.Stored != stored || a.Stranger != (a.Newest.Principal.Client == "gone") {
			t.Errorf("%+v", a)
		}
		if !a.Stored && !a.Stranger && a.Newest.Principal.Labels["a"] != "b" {
			t.Errorf("labels of %+v", a.Newest.Principal)
		}
	}
	for name, c := range map[string]struct {
		query Query
		want  string
	}{
		"client": {Query{Client: "gone"}, "denied rm -r 1"},
		"since":  {Query{Since: epoch.Add(14 * time.Second)}, "observed su 1, allowed ls 1"},
		"until":  {Query{Until: epoch.Add(1 * time.Second)}, "allowed ls 1"},
		"apart":  {Query{Apart: true, Since: epoch.Add(6 * time.Second), Until: epoch.Add(8 * time.Second)}, "denied rm 1, denied rm 1"},
		"limit":  {Query{Limit: 2}, "observed su 1, allowed ls 1"}, // the first ls was forgotten meanwhile
	} {
		if found := readAll(t, &p, c.query); told(found) != c.want || c.query.Limit > 0 && found.LeftOut != 8 {
			t.Errorf("%s: %s, %+v", name, told(found), found)
		}
	}
}

// Values of a request that is not stored are known where a stored one had the same, whichever came first.
func TestReadValues(t *testing.T) {
	t.Parallel()
	var p pastAudit
	denied := func(env map[string]string) audit.Leaf {
		return audit.Leaf{Type: audit.Denied, Command: "rm", Code: "denied", Reasons: []string{"no"}, Env: env}
	}
	p.add(denied(map[string]string{"LANG": "digest of C"}), denied(map[string]string{"TZ": "digest of C"}), denied(map[string]string{"LANG": "digest of D", "A": "x"}))
	p.admit(t, audit.Leaf{Type: audit.Admitted, Command: "ls"}, map[string]string{"LANG": "C"})
	receiver := denied(nil)
	receiver.Receiver = "http://h:1"
	p.add(receiver)
	found := readAll(t, &p, Query{}).Distinct
	if len(found) != 5 || found[0].Unknown != nil || found[0].Newest.Env[0].Value != "C" || !slices.Equal(found[1].Unknown, []string{"the value of TZ"}) ||
		!slices.Equal(found[2].Unknown, []string{"the value of A", "the value of LANG"}) || found[2].Newest.Env[0].Value != "" || found[3].Unknown != nil ||
		!slices.Equal(found[4].Unknown, []string{"the path of its callback"}) {
		t.Errorf("%+v", found)
	}
}

// However much there is, no more is held than is asked for, and what is looked up is looked up in pieces.
func TestReadIsBounded(t *testing.T) {
	t.Parallel()
	var p pastAudit
	long := strings.Repeat("x", 1<<20)
	for i := range 2 * batchSize {
		p.admit(t, audit.Leaf{Type: audit.Admitted, Command: fmt.Sprint("c", i%300)}, nil)
	}
	found := readAll(t, &p, Query{Limit: 100})
	if len(found.Distinct) != 100 || p.asked != batchSize || found.Events != 2*batchSize {
		t.Errorf("%d distinct, %d at once, %+v", len(found.Distinct), p.asked, found.Events)
	}
	var counted int64
	for _, a := range found.Distinct {
		counted += a.Count
	}
	if counted+found.LeftOut != found.Events {
		t.Errorf("%d counted and %d left out, of %d", counted, found.LeftOut, found.Events)
	}
	var big pastAudit
	for i := range 80 {
		big.add(audit.Leaf{Type: audit.Denied, Code: "denied", Command: fmt.Sprint(i, long)})
	}
	if found := readAll(t, &big, Query{}); found.LeftOut < 80-maxBytes>>20 || len(found.Distinct) < 50 {
		t.Errorf("%d distinct, %d left out", len(found.Distinct), found.LeftOut)
	}
}

func TestReadFails(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	source := Source{Leaves: func(yield func(audit.Row, error) bool) { yield(audit.Row{}, broken) }}
	if _, err := Read(t.Context(), nil, source, Query{Limit: 1}); !errors.Is(err, broken) {
		t.Error(err)
	}
	var p pastAudit
	p.admit(t, audit.Leaf{Type: audit.Admitted}, nil)
	source = p.source()
	source.Requests = func(context.Context, []string) (map[string][]byte, error) { return nil, broken }
	if _, err := Read(t.Context(), nil, source, Query{Limit: 1}); !errors.Is(err, broken) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Read(ctx, nil, p.source(), Query{Limit: 1}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// BenchmarkRead reads leaves as a gateway with one client writes them.
func BenchmarkRead(b *testing.B) {
	var p pastAudit
	for i := range 1000 {
		p.admit(b, audit.Leaf{Type: audit.Admitted, Command: fmt.Sprint("ls /srv/", i), Grants: []string{"readonly.ls"}}, map[string]string{"LANG": "C"})
		p.add(audit.Leaf{Type: audit.Started}, audit.Leaf{Type: audit.Ended})
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Read(b.Context(), nil, p.source(), Query{Limit: 100}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/float64(len(p.leaves)), "µs/leaf")
}
