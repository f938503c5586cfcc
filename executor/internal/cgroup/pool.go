package cgroup

import "sync"

// pool holds the groups that are not in use. Making one costs half of what a process costs.
type pool struct {
	mu      sync.Mutex
	closed  bool
	next    uint64   // number of the next group
	lent    int      // groups in use
	idle    []*slot  // clean, the last used last
	cooling []*slot  // empty, but processes of it have not been waited for, or too much memory is charged to it still
	left    []string // names of groups that are not empty, or could not be removed
}

func (p *pool) number() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next++
	return p.next
}

// shut ends all lending and returns what is there.
func (p *pool) shut() (slots []*slot, lent int, first bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, 0, false
	}
	p.closed = true
	slots = append(p.idle, p.cooling...)
	p.idle, p.cooling = nil, nil
	return slots, p.lent, true
}

// pick returns a clean group that suits the limit, or else the one that has been cooling for longest, which has to be looked at. lent counts.
func (p *pool) pick(limit int64) (s *slot, clean bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, false, ErrClosed
	}
	p.lent++
	for i := len(p.idle) - 1; i >= 0; i-- {
		if s := p.idle[i]; s.rest.fits(limit) {
			p.idle = append(p.idle[:i], p.idle[i+1:]...)
			return s, true, nil
		}
	}
	if len(p.cooling) > 0 {
		s := p.cooling[0]
		p.cooling = p.cooling[1:]
		return s, false, nil
	}
	return nil, false, nil
}

// keep takes a group for later, and returns one that has to be removed for it, or nil.
func (p *pool) keep(s *slot, clean bool, bound int) (surplus *slot) {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := &p.cooling
	if clean {
		list = &p.idle
	}
	if bound == 0 || p.closed {
		return s
	}
	*list = append(*list, s)
	if len(*list) > bound {
		surplus = (*list)[0]
		*list = (*list)[1:]
	}
	return surplus
}

// abandon notes the name of a group that Sweep has to see to.
func (p *pool) abandon(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left = append(p.left, name)
}

// abandoned hands over what abandon has noted.
func (p *pool) abandoned() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	names := p.left
	p.left = nil
	return names
}

func (p *pool) isClosed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed
}

func (p *pool) returned() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lent--
}
