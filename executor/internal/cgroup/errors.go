package cgroup

import "errors"

// Reasons that a caller may want to tell apart.
var (
	// ErrUnsupported says that the demanded thing cannot be had here. Support says why.
	ErrUnsupported = errors.New("cgroup: not available here")
	// ErrPopulated says that processes of a group are still there although they were killed.
	ErrPopulated = errors.New("cgroup: processes are still in the group")
	// ErrInUse says that a living Tree, of this process or of another, has the same name in the same place.
	ErrInUse = errors.New("cgroup: the name is in use by another gateway")
	// ErrClosed says that a Group was used after it had been given back, or a Tree after Close.
	ErrClosed = errors.New("cgroup: already closed")
)
