//go:build !amd64 && !arm64

package spawn

// Vfork does not exist on this processor.
func Vfork(*Spec) (Child, error) { return Child{}, &Error{StepClone, ErrUnsupported} }
