package auth

import (
	"bytes"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	testNonce = "00112233445566778899aabbccddeeff"
	testSkew  = 300 * time.Second
)

var (
	testSecret = []byte("a-secret-for-tests")
	testNow    = time.Unix(1700000000, 0)
)

func newVerifier(t testing.TB, cfg Config) *Verifier {
	t.Helper()
	if cfg.Clients == nil {
		cfg.Clients = []Client{{Name: "func", Secrets: [][]byte{testSecret}}}
	}
	if cfg.Skew == 0 {
		cfg.Skew = testSkew
	}
	v, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func sign(secret []byte, nonce string, at time.Time, body string) Message {
	ts := strconv.FormatInt(at.Unix(), 10)
	h := http.Header{}
	h.Set(HeaderNonce, nonce)
	h.Set(HeaderTimestamp, ts)
	h.Set(HeaderSignature, SignFunc(secret, "POST", "/shell", nonce, ts, []byte(body)))
	return Message{Method: "POST", Path: "/shell", Header: h, Body: []byte(body)}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	one := func(secrets ...string) Client {
		c := Client{Name: "one"}
		for _, s := range secrets {
			c.Secrets = append(c.Secrets, []byte(s))
		}
		return c
	}
	two := func(secrets ...string) Client {
		c := one(secrets...)
		c.Name = "two"
		return c
	}
	users := func(name string, uids ...uint32) Client { return Client{Name: name, UIDs: uids} }
	long := strings.Repeat("k", 65)
	for _, tt := range []struct {
		name    string
		clients []Client
		skew    time.Duration
		want    string
	}{
		{"no clients", nil, testSkew, "no clients"},
		{"no name", []Client{{Secrets: [][]byte{{1}}}}, testSkew, "client 1 has no name"},
		{"no secret", []Client{one()}, testSkew, `"one" has 0 secrets`},
		{"no secret and no users", []Client{users("one")}, testSkew, `"one" has 0 secrets, it must have one, or two during rotation, or uids`},
		{"secret and users", []Client{{Name: "one", Secrets: [][]byte{{1}}, UIDs: []uint32{0}}}, testSkew, `client "one" has secrets and uids; it must have one of the two`},
		{"same user in two clients", []Client{users("one", 0, 1000), users("two", 1001, 1000)}, testSkew, `clients "one" and "two" have the same uid 1000`},
		{"same user twice", []Client{users("one", 7, 7)}, testSkew, `clients "one" and "one" have the same uid 7, or one has it twice`},
		{"user who may be anybody", []Client{users("one", 65534)}, testSkew, `the uid 65534 of client "one" stands for no certain user`},
		{"no user", []Client{users("one", 1<<32-1)}, testSkew, `the uid 4294967295 of client "one" stands for no certain user`},
		{"duplicate name of another scheme", []Client{one("a"), users("one", 0)}, testSkew, `two clients are named "one"`},
		{"three secrets", []Client{one("a", "b", "c")}, testSkew, `"one" has 3 secrets`},
		{"empty secret", []Client{one("")}, testSkew, `secret 1 of client "one" is empty`},
		{"second secret empty", []Client{one("a", "")}, testSkew, `secret 2 of client "one" is empty`},
		{"secret of zeros", []Client{one("\x00\x00")}, testSkew, `secret 1 of client "one" is empty`},
		{"same secret in two clients", []Client{one("a"), two("b", "a")}, testSkew, "same secret"},
		{"same secret in one client", []Client{one("a", "a")}, testSkew, "same secret"},
		{"same key, padded", []Client{one("a"), two("a\x00")}, testSkew, "same secret"},
		{"same key, hashed", []Client{one(long), two(hashed(long))}, testSkew, "same secret"},
		{"duplicate name", []Client{one("a"), one("b")}, testSkew, `two clients are named "one"`},
		{"skew zero", []Client{one("a")}, 0, "skew must be positive"},
		{"skew negative", []Client{one("a")}, -time.Second, "skew must be positive"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			v, err := New(Config{Clients: tt.clients, Skew: tt.skew})
			if err == nil || v != nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("New returned %v and error %v, want error with %q", v, err, tt.want)
			}
		})
	}
}

// hashed returns the short key that HMAC makes of a long one.
func hashed(long string) string {
	block := hmacBlock([]byte(long))
	return string(block[:20])
}

// TestPrincipalIsACopy holds that nobody can change a client's roles, neither
// through what was given to New nor through what Verify returned.
func TestPrincipalIsACopy(t *testing.T) {
	t.Parallel()
	secret := bytes.Clone(testSecret)
	cfg := Config{Skew: testSkew, Clients: []Client{{
		Name: "func", Secrets: [][]byte{secret},
		Roles: []string{"readonly"}, Labels: map[string]string{"app": "func"},
	}}}
	v := newVerifier(t, cfg)
	m := sign(testSecret, testNonce, testNow, "{}")

	secret[0] ^= 1
	cfg.Clients[0].Roles[0] = "operator"
	cfg.Clients[0].Labels["app"] = "evil"
	for range 2 {
		p, _, err := v.Verify(testNow, m)
		if err != nil {
			t.Fatal(err)
		}
		if p.Roles[0] != "readonly" || p.Labels["app"] != "func" {
			t.Fatalf("principal is %+v", p)
		}
		p.Roles[0], p.Labels["app"] = "operator", "evil"
	}
}

// TestFieldsCannotShift holds that a line feed in method or path, with which
// the fields of one signed message could be read as another, is refused even
// when it is signed.
func TestFieldsCannotShift(t *testing.T) {
	t.Parallel()
	v := newVerifier(t, Config{})
	for _, tt := range []struct{ method, path string }{
		{"POST\n", "/shell"}, {"POST\n/shell", "/"}, {"POST", "/shell\nx"},
		{"POST", "/\x00"}, {"POST", "/\x7f"}, {"", "/shell"}, {"POST", ""},
	} {
		m := sign(testSecret, testNonce, testNow, "{}")
		m.Method, m.Path = tt.method, tt.path
		ts := m.Header.Get(HeaderTimestamp)
		m.Header.Set(HeaderSignature, SignFunc(testSecret, m.Method, m.Path, testNonce, ts, m.Body))
		if _, _, err := v.Verify(testNow, m); !errors.Is(err, ErrSignature) {
			t.Errorf("method %q path %q: error %v, want %v", tt.method, tt.path, err, ErrSignature)
		}
	}
}

func TestWindowIsInclusiveToTheNanosecond(t *testing.T) {
	t.Parallel()
	v := newVerifier(t, Config{})
	m := sign(testSecret, testNonce, testNow, "{}")
	for _, tt := range []struct {
		offset time.Duration
		want   error
	}{
		{0, nil}, {testSkew, nil}, {-testSkew, nil},
		{testSkew + 1, ErrStale}, {-testSkew - 1, ErrStale},
		{1<<63 - 1, ErrStale}, {-1 << 63, ErrStale},
	} {
		if _, _, err := v.Verify(testNow.Add(tt.offset), m); !errors.Is(err, tt.want) {
			t.Errorf("clock off by %v: error %v, want %v", tt.offset, err, tt.want)
		}
	}
}

func TestNewNonce(t *testing.T) {
	t.Parallel()
	seen := make(map[string]bool)
	for range 1000 {
		n := NewNonce()
		var value [16]byte
		if !decodeHex(value[:], n) {
			t.Fatalf("%q is not a nonce", n)
		}
		if seen[n] {
			t.Fatalf("%q came twice", n)
		}
		seen[n] = true
	}
}

func BenchmarkVerify(b *testing.B) {
	for _, bench := range []struct {
		name          string
		clients, body int
	}{
		{"1 secret, 64 B", 1, 64},
		{"1 secret, 64 KiB", 1, 64 << 10},
		{"16 secrets, 64 B", 16, 64},
	} {
		b.Run(bench.name, func(b *testing.B) {
			clients := []Client{{Name: "func", Secrets: [][]byte{testSecret}}}
			for i := range bench.clients - 1 {
				s := strconv.Itoa(i)
				clients = append(clients, Client{Name: s, Secrets: [][]byte{[]byte(s)}})
			}
			v := newVerifier(b, Config{Clients: clients})
			m := sign(testSecret, testNonce, testNow, strings.Repeat("x", bench.body))
			b.ReportAllocs()
			b.SetBytes(int64(bench.body))
			for b.Loop() {
				if _, _, err := v.Verify(testNow, m); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
