package cgroup

import (
	"errors"
	"fmt"
	"strconv"
)

// The controllers that limits need.
const (
	memoryController = "memory"
	pidsController   = "pids"
)

// settle chooses the hierarchies, makes the directories and finds out what they can do. It returns only what must not be passed over.
func (t *Tree) settle() error {
	s, err := t.host.survey()
	if err != nil {
		t.support = nothing(err, err, err)
		return nil
	}
	unified, noUnified := t.take(s, 2, "")
	if errors.Is(noUnified, ErrInUse) {
		return noUnified
	}
	if noUnified == nil {
		t.unified = unified
	}
	memory, noMemory := t.takeFor(s, noUnified, memoryController)
	if errors.Is(noMemory, ErrInUse) {
		return noMemory
	}
	pids, noPIDs := t.takeFor(s, noUnified, pidsController)
	if errors.Is(noPIDs, ErrInUse) {
		return noPIDs
	}
	t.memory, t.pids = memory, pids
	if len(t.places) == 0 {
		t.support = nothing(noUnified, noMemory, noPIDs)
	} else {
		t.prove(noUnified, noMemory, noPIDs)
	}
	return nil
}

// takeFor finds where a controller can be used: in the v2 hierarchy, or else in its own.
func (t *Tree) takeFor(s survey, noUnified error, controller string) (*place, error) {
	why := noUnified
	if why == nil {
		if why = t.enable(t.unified, controller); why == nil {
			return t.unified, nil
		}
	}
	p, err := t.take(s, 1, controller)
	if err != nil {
		return nil, fmt.Errorf("v2: %w; v1: %w", why, err)
	}
	return p, nil
}

// Limits for prove: large enough to be accepted wherever limits are.
const (
	proofMemory = 1 << 40
	proofPIDs   = 1000
)

// prove makes a first group and sets limits in it, and believes only what worked.
func (t *Tree) prove(noUnified, noMemory, noPIDs error) {
	s, err := t.build()
	if err != nil {
		t.support = nothing(err, err, err)
		return
	}
	defer t.discardQuietly(s)
	if noMemory == nil {
		if noMemory = s.memory.limit(t.host, proofMemory); noMemory != nil {
			t.memory = nil
		}
	}
	if noPIDs == nil {
		if noPIDs = s.pids.limit(t.host, proofPIDs); noPIDs != nil {
			t.pids = nil
		}
	}
	t.support = Support{
		Kill:   available(s.killsBy()),
		Into:   either("v2", noUnified),
		Memory: either(version(t.memory), noMemory),
		Swap:   either(version(t.memory), noMemory),
		PIDs:   either(version(t.pids), noPIDs),
	}
	if noMemory == nil && s.memory.swap == noFile {
		t.support.Swap = missing(version(t.memory) + ": this kernel does not count swap")
	}
}

func version(p *place) string {
	if p == nil {
		return ""
	}
	return "v" + strconv.Itoa(p.version)
}
