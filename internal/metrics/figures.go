package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// prefix begins the name of every figure.
const prefix = "sidegate_"

// figures are families of which all are read at once.
type figures struct {
	descs []*prometheus.Desc
	read  func(out chan<- prometheus.Metric)
}

var _ prometheus.Collector = (*figures)(nil)

// Describe implements prometheus.Collector.
func (f *figures) Describe(out chan<- *prometheus.Desc) {
	for _, d := range f.descs {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (f *figures) Collect(out chan<- prometheus.Metric) { f.read(out) }

// A value tells one figure of a family.
type value func(out chan<- prometheus.Metric, v float64, labels ...string)

func (f *figures) gauge(name, help string, labels ...string) value {
	return f.value(prometheus.GaugeValue, name, help, labels)
}

func (f *figures) counter(name, help string, labels ...string) value {
	return f.value(prometheus.CounterValue, name, help, labels)
}

func (f *figures) value(kind prometheus.ValueType, name, help string, labels []string) value {
	desc := f.desc(name, help, labels)
	return func(out chan<- prometheus.Metric, v float64, labels ...string) {
		m, err := prometheus.NewConstMetric(desc, kind, v, labels...)
		if err != nil {
			m = prometheus.NewInvalidMetric(desc, err)
		}
		out <- m
	}
}

func (f *figures) desc(name, help string, labels []string) *prometheus.Desc {
	d := prometheus.NewDesc(prefix+name, help, labels, nil)
	f.descs = append(f.descs, d)
	return d
}

// A Histogram counts values: Counts[i] those up to Bounds[i] and above the bound before it, and one more count those above the last bound.
type Histogram struct {
	Bounds []float64
	Counts []uint64
	Sum    float64 // of the values
}

func (f *figures) histogram(name, help string) func(out chan<- prometheus.Metric, h Histogram) {
	desc := f.desc(name, help, nil)
	return func(out chan<- prometheus.Metric, h Histogram) {
		upTo := make(map[float64]uint64, len(h.Bounds))
		var n uint64
		for i, count := range h.Counts {
			n += count
			if i < len(h.Bounds) {
				upTo[h.Bounds[i]] = n
			}
		}
		m, err := prometheus.NewConstHistogram(desc, n, h.Sum, upTo)
		if err != nil {
			m = prometheus.NewInvalidMetric(desc, err)
		}
		out <- m
	}
}

// truth is 1 for what is so.
func truth(so bool) float64 {
	if so {
		return 1
	}
	return 0
}

// stamp is a time as Prometheus has it, in seconds since 1970; 0 for none.
func stamp(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1e3
}

// age is how long ago something was, in seconds; 0 for none.
func age(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return max(0, time.Since(t).Seconds())
}

// certificateFigures has nothing where there is no certificate.
func certificateFigures(read func() time.Time) *figures {
	f := new(figures)
	expiry := f.gauge("tls_certificate_expiry_timestamp_seconds", "When the certificate that callers are shown ceases to be valid.")
	f.read = func(out chan<- prometheus.Metric) {
		if end := read(); !end.IsZero() {
			expiry(out, stamp(end))
		}
	}
	return f
}

// buildFigures say which Sidegate this is.
func buildFigures(version, releaseDate string) *figures {
	f := new(figures)
	info := f.gauge("build_info", "Which Sidegate this is; always 1.", "version", "release_date")
	f.read = func(out chan<- prometheus.Metric) { info(out, 1, version, releaseDate) }
	return f
}
