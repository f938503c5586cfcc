package durability

import (
	"bytes"
	"context"
	"crypto/md5"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sidegate/sidegate/internal/audit"
	"github.com/sidegate/sidegate/internal/journal"
)

// bulk is a journal that is filled without a gateway, with what a gateway would write.
type bulk struct {
	*journal.Journal
	key *audit.Key
}

func openBulk(t testing.TB, dir string) bulk {
	t.Helper()
	j, err := journal.Open(t.Context(), journal.Config{Dir: dir, LowWater: -1})
	must(t, err)
	key, err := audit.OpenKey(dir, "trial")
	must(t, err)
	return bulk{j, key}
}

// take takes jobs through their lives, 64 at a time.
func (b bulk) take(ctx context.Context, from, to int) error {
	work, ctx := errgroup.WithContext(ctx)
	for first := range callers {
		work.Go(func() error {
			for n := from + first; n < to; n += callers {
				if err := b.live(ctx, n); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return work.Wait()
}

// live takes a job through its life, as a gateway does: four in ten have a callback, and of two hundred one prints more than stands in a row.
func (b bulk) live(ctx context.Context, n int) error {
	now := time.Now()
	id := fmt.Sprintf("0198c7a2-0000-7000-8000-%012d", n)
	row := &journal.NewJob{
		ID: id, Client: "func", DecisionID: id, Command: fmt.Sprintf("systemctl status unit-%d.service", n), Revision: "sha256:0123456789abcdef", AcceptedAt: now,
		Expires: now.Add(time.Hour), Request: bytes.Repeat([]byte("r"), 500), Spec: bytes.Repeat([]byte("s"), 700),
	}
	l := audit.Leaf{
		Type: audit.Admitted, Time: now, Job: id, Client: "func", KeyID: "0", Roles: []string{"readonly"}, Source: "172.17.0.2", Command: row.Command,
		Request: b.key.Digest("request", row.Request), Spec: b.key.Digest("spec", row.Spec), Decision: id, Revision: row.Revision, Grants: []string{"system"},
	}
	started := audit.Leaf{Type: audit.Started, Time: now, Job: id, Client: "func", Profile: "confined", Mode: "direct"}
	err := b.Admit(ctx, journal.Admission{
		Nonce: &journal.Nonce{Client: "func", Value: md5.Sum([]byte(id)), SignedAt: now, Expires: now.Add(5 * time.Minute)}, At: now, Job: row, Begin: true,
		Leaves: [][]byte{l.Encode(), started.Encode()},
	})
	if err != nil {
		return err
	}
	output := strings.Repeat("a line of some words, as a command prints it\n", 1+n%40)
	if n%200 == 0 {
		output = strings.Repeat(output, 100)
	}
	o := journal.Outcome{
		JobID: id, Status: journal.Exited, At: now, Duration: time.Millisecond, Stdout: journal.Stream{Content: journal.Bytes(output), Bytes: int64(len(output))},
		Leaf: func(kept journal.Output) ([]byte, error) {
			sum := fmt.Sprintf("%x", kept.Stdout.SHA256)
			return audit.Leaf{Type: audit.Ended, Time: now, Job: id, Client: "func", Status: "exited", ExitCode: new(int), Stdout: &audit.Stream{SHA256: sum}}.Encode(), nil
		},
	}
	if n%10 < 4 {
		o.Callback = &journal.Callback{DeliveryID: "d-" + id, Destination: "http://172.17.0.1:8088", URL: "http://172.17.0.1:8088/api/" + id, Body: journal.Bytes(output)}
	}
	if err := b.Finish(ctx, o); err != nil || o.Callback == nil {
		return err
	}
	told := audit.Leaf{
		Type: audit.Callback, Time: now, Job: id, Delivery: "d-" + id, Receiver: o.Callback.Destination, Attempt: 1, Status: "delivered", HTTPStatus: 200,
	}
	return b.Settle(ctx, journal.Settlement{DeliveryID: "d-" + id, Attempt: 1, State: journal.Delivered, StatusCode: 200, At: now, Leaf: told.Encode()})
}
