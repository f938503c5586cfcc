package policy

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"slices"
	"testing"
	"time"
)

// BenchmarkBesideOPAServer decides the same input by the shipped policies here and in OPA's own server over loopback, turn
// about, and reports the median of each and their ratio. It needs the stock opa on PATH.
func BenchmarkBesideOPAServer(b *testing.B) {
	program, err := exec.LookPath("opa")
	if err != nil {
		b.Skip("no opa on PATH to compare with")
	}
	in := oneCommand()
	ask := startOPAServer(b, program, in)
	e, _ := open(b, Config{Paths: []string{"../policies"}, CacheBytes: -1})
	var ours, theirs []time.Duration
	for b.Loop() {
		start := time.Now()
		d, err := e.Decide(b.Context(), in)
		ours = append(ours, time.Since(start))
		if err != nil || !d.Allow {
			b.Fatal(d, err)
		}
		start = time.Now()
		ask()
		theirs = append(theirs, time.Since(start))
	}
	a, s := median(ours), median(theirs)
	b.ReportMetric(float64(a.Microseconds()), "µs-engine-p50")
	b.ReportMetric(float64(s.Microseconds()), "µs-server-p50")
	b.ReportMetric(float64(a)/float64(s), "engine/server")
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

// startOPAServer runs OPA's server on the shipped policies until the benchmark ends, and returns one question to it.
func startOPAServer(b *testing.B, program string, in Input) (ask func()) {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, program, "run", "--server", "--disable-telemetry", "--log-level", "error", "--addr", address, "../policies")
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		cancel()
		_ = cmd.Wait() // it was killed
	})
	body, err := json.Marshal(map[string]any{"input": in})
	if err != nil {
		b.Fatal(err)
	}
	post := func() error {
		resp, err := http.Post("http://"+address+"/v1/data/sidegate/decision", "application/json", bytes.NewReader(body))
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		answer, err := io.ReadAll(resp.Body)
		if err == nil && !bytes.Contains(answer, []byte(`"allow":true`)) {
			err = fmt.Errorf("OPA's server answers %s", answer)
		}
		return err
	}
	for deadline := time.Now().Add(20 * time.Second); post() != nil; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.Fatal(post())
		}
	}
	return func() {
		if err := post(); err != nil {
			b.Fatal(err)
		}
	}
}
