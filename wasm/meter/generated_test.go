package meter_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/tetratelabs/wazero"
)

// A generator makes valid functions of nested blocks, branches, calls, memory and
// bulk instructions, at random: (param i32) (result i32) with all locals i32. Loops end after
// at most seven rounds, and calls go to functions made before.
type generator struct {
	*rand.Rand
	to      []byte
	labels  []bool // open blocks, true for loops
	callees int
	budget  int
}

const (
	generatedLocals = 6 // the last one counts a loop's rounds
	rounds          = generatedLocals - 1
	longRun         = 12000 // instructions
)

func (g *generator) emit(parts ...any) { g.to = join(g.to, join(parts...)) }

// value pushes an i32.
func (g *generator) value(depth int) {
	switch k := g.IntN(12); {
	case depth <= 0 || k < 3:
		g.emit(0x20, g.IntN(generatedLocals))
	case k < 4:
		g.emit(0x41, sleb(int64(int32(g.Uint32()))))
	case k < 5:
		g.emit(0x23, 0)
	case k < 6:
		g.value(depth - 1)
		g.emit(0x41, sleb(0x7ff0), 0x71, 0x28, 2, 0) // and, i32.load
	case k < 7 && g.callees > 0:
		g.value(depth - 1)
		g.emit(0x10, g.IntN(g.callees))
	case k < 8 && g.callees > 0:
		g.value(depth - 1)
		g.emit(0x41, g.IntN(g.callees), 0x11, 0, 0)
	case k < 9: // if with results
		g.value(depth - 1)
		g.emit(0x04, i32)
		g.labels = append(g.labels, true) // a branch to it would have to carry a value
		g.value(depth - 1)
		g.emit(0x05)
		g.value(depth - 1)
		g.emit(0x0b)
		g.labels = g.labels[:len(g.labels)-1]
	default:
		g.value(depth - 1)
		g.value(depth - 1)
		g.emit(0x6a + []int{0, 1, 2, 7, 8, 9, 10}[g.IntN(7)]) // no division: it traps
	}
}

// statement leaves the operand stack as it was.
func (g *generator) statement() {
	g.budget--
	switch k := g.IntN(20); {
	case k < 5:
		g.value(3)
		g.emit(0x21, g.IntN(generatedLocals-1))
	case k < 6:
		g.value(2)
		g.emit(0x24, 0)
	case k < 8:
		g.value(1)
		g.emit(0x41, sleb(0x7ff0), 0x71)
		g.value(2)
		g.emit(0x36, 2, 0) // i32.store
	case k < 9:
		g.emit(0x41, 0, 0x41, 7)
		g.value(1)
		g.emit(0x41, 63, 0x71, 0xfc, 11, 0) // memory.fill
	case k < 10:
		g.value(2)
		g.emit(0x04, void, 0x41, 9, 0x0f, 0x0b) // return
	case k < 13:
		g.branch()
	case k < 14:
		// Some ways become so long that they are checked in parts. The second global counts what is run of them.
		g.emit(0x23, 1, 0x42, sleb(longRun), 0x7c, 0x24, 1, bytes.Repeat([]byte{0x01}, longRun))
	case g.budget > 0:
		g.block()
	}
}

// branch goes to the end of an open block: never back to a loop, which its own end does.
func (g *generator) branch() {
	var ends []int
	for i, loop := range g.labels {
		if !loop {
			ends = append(ends, len(g.labels)-1-i)
		}
	}
	if len(ends) == 0 {
		return
	}
	pick := func() int { return ends[g.IntN(len(ends))] }
	if g.IntN(3) > 0 {
		g.value(2)
		g.emit(0x0d, pick())
		return
	}
	g.emit(0x02, void)
	g.labels = append(g.labels, true)
	g.value(2)
	g.labels = g.labels[:len(g.labels)-1]
	g.emit(0x0e, vec([]byte{byte(pick() + 1)}, []byte{0}, []byte{byte(pick() + 1)}), 0, 0x0b)
}

func (g *generator) block() {
	op := []int{0x02, 0x03, 0x04}[g.IntN(3)]
	switch op {
	case 0x03:
		g.emit(0x41, g.IntN(7)+1, 0x21, rounds)
	case 0x04:
		g.value(2)
	}
	g.emit(op, void)
	g.labels = append(g.labels, op == 0x03)
	for range 1 + g.IntN(5) {
		g.statement()
	}
	switch op {
	case 0x03:
		g.emit(0x20, rounds, 0x41, 1, 0x6b, 0x22, rounds, 0x41, 0, 0x4a, 0x0d, 0) // while --rounds > 0
	case 0x04:
		g.emit(0x05)
		g.statement()
	}
	g.emit(0x0b)
	g.labels = g.labels[:len(g.labels)-1]
}

// generated returns a module of functions made from a seed, the last of which is "run".
func generated(seed uint64) []byte {
	random := rand.New(rand.NewPCG(seed, 0))
	n := 1 + random.IntN(6)
	var bodies, indices [][]byte
	kinds := make([]int, n)
	for i := range n {
		g := generator{Rand: random, callees: i, budget: 25}
		for range 2 + random.IntN(8) {
			g.statement()
		}
		g.value(3)
		bodies = append(bodies, body(locals(generatedLocals-1, i32), g.to))
		indices = append(indices, uleb(uint64(i)))
	}
	return wasm(types(signature([]byte{i32}, []byte{i32})), functions(kinds...), tables(join(funcref, 0, n)), memory(0, 1),
		globals(join(i32, 1, 0x41, 0, 0x0b), join(i64, 1, 0x42, 0, 0x0b)),
		exports(export("run", 0, n-1), export("memory", 2, 0), export("global", 3, 0), export("work", 3, 1)),
		elements(join(0, 0x41, 0, 0x0b, vec(indices...))), code(bodies...))
}

// FuzzGenerated compares generated functions as they are and metered, in wazero's compiler.
func FuzzGenerated(f *testing.F) {
	seeds := uint64(300)
	if raceDetector {
		seeds = 25
	}
	for seed := range seeds {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		module := generated(seed)
		m := rewrite(t, module)
		plain, metered := newRuntime(t), newRuntime(t)
		asked := 0
		provideRefill(t, metered, func(short int64) int64 {
			if asked++; asked > 100_000 {
				panic(errStop)
			}
			return 1000 + short
		})
		config := wazero.NewModuleConfig().WithName("")
		b, err := metered.InstantiateWithConfig(t.Context(), m.Binary, config)
		if err != nil {
			t.Fatal(err)
		}
		a, err := plain.InstantiateWithConfig(t.Context(), module, config)
		if err != nil {
			t.Fatal(err)
		}
		for arg := range uint64(3) {
			got, gotErr := b.ExportedFunction("run").Call(context.Background(), arg)
			if errors.Is(gotErr, errStop) {
				return // the calls multiply: it would take long without a meter too
			}
			want, wantErr := a.ExportedFunction("run").Call(context.Background(), arg)
			if trap(wantErr) != trap(gotErr) || wantErr == nil && want[0] != got[0] {
				t.Fatalf("run(%d): plain %v, %v; metered %v, %v", arg, want, wantErr, got, gotErr)
			}
			sameState(t, m, a, b)
			if wantErr != nil {
				return
			}
			paid := 1000*int64(asked) - int64(b.ExportedGlobal(fuelName).Get())
			if work := int64(b.ExportedGlobal("work").Get()); work > paid {
				t.Fatalf("%d instructions were run, and %d were paid for", work, paid)
			}
			if depth := b.ExportedGlobal(depthName).Get(); depth != 4<<20 {
				t.Fatalf("depth is %d afterwards", int64(depth))
			}
		}
	})
}
