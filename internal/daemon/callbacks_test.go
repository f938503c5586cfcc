package daemon

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/sidegate/sidegate/internal/callback"
	"github.com/sidegate/sidegate/internal/egress"
	"github.com/sidegate/sidegate/internal/journal"
)

// openOutbox opens a journal and has callbacks for one job each in it.
func openOutbox(t testing.TB, urls ...string) *journal.Journal {
	t.Helper()
	j, err := journal.Open(context.Background(), journal.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	owe(t, j, urls...)
	return j
}

// owe stores jobs that have ended, each with a callback that is due.
func owe(t testing.TB, j *journal.Journal, urls ...string) {
	t.Helper()
	seq, err := j.Deliveries(t.Context(), journal.DeliveryFilter{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	first := 0
	if len(seq) > 0 {
		first = int(seq[0].Seq)
	}
	now := time.Now()
	var work sync.WaitGroup
	room := make(chan struct{}, 64)
	for i, url := range urls {
		room <- struct{}{}
		work.Go(func() {
			defer func() { <-room }()
			id := fmt.Sprintf("job-%06d", first+i)
			dest, err := callback.ParseDestination(url)
			if err == nil {
				err = j.Admit(context.Background(), journal.Admission{At: now, Begin: true, Job: &journal.NewJob{ID: id, Client: "c", AcceptedAt: now, Callback: url}})
			}
			if err == nil {
				err = j.Finish(context.Background(), journal.Outcome{JobID: id, Status: journal.Exited, At: now, Callback: &journal.Callback{
					DeliveryID: "for-" + id, URL: dest.String(), Destination: dest.Origin(), Body: journal.Bytes(`{"kwargs":{"stdout":"` + id + `","stderr":""}}`),
				}})
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	work.Wait()
}

// deliver delivers what a journal holds until the test ends.
func deliver(t testing.TB, j *journal.Journal, guard egress.Config) *callback.Deliverer {
	t.Helper()
	g, err := egress.New(guard)
	if err != nil {
		t.Fatal(err)
	}
	d, err := callback.New(callback.Config{
		Store: outbox{j}, Client: g.Client(time.Minute), Allowed: func(callback.Destination) bool { return true },
		Timeout: time.Minute, Attempts: 12, MaxAge: 24 * time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return d
}

// deliveryOf is what the journal says of the delivery for a job.
func deliveryOf(t testing.TB, j *journal.Journal, job string) journal.Delivery {
	t.Helper()
	all, err := j.Deliveries(t.Context(), journal.DeliveryFilter{JobID: job})
	if err != nil || len(all) != 1 {
		t.Fatalf("%d deliveries for %s, %v", len(all), job, err)
	}
	return all[0]
}

// TestDeadReceiverBesideOthers has 10,000 callbacks in the journal for a receiver that never answers, and one for another.
func TestDeadReceiverBesideOthers(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	came := map[string]bool{}
	release := make(chan struct{})
	dead := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		came[r.Header.Get("X-Sidegate-Delivery")] = true
		mu.Unlock()
		<-release
	}))
	defer dead.Close()
	defer close(release)
	well := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer well.Close()

	const n = 10_000
	j := openOutbox(t, slices.Repeat([]string{dead.URL + "/hook"}, n)...)
	owe(t, j, well.URL)
	d := deliver(t, j, egress.Config{})
	single := fmt.Sprintf("job-%06d", n)
	eventually(t, "the other has its callback", func() bool { return deliveryOf(t, j, single).State == journal.Delivered })
	for i := range 10 {
		start := time.Now()
		owe(t, j, well.URL)
		dest, _ := callback.ParseDestination(well.URL)
		d.Wake(dest.Origin())
		single = fmt.Sprintf("job-%06d", n+1+i)
		eventually(t, "the other has its callback", func() bool { return deliveryOf(t, j, single).State == journal.Delivered })
		t.Logf("a callback was stored and delivered in less than %v", time.Since(start))
	}
	// The journal knows that a callback is delivered a moment before the deliverer counts it as ended.
	eventually(t, "only what the dead one holds is under way", func() bool { return d.Stats().UnderWay == 4 })
	mu.Lock()
	defer mu.Unlock()
	if s := d.Stats(); len(came) != 4 || s.UnderWay != 4 {
		t.Errorf("%d came to the dead one; the numbers are %+v", len(came), s)
	}
}

// TestCallbackOutlivesARestart stops a gateway while a receiver works on a callback: the next gateway delivers it, with the same ID and as the same attempt.
func TestCallbackOutlivesARestart(t *testing.T) {
	t.Parallel()
	came := make(chan string, 8)
	release := make(chan struct{})
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		came <- r.Header.Get("X-Sidegate-Delivery") + " " + r.Header.Get("X-Sidegate-Attempt") + " " + string(body)
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	defer receiver.Close()
	s := newSite(t, t.TempDir(), "callbacks: {allow: [\""+receiver.URL+"/*\"]}\n")
	var first string
	for range 2 {
		d, url, stop := s.start(t)
		if first == "" {
			s.call(t, url, map[string]any{"command": "echo done", "callbackURL": receiver.URL + "/done"})
		}
		got := <-came
		if first == "" {
			first = got
		}
		if got != first || !strings.HasSuffix(got, ` 1 {"kwargs":{"stdout":"done\n","stderr":""}}`) {
			t.Errorf("after %q the receiver got %q", first, got)
		}
		all, err := d.journal.Deliveries(t.Context(), journal.DeliveryFilter{})
		if err != nil || len(all) != 1 || all[0].State != journal.Pending || all[0].Attempt != 0 {
			t.Errorf("the journal has %+v, %v", all, err)
		}
		stop()
	}
	close(release)
	d, _, _ := s.start(t)
	if got := <-came; got != first {
		t.Errorf("after %q the receiver got %q", first, got)
	}
	eventually(t, "it is settled", func() bool {
		all, err := d.journal.Deliveries(t.Context(), journal.DeliveryFilter{State: journal.Delivered})
		return err == nil && len(all) == 1 && all[0].Attempt == 1
	})
}

// TestSignedCallbacks holds that the configured secret signs.
func TestSignedCallbacks(t *testing.T) {
	t.Parallel()
	came := make(chan string, 1)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mac := hmac.New(sha256.New, []byte("only for callbacks"))
		fmt.Fprintf(mac, "v1\n%s\n%s\n%s", r.Header.Get("X-Sidegate-Delivery"), r.Header.Get("X-Sidegate-Timestamp"), body)
		if want, got := "v1="+hex.EncodeToString(mac.Sum(nil)), r.Header.Get("X-Sidegate-Signature"); got != want {
			t.Errorf("the signature is %q, want %q", got, want)
		}
		came <- string(body)
	}))
	defer receiver.Close()
	s := newSite(t, t.TempDir(), "callbacks: {allow: [\""+receiver.URL+"/*\"], secret_file: callback.secret, per_destination: 2}\n")
	write(t, filepath.Join(s.dir, "callback.secret"), "only for callbacks\n", 0o600)
	_, url, _ := s.start(t)
	s.call(t, url, map[string]any{"command": "echo signed", "callbackURL": receiver.URL + "/"})
	if got := <-came; got != `{"kwargs":{"stdout":"signed\n","stderr":""}}` {
		t.Errorf("came %s", got)
	}
}

// TestSecondLookup has a name that leads to a receiver first, and to a metadata service when it is looked up again for the next attempt.
func TestSecondLookup(t *testing.T) {
	t.Parallel()
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close")
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer receiver.Close()
	_, port, err := net.SplitHostPort(receiver.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	j := openOutbox(t, "http://rebind.test:"+port+"/")
	d := deliver(t, j, egress.Config{Resolver: lookups([4]byte{127, 0, 0, 1}, [4]byte{169, 254, 169, 254})})
	row := func() journal.Delivery { return deliveryOf(t, j, "job-000000") }
	eventually(t, "there was an attempt", func() bool { return row().Attempt == 1 })
	if got := row(); got.StatusCode != 503 {
		t.Fatalf("the first attempt is %+v", got)
	}
	// The attempt ends a little after its outcome is recorded.
	eventually(t, "it is asked for again", func() bool { return d.Retry(t.Context(), row().ID) == nil })
	eventually(t, "there was another attempt", func() bool { return row().Attempt == 2 })
	want := "dial tcp 169.254.169.254:" + port + ": egress: 169.254.169.254:" + port + " is refused: it is a cloud metadata service"
	if got := row(); got.StatusCode != 0 || got.LastError != want || got.State != journal.Pending || got.Earlier != 1 {
		t.Errorf("the second attempt is %+v", got)
	}
	if s := d.Stats(); s.Settled[callback.Forbidden] != 1 || s.Settled[callback.Rejected] != 1 {
		t.Errorf("the numbers are %+v", s)
	}
}

// lookups resolves every name to the first address, and from the second time on to the second.
func lookups(addresses ...[4]byte) *net.Resolver {
	var mu sync.Mutex
	answer := func(query []byte) ([]byte, error) {
		var m dnsmessage.Message
		if err := m.Unpack(query); err != nil {
			return nil, err
		}
		m.Response, m.Additionals = true, nil
		if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
			mu.Lock()
			m.Answers = []dnsmessage.Resource{{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, Type: q.Type}, Body: &dnsmessage.AResource{A: addresses[0]},
			}}
			addresses = addresses[min(1, len(addresses)-1):]
			mu.Unlock()
		}
		return m.Pack()
	}
	// What is no packet connection is spoken to as over TCP: with the length before each message.
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go func() {
			defer server.Close()
			var size [2]byte
			if _, err := io.ReadFull(server, size[:]); err != nil {
				return
			}
			query := make([]byte, binary.BigEndian.Uint16(size[:]))
			if _, err := io.ReadFull(server, query); err != nil {
				return
			}
			if reply, err := answer(query); err == nil {
				_, _ = server.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(reply))), reply...))
			}
		}()
		return client, nil
	}}
}
