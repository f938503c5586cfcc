package history

import (
	"container/list"
	"context"
	"crypto/sha256"
	"encoding/json"
	"slices"
	"strconv"

	"github.com/sidegate/sidegate/gateway"
	"github.com/sidegate/sidegate/internal/audit"
	"github.com/sidegate/sidegate/internal/auth"
	"github.com/sidegate/sidegate/internal/config"
)

// What a reading holds at most.
const (
	maxBytes     = 64 << 20 // of requests that are kept
	batchSize    = 500      // requests that are looked up at once
	maxKnown     = 10_000   // values of variables that are remembered by their digests
	maxKnownSize = 4 << 10  // bytes of such a value
)

// Read reads the requests that policies decided, in one go, holding no more of them than the query and its own bounds say. Requests are as they are stored
// with their jobs, where there are such. Of others, such as denied ones, the audit has digests of the values of environment variables; a value is known all
// the same where a stored request had one with the same digest. clients are those of the configuration, for what the audit does not say of them: scheme and
// labels. The error is that of ctx or of from.
func Read(ctx context.Context, clients []config.Client, from Source, q Query) (Requests, error) {
	r := &reading{
		query: q, source: from, clients: map[string]auth.Principal{},
		byKey: map[groupKey]*list.Element{}, order: list.New(), values: map[string]string{},
	}
	for _, client := range clients {
		r.clients[client.Name] = auth.Principal{Scheme: client.Scheme, Labels: client.Labels}
	}
	for row, err := range from.Leaves {
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			err = r.take(ctx, row.Leaf)
		}
		if err != nil {
			return Requests{}, err
		}
	}
	if err := r.flush(ctx); err != nil {
		return Requests{}, err
	}
	return r.result(), nil
}

// reading groups what it reads. What occurred longest ago is dropped first.
type reading struct {
	query   Query
	source  Source
	clients map[string]auth.Principal

	batch  []audit.Leaf
	found  Requests
	byKey  map[groupKey]*list.Element
	order  *list.List // of *group, the one that occurred last at the end
	bytes  int
	values map[string]string // of variables, by name and digest
}

type groupKey [sha256.Size]byte

// group is a Request in less space.
type group struct {
	key      groupKey
	request  []byte // as JSON
	recorded Recorded
	count    int64
	stored   bool
	stranger bool
}

func (g *group) size() int {
	n := len(g.request) + len(g.recorded.Revision) + 512
	for _, text := range slices.Concat(g.recorded.Grants, g.recorded.Reasons) {
		n += len(text) + 16
	}
	return n
}

// take looks at a leaf, and puts it by if it is wanted.
func (r *reading) take(ctx context.Context, data []byte) error {
	if r.found.Leaves++; r.query.Progress != nil && r.found.Leaves%1000 == 0 {
		r.query.Progress(r.found.Leaves)
	}
	t, at, ok := audit.Peek(data)
	switch {
	case !ok:
		r.found.Damaged++
		return nil
	case t != audit.Admitted && t != audit.Observed && t != audit.Denied && t != audit.Asked,
		at.Before(r.query.Since), !r.query.Until.IsZero() && !at.Before(r.query.Until):
		return nil
	}
	leaf, err := audit.Decode(data)
	if err != nil {
		r.found.Damaged++
		return nil
	}
	if r.query.Client != "" && leaf.Client != r.query.Client || !byPolicy(leaf) {
		return nil
	}
	r.found.Events++
	if r.batch = append(r.batch, leaf); len(r.batch) < batchSize {
		return nil
	}
	return r.flush(ctx)
}

// byPolicy tells whether a policy, with the ceilings of the configuration, decided: not a plugin, and not that a request was not valid.
func byPolicy(l audit.Leaf) bool {
	if l.Type == audit.Denied {
		return l.Code == string(gateway.Denied)
	}
	return l.Decision != "" && (l.Type != audit.Asked || l.Revision != "")
}

// flush groups the leaves that were put by.
func (r *reading) flush(ctx context.Context) error {
	var stored map[string][]byte
	var jobs []string
	for _, l := range r.batch {
		if l.Job != "" {
			jobs = append(jobs, l.Job)
		}
	}
	if r.source.Requests != nil && len(jobs) > 0 {
		var err error
		if stored, err = r.source.Requests(ctx, jobs); err != nil {
			return err
		}
	}
	for _, l := range r.batch {
		known, ours := r.clients[l.Client]
		request, ok := gateway.StoredRequest(l.Job, stored[l.Job])
		if ok {
			r.learn(l, request)
		} else {
			request = gateway.AuditedRequest(l, known)
		}
		r.add(l, request, ok, !ok && !ours)
	}
	r.batch = r.batch[:0]
	return nil
}

// learn remembers values of variables by their digests.
func (r *reading) learn(l audit.Leaf, request gateway.Request) {
	for _, v := range request.Env {
		if digest, ok := l.Env[v.Key]; ok && len(r.values) < maxKnown && len(v.Value) <= maxKnownSize {
			r.values[valueName(v.Key, digest)] = v.Value
		}
	}
}

func valueName(key, digest string) string { return key + "\x00" + digest }

func (r *reading) add(l audit.Leaf, request gateway.Request, stored, stranger bool) {
	recorded := recordedOf(l)
	alike := request.Alike(r.query.Apart)
	sum := sha256.New()
	sum.Write(alike[:])
	answered, err1 := json.Marshal(recorded)
	text, err2 := json.Marshal(request)
	if err1 != nil || err2 != nil {
		r.found.Damaged++
		return
	}
	sum.Write(strconv.AppendBool(answered, stored))
	key := groupKey(sum.Sum(nil))
	g := &group{key: key, count: 1}
	if e := r.byKey[key]; e != nil {
		g = r.drop(e)
		g.count++
	}
	g.request, g.recorded, g.stored, g.stranger = text, recorded, stored, stranger
	r.byKey[key] = r.order.PushBack(g)
	r.bytes += g.size()
	for r.order.Len() > max(r.query.Limit, 1) || r.bytes > maxBytes && r.order.Len() > 1 {
		r.found.LeftOut += r.drop(r.order.Front()).count
	}
}

func (r *reading) drop(e *list.Element) *group {
	g := r.order.Remove(e).(*group)
	delete(r.byKey, g.key)
	r.bytes -= g.size()
	return g
}

// recordedOf is what a leaf says of its decision.
func recordedOf(l audit.Leaf) Recorded {
	recorded := Recorded{Verdict: Allowed, Grants: l.Grants, Reasons: l.Reasons, Revision: l.Revision}
	switch {
	case l.Type == audit.Denied, l.Type == audit.Asked && l.Code != "":
		recorded.Verdict = Denied
	case l.Type == audit.Observed, l.Type == audit.Asked && len(l.Reasons) > 0:
		recorded.Verdict = Observed
	}
	return recorded
}

func (r *reading) result() Requests {
	for e := r.order.Front(); e != nil; e = e.Next() {
		g := e.Value.(*group)
		a := Request{Recorded: g.recorded, Count: g.count, Stored: g.stored, Stranger: g.stranger}
		if err := json.Unmarshal(g.request, &a.Newest); err != nil { // was made above
			r.found.LeftOut += g.count
			continue
		}
		if !g.stored {
			a.Unknown = r.reveal(a.Newest.Env)
			if a.Newest.Callback != nil {
				a.Unknown = append(a.Unknown, "the path of its callback")
			}
		}
		r.found.Distinct = append(r.found.Distinct, a)
	}
	return r.found
}

// reveal puts values in the place of their digests, and returns the names of the variables of which they are not known.
func (r *reading) reveal(env []gateway.Variable) (unknown []string) {
	for i, v := range env {
		value, ok := r.values[valueName(v.Key, v.Value)]
		if !ok {
			unknown = append(unknown, "the value of "+v.Key)
		}
		env[i].Value = value
	}
	return unknown
}
