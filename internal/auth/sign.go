package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"encoding/hex"
	"strings"
)

// SignFunc returns the Func signature of a request: the HMAC-SHA1 in
// upper-case hexadecimal of method, path, nonce, timestamp and body, joined by
// single line feeds, keyed with secret. path has no query; timestamp is in
// Unix seconds; body is the bytes that will be sent, not a re-encoding of
// them.
func SignFunc(secret []byte, method, path, nonce, timestamp string, body []byte) string {
	sum := signature(secret, preamble(method, path, nonce, timestamp), body)
	return strings.ToUpper(hex.EncodeToString(sum))
}

// NewNonce returns a fresh random nonce: 32 hexadecimal digits, 128 bits.
func NewNonce() string {
	var b [16]byte
	rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	return hex.EncodeToString(b[:])
}

// preamble returns everything that is signed before the body.
func preamble(method, path, nonce, timestamp string) []byte {
	b := make([]byte, 0, len(method)+len(path)+len(nonce)+len(timestamp)+4)
	for _, field := range []string{method, path, nonce, timestamp} {
		b = append(append(b, field...), '\n')
	}
	return b
}

// signature returns the HMAC-SHA1 of preamble and body.
func signature(secret, preamble, body []byte) []byte {
	mac := hmac.New(sha1.New, secret)
	mac.Write(preamble)
	mac.Write(body)
	return mac.Sum(nil)
}
