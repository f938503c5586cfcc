package auth

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/yaronf/httpsign"
)

// The headers of HTTP message signatures (RFC 9421) and of the digest that ties the body to one (RFC 9530).
const (
	headerInput     = "Signature-Input"
	headerSignature = "Signature"
	headerDigest    = "Content-Digest"
)

// The algorithms of HTTP message signatures. Which of them is a client's is in its configuration; no request chooses.
const (
	AlgHMAC    = "hmac-sha256"
	AlgEd25519 = "ed25519"
)

// required are the components that every signature has to cover: all that says what is asked, and of whom.
var required = []string{"@method", "@authority", "@path", "@query", "content-digest"}

// A signatory is a client with scheme httpsig.
type signatory struct {
	alg  string
	keys []signatoryKey
}

// A signatoryKey is one of its keys.
type signatoryKey struct {
	owner    Principal
	verifier httpsign.Verifier
}

// VerifyMessage returns who made the HTTP message signature of m (RFC 9421), and its nonce, which is not reserved yet. now is the clock.
//
// It returns ErrUnsigned when a header of the signature is missing, ErrSignature when anything about it is not as it must be, and ErrStale when it is
// right and its time is not: created outside the window or not above the floor, or expires in the past. The time is looked at last, so only who has a
// key can learn about clock and floor. The text of an error says what was wrong, for the gateway's own log and nobody else.
//
// There must be one signature with one label. It covers @method, @authority, @path, @query and content-digest, and whatever other fields it names, each
// of which is there once. Its parameters are created, keyid and nonce; alg, expires and tag may be there, and no others. Content-Digest has sha-256 alone, also for
// an empty body. Both keys of a client are tried, always; keyid is sent in clear, so that names of clients are no secret.
func (v *Verifier) VerifyMessage(now time.Time, m Message) (Principal, Nonce, error) {
	e, err := readEnvelope(m.Header)
	if err != nil {
		return Principal{}, Nonce{}, err
	}
	known := v.clients.Load() // once: they may be replaced meanwhile
	s, ok := known.signatories[e.keyid]
	switch {
	case !ok:
		err = wrong("keyid is no client with scheme httpsig")
	case e.alg != "" && e.alg != s.alg:
		err = wrong("alg is not that of the client")
	case !v.authorities.take(m):
		err = wrong("this gateway is not called %q: see authorities in its configuration", clip(m.Host))
	default:
		err = errors.Join(checkCovered(m.Header, e.components), checkDigest(m.Header, m.Body))
	}
	if err != nil {
		return Principal{}, Nonce{}, err
	}
	signer, err := s.signer(m, e.label)
	if err != nil {
		return Principal{}, Nonce{}, err
	}
	if !known.presented(signer.Client, m.Certificate, now) {
		return Principal{}, Nonce{}, wrong("the client is bound to a certificate that this connection did not present")
	}
	n := Nonce{Value: e.nonce, Client: signer.Client, SignedAt: e.created, Expires: e.created.Add(v.skew)}
	expired := !e.expires.IsZero() && now.After(e.expires)
	if expired || now.After(n.Expires) || n.SignedAt.After(now.Add(v.skew)) || v.belowFloor(n) {
		return Principal{}, Nonce{}, ErrStale
	}
	return signer, n, nil
}

// signer finds out which of the client's keys made the signature with that label.
func (s signatory) signer(m Message, label string) (Principal, error) {
	message, err := m.forLibrary()
	if err != nil {
		return Principal{}, err
	}
	found := -1
	for i, k := range s.keys {
		if _, err := message.Verify(label, k.verifier); err == nil {
			found = i
		}
	}
	if found < 0 {
		return Principal{}, wrong("no key of the client made it")
	}
	return s.keys[found].owner.clone(), nil
}

// forLibrary makes a message of its own for the library, which writes into the URL that it is given and takes the authority as it comes.
func (m Message) forLibrary() (*httpsign.Message, error) {
	if !plain(m.Method) || !plain(m.Path) || strings.ContainsAny(m.Query, "\r\n") {
		return nil, wrong("method, path or query cannot be signed")
	}
	path, err := url.PathUnescape(m.Path)
	u := &url.URL{Scheme: "http", Host: "signed", Path: path, RawPath: m.Path, RawQuery: m.Query}
	if err != nil || u.EscapedPath() != m.Path {
		return nil, wrong("the path is spelt in a way that cannot be signed")
	}
	message, err := httpsign.NewMessage(httpsign.NewMessageConfig().WithMethod(m.Method).WithURL(u).WithHeaders(m.Header).WithAuthority(m.authority()).WithScheme("http"))
	if err != nil {
		return nil, wrong("it is not a request")
	}
	return message, nil
}

// checkCovered holds that a signature covers what it has to, and that each field that it covers is there once: of two with one name, somebody could
// read the other one. A derived component that is not required has no business here.
func checkCovered(h http.Header, components []string) error {
	for _, name := range required {
		if !slices.Contains(components, name) {
			return wrong("%s is not covered", name)
		}
	}
	for i, name := range components {
		switch {
		case slices.Contains(components[:i], name):
			return wrong("%s is covered twice", clip(name))
		case slices.Contains(required, name) && name != "content-digest":
		case strings.HasPrefix(name, "@"):
			return wrong("%s is not understood here", clip(name))
		case len(h.Values(name)) != 1:
			return wrong("%s is covered, and is not there exactly once", clip(name))
		}
	}
	return nil
}

// libraryVerifier makes the library's verifier of one key. What the library would judge by the clock, by its own lists or by what a request says is
// judged here, before and after; what is left to it is the signature base, and the cryptography.
func libraryVerifier(client, alg string, secret []byte, public ed25519.PublicKey) (*httpsign.Verifier, error) {
	config := httpsign.NewVerifyConfig().SetVerifyCreated(false).SetRejectExpired(false).SetKeyID(client)
	if alg == AlgHMAC {
		return httpsign.NewHMACSHA256Verifier(padded(secret), config, httpsign.Headers(required...))
	}
	return httpsign.NewEd25519Verifier(public, config, httpsign.Headers(required...))
}

// hmacBlockSize is the block of SHA-256.
const hmacBlockSize = 64

// padded fills a secret up with zeros to a block, which HMAC does in any case (RFC 2104, section 2): the library takes no shorter one.
func padded(secret []byte) []byte {
	if len(secret) >= hmacBlockSize {
		return slices.Clone(secret)
	}
	return append(slices.Clone(secret), make([]byte, hmacBlockSize-len(secret))...)
}

// IsMessageSigned reports whether h has any of the headers of an HTTP message signature. Such a request is judged by its signature.
func IsMessageSigned(h http.Header) bool {
	return len(h.Values(headerInput))+len(h.Values(headerSignature)) > 0
}

// wrong is ErrSignature with its reason, for the log.
func wrong(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrSignature, fmt.Sprintf(format, args...))
}

// clip shortens what somebody sent.
func clip(s string) string {
	const most = 64
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
