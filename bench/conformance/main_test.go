package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sidegate/sidegate/bench/peers"
)

func TestMain(m *testing.M) {
	peers.RunChild()
	runAct()
	runFaulty()
	flag.Parse()
	_ = flag.Set("test.parallel", "8") // probes wait, for the most part
	code := m.Run()
	if dir, err := scratch(); err == nil {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

var scratch = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "conformance-built-") })

// built are the programs as they are shipped: never with the race detector, which makes commands wait at their end. BENCH_SIDEGATE, an absolute path, takes
// the place of a gateway that is built.
var built = sync.OnceValues(func() (string, error) {
	dir, err := scratch()
	if err != nil {
		return "", err
	}
	wanted := []string{"build", "-o", dir + "/", "github.com/sidegate/sidegate/bench/conformance"}
	if path := os.Getenv("BENCH_SIDEGATE"); path == "" {
		wanted = append(wanted, "github.com/sidegate/sidegate/cmd/sidegate")
	} else if err := os.Symlink(path, filepath.Join(dir, "sidegate")); err != nil {
		return "", err
	}
	build := exec.Command("go", wanted...)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := build.CombinedOutput(); err != nil {
		return "", errors.Join(err, errors.New(string(text)))
	}
	return dir, nil
})

// testSetup is a setup with commands that are not this test's program.
func testSetup(t *testing.T) setup {
	t.Helper()
	programs, err := built()
	if err != nil {
		t.Fatal(err)
	}
	s, done, err := prepareSetup(options{sidegate: filepath.Join(programs, "sidegate")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(done)
	s.program = filepath.Join(programs, "conformance")
	return s
}

// expect tries all probes on a subject, and compares the verdicts.
func expect(t *testing.T, s *subject, marks string, want func(probe string) verdict) {
	t.Helper()
	r := s.examine(t.Context(), probes, marks)
	if len(r.Findings) != len(probes) {
		t.Errorf("%d of %d probes were tried", len(r.Findings), len(probes))
	}
	for _, o := range r.Findings {
		if o.Verdict != want(o.Name) {
			t.Errorf("%s: %s, want %s: %s", o.Name, o.Verdict, want(o.Name), o.Seen)
		}
	}
	if t.Failed() {
		t.Logf("the server's log:\n%s", s.log())
	}
}

func expectAdapter(t *testing.T, name string, want func(probe string) verdict) {
	t.Helper()
	setup := testSetup(t)
	s, err := adapters[name](t.Context(), setup)
	if errors.Is(err, peers.ErrNoWebhook) {
		t.Skipf("there is nothing to compare with: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	expect(t, s, setup.marks, want)
}

func TestSidegate(t *testing.T) {
	t.Parallel()
	expectAdapter(t, "sidegate", func(string) verdict { return right })
}

// TestFaulty shows that each probe can fail. Each has a server of its own, so that they need not wait for each other.
func TestFaulty(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range probes {
		t.Run(p.Name, func(t *testing.T) {
			t.Parallel()
			setup := testSetup(t)
			s := startFaulty(t, self, setup)
			defer s.close()
			if f := p.run(t.Context(), s, setup.marks); f.Verdict != wrong {
				t.Errorf("%s: %s", f.Verdict, f.Seen)
			}
		})
	}
}

func TestBare(t *testing.T) {
	t.Parallel()
	expectAdapter(t, "bare", verdicts(
		"flipped-byte unsigned-query header-tricks stale-signature path-prefix stuck-job",
		"unsigned-call ten-mib slow-loris huge-body replay replay-at-once replay-after-restart timeout-tree background-child concurrency-limit"))
}

func TestWebhook(t *testing.T) {
	t.Parallel()
	expectAdapter(t, "webhook", verdicts(
		"path-prefix stuck-job timeout-tree",
		"unsigned-query stale-signature ten-mib slow-loris huge-body replay replay-at-once replay-after-restart background-child outlives-client concurrency-limit"))
}

// verdicts expects these probes not to apply, these to go wrong, and all others to go well.
func verdicts(none, bad string) func(string) verdict {
	return func(probe string) verdict {
		switch {
		case slices.Contains(strings.Fields(none), probe):
			return notApplicable
		case slices.Contains(strings.Fields(bad), probe):
			return wrong
		}
		return right
	}
}

// TestExitCode: what is wrong fails where it is claimed, and only there; what could not be tried fails.
func TestExitCode(t *testing.T) {
	for _, test := range []struct {
		o     outcome
		fails bool
	}{
		{outcome{finding: finding{Verdict: right}, Claimed: true}, false},
		{outcome{finding: finding{Verdict: wrong}, Claimed: true}, true},
		{outcome{finding: finding{Verdict: wrong}}, false},
		{outcome{finding: finding{Verdict: notApplicable}, Claimed: true}, false},
		{outcome{finding: finding{Verdict: notTried}}, true},
	} {
		if r := (report{Findings: []outcome{test.o}}); r.fails() != test.fails {
			t.Errorf("%+v: fails is %v", test.o, r.fails())
		}
	}
}

// TestProgram runs the program as people do.
func TestProgram(t *testing.T) {
	t.Parallel()
	programs, err := built()
	if err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) (string, int) {
		cmd := exec.CommandContext(t.Context(), filepath.Join(programs, "conformance"), append([]string{"-sidegate", filepath.Join(programs, "sidegate")}, args...)...)
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		var exit *exec.ExitError
		if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		return out.String(), cmd.ProcessState.ExitCode()
	}
	out, code := run("-adapter", "sidegate,bare", "-only", "replay", "-json")
	var reports []struct {
		Adapter  string
		Findings []struct {
			Name, Does, Right, Verdict, Seen string
			Claimed                          bool
		}
	}
	if err := json.Unmarshal([]byte(out), &reports); err != nil || code != 0 || len(reports) != 2 {
		t.Fatalf("%v, exit code %d: %s", err, code, out)
	}
	for i, want := range []string{"right", "wrong"} {
		f := reports[i].Findings
		if len(f) != 1 || f[0].Name != "replay" || f[0].Verdict != want || f[0].Claimed != (i == 0) || f[0].Does == "" || f[0].Right == "" || f[0].Seen == "" {
			t.Errorf("%+v", reports[i])
		}
	}
	for _, test := range []struct{ args, want string }{
		{"-adapter nonsense", "no such adapter"},
		{"-only nonsense", "no probe"},
		{"-url http://127.0.0.1:1", "-secret-file"},
		{"more", "no arguments"},
	} {
		if out, code := run(strings.Fields(test.args)...); code != 1 || !strings.Contains(out, test.want) {
			t.Errorf("%s: exit code %d: %s", test.args, code, out)
		}
	}
	if out, code := run("-list"); code != 0 || strings.Count(out, "does ") != len(probes) {
		t.Errorf("exit code %d: %s", code, out)
	}
	for _, test := range []struct{ adapter, want string }{{"sidegate", "package sidegate.grants"}, {"webhook", "payload-hmac-sha256"}} {
		if out, code := run("-print-setup", "-adapter", test.adapter); code != 0 || !strings.Contains(out, test.want) {
			t.Errorf("exit code %d: %s", code, out)
		}
	}
}

// TestServerThatIsThere probes a server that this program has not started.
func TestServerThatIsThere(t *testing.T) {
	t.Parallel()
	s := testSetup(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	server, err := startSidegateSubject(ctx, s)
	if err != nil {
		t.Fatal(err)
	}
	defer server.close()
	secret, err := os.ReadFile(filepath.Join(s.dir, "gateway", "func.secret"))
	if err != nil {
		t.Fatal(err)
	}
	there := s
	there.url, there.secret = server.url, bytes.TrimSuffix(secret, []byte("\n"))
	subject, err := startSidegateSubject(ctx, there)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]verdict{"replay": right, "flipped-byte": right, "ten-mib": notApplicable, "replay-after-restart": notApplicable, "stuck-job": notApplicable, "path-prefix": notApplicable, "concurrency-limit": notApplicable} {
		i := slices.IndexFunc(probes, func(p probe) bool { return p.Name == name })
		if got := probes[i].run(ctx, subject, s.marks); got.Verdict != want {
			t.Errorf("%s: %+v, want %s", name, got, want)
		}
	}
}
