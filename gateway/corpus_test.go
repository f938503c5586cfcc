package gateway

import (
	"bufio"
	"encoding/json"
	"log/slog"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sidegate/sidegate/internal/auth"
	"github.com/sidegate/sidegate/internal/shell"
	"github.com/sidegate/sidegate/policy"
)

// reader decides command lines as a client with the role readonly sends them, in /srv/app, by the policies that are
// shipped.
type reader struct {
	analyzer *shell.Analyzer
	engine   *policy.Engine
	plain    *policy.Engine // without a cache
}

func newReader(t *testing.T) reader {
	t.Helper()
	analyzer, err := shell.New(shell.Config{Path: strings.Split("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", ":")})
	if err != nil {
		t.Fatal(err)
	}
	open := func(cacheBytes int64) *policy.Engine {
		engine, err := policy.New(t.Context(), policy.Config{
			Paths: []string{"../policies"}, AnyOwner: true, Deadline: time.Minute, CacheBytes: cacheBytes, Logger: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { engine.Close(t.Context()) })
		if status := engine.Status(); !status.Ready || status.Cache.Why != "" {
			t.Fatal(status.LastError, status.Cache.Why)
		}
		return engine
	}
	return reader{analyzer, open(0), open(-1)}
}

func (r reader) decide(t *testing.T, command string) policy.Decision {
	t.Helper()
	req := Request{ID: "corpus", Time: time.Now(), Principal: auth.Principal{Client: "func", Scheme: "func", KeyID: "1", Roles: []string{"readonly"}}}
	req.Command = command
	in := inputOf(req, "/srv/app", r.analyzer.Analyze(command, "/srv/app"), policy.Host{Name: "host"})
	d, err := r.plain.Decide(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	for _, ask := range []string{"first", "second"} {
		in.Request.ID, in.Request.Time = ask, time.Now()
		if again, err := r.engine.Decide(t.Context(), in); err != nil || !reflect.DeepEqual(again, d) {
			t.Errorf("%q: asked for the %s time, an engine with a cache answers %+v, %v, and one without %+v", command, ask, again, err, d)
		}
	}
	if d.Fault != "" {
		t.Errorf("%q: the policy failed: %s", command, d.Fault)
	}
	return d
}

// TestEverydayCommands: what people look at hosts with is allowed, all but the few lines whose words a shell would have
// to make up.
func TestEverydayCommands(t *testing.T) {
	t.Parallel()
	r := newReader(t)
	total, allowed := 0, 0
	f, err := os.Open("testdata/corpus/everyday.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		total++
		if d := r.decide(t, lines.Text()); d.Allow {
			allowed++
		} else {
			t.Logf("denied: %s\n\t%s", lines.Text(), strings.Join(d.Reasons, "\n\t"))
		}
	}
	if total != 40 || allowed < 36 {
		t.Errorf("%d of %d everyday lines are allowed, want 36 of 40", allowed, total)
	}
}

// TestAdversarialCommands: nothing that was made to get through gets through, and what is harmless among it is allowed.
func TestAdversarialCommands(t *testing.T) {
	t.Parallel()
	r := newReader(t)
	f, err := os.Open("testdata/corpus/adversarial.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	total := 0
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var c struct{ ID, Command, Expect, Note string }
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		total++
		d := r.decide(t, c.Command)
		if d.Allow != (c.Expect == "allow") {
			t.Errorf("%s: %q: allow is %v, want %s (%s); reasons %q", c.ID, c.Command, d.Allow, c.Expect, c.Note, d.Reasons)
		}
	}
	if total < 70 {
		t.Errorf("only %d lines", total)
	}
}
