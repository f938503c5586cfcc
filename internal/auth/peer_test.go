package auth

import (
	"errors"
	"slices"
	"testing"
)

func TestVerifyPeer(t *testing.T) {
	t.Parallel()
	v := newVerifier(t, Config{Clients: []Client{
		{Name: "func", Secrets: [][]byte{testSecret}},
		{Name: "root", UIDs: []uint32{0}, Roles: []string{"readonly", RoleOperator}},
		{Name: "ops", UIDs: []uint32{1000, 4294967294}, Labels: map[string]string{"team": "ops"}},
	}})
	for _, tt := range []struct {
		peer       Peer
		client, id string
		want       string // the error
	}{
		{Peer{UID: 0}, "root", "uid:0", ""},
		{Peer{UID: 1000, GID: 5, PID: 77}, "ops", "uid:1000", ""},
		{Peer{UID: 4294967294}, "ops", "uid:4294967294", ""},
		{Peer{UID: 1001, GID: 1000, PID: 1000}, "", "", "auth: uid 1001 (process 1000) is no client's: add 1001 to the uids of a client with scheme peercred"},
		{Peer{UID: 65534}, "", "", "auth: uid 65534, for which the kernel names no certain user here, is no client's and cannot be one: call as a user who is known in the gateway's user namespace"},
		{Peer{UID: 1<<32 - 1}, "", "", "auth: uid 4294967295, for which the kernel names no certain user here, is no client's and cannot be one: call as a user who is known in the gateway's user namespace"},
	} {
		p, err := v.VerifyPeer(tt.peer)
		if tt.want == "" {
			if err != nil || p.Client != tt.client || p.Scheme != SchemePeercred || p.KeyID != tt.id {
				t.Errorf("%+v is %+v, %v", tt.peer, p, err)
			}
			continue
		}
		var unknown *UnknownPeerError
		if !errors.As(err, &unknown) || unknown.Peer != tt.peer || err.Error() != tt.want || p.Client != "" || p.Roles != nil {
			t.Errorf("%+v is %+v, and the error is\n%v\nwant\n%s", tt.peer, p, err, tt.want)
		}
	}
}

// TestPeersCannotSign: a client without secrets is not found by any signature, not even by that of an empty one.
func TestPeersCannotSign(t *testing.T) {
	t.Parallel()
	v := newVerifier(t, Config{Clients: []Client{{Name: "ops", UIDs: []uint32{0}}}})
	for _, secret := range []string{"", "0", "uid:0"} {
		if p, _, err := v.Verify(testNow, sign([]byte(secret), testNonce, testNow, "{}")); !errors.Is(err, ErrSignature) {
			t.Errorf("the secret %q gives %+v, %v", secret, p, err)
		}
	}
}

func TestPeerPrincipalIsACopy(t *testing.T) {
	t.Parallel()
	cfg := Config{Clients: []Client{{Name: "ops", UIDs: []uint32{7}, Roles: []string{"readonly"}, Labels: map[string]string{"team": "ops"}}}}
	v := newVerifier(t, cfg)
	cfg.Clients[0].UIDs[0], cfg.Clients[0].Roles[0] = 0, RoleOperator
	for range 2 {
		p, err := v.VerifyPeer(Peer{UID: 7})
		if err != nil || p.HasRole(RoleOperator) || p.Labels["team"] != "ops" {
			t.Fatalf("principal is %+v, %v", p, err)
		}
		p.Roles[0], p.Labels["team"] = RoleOperator, "evil"
		byName, ok := v.Principal("ops")
		if !ok || byName.HasRole(RoleOperator) || byName.KeyID != "" || byName.Scheme != SchemePeercred || byName.Labels["team"] != "ops" {
			t.Fatalf("by name it is %+v, %v", byName, ok)
		}
		byName.Roles[0] = RoleOperator
	}
	if _, ok := v.Principal("gone"); ok {
		t.Error("a client that is not there was found")
	}
}

func TestHasRole(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		roles []string
		want  bool
	}{{nil, false}, {[]string{""}, false}, {[]string{"operators", "Operator", "oper"}, false}, {[]string{"readonly", "operator"}, true}} {
		if got := (Principal{Roles: tt.roles}).HasRole(RoleOperator); got != tt.want {
			t.Errorf("%q: %v", tt.roles, got)
		}
	}
}

func TestIsSigned(t *testing.T) {
	t.Parallel()
	m := sign(testSecret, testNonce, testNow, "{}")
	all := []string{HeaderNonce, HeaderTimestamp, HeaderSignature}
	for _, left := range [][]string{{}, all[:1], all[1:2], all[2:], all} {
		h := m.Header.Clone()
		for name := range h {
			if !slices.Contains(left, name) {
				h.Del(name)
			}
		}
		if got := IsSigned(h); got != (len(left) > 0) {
			t.Errorf("with %q: %v", left, got)
		}
	}
	empty := m.Header.Clone()
	for _, name := range all {
		empty.Set(name, "")
	}
	if !IsSigned(empty) {
		t.Error("headers without a value are no headers")
	}
}
