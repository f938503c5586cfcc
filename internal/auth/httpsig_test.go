package auth

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/yaronf/httpsign"
)

var (
	messageSecret = []byte("0123456789abcdef0123456789abcdef")
	otherSecret   = []byte("another secret of thirty-two and more bytes")
	messageKey    = ed25519.NewKeyFromSeed([]byte(strings.Repeat("k", 32)))
	otherKey      = ed25519.NewKeyFromSeed([]byte(strings.Repeat("o", 32)))
)

// messageVerifier knows deploy by a secret, bot by a key pair, and both of each in rotation.
func messageVerifier(t testing.TB) *Verifier {
	return newVerifier(t, Config{Names: []string{"host-1"}, Clients: []Client{
		{Name: "func", Secrets: [][]byte{testSecret}},
		{Name: "deploy", Scheme: SchemeHTTPSig, Secrets: [][]byte{otherSecret, messageSecret}, Roles: []string{"readonly"}},
		{Name: "bot", Scheme: SchemeHTTPSig, PublicKeys: []ed25519.PublicKey{public(otherKey), public(messageKey)}},
	}})
}

func public(private ed25519.PrivateKey) ed25519.PublicKey {
	return private.Public().(ed25519.PublicKey)
}

var tcpHere = &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 8099}

// order is a request that is to be signed by hand: what its signature covers, its parameters, and what differs from that on the wire.
type order struct {
	method, path, query, host, body string
	extra                           http.Header
	components                      []string
	params                          string // behind the list of components
	label                           string
	sign                            func(base string) []byte
}

func plainOrder() order {
	return order{
		method: "POST", path: "/v1/jobs", host: "10.0.0.1:8099", body: `{"command":"id"}`, extra: http.Header{},
		components: []string{`"@method"`, `"@authority"`, `"@path"`, `"@query"`, `"content-digest"`},
		params:     fmt.Sprintf(`;created=%d;nonce="0123456789abcdef0123456789abcdef";keyid="deploy"`, testNow.Unix()),
		label:      "sig1", sign: byHMAC(messageSecret),
	}
}

func byHMAC(secret []byte) func(string) []byte {
	return func(base string) []byte {
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(base))
		return mac.Sum(nil)
	}
}

func byKey(key ed25519.PrivateKey) func(string) []byte {
	return func(base string) []byte { return ed25519.Sign(key, []byte(base)) }
}

func digestOf(body string) string {
	sum := sha256.Sum256([]byte(body))
	return "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
}

// base is the signature base as RFC 9421, section 2.5, says it is made, put together by hand.
func (o order) base(h http.Header) string {
	var b strings.Builder
	for _, c := range o.components {
		name, _, _ := strings.Cut(strings.Trim(c, `"`), `"`)
		value := strings.Join(h.Values(name), ", ")
		switch name {
		case "@method":
			value = o.method
		case "@authority":
			value = o.host
		case "@path":
			value = o.path
		case "@query":
			value = "?" + o.query
		}
		b.WriteString(c + ": " + value + "\n")
	}
	b.WriteString(`"@signature-params": (` + strings.Join(o.components, " ") + ")" + o.params)
	return b.String()
}

// message signs the order by hand.
func (o order) message() Message {
	h := o.extra.Clone()
	if h.Get("Content-Digest") == "" {
		h.Set("Content-Digest", digestOf(o.body))
	}
	signature := base64.StdEncoding.EncodeToString(o.sign(o.base(h)))
	h.Set("Signature-Input", o.label+"=("+strings.Join(o.components, " ")+")"+o.params)
	h.Set("Signature", o.label+"=:"+signature+":")
	return Message{Method: o.method, Path: o.path, Query: o.query, Host: o.host, Header: h, Body: []byte(o.body), Local: tcpHere}
}

func TestMessageSignedByHand(t *testing.T) {
	t.Parallel()
	v := messageVerifier(t)
	for name, test := range map[string]struct {
		change    func(o *order)
		want, key string
	}{
		"second secret": {func(*order) {}, "deploy", "2"},
		"first secret":  {func(o *order) { o.sign = byHMAC(otherSecret) }, "deploy", "1"},
		"second key": {func(o *order) {
			o.params, o.sign = strings.Replace(o.params, "deploy", "bot", 1), byKey(messageKey)
		}, "bot", "2"},
		"first key": {func(o *order) {
			o.params, o.sign = strings.Replace(o.params, "deploy", "bot", 1), byKey(otherKey)
		}, "bot", "1"},
		"another order, and more": {func(o *order) {
			slices.Reverse(o.components)
			o.extra.Set("Content-Type", "application/json")
			o.components = append(o.components, `"content-type"`)
			o.params = fmt.Sprintf(`;keyid="deploy";alg="hmac-sha256";tag="sidegate";expires=%d;nonce="a-nonce-of-16-ch";created=%d`, testNow.Unix(), testNow.Unix())
			o.label = "other-label"
		}, "deploy", "2"},
		"no body, and a query": {func(o *order) {
			o.method, o.path, o.query, o.body = "GET", "/v1/jobs", "status=running&label=a%3Db&label=c", ""
		}, "deploy", "2"},
		"an escaped path":     {func(o *order) { o.path = "/v1/jobs/%2f%41" }, "deploy", "2"},
		"the name of a host":  {func(o *order) { o.host = "host-1:8099" }, "deploy", "2"},
		"the oldest":          {func(o *order) { o.created(-testSkew) }, "deploy", "2"},
		"the newest":          {func(o *order) { o.created(testSkew) }, "deploy", "2"},
		"the longest nonce":   {func(o *order) { o.nonce(strings.Repeat("n", maxNonce)) }, "deploy", "2"},
		"a quote in a nonce":  {func(o *order) { o.nonce(`0123456789\"\\0123456789`) }, "deploy", "2"},
		"body of every byte":  {func(o *order) { o.body = "\x00\xff\r\n\n" }, "deploy", "2"},
		"a method of its own": {func(o *order) { o.method = "DELETE" }, "deploy", "2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := plainOrder()
			test.change(&o)
			m := o.message()
			before := fmt.Sprint(m)
			p, n, err := v.VerifyMessage(testNow, m)
			if err != nil || p.Client != test.want || p.KeyID != test.key || p.Scheme != SchemeHTTPSig || n.Client != p.Client {
				t.Fatalf("%v: %+v %+v", err, p, n)
			}
			if fmt.Sprint(m) != before {
				t.Errorf("the message was changed: %v", m)
			}
			if !n.Expires.Equal(n.SignedAt.Add(testSkew)) || n.Value == [16]byte{} {
				t.Errorf("nonce %+v", n)
			}
		})
	}
}

func (o *order) created(offset time.Duration) {
	o.params = strings.Replace(o.params, fmt.Sprintf("created=%d", testNow.Unix()), fmt.Sprintf("created=%d", testNow.Add(offset).Unix()), 1)
}

func (o *order) nonce(text string) {
	o.params = strings.Replace(o.params, "0123456789abcdef0123456789abcdef", text, 1)
}

// Every row is a message that is signed with a good key as it stands, unless it says otherwise, and must be refused for exactly one reason.
func TestHostileMessages(t *testing.T) {
	t.Parallel()
	v := messageVerifier(t)
	drop := func(name string) func(*order) {
		return func(o *order) {
			o.components = slices.DeleteFunc(o.components, func(c string) bool { return c == `"`+name+`"` })
		}
	}
	instead := func(name, with string) func(*order) {
		return func(o *order) { o.components[slices.Index(o.components, `"`+name+`"`)] = with }
	}
	param := func(old, with string) func(*order) {
		return func(o *order) { o.params = strings.Replace(o.params, old, with, 1) }
	}
	const nonce = `;nonce="0123456789abcdef0123456789abcdef"`
	created := fmt.Sprintf(";created=%d", testNow.Unix())
	const (
		noComponent = "is not the plain name of a field or part of the request"
		spelling    = "has something twice, or is spelt differently"
	)
	for name, test := range map[string]struct {
		change func(*order)
		wire   func(*Message) // after signing
		want   string
		is     error // ErrSignature unless it is named
	}{
		// What has to be there.
		"no signature":           {wire: func(m *Message) { m.Header.Del("Signature") }, want: "not signed", is: ErrUnsigned},
		"no input":               {wire: func(m *Message) { m.Header.Del("Signature-Input") }, want: "not signed", is: ErrUnsigned},
		"no method":              {change: drop("@method"), want: "@method is not covered"},
		"no authority":           {change: drop("@authority"), want: "@authority is not covered"},
		"no path":                {change: drop("@path"), want: "@path is not covered"},
		"no query":               {change: drop("@query"), want: "@query is not covered"},
		"no digest":              {change: drop("content-digest"), want: "content-digest is not covered"},
		"nothing":                {change: func(o *order) { o.components = nil }, want: "@method is not covered"},
		"no created":             {change: param(created, ""), want: "created, keyid and nonce are required"},
		"no nonce":               {change: param(nonce, ""), want: "created, keyid and nonce are required"},
		"no keyid":               {change: param(`;keyid="deploy"`, ""), want: "created, keyid and nonce are required"},
		"no digest header":       {wire: func(m *Message) { m.Header.Del("Content-Digest") }, want: "content-digest is covered, and is not there exactly once"},
		"target-uri is no path":  {change: instead("@path", `"@target-uri"`), want: "@path is not covered"},
		"parameters of a query":  {change: instead("@query", `"@query-param";name="a"`), want: noComponent},
		"request-target instead": {change: instead("@query", `"@request-target"`), want: "@query is not covered"},

		// Twice.
		"component twice": {change: func(o *order) { o.components = append(o.components, `"@method"`) }, want: "@method is covered twice"},
		"parameter twice": {change: param(created, fmt.Sprintf(";created=1%s", created)), want: "Signature-Input " + spelling},
		"two signatures under one label": {wire: func(m *Message) {
			m.Header.Set("Signature", `sig1=:AAAA:, `+m.Header.Get("Signature"))
		}, want: "Signature " + spelling},
		"two inputs under one label": {wire: func(m *Message) {
			m.Header.Set("Signature-Input", `sig1=("@method");keyid="deploy", `+m.Header.Get("Signature-Input"))
		}, want: "Signature-Input " + spelling},
		"two labels": {wire: func(m *Message) {
			m.Header.Set("Signature-Input", m.Header.Get("Signature-Input")+`, b=("@method");keyid="deploy"`)
			m.Header.Set("Signature", m.Header.Get("Signature")+", b=:AAAA:")
		}, want: "Signature-Input has 2 members"},
		"signature of two labels": {wire: func(m *Message) { m.Header.Set("Signature", m.Header.Get("Signature")+", b=:AAAA:") }, want: "Signature has 2 members"},
		"another label":           {wire: func(m *Message) { m.Header.Set("Signature", "b"+m.Header.Get("Signature")) }, want: "no list of components with the label"},
		"header twice":            {wire: func(m *Message) { m.Header.Add("Signature", m.Header.Get("Signature")) }, want: "a header of the signature is repeated"},
		"input header twice":      {wire: func(m *Message) { m.Header.Add("Signature-Input", m.Header.Get("Signature-Input")) }, want: "a header of the signature is repeated"},
		"digest twice":            {wire: func(m *Message) { m.Header.Add("Content-Digest", digestOf("other")) }, want: "content-digest is covered, and is not there exactly once"},
		"digest of two kinds": {change: func(o *order) {
			sum := sha512.Sum512([]byte(o.body))
			o.extra.Set("Content-Digest", digestOf(o.body)+", sha-512=:"+base64.StdEncoding.EncodeToString(sum[:])+":")
		}, want: "Content-Digest is not a dictionary"},
		"a covered field twice": {change: func(o *order) {
			o.extra["Prefer"] = []string{"wait=1", "wait=2"}
			o.components = append(o.components, `"prefer"`)
		}, want: "prefer is covered, and is not there exactly once"},
		"a covered field that is not there": {change: func(o *order) { o.components = append(o.components, `"prefer"`) }, want: "prefer is covered, and is not there exactly once"},

		// Components that are another thing than their name says.
		"of the associated request": {change: instead("@method", `"@method";req`), want: noComponent},
		"as a structured field":     {change: instead("content-digest", `"content-digest";sf`), want: noComponent},
		"as bytes":                  {change: instead("content-digest", `"content-digest";bs`), want: noComponent},
		"from a trailer":            {change: instead("content-digest", `"content-digest";tr`), want: noComponent},
		"a member of a dictionary":  {change: instead("content-digest", `"content-digest";key="sha-256"`), want: noComponent},
		"not req":                   {change: instead("@method", `"@method";req=?0`), want: noComponent},
		"unknown to all":            {change: instead("@method", `"@method";optional`), want: noComponent},
		"both ways":                 {change: func(o *order) { o.components = append(o.components, `"@method";req`) }, want: noComponent},
		"a token":                   {change: instead("@method", `method`), want: noComponent},
		"upper case":                {change: instead("content-digest", `"Content-Digest"`), want: noComponent},
		"status":                    {change: func(o *order) { o.components = append(o.components, `"@status"`) }, want: "@status is not understood"},
		"scheme":                    {change: func(o *order) { o.components = append(o.components, `"@scheme"`) }, want: "@scheme is not understood"},
		"too many": {change: func(o *order) {
			for i := range maxComponents {
				o.components = append(o.components, fmt.Sprintf(`"x-%d"`, i))
			}
		}, want: "more than 32 components"},

		// Parameters.
		"unknown parameter":    {change: param(nonce, nonce+";must-understand"), want: "the parameter must-understand is not understood"},
		"another tag":          {change: param(nonce, nonce+`;tag="other-application"`), want: "tag is that of another application"},
		"empty tag":            {change: param(nonce, nonce+`;tag=""`), want: "the parameter tag is not understood"},
		"another alg":          {change: param(nonce, nonce+`;alg="ed25519"`), want: "alg is not that of the client"},
		"no alg there is":      {change: param(nonce, nonce+`;alg="none"`), want: "alg is not that of the client"},
		"alg is a token":       {change: param(nonce, nonce+`;alg=hmac-sha256`), want: "the parameter alg is not understood"},
		"created is text":      {change: param(created, `;created="1700000000"`), want: "the parameter created is not understood"},
		"created is a decimal": {change: param(created, `;created=1700000000.0`), want: "the parameter created is not understood"},
		"created is negative":  {change: param(created, `;created=-1700000000`), want: "the parameter created is not understood"},
		"created is too long":  {change: param(created, `;created=1000000000000`), want: "the parameter created is not understood"},
		"created has zeros":    {change: param(created, `;created=01700000000`), want: "Signature-Input " + spelling},
		"expires is true":      {change: param(nonce, nonce+`;expires`), want: "the parameter expires is not understood"},
		"nonce is a number":    {change: param(nonce, `;nonce=12345678901234`), want: "the parameter nonce is not understood"},
		"nonce is short":       {change: func(o *order) { o.nonce("0123456789abcde") }, want: "nonce must have 16 to 128 characters"},
		"nonce is long":        {change: func(o *order) { o.nonce(strings.Repeat("n", maxNonce+1)) }, want: "nonce must have 16 to 128 characters"},
		"keyid of a func":      {change: param("deploy", "func"), want: "keyid is no client with scheme httpsig"},
		"keyid of nobody":      {change: param("deploy", "nobody"), want: "keyid is no client with scheme httpsig"},
		"keyid of another":     {change: param("deploy", "bot"), want: "no key of the client made it"},

		// Time. Who has no key does not learn of it.
		"too old":                {change: func(o *order) { o.created(-testSkew - time.Second) }, want: "outside the accepted window", is: ErrStale},
		"too new":                {change: func(o *order) { o.created(testSkew + time.Second) }, want: "outside the accepted window", is: ErrStale},
		"expired":                {change: param(nonce, nonce+fmt.Sprintf(";expires=%d", testNow.Unix()-1)), want: "outside the accepted window", is: ErrStale},
		"too old, without a key": {change: func(o *order) { o.created(-time.Hour); o.sign = byHMAC([]byte("x")) }, want: "no key of the client made it"},

		// Whom it is for.
		"another host":         {change: func(o *order) { o.host = "10.0.0.2:8099" }, want: `this gateway is not called "10.0.0.2:8099"`},
		"another port":         {change: func(o *order) { o.host = "10.0.0.1:8098" }, want: "this gateway is not called"},
		"no port":              {change: func(o *order) { o.host = "10.0.0.1" }, want: "this gateway is not called"},
		"localhost from afar":  {change: func(o *order) { o.host = "localhost:8099" }, want: "this gateway is not called"},
		"nobody":               {change: func(o *order) { o.host = "" }, want: "this gateway is not called"},
		"host put right later": {change: func(o *order) { o.host = "10.0.0.2:8099" }, wire: func(m *Message) { m.Host = "10.0.0.1:8099" }, want: "no key of the client made it"},

		// What was signed is not what came.
		"another method":             {wire: func(m *Message) { m.Method = "GET" }, want: "no key of the client made it"},
		"another path":               {wire: func(m *Message) { m.Path = "/v1/decisions" }, want: "no key of the client made it"},
		"path spelt anew":            {wire: func(m *Message) { m.Path = "/v1/%6aobs" }, want: "no key of the client made it"},
		"no path at all":             {wire: func(m *Message) { m.Path = "" }, want: "cannot be signed"},
		"path that is escaped later": {change: func(o *order) { o.path = "/v1/a%22b" }, wire: func(m *Message) { m.Path = `/v1/a"b` }, want: "cannot be signed"},
		"bad path":                   {wire: func(m *Message) { m.Path = "/v1/%zz" }, want: "cannot be signed"},
		"line in the path":           {wire: func(m *Message) { m.Path = "/v1\n" }, want: "cannot be signed"},
		"line in the query":          {wire: func(m *Message) { m.Query = "a\n" }, want: "cannot be signed"},
		"a query":                    {wire: func(m *Message) { m.Query = "a=b" }, want: "no key of the client made it"},
		"a bad query":                {wire: func(m *Message) { m.Query = "a;b" }, want: "no key of the client made it"},
		"another body":               {wire: func(m *Message) { m.Body = []byte(`{"command":"ls"}`) }, want: "Content-Digest is not the sha-256 of the body"},
		"no body":                    {wire: func(m *Message) { m.Body = nil }, want: "Content-Digest is not the sha-256 of the body"},
		"body and digest": {wire: func(m *Message) {
			m.Body = []byte("{}")
			m.Header.Set("Content-Digest", digestOf("{}"))
		}, want: "no key of the client made it"},
		"sha-512 of the body": {change: func(o *order) {
			sum := sha512.Sum512([]byte(o.body))
			o.extra.Set("Content-Digest", "sha-512=:"+base64.StdEncoding.EncodeToString(sum[:])+":")
		}, want: "Content-Digest is not a dictionary"},
		"sha-256 with a parameter": {change: func(o *order) { o.extra.Set("Content-Digest", digestOf(o.body)+";a") }, want: "Content-Digest is not the sha-256 of the body"},
		"digest in hexadecimal":    {change: func(o *order) { o.extra.Set("Content-Digest", "sha-256=10") }, want: "Content-Digest is not the sha-256 of the body"},
		"digest is true":           {change: func(o *order) { o.extra.Set("Content-Digest", "sha-256") }, want: "Content-Digest is not the sha-256 of the body"},
		"digest is a list":         {change: func(o *order) { o.extra.Set("Content-Digest", "sha-256=(1)") }, want: "Content-Digest is not the sha-256 of the body"},
		"digest of another name": {change: func(o *order) {
			o.extra.Set("Content-Digest", strings.Replace(digestOf(o.body), "sha-256", "sha-25x", 1))
		}, want: "Content-Digest is not the sha-256 of the body"},

		// The signature.
		"of nothing":   {wire: func(m *Message) { m.Header.Set("Signature", "sig1=::") }, want: "no key of the client made it"},
		"short":        {change: func(o *order) { o.sign = func(b string) []byte { return byHMAC(messageSecret)(b)[:31] } }, want: "no key of the client made it"},
		"not bytes":    {wire: func(m *Message) { m.Header.Set("Signature", "sig1=1") }, want: "Signature is not a byte sequence"},
		"a list":       {wire: func(m *Message) { m.Header.Set("Signature", "sig1=(1)") }, want: "Signature is not a byte sequence"},
		"parameters":   {wire: func(m *Message) { m.Header.Set("Signature", m.Header.Get("Signature")+";a") }, want: "Signature is not a byte sequence"},
		"not readable": {wire: func(m *Message) { m.Header.Set("Signature", "sig1=:=:") }, want: "Signature is not a dictionary"},
		"no list":      {wire: func(m *Message) { m.Header.Set("Signature-Input", "sig1=1") }, want: "no list of components"},
		"spaces": {wire: func(m *Message) {
			m.Header.Set("Signature-Input", strings.Replace(m.Header.Get("Signature-Input"), "(", "( ", 1))
		}, want: "Signature-Input " + spelling},
		"input is long": {wire: func(m *Message) { m.Header.Set("Signature-Input", strings.Repeat(" ", maxInput+1)) }, want: "too long"},
		"sign is long":  {wire: func(m *Message) { m.Header.Set("Signature", strings.Repeat(" ", maxSignature+1)) }, want: "too long"},
		"by nobody":     {change: func(o *order) { o.sign = byHMAC(nil) }, want: "no key of the client made it"},
		"by a key whose public half is the secret": {change: func(o *order) {
			o.params = strings.Replace(o.params, "deploy", "bot", 1)
			o.sign = byHMAC(public(messageKey))
		}, want: "no key of the client made it"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := plainOrder()
			if test.change != nil {
				test.change(&o)
			}
			m := o.message()
			if test.wire != nil {
				test.wire(&m)
			}
			is := test.is
			if is == nil {
				is = ErrSignature
			}
			p, n, err := v.VerifyMessage(testNow, m)
			if !errors.Is(err, is) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %v with %q", err, is, test.want)
			}
			if p.Client != "" || n != (Nonce{}) {
				t.Errorf("a refused message gave %+v and %+v", p, n)
			}
		})
	}
}

// What Signer makes is, to the byte, what a hand makes that follows the RFC; and it verifies.
func TestSignerAgreesWithTheRFC(t *testing.T) {
	t.Parallel()
	byNow := newVerifier(t, Config{Clients: []Client{
		{Name: "deploy", Scheme: SchemeHTTPSig, Secrets: [][]byte{messageSecret}},
		{Name: "bot", Scheme: SchemeHTTPSig, PublicKeys: []ed25519.PublicKey{public(messageKey)}},
	}})
	secret, err := NewHMACSigner("deploy", messageSecret)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := NewEd25519Signer("bot", messageKey)
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{"/v1/jobs", "/v1/jobs?status=running&label=a%3Db", "/v1/jobs/%2f?", "/"} {
		for _, s := range []*Signer{secret, pair} {
			r := httptest.NewRequest("POST", "http://10.0.0.1:8099"+target, nil)
			r.Header.Set("Accept", "text/event-stream")
			if err := s.Sign(r, []byte("body")); err != nil {
				t.Fatal(err)
			}
			hand := byHMAC(messageSecret)
			if s == pair {
				hand = byKey(messageKey)
			}
			list, params, _ := strings.Cut(strings.TrimPrefix(r.Header.Get("Signature-Input"), "sig1=("), ")")
			o := order{method: "POST", path: r.URL.EscapedPath(), query: r.URL.RawQuery, host: "10.0.0.1:8099", components: strings.Split(list, " "), params: params}
			if got, want := r.Header.Get("Signature"), "sig1=:"+base64.StdEncoding.EncodeToString(hand(o.base(r.Header)))+":"; got != want {
				t.Errorf("%s by %s: %s, by hand %s", target, s.Client(), got, want)
			}
			m := MessageOf(r, []byte("body"))
			m.Local = tcpHere
			if p, _, err := byNow.VerifyMessage(time.Now(), m); err != nil || p.Client != s.Client() {
				t.Errorf("%s by %s: %v", target, s.Client(), err)
			}
		}
	}
}

// The RFC's own vectors for our algorithms (B.2.5 and B.2.6) are of requests that this package refuses, for want of what they do not cover. What is left to the library is
// made right by it.
func TestVectorsOfTheRFC(t *testing.T) {
	t.Parallel()
	secret, err := base64.StdEncoding.DecodeString("uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==")
	if err != nil {
		t.Fatal(err)
	}
	key, err := base64.StdEncoding.DecodeString("JrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=")
	if err != nil {
		t.Fatal(err)
	}
	relaxed := func() *httpsign.VerifyConfig {
		return httpsign.NewVerifyConfig().SetVerifyCreated(false).SetRejectExpired(false)
	}
	shared, err := httpsign.NewHMACSHA256Verifier(padded(secret), relaxed().SetKeyID("test-shared-secret"), httpsign.Headers())
	if err != nil {
		t.Fatal(err)
	}
	ed, err := httpsign.NewEd25519Verifier(key, relaxed().SetKeyID("test-key-ed25519"), httpsign.Headers())
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		label, input, signature string
		verifier                *httpsign.Verifier
	}{
		{"sig-b25", `sig-b25=("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"`,
			"sig-b25=:pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=:", shared},
		{"sig-b26", `sig-b26=("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519"`,
			"sig-b26=:wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==:", ed},
	} {
		m := Message{Method: "POST", Path: "/foo", Query: "param=Value&Pet=dog", Host: "EXAMPLE.com:443", Secure: true, Header: http.Header{
			"Date": {"Tue, 20 Apr 2021 02:07:55 GMT"}, "Content-Type": {"application/json"}, "Content-Length": {"18"},
			"Content-Digest":  {"sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:"},
			"Signature-Input": {test.input}, "Signature": {test.signature},
		}}
		if e, err := readEnvelope(m.Header); err == nil || !strings.Contains(err.Error(), "created, keyid and nonce are required") {
			t.Errorf("%s is taken as complete: %+v, %v", test.label, e, err)
		}
		good, err := m.forLibrary()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := good.Verify(test.label, *test.verifier); err != nil {
			t.Errorf("%s: %v", test.label, err)
		}
		m.Header.Set("Date", "Tue, 20 Apr 2021 02:07:56 GMT")
		bad, err := m.forLibrary()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := bad.Verify(test.label, *test.verifier); err == nil {
			t.Errorf("%s verifies with another date", test.label)
		}
	}
}

// A nonce is spent for both schemes, and every spelling of a number is the number.
func TestNonceOfMessages(t *testing.T) {
	t.Parallel()
	v := messageVerifier(t)
	_, spent, err := v.Verify(testNow, sign(testSecret, "0123456789ABCDEF0123456789abcdef", testNow, "{}"))
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Reserve(spent); err != nil {
		t.Fatal(err)
	}
	_, n, err := v.VerifyMessage(testNow, plainOrder().message())
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Reserve(n); !errors.Is(err, ErrReplayed) {
		t.Errorf("the nonce of another scheme can be used again: %v", err)
	}
	o := plainOrder()
	o.nonce("not-a-hexadecimal-number")
	_, n, err = v.VerifyMessage(testNow, o.message())
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Reserve(n); err != nil {
		t.Error(err)
	}
	if err := v.Reserve(n); !errors.Is(err, ErrReplayed) {
		t.Errorf("Reserve twice: %v", err)
	}
	// The floor holds for both.
	v = newVerifier(t, Config{Floor: testNow, Clients: []Client{{Name: "deploy", Scheme: SchemeHTTPSig, Secrets: [][]byte{messageSecret}}}})
	if _, _, err := v.VerifyMessage(testNow, plainOrder().message()); !errors.Is(err, ErrStale) {
		t.Errorf("at the floor: %v", err)
	}
}

func TestNewRefusesSignatories(t *testing.T) {
	t.Parallel()
	key := public(messageKey)
	for want, clients := range map[string][]Client{
		`client "a" has 0 secrets and 0 public keys`:          {{Name: "a", Scheme: SchemeHTTPSig}},
		`client "a" has 1 secrets and 1 public keys`:          {{Name: "a", Scheme: SchemeHTTPSig, Secrets: [][]byte{messageSecret}, PublicKeys: []ed25519.PublicKey{key}}},
		`client "a" has 3 secrets`:                            {{Name: "a", Scheme: SchemeHTTPSig, Secrets: [][]byte{messageSecret, otherSecret, testSecret}}},
		"is too short: message signatures need 32 bytes":      {{Name: "a", Scheme: SchemeHTTPSig, Secrets: [][]byte{messageSecret[:31]}}},
		"clients \"a\" and \"b\" have the same secret":        {{Name: "a", Secrets: [][]byte{messageSecret}}, {Name: "b", Scheme: SchemeHTTPSig, Secrets: [][]byte{messageSecret}}},
		"have the same public key":                            {{Name: "a", Scheme: SchemeHTTPSig, PublicKeys: []ed25519.PublicKey{key, key}}},
		"has 31 bytes, and an ed25519 key has 32":             {{Name: "a", Scheme: SchemeHTTPSig, PublicKeys: []ed25519.PublicKey{key[:31]}}},
		"has secrets and uids":                                {{Name: "a", Scheme: SchemeHTTPSig, PublicKeys: []ed25519.PublicKey{key}, UIDs: []uint32{1}}},
		"has a scheme that does not go with what it has":      {{Name: "a", PublicKeys: []ed25519.PublicKey{key}}},
		"is known by its user, and cannot be bound":           {{Name: "a", UIDs: []uint32{1}, Certificates: []string{"dns:a"}}},
		`the certificate "a.example" is not written dns:NAME`: {{Name: "a", Secrets: [][]byte{testSecret}, Certificates: []string{"a.example"}}},
		`the certificate "dns:*.a" is not written`:            {{Name: "a", Secrets: [][]byte{testSecret}, Certificates: []string{"dns:*.a"}}},
		`the certificate "sha256:00" is not written`:          {{Name: "a", Secrets: [][]byte{testSecret}, Certificates: []string{"sha256:00"}}},
	} {
		if _, err := New(Config{Clients: clients, Skew: testSkew}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	for _, bad := range []string{"", "http://gate", "gate/x", "gate:", "a b"} {
		if _, err := New(Config{Clients: []Client{{Name: "a", Secrets: [][]byte{testSecret}}}, Skew: testSkew, Authorities: []string{bad}}); err == nil {
			t.Errorf("the authority %q is accepted", bad)
		}
	}
}

// Points of small order are public keys that anybody can sign for: every one in the table is one, or is not taken as a key at all.
func TestKeysThatAnybodySignsFor(t *testing.T) {
	t.Parallel()
	nothing := make([]byte, ed25519.SignatureSize)
	nothing[0] = 1 // the neutral point, and zero
	signedBy := func(key ed25519.PublicKey) (n int) {
		for i := range byte(255) {
			if ed25519.Verify(key, []byte{i}, nothing) {
				n++
			}
		}
		return n
	}
	found := 0
	for _, text := range smallOrder {
		for _, sign := range []byte{0, 0x80} {
			key := make(ed25519.PublicKey, ed25519.PublicKeySize)
			if !decodeHex(key, text) {
				t.Fatal(text)
			}
			key[31] |= sign
			if !anybodySigns(key) {
				t.Errorf("%s is accepted", text)
			}
			if signedBy(key) > 0 {
				found++
			}
		}
	}
	if found < 8 {
		t.Errorf("anybody signs for %d encodings of the table, and there are 8 points", found)
	}
	if key := public(messageKey); anybodySigns(key) || signedBy(key) > 0 {
		t.Error("a good key is refused")
	}
}

func TestAuthorities(t *testing.T) {
	t.Parallel()
	client := []Client{{Name: "deploy", Scheme: SchemeHTTPSig, Secrets: [][]byte{messageSecret}}}
	ip := func(text string, port int) net.Addr { return &net.TCPAddr{IP: net.ParseIP(text), Port: port} }
	unix := &net.UnixAddr{Net: "unix", Name: "/run/s"}
	for _, test := range []struct {
		fixed  []string
		local  net.Addr
		secure bool
		yes    []string
		no     []string
	}{
		{nil, ip("10.0.0.1", 8099), false, []string{"10.0.0.1:8099", "host-1:8099", "HOST-1:8099", "[::ffff:10.0.0.1]:8099"}, []string{"", "10.0.0.1", "host-1", "host-2:8099", "localhost:8099", "sidegate", "10.0.0.1:80"}},
		{nil, ip("127.0.0.1", 80), false, []string{"127.0.0.1", "127.0.0.1:80", "localhost", "host-1"}, []string{"127.0.0.2", "localhost:443", "[::1]"}},
		{nil, ip("::1", 443), true, []string{"[::1]", "[0:0::1]:443", "localhost"}, []string{"::2", "[::1]:80", "localhost:80"}},
		{nil, unix, false, []string{"sidegate", "localhost", "host-1"}, []string{"", "10.0.0.1", "sidegate:80 ", "host-2"}},
		{nil, nil, false, nil, []string{"localhost", "sidegate", ""}},
		{[]string{"Gate.example", "other:8443"}, ip("10.0.0.1", 8099), false, []string{"gate.example", "gate.EXAMPLE:80", "other:8443"}, []string{"10.0.0.1:8099", "host-1:8099", "gate.example:8099", "other", "x.gate.example"}},
		{[]string{"gate.example:443", "[::1]"}, unix, true, []string{"gate.example", "gate.example:443", "[::1]"}, []string{"sidegate", "gate.example:80"}},
	} {
		v := newVerifier(t, Config{Clients: client, Authorities: test.fixed, Names: []string{"Host-1"}})
		for i, host := range slices.Concat(test.yes, test.no) {
			o := plainOrder()
			m := Message{Host: host, Secure: test.secure}
			o.host = m.authority()
			m = o.message()
			m.Host, m.Secure, m.Local = host, test.secure, test.local
			_, _, err := v.VerifyMessage(testNow, m)
			if want := i < len(test.yes); (err == nil) != want {
				t.Errorf("%v at %v (secure %v): %q gives %v", test.fixed, test.local, test.secure, host, err)
			}
		}
	}
}

// MessageOf reads what it needs from a request as the server has it.
func TestMessageOf(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest("GET", "/v1/jobs/%2F?a=b", nil)
	r.Host = "Gate:8099"
	m := MessageOf(r, []byte("x"))
	if m.Method != "GET" || m.Path != "/v1/jobs/%2F" || m.Query != "a=b" || m.Host != "Gate:8099" || m.Secure || m.Certificate != nil || string(m.Body) != "x" {
		t.Errorf("%+v", m)
	}
}
