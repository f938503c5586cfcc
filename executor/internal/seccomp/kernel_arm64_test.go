package seccomp

// refusedHere are refused calls that only arm64 has.
var refusedHere []struct {
	name string
	nr   uintptr
}
