package daemon

import (
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"golang.org/x/sys/unix"

	"github.com/sidegate/sidegate/executor"
	"github.com/sidegate/sidegate/internal/config"
	"github.com/sidegate/sidegate/wasm"
)

// Notes tells what is allowed in a configuration and should be known to whoever relies on it: that policies are not
// enforced, that they come unsigned or may go back, and that they are not here yet; which plugins and selectors do most
// likely not what was meant.
func Notes(c *config.Config, now time.Time) []string {
	var notes []string
	note := func(key, format string, args ...any) {
		notes = append(notes, fmt.Sprintf("%s: %s: %s", c.Position(key), key, fmt.Sprintf(format, args...)))
	}
	if until := c.Policy.ObserveUntil; c.Policy.Mode == "observe" {
		date := until.UTC().Format(time.RFC3339)
		if now.Before(until) {
			note("policy.mode", "OBSERVE MODE until %s: what the policy denies runs all the same, and is marked would_deny; set it to enforce to end this now", date)
		} else {
			note("policy.mode", "observe mode is over since %s: the policy is enforced; set it to enforce", date)
		}
	}
	from := persistence(c)
	for _, name := range slices.Sorted(maps.Keys(bundlesOf(c.Policy))) {
		key, bundle := "policy.opa.bundles."+name, member(bundlesOf(c.Policy), name)
		if bundle["signing"] == nil {
			note(key, "the bundle is taken without a signature: whoever controls the server, or the way to it, decides what runs here; add a key to policy.opa.keys and name it in signing.keyid")
		}
		if bundle["persist"] == false {
			note(key, "the bundle is not kept on disk: while its server is down, a gateway that starts answers nothing")
		} else if _, err := os.Stat(filepath.Join(from, "bundles", name, "bundle.tar.gz")); os.IsNotExist(err) {
			note(key, "no bundle is kept here yet: until its server has answered once, a gateway answers nothing")
		}
	}
	if names := c.Policy.AllowRollback; len(names) > 0 {
		note("policy.allow_rollback", "%s may go back to an older revision; take the name out once that is done", strings.Join(names, ", "))
	}
	if free, low := freeBytes(c.StateDir), lowWater(c); free >= 0 && free < low {
		note("state_dir", "%s are free on its disk, and new work needs %s: make room, or calls are answered 507", humanize.IBytes(uint64(free)), humanize.IBytes(uint64(low)))
	}
	if c.Telemetry.Pprof {
		note("telemetry.pprof", "profiles of the gateway are served to whoever reaches admin_listen; set it to false once they are taken")
	}
	if u, err := url.Parse(c.Telemetry.OTLPEndpoint); err == nil && u.Scheme == "http" && !config.OnThisMachine(u.Hostname()) {
		note("telemetry.otlp_endpoint", "traces go over the network unencrypted: they tell which client called when, and what became of it; use https")
	}
	if end := certificateEndOf(c.TLS); !end.IsZero() && end.Sub(now) < certificateWarning {
		note("tls.cert_file", "the certificate is valid until %s; renew it, and reload", end.UTC().Format(time.RFC3339))
	}
	for _, warning := range pluginSet(c).Warnings(callersOf(c)) {
		note(warning.Key, "%s", warning.Message)
	}
	return notes
}

// freeBytes is the room on the disk of a directory that is there; -1 where there is none.
func freeBytes(dir string) int64 {
	var fs unix.Statfs_t
	if unix.Statfs(dir, &fs) != nil {
		return -1
	}
	return int64(fs.Bavail) * fs.Bsize
}

// CommandNotes says which clients the gateway's own commands could call as, where no control groups tell them from other processes of their user.
func CommandNotes(c *config.Config, host executor.Report) (notes []string) {
	if host.Groups.Available {
		return nil
	}
	ownCommands(c, func(key, message string) {
		notes = append(notes, fmt.Sprintf("%s: %s: %s", c.Position(key), key, message))
	})
	return notes
}

// callersOf are the clients of a configuration as selectors see them.
func callersOf(c *config.Config) []wasm.Subject {
	callers := make([]wasm.Subject, len(c.Clients))
	for i, client := range c.Clients {
		callers[i] = wasm.Subject{Client: client.Name, ClientLabels: client.Labels, Host: c.Host.Name, HostLabels: c.Host.Labels}
	}
	return callers
}

// persistence is where a gateway keeps remote bundles.
func persistence(c *config.Config) string {
	if dir, _ := c.Policy.OPA["persistence_directory"].(string); dir != "" {
		return dir
	}
	return filepath.Join(c.StateDir, "policy")
}
