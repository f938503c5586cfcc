package metrics

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

const (
	// DefaultLookupTime is what looking figures up may take at a scrape.
	DefaultLookupTime = 2 * time.Second
	// scrapeTime is what a scrape may take. That of Prometheus is 10 s, unless it is told otherwise.
	scrapeTime = 8 * time.Second
	// scrapes are those that are answered at once.
	scrapes = 4
)

// Config is what New needs. The functions are called at each scrape, by one scrape at a time; those without a context must not block. Figures of a
// function that is nil are left out.
type Config struct {
	Version, ReleaseDate string
	JobStatuses          []string // that jobs end with: each is counted from zero, so that the first is seen to be one more

	Limits    func() Limits
	Queue     func() Queue
	Journal   func() Journal
	Lookup    func(context.Context) (Lookup, error) // what has to be looked up in the journal
	Callbacks func() Callbacks
	Audit     func() Audit
	Policy    func() Policy
	Plugins   func() []Plugin
	Sandbox   func() []Profile
	Traces    func() Traces
	// CertificateEnd is when the certificate for callers ceases to be valid; zero without TLS.
	CertificateEnd func() time.Time

	LookupTime time.Duration // 0 means DefaultLookupTime
	Log        *slog.Logger  // nil means slog.Default
}

// Metrics counts what it is told, and answers scrapes. Make one with New; it is safe for concurrent use. It holds nothing that is to be closed.
type Metrics struct {
	registry *prometheus.Registry
	page     http.Handler
	events
}

// New returns Metrics that have counted nothing.
func New(c Config) (*Metrics, error) {
	if c.LookupTime < 0 {
		return nil, errors.New("metrics: LookupTime must not be negative")
	}
	if c.LookupTime == 0 {
		c.LookupTime = DefaultLookupTime
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	m := &Metrics{registry: prometheus.NewRegistry(), events: newEvents(c)}
	// A figure that does not fit is a mistake in this package, and every test of it finds it.
	for _, collector := range append(m.collectors(), c.collectors()...) {
		if err := m.registry.Register(collector); err != nil {
			return nil, fmt.Errorf("metrics: %w", err)
		}
	}
	m.page = promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorLog: errorLog{c.Log}, ErrorHandling: promhttp.ContinueOnError, // one figure that cannot be had does not hide the others
		MaxRequestsInFlight: scrapes, CoalesceGather: true, Timeout: scrapeTime,
	})
	return m, nil
}

// collectors are those that read at each scrape.
func (c Config) collectors() []prometheus.Collector {
	all := []prometheus.Collector{
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), buildFigures(c.Version, c.ReleaseDate),
	}
	if c.Limits != nil {
		all = append(all, limitFigures(c.Limits))
	}
	if c.Queue != nil {
		all = append(all, queueFigures(c.Queue))
	}
	if c.Journal != nil {
		all = append(all, journalFigures(c.Journal))
	}
	if c.Lookup != nil {
		l := newLookup(c.Lookup, c.LookupTime, c.Log)
		all = append(all, l.failures, lookupFigures(l))
	}
	if c.Callbacks != nil {
		all = append(all, callbackFigures(c.Callbacks))
	}
	if c.Audit != nil {
		all = append(all, auditFigures(c.Audit))
	}
	if c.Policy != nil {
		all = append(all, policyFigures(c.Policy))
	}
	if c.Plugins != nil {
		all = append(all, pluginFigures(c.Plugins))
	}
	if c.Sandbox != nil {
		all = append(all, sandboxFigures(c.Sandbox))
	}
	if c.Traces != nil {
		all = append(all, traceFigures(c.Traces))
	}
	if c.CertificateEnd != nil {
		all = append(all, certificateFigures(c.CertificateEnd))
	}
	return all
}

// ServeHTTP answers a scrape.
func (m *Metrics) ServeHTTP(w http.ResponseWriter, r *http.Request) { m.page.ServeHTTP(w, r) }

var _ http.Handler = (*Metrics)(nil)

// errorLog tells what went wrong at a scrape.
type errorLog struct{ log *slog.Logger }

func (l errorLog) Println(v ...any) {
	l.log.Warn("some figures could not be had", "error", fmt.Sprint(v...))
}
