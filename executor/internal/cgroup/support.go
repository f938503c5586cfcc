package cgroup

// Support says what a Tree can do on this host. It does not change.
type Support struct {
	// Kill: all processes of a job can be found and killed, wherever in the process tree they have moved to.
	Kill Feature
	// Into: Group.Dir is not nil, and a child can be born in its group (CLONE_INTO_CGROUP). Open does not try that. It fails with EACCES if this
	// process may not write to cgroup.procs of the nearest group above both its own and Config.Root; and newer kernels kill the child at once if the
	// group of this process was once killed by cgroup.kill and used again.
	Into Feature
	// Memory: Limits.Memory holds, and Group.OOM knows.
	Memory Feature
	// Swap: Limits.Memory bounds memory and swap together. Without it a job may swap beyond its limit.
	Swap Feature
	// PIDs: Limits.PIDs holds.
	PIDs Feature
}

// Feature is one thing that control groups can or cannot do here.
type Feature struct {
	Available bool
	// How says by which means if it is available, like "v2, cgroup.kill", and why not if it is not. It is for people.
	How string
}

func available(how string) Feature  { return Feature{Available: true, How: how} }
func missing(reason string) Feature { return Feature{How: reason} }

func either(how string, err error) Feature {
	if err != nil {
		return missing(err.Error())
	}
	return available(how)
}

// nothing is the support where no group can be made.
func nothing(noUnified, noMemory, noPIDs error) Support {
	return Support{
		Kill:   missing(noPIDs.Error()),
		Into:   missing(noUnified.Error()),
		Memory: missing(noMemory.Error()),
		Swap:   missing(noMemory.Error()),
		PIDs:   missing(noPIDs.Error()),
	}
}
