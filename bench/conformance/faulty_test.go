package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// serveFaulty as the first argument makes the test's program be a server that gets everything wrong.
const serveFaulty = "-serve-faulty"

const faultyWorkers = 4

// faulty gets everything wrong that the probes look for, so that each of them is seen to fail.
type faulty struct {
	dir   string        // where it keeps its jobs
	root  string        // what it lets read
	turns chan struct{} // held until a command has ended, whoever has left
}

// runFaulty is that server in a process that the test has made, and does not return there.
func runFaulty() {
	if len(os.Args) != 4 || os.Args[1] != serveFaulty {
		return
	}
	l, err := net.Listen("tcp", os.Args[2])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	f := &faulty{dir: os.Args[3], root: filepath.Join(os.Args[3], "files"), turns: make(chan struct{}, faultyWorkers)}
	http.HandleFunc("GET /{$}", func(http.ResponseWriter, *http.Request) {})
	http.HandleFunc("POST /run", f.run)
	http.HandleFunc("POST /read", f.read)
	http.HandleFunc("POST /start", f.start)
	http.HandleFunc("GET /jobs/{id}", f.job)
	fmt.Fprintln(os.Stderr, http.Serve(l, nil))
	os.Exit(1)
}

// run takes a signature without looking at it, and values from the query. It starts a shell with the words as they are, and reads the outputs one after
// the other, lines that have an end.
func (f *faulty) run(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(r.Body)
	var argv []string
	if err != nil || json.Unmarshal(text, &argv) != nil || len(argv) == 0 {
		http.Error(w, "no argv", http.StatusBadRequest)
		return
	}
	if r.URL.Query().Has("b") {
		argv[len(argv)-1] = r.URL.Query().Get("b")
	}
	if argv[2] != "busy" {
		f.turns <- struct{}{}
		defer func() { <-f.turns }()
	}
	for i, word := range argv {
		if word == "" {
			argv[i] = "''"
		}
	}
	cmd := exec.Command("sh", "-c", strings.Join(argv, " "))
	stdout, _ := cmd.StdoutPipe()
	stderr, _ := cmd.StderrPipe()
	if err := cmd.Start(); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	var out strings.Builder
	for lines := bufio.NewReader(stdout); ; {
		line, err := lines.ReadString('\n')
		if err != nil {
			break
		}
		out.WriteString(line)
	}
	errs, _ := io.ReadAll(stderr)
	_ = cmd.Wait() // how it ended is not told
	if !utf8.ValidString(out.String()) {
		http.Error(w, "cannot decode", http.StatusInternalServerError)
		return
	}
	fmt.Fprintf(w, `{"stdout": "%s", "stderr": "%s"}`, strings.ReplaceAll(out.String(), "\n", `\n`), strings.ReplaceAll(string(errs), "\n", `\n`))
}

// read compares the beginnings of paths.
func (f *faulty) read(w http.ResponseWriter, r *http.Request) {
	path, _ := io.ReadAll(r.Body)
	if !strings.HasPrefix(string(path), f.root) {
		http.Error(w, "not there", http.StatusForbidden)
		return
	}
	text, _ := os.ReadFile(string(path))
	_, _ = w.Write(text)
}

// start keeps a record of a job that only the end of the job corrects.
func (f *faulty) start(w http.ResponseWriter, r *http.Request) {
	var argv []string
	_ = json.NewDecoder(r.Body).Decode(&argv)
	_ = os.WriteFile(filepath.Join(f.dir, "job"), []byte("running"), 0o600)
	cmd := exec.Command(argv[0], argv[1:]...)
	if err := cmd.Start(); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	go func() {
		_ = cmd.Wait()
		_ = os.WriteFile(filepath.Join(f.dir, "job"), []byte("ended"), 0o600)
	}()
}

func (f *faulty) job(w http.ResponseWriter, _ *http.Request) {
	text, _ := os.ReadFile(filepath.Join(f.dir, "job"))
	_, _ = w.Write(text)
}

// startFaulty starts the server. It says that it has all that Sidegate has.
func startFaulty(t *testing.T, self string, s setup) *subject {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	var cmd *exec.Cmd
	serve := func(ctx context.Context) error {
		if cmd != nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
		cmd = exec.Command(self, serveFaulty, address, s.dir)
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			return err
		}
		up, _, err := within(ctx, patience, func() (bool, error) {
			resp, err := http.Get("http://" + address)
			if err == nil {
				_ = resp.Body.Close()
			}
			return err == nil, nil
		})
		if err == nil && !up {
			err = fmt.Errorf("the faulty server does not answer")
		}
		return err
	}
	if err := serve(t.Context()); err != nil {
		t.Fatal(err)
	}
	to := func(target string, body any) (call, error) {
		text, err := json.Marshal(body)
		return call{method: http.MethodPost, target: target, header: http.Header{"X-Signature": {"good"}}, body: text}, err
	}
	subject := &subject{
		name: "faulty", url: "http://" + address, pid: func() int { return cmd.Process.Pid }, restart: serve,
		close:     func() { _ = cmd.Process.Kill(); _ = cmd.Wait() },
		log:       func() string { return "" },
		signature: []string{"X-Signature"},
		timeout:   commandTimeout,
		workers:   faultyWorkers,
		call:      func(o order) (call, error) { return to("/run", o.argv(s.program)) },
		callAt:    func(o order, _ time.Time) (call, error) { return to("/run", o.argv(s.program)) },
		query:     func(o order, value string) (call, error) { return to("/run?b="+value, o.argv(s.program)) },
		result: func(r reply) result {
			var said struct{ Stdout, Stderr string }
			if err := json.Unmarshal(r.body, &said); err != nil {
				return result{ran: r.status == 200, broken: err.Error()}
			}
			return result{ran: r.status == 200, stdout: said.Stdout, stderr: said.Stderr}
		},
		claims: func(string) bool { return true },
	}
	subject.files = &files{root: filepath.Join(s.dir, "files"), read: func(path string) (call, error) {
		return call{method: http.MethodPost, target: "/read", header: http.Header{}, body: []byte(path)}, nil
	}}
	subject.jobs = &jobs{
		start: func(ctx context.Context, o order) (string, error) {
			c, err := to("/start", o.argv(s.program))
			if err == nil {
				_, err = subject.send(ctx, c)
			}
			return "job", err
		},
		status: func(ctx context.Context, id string) (string, error) {
			r, err := subject.send(ctx, call{method: http.MethodGet, target: "/jobs/" + id, header: http.Header{}})
			return string(r.body), err
		},
		over: func(status string) bool { return status != "running" },
	}
	return subject
}
