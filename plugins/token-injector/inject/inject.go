// Package inject decides which callbacks get a token, and in which header.
package inject

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
)

// An Injector is the plugin's configuration. It does not change.
type Injector struct {
	Header string // in its canonical form
	Value  string

	destinations []destination
}

// A destination is one entry of the list, taken apart.
type destination struct {
	scheme, host, port string
	path               string
	below              bool // paths that begin with path, and not only this one
}

// Parse reads the configuration, strictly:
//
//	{"token": "…", "header": "Authorization", "scheme": "Bearer", "destinations": ["https://func.example.com/*"]}
//
// Header and scheme may be missing. The scheme is Bearer for Authorization, and else empty:
// then the token alone is the header's value. A destination is a URL; with "*" at its end it
// stands for every path that begins with what is before. For null there is no injector,
// and no error. Errors do not repeat the token.
func Parse(text []byte) (*Injector, error) {
	if string(bytes.TrimSpace(text)) == "null" {
		return nil, nil
	}
	var c struct {
		Token        string   `json:"token"`
		Header       string   `json:"header"`
		Scheme       *string  `json:"scheme"`
		Destinations []string `json:"destinations"`
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return nil, fmt.Errorf("the configuration is not what token-injector takes: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the configuration")
	}
	if c.Header == "" {
		c.Header = "Authorization"
	}
	i := &Injector{Header: textproto.CanonicalMIMEHeaderKey(c.Header), Value: c.Token}
	if !isHeader(i.Header) {
		return nil, errors.New("header: want letters, digits and dashes, and no header that belongs to the gateway")
	}
	if !isVisible(c.Token) {
		return nil, errors.New("token: want visible ASCII characters")
	}
	switch {
	case c.Scheme == nil && i.Header == "Authorization":
		i.Value = "Bearer " + c.Token
	case c.Scheme != nil && *c.Scheme != "":
		if !isVisible(*c.Scheme) {
			return nil, errors.New("scheme: want visible ASCII characters")
		}
		i.Value = *c.Scheme + " " + c.Token
	}
	if len(c.Destinations) == 0 {
		return nil, errors.New("destinations: want at least one, or the token goes nowhere")
	}
	for n, raw := range c.Destinations {
		to, err := parseDestination(raw)
		if err != nil {
			return nil, fmt.Errorf("destinations[%d]: %w", n, err)
		}
		i.destinations = append(i.destinations, to)
	}
	return i, nil
}

func parseDestination(raw string) (destination, error) {
	raw, below := strings.CutSuffix(raw, "*")
	_, rest, _ := strings.Cut(raw, "://")
	to, ok := split(raw)
	switch {
	case !ok || strings.ContainsAny(raw, "*?"):
		return destination{}, errors.New("want http:// or https:// with a host and a path, no query, and * only at the end of the path")
	case below && !strings.Contains(rest, "/"):
		return destination{}, errors.New("want a / before *, or it would stand for other hosts")
	}
	to.below = below
	return to, nil
}

// split takes a URL apart. A path with .. in it, or with escapes, is not one that can be
// compared.
func split(raw string) (destination, bool) {
	u, err := url.Parse(raw)
	if err != nil || u.User != nil || u.Hostname() == "" || u.Fragment != "" {
		return destination{}, false
	}
	to := destination{scheme: u.Scheme, host: strings.ToLower(u.Hostname()), port: u.Port(), path: u.EscapedPath()}
	switch {
	case to.scheme != "http" && to.scheme != "https":
		return destination{}, false
	case to.port == "" && to.scheme == "http":
		to.port = "80"
	case to.port == "":
		to.port = "443"
	}
	if to.path == "" {
		to.path = "/"
	}
	if strings.Contains(to.path, "..") || strings.ContainsAny(to.path, "%\\") {
		return destination{}, false
	}
	return to, true
}

// Wants reports whether a callback to this URL gets the token.
func (i *Injector) Wants(raw string) bool {
	to, ok := split(raw)
	return ok && slices.ContainsFunc(i.destinations, func(d destination) bool {
		return d.scheme == to.scheme && d.host == to.host && d.port == to.port &&
			(d.path == to.path || d.below && strings.HasPrefix(to.path, d.path))
	})
}

// protected are headers that no plugin may change.
var protected = []string{
	"Host", "Content-Length", "Transfer-Encoding", "Connection", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Upgrade",
}

// isHeader reports whether a header can be set by a plugin, and be part of a JSON pointer as it is.
func isHeader(name string) bool {
	return name != "" && !slices.Contains(protected, name) && !strings.HasPrefix(name, "X-Sidegate-") && !strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-'
	})
}

func isVisible(text string) bool {
	return text != "" && len(text) <= 8<<10 && !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' })
}
