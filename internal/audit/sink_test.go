package audit

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// A receiver is a sink that tests can break.
type receiver struct {
	mu    sync.Mutex
	got   []int64 // sizes of what it has taken
	tries int
	fail  error
	hang  bool
}

func (r *receiver) sink(name string) Sink {
	return Sink{Name: name, Send: func(ctx context.Context, c string) error {
		r.mu.Lock()
		r.tries++
		fail, hang := r.fail, r.hang
		r.mu.Unlock()
		if hang {
			<-ctx.Done()
			return ctx.Err()
		}
		if fail != nil {
			return fail
		}
		told, err := Unverified(c)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.got = append(r.got, told.Size)
		return err
	}}
}

func (r *receiver) set(fail error, hang bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fail, r.hang = fail, hang
}

func (r *receiver) taken() ([]int64, int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got), r.tries
}

// TestSinks: one that fails and one that hangs keep neither the Maker nor the others up, and get everything in order once they are back.
func TestSinks(t *testing.T) {
	t.Parallel()
	good, bad, stuck := &receiver{}, &receiver{fail: errors.New("away")}, &receiver{hang: true}
	inWorld(t, 0, 0, MakerConfig{Leaves: 1, Sinks: []Sink{good.sink("good"), bad.sink("bad"), stuck.sink("stuck")}}, func(w *world) {
		began := time.Now()
		for range 250 { // more than are read at once
			w.add(1)
			time.Sleep(time.Millisecond)
		}
		pass(8 * time.Hour)
		all := w.signed()
		if got, _ := good.taken(); len(all) != 250 || !slices.Equal(got, all) {
			w.Fatalf("%d were made, and the good sink has %d", len(all), len(got))
		}
		got, tries := bad.taken()
		if state := w.maker.Sinks()[1]; len(got) != 0 || tries < 8*12 || tries > 8*30 || state.Failures != tries || state.Since.Sub(began) > time.Second || state.Size != 0 {
			w.Errorf("the bad sink was tried %d times in 8 hours, has %v, and is said to be %+v", tries, got, state)
		}
		if n := strings.Count(w.said.String(), "sink=bad"); n != tries {
			w.Errorf("%d failures were told %d times", tries, n)
		}
		bad.set(nil, false)
		stuck.set(nil, false)
		pass(6 * time.Minute)
		for i, r := range []*receiver{good, bad, stuck} {
			if got, _ := r.taken(); !slices.Equal(got, all) {
				w.Errorf("sink %d has %d in the end: %v", i, len(got), got)
			}
			if state := w.maker.Sinks()[i]; state.Size != all[len(all)-1] || state.Failures != 0 || !state.Since.IsZero() {
				w.Errorf("%+v", state)
			}
		}
		if !strings.Contains(w.said.String(), "sent again") {
			w.Error("that it works again was not told")
		}
	})
}

// TestSinksAtTheEnd: the last checkpoint is offered once more, and one that hangs is given up.
func TestSinksAtTheEnd(t *testing.T) {
	t.Parallel()
	good, bad, stuck := &receiver{}, &receiver{fail: errors.New("away")}, &receiver{hang: true}
	inWorld(t, 0, 0, MakerConfig{Sinks: []Sink{good.sink("good"), bad.sink("bad"), stuck.sink("stuck")}}, func(w *world) {
		w.add(3)
		pass(20 * time.Minute)
		w.add(3)
		bad.set(nil, false)
		began := time.Now()
		w.stop()
		if took := time.Since(began); took > 2*closing {
			w.Errorf("it took %v to end", took)
		}
		for _, r := range []*receiver{good, bad} {
			if got, _ := r.taken(); !slices.Equal(got, []int64{3, 7}) {
				w.Error(got)
			}
		}
	})
}

// TestWhereSinksGoOn: after a restart a sink gets what it has not, or, if that is not known, the newest.
func TestWhereSinksGoOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := newLog(t, 44, 10)
		behind, unknown, foreign, upToDate := &receiver{}, &receiver{}, &receiver{}, &receiver{}
		sinks := []Sink{behind.sink("behind"), unknown.sink("unknown"), foreign.sink("foreign"), upToDate.sink("up to date")}
		sinks[0].Last, sinks[2].Last, sinks[3].Last = log.checkpoints[1].Note, newLog(t, 22, 10).checkpoints[1].Note, log.checkpoints[3].Note
		w := newWorld(t, log, MakerConfig{Sinks: sinks})
		pass(time.Minute)
		w.stop()
		for name, c := range map[string]struct {
			r    *receiver
			want []int64
		}{"behind": {behind, []int64{32, 43}}, "unknown": {unknown, []int64{43}}, "foreign": {foreign, []int64{43}}, "up to date": {upToDate, nil}} {
			if got, _ := c.r.taken(); !slices.Equal(got, c.want) {
				t.Errorf("%s: got %v, want %v", name, got, c.want)
			}
		}
	})
}

func TestFileSink(t *testing.T) {
	t.Parallel()
	log := newLog(t, 55, 10)
	notes := []string{log.checkpoints[0].Note, log.checkpoints[1].Note, log.checkpoints[2].Note, log.checkpoints[3].Note}
	path := filepath.Join(t.TempDir(), "checkpoints")
	sink, err := FileSink(path)
	if err != nil || sink.Last != "" {
		t.Fatal(sink, err)
	}
	send := func(note string) {
		t.Helper()
		if err := sink.Send(t.Context(), note); err != nil {
			t.Fatal(err)
		}
	}
	send(notes[0])
	send(notes[1])
	if text := read(t, path); text != notes[0]+"\n"+notes[1]+"\n" {
		t.Errorf("%q", text)
	}
	if again, err := FileSink(path); err != nil || again.Last != notes[1] {
		t.Errorf("%q, %v", again.Last, err)
	}
	// What a crash cut off stays where it is; nothing behind it is lost.
	write(t, path, notes[0]+"\n"+notes[1]+"\n"+notes[2][:100], 0o644)
	if again, err := FileSink(path); err != nil || again.Last != notes[1] {
		t.Errorf("%q, %v", again.Last, err)
	}
	send(notes[3])
	if again, err := FileSink(path); err != nil || again.Last != notes[3] {
		t.Errorf("%q, %v", again.Last, err)
	}
	if k, err := ReadKept(path, strings.NewReader(read(t, path)), log.key.Known()); err != nil || k.Len() != 3 || len(k.wrong) > 0 || len(k.fragments) != 1 {
		t.Errorf("%+v, %v", k, err)
	}
	// Moved away, it is made anew.
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	send(notes[0])
	if text := read(t, path); text != notes[0]+"\n" {
		t.Errorf("%q", text)
	}
	// A long one is read from its end.
	write(t, path, strings.Repeat(notes[0]+"\n", 1000)+notes[1], 0o644)
	if again, err := FileSink(path); err != nil || again.Last != notes[1] {
		t.Errorf("%q, %v", again.Last, err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestFileSinkRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	write(t, path("nonsense"), strings.Repeat("x", maxNoteLine+1), 0o644)
	write(t, path("long nonsense"), strings.Repeat("x\n\n", maxNote), 0o644)
	if err := errors.Join(os.Symlink("elsewhere", path("link")), os.Mkdir(path("dir"), 0o755), syscall.Mkfifo(path("fifo"), 0o644)); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"nonsense": "no file of checkpoints", "long nonsense": "no file of checkpoints", "link": "too many levels of symbolic links",
		"dir": "not a regular file", "fifo": "not a regular file",
	} {
		if _, err := FileSink(path(name)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"link", "dir", "fifo", "missing/file"} {
		if err := appendTo(path(name), "x\n"); err == nil {
			t.Errorf("%s was written to", name)
		}
	}
}

// TestFileSinkFails: what cannot be written is said.
func TestFileSinkFails(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	write(t, path, "", 0o644)
	f, err := os.Open(path) // for reading only
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := appendNote(f, "x\n"); !errors.Is(err, syscall.EBADF) {
		t.Error(err)
	}
}

func TestLogSink(t *testing.T) {
	t.Parallel()
	var said bytes.Buffer
	log := newLog(t, 11, 10)
	if err := LogSink(slog.New(slog.NewJSONHandler(&said, nil))).Send(t.Context(), log.checkpoints[0].Note); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(said.String(), log.key.Origin()) || strings.Count(said.String(), "\n") != 1 {
		t.Error(said.String())
	}
}

func TestHTTPSink(t *testing.T) {
	t.Parallel()
	var got []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body bytes.Buffer
		_, _ = body.ReadFrom(r.Body)
		got = append(got, r.Method+" "+r.URL.Path+" "+r.Header.Get("Content-Type")+" "+body.String())
		switch r.URL.Path {
		case "/moved":
			http.Redirect(w, r, "/taken", http.StatusTemporaryRedirect)
		case "/failing":
			http.Error(w, "a secret of the receiver", http.StatusInternalServerError)
		case "/broken":
			conn, _, _ := http.NewResponseController(w).Hijack()
			_, _ = conn.Write([]byte("secret nonsense\r\n\r\n"))
			conn.Close()
		}
	}))
	defer server.Close()
	for path, want := range map[string]string{
		"/taken?token=s3cret":   "",
		"/moved?token=s3cret":   "the receiver answered 307",
		"/failing?token=s3cret": "the receiver answered 500",
		"/broken?token=s3cret":  "the receiver gave no valid answer",
	} {
		got = nil
		err := HTTPSink(server.Client(), server.URL+path).Send(t.Context(), "a checkpoint\n")
		if want == "" && err != nil || want != "" && (err == nil || err.Error() != want) {
			t.Errorf("%s: %v", path, err)
		}
		name, _, _ := strings.Cut(path, "?")
		if !slices.Equal(got, []string{"POST " + name + " text/plain; charset=utf-8 a checkpoint\n"}) {
			t.Errorf("%s: %q", path, got)
		}
	}
	address := server.URL
	server.Close()
	for _, url := range []string{address + "/?token=s3cret", "://s3cret"} {
		if err := HTTPSink(http.DefaultClient, url).Send(t.Context(), "x\n"); err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Error(err)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := HTTPSink(http.DefaultClient, address).Send(ended, "x\n"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
