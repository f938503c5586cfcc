package policy

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func benchmarkDecide(b *testing.B, in Input, config Config) {
	e, _ := open(b, config)
	if d := decide(b, e, in); !d.Allow {
		b.Fatalf("decision %+v", d)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := e.Decide(b.Context(), in); err != nil {
			b.Fatal(err)
		}
	}
}

func small(cacheBytes int64) Config {
	return Config{Paths: []string{"testdata/small"}, CacheBytes: cacheBytes}
}

func BenchmarkDecideOneCommand(b *testing.B)  { benchmarkDecide(b, oneCommand(), small(-1)) }
func BenchmarkDecideSixCommands(b *testing.B) { benchmarkDecide(b, sixCommands(), small(-1)) }

// The target of a decision that is cached is 5 µs.
func BenchmarkDecideOneCommandCached(b *testing.B)  { benchmarkDecide(b, oneCommand(), small(0)) }
func BenchmarkDecideSixCommandsCached(b *testing.B) { benchmarkDecide(b, sixCommands(), small(0)) }

func BenchmarkDecideParallel(b *testing.B) {
	e, _ := open(b, small(-1))
	in := oneCommand()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := e.Decide(b.Context(), in); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkInputValueSixCommands(b *testing.B) {
	in := sixCommands()
	b.ReportAllocs()
	for b.Loop() {
		toValue(&in)
	}
}

// BenchmarkCommandsOfARole decides the same command by the shipped policies, with a role of 10 commands and with one of 10,000,
// turn about, and reports the median of each and their ratio. Commands are looked up by name, so it should be near 1.
func BenchmarkCommandsOfARole(b *testing.B) {
	in := oneCommand()
	in.Client.Roles = []string{"many"}
	in.Shell.Commands = []Command{testCommand(0, "tool7x", "-l", "/var/log")}
	few, many := withRoleOf(b, 10, in), withRoleOf(b, 10_000, in)
	var short, long []time.Duration
	for b.Loop() {
		short = append(short, decideTimed(b, few, in))
		long = append(long, decideTimed(b, many, in))
	}
	s, l := median(short), median(long)
	b.ReportMetric(float64(s.Nanoseconds())/1000, "µs-10-p50")
	b.ReportMetric(float64(l.Nanoseconds())/1000, "µs-10000-p50")
	b.ReportMetric(float64(l)/float64(s), "10000/10")
}

// withRoleOf is an engine on the shipped policies and a role "many" of n commands, which allows in.
func withRoleOf(b *testing.B, n int, in Input) *Engine {
	b.Helper()
	var commands strings.Builder
	for i := range n {
		fmt.Fprintf(&commands, "tool%dx: {flags: [-a, -l], operands: path}\n", i)
	}
	dir := b.TempDir()
	write(b, dir, map[string]string{
		"sidegate/roles/many/data.yaml":          "paths: [/var/log]\nworkdirs: [/srv]\nenv: {LANG: locale}\n",
		"sidegate/roles/many/commands/data.yaml": commands.String(),
	})
	e, _ := open(b, Config{Paths: []string{"../policies", dir}, CacheBytes: -1})
	if d := decide(b, e, in); !d.Allow {
		b.Fatalf("%d commands: %+v", n, d)
	}
	return e
}

func decideTimed(b *testing.B, e *Engine, in Input) time.Duration {
	start := time.Now()
	if _, err := e.Decide(b.Context(), in); err != nil {
		b.Fatal(err)
	}
	return time.Since(start)
}
