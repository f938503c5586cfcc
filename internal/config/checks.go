package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

// maxSocketPath is the room for a path in the kernel's sockaddr_un, less its
// terminating zero (unix(7)).
const maxSocketPath = 107

var (
	hostName   = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$`)
	port       = regexp.MustCompile(`^(0|[1-9][0-9]{0,4})$`)
	clientName = regexp.MustCompile(`^[a-z0-9._-]{1,64}$`)
	userName   = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}$`)
	envPattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*\*?$`)
)

// orEmpty lets the empty string pass.
func orEmpty(c check) check {
	return func(s string) error {
		if s == "" {
			return nil
		}
		return c(s)
	}
}

func checkNotEmpty(s string) error {
	if s == "" {
		return errors.New("must not be empty")
	}
	return nil
}

// checkWord is for names that others compare literally, such as roles.
func checkWord(s string) error {
	if s == "" || strings.ContainsFunc(s, unicode.IsSpace) {
		return errors.New("must be a name without spaces")
	}
	return nil
}

// CheckClientName says what is wrong with the name of a client.
func CheckClientName(s string) error { return checkClientName(s) }

func checkClientName(s string) error {
	if !clientName.MatchString(s) {
		return fmt.Errorf("must be 1 to 64 of a-z 0-9 . _ -, not %s", quote(s))
	}
	return nil
}

func checkUserName(s string) error {
	if !userName.MatchString(s) {
		return fmt.Errorf("must be the name of a user, not %s", quote(s))
	}
	return nil
}

func checkGroupName(s string) error {
	if !userName.MatchString(s) {
		return fmt.Errorf("must be the name of a group, not %s", quote(s))
	}
	return nil
}

// checkAuthority takes what a caller may write as Host: a name or an address, and a
// port where it is not the usual one.
func checkAuthority(s string) error {
	host, p, err := net.SplitHostPort(s)
	if err != nil {
		host, p = s, ""
		if inner, ok := strings.CutPrefix(s, "["); ok {
			host = strings.TrimSuffix(inner, "]")
		}
	}
	if n, err := strconv.Atoi(p); p != "" && (err != nil || !port.MatchString(p) || n < 1 || n > 65535) || strings.HasSuffix(s, ":") {
		return fmt.Errorf("the port must be a number from 1 to 65535, not %s", quote(p))
	}
	if _, err := netip.ParseAddr(host); err != nil && !hostName.MatchString(host) {
		return fmt.Errorf("must be host or host:port, as callers write it in their URL, not %s", quote(s))
	}
	return nil
}

// certificateKey is the SHA-256 of a public key.
var certificateKey = regexp.MustCompile(`^[0-9A-Fa-f]{64}$`)

// checkCertificate takes what names the certificate of a caller.
func checkCertificate(s string) error {
	kind, what, _ := strings.Cut(s, ":")
	switch {
	case kind == "dns" && hostName.MatchString(what):
		return nil
	case kind == "sha256" && certificateKey.MatchString(what):
		return nil
	case kind == "uri":
		if u, err := url.Parse(what); err == nil && u.Scheme != "" && u.String() == what {
			return nil
		}
	}
	return fmt.Errorf("must be dns:NAME, uri:URI or sha256:HEX (64 digits, of the public key), not %s", quote(s))
}

// checkURL takes what a request can be sent to. A value with a password in it is not
// repeated.
func checkURL(s string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.Opaque != "":
		return errors.New("must be a URL that begins with http:// or https:// and names a host")
	case u.User != nil:
		return errors.New("must not hold a user or a password")
	case u.Fragment != "" || strings.HasSuffix(s, "#"):
		return errors.New("must not have a fragment (#…): it would not be sent")
	}
	return nil
}

func checkEnvPattern(s string) error {
	if !envPattern.MatchString(s) {
		return fmt.Errorf("must be the name of an environment variable, or the beginning of one and a *, not %s", quote(s))
	}
	return nil
}

func checkAbsolute(s string) error {
	if !filepath.IsAbs(s) {
		return fmt.Errorf("must be an absolute path, not %s", quote(s))
	}
	return nil
}

// checkSearchPath refuses relative and empty elements: execvp reads an empty one as
// the working directory, which is the caller's choice.
func checkSearchPath(s string) error {
	for dir := range strings.SplitSeq(s, ":") {
		if !filepath.IsAbs(dir) {
			return fmt.Errorf("must be absolute directories joined by colons; %s is not one", quote(dir))
		}
	}
	return nil
}

// checkAddress takes host:port, where host is an address or a name, or
// unix:/absolute/path.
func checkAddress(s string) error {
	if socket, ok := strings.CutPrefix(s, "unix:"); ok {
		switch {
		case !filepath.IsAbs(socket):
			return fmt.Errorf("a socket is written unix:/absolute/path, not %s", quote(s))
		case len(socket) > maxSocketPath:
			return fmt.Errorf("a socket's path may have %d bytes at most", maxSocketPath)
		}
		return nil
	}
	host, p, err := net.SplitHostPort(s)
	if err != nil {
		return fmt.Errorf("must be host:port, [IPv6]:port or unix:/absolute/path, not %s", quote(s))
	}
	if n, err := strconv.Atoi(p); err != nil || !port.MatchString(p) || n > 65535 {
		return fmt.Errorf("the port must be a number from 0 to 65535, not %s", quote(p))
	}
	if host == "" {
		return errors.New("name the address to listen on before the port: 127.0.0.1 for this machine only, 0.0.0.0 for every IPv4 network")
	}
	if _, err := netip.ParseAddr(host); err != nil && !hostName.MatchString(host) {
		return fmt.Errorf("%s is neither an address nor a host name", quote(host))
	}
	return nil
}
