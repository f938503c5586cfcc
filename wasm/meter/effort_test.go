package meter_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/sidegate/sidegate/wasm/meter"
)

// each joins the code for 0 to n-1.
func each(n int, code func(i uint64) []byte) []byte {
	var b []byte
	for i := range n {
		b = append(b, code(uint64(i))...)
	}
	return b
}

// copies is a module of so many functions with the same body, of type (i32) -> (), with memory, a table and a global.
func copies(n int, body []byte, more ...[]byte) []byte {
	return wasm(types(append([][]byte{signature([]byte{i32}, nil)}, more...)...), functions(make([]int, n)...),
		tables(join(funcref, 0, 1)), memory(0, 1), globals(join(i32, 1, 0x41, 0, 0x0b)), code(slices.Repeat([][]byte{body}, n)...))
}

// setAll loads locals 1 to n, useAll stores them, getAll reads them.
func setAll(n int) []byte {
	return each(n, func(i uint64) []byte { return join(0x20, 0, 0x28, 2, uleb(4*i), 0x21, uleb(i+1)) })
}

func useAll(n int) []byte {
	return each(n, func(i uint64) []byte { return join(0x20, 0, 0x20, uleb(i+1), 0x36, 2, uleb(4*i)) })
}

func getAll(n int) []byte {
	return each(n, func(i uint64) []byte { return join(0x20, uleb(i+1), 0x1a) })
}

var branchIf = []byte{0x20, 0, 0x0d, 0} // of local 0, to the innermost label

// slow are modules of a size, each of which keeps the compiler busy in another way.
var slow = []struct {
	name   string
	module func(n int) []byte
	n      int  // is too many
	total  bool // of all functions, not of the first
}{
	{"ifs around stores", func(n int) []byte {
		return copies(1, body(noLocals, bytes.Repeat(join(0x20, 0, 0x28, 2, 0, 0x04, void, 0x20, 0, 0x41, 1, 0x36, 2, 0, 0x0b), n)))
	}, 14_000, false},
	{"ifs", func(n int) []byte {
		return copies(1, body(noLocals, bytes.Repeat([]byte{0x20, 0, 0x04, void, 0x0b}, n)))
	}, 10_000, false},
	{"ifs inside each other", func(n int) []byte {
		return copies(1, body(noLocals, bytes.Repeat([]byte{0x20, 0, 0x04, void}, n), bytes.Repeat([]byte{0x0b}, n)))
	}, 8000, false},
	{"empty blocks", func(n int) []byte { return copies(1, body(noLocals, bytes.Repeat([]byte{0x02, void, 0x0b}, n))) }, 20_000, false},
	{"branches to one place", func(n int) []byte {
		return copies(1, body(noLocals, 0x02, void, bytes.Repeat(branchIf, n), 0x0b))
	}, 16_000, false},
	{"branches back to a loop", func(n int) []byte {
		return copies(1, body(noLocals, 0x03, void, bytes.Repeat(branchIf, n), 0x0b))
	}, 16_000, false},
	{"branches, then locals", func(n int) []byte {
		return copies(1, body(locals(1000, i32), 0x02, void, bytes.Repeat(branchIf, n), 0x0b, getAll(1000)))
	}, 1000, false},
	{"branches with locals that were assigned", func(n int) []byte {
		return copies(1, body(locals(200, i32), 0x02, void, setAll(200), bytes.Repeat(branchIf, n), setAll(200), 0x0b, useAll(200)))
	}, 2000, false},
	{"branches with results", func(n int) []byte {
		results := slices.Repeat([]byte{i32}, 300)
		return copies(1, body(noLocals, bytes.Repeat([]byte{0x20, 0}, 300), 0x02, 1, bytes.Repeat(branchIf, n), 0x0b, bytes.Repeat([]byte{0x1a}, 300)), signature(results, results))
	}, 3000, false},
	{"locals wanted after ifs", func(n int) []byte {
		return copies(1, body(locals(500, i32), setAll(500), bytes.Repeat(join(0x20, 0, 0x04, void, 0x41, 0, 0x24, 0, 0x0b), n), useAll(500)))
	}, 3000, false},
	{"loops inside each other", func(n int) []byte {
		return copies(1, body(locals(100, i32), setAll(100), bytes.Repeat([]byte{0x03, void}, n), getAll(100), bytes.Repeat(join(branchIf, 0x0b), n)))
	}, 300, false},
	{"loops", func(n int) []byte {
		return copies(1, body(noLocals, bytes.Repeat(join(0x03, void, branchIf, 0x0b), n)))
	}, 4000, false},
	{"a br_table", func(n int) []byte {
		return copies(1, body(noLocals, 0x02, void, 0x20, 0, 0x0e, uleb(uint64(n)), make([]byte, n+1), 0x0b))
	}, 60_000, false},
	{"a br_table with locals", func(n int) []byte {
		return copies(1, body(locals(300, i32), setAll(300), 0x02, void, 0x20, 0, 0x0e, uleb(uint64(n)), make([]byte, n+1), 0x0b, useAll(300)))
	}, 20_000, false},
	{"memory.fill", func(n int) []byte {
		return copies(1, body(noLocals, bytes.Repeat([]byte{0x20, 0, 0x20, 0, 0x20, 0, 0xfc, 11, 0}, n)))
	}, 4000, false},
	{"table.fill", func(n int) []byte {
		return copies(1, body(noLocals, bytes.Repeat([]byte{0x20, 0, 0xd0, funcref, 0x20, 0, 0xfc, 17, 0}, n)))
	}, 4000, false},
	{"calls by a table", func(n int) []byte {
		return copies(1, body(noLocals, bytes.Repeat([]byte{0x20, 0, 0x41, 0, 0x11, 0, 0}, n)))
	}, 40_000, false},
	{"arguments", func(n int) []byte {
		values := slices.Repeat([]byte{i32}, 90)
		return wasm(types(signature(values, nil)), functions(0), code(body(noLocals, bytes.Repeat(join(each(90, func(i uint64) []byte { return join(0x20, uleb(i)) }), 0x10, 0), n))))
	}, 9000, false},
	{"straight code", func(n int) []byte {
		return copies(40, body(noLocals, bytes.Repeat([]byte{0x20, 0, 0x28, 2, 0, 0x21, 0}, n)))
	}, 57_000, true},
	{"code that is not reached", func(n int) []byte {
		values := slices.Repeat([]byte{i32}, 1000)
		return copies(1, body(noLocals, 0, bytes.Repeat([]byte{0x02, 1, 0x0b}, n), 0), signature(values, values))
	}, 100_000, false},
	{"functions with branches", func(n int) []byte {
		return copies(n, body(noLocals, 0x02, void, bytes.Repeat(branchIf, 4000), 0x0b))
	}, 100, true},
	{"functions, types and globals", func(n int) []byte {
		return copies(n, body(noLocals), slices.Repeat([][]byte{signature([]byte{i64}, nil)}, 20_000)...)
	}, 50_000, true},
	{"types", func(n int) []byte {
		return copies(1, body(noLocals), slices.Repeat([][]byte{signature(slices.Repeat([]byte{i64}, 1000), nil)}, n)...)
	}, 15_000, true},
}

// TestRefusesSlow names the exact error for modules that would keep the compiler busy for long.
func TestRefusesSlow(t *testing.T) {
	t.Parallel()
	for _, test := range slow {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			module := test.module(test.n)
			want := "a function that would keep the compiler busy for longer than 600ms: it needs fewer branches, or fewer locals around them, or to be split"
			if test.total {
				want = "functions so far that would keep the compiler busy for longer than 10s in all"
			}
			m, err := meter.Rewrite(module, meter.Config{})
			var e *meter.Error
			switch {
			case m != nil || !errors.As(err, &e) || !errors.Is(err, meter.ErrLimit) || e.Reason != want:
				t.Errorf("%d bytes: error is\n%q, want\n%q", len(module), fmt.Sprint(err), want)
			case !strings.HasPrefix(err.Error(), "code section, function ") || !test.total && e.Function != 0:
				t.Errorf("%d bytes: the function is not named: %v", len(module), err)
			}
			if _, err := meter.Rewrite(test.module(test.n/20), meter.Config{}); err != nil {
				t.Errorf("a twentieth is refused, too: %v", err)
			}
		})
	}
}

// TestEffort holds the estimates of real modules to the limits, with a margin.
func TestEffort(t *testing.T) {
	t.Parallel()
	margin := func(t *testing.T, name string, module []byte, margin, totalMargin time.Duration) {
		t.Helper()
		largest, total, err := meter.Efforts(module)
		if err != nil || largest*margin > meter.MaxEffort || total*totalMargin > meter.MaxTotalEffort {
			t.Errorf("%s: the largest function takes %v, all take %v, %v", name, largest, total, err)
		}
	}
	t.Run("Go", func(t *testing.T) {
		t.Parallel()
		margin(t, "the guest", buildGo(t), 10, 3)
	})
	t.Run("specification", func(t *testing.T) {
		t.Parallel()
		modules, err := filepath.Glob(filepath.Join(suite(t), "v2", "testdata", "*.wasm"))
		if err != nil || len(modules) < 1000 {
			t.Fatalf("%d modules, %v", len(modules), err)
		}
		for _, name := range modules {
			module, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := meter.Rewrite(module, meter.Config{}); err != nil {
				continue // it is one that every engine has to refuse; TestSpecification tells
			}
			margin(t, filepath.Base(name), module, 2, 20)
		}
	})
	// As a compiler writes it that does not optimize: every value has a local, and is wanted at once.
	t.Run("unoptimized", func(t *testing.T) {
		t.Parallel()
		const n = 2000
		module := copies(1, body(locals(n, i32), each(n, func(i uint64) []byte {
			return join(0x20, 0, 0x28, 2, 0, 0x21, uleb(i+1), 0x20, uleb(i+1), 0x04, void, 0x41, 0, 0x24, 0, 0x0b)
		})))
		margin(t, "a function of many locals", module, 2, 20)
		wanted := copies(1, body(locals(n, i32), setAll(n), bytes.Repeat([]byte{0x20, 0, 0x04, void, 0x41, 0, 0x24, 0, 0x0b}, n), useAll(n)))
		if _, _, err := meter.Efforts(wanted); !errors.Is(err, meter.ErrLimit) {
			t.Errorf("as many locals, all wanted in the end: %v", err)
		}
	})
}

// BenchmarkSlow compiles the largest module of each slow kind that is accepted, and compares what that
// takes with the estimate.
func BenchmarkSlow(b *testing.B) {
	for _, kind := range slow {
		b.Run(kind.name, func(b *testing.B) {
			n := sort.Search(kind.n, func(n int) bool {
				_, err := meter.Rewrite(kind.module(n), meter.Config{})
				return err != nil
			}) - 1
			module := kind.module(n)
			_, total, err := meter.Efforts(module)
			if err != nil {
				b.Fatal(err)
			}
			metered := rewrite(b, module).Binary
			b.SetBytes(int64(len(module)))
			for b.Loop() {
				r := wazero.NewRuntimeWithConfig(context.Background(), wazero.NewRuntimeConfigCompiler().WithCoreFeatures(api.CoreFeaturesV2))
				provideRefill(b, r, func(int64) int64 { return 0 })
				if _, err := r.CompileModule(context.Background(), metered); err != nil {
					b.Fatal(err)
				}
				if err := r.Close(context.Background()); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(total.Seconds(), "estimated-s/op")
			b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/op")
		})
	}
}
