package guest

import (
	"context"
	"fmt"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/sidegate/sidegate/wasm/meter"
)

// A hostFunction is an import that guests may call. It gets its parameters in stack, and leaves its result,
// if it has one, in stack[0].
type hostFunction struct {
	signature meter.Signature
	call      func(in *instance, m api.Memory, stack []uint64)
}

// hostFunctions are all imports, by module and name.
var hostFunctions = map[string]map[string]hostFunction{abiModule: abiFunctions, wasiModule: wasiFunctions}

// provide builds the host modules with those functions that the module imports. The same
// Go functions serve all instances.
func (p *Plugin) provide(ctx context.Context) error {
	builders := map[string]wazero.HostModuleBuilder{}
	define := func(i meter.Extern, f api.GoModuleFunc) {
		b, ok := builders[i.Module]
		if !ok {
			b = p.runtime.NewHostModuleBuilder(i.Module)
			builders[i.Module] = b
		}
		b.NewFunctionBuilder().WithGoModuleFunction(f, valueTypes(i.Signature.Params), valueTypes(i.Signature.Results)).Export(i.Name)
	}
	for _, i := range p.metered.Imports {
		call := hostFunctions[i.Module][i.Name].call
		define(i, func(ctx context.Context, module api.Module, stack []uint64) {
			in := ctx.(*instance)
			in.charge(importCost)
			call(in, module.Memory(), stack)
		})
	}
	define(p.metered.Refill, func(ctx context.Context, _ api.Module, stack []uint64) {
		in := ctx.(*instance)
		if in.depth != nil && int64(in.depth.Get()) < 0 {
			in.deepen(stack)
		}
		stack[0] = uint64(in.refill(int64(stack[0])))
	})
	for name, b := range builders {
		if _, err := b.Instantiate(ctx); err != nil {
			return fmt.Errorf("module %s: %w", name, err)
		}
	}
	return nil
}

func valueTypes(t []meter.ValueType) []api.ValueType {
	to := make([]api.ValueType, len(t))
	for i := range t {
		to[i] = api.ValueType(t[i])
	}
	return to
}

// bytes is the range of the guest's memory that it names: a view, which the guest's next instruction may
// change. A range that is not inside memory stops the guest.
func (in *instance) bytes(m api.Memory, pointer, length uint64) []byte {
	b, ok := m.Read(uint32(pointer), uint32(length))
	if !ok {
		in.halt(KindTrap, errBounds)
	}
	in.charge(int64(len(b) >> copyShift))
	return b
}
