package wasm

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// PluginStatus is how a plugin fares. Its counts go on over reloads as long as its name stays.
type PluginStatus struct {
	Name       string    `json:"name"`
	Digest     string    `json:"digest"`
	Phases     []Phase   `json:"phases"` // that it has functions for
	Chains     []string  `json:"chains"` // that list it; where there is none, it does not run
	Generation uint64    `json:"generation"`
	LoadedAt   time.Time `json:"loaded_at"` // of the generation
	Instances  int       `json:"instances"` // idle and in use
	Running    int       `json:"running"`   // calls going on
	Waiting    int       `json:"waiting"`   // calls whose turn has not come

	// Healthy is false while the plugin is not called for some client, and has not succeeded for any
	// other since that client's calls began to fail. Nobody is turned away because of it.
	Healthy bool   `json:"healthy"`
	Breaker string `json:"breaker"`  // "open" or "closed"
	OpenFor int    `json:"open_for"` // clients, each counted once for each phase

	Calls    uint64          `json:"calls"`
	Denied   uint64          `json:"denied"`
	Answered uint64          `json:"answered"`
	Failures map[Kind]uint64 `json:"failures"`

	LastFailure   string    `json:"last_failure,omitempty"` // kind and cause
	LastFailureAt time.Time `json:"last_failure_at,omitzero"`
}

// Status returns how the plugins of the current set fare, in its order; nothing if there is none.
func (h *Host) Status() []PluginStatus {
	g := h.pin()
	if g == nil {
		return nil
	}
	defer g.release()
	all := make([]PluginStatus, len(g.members))
	for i, in := range g.members {
		s := &all[i]
		*s = PluginStatus{
			Name: in.Name, Digest: in.digest, Phases: in.module.Phases(), Chains: slices.Clone(in.chains),
			Generation: g.number, LoadedAt: g.loadedAt, Instances: in.module.Instances(), Breaker: "closed",
		}
		if s.OpenFor, s.Healthy = in.breaker.state(); s.OpenFor > 0 {
			s.Breaker = "open"
		}
		s.Running, s.Waiting = in.turns.count()
		in.stats.fill(s)
	}
	return all
}

// Order returns the steps of every phase, as [Set.Order] does, for the current set; without one, the
// built-in stages only.
func (h *Host) Order() []Stage {
	g := h.current.Load()
	if g == nil {
		return Set{}.Order()
	}
	return slices.Clone(g.order)
}

// Generation returns the number of the current set, from 1, and when it was loaded; 0 if there is none.
func (h *Host) Generation() (number uint64, loadedAt time.Time) {
	g := h.current.Load()
	if g == nil {
		return 0, time.Time{}
	}
	return g.number, g.loadedAt
}

// pin returns the current generation, which the caller must release, or nil.
func (h *Host) pin() *generation {
	for {
		g := h.current.Load()
		if g == nil || g.acquire() {
			return g
		}
	}
}

// stats counts what one plugin did, under its name, over all generations.
type stats struct {
	calls, denied, answered atomic.Uint64

	mu       sync.Mutex
	failures map[Kind]uint64
	last     string
	lastAt   time.Time
}

func (s *stats) verdict(v Verdict) {
	if v == Answer {
		s.answered.Add(1)
	} else {
		s.denied.Add(1)
	}
}

func (s *stats) failed(kind Kind, err error, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failures == nil {
		s.failures = make(map[Kind]uint64)
	}
	s.failures[kind]++
	if kind != KindBreaker { // which repeats what came before
		s.last, s.lastAt = string(kind)+": "+err.Error(), now
	}
}

func (s *stats) fill(p *PluginStatus) {
	p.Calls, p.Denied, p.Answered = s.calls.Load(), s.denied.Load(), s.answered.Load()
	s.mu.Lock()
	defer s.mu.Unlock()
	p.Failures, p.LastFailure, p.LastFailureAt = maps.Clone(s.failures), s.last, s.lastAt
}

// statsOf returns the counts of the plugin with this name in the current generation, or new ones. It
// must be called with h.loading held.
func (h *Host) statsOf(name string) *stats {
	if g := h.current.Load(); g != nil {
		for _, in := range g.members {
			if in.Name == name {
				return in.stats
			}
		}
	}
	return new(stats)
}
