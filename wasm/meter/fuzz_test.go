package meter_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/sidegate/sidegate/wasm/meter"
)

// FuzzRewrite: what the rewriter accepts is valid exactly if it was valid before, and behaves
// the same. The metered module runs first: what it uses up more than its budget, or its
// stack, the module as it was might not survive either.
func FuzzRewrite(f *testing.F) {
	for _, seed := range [][]byte{
		everything(), sumLoop, flipLoop, fib,
		single([]byte{i32}, []byte{i32}, noLocals, 0x41, 0, 0x41, 7, 0x20, 0, 0xfc, 11, 0, 0x41, 1, 0x28, 0, 0),
		single([]byte{i32}, []byte{i32}, noLocals, 0x20, 0, 0x40, 0),
		recursion(1, 2, i64, []byte{0x29}, 0x42, 0),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, module []byte) {
		m, err := meter.Rewrite(module, meter.Config{MaxModule: 1 << 16, MaxTableElements: 10_000, MaxLocals: 1000, Stack: 1 << 16})
		if err != nil {
			var e *meter.Error
			if !errors.As(err, &e) || m != nil {
				t.Fatalf("%v, %v: want an error of the module", m, err)
			}
			return
		}
		if len(m.Imports) > 0 {
			return // there is nothing to link with
		}
		plain, metered := newFuzzSide(t), newFuzzSide(t)
		budget := 100_000
		provideRefill(t, metered, func(short int64) int64 {
			if budget -= 10_000; budget < 0 || short < -10_000 {
				panic(errStop)
			}
			return 10_000 + short
		})
		before, wantErr := plain.CompileModule(t.Context(), module)
		after, gotErr := metered.CompileModule(t.Context(), m.Binary)
		if wantErr != nil && strings.Contains(wantErr.Error(), "custom section") {
			return // wazero wants more of them than the specification, and they are dropped
		}
		if (wantErr == nil) != (gotErr == nil) {
			t.Fatalf("before: %v; after: %v", wantErr, gotErr)
		}
		if wantErr == nil {
			behave(t, m, plain, metered, before, after)
		}
	})
}

func newFuzzSide(t *testing.T) wazero.Runtime {
	t.Helper()
	return newRuntimeOf(t, wazero.NewRuntimeConfigInterpreter().WithMemoryLimitPages(16))
}

// behave instantiates both and calls every exported function, with zeros.
func behave(t *testing.T, m *meter.Module, plain, metered wazero.Runtime, before, after wazero.CompiledModule) {
	ctx := t.Context()
	config := wazero.NewModuleConfig().WithName("").WithStartFunctions()
	b, gotErr := metered.InstantiateModule(ctx, after, config)
	if errors.Is(gotErr, errStop) {
		return
	}
	a, wantErr := plain.InstantiateModule(ctx, before, config)
	if trap(wantErr) != trap(gotErr) {
		t.Fatalf("instantiation before: %v; after: %v", wantErr, gotErr)
	}
	if wantErr != nil {
		return
	}
	for _, export := range m.Exports {
		if export.Kind != meter.FunctionKind || slices.ContainsFunc(slices.Concat(export.Signature.Params, export.Signature.Results), func(t meter.ValueType) bool { return t == meter.V128 || t == meter.FuncRef }) {
			continue
		}
		resetDepth(b, 1<<16)
		args := make([]uint64, len(export.Signature.Params))
		got, gotErr := b.ExportedFunction(export.Name).Call(ctx, args...)
		if errors.Is(gotErr, errStop) || int64(b.ExportedGlobal(depthName).Get()) < 0 {
			return
		}
		want, wantErr := a.ExportedFunction(export.Name).Call(ctx, args...)
		if trap(wantErr) != trap(gotErr) || !slices.Equal(want, got) {
			t.Fatalf("%q before: %x, %v; after: %x, %v", export.Name, want, wantErr, got, gotErr)
		}
		sameState(t, m, a, b)
	}
}

// sameState compares memories, if exported, and the module's exported globals.
func sameState(t *testing.T, m *meter.Module, a, b api.Module) {
	t.Helper()
	for _, export := range m.Exports {
		switch {
		case export.Kind == meter.MemoryKind:
			x, y := a.ExportedMemory(export.Name), b.ExportedMemory(export.Name)
			before, _ := x.Read(0, x.Size())
			after, _ := y.Read(0, y.Size())
			if !slices.Equal(before, after) {
				t.Fatal("memories differ")
			}
		case export.Kind == meter.GlobalKind && export.Type != meter.FuncRef:
			if x, y := a.ExportedGlobal(export.Name).Get(), b.ExportedGlobal(export.Name).Get(); x != y {
				t.Fatalf("global %q: %#x and %#x", export.Name, x, y)
			}
		}
	}
}
