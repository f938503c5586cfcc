package config

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// tracesPath is where collectors take spans (OTLP over HTTP), unless an endpoint has a path of its own.
const tracesPath = "/v1/traces"

// TracesURL is where spans are sent, or empty for nowhere.
func (t Telemetry) TracesURL() string {
	u, err := url.Parse(t.OTLPEndpoint)
	if err != nil || t.OTLPEndpoint == "" {
		return ""
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = tracesPath
	}
	return u.String()
}

// validateTelemetry holds that nothing of it is in vain, that tokens do not travel in the clear, and that what a profile shows stays on this machine.
func (d *decoder) validateTelemetry(c *Config) {
	t := &c.Telemetry
	if d.failed("telemetry") {
		return
	}
	if t.OTLPEndpoint == "" {
		for key, set := range map[string]bool{"otlp_headers_file": len(t.OTLPHeaders) > 0, "otlp_ca_file": t.OTLPCAFile != "", "trace_ratio": t.TraceRatio != Default().Telemetry.TraceRatio} {
			if set {
				d.complain("telemetry."+key, "needs telemetry.otlp_endpoint")
			}
		}
	} else if u, err := url.Parse(t.OTLPEndpoint); err == nil && u.Scheme == "http" {
		if len(t.OTLPHeaders) > 0 && !OnThisMachine(u.Hostname()) {
			d.complain("telemetry.otlp_headers_file", "would go over the network unencrypted: use https in otlp_endpoint, or a collector on 127.0.0.1")
		}
		if t.OTLPCAFile != "" {
			d.complain("telemetry.otlp_ca_file", "needs https in otlp_endpoint")
		}
	}
	if !t.Pprof || d.failed("admin_listen") {
		return
	}
	if c.AdminListen == "" {
		d.complain("telemetry.pprof", "needs admin_listen")
	} else if host, _, err := net.SplitHostPort(c.AdminListen); err == nil && !strings.HasPrefix(c.AdminListen, "unix:") && !OnThisMachine(host) {
		d.complain("telemetry.pprof", "shows how the gateway works inside and costs it time, and admin_listen is not on 127.0.0.1, ::1 or a Unix socket; listen there, or set it to false")
	}
}

// OnThisMachine reports whether host is an address that other machines cannot reach. A name may lead elsewhere, but for localhost.
func OnThisMachine(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.Unmap().IsLoopback()
}

// The bounds of a file of headers.
const (
	maxHeaders     = 16
	maxHeadersFile = 16 << 10
)

var headerName = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$")

// ownHeaders are said by the message itself.
var ownHeaders = []string{"Host", "Content-Length", "Content-Type", "Content-Encoding", "Transfer-Encoding", "Connection", "User-Agent"}

// headersFile is a private file of lines such as "Authorization: Bearer abc", or empty for none.
func headersFile(dst *[]Header) value {
	return scalar("a path", dst, func(d *decoder, n *yaml.Node) ([]Header, error) {
		s, err := stringOf(n)
		if err != nil || s == "" {
			return []Header{}, err
		}
		name, err := d.locate(s)
		if err != nil {
			return nil, err
		}
		f, err := open(name, privateFile)
		if err != nil {
			return nil, describe(err, s)
		}
		defer f.Close()
		d.private = append(d.private, name)
		content, err := io.ReadAll(io.LimitReader(f, maxHeadersFile+1))
		switch {
		case err != nil:
			return nil, describe(err, s)
		case len(content) > maxHeadersFile:
			return nil, fmt.Errorf("the file may have %d bytes at most", maxHeadersFile)
		}
		return readHeaders(content)
	})
}

// readHeaders reads lines of headers. What they hold is not repeated in errors.
func readHeaders(content []byte) ([]Header, error) {
	headers := []Header{}
	seen := map[string]bool{}
	lines := bufio.NewScanner(bytes.NewReader(content))
	for i := 1; lines.Scan(); i++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, text, ok := strings.Cut(line, ":")
		text = strings.TrimSpace(text)
		if !ok || !headerName.MatchString(name) || text == "" || hasControl(text) {
			return nil, fmt.Errorf("line %d of the file must be a header such as \"Authorization: Bearer …\"", i)
		}
		name = http.CanonicalHeaderKey(name)
		for _, own := range ownHeaders {
			if name == own {
				return nil, fmt.Errorf("line %d of the file: %s is the gateway's own", i, name)
			}
		}
		if seen[name] {
			return nil, fmt.Errorf("line %d of the file repeats %s", i, name)
		}
		seen[name] = true
		headers = append(headers, Header{name, NewSecret([]byte(text))})
	}
	switch {
	case lines.Err() != nil:
		return nil, lines.Err()
	case len(headers) == 0:
		return nil, errors.New("the file has no header; a line is written \"Authorization: Bearer …\"")
	case len(headers) > maxHeaders:
		return nil, fmt.Errorf("the file may have %d headers at most", maxHeaders)
	}
	return headers, nil
}
