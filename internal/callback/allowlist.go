package callback

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// An Allowlist is the destinations that the configuration allows. It is
// immutable and safe for concurrent use. One without patterns, and a nil one,
// allows nothing.
type Allowlist struct {
	patterns []pattern
}

// A pattern is one entry of the list, taken apart.
type pattern struct {
	scheme    string
	host      string
	subdomain bool // one more label before host
	port      int
	path      []string // what stands between the stars
}

// NewAllowlist reads patterns such as "http://172.17.0.1:8088/*". A pattern is
// a URL, read as ParseDestination reads one, and compared part by part:
//
//   - Scheme and port are equal; the port is the scheme's default when the
//     pattern has none.
//   - The host is equal. A pattern whose host begins with "*." takes exactly one
//     label in its place, as in TLS certificates: "*.example.com" allows
//     a.example.com, and neither example.com nor a.b.example.com. At least two
//     labels must follow.
//   - The path is equal, where "*" stands for any characters, slashes included,
//     any number of times. "/hook" allows /hook only, "/hook/*" what is below
//     it. A pattern without path allows "/" only: write "/*" for everything.
//   - The query of a destination is not compared; a pattern must not have one.
//
// An error names the pattern by its place, and says what is wrong.
func NewAllowlist(patterns []string) (*Allowlist, error) {
	a := &Allowlist{}
	for i, raw := range patterns {
		p, err := parsePattern(raw)
		if err != nil {
			return nil, fmt.Errorf("callback: allowed pattern %d %w", i+1, err)
		}
		a.patterns = append(a.patterns, p)
	}
	return a, nil
}

func parsePattern(raw string) (pattern, error) {
	if strings.Contains(raw, "?") {
		return pattern{}, errors.New("must not have a query; queries are not compared")
	}
	// With the star taken off, a host with a wildcard is a host.
	scheme, rest, found := strings.Cut(raw, "://")
	if !found {
		return pattern{}, errors.New("must begin with http:// or https://")
	}
	rest, subdomain := strings.CutPrefix(rest, "*.")
	authority, _, _ := strings.Cut(rest, "/")
	if strings.Contains(authority, "*") {
		return pattern{}, errors.New(`may have "*" in its path, and as the first label of its host with two labels after it, and nowhere else`)
	}
	d, err := ParseDestination(scheme + "://" + rest)
	if err != nil {
		return pattern{}, err
	}
	if subdomain && (!strings.Contains(d.Host, ".") || isAddress(d.Host)) {
		return pattern{}, errors.New(`has "*." before something that is not a domain of at least two labels`)
	}
	return pattern{
		scheme:    d.Scheme,
		host:      d.Host,
		subdomain: subdomain,
		port:      d.Port,
		path:      strings.Split(d.Path, "*"),
	}, nil
}

// isAddress reports whether a host of a Destination is an IP address.
func isAddress(host string) bool {
	return strings.Contains(host, ":") || endsInNumber(host[strings.LastIndexByte(host, '.')+1:])
}

// Allows reports whether a pattern allows d.
func (a *Allowlist) Allows(d Destination) bool {
	return a != nil && slices.ContainsFunc(a.patterns, func(p pattern) bool { return p.allows(d) })
}

func (p pattern) allows(d Destination) bool {
	host := d.Host
	if p.subdomain {
		label, rest, _ := strings.Cut(host, ".")
		if label == "" {
			return false
		}
		host = rest
	}
	return p.scheme == d.Scheme && p.host == host && p.port == d.Port && match(p.path, d.Path)
}

// match reports whether s is the pieces in order, with anything between them.
// The first and the last piece are fixed to the ends; taking every other one
// where it comes first leaves the most room for those after it, so nothing is
// ever tried twice and the time is linear in s for each piece that is found.
func match(pieces []string, s string) bool {
	first, rest := pieces[0], pieces[1:]
	if len(rest) == 0 {
		return s == first
	}
	s, ok := strings.CutPrefix(s, first)
	if !ok {
		return false
	}
	last := rest[len(rest)-1]
	for _, piece := range rest[:len(rest)-1] {
		_, after, found := strings.Cut(s, piece)
		if !found {
			return false
		}
		s = after
	}
	return strings.HasSuffix(s, last)
}
