package journal

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"
)

// epoch is the time at which most tests happen.
var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// receiver is where most callbacks go.
const receiver = "http://127.0.0.1:8088"

// nonces makes every test nonce a different one.
var nonces atomic.Uint64

func testConfig(dir string) Config {
	return Config{Dir: dir, Logger: slog.New(slog.DiscardHandler), LowWater: -1, Ballast: -1}
}

// openTest opens a journal that is closed with the test.
func openTest(tb testing.TB, dir string) *Journal {
	tb.Helper()
	return openWith(tb, testConfig(dir))
}

func openWith(tb testing.TB, c Config) *Journal {
	tb.Helper()
	j, err := Open(tb.Context(), c)
	if err != nil {
		tb.Fatalf("Open: %v", err)
	}
	tb.Cleanup(func() {
		if err := j.Close(); err != nil {
			tb.Errorf("Close: %v", err)
		}
	})
	return j
}

// newNonce returns a nonce that was never used, signed at the given time.
func newNonce(signed time.Time) Nonce {
	n := Nonce{Client: "func", SignedAt: signed, Expires: signed.Add(5 * time.Minute)}
	binary.BigEndian.PutUint64(n.Value[8:], nonces.Add(1))
	return n
}

// freshNonce is newNonce for an admission.
func freshNonce(signed time.Time) *Nonce {
	n := newNonce(signed)
	return &n
}

// admission returns one for a job with this ID and a realistic size.
func admission(id string) Admission {
	return Admission{
		Nonce: freshNonce(epoch),
		At:    epoch.Add(time.Second),
		Job: &NewJob{
			ID: id, Client: "func", DecisionID: "d-" + id, Command: "df -h /",
			Request: []byte(`{"command":"df -h /"}`), Spec: []byte(`{"argv":["/usr/bin/df","-h","/"],"timeout":"60s"}`),
			Revision: "r1", AcceptedAt: epoch, Expires: epoch.Add(time.Hour), Callback: "http://127.0.0.1:8088/done",
		},
	}
}

// outcome returns an ordinary end of a job, with a callback.
func outcome(id string) Outcome {
	return Outcome{
		JobID: id, Status: Exited, ExitCode: 3, At: epoch.Add(2 * time.Second), Duration: 1500 * time.Microsecond,
		Stdout: Stream{Content: Bytes("out of " + id), Bytes: 1 << 20, Truncated: true}, Stderr: Stream{Content: Bytes("err"), Bytes: 3},
		Result:   []byte(`{"enforced":[]}`),
		Callback: &Callback{DeliveryID: "c-" + id, Destination: receiver, URL: receiver + "/done", Body: Bytes(`{"kwargs":{}}`)},
	}
}

// inState brings a new job to the given status and returns its ID.
func inState(tb testing.TB, j *Journal, s Status) string {
	tb.Helper()
	id := fmt.Sprintf("job-%d", nonces.Add(1))
	must(tb, j.Admit(tb.Context(), admission(id)))
	if s == Accepted {
		return id
	}
	must(tb, j.Begin(tb.Context(), Start{JobID: id, At: epoch.Add(time.Second)}))
	if s == Running {
		return id
	}
	o := outcome(id)
	o.Status = s
	must(tb, j.Finish(tb.Context(), o))
	return id
}

// read returns a stored output.
func read(tb testing.TB, r *Reader, id string, s StreamName) string {
	tb.Helper()
	return readAll(tb)(r.OpenOutput(tb.Context(), id, s))
}

// readAll reads what was opened, and closes it.
func readAll(tb testing.TB) func(*Content, error) string {
	tb.Helper()
	return func(c *Content, err error) string {
		tb.Helper()
		must(tb, err)
		text, err := c.ReadAll()
		must(tb, errors.Join(err, c.Close(), c.Close()))
		return string(text)
	}
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// wantErr fails unless err is an *Error around the sentinel; a nil sentinel means success.
func wantErr(tb testing.TB, err, sentinel error) {
	tb.Helper()
	if !errors.Is(err, sentinel) {
		tb.Fatalf("error is %v, want %v", err, sentinel)
	}
	if _, ok := errors.AsType[*Error](err); sentinel != nil && !ok {
		tb.Fatalf("error %v is a %T, want an *Error", err, err)
	}
}

// hold queues an operation that keeps the writer busy until the returned function is called.
func hold(tb testing.TB, j *Journal) (release func()) {
	tb.Helper()
	busy, free, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- j.writer.do(context.Background(), op{name: "hold", run: func(*statements) error {
			close(busy)
			<-free
			return nil
		}})
	}()
	<-busy
	return func() {
		close(free)
		must(tb, <-ended)
	}
}

func sqlText(s string) sql.NullString { return sql.NullString{String: s, Valid: true} }
