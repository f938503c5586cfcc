package guest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
)

// An instance is one instantiation of a module, with the state of the call that it is in. It is used
// by one goroutine at a time.
//
// It is also the context that wazero hands from the call to the imports, which is how they find it
// without a lookup or an allocation.
type instance struct {
	plugin  *Plugin
	pool    *Pool
	memory  *linear
	module  api.Module
	fuel    api.MutableGlobal
	depth   api.MutableGlobal
	globals []api.MutableGlobal
	calls   [len(phases)]api.Function
	running api.Function // the one in progress; nil while being instantiated
	result  [1]uint64
	paths   map[string]string // of fields: names seen before, so that they are not allocated again

	budget
	caller   context.Context // of the call in progress
	creation context.Context // while being instantiated; carries the allocator of memory to wazero
	quiet    bool            // drop what it logs: it repeats what an earlier instance has logged
	exchange *Exchange       // nil during initialization
	phase    Phase
	writes   [5]*[]byte // by kind, what the call has written
	document []byte     // the message as field_set has left it; nil before
	logged   int64
	partial  [2][]byte // what was written to descriptors 1 and 2 after the last line end
	reason   string
	code     int
	halted   Kind
	haltErr  error
}

var _ context.Context = (*instance)(nil)

// Deadline implements context.Context.
func (in *instance) Deadline() (time.Time, bool) { return epoch.Add(in.deadline), true }

// Done implements context.Context with the caller's.
func (in *instance) Done() <-chan struct{} { return in.caller.Done() }

// Err implements context.Context with the caller's.
func (in *instance) Err() error { return in.caller.Err() }

// Value implements context.Context. wazero asks for its own keys; a call has none of them, and must
// not take any from its caller.
func (in *instance) Value(key any) any {
	if in.creation == nil {
		return nil
	}
	return in.creation.Value(key)
}

// instantiate makes an instance, with the start function of its module run. The caller has
// filled the budget; on failure nothing is left.
func (p *Pool) instantiate(ctx context.Context, deadline time.Duration) (in *instance, err error) {
	in = &instance{plugin: p.plugin, pool: p, paths: map[string]string{}}
	in.begin(ctx, deadline, Init, nil)
	if in.memory, err = reserve(p.plugin.memoryMost()); err != nil {
		return nil, in.failure(KindMemory, err)
	}
	in.quiet = p.ready
	in.creation = experimental.WithMemoryAllocator(context.Background(), in.memory)
	in.module, err = p.plugin.runtime.InstantiateModule(in, p.plugin.compiled,
		wazero.NewModuleConfig().WithName("").WithStartFunctions())
	in.creation = nil
	if err != nil {
		in.flush()
		in.memory.Free() // wazero leaves it behind when the start function fails
		return nil, in.explain(err)
	}
	p.plugin.instances.Add(1)
	if err := in.bind(); err != nil {
		in.discard()
		return nil, err
	}
	in.settle()
	return in, nil
}

// bind looks up what calls need.
func (in *instance) bind() error {
	global := func(name string) (api.MutableGlobal, error) {
		g, ok := in.module.ExportedGlobal(name).(api.MutableGlobal)
		if !ok {
			return nil, fmt.Errorf("guest: the metered module lacks its global %s", name)
		}
		return g, nil
	}
	metered := in.plugin.metered
	var err error
	if in.fuel, err = global(metered.Fuel); err != nil {
		return err
	}
	if in.depth, err = global(metered.Depth); err != nil {
		return err
	}
	if metered.Resettable() {
		in.globals = make([]api.MutableGlobal, len(metered.Globals))
		for i, g := range metered.Globals {
			if in.globals[i], err = global(g.Export); err != nil {
				return err
			}
		}
	}
	for i, p := range phases {
		in.calls[i] = in.module.ExportedFunction(p.export)
	}
	return nil
}

// initialize runs what a new instance has to run before its first call.
func (in *instance) initialize() error {
	if f := in.module.ExportedFunction(startExport); f != nil {
		if err := in.invoke(f); err != nil {
			return err
		}
	}
	if f := in.module.ExportedFunction(initExport); f != nil {
		if err := in.invoke(f); err != nil {
			return err
		}
		if in.result[0] != 0 {
			return &RefusedError{Plugin: in.plugin.config.Name, Reason: in.reason}
		}
	}
	return nil
}

// begin sets the state of a call. What making the instance took, for this call, counts.
func (in *instance) begin(ctx context.Context, deadline time.Duration, phase Phase, x *Exchange) {
	limits := &in.plugin.config.Limits
	in.budget = budget{limit: limits.Fuel, spent: in.spent, deadline: deadline, yielded: deadline - limits.Deadline}
	in.caller, in.phase, in.exchange = ctx, phase, x
}

// end forgets the call, so that an idle instance keeps nothing of it.
func (in *instance) end() {
	in.budget = budget{}
	in.caller, in.exchange, in.document = nil, nil, nil
	in.writes = [5]*[]byte{}
	in.logged, in.quiet = 0, false
	in.partial[0], in.partial[1] = in.partial[0][:0], in.partial[1][:0]
	in.reason, in.code = "", 0
	in.halted, in.haltErr = "", nil
}

// invoke calls a function of the guest, under what is left of the budget.
func (in *instance) invoke(f api.Function) error {
	in.running = f
	in.grant(now())
	in.fuel.Set(uint64(in.granted))
	in.depth.Set(stackBytes)
	err := f.CallWithStack(in, in.result[:])
	in.settle()
	in.flush()
	if err != nil {
		return in.explain(err)
	}
	return nil
}

// settle adds what the guest has used of its slice to what the call has spent.
func (in *instance) settle() {
	in.spent += in.granted - int64(in.fuel.Get())
	in.granted = 0
}

// explain gives an error of wazero its name.
func (in *instance) explain(err error) *Failure {
	kind, cause := in.halted, in.haltErr
	switch {
	case kind != "" && kind != KindExit:
	case in.memory.refused:
		kind, cause = KindMemory, errMemory
	case kind == KindExit:
	case in.depth != nil && int64(in.depth.Get()) < 0, strings.Contains(err.Error(), "stack overflow"):
		kind, cause = KindDepth, errDepth
	default:
		text, _, _ := strings.Cut(err.Error(), "\n") // a stack of the guest's own names follows
		kind, cause = KindTrap, errors.New(printable([]byte(strings.TrimPrefix(text, "wasm error: "))))
	}
	return in.failure(kind, cause)
}

func (in *instance) failure(kind Kind, err error) *Failure {
	return &Failure{Plugin: in.plugin.config.Name, Phase: in.phase, Kind: kind, Err: err}
}

// discard closes the instance and frees its memory. Its module has no name and no open
// files, so closing cannot fail.
func (in *instance) discard() {
	_ = in.module.Close(context.Background())
	in.memory.Free()
	in.plugin.instances.Add(-1)
}
