package callback

import (
	"errors"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

const (
	maxURL   = 2 << 10
	maxHost  = 253 // RFC 1035, 2.3.4, without the final dot
	maxLabel = 63
)

// A Destination is a callback URL, taken apart and in one spelling: two URLs
// that a server cannot tell apart are mostly equal Destinations. The zero value
// is no destination, and allowed nowhere.
type Destination struct {
	Scheme string // "http" or "https"
	Host   string // lower case; an IPv6 address has no brackets
	Port   int    // 1 to 65535, the scheme's default filled in
	Path   string // begins with a slash; percent-encoded where needed
	Query  string // as written, without question mark; not part of any comparison
}

// ParseDestination reads a callback URL. It is strict, because the path is
// compared with patterns here and interpreted by a receiver there: whatever
// could be read in two ways is refused. Errors are for the caller to read; they
// say what is wrong and repeat nothing of the URL.
//
// Refused are: more than 2 KiB; a scheme other than http and https; user
// information; a fragment; white space, control characters, backslashes and
// anything that is not ASCII; a host name that is not ASCII, has a final dot,
// or ends in a number and is not a plain dotted IPv4 address; an IPv6 zone; a
// port of zero or written with leading zeros; and a path with dot segments or
// with an encoded slash, backslash or control character, also when encoded
// several times.
func ParseDestination(raw string) (Destination, error) {
	if err := checkCharacters(raw); err != nil {
		return Destination{}, err
	}
	u, err := url.Parse(raw)
	if err != nil {
		return Destination{}, errors.New("is not a valid URL")
	}
	d := Destination{Scheme: strings.ToLower(u.Scheme), Query: u.RawQuery}
	switch {
	case d.Scheme != "http" && d.Scheme != "https":
		return Destination{}, errors.New("must begin with http:// or https://")
	case u.User != nil:
		return Destination{}, errors.New("must not have a user name or password")
	case u.Opaque != "" || u.Host == "":
		return Destination{}, errors.New("has no host")
	}
	if d.Host, err = parseHost(u); err != nil {
		return Destination{}, err
	}
	if d.Port, err = parsePort(u, d.Scheme); err != nil {
		return Destination{}, err
	}
	// Where these differ, package url decoded the path and encoded it anew, and
	// an encoded slash would have become a plain one.
	path := u.EscapedPath()
	if u.RawPath != "" && u.RawPath != path {
		return Destination{}, errors.New("has a path with a character that must be percent-encoded")
	}
	if d.Path, err = parsePath(path); err != nil {
		return Destination{}, err
	}
	if len(d.String()) > maxURL {
		return Destination{}, errors.New("is longer than 2048 bytes")
	}
	return d, nil
}

// checkCharacters looks at the URL as it was written, before any parser does.
func checkCharacters(raw string) error {
	if raw == "" {
		return errors.New("is empty")
	}
	if len(raw) > maxURL {
		return errors.New("is longer than 2048 bytes")
	}
	for i := range len(raw) {
		switch c := raw[i]; {
		case c <= ' ' || c == 0x7f:
			return errors.New("contains white space or a control character")
		case c >= 0x80:
			return errors.New("contains a character that is not ASCII; write a host as xn--… and percent-encode the rest")
		case c == '\\':
			return errors.New("contains a backslash")
		case c == '#':
			return errors.New("must not have a fragment")
		}
	}
	return nil
}

func parseHost(u *url.URL) (string, error) {
	host := strings.ToLower(u.Hostname())
	if strings.HasPrefix(u.Host, "[") {
		addr, err := netip.ParseAddr(host)
		if err != nil || !addr.Is6() || addr.Zone() != "" {
			return "", errors.New("has brackets around something that is not an IPv6 address without zone")
		}
		return addr.String(), nil
	}
	return host, checkName(host)
}

// checkName accepts host names and plain IPv4 addresses. Underscores are no part
// of host names, but container platforms use them.
func checkName(host string) error {
	if host == "" {
		return errors.New("has no host")
	}
	if len(host) > maxHost {
		return errors.New("has a host name longer than 253 bytes")
	}
	labels := strings.Split(host, ".")
	for _, l := range labels {
		if l == "" || len(l) > maxLabel || l[0] == '-' || l[len(l)-1] == '-' || strings.Trim(l, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return errors.New("has a host that is not a valid host name or IP address")
		}
	}
	if !endsInNumber(labels[len(labels)-1]) {
		return nil
	}
	if addr, err := netip.ParseAddr(host); err != nil || !addr.Is4() {
		return errors.New("has an IPv4 address that is not four decimal numbers without leading zeros")
	}
	return nil
}

// endsInNumber reports whether resolvers may take a host with this last label
// for an IPv4 address: decimal, octal, hexadecimal, or with fewer than four
// parts (WHATWG URL standard, "ends in a number checker").
func endsInNumber(last string) bool {
	if strings.Trim(last, "0123456789") == "" {
		return true
	}
	digits, isHex := strings.CutPrefix(last, "0x")
	return isHex && strings.Trim(digits, "0123456789abcdef") == ""
}

func parsePort(u *url.URL, scheme string) (int, error) {
	s := u.Port()
	if s == "" && strings.HasSuffix(u.Host, ":") {
		return 0, errors.New("has a colon and no port")
	}
	switch {
	case s == "" && scheme == "https":
		return 443, nil
	case s == "":
		return 80, nil
	}
	port, err := strconv.ParseUint(s, 10, 16)
	if err != nil || port == 0 || s[0] == '0' {
		return 0, errors.New("has a port that is not a number from 1 to 65535")
	}
	return int(port), nil
}

// Origin returns scheme, host and port, as "http://172.17.0.1:8088". It is what
// may be shown and logged: path and query often hold secrets.
func (d Destination) Origin() string {
	return d.Scheme + "://" + d.authority()
}

// String returns the whole URL, which ParseDestination reads as d again. The
// port is left out where it is the scheme's default.
func (d Destination) String() string {
	s := d.Scheme + "://" + d.Host
	switch {
	case !d.defaultPort():
		s = d.Origin()
	case strings.Contains(d.Host, ":"):
		s = d.Scheme + "://[" + d.Host + "]"
	}
	s += d.Path
	if d.Query != "" {
		s += "?" + d.Query
	}
	return s
}

func (d Destination) authority() string {
	return net.JoinHostPort(d.Host, strconv.Itoa(d.Port))
}

func (d Destination) defaultPort() bool {
	return d.Scheme == "http" && d.Port == 80 || d.Scheme == "https" && d.Port == 443
}
