package meter_test

import (
	"context"
	"errors"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/sidegate/sidegate/wasm/meter"
)

const (
	fuelName  = "sidegate_meter:fuel"
	depthName = "sidegate_meter:depth"
)

func newRuntime(t testing.TB) wazero.Runtime {
	t.Helper()
	return newRuntimeOf(t, wazero.NewRuntimeConfigCompiler())
}

func newRuntimeOf(t testing.TB, config wazero.RuntimeConfig) wazero.Runtime {
	t.Helper()
	r := wazero.NewRuntimeWithConfig(context.Background(), config.WithCoreFeatures(api.CoreFeaturesV2))
	t.Cleanup(func() {
		if err := r.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return r
}

// provideRefill gives a runtime the function that metered modules ask for fuel.
func provideRefill(t testing.TB, r wazero.Runtime, refill func(short int64) int64) {
	t.Helper()
	call := api.GoFunc(func(_ context.Context, stack []uint64) { stack[0] = uint64(refill(int64(stack[0]))) })
	_, err := r.NewHostModuleBuilder(meter.Reserved).NewFunctionBuilder().
		WithGoFunction(call, []api.ValueType{api.ValueTypeI64}, []api.ValueType{api.ValueTypeI64}).
		Export("refill").Instantiate(context.Background())
	if err != nil {
		t.Fatal(err)
	}
}

func resetDepth(m api.Module, bytes int64) {
	m.ExportedGlobal(depthName).(api.MutableGlobal).Set(uint64(bytes))
}

var errStop = errors.New("the host stops the guest")

// A guest is a metered module that runs with a fuel budget.
type guest struct {
	module api.Module
	left   int64 // of the budget, not yet handed out
	asked  []int64
}

// newGuest instantiates a metered module that may use budget, in portions of a tenth.
func newGuest(t testing.TB, m *meter.Module, budget int64) (*guest, error) {
	t.Helper()
	r := newRuntime(t)
	g := &guest{left: budget}
	provideRefill(t, r, func(short int64) int64 {
		g.asked = append(g.asked, short)
		portion := min(max(budget/10, -short), g.left)
		if g.left -= portion; portion+short < 0 || portion == 0 {
			panic(errStop)
		}
		return portion + short
	})
	var err error
	g.module, err = r.InstantiateWithConfig(context.Background(), m.Binary, wazero.NewModuleConfig().WithName("").WithStartFunctions())
	return g, err
}

// run calls the export "run".
func (g *guest) run(args ...uint64) ([]uint64, error) {
	resetDepth(g.module, 4<<20)
	return g.module.ExportedFunction("run").Call(context.Background(), args...)
}

func (g *guest) fuel() int64  { return int64(g.module.ExportedGlobal(fuelName).Get()) }
func (g *guest) depth() int64 { return int64(g.module.ExportedGlobal(depthName).Get()) }
