// Package client is the caller's side of a connection to a gateway: over TCP, with or without TLS, or over a Unix socket, where
// the kernel tells the gateway whose process calls. Requests are signed as they leave, by who has a key for it. Its errors are for
// people, and say what there is to do.
package client

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"time"
)

// maxSocketPath is the room for a path in the kernel's sockaddr_un, less its terminating zero (unix(7)).
const maxSocketPath = 107

// socketHost is the Host of requests over a Unix socket, which name no host.
const socketHost = "sidegate"

// Config says how a gateway is called.
type Config struct {
	// Address is http://HOST:PORT, https://HOST:PORT or unix:/absolute/path.
	Address string
	// Timeout is for a whole exchange, from connecting to the last byte of the reply; 0 is none, as for a reply that follows a running
	// job.
	Timeout time.Duration
	// Sign is called with every request that is about to be sent, and its body, and adds a signature. nil sends requests as they are.
	Sign func(r *http.Request, body []byte) error

	// CAFile has the certificates of authorities, in PEM form, that may have signed the gateway's; empty for the system's.
	CAFile string
	// CertFile has a certificate that is presented to a gateway that asks for one, with what leads to its authority, and KeyFile its
	// private key; both in PEM form, and one file may be both. Empty for none.
	CertFile, KeyFile string
}

// Client calls one gateway. Make one with New. It is safe for concurrent use.
type Client struct {
	address string
	base    string // scheme and host of URLs
	socket  string // path of the Unix socket, or ""
	timeout time.Duration
	sign    func(r *http.Request, body []byte) error
	http    *http.Client
}

// New returns a client of a gateway. It connects to nothing yet. Close releases its connections.
//
// A call is for the gateway that it names: no proxy of the environment gets to see it, and no redirect moves it.
func New(cfg Config) (*Client, error) {
	address := cfg.Address
	c := &Client{address: address, timeout: cfg.Timeout, sign: cfg.Sign}
	transport := &http.Transport{Proxy: nil, DisableCompression: true, TLSHandshakeTimeout: 10 * time.Second}
	if socket, ok := strings.CutPrefix(address, "unix:"); ok {
		if !filepath.IsAbs(socket) || len(socket) > maxSocketPath || strings.ContainsRune(socket, 0) {
			return nil, fmt.Errorf("%s: want the path of a gateway's socket, absolute and of %d bytes at most, such as unix:/run/sidegate/sidegate.sock", address, maxSocketPath)
		}
		c.socket, c.base = socket, "http://"+socketHost
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		}
	} else {
		u, err := url.Parse(address)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || strings.Trim(u.Path, "/") != "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			return nil, fmt.Errorf("%s: want the gateway's address, such as http://127.0.0.1:8099 or unix:/run/sidegate/sidegate.sock", hidePassword(u, address))
		}
		c.base = u.Scheme + "://" + u.Host
	}
	var err error
	if transport.TLSClientConfig, err = tlsConfig(cfg, c.base); err != nil {
		return nil, err
	}
	c.http = &http.Client{
		Timeout: cfg.Timeout, Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c, nil
}

// hidePassword is an address as it may be shown.
func hidePassword(u *url.URL, address string) string {
	if u != nil && u.User != nil {
		return u.Redacted()
	}
	return address
}

// Address is the address that New was given.
func (c *Client) Address() string { return c.address }

// Request makes a request. path begins with a slash and may have a query; body may be nil.
func (c *Client) Request(ctx context.Context, method, path string, body []byte) (*http.Request, error) {
	if !strings.HasPrefix(path, "/") {
		return nil, fmt.Errorf("client: the path %q does not begin with a slash", path)
	}
	var content io.Reader
	if body != nil {
		content = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, content)
	if err == nil && body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, err
}

// Do signs a request that Request made, sends it, and returns the reply whatever its status is. The caller closes its body. After an
// error the request may have been received, unless it says otherwise; one that changes something is not sent twice, and no
// signature is.
func (c *Client) Do(req *http.Request) (*http.Response, error) {
	if c.sign != nil {
		if err := c.signed(req); err != nil {
			return nil, err
		}
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.explain(err)
	}
	if err := c.checkTLS(resp); err != nil {
		_ = resp.Body.Close()
		return nil, err
	}
	return resp, nil
}

// signed signs a request. net/http sends a request again by itself only if nothing of it was sent, or if it reads alone: of that the gateway
// may have seen the first copy, and then refuses the second (replayed_nonce).
func (c *Client) signed(req *http.Request) error {
	var body []byte
	if req.GetBody != nil {
		r, err := req.GetBody()
		if err != nil {
			return err
		}
		if body, err = io.ReadAll(r); err != nil {
			return err
		}
	}
	return c.sign(req, body)
}

// Close closes connections that are not in use.
func (c *Client) Close() { c.http.CloseIdleConnections() }
