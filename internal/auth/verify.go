package auth

import (
	"crypto/sha1"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The headers of the Func scheme.
const (
	HeaderNonce     = "X-Auth-Nonce"
	HeaderTimestamp = "X-Auth-Timestamp"
	HeaderSignature = "X-Auth-Signature"
)

// maxTimestamp is how many digits a timestamp may have. Twelve reach to the
// year 33658 and stay far from the limits of int64 and of time.Time.
const maxTimestamp = 12

// credentials are the three headers, well-formed.
type credentials struct {
	nonce, timestamp string // as received, because these bytes are signed
	value            [16]byte
	signedAt         time.Time
	signature        [sha1.Size]byte
}

// Verify returns who signed m, and its nonce, which is not reserved yet. now is
// the clock.
//
// It returns ErrUnsigned when a header is missing, ErrSignature when one is
// repeated or malformed or when no secret made the signature, and ErrStale when
// the timestamp is outside the window or not above the floor. The time is
// looked at last, so only who holds a secret can learn about clock and floor.
//
// Each header must be there exactly once: 32 hexadecimal digits of nonce, a
// decimal timestamp in Unix seconds without sign or leading zero, 40
// hexadecimal digits of signature, all in either case. All secrets are tried,
// always, and compared in constant time; the time that Verify takes depends on
// the size of the body and the number of secrets only.
func (v *Verifier) Verify(now time.Time, m Message) (Principal, Nonce, error) {
	c, err := readCredentials(m.Header)
	if err != nil {
		return Principal{}, Nonce{}, err
	}
	// A line feed in a field would let one signature stand for two messages.
	if !plain(m.Method) || !plain(m.Path) {
		return Principal{}, Nonce{}, ErrSignature
	}
	signer, ok := v.signer(m, c)
	if !ok || !v.clients.Load().presented(signer.Client, m.Certificate, now) {
		return Principal{}, Nonce{}, ErrSignature
	}
	n := Nonce{
		Value:    c.value,
		Client:   signer.Client,
		SignedAt: c.signedAt,
		Expires:  c.signedAt.Add(v.skew),
	}
	if now.After(n.Expires) || n.SignedAt.After(now.Add(v.skew)) || v.belowFloor(n) {
		return Principal{}, Nonce{}, ErrStale
	}
	return signer, n, nil
}

// signer finds the one whose secret made the signature.
func (v *Verifier) signer(m Message, c credentials) (Principal, bool) {
	head := preamble(m.Method, m.Path, c.nonce, c.timestamp)
	keys := v.clients.Load().keys
	found := -1
	for i, k := range keys {
		equal := subtle.ConstantTimeCompare(signature(k.secret, head, m.Body), c.signature[:])
		found = subtle.ConstantTimeSelect(equal, i, found)
	}
	if found < 0 {
		return Principal{}, false
	}
	return keys[found].owner.clone(), true
}

// IsSigned reports whether h has any of the headers of the Func scheme. Such a
// request is judged by its signature, also on a Unix socket: what is signed
// badly is not somebody else's request.
func IsSigned(h http.Header) bool {
	return len(h.Values(HeaderNonce))+len(h.Values(HeaderTimestamp))+len(h.Values(HeaderSignature)) > 0
}

func readCredentials(h http.Header) (credentials, error) {
	nonces, timestamps, signatures := h.Values(HeaderNonce), h.Values(HeaderTimestamp), h.Values(HeaderSignature)
	if len(nonces) == 0 || len(timestamps) == 0 || len(signatures) == 0 {
		return credentials{}, ErrUnsigned
	}
	if len(nonces) > 1 || len(timestamps) > 1 || len(signatures) > 1 {
		return credentials{}, ErrSignature
	}
	c := credentials{nonce: nonces[0], timestamp: timestamps[0]}
	seconds, ok := parseTimestamp(c.timestamp)
	c.signedAt = time.Unix(seconds, 0).UTC()
	if !ok || !decodeHex(c.value[:], c.nonce) || !decodeHex(c.signature[:], signatures[0]) {
		return credentials{}, ErrSignature
	}
	return c, nil
}

// decodeHex fills dst from s, which must have exactly two digits per byte.
func decodeHex(dst []byte, s string) bool {
	if len(s) != hex.EncodedLen(len(dst)) {
		return false
	}
	_, err := hex.Decode(dst, []byte(s))
	return err == nil
}

// parseTimestamp reads Unix seconds. There is one spelling for a number:
// strconv alone would take a sign and leading zeros.
func parseTimestamp(s string) (int64, bool) {
	if s == "" || len(s) > maxTimestamp || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	if s[0] == '0' && s != "0" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}

// plain reports whether s is not empty and free of control characters.
func plain(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}
