// Package client is the caller's side of a connection to a gateway: over TCP, with or without TLS, or over a Unix socket, where
// the kernel tells the gateway whose process calls. It sends requests as they are; who has a secret signs them first, with
// internal/auth. Its errors are for people, and say what there is to do.
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

// Client calls one gateway. Make one with New. It is safe for concurrent use.
type Client struct {
	address string
	base    string // scheme and host of URLs
	socket  string // path of the Unix socket, or ""
	timeout time.Duration
	http    *http.Client
}

// New returns a client of the gateway at an address: http://HOST:PORT, https://HOST:PORT or unix:/absolute/path. It connects to
// nothing yet. timeout is for a whole exchange, from connecting to the last byte of the reply; 0 is none, as for a reply that
// follows a running job. Close releases its connections.
//
// A call is for the gateway that it names: no proxy of the environment gets to see it, and no redirect moves it.
func New(address string, timeout time.Duration) (*Client, error) {
	c := &Client{address: address, timeout: timeout}
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
	c.http = &http.Client{
		Timeout: timeout, Transport: transport,
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

// Do sends a request that Request made, and returns the reply whatever its status is. The caller closes its body. After an
// error the request may have been received, unless it says otherwise; one that changes something is not sent twice.
func (c *Client) Do(req *http.Request) (*http.Response, error) {
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

// Close closes connections that are not in use.
func (c *Client) Close() { c.http.CloseIdleConnections() }
