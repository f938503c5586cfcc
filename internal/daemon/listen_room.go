package daemon

import "time"

const (
	// unhurried is how long somebody may take over the head of a request when others wait at a door that is full; net/http's own limit holds where nobody does.
	unhurried = time.Second
	// lookAgain is how often it is looked whether somebody at a full door has taken too long.
	lookAgain = 100 * time.Millisecond
)

// makeRoom returns when there is room for one more visitor, or false when the door is shut. Where there is none, it has the one leave who asks for nothing and came
// first: who only holds connections, which takes no secret, keeps nobody out. Whose request is being answered stays.
func (d *door) makeRoom() bool {
	for {
		full, v := d.dispensable(time.Now())
		if !full {
			return true
		}
		if v != nil {
			v.evict(time.Now())
			continue
		}
		select {
		case <-d.room:
		case <-time.After(lookAgain):
		case <-d.shut:
			return false
		}
	}
}

// dispensable tells whether the door is full, and then who is to leave first, if anybody.
func (d *door) dispensable(now time.Time) (full bool, first *visitor) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.visitors) < d.most {
		return false, nil
	}
	var since time.Time
	for v := range d.visitors {
		if came, idle := v.idle(now); idle && (first == nil || came.Before(since)) {
			first, since = v, came
		}
	}
	return true, first
}

// idle tells since when a visitor asks for nothing: it has sent nothing, or takes its time over the head of a request, of which nothing is done before it is whole.
func (v *visitor) idle(now time.Time) (since time.Time, idle bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.since, !v.cut && !v.busy && (v.resting || now.Sub(v.stirred) > unhurried)
}

// evict cuts a connection that is idle still.
func (v *visitor) evict(now time.Time) {
	v.mu.Lock()
	cut := !v.cut && !v.busy && (v.resting || now.Sub(v.stirred) > unhurried)
	v.cut = v.cut || cut
	v.mu.Unlock()
	if cut {
		_ = v.Close()
	}
}
