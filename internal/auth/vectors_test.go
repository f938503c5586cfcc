package auth

import (
	"bytes"
	"encoding/base64"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A vector is one file of testdata/vectors; testdata/README.md has the format.
type vector struct {
	expect   error
	signedBy string
	config   Config
	now      time.Time
	message  Message
}

var expectations = map[string]error{
	"ok":            nil,
	"unsigned":      ErrUnsigned,
	"bad signature": ErrSignature,
	"stale":         ErrStale,
}

func TestVectors(t *testing.T) {
	t.Parallel()
	for scheme, verify := range map[string]struct {
		files string
		call  verification
	}{
		SchemeFunc:    {"testdata/vectors/*.txt", (*Verifier).Verify},
		SchemeHTTPSig: {"testdata/httpsig/*.txt", (*Verifier).VerifyMessage},
	} {
		files, err := filepath.Glob(verify.files)
		if err != nil || len(files) < 25 {
			t.Fatalf("found %d vectors, error %v", len(files), err)
		}
		for _, file := range files {
			t.Run(scheme+"/"+strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
				t.Parallel()
				checkVector(t, readVector(t, file), scheme, verify.call)
			})
		}
	}
}

// A verification is the method of a scheme.
type verification func(v *Verifier, now time.Time, m Message) (Principal, Nonce, error)

func checkVector(t *testing.T, vec vector, scheme string, verify verification) {
	v, err := New(vec.config)
	if err != nil {
		t.Fatal(err)
	}
	p, n, err := verify(v, vec.now, vec.message)
	if !errors.Is(err, vec.expect) {
		t.Fatalf("Verify returned error %v, want %v", err, vec.expect)
	}
	if err != nil {
		if p.Client != "" || n != (Nonce{}) {
			t.Errorf("a refused message gave principal %+v and nonce %+v", p, n)
		}
		return
	}
	if got := p.Client + " " + p.KeyID; got != vec.signedBy {
		t.Errorf("signed by %q, want %q", got, vec.signedBy)
	}
	if p.Scheme != scheme {
		t.Errorf("scheme is %q", p.Scheme)
	}
	if want := n.SignedAt.Add(vec.config.Skew); n.Client != p.Client || !n.Expires.Equal(want) {
		t.Errorf("nonce is %+v, want client %q and expiry %v", n, p.Client, want)
	}
	if err := v.Reserve(n); err != nil {
		t.Errorf("first Reserve: %v", err)
	}
	if err := v.Reserve(n); !errors.Is(err, ErrReplayed) {
		t.Errorf("second Reserve returned %v, want %v", err, ErrReplayed)
	}
}

func readVector(t *testing.T, file string) vector {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, body, ok := bytes.Cut(data, []byte("\n\n"))
	if !ok {
		t.Fatalf("%s: no empty line after the header", file)
	}
	vec := vector{
		config:  Config{Skew: 300 * time.Second},
		message: Message{Header: http.Header{}, Body: body},
		expect:  errors.New("the vector has no expect line"),
	}
	for line := range strings.SplitSeq(string(head), "\n") {
		if strings.HasPrefix(line, "#") {
			continue
		}
		k, value, ok := strings.Cut(line, ": ")
		if !ok || !vec.set(k, value) {
			t.Fatalf("%s: cannot read line %q", file, line)
		}
	}
	return vec
}

// set takes one header line, and reports whether it understood it.
func (vec *vector) set(key, value string) (ok bool) {
	ok = true
	clients := vec.config.Clients
	switch key {
	case "expect":
		vec.expect, ok = expectations[value]
	case "signed-by":
		vec.signedBy = value
	case "client":
		vec.config.Clients = append(clients, Client{Name: value})
	case "secret":
		if ok = len(clients) > 0; ok {
			last := &clients[len(clients)-1]
			last.Secrets = append(last.Secrets, []byte(value))
		}
	case "scheme", "public-key":
		if ok = len(clients) > 0; ok {
			last := &clients[len(clients)-1]
			if key == "scheme" {
				last.Scheme = value
				break
			}
			public, err := base64.StdEncoding.DecodeString(value)
			last.PublicKeys, ok = append(last.PublicKeys, public), err == nil
		}
	case "authority":
		vec.config.Authorities = append(vec.config.Authorities, value)
	case "query":
		vec.message.Query = value
	case "host":
		vec.message.Host = value
	case "secure":
		vec.message.Secure, ok = true, value == "yes"
	case "local":
		local, err := netip.ParseAddrPort(value)
		vec.message.Local, ok = net.TCPAddrFromAddrPort(local), err == nil
	case "now":
		vec.now, ok = unixTime(value)
	case "floor":
		vec.config.Floor, ok = unixTime(value)
	case "skew":
		var err error
		vec.config.Skew, err = time.ParseDuration(value)
		ok = err == nil
	case "method":
		vec.message.Method = value
	case "path":
		vec.message.Path = value
	case "header":
		var name string
		name, value, ok = strings.Cut(value, ": ")
		vec.message.Header.Add(name, value)
	default:
		ok = false
	}
	return ok
}

func unixTime(s string) (time.Time, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	return time.Unix(n, 0), err == nil
}

// TestDocumentedSignature: the page for people who write a client shows a vector as it is.
func TestDocumentedSignature(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	h := readVector(t, "testdata/httpsig/ok-hmac.txt").message.Header
	input := h.Get("Signature-Input")
	_, params, _ := strings.Cut(input, "=")
	for _, shown := range []string{
		"\"@query\": ?\n\"content-digest\": " + h.Get("Content-Digest") + "\n\"@signature-params\": " + params + "\n```",
		"\nContent-Digest: " + h.Get("Content-Digest") + "\nSignature-Input: " + input + "\nSignature: " + h.Get("Signature") + "\n",
	} {
		if !strings.Contains(string(page), shown) {
			t.Errorf("docs/api.md does not show\n%s", shown)
		}
	}
}
