package policy

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
)

// Bounds of the cache. What is not kept for them is decided anew.
const (
	// DefaultCacheBytes is how much memory cached decisions take at most, unless
	// Config says otherwise.
	DefaultCacheBytes = 8 << 20

	maxCacheEntries = 8192
	maxCacheKey     = 32 << 10 // bytes; longer requests are rarely made twice
	entryOverhead   = 512      // bytes of a decision beside its texts, and of its place in a map
)

// CacheStatus counts what the cache of decisions did since the start.
type CacheStatus struct {
	Hits     uint64 // decisions that were remembered
	Misses   uint64 // decisions that were made and may be remembered
	Bypassed uint64 // decisions that cannot be: see Why, and requests that are very long

	Entries int
	Bytes   int64

	// Why says what in the policy keeps its decisions from being remembered, with
	// the file and line where that is known; "" if nothing does.
	Why string
}

// cacheCounts outlive the policies that are counted.
type cacheCounts struct{ hits, misses, bypassed atomic.Uint64 }

// decisionCache remembers the decisions of one prepared policy, and goes with it, so
// there is never one of a policy that is not in force any more. It is in two
// halves: what is asked for is moved into the younger one, and when that is
// full, the older one is forgotten. A nil one remembers nothing.
//
// Keys are compared whole, and the client is in them: nobody is given, or can
// time, a decision about somebody else's request.
type decisionCache struct {
	counts *cacheCounts
	half   int64 // bytes of each half at most

	mu         sync.Mutex
	young, old map[string]*Decision // which nobody changes
	youngBytes int64
	oldBytes   int64
}

func newCache(bytes int64, counts *cacheCounts) *decisionCache {
	return &decisionCache{counts: counts, half: bytes / 2, young: make(map[string]*Decision)}
}

var cacheKeys = sync.Pool{New: func() any { return new(cacheKey) }}

// giveBack keeps the memory of a key for the next one, unless it is much.
func giveBack(k *cacheKey) {
	if cap(k.bytes) <= maxCacheKey && cap(k.names) <= 1024 {
		clear(k.names[:cap(k.names)]) // they belong to requests
		cacheKeys.Put(k)
	}
}

// find returns a copy of the decision with this key.
func (c *decisionCache) find(key []byte) (Decision, bool) {
	c.mu.Lock()
	d, ok := c.young[string(key)]
	if !ok {
		if d, ok = c.old[string(key)]; ok {
			c.insert(string(key), d)
		}
	}
	c.mu.Unlock()
	if !ok {
		return Decision{}, false
	}
	c.counts.hits.Add(1)
	return d.clone(), true
}

// put remembers a decision, of which it makes a copy. It tells whether there
// is room for one of that size.
func (c *decisionCache) put(key []byte, d *Decision) bool {
	if len(key) > maxCacheKey || int64(len(key))+d.size() > c.half {
		return false
	}
	kept := d.clone()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.insert(string(key), &kept)
	return true
}

// insert adds to the younger half. The caller holds mu.
func (c *decisionCache) insert(key string, d *Decision) {
	if _, ok := c.young[key]; ok {
		return
	}
	size := int64(len(key)) + d.size()
	if c.youngBytes+size > c.half || len(c.young) >= maxCacheEntries/2 {
		c.old, c.oldBytes = c.young, c.youngBytes
		c.young, c.youngBytes = make(map[string]*Decision), 0
	}
	c.young[key] = d
	c.youngBytes += size
}

// drop forgets everything.
func (c *decisionCache) drop() {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.young, c.old, c.youngBytes, c.oldBytes = make(map[string]*Decision), nil, 0, 0
}

// fill says how much is in the cache.
func (c *decisionCache) fill() (entries int, bytes int64) {
	if c == nil {
		return 0, 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.young) + len(c.old), c.youngBytes + c.oldBytes
}

// clone returns a decision that shares nothing with d that can be changed.
func (d *Decision) clone() Decision {
	c := *d
	c.Grants, c.Reasons, c.Called = slices.Clone(d.Grants), slices.Clone(d.Reasons), slices.Clone(d.Called)
	o := &c.Obligations
	if f := o.Filesystem; f != nil {
		o.Filesystem = &Filesystem{
			Read: slices.Clone(f.Read), Write: slices.Clone(f.Write), ReadIfPresent: slices.Clone(f.ReadIfPresent), Execute: slices.Clone(f.Execute),
		}
	}
	o.Env = Env{Set: maps.Clone(o.Env.Set), Pass: slices.Clone(o.Env.Pass)}
	return c
}

// size is about how many bytes of memory a decision takes.
func (d *Decision) size() int64 {
	const header = 16 // of a string
	n := entryOverhead + len(d.Revision)
	lists := [][]string{d.Grants, d.Reasons, d.Obligations.Env.Pass}
	if f := d.Obligations.Filesystem; f != nil {
		lists = append(lists, f.Read, f.Write, f.ReadIfPresent, f.Execute)
	}
	for _, list := range lists {
		for _, s := range list {
			n += header + len(s)
		}
	}
	for key, value := range d.Obligations.Env.Set {
		n += 4*header + len(key) + len(value)
	}
	return int64(n)
}
