package policy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/bundle"
	"github.com/open-policy-agent/opa/v1/download"
	"github.com/open-policy-agent/opa/v1/plugins"
	bundleplugin "github.com/open-policy-agent/opa/v1/plugins/bundle"
	"github.com/open-policy-agent/opa/v1/plugins/status"
)

// BundleStatus says what became of one remote bundle.
type BundleStatus struct {
	Name        string
	Revision    string    // of the one that decides; "" when there is none
	ActivatedAt time.Time // when it began to decide in this process
	FromDisk    bool      // it was kept by an earlier process, and the server has not been heard since
	ContactAt   time.Time // of the last answer of the server that was in order
	LastError   error     // of the last attempt, nil when it was in order
}

// feed is one remote bundle: OPA's downloader polls for it, and the engine
// activates it. OPA's bundle plugin is not used. It takes its activator from a
// setting of the whole process that changes what all of OPA does, it makes
// each bundle decide as soon as it is there, not when the last one is, and it
// keeps a bundle on disk after it has begun to decide.
//
// The engine's loading lock guards the fields that change.
type feed struct {
	engine *Engine
	name   string
	source *bundleplugin.Source
	file   string // where the last good bundle is kept; "" for nowhere
	loader *download.Downloader

	etag   string // of the bundle that decides, or waits for others to
	status BundleStatus
	opa    bundleplugin.Status // the same for OPA's status plugin
}

func newFeed(e *Engine, name string, source *bundleplugin.Source, dir string) *feed {
	f := &feed{
		engine: e, name: name, source: source,
		status: BundleStatus{Name: name},
		opa:    bundleplugin.Status{Name: name, Type: bundle.SnapshotBundleType},
	}
	if source.Persist {
		f.file = filepath.Join(dir, "bundles", name, "bundle.tar.gz")
	}
	f.loader = download.New(source.Config, e.opa.Client(source.Service), source.Resource).
		WithCallback(f.update).
		WithBundleVerificationConfig(source.Signing).
		WithSizeLimitBytes(source.SizeLimitBytes).
		WithBundlePersistence(source.Persist).
		WithLazyLoadingMode(true).
		WithBundleName(name).
		WithBundleParserOpts(parserOptions())
	return f
}

// update is called by the downloader after every poll, in its own goroutine.
// The error makes it try again soon.
func (f *feed) update(ctx context.Context, u download.Update) error {
	e := f.engine
	e.loading.Lock()
	defer e.loading.Unlock()
	if e.closed.Load() {
		return ErrNotLoaded
	}
	f.opa.Metrics = u.Metrics
	f.opa.SetRequest()
	err := f.take(ctx, u)
	if err != nil {
		err = &feedError{f.name, err}
		// The next poll must ask for what is newer than the one that decides,
		// and not than the one that was refused.
		f.loader.SetCache(f.etag)
	}
	e.settle(f.name, err)
	return err
}

func (f *feed) take(ctx context.Context, u download.Update) error {
	if u.Error != nil {
		return u.Error
	}
	f.opa.LastSuccessfulRequest = f.opa.LastRequest
	if u.Bundle == nil {
		f.heard()
		return nil
	}
	f.opa.LastSuccessfulDownload = f.opa.LastRequest
	f.opa.SetBundleSize(u.Size)
	c, err := f.candidate(u.Bundle)
	if err != nil {
		return err
	}
	if f.file != "" {
		if c.packed, err = io.ReadAll(u.Raw); err != nil {
			return err
		}
	}
	if err := f.engine.offer(ctx, map[string]candidate{f.name: c}); err != nil {
		return err
	}
	f.etag = u.ETag
	f.heard()
	return nil
}

func (f *feed) heard() { f.status.ContactAt, f.status.FromDisk = time.Now(), false }

// candidate holds a bundle to the rules that need nothing but the bundle.
func (f *feed) candidate(b *bundle.Bundle) (candidate, error) {
	at, err := markOf(b.Manifest)
	if err != nil {
		return candidate{}, err
	}
	if err := f.engine.floors.check(f.name, at); err != nil {
		return candidate{}, err
	}
	clean, err := received(f.name, b)
	return candidate{bundle: clean, feed: f, mark: at}, err
}

// restore offers the bundle that an earlier process has kept.
func (f *feed) restore(ctx context.Context) error {
	if f.file == "" {
		return nil
	}
	if err := removeUnfinished(f.file); err != nil {
		return &feedError{f.name, err}
	}
	packed, err := readKept(f.file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return &feedError{f.name, err}
	}
	b, err := readPersisted(packed, f.source.SizeLimitBytes, f.source.Signing)
	if err != nil {
		return &feedError{f.name, err}
	}
	c, err := f.candidate(b)
	if err != nil {
		return &feedError{f.name, err}
	}
	f.status.FromDisk = true
	if err := f.engine.offer(ctx, map[string]candidate{f.name: c}); err != nil {
		return &feedError{f.name, err}
	}
	return nil
}

// activated notes that the candidate of f decides from now on.
func (f *feed) activated(revision string) {
	f.status.Revision, f.status.ActivatedAt = revision, time.Now()
	f.opa.SetActivateSuccess(revision)
}

// feedError says which bundle an error is about.
type feedError struct {
	name string
	err  error
}

func (e *feedError) Error() string { return fmt.Sprintf("bundle %s: %v", e.name, e.err) }
func (e *feedError) Unwrap() error { return e.err }

// feeds are all remote bundles as one plugin of OPA, which starts and stops
// the downloaders with the others.
type feeds []*feed

var _ plugins.Plugin = feeds(nil)

func (list feeds) Start(ctx context.Context) error {
	for _, f := range list {
		f.loader.Start(ctx)
	}
	return nil
}

func (list feeds) Stop(ctx context.Context) {
	for _, f := range list {
		f.loader.Stop(ctx)
	}
}

func (list feeds) Reconfigure(context.Context, any) {}

// restoreAll offers everything that is kept on disk. The caller holds the loading lock.
func (e *Engine) restoreAll(ctx context.Context) {
	for _, f := range e.feeds {
		if err := f.restore(ctx); err != nil {
			e.settle(f.name, err)
		} else if f.status.FromDisk {
			e.settle(f.name, nil)
			e.log.Info("policy bundle read from disk", "bundle", f.name, "file", f.file)
		}
	}
}

// reportBundles hands the state of all bundles to OPA's status plugin.
func (e *Engine) reportBundles() {
	reporter := status.Lookup(e.opa)
	if reporter == nil {
		return
	}
	all := make(map[string]*bundleplugin.Status, len(e.feeds))
	for _, f := range e.feeds {
		f.opa.SetError(f.status.LastError)
		all[f.name] = new(f.opa)
	}
	reporter.BulkUpdateBundleStatus(all)
}

func (list feeds) statuses() []BundleStatus {
	statuses := make([]BundleStatus, len(list))
	for i, f := range list {
		statuses[i] = f.status
	}
	slices.SortFunc(statuses, func(a, b BundleStatus) int { return strings.Compare(a.Name, b.Name) })
	return statuses
}

// openFeeds makes a feed of each configured bundle, and reads the floors.
func (e *Engine) openFeeds(o *opaOptions, allowRollback []string) error {
	for _, name := range allowRollback {
		if o.bundles[name] == nil {
			return fmt.Errorf("allow_rollback names %q, which is not one of policy.opa.bundles", name)
		}
	}
	if len(o.bundles) == 0 {
		return nil
	}
	if err := openKeep(o.dir); err != nil {
		return err
	}
	var err error
	if e.floors, err = openFloors(o.dir, allowRollback); err != nil {
		return err
	}
	for name, source := range o.bundles {
		if source.Signing == nil {
			e.log.Warn("a remote policy bundle is taken without a signature: whoever controls the server, or the way to it, decides what runs here",
				slog.String("bundle", name))
		}
		e.feeds = append(e.feeds, newFeed(e, name, source, o.dir))
	}
	slices.SortFunc(e.feeds, func(a, b *feed) int { return strings.Compare(a.name, b.name) })
	return nil
}
