package callback

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const receiverURL = "http://receiver.test:8088/hook"

const (
	receiverAddr = "receiver.test:8088"
	origin       = "http://" + receiverAddr
)

func TestDelivers(t *testing.T) {
	inWorld(t, func(w *world) {
		var got *http.Request
		var body string
		w.serve(receiverAddr, func(rw http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			got, body = r, string(b)
			rw.WriteHeader(http.StatusAccepted)
		})
		d := w.run()
		time.Sleep(time.Hour)
		w.store.add(parcel{Delivery{ID: "d-1", JobID: "j-1", URL: receiverURL + "?token=t%20t"}, []byte(`{"kwargs":{"stdout":"中文"}}`)})
		before := time.Now()
		d.Wake(origin)
		synctest.Wait()
		if got == nil {
			t.Fatal("nothing was received after Wake")
		}
		if got.Method != "POST" || got.RequestURI != "/hook?token=t%20t" || got.Host != receiverAddr || body != `{"kwargs":{"stdout":"中文"}}` {
			t.Errorf("received %s %s from %s with %q", got.Method, got.RequestURI, got.Host, body)
		}
		for header, want := range map[string]string{
			"Content-Type": "application/json", "User-Agent": "Sidegate", "X-Sidegate-Delivery": "d-1", "X-Sidegate-Attempt": "1",
		} {
			if value := got.Header.Values(header); len(value) != 1 || value[0] != want {
				t.Errorf("header %s is %q, want %q", header, value, want)
			}
		}
		want := Settlement{
			ID: "d-1", JobID: "j-1", Destination: origin, Attempt: 1, State: Delivered, Outcome: Acknowledged, StatusCode: 202, At: before.UTC().Round(0),
		}
		if s := w.store.of("d-1"); len(s) != 1 || s[0] != want {
			t.Errorf("settled %+v, want %+v", s, want)
		}
	})
}

func TestTransformedAttempts(t *testing.T) {
	inWorld(t, func(w *world) {
		var token, kind, body string
		w.serve(receiverAddr, func(rw http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			token, kind, body = r.Header.Get("Authorization"), r.Header.Get("Content-Type"), string(b)
		})
		w.cfg.Transform = func(_ context.Context, d Delivery, body Body) (Message, error) {
			switch d.Attempt {
			case 0:
				return Message{}, errors.New("plugin injector failed: deadline")
			case 1:
				return Message{Header: http.Header{"x-sidegate-delivery": {"forged"}}}, nil
			case 2:
				return Message{Header: http.Header{"Content-length": {"1"}}}, nil
			}
			return Message{Header: http.Header{"Authorization": {"Bearer t"}, "Content-Type": {"text/plain"}}, Body: []byte("new"), Changes: "c"}, nil
		}
		d := w.run()
		w.store.add(parcel{Delivery{ID: "d-1", URL: receiverURL}, []byte("old")})
		d.Wake(origin)
		time.Sleep(time.Hour)
		synctest.Wait()
		if token != "Bearer t" || kind != "text/plain" || body != "new" {
			t.Errorf("received %q, %q and %q", token, kind, body)
		}
		want := []string{
			"nothing was sent: plugin injector failed: deadline",
			"nothing was sent: the header X-Sidegate-Delivery cannot be set",
			"nothing was sent: the header Content-Length cannot be set", "",
		}
		settled := w.store.of("d-1")
		if len(settled) != len(want) {
			t.Fatalf("settled %+v", settled)
		}
		for i, s := range settled {
			if s.Error != want[i] || (s.Changes == "c") != (i == 3) {
				t.Errorf("attempt %d is %+v, want error %q", i+1, s, want[i])
			}
		}
	})
}

func TestFailuresAreTriedAgain(t *testing.T) {
	const secret = "hunter2"
	for _, tt := range []struct {
		name   string
		url    string // of the receiver when empty
		handle http.HandlerFunc
		raw    func(net.Conn)
		status int
		want   string
	}{
		{name: "500", status: 500, want: "the receiver answered 500",
			handle: func(rw http.ResponseWriter, _ *http.Request) { http.Error(rw, secret, 500) }},
		{name: "404", status: 404, want: "the receiver answered 404",
			handle: func(rw http.ResponseWriter, _ *http.Request) { http.Error(rw, secret, 404) }},
		{name: "redirect to metadata", status: 302, want: "the receiver answered 302, and redirects are not followed",
			handle: func(rw http.ResponseWriter, r *http.Request) {
				http.Redirect(rw, r, "http://169.254.169.254/latest/meta-data/?"+secret, http.StatusFound)
			}},
		{name: "redirect to itself", status: 307, want: "the receiver answered 307, and redirects are not followed",
			handle: func(rw http.ResponseWriter, r *http.Request) {
				http.Redirect(rw, r, r.URL.Path+"x", http.StatusTemporaryRedirect)
			}},
		{name: "status line with a text", status: 599, want: "the receiver answered 599",
			raw: answerRaw("HTTP/1.1 599 " + secret + "\r\nContent-Length: 0\r\n\r\n")},
		{name: "hangs", want: "no answer within 10s",
			handle: hang},
		{name: "hangs within its headers", want: "no answer within 10s",
			raw: func(c net.Conn) { answerRaw("HTTP/1.1 200 OK\r\nX-A: ")(c); io.Copy(io.Discard, c) }},
		{name: "writes a header for ever", want: "no answer within 10s",
			raw: func(c net.Conn) { drip(c, "HTTP/1.1 200 OK\r\nX-A: ", "a") }},
		{name: "writes headers for ever", want: "no answer within 10s",
			raw: func(c net.Conn) { drip(c, "HTTP/1.1 200 OK\r\n", "X-A: "+secret+"\r\n") }},
		{name: "has something else to say for ever", want: "no answer within 10s",
			raw: func(c net.Conn) { drip(c, "", "HTTP/1.1 102 Processing\r\nX-A: "+secret+"\r\n\r\n") }},
		{name: "writes too many headers", want: "the receiver gave no valid answer",
			raw: func(c net.Conn) {
				answerRaw("HTTP/1.1 200 OK\r\n" + strings.Repeat("X-A: "+strings.Repeat("a", 1000)+"\r\n", 40))(c)
				io.Copy(io.Discard, c)
			}},
		{name: "does not read", want: "no answer within 10s",
			raw: func(net.Conn) { time.Sleep(time.Minute) }},
		{name: "closes", want: "the receiver closed the connection without an answer",
			raw: answerRaw("")},
		{name: "not HTTP", want: "the receiver gave no valid answer",
			raw: answerRaw("SSH-2.0-" + secret + "\r\n")},
		{name: "malformed header", want: "the receiver gave no valid answer",
			raw: answerRaw("HTTP/1.1 200 OK\r\n" + secret + "\r\n\r\n")},
		{name: "malformed status", want: "the receiver gave no valid answer",
			raw: answerRaw("HTTP/1.1 " + secret + "\r\n\r\n")},
		{name: "switches protocols", status: 101, want: "the receiver answered 101",
			raw: func(c net.Conn) {
				answerRaw("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")(c)
				io.Copy(io.Discard, c) // and waits for the new protocol
			}},
		{name: "refuses", url: "http://nobody.test/hook", want: "dial tcp: connection refused"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				if tt.handle != nil {
					w.serve(receiverAddr, tt.handle)
				}
				if tt.raw != nil {
					w.raw(receiverAddr, tt.raw)
				}
				url := tt.url
				if url == "" {
					url = receiverURL
				}
				runFor := time.Second // less than the wait before a second attempt
				if strings.HasPrefix(tt.want, "no answer") {
					runFor = w.cfg.Timeout + time.Second
				}
				start := time.Now()
				got := w.one(url+"?key="+secret, runFor)
				if len(got) != 1 {
					t.Fatalf("%d attempts were settled: %+v", len(got), got)
				}
				s := got[0]
				if s.State != Retry || s.Attempt != 1 || s.StatusCode != tt.status || s.Error != tt.want {
					t.Errorf("settled %+v, want status %d and error %q", s, tt.status, tt.want)
				}
				if wait := s.NextAt.Sub(s.At); wait < firstDelay/2 || wait > firstDelay || s.At.Before(start) {
					t.Errorf("tried at %v, again after %v", s.At, wait)
				}
				if len(w.net.dials()) != 1 {
					t.Errorf("dialed %q, want once", w.net.dials())
				}
				w.end()
				if strings.Contains(w.logs.String(), secret) || !strings.Contains(w.logs.String(), tt.want) {
					t.Errorf("logged %s", w.logs)
				}
			})
		})
	}
}

// hang never answers. It reads the body, because the server notices that the
// client has gone only after that.
func hang(_ http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
}

// answerRaw reads a request and writes text instead of a proper answer.
func answerRaw(text string) func(net.Conn) {
	return func(c net.Conn) {
		c.Read(make([]byte, 64<<10))
		io.WriteString(c, text)
	}
}

// drip reads a request and answers a little every second, as long as somebody reads it.
func drip(c net.Conn, first, again string) {
	c.Read(make([]byte, 64<<10))
	for text := first + again; ; text = again {
		if _, err := io.WriteString(c, text); err != nil {
			return
		}
		time.Sleep(time.Second)
	}
}

// TestBodiesDoNotMatter has answers whose status came and whose body does not
// end in time.
func TestBodiesDoNotMatter(t *testing.T) {
	for name, every := range map[string]time.Duration{"giant": 0, "slow": time.Second} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				written := 0
				w.serve(receiverAddr, func(rw http.ResponseWriter, _ *http.Request) {
					block := make([]byte, 1024)
					for {
						n, err := rw.Write(block)
						if err == nil {
							err = http.NewResponseController(rw).Flush()
						}
						if err != nil {
							return
						}
						written += n
						time.Sleep(every)
					}
				})
				got := w.one(receiverURL, time.Minute)
				if len(got) != 1 || got[0].State != Delivered || got[0].StatusCode != 200 {
					t.Errorf("settled %+v", got)
				}
				if spent := got[0].At.Sub(w.store.dueAt()); spent > drainTime+time.Second {
					t.Errorf("the attempt took %v", spent)
				}
				if written > 2*maxDrain {
					t.Errorf("the receiver got rid of %d bytes", written)
				}
			})
		})
	}
}

// dueAt is when the first delivery of a bubble is due: its beginning.
func (s *fakeStore) dueAt() time.Time { return time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) }

func TestDeadWithoutAnAttempt(t *testing.T) {
	for _, tt := range []struct {
		name     string
		delivery Delivery
		age      time.Duration
		want     string
	}{
		{"no longer allowed", Delivery{URL: "http://other.test/a?key=hunter2"}, 0, "the configuration does not allow the destination http://other.test:80"},
		{"not a destination", Delivery{URL: "http://user:hunter2@receiver.test/"}, 0, "the destination must not have a user name or password"},
		{"too old", Delivery{URL: receiverURL}, 25 * time.Hour, "not delivered within 24h0m0s"},
		{"too many attempts", Delivery{URL: receiverURL, Attempt: 12}, 0, "not delivered in 12 attempts"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				allowed, err := NewAllowlist([]string{"http://receiver.test:8088/*"})
				if err != nil {
					t.Fatal(err)
				}
				w.cfg.Allowed = allowed.Allows
				tt.delivery.ID, tt.delivery.CreatedAt = "one", time.Now().Add(-tt.age)
				tt.delivery.Destination = "http://somewhere"
				w.store.add(parcel{Delivery: tt.delivery})
				w.run()
				synctest.Wait()
				got := w.store.of("one")
				if len(got) != 1 || got[0].State != Dead || got[0].Error != tt.want || got[0].Attempt != tt.delivery.Attempt {
					t.Errorf("settled %+v, want dead with %q", got, tt.want)
				}
				if len(w.net.dials()) > 0 {
					t.Errorf("dialed %q", w.net.dials())
				}
				w.end()
				if strings.Contains(w.logs.String(), "hunter2") {
					t.Errorf("logged %s", w.logs)
				}
			})
		})
	}
}

// TestCancelledAttemptDoesNotCount has a receiver that hangs while the gateway
// ends.
func TestCancelledAttemptDoesNotCount(t *testing.T) {
	inWorld(t, func(w *world) {
		w.serve(receiverAddr, hang)
		w.one(receiverURL, time.Second)
		w.end()
		if got := w.store.of("one"); len(got) > 0 || w.store.left() != 1 {
			t.Errorf("settled %+v, %d left", got, w.store.left())
		}
	})
}

// TestOutcomeIsCommittedAfterTheEnd has the context end between the answer and
// the commit.
func TestOutcomeIsCommittedAfterTheEnd(t *testing.T) {
	inWorld(t, func(w *world) {
		w.serve(receiverAddr, func(http.ResponseWriter, *http.Request) {})
		w.store.beforeSet = func(ctx context.Context, _ Settlement) error {
			go w.end()
			time.Sleep(time.Second)
			return ctx.Err()
		}
		got := w.one(receiverURL, time.Minute)
		if len(got) != 1 || got[0].State != Delivered {
			t.Errorf("settled %+v", got)
		}
	})
}

// TestStoreFailsToSettle holds that a receiver is not called again because the
// outcome of the first call cannot be committed for a while.
func TestStoreFailsToSettle(t *testing.T) {
	inWorld(t, func(w *world) {
		calls := 0
		w.serve(receiverAddr, func(http.ResponseWriter, *http.Request) { calls++ })
		repaired := time.Now().Add(5 * time.Minute)
		w.store.beforeSet = func(context.Context, Settlement) error {
			if time.Now().Before(repaired) {
				return errors.New("disk full")
			}
			return nil
		}
		got := w.one(receiverURL, 10*time.Minute)
		if calls != 1 || len(got) != 1 || got[0].State != Delivered {
			t.Errorf("%d calls, settled %+v", calls, got)
		}
	})
}

// TestStoreNeverSettles holds that one outcome that is refused for ever neither
// hammers its receiver nor keeps a place for ever.
func TestStoreNeverSettles(t *testing.T) {
	inWorld(t, func(w *world) {
		calls := 0
		w.serve(receiverAddr, func(http.ResponseWriter, *http.Request) { calls++ })
		w.store.beforeSet = func(context.Context, Settlement) error { return errors.New("corrupt") }
		w.one(receiverURL, 2*time.Hour)
		if calls < 2 || calls > 12 {
			t.Errorf("%d calls in two hours, want one in every 10 to 20 minutes", calls)
		}
	})
}

func TestStoreCannotBeRead(t *testing.T) {
	inWorld(t, func(w *world) {
		w.serve(receiverAddr, func(http.ResponseWriter, *http.Request) {})
		w.store.dueErr = errors.New("disk on fire")
		if got := w.one(receiverURL, time.Hour); len(got) > 0 {
			t.Errorf("settled %+v", got)
		}
		w.store.mu.Lock()
		asked := w.store.dues + w.store.surveys
		w.store.dueErr = nil
		w.store.mu.Unlock()
		if asked < 60 || asked > 140 {
			t.Errorf("the store was asked %d times in an hour", asked)
		}
		time.Sleep(maxStoreDelay)
		synctest.Wait()
		if got := w.store.of("one"); len(got) != 1 || got[0].State != Delivered {
			t.Errorf("after that, settled %+v", got)
		}
	})
}

// TestStoreCannotBeReadForOne has what waits for one destination damaged: the others get theirs.
func TestStoreCannotBeReadForOne(t *testing.T) {
	inWorld(t, func(w *world) {
		w.serve(receiverAddr, func(http.ResponseWriter, *http.Request) {})
		w.store.dueErr, w.store.dueErrOf = errors.New("malformed"), "http://damaged.test:80"
		w.store.add(deliveries(10, "damaged", "http://damaged.test/")...)
		w.store.add(deliveries(100, "d", receiverURL)...)
		d := w.run()
		synctest.Wait()
		if w.store.left() != 10 {
			t.Errorf("%d are left", w.store.left())
		}
		for range 100 {
			time.Sleep(time.Minute)
			w.store.add(deliveries(20, "e", receiverURL)...)
			d.Wake(origin)
			synctest.Wait()
			if w.store.left() != 10 {
				t.Fatalf("%d are left", w.store.left())
			}
		}
		if failures := strings.Count(w.logs.String(), "cannot read the callbacks"); failures < 100 || failures > 400 {
			t.Errorf("%d failures were logged in 100 minutes", failures)
		}
	})
}

// TestIdle holds that an empty store is not polled more than once a minute.
func TestIdle(t *testing.T) {
	inWorld(t, func(w *world) {
		w.run()
		time.Sleep(time.Hour + time.Second)
		synctest.Wait()
		if w.store.surveys != 61 || w.store.dues != 0 {
			t.Errorf("the store was asked %d times and %d times in an hour, want 61 and 0", w.store.surveys, w.store.dues)
		}
	})
}

func TestRunTwice(t *testing.T) {
	inWorld(t, func(w *world) {
		d := w.run()
		synctest.Wait()
		if err := d.Run(t.Context()); err == nil {
			t.Error("the second Run returned no error")
		}
	})
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	good := Config{
		Store: &fakeStore{}, Client: &http.Client{}, Allowed: func(Destination) bool { return true },
		Timeout: 1, Attempts: 1, MaxAge: 1,
	}
	if _, err := New(good); err != nil {
		t.Fatalf("a good configuration: %v", err)
	}
	for i, change := range []func(*Config){
		func(c *Config) { c.Store = nil },
		func(c *Config) { c.Client = nil },
		func(c *Config) { c.Allowed = nil },
		func(c *Config) { c.Timeout = 0 },
		func(c *Config) { c.MaxAge = -1 },
		func(c *Config) { c.Attempts = 0 },
		func(c *Config) { c.Concurrency = -1 },
		func(c *Config) { c.PerDestination = -1 },
	} {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			bad := good
			change(&bad)
			if d, err := New(bad); err == nil || d != nil {
				t.Error("New took it")
			}
		})
	}
}
