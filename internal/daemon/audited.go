package daemon

import (
	"cmp"
	"container/list"
	"context"
	"crypto/sha256"
	"encoding/json"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sidegate/sidegate/gateway"
	"github.com/sidegate/sidegate/internal/audit"
	"github.com/sidegate/sidegate/internal/auth"
	"github.com/sidegate/sidegate/internal/config"
)

// AuditSource is where audited requests are read from. Nothing of it is verified: that is what `sidegate audit verify` is for.
type AuditSource struct {
	Leaves iter.Seq2[audit.Row, error] // oldest first
	// Requests returns the requests that are stored with some jobs, at most 500, by the job's ID. Nil: there is the log alone, as in an export.
	Requests func(ctx context.Context, jobs []string) (map[string][]byte, error)
}

// AuditQuery says which audited requests are wanted.
type AuditQuery struct {
	Since, Until time.Time // from the first on, and before the second; zero is any
	Client       string    // "" is any
	Limit        int       // of distinct requests that are kept, above zero; the others are counted
	// Apart keeps requests apart that differ in ID and time alone, for policies that may tell them apart.
	Apart bool
	// Progress is told after every thousand leaves how many were read; nil tells nobody.
	Progress func(leaves int64)
}

// The answers that the audit has of a request.
const (
	Allowed  = "allowed"
	Denied   = "denied"
	Observed = "observed" // denied by the policy, and let through by observe mode
)

// Recorded is what the audit says of the decision on a request.
type Recorded struct {
	Verdict  string // Allowed, Denied or Observed
	Grants   []string
	Reasons  []string
	Revision string // of the policy; "" where an older version did not write it down
}

// AuditedRequest stands for all requests in the audit that are alike: asked for the same, by the same client and from the same address, and answered
// alike.
type AuditedRequest struct {
	Request  gateway.Request // the newest of them
	Recorded Recorded
	Count    int64
	Stored   bool     // the request is as it was stored with its job, and not as the audit tells it
	Unknown  []string // what of it is not known, in words: values of variables, which are "" in Request, and the path of the callback
	Stranger bool     // the client is not in the configuration any more, so its labels are not known
}

// AuditedRequests are what was found. At most 64 MiB of requests are kept, whatever the limit of the query is: of more, those that occurred last.
type AuditedRequests struct {
	Leaves  int64 // that were read
	Damaged int64 // of these, what cannot be read
	Events  int64 // decided requests that were asked for
	LeftOut int64 // of these, what is in none of Distinct
	// Distinct are in the order in which each occurred last.
	Distinct []AuditedRequest
}

const (
	auditedBytes = 64 << 20 // of requests that are kept
	auditedBatch = 500      // requests that are looked up at once
	maxKnown     = 10_000   // values of variables that are remembered by their digests
	maxKnownSize = 4 << 10
)

// ReadAudited reads the requests that policies decided, in one go, holding no more of them than the query and its own bounds say. Requests are as they are
// stored with their jobs, where there are such. Of others, such as denied ones, the audit has digests of the values of environment variables; a value is known
// all the same where a stored request had one with the same digest.
func ReadAudited(ctx context.Context, c *config.Config, from AuditSource, q AuditQuery) (AuditedRequests, error) {
	r := &auditReading{query: q, source: from, clients: map[string]auth.Principal{}, byKey: map[auditKey]*list.Element{}, order: list.New(), values: map[string]string{}}
	for _, client := range c.Clients {
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
			return AuditedRequests{}, err
		}
	}
	if err := r.flush(ctx); err != nil {
		return AuditedRequests{}, err
	}
	return r.result(), nil
}

// auditReading groups what it reads. What occurred longest ago is dropped first.
type auditReading struct {
	query   AuditQuery
	source  AuditSource
	clients map[string]auth.Principal

	batch  []audit.Leaf
	found  AuditedRequests
	byKey  map[auditKey]*list.Element
	order  *list.List // of *auditGroup, the one that occurred last at the end
	bytes  int
	values map[string]string // of variables, by name and digest
}

type auditKey [sha256.Size]byte

// auditGroup is an AuditedRequest in less space.
type auditGroup struct {
	key      auditKey
	request  []byte // as JSON
	recorded Recorded
	count    int64
	stored   bool
	stranger bool
}

func (g *auditGroup) size() int {
	n := len(g.request) + len(g.recorded.Revision) + 512
	for _, text := range slices.Concat(g.recorded.Grants, g.recorded.Reasons) {
		n += len(text) + 16
	}
	return n
}

// take looks at a leaf, and puts it by if it is wanted.
func (r *auditReading) take(ctx context.Context, data []byte) error {
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
	if r.batch = append(r.batch, leaf); len(r.batch) < auditedBatch {
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
func (r *auditReading) flush(ctx context.Context) error {
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
func (r *auditReading) learn(l audit.Leaf, request gateway.Request) {
	for _, v := range request.Env {
		if digest, ok := l.Env[v.Key]; ok && len(r.values) < maxKnown && len(v.Value) <= maxKnownSize {
			r.values[valueName(v.Key, digest)] = v.Value
		}
	}
}

func valueName(key, digest string) string { return key + "\x00" + digest }

func (r *auditReading) add(l audit.Leaf, request gateway.Request, stored, stranger bool) {
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
	key := auditKey(sum.Sum(nil))
	group := &auditGroup{key: key, count: 1}
	if e := r.byKey[key]; e != nil {
		group = r.drop(e)
		group.count++
	}
	group.request, group.recorded, group.stored, group.stranger = text, recorded, stored, stranger
	r.byKey[key] = r.order.PushBack(group)
	r.bytes += group.size()
	for r.order.Len() > max(r.query.Limit, 1) || r.bytes > auditedBytes && r.order.Len() > 1 {
		r.found.LeftOut += r.drop(r.order.Front()).count
	}
}

func (r *auditReading) drop(e *list.Element) *auditGroup {
	group := r.order.Remove(e).(*auditGroup)
	delete(r.byKey, group.key)
	r.bytes -= group.size()
	return group
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

func (r *auditReading) result() AuditedRequests {
	for e := r.order.Front(); e != nil; e = e.Next() {
		g := e.Value.(*auditGroup)
		a := AuditedRequest{Recorded: g.recorded, Count: g.count, Stored: g.stored, Stranger: g.stranger}
		if err := json.Unmarshal(g.request, &a.Request); err != nil { // was made above
			r.found.LeftOut += g.count
			continue
		}
		if !g.stored {
			a.Unknown = r.reveal(a.Request.Env)
			if a.Request.Callback != nil {
				a.Unknown = append(a.Unknown, "the path of its callback")
			}
		}
		r.found.Distinct = append(r.found.Distinct, a)
	}
	return r.found
}

// reveal puts values in the place of their digests, and returns the names of the variables of which they are not known.
func (r *auditReading) reveal(env []gateway.Variable) (unknown []string) {
	for i, v := range env {
		value, ok := r.values[valueName(v.Key, v.Value)]
		if !ok {
			unknown = append(unknown, "the value of "+v.Key)
		}
		env[i].Value = value
	}
	return unknown
}

// Shorter orders requests by how much there is to read of them.
func (a AuditedRequest) Shorter(b AuditedRequest) int {
	return cmp.Or(cmp.Compare(a.length(), b.length()), strings.Compare(a.Request.Command, b.Request.Command), slices.Compare(a.Request.Argv, b.Request.Argv),
		strings.Compare(a.Request.ID, b.Request.ID))
}

func (a AuditedRequest) length() int {
	n := len(a.Request.Command) + len(a.Request.Workdir)
	for _, word := range a.Request.Argv {
		n += len(word) + 1
	}
	for _, v := range a.Request.Env {
		n += len(v.Key) + len(v.Value) + 2
	}
	if c := a.Request.Callback; c != nil {
		n += len(c.String())
	}
	return n
}
