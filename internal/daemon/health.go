package daemon

import (
	"crypto/x509"
	"fmt"
	"time"

	"github.com/sidegate/sidegate/gateway"
	"github.com/sidegate/sidegate/internal/config"
)

// certificateWarning is how long before the end of the gateway's certificate that is told.
const certificateWarning = 14 * 24 * time.Hour

// watch says what an operator should know of parts that the gateway does not know. None of it keeps requests from being served.
func (d *Daemon) watch() []gateway.Check {
	audit := gateway.Check{Name: "audit", OK: true, Advisory: true}
	if err := d.maker.Broken(); err != nil {
		audit.OK, audit.Reason, audit.Detail = false, gateway.ReasonAuditBroken, "the log is not signed any more: "+err.Error()+"; run sidegate audit verify"
	}
	checks := []gateway.Check{audit}
	for _, s := range d.maker.Sinks() {
		if s.Failures > 0 {
			checks = append(checks, gateway.Check{
				Name: "checkpoints to " + s.Name, Reason: gateway.ReasonCheckpointsStay, Advisory: true,
				Detail: fmt.Sprintf("%d attempts failed since %s; the log says why", s.Failures, s.Since.UTC().Format(time.RFC3339)),
			})
		}
	}
	if end := d.certificateEnd(); !end.IsZero() && time.Until(end) < certificateWarning {
		checks = append(checks, gateway.Check{
			Name: "certificate", Reason: gateway.ReasonCertificate, Detail: "tls.cert_file is valid until " + end.UTC().Format(time.RFC3339), Advisory: true,
		})
	}
	return checks
}

// certificateEnd is when the certificate that callers are shown ceases to be valid; zero without TLS.
func (d *Daemon) certificateEnd() time.Time {
	return d.securing.now.Load().end()
}

// certificateEndOf is the same of a configuration; zero where it cannot be read, which is told elsewhere.
func certificateEndOf(c config.TLS) time.Time {
	s, err := readSecure(c)
	if err != nil {
		return time.Time{}
	}
	return s.end()
}

func (s *secure) end() time.Time {
	if s == nil || len(s.config.Certificates) == 0 {
		return time.Time{}
	}
	pair := s.config.Certificates[0]
	leaf := pair.Leaf
	if leaf == nil {
		var err error
		if leaf, err = x509.ParseCertificate(pair.Certificate[0]); err != nil {
			return time.Time{}
		}
	}
	return leaf.NotAfter
}
