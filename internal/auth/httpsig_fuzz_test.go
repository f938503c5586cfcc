package auth

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// The parts of a message of which every byte is signed, the signature itself, and what binds the body.
const (
	partMethod = iota
	partPath
	partQuery
	partHost
	partBody
	partInput
	partDigest
	partPrefer
	partSignature
	parts
)

// part is a place in a message.
func part(m *Message, at int) (get func() string, set func(string)) {
	header := func(name string) (func() string, func(string)) {
		return func() string { return m.Header.Get(name) }, func(s string) { m.Header.Set(name, s) }
	}
	field := func(s *string) (func() string, func(string)) {
		return func() string { return *s }, func(to string) { *s = to }
	}
	switch at {
	case partMethod:
		return field(&m.Method)
	case partPath:
		return field(&m.Path)
	case partQuery:
		return field(&m.Query)
	case partHost:
		return field(&m.Host)
	case partBody:
		return func() string { return string(m.Body) }, func(s string) { m.Body = []byte(s) }
	case partInput:
		return header("Signature-Input")
	case partDigest:
		return header("Content-Digest")
	case partPrefer:
		return header("Prefer")
	}
	return header("Signature")
}

// meansTheSame reports whether a change has no meaning: the case of a host's name.
func meansTheSame(at int, a, b string) bool { return at == partHost && strings.EqualFold(a, b) }

// checkOtherBit holds that a message verifies, and does not with one bit inverted.
func checkOtherBit(t *testing.T, v *Verifier, o order, place int, at, bit uint) {
	t.Helper()
	m := o.message()
	if _, _, err := v.VerifyMessage(testNow, m); err != nil {
		t.Fatalf("%+v does not verify: %v", m, err)
	}
	get, set := part(&m, place)
	was := get()
	if was == "" {
		return
	}
	b := []byte(was)
	b[at%uint(len(b))] ^= 1 << (bit % 8)
	set(string(b))
	if meansTheSame(place, was, string(b)) {
		return
	}
	if _, _, err := v.VerifyMessage(testNow, m); !errors.Is(err, ErrSignature) {
		t.Fatalf("part %d is %q instead of %q: error %v, want %v", place, b, was, err, ErrSignature)
	}
}

// anyHost is called by every name, so that no name but the signed one is refused for another reason.
func anyHost(t testing.TB, o order) *Verifier {
	return newVerifier(t, Config{Authorities: []string{o.host, "10.0.0.1:8098"}, Clients: []Client{
		{Name: "deploy", Scheme: SchemeHTTPSig, Secrets: [][]byte{messageSecret}},
		{Name: "bot", Scheme: SchemeHTTPSig, PublicKeys: []ed25519.PublicKey{public(messageKey)}},
	}})
}

func TestEveryOtherBitOfAMessageFails(t *testing.T) {
	t.Parallel()
	for _, client := range []string{"deploy", "bot"} {
		o := plainOrder()
		o.query = "follow=true"
		o.extra.Set("Prefer", "wait=5")
		o.components = append(o.components, `"prefer"`)
		if client == "bot" {
			o.params, o.sign = strings.Replace(o.params, "deploy", "bot", 1), byKey(messageKey)
		}
		v := anyHost(t, o)
		for place := range parts {
			m := o.message()
			get, _ := part(&m, place)
			for at := range uint(len(get())) {
				for bit := range uint(8) {
					if client == "bot" && bit != at%8 { // public keys are slow
						continue
					}
					checkOtherBit(t, v, o, place, at, bit)
				}
			}
		}
	}
}

func FuzzOtherBitOfAMessage(f *testing.F) {
	f.Add("POST", "/v1/jobs", "", "10.0.0.1:8099", `{"command":"id"}`, "0123456789abcdef0123456789abcdef", partBody, uint(3), uint(5))
	f.Add("GET", "/v1/jobs/%2f", "a=b&a=%20+", "gate.example", "", "a nonce of 16 characters", partQuery, uint(0), uint(0))
	f.Add("DELETE", "/", "", "[::1]:1", "\x00\n\xff", "----------------", partInput, uint(40), uint(1))
	f.Add("POST", "/v1/decisions", "", "localhost", "{}", "0123456789ABCDEF", partSignature, uint(7), uint(7))
	f.Fuzz(func(t *testing.T, method, path, query, host, body, nonce string, place int, at, bit uint) {
		o := plainOrder()
		o.method, o.path, o.query, o.host, o.body = method, path, query, host, body
		o.nonce(strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(nonce))
		m := o.message()
		if _, err := newAuthorities([]string{o.host}, nil); err != nil || m.authority() != o.host {
			t.Skip("not the name of a gateway as it is signed")
		}
		v := anyHost(t, o)
		if _, _, err := v.VerifyMessage(testNow, m); err != nil {
			t.Skip("not a message that may be signed")
		}
		checkOtherBit(t, v, o, ((place%parts)+parts)%parts, at, bit)
	})
}

// FuzzVerifyMessage sends what somebody without a key may send.
func FuzzVerifyMessage(f *testing.F) {
	input := plainOrder().message().Header.Get("Signature-Input")
	f.Add("POST", "/v1/jobs", "", "10.0.0.1:8099", input, "sig1=:AAAA:", digestOf("{}"), "{}")
	f.Add("POST", "/v1/jobs", "a;b", "10.0.0.1:8099", input+"\n"+input, "sig1=:AAAA:", digestOf("{}"), "{}")
	f.Add("GET", "/", "", "", `sig1=("@method";req "@query";sf "x";bs);created=1;created=2`, "sig1=?1", "sha-256=(1 2)", "")
	f.Add("GET", "*", "", "[", `a=();b`, "a", "", "")
	v := messageVerifier(f)
	f.Fuzz(func(t *testing.T, method, path, query, host, input, signature, digest, body string) {
		h := http.Header{}
		for name, list := range map[string]string{"Signature-Input": input, "Signature": signature, "Content-Digest": digest} {
			if list != "" {
				h[name] = strings.Split(list, "\n")
			}
		}
		m := Message{Method: method, Path: path, Query: query, Host: host, Header: h, Body: []byte(body), Local: tcpHere}
		before := fmt.Sprint(m)
		p, n, err := v.VerifyMessage(testNow, m)
		if !errors.Is(err, ErrUnsigned) && !errors.Is(err, ErrSignature) {
			t.Fatalf("error is %v", err)
		}
		if p.Client != "" || n != (Nonce{}) || fmt.Sprint(m) != before {
			t.Fatalf("principal %+v and nonce %+v without a signature, or another message: %+v", p, n, m)
		}
	})
}
