package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sidegate/sidegate/internal/config"
	"github.com/sidegate/sidegate/policy"
)

// KeptBundle is a remote bundle as a gateway keeps it in its state directory.
type KeptBundle struct {
	Name     string
	Revision string
	Path     string    // of the copy that an Explainer reads
	File     string    // of the original
	Since    time.Time // when the gateway wrote it
}

// UnkeptError means that remote bundles of a configuration are not on this host.
type UnkeptError struct {
	Names []string
	Dir   string // where a gateway would have put them
}

func (e *UnkeptError) Error() string {
	return fmt.Sprintf("the remote policy bundle %s is not kept in %s: no gateway of this configuration has fetched it here yet", strings.Join(e.Names, ", "), e.Dir)
}

// keptBundles are private copies of what a gateway keeps of remote bundles, so that an engine can read them with all its
// checks and has nothing to write to but the copies.
type keptBundles struct {
	dir     string // of the copies
	from    string
	bundles []KeptBundle
	missing []string
}

// bundlesOf are the remote bundles that a configuration names.
func bundlesOf(p config.Policy) map[string]any {
	bundles, _ := p.OPA["bundles"].(map[string]any)
	return bundles
}

// openKept copies the bundles that a gateway of c keeps, and the record of their newest revisions, and makes settings load
// the copies. Its servers are never reached: connections wait until the engine closes. It reports to nobody either.
func openKept(c *config.Config, settings *policy.Config) (*keptBundles, error) {
	dir, err := os.MkdirTemp("", "sidegate-bundles-")
	if err != nil {
		return nil, err
	}
	k := &keptBundles{dir: dir, from: persistence(c)}
	if err := k.copyAll(slices.Sorted(maps.Keys(bundlesOf(c.Policy)))); err != nil {
		return nil, errors.Join(err, k.remove())
	}
	settings.OPA = maps.Clone(c.Policy.OPA)
	settings.OPA["persistence_directory"] = dir
	delete(settings.OPA, "decision_logs")
	delete(settings.OPA, "status")
	settings.AllowRollback = c.Policy.AllowRollback
	settings.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return k, nil
}

// copyAll copies what is there. A name that leads elsewhere is passed over: the engine refuses it with its own words.
func (k *keptBundles) copyAll(names []string) error {
	source, err := os.OpenRoot(k.from)
	if errors.Is(err, fs.ErrNotExist) {
		k.missing = names
		return nil
	}
	if err != nil {
		return unreadable(err)
	}
	defer source.Close()
	if _, err := k.copyFile(source, "floors.json"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return unreadable(err)
	}
	for _, name := range names {
		file := filepath.Join("bundles", name, "bundle.tar.gz")
		if !filepath.IsLocal(name) || filepath.Base(name) != name {
			continue
		}
		since, err := k.copyFile(source, file)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			k.missing = append(k.missing, name)
		case err != nil:
			return unreadable(err)
		default:
			k.bundles = append(k.bundles, KeptBundle{Name: name, Path: filepath.Join(k.dir, file), File: filepath.Join(k.from, file), Since: since})
		}
	}
	return nil
}

func unreadable(err error) error {
	return fmt.Errorf("the remote policy bundles that the gateway keeps cannot be read: %w", err)
}

func (k *keptBundles) copyFile(source *os.Root, name string) (modified time.Time, err error) {
	in, err := source.Open(name)
	if err != nil {
		return time.Time{}, err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return time.Time{}, err
	}
	target := filepath.Join(k.dir, name)
	if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
		return time.Time{}, err
	}
	out, err := os.OpenFile(target, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return time.Time{}, err
	}
	_, err = io.Copy(out, in)
	return info.ModTime(), errors.Join(err, out.Close())
}

func (k *keptBundles) paths() []string {
	paths := make([]string, len(k.bundles))
	for i, b := range k.bundles {
		paths[i] = b.Path
	}
	return paths
}

func (k *keptBundles) revise(name, revision string) {
	for i := range k.bundles {
		if k.bundles[i].Name == name {
			k.bundles[i].Revision = revision
		}
	}
}

// remove takes the copies away.
func (k *keptBundles) remove() error {
	if k == nil {
		return nil
	}
	return os.RemoveAll(k.dir)
}
