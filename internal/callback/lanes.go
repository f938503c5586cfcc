package callback

import (
	"cmp"
	"sync"
	"time"
)

const (
	// bigBody is the size in bytes above which a body is large. Of large ones there are fewer under way, because what transforms them takes memory.
	bigBody = 1 << 20
	// bigLimit is how many attempts with a large body there may be at once, one to each destination.
	bigLimit = 4
)

// A tally counts places, and those of them that doubtful destinations have. These get half of the places at most: so they can hang as they like, and the
// others go on.
type tally struct{ limit, taken, doubtful int }

func (t *tally) room(doubtful bool) bool {
	return t.taken < t.limit && (!doubtful || t.doubtful < max(1, t.limit/2))
}

func (t *tally) add(n int, doubtful bool) {
	t.taken += n
	if doubtful {
		t.doubtful += n
	}
}

// lanes is what waits and what is under way, by destination. It is safe for concurrent use; the lanes themselves are read and changed under its lock only.
type lanes struct {
	perLane int

	mu       sync.Mutex
	byName   map[string]*lane
	underWay map[string]bool // by delivery ID
	ended    map[string]bool // by delivery ID, those released since look
	all, big tally
	turns    uint64
}

func newLanes(limit, perLane int) *lanes {
	return &lanes{
		perLane: perLane, byName: make(map[string]*lane), underWay: make(map[string]bool), ended: make(map[string]bool),
		all: tally{limit: limit}, big: tally{limit: min(bigLimit, limit)},
	}
}

// A place is the permission for one attempt. Give it back with release.
type place struct {
	lane          *lane
	id            string
	big, doubtful bool
}

// noted notes that something waits for a destination.
func (ls *lanes) noted(destination string, at time.Time) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l := ls.byName[destination]
	if l == nil {
		l = &lane{name: destination, usedAt: time.Now()}
		ls.byName[destination] = l
	}
	l.due(at)
}

// unreadable lets nothing begin in a lane that the store could not read, for the time that it returns.
func (ls *lanes) unreadable(l *lane) time.Duration {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	wait := l.trouble.next()
	l.paused = time.Now().Add(wait)
	return wait
}

// resume ends the pause of a destination, because somebody wants it tried now.
func (ls *lanes) resume(destination string) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if l := ls.byName[destination]; l != nil {
		l.paused = time.Time{}
	}
}

// pick returns the lane whose turn it is, or nil: of those that have something due and room, one with the fewest attempts under way, and of these the one
// that waited longest since its last, or, of those that had none, with what is due first.
func (ls *lanes) pick(wall time.Time) *lane {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	now := time.Now()
	var best *lane
	for _, l := range ls.byName {
		if l.wait(wall, now) != 0 || !ls.room(l, l.big) {
			continue
		}
		if best == nil || cmp.Or(cmp.Compare(l.busy, best.busy), cmp.Compare(l.turn, best.turn), l.next.Compare(best.next)) < 0 {
			best = l
		}
	}
	return best
}

// room reports whether an attempt may begin.
func (ls *lanes) room(l *lane, big bool) bool {
	doubtful := l.doubtful()
	return l.busy < l.most(ls.perLane) && ls.all.room(doubtful) && (!big || l.bigBusy == 0 && ls.big.room(doubtful))
}

// look must be called before the store is read for a lane, and returns how many of what is read may be under way. A delivery that was under way then may
// be among what was read, and have ended since: taking it would make it again although it was acknowledged. So until the next look it is not taken.
func (ls *lanes) look(l *lane) (busy int) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	clear(ls.ended)
	l.next, l.big = time.Time{}, false
	return l.busy
}

// due notes when something of a lane is due, as the store says.
func (ls *lanes) due(l *lane, at time.Time) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l.trouble.reset()
	l.due(at)
}

// take asks for a place. busy says that the delivery has one, or had one at the last look; without that and without a place there is no room.
func (ls *lanes) take(l *lane, d Delivery) (p place, ok, busy bool) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if ls.underWay[d.ID] || ls.ended[d.ID] {
		return place{}, false, true
	}
	p = place{lane: l, id: d.ID, big: d.BodySize > bigBody, doubtful: l.doubtful()}
	if !ls.room(l, p.big) {
		l.big = p.big
		return place{}, false, false
	}
	ls.turns++
	l.turn = ls.turns
	ls.underWay[d.ID] = true
	ls.count(p, 1)
	return p, true, false
}

// release gives a place back. next is when the delivery is due again, zero for never.
func (ls *lanes) release(p place, c contact, next time.Time) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	delete(ls.underWay, p.id)
	ls.ended[p.id] = true
	ls.count(p, -1)
	p.lane.learn(c, time.Now())
	p.lane.due(next)
}

func (ls *lanes) count(p place, n int) {
	p.lane.busy += n
	ls.all.add(n, p.doubtful)
	if p.big {
		p.lane.bigBusy += n
		ls.big.add(n, p.doubtful)
	}
}

// hold keeps a delivery from being attempted until letGo, unless it is being attempted.
func (ls *lanes) hold(id string) bool {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if ls.underWay[id] {
		return false
	}
	ls.underWay[id] = true
	return true
}

func (ls *lanes) letGo(id string) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	delete(ls.underWay, id)
	ls.ended[id] = true // what was read of it before is out of date
}

// wait returns how long no lane will have something due that has room, at most limit. What has no room will have some when an attempt ends.
func (ls *lanes) wait(wall time.Time, limit time.Duration) time.Duration {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	now := time.Now()
	for _, l := range ls.byName {
		if wait := l.wait(wall, now); wait > 0 && l.busy < l.most(ls.perLane) {
			limit = min(limit, wait)
		}
	}
	return max(limit, minSleep)
}

// forget drops the lanes that nothing waits for any more.
func (ls *lanes) forget() {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	now := time.Now()
	for name, l := range ls.byName {
		if l.idle(now) {
			delete(ls.byName, name)
		}
	}
}

// stats counts attempts, destinations that something waits for or is under way to, and those of them that are unreachable.
func (ls *lanes) stats() (underWay, destinations, unreachable int) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for _, l := range ls.byName {
		if l.next.IsZero() && l.busy == 0 {
			continue
		}
		destinations++
		if l.unreachable() {
			unreachable++
		}
	}
	return ls.all.taken, destinations, unreachable
}
