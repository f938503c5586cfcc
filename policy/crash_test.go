package policy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/fsnotify/fsnotify"
	"go.uber.org/goleak"
)

// These are set in the processes that the tests here start and kill.
const (
	crashDir = "SIDEGATE_TEST_CRASH_DIR"
	crashURL = "SIDEGATE_TEST_CRASH_URL"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDir); dir != "" {
		fmt.Fprintln(os.Stderr, takeBundles(dir, os.Getenv(crashURL)))
		os.Exit(1)
	}
	// OPA's log plugin sleeps a second between attempts to send what is left when it stops.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/open-policy-agent/opa/v1/plugins/logs.(*Plugin).flushDecisions.func1"))
}

// takeBundles polls until it is killed, and prints each revision that decides.
func takeBundles(dir, url string) error {
	config := remote(url, dir)
	config.Logger = discard
	decides := make(chan string, 100)
	config.OnChange = func(s Status) { decides <- s.Revision }
	if _, err := New(context.Background(), config); err != nil {
		return err
	}
	for revision := range decides {
		fmt.Println(revision)
	}
	return nil
}

// victim is a process that takes bundles.
type victim struct {
	*exec.Cmd
	said *strings.Builder // what it printed; to be read after kill
}

func startVictim(t *testing.T, dir, url string) victim {
	t.Helper()
	v := victim{exec.Command(os.Args[0]), new(strings.Builder)}
	v.Env = append(os.Environ(), crashDir+"="+dir, crashURL+"="+url)
	v.Stdout = v.said
	if err := v.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.kill(t) })
	return v
}

func (v victim) kill(t *testing.T) {
	t.Helper()
	if v.ProcessState != nil {
		return
	}
	if err := v.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = v.Wait() // it was killed
}

// place is where a gateway keeps its bundles.
type place struct{ dir string }

func (p place) bundle() string { return filepath.Join(p.dir, "policy/bundles/main/bundle.tar.gz") }
func (p place) floors() string { return filepath.Join(p.dir, "policy/floors.json") }

// restart starts a gateway whose server is down, and returns the revision that
// decides, 0 for none.
func (p place) restart(t *testing.T) int {
	t.Helper()
	server := newBundleServer(t)
	server.stop()
	e, _ := openRemote(t, remote(server.URL, p.dir))
	defer e.Close(t.Context())
	s := e.Status()
	if !s.Ready {
		if _, err := os.Stat(p.bundle()); err == nil {
			t.Fatalf("there is a bundle, and nothing decides: %v", s.LastError)
		}
		return 0
	}
	n, err := strconv.Atoi(s.Revision)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// tidy checks that nothing is left of files that were being written, and that
// nobody else can read or change the others.
func (p place) tidy(t *testing.T) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(p.dir, "policy"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has the mode %v", path, info.Mode())
		}
		if known := []string{p.bundle(), p.floors()}; !entry.IsDir() && !slices.Contains(known, path) {
			t.Errorf("%s was left behind", path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestKill9 kills a process when it has just touched files for the n-th time,
// over and over in the same place. Afterwards what decides is never older than
// what did before, and there is always something.
func TestKill9(t *testing.T) {
	t.Parallel()
	const touches = 8 // each of two files is made, written, and renamed from and to
	server := newBundleServer(t)
	p := place{t.TempDir()}
	newest := 0
	for round := 1; round <= 2*touches; round++ {
		server.put(rules(strconv.Itoa(round), unless("r")).bytes(t))
		touched, done := p.watch(t)
		v := startVictim(t, p.dir, server.URL)
		for range 1 + round%touches {
			<-touched
		}
		v.kill(t)
		done()
		newest = max(newest, last(t, v.said.String()))
		now := p.restart(t)
		if now < newest || now > round {
			t.Fatalf("round %d: revision %d decides, and %d did before", round, now, newest)
		}
		newest = now
		p.tidy(t)
	}
	// And it goes on from there.
	server.put(rules("100", unless("r")).bytes(t))
	e, changes := openRemote(t, remote(server.URL, p.dir))
	await(t, changes, decidesBy("100"))
	e.Close(t.Context())
	p.tidy(t)
}

// last is the newest revision in what a victim has printed.
func last(t *testing.T, said string) int {
	t.Helper()
	newest := 0
	for revision := range strings.FieldsSeq(said) {
		n, err := strconv.Atoi(revision)
		if err != nil {
			t.Fatalf("the process said %q", said)
		}
		newest = max(newest, n)
	}
	return newest
}

// watch tells of everything that happens to the files of a place, until done.
func (p place) watch(t *testing.T) (events <-chan fsnotify.Event, done func()) {
	t.Helper()
	w, err := fsnotify.NewWatcher()
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{filepath.Dir(p.bundle()), filepath.Dir(p.floors())} {
		if err := errors.Join(os.MkdirAll(dir, 0o700), w.Add(dir)); err != nil {
			t.Fatal(err)
		}
	}
	return w.Events, func() { _ = w.Close() }
}

// TestKill9BetweenBundleAndFloor kills a process at the two points where the
// order of its steps counts: before the new bundle is kept, and after that but
// before the floor is raised.
func TestKill9BetweenBundleAndFloor(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		stop  func(place) string // at the reading of which file
		after int                // what decides after a restart
	}{
		"before the bundle is kept":  {place.bundle, 1},
		"before the floor is raised": {place.floors, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := place{t.TempDir()}
			first := newBundleServer(t)
			first.put(rules("1", unless("r")).bytes(t))
			e, changes := openRemote(t, remote(first.URL, p.dir))
			await(t, changes, decidesBy("1"))
			e.Close(t.Context())

			// When it asks the server, a gateway has read what is kept.
			second := rules("2", unless("r")).bytes(t)
			asked, answer := make(chan struct{}, 10), make(chan struct{})
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked <- struct{}{}
				select {
				case <-answer:
					_, _ = w.Write(second)
				case <-r.Context().Done():
				}
			}))
			t.Cleanup(server.Close)
			v := startVictim(t, p.dir, server.URL)
			<-asked
			undo, stopped := stopAt(t, test.stop(p))
			close(answer)
			<-stopped
			v.kill(t)
			undo()
			if n := last(t, v.said.String()); n != 1 {
				t.Errorf("revision %d decided already", n)
			}
			if n := p.restart(t); n != test.after {
				t.Errorf("revision %d decides, want %d", n, test.after)
			}
			floor, err := os.ReadFile(p.floors())
			if want := fmt.Sprintf(`"revision": "%d"`, test.after); err != nil || !strings.Contains(string(floor), want) {
				t.Errorf("the floor is %s, error %v", floor, err)
			}
			p.tidy(t)
		})
	}
}

// stopAt makes a named pipe of a file. Whoever reads the file next stops there,
// which is told, and undo puts the file back.
func stopAt(t *testing.T, file string) (undo func(), stopped <-chan struct{}) {
	t.Helper()
	aside := filepath.Join(t.TempDir(), "aside")
	if err := os.Rename(file, aside); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(file, 0o600); err != nil {
		t.Skip("no named pipes here:", err)
	}
	reached := make(chan struct{})
	go func() {
		defer close(reached)
		pipe, err := os.OpenFile(file, os.O_WRONLY, 0) // waits for the reader
		if err != nil {
			t.Error(err)
			return
		}
		t.Cleanup(func() { _ = pipe.Close() })
	}()
	return func() {
		if err := os.Rename(aside, file); err != nil {
			t.Fatal(err)
		}
	}, reached
}

// The other order cannot come of a kill; were it to come of a disk that lost a
// file, the gateway takes nothing old, says so, and goes on with what it is sent.
func TestFloorAboveKeptBundle(t *testing.T) {
	t.Parallel()
	p := place{t.TempDir()}
	server := newBundleServer(t)
	server.stop()
	write(t, p.dir, map[string]string{
		"policy/bundles/main/bundle.tar.gz": string(rules("1", unless("r")).bytes(t)),
		"policy/floors.json":                `{"main": {"revision": "2"}}`,
	})
	e, changes := openRemote(t, remote(server.URL, p.dir))
	if s := e.Status(); s.Ready || !errors.Is(s.LastError, ErrRollback) {
		t.Errorf("status %+v", s)
	}
	server.resume()
	server.put(rules("2", unless("r")).bytes(t))
	await(t, changes, decidesBy("2"))
	e.Close(t.Context())
	if n := p.restart(t); n != 2 {
		t.Errorf("revision %d decides", n)
	}
}

// What a killed process left half-written is removed, and nothing else is.
func TestUnfinishedFilesAreRemoved(t *testing.T) {
	t.Parallel()
	p := place{t.TempDir()}
	server := newBundleServer(t)
	server.put(rules("1", unless("r")).bytes(t))
	write(t, p.dir, map[string]string{
		"policy/bundles/main/.bundle.tar.gz.123": "half", "policy/.floors.json.456": "half", "policy/notes": "mine",
	})
	e, changes := openRemote(t, remote(server.URL, p.dir))
	await(t, changes, decidesBy("1"))
	e.Close(t.Context())
	for name, want := range map[string]bool{"policy/bundles/main/.bundle.tar.gz.123": false, "policy/.floors.json.456": false, "policy/notes": true} {
		if _, err := os.Stat(filepath.Join(p.dir, name)); (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What others could exchange is not taken for what was kept.
func TestKeptIsNobodyElses(t *testing.T) {
	t.Parallel()
	p := place{t.TempDir()}
	server := newBundleServer(t)
	server.put(rules("1", unless("r")).bytes(t))
	config := remote(server.URL, p.dir)
	run := func(ok func(Status) bool) Status {
		e, changes := openRemote(t, config)
		defer e.Close(t.Context())
		return await(t, changes, ok)
	}
	run(decidesBy("1"))
	p.tidy(t)
	server.stop()
	chmod(t, p.bundle(), 0o666)
	if s := run(refusing); s.Ready || !errors.Is(s.LastError, ErrExposed) || !strings.Contains(s.LastError.Error(), "chmod go-w "+p.bundle()) {
		t.Errorf("status %+v", s)
	}
	// The server's is as good as ever, and is kept so that nobody can change it.
	server.resume()
	run(decidesBy("1"))
	p.tidy(t)
	chmod(t, p.floors(), 0o666)
	if _, err := New(t.Context(), config); !errors.Is(err, ErrExposed) || !strings.Contains(err.Error(), p.floors()) {
		t.Errorf("error %v", err)
	}
	chmod(t, p.floors(), 0o600)
	chmod(t, filepath.Dir(p.floors()), 0o777)
	if _, err := New(t.Context(), config); !errors.Is(err, ErrExposed) || !strings.Contains(err.Error(), "the directory of the policy bundles") {
		t.Errorf("error %v", err)
	}
}
