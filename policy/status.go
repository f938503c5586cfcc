package policy

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Status says which policy decides, and what became of the last attempts to
// load another.
type Status struct {
	Ready       bool // a policy is loaded; Decide answers
	Revision    string
	ActivatedAt time.Time

	// Warnings are about the policy that decides: what OPA's strict mode
	// refuses, variables and imports that are not used; and what the library
	// knows to be wrong with the data of roles and types.
	Warnings []Problem

	// LastError is why the last attempt failed, nil when it did not; of several
	// sources of policy, all that failed last. The policy named by Revision
	// goes on deciding.
	LastError   error
	LastErrorAt time.Time

	Bundles      []BundleStatus // the remote ones, by name
	DecisionLogs LogStatus
	Cache        CacheStatus
}

// local is the name of the source that Config.Paths are.
const local = "the policy paths"

// Status returns the present state.
func (e *Engine) Status() Status {
	e.mu.Lock()
	status := e.status
	e.mu.Unlock()
	status.Bundles, status.Warnings = slices.Clone(status.Bundles), slices.Clone(status.Warnings)
	status.DecisionLogs = e.journal.status()
	status.Cache = e.cacheStatus()
	return status
}

// InForce returns when the policy that decides was activated, and whether there
// is one. It is the part of Status that is asked for with every request.
func (e *Engine) InForce() (activatedAt time.Time, ready bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.status.ActivatedAt, e.status.Ready
}

func (e *Engine) cacheStatus() CacheStatus {
	s := CacheStatus{Hits: e.cached.hits.Load(), Misses: e.cached.misses.Load(), Bypassed: e.cached.bypassed.Load()}
	if policy := e.current.Load(); policy != nil {
		s.Why = policy.uncached
		s.Entries, s.Bytes = policy.cache.fill()
	}
	return s
}

// settle notes how an attempt to load from a source has ended, and tells what
// has changed. The caller holds the loading lock.
func (e *Engine) settle(source string, err error) {
	active := e.current.Load()
	before := e.Status()
	if err != nil {
		e.errors[source] = err
	} else {
		delete(e.errors, source)
	}
	for _, f := range e.feeds {
		f.status.LastError = e.errors[f.name]
	}
	e.mu.Lock()
	s := &e.status
	s.Ready = active != nil
	if active != nil && (!before.Ready || before.Revision != active.revision) {
		s.Revision, s.ActivatedAt, s.Warnings = active.revision, time.Now(), active.warnings
	}
	s.LastError = e.lastError()
	switch {
	case s.LastError == nil:
		s.LastErrorAt = time.Time{}
	case err != nil || before.LastError == nil:
		s.LastErrorAt = time.Now()
	}
	s.Bundles = e.feeds.statuses()
	e.mu.Unlock()
	e.reportBundles()
	e.tell(source, err, before, e.Status())
}

// lastError joins what is wrong with the sources.
func (e *Engine) lastError() error {
	var all []error
	for _, source := range slices.Sorted(maps.Keys(e.errors)) {
		all = append(all, e.errors[source])
	}
	if missing := e.missing(); len(all) == 0 && len(missing) > 0 {
		return &missingError{missing}
	}
	if len(all) == 1 {
		return all[0]
	}
	return errors.Join(all...)
}

// tell logs a change and calls OnChange. Where a source fails as it did before,
// as polling a server that is down does, nothing has changed.
func (e *Engine) tell(source string, err error, before, after Status) {
	activated := after.Ready && (!before.Ready || before.Revision != after.Revision)
	again := err != nil && source != local && e.told[source] == err.Error()
	same := before.Ready == after.Ready && fmt.Sprint(before.LastError) == fmt.Sprint(after.LastError)
	if !activated && (again || err == nil && same) {
		return
	}
	delete(e.told, source)
	if activated {
		e.log.Info("policy activated", "revision", after.Revision)
		if why := after.Cache.Why; why != "" {
			e.log.Info("decisions of this policy are made anew for each request, which takes longer", "because", why)
		}
		for _, problem := range after.Warnings {
			e.log.Warn("policy activated, but something in it looks like a mistake", "warning", problem.String())
		}
	}
	switch {
	case err != nil:
		e.told[source] = err.Error()
		e.refused(source, err, after)
	case activated:
	case after.LastError == nil:
		e.log.Info("policy sources are in order again", "revision", after.Revision)
	case !after.Ready:
		e.log.Info("the policy is not complete yet", "error", after.LastError)
	}
	if e.onChange != nil {
		e.onChange(after)
	}
}

func (e *Engine) refused(source string, err error, after Status) {
	consequence := "the last good policy goes on deciding"
	if !after.Ready {
		consequence = "no policy is loaded: every request is denied"
	}
	for _, problem := range Problems(err) {
		e.log.Error("policy refused: "+consequence, "error", problem.String(), "source", source, "revision", after.Revision)
	}
}
