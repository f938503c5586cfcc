package auth

import (
	"crypto/x509"
	"net"
	"net/http"
)

// A Message is what was received, not yet trusted.
type Message struct {
	Method string
	Path   string      // as it was signed: without query
	Header http.Header // with canonical keys, as net/http makes them
	Body   []byte      // the raw bytes as received

	// What follows is for message signatures, and Certificate for clients that are bound to one.
	Query       string            // as received, without its question mark
	Host        string            // whom the caller called
	Secure      bool              // whether it came over TLS
	Local       net.Addr          // where the connection came to
	Certificate *x509.Certificate // that the caller presented and the TLS layer verified; nil for none
}

// MessageOf is a request as it was received, with its body.
func MessageOf(r *http.Request, body []byte) Message {
	m := Message{Method: r.Method, Path: r.URL.EscapedPath(), Header: r.Header, Body: body, Query: r.URL.RawQuery, Host: r.Host, Secure: r.TLS != nil}
	m.Local, _ = r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
		m.Certificate = r.TLS.VerifiedChains[0][0]
	}
	return m
}
