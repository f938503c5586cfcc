package wasm

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
)

// errMessage is the caller's error, not a plugin's.
var errMessage = errors.New("wasm: the message is not an object of JSON")

// A rule says what a plugin may change in one phase.
type rule struct {
	phase     Phase
	mayChange []string // members
}

func newRule(phase Phase, p *Plugin) rule {
	r := rule{phase: phase}
	switch phase {
	case PhaseRequest:
		for _, word := range p.MayChange {
			r.mayChange = append(r.mayChange, changeable[word]...)
		}
	case PhaseResponse:
		r.mayChange = []string{"annotations"}
	case PhaseCallback:
		r.mayChange = []string{"headers", "body"}
	}
	return r
}

// apply compares the message that a plugin wrote with the one before it. It returns the message to go
// on with and the names of the members that changed; where none did, that is before itself. Members
// that did not change are in it byte for byte as they were. An error says what the plugin did wrong.
func (r rule) apply(before, written []byte) (after []byte, changed []string, err error) {
	if bytes.Equal(before, written) {
		return before, nil, nil
	}
	var room [2][8]member
	was, err := parseMembers(room[0][:0], before)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: it %w", errMessage, err)
	}
	is, err := parseMembers(room[1][:0], written)
	if err != nil {
		return nil, nil, fmt.Errorf("the message it wrote %w", err)
	}
	for _, m := range is {
		if find(was, m.name) == nil {
			return nil, nil, form("added the member %s", quote(m.name))
		}
	}
	size := 2
	for i := range was {
		m := find(is, was[i].name)
		if m == nil {
			return nil, nil, form("removed the member %s", was[i].name)
		}
		if !equal(was[i].value, m.value) {
			if err := r.check(m.name, was[i].value, m.value); err != nil {
				return nil, nil, err
			}
			was[i].value = m.value
			changed = append(changed, m.name)
		}
		size += len(m.name) + len(was[i].value) + 4
	}
	if changed == nil {
		return before, nil, nil
	}
	slices.Sort(changed)
	after, err = compose(was, size)
	return after, changed, err
}

// check says what is wrong with a change of one member.
func (r rule) check(name string, was, is []byte) error {
	if !slices.Contains(r.mayChange, name) {
		if r.phase == PhaseRequest {
			return fmt.Errorf("changed %s, which its may_change does not list", name)
		}
		return fmt.Errorf("changed %s, which no plugin may change", name)
	}
	return checkShape(r.phase, name, was, is)
}
