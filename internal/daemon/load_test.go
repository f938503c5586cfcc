package daemon

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sidegate/sidegate/internal/auth"
)

// TestThousandCalls makes a thousand calls at concurrency 64, of which one in a hundred leaves as soon as its command
// runs: none is lost, none runs twice, and afterwards nothing is left.
func TestThousandCalls(t *testing.T) {
	const calls, concurrency, leaveEvery = 1000, 64, 100
	leaks := goleak.IgnoreCurrent()
	_, _, stopFirst := newSite(t, filepath.Join(t.TempDir(), "state"), "").start(t)
	stopFirst() // what the process keeps for ever, it has now
	descriptors := openDescriptors(t)
	s := newSite(t, filepath.Join(t.TempDir(), "state"), "")
	_, url, stop := s.start(t)
	ran := filepath.Join(s.dir, "out", "ran")
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: concurrency}}

	work := make(chan int)
	var callers sync.WaitGroup
	for range concurrency {
		callers.Go(func() {
			for i := range work {
				call := oneCall
				if i%leaveEvery == 0 {
					call = leavingCall
				}
				err := call(client, url, ran, i)
				for try := 1; errors.Is(err, errUndecided) && try < 20; try++ {
					err = call(client, url, ran, i)
				}
				if err != nil {
					t.Errorf("call %d: %v", i, err)
				}
			}
		})
	}
	for i := range calls {
		work <- i
	}
	close(work)
	callers.Wait()
	client.CloseIdleConnections()
	stop() // drains: also those whose callers have left are done now

	text, err := os.ReadFile(ran)
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	for _, line := range strings.Fields(string(text)) {
		counts[line]++
	}
	for i := range calls {
		if n := counts[fmt.Sprint(i)]; n != 1 {
			t.Errorf("command %d ran %d times", i, n)
		}
	}
	goleak.VerifyNone(t, leaks)
	if now := openDescriptors(t); now > descriptors {
		t.Errorf("%d descriptors are open, %d were before", now, descriptors)
	}
	if left := children(t); len(left) > 0 {
		t.Errorf("processes are left: %v", left)
	}
}

// errUndecided says that the policy did not come to an answer in time, on a host that is this busy: nothing ran, and the caller is to try again.
var errUndecided = errors.New("503 policy_timeout")

func oneCall(client *http.Client, url, ran string, i int) error {
	req, err := signed(context.Background(), url, auth.NewNonce(), map[string]any{"command": fmt.Sprintf("sh -c 'echo %d >> %s; echo done %d'", i, ran, i)})
	if err != nil {
		return err
	}
	a, err := send(client, req)
	if err != nil {
		return err
	}
	if a.Reason == "policy_timeout" {
		return errUndecided
	}
	if a.Status != http.StatusOK || a.Data.Stdout != fmt.Sprintf("done %d\n", i) || a.Data.ExitCode != 0 {
		return fmt.Errorf("answered %+v", a)
	}
	return nil
}

// leavingCall hangs up as soon as its command has begun.
func leavingCall(client *http.Client, url, ran string, i int) error {
	ctx, leave := context.WithCancel(context.Background())
	defer leave()
	begun := fmt.Sprintf("%s.begun.%d", ran, i)
	req, err := signed(ctx, url, auth.NewNonce(), map[string]any{"command": fmt.Sprintf("sh -c 'touch %s; sleep 0.2; echo %d >> %s'", begun, i, ran)})
	if err != nil {
		return err
	}
	go func() {
		defer leave()
		for range 1000 {
			if _, err := os.Stat(begun); err == nil {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	}()
	a, err := send(client, req)
	switch {
	case err == nil && a.Reason == "policy_timeout":
		return errUndecided
	case !errors.Is(err, context.Canceled):
		return fmt.Errorf("the caller did not leave: %w", err)
	}
	return nil
}

func openDescriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("this host has no /proc/self/fd to count descriptors in")
	}
	return len(entries)
}

// children lists the processes whose parent is this one.
func children(t *testing.T) []string {
	t.Helper()
	tasks, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil || len(tasks) == 0 {
		t.Skip("this kernel lists no children: it lacks CONFIG_PROC_CHILDREN")
	}
	var all []string
	for _, task := range tasks {
		text, err := os.ReadFile(task)
		if err != nil {
			continue // a thread that has ended
		}
		all = append(all, strings.Fields(string(text))...)
	}
	return all
}
