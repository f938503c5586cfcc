package peers

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"time"

	"github.com/sidegate/sidegate/internal/trial"
)

// serveBare as the first argument makes a program be the bare handler.
const serveBare = "-serve-bare"

// RunChild is the bare handler in a process that StartBare has made, and does not return there. Call it first in main, and in TestMain.
func RunChild() {
	if len(os.Args) < 2 || os.Args[1] != serveBare {
		return
	}
	flags := flag.NewFlagSet("bare", flag.ExitOnError)
	timeout := flags.Duration("timeout", time.Minute, "how long a command may run")
	_ = flags.Parse(os.Args[2:]) // it exits
	if err := serve(*timeout); err != nil {
		fmt.Fprintln(os.Stderr, "bare:", err)
		os.Exit(1)
	}
}

// StartBare starts this program again as the bare handler. Two routes take {"argv": [...]} by POST: /run answers when the command has ended, with its output
// as JSON, or with 500 where it failed, and /stream sends standard output as it comes. A command has the timeout to end.
func StartBare(ctx context.Context, timeout time.Duration) (*Server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	address, err := trial.FreeAddress()
	if err != nil {
		return nil, err
	}
	return start(ctx, address, "", self, serveBare, "-timeout", timeout.String(), address)
}

// serve is the least that does it: no signature, no policy, no journal, no sandbox. It has a timeout, by the means that os/exec has for it.
func serve(timeout time.Duration) error {
	l, err := net.Listen("tcp", os.Args[len(os.Args)-1])
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /run", func(w http.ResponseWriter, r *http.Request) {
		cmd, cancel := command(w, r, timeout)
		if cmd == nil {
			return
		}
		defer cancel()
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		if err := cmd.Run(); err != nil {
			http.Error(w, err.Error()+"\n"+stderr.String(), http.StatusInternalServerError)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]string{"stdout": stdout.String(), "stderr": stderr.String()})
	})
	mux.HandleFunc("POST /stream", func(w http.ResponseWriter, r *http.Request) {
		cmd, cancel := command(w, r, timeout)
		if cmd == nil {
			return
		}
		defer cancel()
		cmd.Stdout = w
		if err := cmd.Run(); err != nil {
			panic(http.ErrAbortHandler)
		}
	})
	mux.HandleFunc("GET /{$}", func(http.ResponseWriter, *http.Request) {})
	return http.Serve(l, mux)
}

func command(w http.ResponseWriter, r *http.Request, timeout time.Duration) (*exec.Cmd, context.CancelFunc) {
	var order struct{ Argv []string }
	if err := json.NewDecoder(r.Body).Decode(&order); err != nil || len(order.Argv) == 0 {
		http.Error(w, fmt.Sprintf("no argv: %v", err), http.StatusBadRequest)
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(r.Context(), timeout)
	return exec.CommandContext(ctx, order.Argv[0], order.Argv[1:]...), cancel
}
