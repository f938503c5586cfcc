package auth

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The signed fields, in their order.
const (
	fieldMethod = iota
	fieldPath
	fieldNonce
	fieldTimestamp
	fieldBody
	fieldSignature // not signed, but no bit of it may be wrong either
	fields
)

// flip returns fields with one bit of one of them inverted, and false when the
// chosen field is empty.
func flip(in [fields]string, field int, at, bit uint) ([fields]string, bool) {
	b := []byte(in[field])
	if len(b) == 0 {
		return in, false
	}
	b[at%uint(len(b))] ^= 1 << (bit % 8)
	in[field] = string(b)
	return in, true
}

func message(in [fields]string) Message {
	return Message{
		Method: in[fieldMethod], Path: in[fieldPath], Body: []byte(in[fieldBody]),
		Header: http.Header{
			HeaderNonce:     {in[fieldNonce]},
			HeaderTimestamp: {in[fieldTimestamp]},
			HeaderSignature: {in[fieldSignature]},
		},
	}
}

func signed(method, path, nonce string, at time.Time, body string) [fields]string {
	ts := strconv.FormatInt(at.Unix(), 10)
	return [fields]string{method, path, nonce, ts, body,
		SignFunc(testSecret, method, path, nonce, ts, []byte(body))}
}

// checkFlip holds that the message verifies as it is and not with the bit
// inverted. The case of a signature's digits is the one thing without meaning.
func checkFlip(t *testing.T, v *Verifier, in [fields]string, field int, at, bit uint) {
	t.Helper()
	if _, _, err := v.Verify(testNow, message(in)); err != nil {
		t.Fatalf("%q does not verify: %v", in, err)
	}
	bad, ok := flip(in, field, at, bit)
	if !ok || field == fieldSignature && strings.EqualFold(bad[field], in[field]) {
		return
	}
	if _, _, err := v.Verify(testNow, message(bad)); !errors.Is(err, ErrSignature) {
		t.Fatalf("%q with another bit in field %d is %q: error %v, want %v", in, field, bad, err, ErrSignature)
	}
}

func TestEveryFlippedBitFails(t *testing.T) {
	t.Parallel()
	v := newVerifier(t, Config{})
	in := signed("POST", "/shell", "00112233445566778899AaBbCcDdEeFf", testNow, `{"command":"echo \u4e2d中 \/"}`+"\n")
	for field := range fields {
		for at := range uint(len(in[field])) {
			for bit := range uint(8) {
				checkFlip(t, v, in, field, at, bit)
			}
		}
	}
}

func FuzzFlippedBit(f *testing.F) {
	f.Add("POST", "/shell", testNonce, int64(0), `{"command":"id"}`, uint(fieldBody), uint(3), uint(5))
	f.Add("GET", "/", strings.ToUpper(testNonce), int64(-300), "", uint(fieldTimestamp), uint(9), uint(0))
	f.Add("DELETE", "/v1/jobs/%2f", testNonce, int64(300), "\x00\n\xff", uint(fieldNonce), uint(31), uint(5))
	v := newVerifier(f, Config{})
	f.Fuzz(func(t *testing.T, method, path, nonce string, offset int64, body string, field, at, bit uint) {
		var value [16]byte
		if !plain(method) || !plain(path) || !decodeHex(value[:], nonce) {
			t.Skip("not a message that may be signed")
		}
		in := signed(method, path, nonce, testNow.Add(time.Duration(offset%301)*time.Second), body)
		checkFlip(t, v, in, int(field%fields), at, bit)
	})
}

// FuzzVerify sends what somebody without a secret may send. The headers are
// given as lists, one value a line, so that they can be missing or repeated.
func FuzzVerify(f *testing.F) {
	f.Add("POST", "/shell", testNonce, "1700000000", strings.Repeat("0", 40), "{}")
	f.Add("POST", "/shell", testNonce+"\n"+testNonce, "1700000000", strings.Repeat("F", 40), "")
	f.Add("", "", "", "", "", "")
	f.Add("POST", "/\n", testNonce, "-1", strings.Repeat("g", 40), "\x00")
	f.Add("POST", "/shell", testNonce, "99999999999999999999", " ", "{}")
	v := newVerifier(f, Config{})
	f.Fuzz(func(t *testing.T, method, path, nonce, timestamp, signature, body string) {
		h := http.Header{}
		for name, list := range map[string]string{HeaderNonce: nonce, HeaderTimestamp: timestamp, HeaderSignature: signature} {
			if list != "" {
				h[name] = strings.Split(list, "\n")
			}
		}
		p, n, err := v.Verify(testNow, Message{Method: method, Path: path, Header: h, Body: []byte(body)})
		if !errors.Is(err, ErrUnsigned) && !errors.Is(err, ErrSignature) {
			t.Fatalf("error is %v", err)
		}
		if p.Client != "" || n != (Nonce{}) {
			t.Fatalf("principal %+v and nonce %+v without a signature", p, n)
		}
	})
}
