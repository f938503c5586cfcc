package gateway

import (
	"bufio"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/sidegate/sidegate/internal/auth"
	"github.com/sidegate/sidegate/internal/shell"
	"github.com/sidegate/sidegate/policy"
)

// commandLines reads one command a line.
func commandLines(t *testing.T, name string) []string {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var found []string
	for lines := bufio.NewScanner(f); lines.Scan(); {
		found = append(found, lines.Text())
	}
	return found
}

// TestLivingOffTheLand: what the programs of a host can be talked into, among them every option of the granted programs
// that reads, writes or runs something else, is refused, with reasons that are fit to be shown.
func TestLivingOffTheLand(t *testing.T) {
	t.Parallel()
	r := newReader(t)
	refused := commandLines(t, "testdata/corpus/refused.txt")
	for _, line := range commandLines(t, "testdata/corpus/refused.jsonl") { // those of several lines, each as a string of JSON
		var command string
		if err := json.Unmarshal([]byte(line), &command); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		refused = append(refused, command)
	}
	for _, command := range refused {
		d := r.decide(t, command)
		if d.Allow {
			t.Errorf("allowed: %s", command)
			continue
		}
		if len(d.Reasons) == 0 {
			t.Errorf("%q: no reason", command)
		}
		for _, reason := range d.Reasons {
			control := strings.ContainsFunc(reason, func(r rune) bool { return r < ' ' || r == 0x7f })
			if n := utf8.RuneCountInString(reason); control || n == 0 || n > 500 {
				t.Errorf("%q: %d characters: %q", command, n, reason)
			}
		}
	}
	if len(refused) < 3000 {
		t.Errorf("only %d lines", len(refused))
	}
}

// TestHarmlessCommands: a policy that refuses what it should allow is soon replaced by one that allows everything.
func TestHarmlessCommands(t *testing.T) {
	t.Parallel()
	r := newReader(t)
	harmless := commandLines(t, "testdata/corpus/harmless.txt")
	for _, command := range harmless {
		if d := r.decide(t, command); !d.Allow {
			t.Errorf("refused: %s\n\t%s", command, strings.Join(d.Reasons, "\n\t"))
		}
	}
	if len(harmless) < 400 {
		t.Errorf("only %d lines", len(harmless))
	}
}

// BenchmarkShippedPolicies measures decisions by the shipped policies on analyzed commands; the analysis is not part of it.
func BenchmarkShippedPolicies(b *testing.B) {
	analyzer, err := shell.New(shell.Config{Path: []string{"/usr/bin", "/bin"}})
	if err != nil {
		b.Fatal(err)
	}
	engine, err := policy.New(b.Context(), policy.Config{Paths: []string{"../policies"}, AnyOwner: true, Deadline: time.Minute, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	defer engine.Close(context.Background())
	for _, command := range []string{
		"ls -l /var/log",
		"tail -n 100 /var/log/syslog",
		"cat /var/log/a | head -n 100 | sort -u | wc -l; df -h; ls /srv",
		"rm -rf /srv",
	} {
		b.Run(command, func(b *testing.B) {
			req := Request{ID: "bench", Time: time.Now(), Principal: auth.Principal{Client: "func", Roles: []string{"readonly"}}}
			req.Command = command
			in := inputOf(req, "/srv/app", analyzer.Analyze(command, "/srv/app"), policy.Host{Name: "host"})
			b.ReportAllocs()
			for b.Loop() {
				if _, err := engine.Decide(b.Context(), in); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
