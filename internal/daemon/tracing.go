package daemon

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/sidegate/sidegate/internal/callback"
	"github.com/sidegate/sidegate/internal/config"
	"github.com/sidegate/sidegate/internal/egress"
	"github.com/sidegate/sidegate/internal/metrics"
	"github.com/sidegate/sidegate/internal/tracing"
)

const (
	// traceTime bounds one attempt to send spans.
	traceTime = 10 * time.Second
	// lastTraces is what sending the last spans may take when the gateway stops.
	lastTraces = 5 * time.Second
)

// openTracing begins to send traces, where the configuration names somebody who takes them. They leave through the dial guard, as whatever else does.
func (d *Daemon) openTracing(c *config.Config, build Build) error {
	t := c.Telemetry
	if t.TracesURL() == "" {
		return nil
	}
	guard, err := egress.New(egress.Config{Own: d.addresses})
	if err != nil {
		return err
	}
	client := guard.Client(traceTime)
	if t.OTLPCAFile != "" {
		roots, err := certificates(t.OTLPCAFile)
		if err != nil {
			return fmt.Errorf("%s: telemetry.otlp_ca_file: %w", c.Position("telemetry.otlp_ca_file"), err)
		}
		client.Transport.(*http.Transport).TLSClientConfig.RootCAs = roots
	}
	header := http.Header{}
	for _, h := range t.OTLPHeaders {
		header.Set(h.Name, string(h.Value.Bytes()))
	}
	if d.tracer, err = tracing.New(tracing.Config{
		Endpoint: t.TracesURL(), Client: client, Header: header, Ratio: t.TraceRatio, Version: build.Version, Host: c.Host.Name, Log: d.log,
	}); err != nil {
		return err
	}
	d.closers = append(d.closers, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), lastTraces)
		defer cancel()
		if d.tracer.Close(ctx) != nil {
			d.log.Warn("the last traces could not be sent")
		}
		return nil
	})
	return nil
}

// certificates reads those of authorities.
func certificates(file string) (*x509.CertPool, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate", file)
	}
	return pool, nil
}

// tracedCallbacks has attempts to deliver callbacks traced, where anything is. The delivery starts after the gateway has been made.
func (d *Daemon) tracedCallbacks() func(context.Context, callback.Delivery) (string, func(callback.Settlement)) {
	if d.tracer == nil {
		return nil
	}
	return func(ctx context.Context, delivery callback.Delivery) (string, func(callback.Settlement)) {
		return d.gateway.TraceCallback(ctx, delivery)
	}
}

func (d *Daemon) traceFigures() metrics.Traces { return metrics.Traces(d.tracer.Stats()) }
