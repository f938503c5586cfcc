package egress

import (
	"crypto/tls"
	"net/http"
	"time"
)

const (
	defaultTimeout    = 30 * time.Second
	tlsTimeout        = 10 * time.Second
	idleTimeout       = 30 * time.Second
	maxResponseHeader = 32 << 10
	maxIdle           = 16
	maxIdlePerHost    = 4
)

// Client returns an HTTP client that connects through the guard only. timeout
// bounds a whole exchange, from dialing to the last byte of the response body;
// zero or less means 30 s, because there is no client without one.
//
// It uses no proxy, whatever the environment says: behind one, the guard would
// see the proxy's address only. It follows no redirect: a 3xx is a response
// like others. It keeps no cookies. Response headers above 32 KiB are an
// error; bodies are not decompressed, and the caller bounds and closes them. It
// speaks HTTP/1.1, over TLS from version 1.2.
//
// Each call makes a client with connections of its own. Idle ones are closed
// after 30 s, or by CloseIdleConnections.
func (g *Guard) Client(timeout time.Duration) *http.Client {
	if timeout <= 0 {
		timeout = defaultTimeout
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Client{
		Timeout: timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
		Transport: &http.Transport{
			Proxy:                  nil,
			DialContext:            g.DialContext,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    min(tlsTimeout, timeout),
			ResponseHeaderTimeout:  timeout,
			MaxResponseHeaderBytes: maxResponseHeader,
			DisableCompression:     true,
			MaxIdleConns:           maxIdle,
			MaxIdleConnsPerHost:    maxIdlePerHost,
			IdleConnTimeout:        idleTimeout,
			Protocols:              protocols,
		},
	}
}
