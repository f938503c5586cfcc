package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// validate checks what needs more than one key to be seen, and fills in what
// depends on the machine.
func (d *decoder) validate(c *Config) {
	d.validateListeners(c)
	d.validateClients(c)
	d.validateExecutor(&c.Executor)
	d.validateKept(c)
	d.validateTLS(&c.TLS)
	d.validateTelemetry(c)
	if bundles, _ := c.Policy.OPA["bundles"].(map[string]any); len(c.Policy.Paths) == 0 && len(bundles) == 0 && !d.failed("policy.paths") && !d.failed("policy.opa") {
		d.complain("policy.paths", "must name at least one directory or bundle file, unless policy.opa has bundles")
	}
	d.validateObserve(&c.Policy)
	d.unique("policy.allow_rollback", c.Policy.AllowRollback)
	d.unique("policy.allow_builtins", c.Policy.AllowBuiltins)
	if c.Host.Name == "" {
		name, err := os.Hostname()
		if err != nil {
			d.complain("host.name", "the operating system has no host name; set one here")
		}
		c.Host.Name = name
	}
}

// validateObserve holds that observe mode is meant: it has an end, and nothing of it
// stands beside another mode.
func (d *decoder) validateObserve(p *Policy) {
	switch {
	case d.failed("policy.mode") || d.failed("policy.observe_until"):
	case p.Mode == "observe" && p.ObserveUntil.IsZero():
		d.complain("policy.observe_until", "is required with mode observe: the time when it ends, such as 2030-01-31T00:00:00Z")
	case p.Mode != "observe" && !p.ObserveUntil.IsZero():
		d.complain("policy.observe_until", "needs mode observe")
	case p.Mode != "observe" && len(p.ObserveObligations) > 0:
		d.complain("policy.observe_obligations", "needs mode observe")
	}
}

// complain reports a problem at key, or at the nearest key around it that the file
// has.
func (d *decoder) complain(key, format string, args ...any) {
	line := 1
	for at := key; at != ""; at = parent(at) {
		if l, ok := d.lines[at]; ok {
			line = l
			break
		}
	}
	d.report(line, key, format, args...)
}

// has reports whether the file has key, whatever its value.
func (d *decoder) has(key string) bool {
	_, ok := d.lines[key]
	return ok
}

// unique reports items of the list at key that repeat an earlier one.
func (d *decoder) unique(key string, items []string) {
	first := map[string]int{}
	for i, item := range items {
		if j, ok := first[item]; ok && item != "" {
			d.complain(indexed(key, i), "repeats item %d of the list", j)
			continue
		}
		first[item] = i
	}
}

func (d *decoder) validateListeners(c *Config) {
	if len(c.Listen) == 0 && !d.failed("listen") {
		d.complain("listen", "must name at least one address")
	}
	// Two addresses whose port the system chooses are two addresses.
	fixed := make([]string, len(c.Listen))
	for i, address := range c.Listen {
		if !strings.HasSuffix(address, ":0") {
			fixed[i] = address
		}
	}
	d.unique("listen", fixed)
	if c.AdminListen != "" && slices.Contains(fixed, c.AdminListen) {
		d.complain("admin_listen", "must differ from every address in listen")
	}
}

func (d *decoder) validateExecutor(e *Executor) {
	if e.Timeout > e.MaxTimeout && !d.failed("executor.timeout") && !d.failed("executor.max_timeout") {
		key := "executor.timeout"
		if !d.has(key) {
			key = "executor.max_timeout"
		}
		d.complain(key, "timeout is %s and max_timeout is %s; timeout must not be more than max_timeout", short(e.Timeout), short(e.MaxTimeout))
	}
	if !slices.Contains(e.Allow.Profiles, e.Profile) && !d.failed("executor.profile") && !d.failed("executor.allow.profiles") {
		key := "executor.profile"
		if !d.has(key) {
			key = "executor.allow.profiles"
		}
		d.complain(key, "the profile %s must be one of executor.allow.profiles, which are: %s", quote(e.Profile), strings.Join(e.Allow.Profiles, ", "))
	}
	if len(e.Allow.Modes) == 0 {
		d.complain("executor.allow.modes", "must not be empty; nothing could run")
	}
	d.unique("executor.allow.profiles", e.Allow.Profiles)
	d.unique("executor.allow.modes", e.Allow.Modes)
	d.unique("executor.allow.run_as", e.Allow.RunAs)
	d.unique("executor.allow.env", e.Allow.Env)
}

func (d *decoder) validateTLS(t *TLS) {
	switch {
	case d.failed("tls"):
	case t.CertFile != "" && t.KeyFile == "":
		d.complain("tls.key_file", "is required with cert_file")
	case t.CertFile == "" && t.KeyFile != "":
		d.complain("tls.cert_file", "is required with key_file")
	case t.ClientCAFile != "" && t.CertFile == "":
		d.complain("tls.cert_file", "is required with client_ca_file")
	}
}

// validateKept holds that what is kept of jobs has room for one of them.
func (d *decoder) validateKept(c *Config) {
	const streams = 2
	if need := streams * c.Executor.MaxOutput; c.Retention.Bytes < need && !d.failed("retention.bytes") && !d.failed("executor.max_output") {
		d.complain("retention.bytes", "must have room for the output of one job, which is %s (executor.max_output for each of two streams)", shortSize(need))
	}
	if file := c.Audit.CheckpointFile; file != "" && below(c.StateDir, file) {
		d.complain("audit.checkpoint_file", "is in state_dir, and would be lost or rolled back together with the journal; keep it elsewhere")
	}
}

// below reports whether name is in dir or below it, by the names and by what links
// make of them.
func below(dir, name string) bool {
	within := func(dir, name string) bool {
		rest, err := filepath.Rel(dir, name)
		return err == nil && filepath.IsLocal(rest)
	}
	return within(dir, name) || within(realPath(dir), realPath(name))
}

// realPath follows links as far as the path exists.
func realPath(name string) string {
	if real, err := filepath.EvalSymlinks(name); err == nil || name == filepath.Dir(name) {
		return real
	}
	return filepath.Join(realPath(filepath.Dir(name)), filepath.Base(name))
}
