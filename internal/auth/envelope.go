package auth

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"time"

	"github.com/dunglas/httpsfv"
)

// What the headers of a signature may have at most. They hold some hundred bytes.
const (
	maxInput      = 2 << 10 // bytes of Signature-Input
	maxSignature  = 512     // bytes of Signature
	maxComponents = 32
	minNonce      = 16 // characters; fewer are no number that nobody else can have
	maxNonce      = 128
)

// ourTag is the only tag that a signature may have: it says for what application it was made (RFC 9421, section 2.3).
const ourTag = "sidegate"

// An envelope is what the headers of a signature say, well-formed and not yet believed.
type envelope struct {
	label            string
	components       []string
	keyid, alg       string
	nonce            [16]byte
	created, expires time.Time // expires is zero where there is none
}

// readEnvelope reads the two headers of a signature. Each is there once, and holds one signature under one label, in the one spelling that structured
// fields have (RFC 8941, section 4.1): where something is there twice the library would take the last, and the spelling would differ.
func readEnvelope(h http.Header) (envelope, error) {
	none := envelope{}
	inputs, signatures := h.Values(headerInput), h.Values(headerSignature)
	switch {
	case len(inputs) == 0 || len(signatures) == 0:
		return none, ErrUnsigned
	case len(inputs) > 1 || len(signatures) > 1:
		return none, wrong("a header of the signature is repeated")
	case len(inputs[0]) > maxInput || len(signatures[0]) > maxSignature:
		return none, wrong("a header of the signature is too long")
	}
	label, member, err := onlyMember(headerInput, inputs[0])
	if err != nil {
		return none, err
	}
	signed, value, err := onlyMember(headerSignature, signatures[0])
	if err != nil {
		return none, err
	}
	list, ok := member.(httpsfv.InnerList)
	if !ok || signed != label {
		return none, wrong("Signature-Input has no list of components with the label of Signature")
	}
	if item, ok := value.(httpsfv.Item); !ok || len(item.Params.Names()) > 0 {
		return none, wrong("Signature is not a byte sequence")
	} else if _, ok := item.Value.([]byte); !ok {
		return none, wrong("Signature is not a byte sequence")
	}
	e := envelope{label: label}
	if e.components, err = componentsOf(list); err != nil {
		return none, err
	}
	return e, e.read(list.Params)
}

// onlyMember reads a dictionary that has one member.
func onlyMember(header, text string) (string, httpsfv.Member, error) {
	dictionary, err := httpsfv.UnmarshalDictionary([]string{text})
	if err != nil {
		return "", nil, wrong("%s is not a dictionary", header)
	}
	if names := dictionary.Names(); len(names) != 1 {
		return "", nil, wrong("%s has %d members, and must have one", header, len(names))
	}
	if spelt, err := httpsfv.Marshal(dictionary); err != nil || spelt != text {
		return "", nil, wrong("%s has something twice, or is spelt differently from what RFC 8941 says", header)
	}
	name := dictionary.Names()[0]
	member, _ := dictionary.Get(name)
	return name, member, nil
}

// componentsOf are the names of the components. A component with a parameter, such as ;req, ;sf or ;bs, is another thing than its name says.
func componentsOf(list httpsfv.InnerList) ([]string, error) {
	if len(list.Items) > maxComponents {
		return nil, wrong("more than %d components are covered", maxComponents)
	}
	names := make([]string, len(list.Items))
	for i, item := range list.Items {
		name, ok := item.Value.(string)
		if !ok || name == "" || len(item.Params.Names()) > 0 || name != lower(name) {
			return nil, wrong("component %d is not the plain name of a field or part of the request", i+1)
		}
		names[i] = name
	}
	return names, nil
}

// read reads the parameters of a signature. One that is not known could be a condition, so it is refused.
func (e *envelope) read(params *httpsfv.Params) error {
	var nonce, tag string
	text := map[string]*string{"keyid": &e.keyid, "alg": &e.alg, "nonce": &nonce, "tag": &tag}
	moments := map[string]*time.Time{"created": &e.created, "expires": &e.expires}
	for _, name := range params.Names() {
		value, _ := params.Get(name)
		ok := false
		if dst := text[name]; dst != nil {
			*dst, ok = value.(string)
			ok = ok && *dst != ""
		} else if dst := moments[name]; dst != nil {
			*dst, ok = moment(value)
		}
		if !ok {
			return wrong("the parameter %s is not understood", clip(name))
		}
	}
	switch {
	case e.created.IsZero() || e.keyid == "" || nonce == "":
		return wrong("created, keyid and nonce are required")
	case tag != "" && tag != ourTag:
		return wrong("tag is that of another application")
	case len(nonce) < minNonce || len(nonce) > maxNonce:
		return wrong("nonce must have %d to %d characters", minNonce, maxNonce)
	}
	e.nonce = nonceValue(nonce)
	return nil
}

// moment reads Unix seconds.
func moment(value any) (time.Time, bool) {
	seconds, ok := value.(int64)
	if !ok || seconds <= 0 || seconds >= 1e12 { // as many digits as the Func scheme takes
		return time.Time{}, false
	}
	return time.Unix(seconds, 0).UTC(), true
}

// nonceValue is the nonce as it is remembered. 32 hexadecimal digits are the number that they are for the Func scheme, so that a nonce is spent for both.
// Any other text is known by its digest: two texts with one digest of 128 bits are not to be found.
func nonceValue(text string) (value [16]byte) {
	if !decodeHex(value[:], text) {
		sum := sha256.Sum256([]byte(text))
		copy(value[:], sum[:])
	}
	return value
}

// checkDigest holds that the one Content-Digest is the SHA-256 of the body.
func checkDigest(h http.Header, body []byte) error {
	values := h.Values(headerDigest)
	if len(values) != 1 {
		return wrong("Content-Digest is not there exactly once")
	}
	_, member, err := onlyMember(headerDigest, clip(values[0])) // of 64 characters it has 55
	if err != nil {
		return err
	}
	sum := sha256.Sum256(body)
	item, _ := member.(httpsfv.Item)
	digest, _ := item.Value.([]byte)
	if subtle.ConstantTimeCompare(digest, sum[:]) != 1 || !bytes.HasPrefix([]byte(values[0]), []byte("sha-256=")) || len(item.Params.Names()) > 0 {
		return wrong("Content-Digest is not the sha-256 of the body")
	}
	return nil
}

// contentDigest is the Content-Digest of a body.
func contentDigest(body []byte) string {
	sum := sha256.Sum256(body)
	text, err := httpsfv.Marshal(httpsfv.NewItem(sum[:]))
	if err != nil { // bytes can always be written
		panic("auth: " + err.Error())
	}
	return "sha-256=" + text
}
