package callback

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestSignatureVector holds a signature that was made by other means:
//
//	printf 'v1\n0190a1b2-c3d4\n1732252800\n{"kwargs":{"stdout":"\xe4\xb8\xad"}}' | openssl dgst -sha256 -hmac 'a secret'
func TestSignatureVector(t *testing.T) {
	t.Parallel()
	body := []byte(`{"kwargs":{"stdout":"中"}}`)
	header := make(http.Header)
	err := sign(header, [][]byte{[]byte("a secret")}, "0190a1b2-c3d4", time.Unix(1732252800, 999), bytes.NewReader(body), int64(len(body)))
	if err != nil {
		t.Fatal(err)
	}
	want := "v1=617ea17386e147f9a981135c604de05b58edc5f936648b7290750581203ad71f"
	if header.Get(HeaderTimestamp) != "1732252800" || header.Get(HeaderSignature) != want || len(header) != 2 {
		t.Errorf("the headers are %q, want %s", header, want)
	}
}

// TestSignedAttempts holds that every attempt has a signature of its own time, made of what is sent, with every secret; that nothing else can set
// one; and that without a secret there is none.
func TestSignedAttempts(t *testing.T) {
	for name, secrets := range map[string][][]byte{"no secret": nil, "one": {[]byte("old")}, "two": {[]byte("old"), []byte("new")}} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				var timestamps []string
				w.serve(receiverAddr, func(rw http.ResponseWriter, r *http.Request) {
					var body bytes.Buffer
					body.ReadFrom(r.Body)
					timestamps = append(timestamps, r.Header.Get(HeaderTimestamp))
					want := make(http.Header)
					if secrets != nil {
						sign(want, secrets, "one", time.Now(), bytes.NewReader(body.Bytes()), int64(body.Len()))
					}
					for _, name := range []string{HeaderTimestamp, HeaderSignature} {
						if got := r.Header.Get(name); got != want.Get(name) || len(r.Header.Values(name)) > 1 {
							t.Errorf("%s is %q, want %q", name, got, want.Get(name))
						}
					}
					if signatures := len(strings.Fields(r.Header.Get(HeaderSignature))); signatures != len(secrets) {
						t.Errorf("there are %d signatures", signatures)
					}
					rw.WriteHeader(500)
				})
				w.cfg.Secrets = secrets
				w.cfg.Transform = func(_ context.Context, d Delivery, body Body) (Message, error) {
					switch d.Attempt {
					case 0:
						return Message{}, nil
					case 1:
						return Message{Body: []byte("changed")}, nil
					}
					return Message{Body: []byte{}}, nil
				}
				w.cfg.Attempts = 3
				w.one(receiverURL, time.Minute)
				if len(timestamps) != 3 || secrets != nil && (timestamps[0] == timestamps[1] || timestamps[1] == timestamps[2]) {
					t.Errorf("the timestamps are %q", timestamps)
				}
			})
		})
	}
}

// TestDamagedBodyIsNotSent holds that what is not what was stored is sent to nobody, and counts as an attempt.
func TestDamagedBodyIsNotSent(t *testing.T) {
	inWorld(t, func(w *world) {
		w.serve(receiverAddr, func(http.ResponseWriter, *http.Request) { t.Error("it was sent") })
		w.store.bodyErr = errors.New("the digest differs")
		got := w.one(receiverURL, time.Second)
		if len(got) != 1 || got[0].State != Retry || got[0].Outcome != NotSent || got[0].Error != "nothing was sent: its body cannot be read: the digest differs" {
			t.Errorf("settled %+v", got)
		}
	})
}

// TestLargeBodyIsSentWhole has one that is not read into memory, once over a new connection and once over one that was kept.
func TestLargeBodyIsSentWhole(t *testing.T) {
	inWorld(t, func(w *world) {
		want := bytes.Repeat([]byte("0123456789abcdef"), 3*smallBody/16)
		var got [][]byte
		w.serve(receiverAddr, func(_ http.ResponseWriter, r *http.Request) {
			var body bytes.Buffer
			body.ReadFrom(r.Body)
			if r.ContentLength != int64(len(want)) || r.Header.Get(HeaderSignature) == "" {
				t.Errorf("length %d, headers %q", r.ContentLength, r.Header)
			}
			got = append(got, body.Bytes())
		})
		w.cfg.Secrets = [][]byte{[]byte("s")}
		d := w.run()
		for _, id := range []string{"a", "b"} {
			w.store.add(parcel{Delivery{ID: id, URL: receiverURL}, want})
			d.Wake(origin)
			synctest.Wait()
		}
		if len(got) != 2 || !bytes.Equal(got[0], want) || !bytes.Equal(got[1], want) || len(w.net.dials()) != 1 {
			t.Errorf("%d came over %d connections", len(got), len(w.net.dials()))
		}
	})
}
