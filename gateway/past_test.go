package gateway

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/sidegate/sidegate/internal/audit"
	"github.com/sidegate/sidegate/internal/auth"
	"github.com/sidegate/sidegate/internal/callback"
	"github.com/sidegate/sidegate/wasm"
)

// pastRequest has a value in every field.
func pastRequest() Request {
	stdin := "in"
	return Request{
		ID: "job", Time: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), SourceIP: netip.MustParseAddr("172.17.0.2"),
		Principal: auth.Principal{Client: "func", Scheme: "func", KeyID: "1", Roles: []string{"web"}, Labels: map[string]string{"app": "x"}},
		Changes:   []wasm.Change{{Plugin: "p", Fields: []string{"command"}, Before: "a", After: "b"}, {Plugin: "p", Before: "c"}}, Trace: "t",
		Order: Order{
			Command: "ls", Argv: []string{"ls"}, Wait: true, Workdir: "/srv", Env: []Variable{{"B", "2"}, {"A", "1"}}, Stdin: &stdin, Timeout: time.Second,
			Labels: map[string]string{"l": "m"}, Callback: &callback.Destination{Scheme: "http", Host: "h", Port: 80, Path: "/x", Query: "q"},
		},
	}
}

// A request comes out of the journal as it went in; that of another job does not.
func TestStoredRequest(t *testing.T) {
	t.Parallel()
	want := pastRequest()
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := StoredRequest("job", text); !ok || !reflect.DeepEqual(got, want) {
		t.Errorf("%v: %+v", ok, got)
	}
	for _, stored := range []string{"", "{", "null", `{"id":"other"}`} {
		if _, ok := StoredRequest("job", []byte(stored)); ok {
			t.Errorf("%s is taken", stored)
		}
	}
}

// What a leaf tells of a request comes out of it; the rest is not made up.
func TestAuditedRequest(t *testing.T) {
	t.Parallel()
	r := pastRequest()
	l := audit.Leaf{
		Type: audit.Denied, Time: r.Time, Client: "func", KeyID: "1", Source: "172.17.0.2", Roles: []string{"web"}, Command: "ls", Argv: []string{"ls"}, Workdir: "/srv",
		Env: map[string]string{"A": "da", "B": "db"}, ChangedBy: []string{"p"}, Receiver: "http://h:80", Job: "job",
	}
	got := AuditedRequest(l, auth.Principal{Scheme: "func", Labels: map[string]string{"app": "x"}})
	r.Stdin, r.Timeout, r.Labels, r.Trace = nil, 0, nil, ""
	r.Env, r.Changes, r.Callback = []Variable{{"A", "da"}, {"B", "db"}}, []wasm.Change{{Plugin: "p"}}, &callback.Destination{Scheme: "http", Host: "h", Port: 80, Path: "/"}
	if !reflect.DeepEqual(got, r) {
		t.Errorf("got  %+v\nwant %+v", got, r)
	}
	if got := AuditedRequest(audit.Leaf{Source: "no address", Receiver: "no url"}, auth.Principal{}); got.SourceIP.IsValid() || got.Callback != nil || got.Env != nil {
		t.Errorf("%+v", got)
	}
}

// Requests are alike unless something differs that a policy can read.
func TestAlike(t *testing.T) {
	t.Parallel()
	base := pastRequest()
	for name, c := range map[string]struct {
		change func(*Request)
		alike  bool
	}{
		"nothing":           {func(*Request) {}, true},
		"ID, time, trace":   {func(r *Request) { r.ID, r.Time, r.Trace = "other", r.Time.Add(1), "" }, true},
		"order of the env":  {func(r *Request) { r.Env = []Variable{{"A", "1"}, {"B", "2"}} }, true},
		"a plugin's change": {func(r *Request) { r.Changes = []wasm.Change{{Plugin: "p", Before: "z"}} }, true},
		"another plugin":    {func(r *Request) { r.Changes = nil }, false},
		"value":             {func(r *Request) { r.Env = []Variable{{"A", "1"}, {"B", "3"}} }, false},
		"source":            {func(r *Request) { r.SourceIP = netip.Addr{} }, false},
		"roles":             {func(r *Request) { r.Principal.Roles = nil }, false},
		"labels":            {func(r *Request) { r.Principal.Labels = nil }, false},
		"command":           {func(r *Request) { r.Command = "l s" }, false},
		"argv":              {func(r *Request) { r.Argv = nil }, false},
		"stdin":             {func(r *Request) { r.Stdin = nil }, false},
		"callback":          {func(r *Request) { r.Callback = nil }, false},
		"wait":              {func(r *Request) { r.Wait = false }, false},
	} {
		other := pastRequest()
		c.change(&other)
		if got := base.Alike(false) == other.Alike(false); got != c.alike {
			t.Errorf("%s: alike is %v", name, got)
		}
		if apart := base.Alike(true) == other.Alike(true); apart != (c.alike && base.ID == other.ID) {
			t.Errorf("%s: alike where ID and time count is %v", name, apart)
		}
	}
	if base.Env[0].Key != "B" {
		t.Error("the request was changed")
	}
}

// A denial's leaf has what it takes to decide on the request again: the policy's revision, and the receiver of the callback.
func TestDeniedLeafTellsRevision(t *testing.T) {
	t.Parallel()
	th := newTheatre(t, theatreOptions{})
	th.twice(t, "/shell", body{"command": "rm x", "callbackURL": "http://h:8088/secret"})
	leaves, err := th.journal.AuditLeaves(t.Context(), 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	told := 0
	for _, row := range leaves {
		if l, err := audit.Decode(row.Data); err == nil && l.Type == audit.Denied && l.Revision != "" && l.Receiver == "http://h:8088" {
			told++
		}
	}
	if told != 1 {
		t.Errorf("%d leaves tell, of %d", told, len(leaves))
	}
}
