package gateway

import (
	"crypto/sha256"
	"encoding/json"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sidegate/sidegate/internal/audit"
	"github.com/sidegate/sidegate/internal/auth"
	"github.com/sidegate/sidegate/internal/callback"
	"github.com/sidegate/sidegate/wasm"
)

// StoredRequest reads a request as the journal keeps it with its job. It is false where that is not the request of this job.
func StoredRequest(job string, stored []byte) (Request, bool) {
	var request Request
	err := json.Unmarshal(stored, &request)
	return request, err == nil && request.ID == job
}

// AuditedRequest is the request that a leaf is about, as far as leaves tell: values of environment variables are digests, and there is neither standard
// input, nor time limit, nor label; of a callback the path is "/". known has the scheme and the labels of the client.
func AuditedRequest(l audit.Leaf, known auth.Principal) Request {
	known.Client, known.KeyID, known.Roles = l.Client, l.KeyID, l.Roles
	r := Request{ID: l.Job, Time: l.Time, Principal: known, Order: Order{Command: l.Command, Argv: l.Argv, Workdir: l.Workdir, Wait: true}}
	if source, err := netip.ParseAddr(l.Source); err == nil {
		r.SourceIP = source
	}
	for _, key := range slices.Sorted(maps.Keys(l.Env)) {
		r.Env = append(r.Env, Variable{key, l.Env[key]})
	}
	for _, plugin := range l.ChangedBy {
		r.Changes = append(r.Changes, wasm.Change{Plugin: plugin})
	}
	if origin, err := callback.ParseDestination(l.Receiver + "/"); err == nil {
		r.Callback = &origin
	}
	return r
}

// Alike is the same for requests of which a policy cannot tell more than by ID and time. Where it may tell those, apart has it differ for every request.
func (r Request) Alike(apart bool) [sha256.Size]byte {
	plain := r
	plain.Trace = ""
	if !apart {
		plain.ID, plain.Time = "", time.Time{}
	}
	plain.Changes = nil
	for _, plugin := range r.changedBy() {
		plain.Changes = append(plain.Changes, wasm.Change{Plugin: plugin})
	}
	plain.Env = slices.Clone(r.Env)
	slices.SortFunc(plain.Env, func(a, b Variable) int { return strings.Compare(a.Key, b.Key) })
	text, err := json.Marshal(plain)
	if err != nil { // nothing in a request can fail to be JSON; what does is like nothing else
		text = []byte(r.ID + strconv.FormatInt(r.Time.UnixNano(), 10))
	}
	return sha256.Sum256(text)
}
