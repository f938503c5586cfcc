package jobs

import (
	"log/slog"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newQueue returns a queue that logs nowhere.
func newQueue(tb testing.TB, concurrency, length int) *Queue {
	tb.Helper()
	q, err := New(Config{Concurrency: concurrency, Length: length, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		tb.Fatal(err)
	}
	return q
}

// reserve takes a place that must be there.
func reserve(tb testing.TB, q *Queue) *Place {
	tb.Helper()
	p, err := q.Reserve("c")
	if err != nil {
		tb.Fatalf("Reserve: %v", err)
	}
	return p
}
