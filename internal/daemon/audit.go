package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sidegate/sidegate/internal/audit"
	"github.com/sidegate/sidegate/internal/callback"
	"github.com/sidegate/sidegate/internal/config"
	"github.com/sidegate/sidegate/internal/egress"
	"github.com/sidegate/sidegate/internal/journal"
	"github.com/sidegate/sidegate/policy"
)

// openAudit reads the key of the audit log, or makes one at the first start.
func (d *Daemon) openAudit(c *config.Config) error {
	key, err := audit.OpenKey(c.StateDir, c.Host.Name)
	if err != nil {
		return err
	}
	d.auditKey = key
	if path := c.Audit.CheckpointFile; path != "" { // there before the first command, so that it can be kept from commands
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
		if err != nil {
			return fmt.Errorf("%s: audit.checkpoint_file: %w", c.Position("audit.checkpoint_file"), err)
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	if key.Fresh() {
		d.log.Warn("a new audit log begins; keep its public key on another host, to verify checkpoints with", "key", key.Public())
	}
	return nil
}

// startCheckpoints prepares the signing of the audit log. That the log contradicts what was signed of it keeps nobody from working: it is told, and nothing
// more is signed.
func (d *Daemon) startCheckpoints(ctx context.Context, c *config.Config) error {
	settings := audit.MakerConfig{
		Tree: d.journal, Store: checkpoints{d.journal}, Key: d.auditKey,
		Interval: c.Audit.CheckpointInterval, Leaves: int64(c.Audit.CheckpointLeaves), Sinks: []audit.Sink{audit.LogSink(d.log)}, Logger: d.log,
	}
	last, err := d.journal.LastCheckpoint(ctx)
	switch {
	case err == nil:
		settings.Last = audit.Signed(last)
	case !errors.Is(err, journal.ErrNotFound):
		return err
	}
	if path := c.Audit.CheckpointFile; path != "" {
		file, err := audit.FileSink(path)
		if err != nil {
			return fmt.Errorf("%s: audit.checkpoint_file: %w", c.Position("audit.checkpoint_file"), err)
		}
		settings.Sinks = append(settings.Sinks, file)
	}
	if url := c.Audit.CheckpointURL; url != "" {
		guard, err := egress.New(egress.Config{Own: d.addresses})
		if err != nil {
			return err
		}
		settings.Sinks = append(settings.Sinks, audit.HTTPSink(guard.Client(checkpointTime), url))
	}
	if d.maker, err = audit.NewMaker(ctx, settings); err != nil {
		return err
	}
	d.signing.Store(d.maker)
	return nil
}

// checkpointTime bounds one attempt to send a checkpoint.
const checkpointTime = 10 * time.Second

// appended tells the maker of checkpoints that leaves were committed. Until there is one, nothing is signed yet.
func (d *Daemon) appended(leaves int) {
	if m := d.signing.Load(); m != nil {
		m.Appended(leaves)
	}
}

// record writes down what happened to the gateway itself. That it cannot be written is told, and holds nothing up.
func (d *Daemon) record(ctx context.Context, l audit.Leaf) {
	l.Time = time.Now()
	if err := d.journal.Record(ctx, l.Encode()); err != nil {
		d.log.Error("the audit does not know of it", "what", l.Type, "error", err)
	}
}

// policyChanged writes down which policy decides from now on. A policy that could not be loaded changes nothing of that.
func (d *Daemon) policyChanged(now policy.Status) {
	was := d.recorded.Swap(&now.ActivatedAt)
	d.countPolicy(was, now)
	if !now.Ready || was != nil && was.Equal(now.ActivatedAt) {
		return
	}
	activated := map[string]string{"policy": now.Revision}
	for _, b := range now.Bundles {
		activated["bundle "+b.Name] = b.Revision
	}
	d.record(context.Background(), audit.Leaf{Type: audit.Reload, Activated: activated})
}

// pluginsInForce are the digests of the plugins; nil where there are none.
func (d *Daemon) pluginsInForce() map[string]string {
	if d.plugins == nil {
		return nil
	}
	var digests map[string]string
	for _, p := range d.plugins.Status() {
		if digests == nil {
			digests = map[string]string{}
		}
		digests["plugin "+p.Name] = p.Digest
	}
	return digests
}

// checkpoints lets the maker of checkpoints work on the journal, which takes them for text.
type checkpoints struct{ journal *journal.Journal }

var _ audit.Store = checkpoints{}

// AddCheckpoint implements audit.Store.
func (c checkpoints) AddCheckpoint(ctx context.Context, s audit.Signed, leaf []byte) error {
	return c.journal.AddCheckpoint(ctx, journal.Checkpoint(s), leaf)
}

// Checkpoints implements audit.Store.
func (c checkpoints) Checkpoints(ctx context.Context, after int64, limit int) ([]audit.Signed, error) {
	rows, err := c.journal.Checkpoints(ctx, after+1, limit)
	if err != nil {
		return nil, err
	}
	list := make([]audit.Signed, len(rows))
	for i, row := range rows {
		list[i] = audit.Signed(row)
	}
	return list, nil
}

// callbackLeaf says what became of an attempt to deliver a callback.
func callbackLeaf(s callback.Settlement) []byte {
	return audit.Leaf{
		Type: audit.Callback, Time: s.At, Job: s.JobID, Delivery: s.ID, Receiver: s.Destination, Attempt: s.Attempt,
		Status: string(s.State), HTTPStatus: s.StatusCode, Reason: s.Error,
	}.Encode()
}

// retriedLeaf says that a delivery was asked for again.
func retriedLeaf(id string, at time.Time) []byte {
	return audit.Leaf{Type: audit.Callback, Time: at, Delivery: id, Status: "asked_for_again"}.Encode()
}
