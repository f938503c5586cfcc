package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

// nothingSigned is why probes of signatures do not apply to a server that has none. unsigned-call shows what follows from that.
const nothingSigned = "nothing is signed"

var signatureProbes = []probe{
	{"unsigned-call", "sends a call without a signature", "it is refused, and nothing runs", unsignedCall},
	{"flipped-byte", "changes each byte of a signed body in turn, with the signature as it was", "every call is refused, and nothing runs", flippedByte},
	{"unsigned-query", "adds a query to a signed call, with a value for an argument", "no value of it reaches the command", unsignedQuery},
	{"header-tricks", "sends another body under a signature, with headers that servers read differently: twice the signature, two lengths, methods and paths that override", "nothing of it runs", headerTricks},
	{"stale-signature", "sends a call that was signed ten years ago", "it is refused, and nothing runs", staleSignature},
}

func unsignedCall(ctx context.Context, a *attempt) (finding, error) {
	c, err := a.call(a.marking())
	if err != nil {
		return finding{}, err
	}
	r, err := a.send(ctx, c.without(a.signature))
	if err != nil {
		return finding{}, err
	}
	n, err := a.ran(ctx)
	if err != nil {
		return finding{}, err
	}
	return rightIf(n == 0 && r.status >= 400, "answered %d, the command ran %s", r.status, times(n))
}

func flippedByte(ctx context.Context, a *attempt) (finding, error) {
	if len(a.signature) == 0 {
		return seen(notApplicable, nothingSigned)
	}
	c, err := a.call(a.marking())
	if err != nil {
		return finding{}, err
	}
	taken := 0
	for i := range c.body {
		body := bytes.Clone(c.body)
		body[i] ^= 1
		r, err := a.send(ctx, c.with(body))
		if err != nil {
			return finding{}, err
		}
		if r.status < 400 {
			taken++
		}
	}
	n, err := a.ran(ctx)
	if err != nil {
		return finding{}, err
	}
	return rightIf(taken == 0 && n == 0, "%d of %d altered calls were taken, the command ran %s", taken, len(c.body), times(n))
}

func unsignedQuery(ctx context.Context, a *attempt) (finding, error) {
	if a.query == nil {
		return seen(notApplicable, "it does not read queries")
	}
	c, err := a.query(order{act: "print", a: "from-the-body"}, "from-the-query")
	if err != nil {
		return finding{}, err
	}
	r, err := a.send(ctx, c)
	if err != nil {
		return finding{}, err
	}
	if strings.Contains(a.result(r).stdout, shown("from-the-body", "from-the-query")) {
		return seen(wrong, "a value of the query was an argument of the command")
	}
	return seen(right, "answered %d, and no value of the query reached the command", r.status)
}

// headerTricks has a good signature for one body and tries to have another run.
func headerTricks(ctx context.Context, a *attempt) (finding, error) {
	if len(a.signature) == 0 {
		return seen(notApplicable, nothingSigned)
	}
	other, err := a.call(a.marking())
	if err != nil {
		return finding{}, err
	}
	tricks := []func(good call) []byte{
		func(good call) []byte { // each signature header twice, first what is no signature
			h := good.header.Clone()
			for _, name := range a.signature {
				h[name] = []string{"0", h.Get(name)}
			}
			return raw(good.method, good.target, h, other.body)
		},
		func(good call) []byte { // and last
			h := good.header.Clone()
			for _, name := range a.signature {
				h[name] = append(h[name], "0")
			}
			return raw(good.method, good.target, h, other.body)
		},
		func(good call) []byte { // two lengths: the signed body for who reads the one, the other body for who reads the other
			h := good.header.Clone()
			h.Set("Transfer-Encoding", "chunked")
			chunked := fmt.Appendf(nil, "%x\r\n%s\r\n0\r\n\r\n", len(other.body), other.body)
			return bytes.Replace(raw(good.method, good.target, h, chunked), fmt.Appendf(nil, "Content-Length: %d", len(chunked)), fmt.Appendf(nil, "Content-Length: %d", len(good.body)), 1)
		},
		func(good call) []byte { // a second, unsigned call behind the signed one
			second := raw(other.method, other.target, other.without(a.signature).header, other.body)
			first := raw(good.method, good.target, good.header, good.body)
			return slices.Concat(first, second)
		},
		func(good call) []byte { // a space before the colon
			text := raw(good.method, good.target, good.header, other.body)
			return bytes.Replace(text, []byte(a.signature[0]+":"), []byte(a.signature[0]+" :"), 1)
		},
		func(good call) []byte { // what proxies and frameworks take for the real method, path and caller
			h := good.header.Clone()
			for name, value := range map[string]string{"X-HTTP-Method-Override": "GET", "X-Original-URL": "/", "X-Rewrite-URL": "/", "X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "https"} {
				h.Set(name, value)
			}
			return raw(good.method, good.target, h, other.body)
		},
	}
	for _, trick := range tricks {
		good, err := a.call(order{act: "nothing"})
		if err != nil {
			return finding{}, err
		}
		if err := a.exchange(ctx, trick(good)); err != nil {
			return finding{}, err
		}
	}
	n, err := a.ran(ctx)
	if err != nil {
		return finding{}, err
	}
	return rightIf(n == 0, "%d tricks, the command ran %s", len(tricks), times(n))
}

// raw is a request as it stands, with what net/http would not send.
func raw(method, target string, header http.Header, body []byte) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: localhost\r\n", method, target)
	_ = header.Write(&b) // a buffer takes everything
	fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n", len(body))
	b.Write(body)
	return b.Bytes()
}

// exchange sends bytes and reads until there is no more for a moment, or the server hangs up. What comes back does not matter.
func (a *attempt) exchange(ctx context.Context, text []byte) error {
	c, err := new(net.Dialer).DialContext(ctx, "tcp", strings.TrimPrefix(a.url, "http://"))
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.Write(text); err != nil {
		return nil // it was refused before its end
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		return nil
	}
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, c) // until the server has hung up
	return nil
}

func staleSignature(ctx context.Context, a *attempt) (finding, error) {
	if len(a.signature) == 0 {
		return seen(notApplicable, nothingSigned)
	}
	sign := a.callAt
	if sign == nil {
		sign = func(o order, _ time.Time) (call, error) { return a.call(o) }
	}
	c, err := sign(a.marking(), time.Now().AddDate(-10, 0, 0))
	if err != nil {
		return finding{}, err
	}
	r, err := a.send(ctx, c)
	if err != nil {
		return finding{}, err
	}
	n, err := a.ran(ctx)
	if err != nil {
		return finding{}, err
	}
	if a.callAt == nil {
		return rightIf(n == 0, "the signature holds no time, so that one from years ago is the same as one of today; the command ran %s", times(n))
	}
	return rightIf(n == 0, "answered %d, the command ran %s", r.status, times(n))
}

func times(n int) string {
	switch n {
	case 0:
		return "not at all"
	case 1:
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}
