package callback

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

const page = "../../docs/callbacks.md"

// TestScheduleIsDocumented holds that the documentation has the waits that the other tests assert.
func TestScheduleIsDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	words := func(d time.Duration) string {
		var parts []string
		for _, unit := range []struct {
			size time.Duration
			name string
		}{{time.Hour, "h"}, {time.Minute, "min"}, {time.Second, "s"}} {
			if n := d / unit.size; n > 0 {
				parts = append(parts, fmt.Sprint(int(n), " ", unit.name))
			}
			d %= unit.size
		}
		return strings.Join(parts, " ")
	}
	for i, w := range schedule {
		after := strconv.Itoa(i + 1)
		if i == len(schedule)-1 {
			after += " and more"
		}
		row := fmt.Sprintf("| %s | %s to %s |\n", after, words(w.least), words(w.most))
		if !strings.Contains(string(text), row) {
			t.Errorf("%s does not have the row %q", page, row)
		}
	}
}

// block returns the code block of the documentation in a language.
func block(t *testing.T, language string) string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "```"+language+"\n")
	code, _, closed := strings.Cut(rest, "```\n")
	if !found || !closed {
		t.Fatalf("%s has no block of %s", page, language)
	}
	return code
}

// A receiver is one of the documentation's, running.
type receiver struct {
	url   string
	lines *bufio.Scanner // what it prints
}

// startReceiver runs a program of the documentation with a file that holds a secret.
func startReceiver(t *testing.T, secret string, program ...string) receiver {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program[0], append(program[1:], file, "0")...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("the receiver said: %s", &stderr)
		}
	})
	r := receiver{lines: bufio.NewScanner(out)}
	first := r.line(t)
	port, ok := strings.CutPrefix(first, "listening on ")
	if !ok {
		t.Fatalf("the receiver began with %q", first)
	}
	r.url = "http://127.0.0.1:" + port
	return r
}

// line is the next line that it prints.
func (r receiver) line(t *testing.T) string {
	t.Helper()
	if !r.lines.Scan() {
		t.Fatalf("the receiver ended: %v", r.lines.Err())
	}
	return r.lines.Text()
}

// TestReceiversOfTheDocumentation runs the two receivers, delivers to them, and sends them what they must refuse.
func TestReceiversOfTheDocumentation(t *testing.T) {
	t.Parallel()
	const secret = "one that receivers know"
	for language, build := range map[string]func(t *testing.T) []string{"python": pythonReceiver, "go": goReceiver} {
		t.Run(language, func(t *testing.T) {
			t.Parallel()
			r := startReceiver(t, secret, build(t)...)
			for _, tt := range []struct {
				id      string
				secrets []string
				status  int
			}{
				{"unsigned", nil, 401},
				{"other", []string{"another secret"}, 401},
				{"right", []string{secret}, 200},
				{"right", []string{secret}, 200}, // again
				{"rotated", []string{"a new secret", secret}, 200},
			} {
				s := deliverOnce(t, r.url+"/hook?a=b", tt.id, tt.secrets)
				if s.StatusCode != tt.status {
					t.Fatalf("%s was answered %+v", tt.id, s)
				}
			}
			// Two lines of three messages, because one came twice, and none of what was refused.
			for _, want := range []string{"right 中", "rotated 中"} {
				if got := r.line(t); got != want {
					t.Errorf("the receiver printed %q, want %q", got, want)
				}
			}
			refuses(t, r, []byte(secret))
		})
	}
}

// refuses sends what is signed with the right secret and is not right.
func refuses(t *testing.T, r receiver, secret []byte) {
	t.Helper()
	body := []byte(`{"kwargs":{"stdout":"forged","stderr":""}}`)
	for _, tt := range []struct {
		name   string
		age    time.Duration
		change func(h http.Header, body []byte)
		status int
	}{
		{"old", 301 * time.Second, nil, 401},
		{"of the future", -302 * time.Second, nil, 401},
		{"another body", 0, func(_ http.Header, b []byte) { b[len(b)-3]++ }, 401},
		{"another delivery", 0, func(h http.Header, _ []byte) { h.Set(HeaderDelivery, "e") }, 401},
		{"another time", 0, func(h http.Header, _ []byte) { h.Set(HeaderTimestamp, h.Get(HeaderTimestamp)[:9]+"X") }, 401},
		{"no time", 0, func(h http.Header, _ []byte) { h.Del(HeaderTimestamp) }, 401},
		{"a very long time", 0, func(h http.Header, _ []byte) { h.Set(HeaderTimestamp, strings.Repeat("9", 5000)) }, 401},
		{"another version", 0, func(h http.Header, _ []byte) { h.Set(HeaderSignature, "v2"+h.Get(HeaderSignature)[2:]) }, 401},
		{"half a signature", 0, func(h http.Header, _ []byte) { h.Set(HeaderSignature, h.Get(HeaderSignature)[:35]) }, 401},
		{"no signature", 0, func(h http.Header, _ []byte) { h.Set(HeaderSignature, "") }, 401},
		{"a strange signature", 0, func(h http.Header, _ []byte) { h.Set(HeaderSignature, "v1=\xff, ,") }, 401},
		{"right after all", 0, nil, 200},
	} {
		sent := bytes.Clone(body)
		header := http.Header{HeaderDelivery: {"d"}}
		if err := sign(header, [][]byte{secret}, "d", time.Now().Add(-tt.age), bytes.NewReader(sent), int64(len(sent))); err != nil {
			t.Fatal(err)
		}
		if tt.change != nil {
			tt.change(header, sent)
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url, bytes.NewReader(sent))
		if err != nil {
			t.Fatal(err)
		}
		req.Header = header
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		resp.Body.Close()
		if resp.StatusCode != tt.status {
			t.Fatalf("%s is answered %d, want %d", tt.name, resp.StatusCode, tt.status)
		}
	}
	if got := r.line(t); got != "d forged" {
		t.Errorf("the receiver printed %q", got)
	}
}

// deliverOnce makes one attempt.
func deliverOnce(t *testing.T, url, id string, secrets []string) Settlement {
	t.Helper()
	settled := make(chan Settlement, 1)
	store := &fakeStore{onSettle: func(s Settlement) { settled <- s }}
	store.add(parcel{Delivery{ID: id, URL: url}, []byte(`{"kwargs":{"stdout":"中","stderr":""}}`)})
	cfg := Config{
		Store: store, Client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, Allowed: func(Destination) bool { return true },
		Timeout: time.Minute, Attempts: 12, MaxAge: time.Hour,
	}
	for _, s := range secrets {
		cfg.Secrets = append(cfg.Secrets, []byte(s))
	}
	d, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	s := <-settled
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	return s
}

func pythonReceiver(t *testing.T) []string {
	t.Helper()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("this host has no python3")
	}
	file := filepath.Join(t.TempDir(), "receiver.py")
	if err := os.WriteFile(file, []byte(block(t, "python")), 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{python, file}
}

func goReceiver(t *testing.T) []string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "receiver.go"), []byte(block(t, "go")), 0o600); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "build", "-o", "receiver", "receiver.go")
	build.Dir = dir
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v: %s", err, said)
	}
	return []string{filepath.Join(dir, "receiver")}
}
