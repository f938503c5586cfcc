package gateway

import (
	"time"

	"github.com/sidegate/sidegate/internal/shell"
	"github.com/sidegate/sidegate/policy"
)

// Observation is observe mode: what the policy denies runs all the same, is marked, and is recorded, so that a policy can
// be written from what callers do. It ends by itself. It changes nothing but a denial that a working policy gave.
type Observation struct {
	Until       time.Time          // from then on the policy is enforced
	Obligations policy.Obligations // of what runs although it is denied

	now func() time.Time // nil means time.Now, but in tests
}

// letsThrough tells whether a denied request runs all the same. A policy that failed to answer denies as ever, and so does
// one that was asked about a command which could not be analyzed whole.
func (o *Observation) letsThrough(r *ruling) bool {
	if o == nil || r.decision.Fault != "" || !analyzed(r.analysis) {
		return false
	}
	now := time.Now
	if o.now != nil {
		now = o.now
	}
	return now().Before(o.Until)
}

// analyzed tells whether an analysis says everything that its command would do.
func analyzed(a shell.Analysis) bool {
	switch a.Class {
	case shell.ClassSimple, shell.ClassPipeline, shell.ClassCompound:
		return !a.Truncated && a.ParseError == nil
	}
	return false
}
