package daemon

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/sidegate/sidegate/internal/callback"
	"github.com/sidegate/sidegate/internal/egress"
)

// BenchmarkCallback measures from the commit of a callback to its arrival, beside so many that wait for a receiver which never answers.
func BenchmarkCallback(b *testing.B) {
	for _, waiting := range []int{0, 100, 10_000} {
		b.Run(strconv.Itoa(waiting)+" waiting", func(b *testing.B) {
			release, came := make(chan struct{}), make(chan time.Time, 1)
			dead := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
			defer dead.Close()
			defer close(release)
			well := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { came <- time.Now() }))
			defer well.Close()
			j := openOutbox(b, slices.Repeat([]string{dead.URL}, waiting)...)
			d := deliver(b, j, egress.Config{})
			dest, err := callback.ParseDestination(well.URL)
			if err != nil {
				b.Fatal(err)
			}
			var took []time.Duration
			for b.Loop() {
				owe(b, j, well.URL)
				start := time.Now()
				d.Wake(dest.Origin())
				took = append(took, (<-came).Sub(start))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
		})
	}
}

// BenchmarkBacklog measures how fast a backlog leaves for receivers that answer at once.
func BenchmarkBacklog(b *testing.B) {
	const n = 5000
	for _, receivers := range []int{1, 16} {
		b.Run(strconv.Itoa(receivers)+" receivers", func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				came := make(chan struct{}, n)
				var urls []string
				for range receivers {
					well := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { came <- struct{}{} }))
					defer well.Close()
					urls = append(urls, slices.Repeat([]string{well.URL}, n/receivers)...)
				}
				j := openOutbox(b, urls...)
				b.StartTimer()
				deliver(b, j, egress.Config{})
				for range urls {
					<-came
				}
			}
			b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "deliveries/s")
		})
	}
}
