package guest

import "reflect"

const (
	// stackBytes is how much native stack the calls of a guest may take. wazero doubles a stack
	// that is full, so an instance keeps less than twice as much.
	stackBytes = 2 << 20
	// leastStack is what must be left when the meter's estimate says that there is nothing.
	leastStack = 64 << 10
)

// deepen is called when the frames of the guest would fill its native stack, by the meter's
// estimate. That is from above, and ten times and more too high for code from Go: what counts
// is how much of the stack is in use. The guest gets the rest, for what the function that it
// has entered calls, or is stopped.
func (in *instance) deepen(arguments []uint64) {
	used, ok := in.usedStack(arguments)
	if !ok || used > stackBytes-leastStack {
		in.halt(KindDepth, errDepth)
	}
	in.charge(importCost)
	in.depth.Set(uint64(stackBytes - used))
}

// usedStack returns how many bytes of the native stack are in use, given the arguments of an
// import, which wazero's compiler leaves on it. Where the stack begins is in a field of the
// function that was called from outside, and wazero has no other way to ask. If there is no such
// field, as in its interpreter, or what it says cannot be, the answer is not known.
func (in *instance) usedStack(arguments []uint64) (bytes int64, ok bool) {
	engine := reflect.Indirect(reflect.ValueOf(in.running))
	if engine.Kind() != reflect.Struct {
		return 0, false
	}
	top := engine.FieldByName("stackTop")
	if !top.IsValid() || top.Kind() != reflect.Uintptr {
		return 0, false
	}
	bytes = int64(top.Uint()) - int64(reflect.ValueOf(arguments).Pointer())
	return bytes, bytes > 0 && bytes < 1<<30
}
