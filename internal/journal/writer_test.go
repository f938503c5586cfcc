package journal

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Operations that wait at the same time share a commit.
func TestGroupCommit(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		j := openTest(t, dir)
		before := j.Stats()
		release := hold(t, j)
		var group sync.WaitGroup
		for i := range 64 {
			group.Go(func() { must(t, j.Admit(t.Context(), admission(fmt.Sprint(i)))) })
		}
		synctest.Wait() // all are in the queue
		if n := j.Stats().Queued; n != 64 {
			t.Fatalf("%d operations wait", n)
		}
		release()
		group.Wait()
		after := j.Stats()
		if n := after.Commits - before.Commits; n != 2 {
			t.Errorf("%d commits for the operation that held the writer and 64 that waited, want 2", n)
		}
		if n := after.Operations - before.Operations; n != 65 {
			t.Errorf("%d operations, want 65", n)
		}
	})
}

// What one batch may carry is bounded.
func TestBatchIsBounded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		j := openTest(t, dir)
		before := j.Stats()
		release := hold(t, j)
		var group sync.WaitGroup
		for i := range 4 {
			a := admission(fmt.Sprint(i))
			a.Job.Spec = make([]byte, maxBatchBytes/2)
			group.Go(func() { must(t, j.Admit(t.Context(), a)) })
		}
		synctest.Wait()
		release()
		group.Wait()
		if n := j.Stats().Commits - before.Commits; n != 3 {
			t.Errorf("%d commits, want 3: one that held the writer, and two of two large operations", n)
		}
	})
}

// Refused operations in the middle of a batch leave no trace and do not disturb the others.
func TestRefusalsInABatch(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		j := openTest(t, dir)
		must(t, j.Admit(t.Context(), admission("taken")))
		used := admission("replay")
		must(t, j.Admit(t.Context(), Admission{Nonce: used.Nonce}))
		violation := op{name: "constraint", run: func(*statements) error {
			_, err := j.writer.conn.ExecContext(context.Background(), "INSERT INTO meta (id, floor, beat) VALUES (1, 0, 0)")
			return err
		}}

		before := j.Stats()
		release := hold(t, j)
		var (
			group sync.WaitGroup
			errs  [9]error
		)
		submit := func(i int, f func() error) {
			group.Go(func() { errs[i] = f() })
			synctest.Wait() // one after the other, so that the refused ones are in between
		}
		submit(0, func() error { return j.Admit(t.Context(), admission("first")) })
		submit(1, func() error { return j.Admit(t.Context(), used) })
		submit(2, func() error { return j.Admit(t.Context(), admission("second")) })
		submit(3, func() error { return j.Admit(t.Context(), admission("taken")) })
		submit(4, func() error { return j.Begin(t.Context(), Start{JobID: "nobody", At: epoch}) })
		submit(5, func() error { return j.Begin(t.Context(), Start{JobID: "first", At: epoch}) }) // sees what came before it in the batch
		submit(6, func() error { return j.Begin(t.Context(), Start{JobID: "first", At: epoch}) })
		submit(7, func() error { return j.writer.do(t.Context(), violation) })
		submit(8, func() error { return j.Admit(t.Context(), admission("third")) })
		release()
		group.Wait()

		if n := j.Stats().Commits - before.Commits; n != 2 {
			t.Fatalf("%d commits: this was not one batch", n)
		}
		for i, want := range []error{nil, ErrNonceUsed, nil, ErrExists, ErrNotFound, nil, ErrState, errs[7], nil} {
			wantErr(t, errs[i], want)
		}
		if errs[7] == nil {
			t.Error("a violated constraint was not reported")
		}
		for id, want := range map[string]Status{"first": Running, "second": Accepted, "third": Accepted} {
			if job, err := j.Job(t.Context(), id); err != nil || job.Status != want {
				t.Errorf("%s is %s, %v; want %s", id, job.Status, err, want)
			}
		}
		_, err := j.Job(t.Context(), "replay")
		wantErr(t, err, ErrNotFound)
	})
}

// A transaction that SQLite gave up in the middle, as it does after some disk errors, is lost for all of its operations, and the next one works.
func TestLostTransaction(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		j := openTest(t, dir)
		boom := errors.New("boom")
		release := hold(t, j)
		var (
			group sync.WaitGroup
			errs  [3]error
		)
		for i, f := range []func() error{
			func() error { return j.Admit(t.Context(), admission("first")) },
			func() error {
				return j.writer.do(t.Context(), op{name: "lose", run: func(st *statements) error {
					return errors.Join(boom, st.exec(st.rollback))
				}})
			},
			func() error { return j.Admit(t.Context(), admission("last")) },
		} {
			group.Go(func() { errs[i] = f() })
			synctest.Wait()
		}
		release()
		group.Wait()
		for _, err := range errs {
			wantErr(t, err, boom)
		}
		checkNothingStored(t, j, "first", "last")
	})
}

// If COMMIT fails, nobody is told that anything was committed.
func TestFailedCommit(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		j := openTest(t, dir)
		st := j.writer.st
		good := st.commit
		bad, err := j.writer.conn.PrepareContext(t.Context(), "INSERT INTO meta (id, floor, beat) VALUES (1, 0, 0)") // fails when it runs
		must(t, err)
		defer func() { must(t, bad.Close()) }()
		swap := func(c *op) { must(t, j.writer.do(t.Context(), *c)) }

		busy, free := make(chan struct{}), make(chan struct{})
		var (
			group sync.WaitGroup
			errs  [3]error
		)
		group.Go(func() {
			errs[0] = j.writer.do(t.Context(), op{name: "break", run: func(*statements) error {
				close(busy)
				<-free
				st.commit = bad
				return nil
			}})
		})
		<-busy
		group.Go(func() { errs[1] = j.Admit(t.Context(), admission("a")) })
		group.Go(func() { errs[2] = j.Admit(t.Context(), admission("b")) })
		synctest.Wait()
		close(free)
		group.Wait()
		for i, err := range errs {
			if err == nil {
				t.Errorf("operation %d was told that it is committed", i)
			}
		}

		unsettled := false
		swap(&op{name: "mend", run: func(*statements) error {
			unsettled, st.commit = j.writer.unsettled, good
			return nil
		}})
		if !unsettled {
			t.Error("the writer forgot that its last commit failed")
		}
		checkNothingStored(t, j, "a", "b")
		swap(&op{name: "look", run: func(*statements) error { unsettled = j.writer.unsettled; return nil }})
		if unsettled {
			t.Error("a good commit did not settle the failed one")
		}
	})
}

// A COMMIT that SQLite itself refuses is followed at once by one that succeeds, so that nothing of the first is left in the WAL.
func TestFailedCommitIsSettled(t *testing.T) {
	t.Parallel()
	j := openTest(t, t.TempDir())
	before := j.Stats().Commits
	err := j.writer.do(t.Context(), op{name: "orphan", run: func(st *statements) error {
		// The foreign key is checked by COMMIT instead of by the statement, and there is no such job.
		_, err := j.writer.conn.ExecContext(t.Context(), "PRAGMA defer_foreign_keys = ON")
		return errors.Join(err, st.exec(st.insertOutput, 4711, 0, false, make([]byte, 32), nil, nil, nil, 0, false, make([]byte, 32), nil, nil, nil))
	}})
	if err == nil {
		t.Fatal("an operation whose COMMIT failed was acknowledged")
	}
	must(t, j.writer.do(t.Context(), op{name: "look", run: func(*statements) error {
		if j.writer.unsettled {
			t.Error("the failed commit is not settled")
		}
		return nil
	}}))
	if n := j.Stats().Commits - before; n != 2 {
		t.Errorf("%d commits, want one that settles and one of the next operation", n)
	}
	checkNothingStored(t, j, "a")
}

func checkNothingStored(t *testing.T, j *Journal, ids ...string) {
	t.Helper()
	for _, id := range ids {
		_, err := j.Job(t.Context(), id)
		wantErr(t, err, ErrNotFound)
	}
	_, nonces, err := j.Nonces(t.Context())
	must(t, err)
	if len(nonces) != 0 {
		t.Errorf("nonces were stored: %v", nonces)
	}
	for _, id := range ids {
		must(t, j.Admit(t.Context(), admission(id))) // the journal works
	}
}

// A caller whose context ends while its operation is queued still learns what became of it.
func TestCancelledWhileQueued(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		j := openTest(t, dir)
		release := hold(t, j)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		answer := make(chan error, 1)
		go func() { answer <- j.Admit(ctx, admission("queued")) }()
		synctest.Wait()
		time.Sleep(time.Minute)
		if len(answer) != 0 {
			t.Fatal("Admit returned before the operation was committed")
		}
		release()
		must(t, <-answer)
		if _, err := j.Job(t.Context(), "queued"); err != nil {
			t.Errorf("acknowledged, and %v", err)
		}
	})
}

// A caller that cannot even queue its operation gives up with its context, and nothing is stored.
func TestCancelledBeforeAFullQueue(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		j := openTest(t, dir)
		release := hold(t, j)
		var group sync.WaitGroup
		for range maxBatch {
			group.Go(func() { must(t, j.Admit(t.Context(), Admission{Nonce: freshNonce(epoch)})) })
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		wantErr(t, j.Admit(ctx, admission("late")), context.DeadlineExceeded)
		release()
		group.Wait()
		_, err := j.Job(t.Context(), "late")
		wantErr(t, err, ErrNotFound)
	})
}

// Close commits what is queued; what comes later is refused.
func TestClose(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		j := openTest(t, dir)
		release := hold(t, j)
		var group sync.WaitGroup
		group.Go(func() { must(t, j.Admit(t.Context(), admission("queued"))) })
		synctest.Wait()
		closed := make(chan error, 2)
		go func() { closed <- j.Close() }()
		synctest.Wait()
		wantErr(t, j.Admit(t.Context(), admission("late")), ErrClosed)
		go func() { closed <- j.Close() }()
		synctest.Wait()
		if len(closed) != 0 {
			t.Error("Close did not wait for the queued operation")
		}
		release()
		group.Wait()
		must(t, <-closed)
		must(t, <-closed)
	})
	// Outside the bubble, whose clock would not wait for a child of another test that holds the lock between fork and exec.
	j := openTest(t, dir)
	if _, err := j.Job(t.Context(), "queued"); err != nil {
		t.Errorf("acknowledged, and after a restart %v", err)
	}
}

func TestWritable(t *testing.T) {
	t.Parallel()
	j := openTest(t, t.TempDir())
	before := j.Stats().Commits
	must(t, j.Writable(t.Context()))
	if n := j.Stats().Commits - before; n != 1 {
		t.Errorf("%d commits, want a real one", n)
	}
	must(t, j.Close())
	wantErr(t, j.Writable(t.Context()), ErrClosed)
}
