package policy

import (
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/keys"
	"github.com/open-policy-agent/opa/v1/plugins"
	bundleplugin "github.com/open-policy-agent/opa/v1/plugins/bundle"
	"github.com/open-policy-agent/opa/v1/plugins/logs"
	"github.com/open-policy-agent/opa/v1/plugins/status"
)

// An OptionError says which key of Config.OPA cannot be used, and why.
type OptionError struct {
	Key     string // dotted, below the configuration's policy.opa
	Message string
}

func (e *OptionError) Error() string { return "policy.opa." + e.Key + ": " + e.Message }

// opaOptions are OPA's own configuration after every check.
type opaOptions struct {
	raw      []byte                     // for OPA's plugin manager
	services map[string]json.RawMessage // with their credentials; raw has a reference to an outlet instead
	bundles  map[string]*bundleplugin.Source
	logs     *logs.Config   // nil: decisions are not logged
	status   *status.Config // nil: status is not reported
	dir      string         // where bundles and floors are kept; "" without bundles
}

// readOptions checks OPA's configuration and has OPA parse it. Every error is
// an *OptionError, all of them are joined. What OPA would take and this engine
// cannot answer for is refused, never ignored.
func readOptions(options map[string]any, stateDir string) (*opaOptions, error) {
	var errs []error
	report := func(key, format string, args ...any) {
		errs = append(errs, &OptionError{key, fmt.Sprintf(format, args...)})
	}
	opaGrammar.check("", options, report)
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	checkServices(section(options, "services"), report)
	checkKeys(section(options, "keys"), report)
	checkBundles(options, report)
	checkReports(options, report)
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return parseOptions(options, stateDir)
}

func section(options map[string]any, name string) map[string]any {
	value, _ := options[name].(map[string]any)
	return value
}

type reporter func(key, format string, args ...any)

func checkServices(services map[string]any, report reporter) {
	for _, name := range slices.Sorted(maps.Keys(services)) {
		at := "services." + name
		service := services[name].(map[string]any)
		address, _ := service["url"].(string)
		u, err := url.Parse(address)
		switch {
		case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
			report(at+".url", "must be an http or https URL")
		case u.User != nil:
			report(at+".url", "must not hold credentials; use credentials.bearer.token_path or credentials.client_tls")
		}
		for header := range section(service, "headers") {
			if secretHeader.MatchString(header) {
				report(at+".headers", "%q looks like a credential, which must not be in the configuration; name the file that holds it in credentials.bearer.token_path", header)
			}
		}
		if len(section(service, "credentials")) > 1 {
			report(at+".credentials", "only one kind of credentials is possible")
		}
		bearer, isBearer := section(service, "credentials")["bearer"].(map[string]any)
		if path, _ := bearer["token_path"].(string); isBearer && !privateFile(path) {
			report(at+".credentials.bearer.token_path", "must be the absolute path of a regular file that gives no access to others than its owner and group")
		}
		if isBearer && err == nil && u.Scheme == "http" && !isLoopback(u.Hostname()) {
			report(at+".credentials.bearer", "would send its token in the clear to %s: let services.%s.url be an https URL; http is for a server on this host's loopback interface", u.Host, name)
		}
		tls, isTLS := section(service, "credentials")["client_tls"].(map[string]any)
		if path, _ := tls["private_key"].(string); isTLS && !privateFile(path) {
			report(at+".credentials.client_tls.private_key", "must be the absolute path of a regular file that gives no access to others than its owner and group")
		}
	}
}

// isLoopback reports whether what is sent to a host stays on this one.
func isLoopback(host string) bool {
	return strings.EqualFold(host, "localhost") || net.ParseIP(host).IsLoopback()
}

var secretHeader = regexp.MustCompile(`(?i)auth|token|secret|cookie|password|api.?key`)

func privateFile(path string) bool {
	info, err := os.Stat(path)
	return filepath.IsAbs(path) && err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o007 == 0
}

// checkKeys takes public keys only: with a shared secret, everybody who can
// verify a bundle could sign one.
func checkKeys(configured map[string]any, report reporter) {
	for _, id := range slices.Sorted(maps.Keys(configured)) {
		key := configured[id].(map[string]any)
		if algorithm, _ := key["algorithm"].(string); strings.HasPrefix(algorithm, "HS") {
			report("keys."+id+".algorithm", "must be one of RS, PS and ES with 256, 384 or 512: a shared secret cannot be a public key")
		}
		text, _ := key["key"].(string)
		if block, _ := pem.Decode([]byte(text)); block == nil || strings.Contains(block.Type, "PRIVATE") {
			report("keys."+id+".key", "must be a public key in PEM form")
		}
	}
}

// A bundle's name becomes a directory, and never one that is hidden.
var bundleName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$`)

func checkBundles(options map[string]any, report reporter) {
	bundles := section(options, "bundles")
	for _, name := range slices.Sorted(maps.Keys(bundles)) {
		at := "bundles." + name
		b := bundles[name].(map[string]any)
		if !bundleName.MatchString(name) || name == mergedName {
			report(at, "a bundle's name has letters, digits, '.', '_' and '-', at most 64, and is not %q", mergedName)
		}
		if service, _ := b["service"].(string); section(options, "services")[service] == nil {
			report(at+".service", "must name one of policy.opa.services")
		}
		if resource, _ := b["resource"].(string); strings.Contains(resource, "://") {
			report(at+".resource", "must be a path at the service; for a local file use policy.paths")
		}
		// A signature without a key ID would be checked by the key that the
		// signature itself names.
		signing, signed := b["signing"].(map[string]any)
		if id, _ := signing["keyid"].(string); signed && section(options, "keys")[id] == nil {
			report(at+".signing.keyid", "is required and must name one of policy.opa.keys")
		}
		if !signed && len(section(options, "keys")) > 0 {
			report(at+".signing", "is required because policy.opa.keys has keys; without it an unsigned bundle would be taken")
		}
	}
}

// checkReports wants a destination said: OPA would take any service.
func checkReports(options map[string]any, report reporter) {
	for _, name := range []string{"decision_logs", "status"} {
		at, ok := options[name].(map[string]any)
		if !ok {
			continue
		}
		service, _ := at["service"].(string)
		console, _ := at["console"].(bool)
		if service == "" && !console {
			report(name, "must have a service, or console: true")
		}
		if service != "" && section(options, "services")[service] == nil {
			report(name+".service", "must name one of policy.opa.services")
		}
	}
}

// outletName is what a service's outlet is called as a plugin of OPA.
func outletName(service string) string { return "outlet_" + service }

func parseOptions(options map[string]any, stateDir string) (*opaOptions, error) {
	o := &opaOptions{services: make(map[string]json.RawMessage)}
	names := slices.Sorted(maps.Keys(section(options, "services")))
	guarded := make(map[string]any, len(names))
	for _, name := range names {
		service := section(section(options, "services"), name)
		raw, err := json.Marshal(service)
		if err != nil {
			return nil, &OptionError{"services." + name, err.Error()}
		}
		o.services[name] = raw
		service = maps.Clone(service)
		service["credentials"] = map[string]any{"plugin": outletName(name)}
		guarded[name] = service
	}
	if len(section(options, "bundles")) > 0 {
		o.dir, _ = options["persistence_directory"].(string)
		if o.dir == "" && stateDir != "" {
			o.dir = filepath.Join(stateDir, "policy")
		}
		if !filepath.IsAbs(o.dir) {
			return nil, &OptionError{"persistence_directory", "must be an absolute path; bundles need a place to be kept"}
		}
	}
	var err error
	if o.raw, err = json.Marshal(map[string]any{"services": guarded, "keys": section(options, "keys")}); err != nil {
		return nil, &OptionError{"services", err.Error()}
	}
	if err := o.parseBundles(options, names); err != nil {
		return nil, &OptionError{"bundles", err.Error()}
	}
	return o, o.parseReports(options, names)
}

func (o *opaOptions) parseBundles(options map[string]any, services []string) error {
	rawKeys, err := json.Marshal(section(options, "keys"))
	if err != nil {
		return err
	}
	public, err := keys.ParseKeysConfig(rawKeys)
	if err != nil {
		return err
	}
	raw, err := json.Marshal(section(options, "bundles"))
	if err != nil {
		return err
	}
	trigger := plugins.TriggerPeriodic
	parsed, err := bundleplugin.NewConfigBuilder().WithBytes(raw).WithServices(services).WithKeyConfigs(public).WithTriggerMode(&trigger).Parse()
	if err != nil {
		return err
	}
	o.bundles = parsed.Bundles
	for name, source := range o.bundles {
		given := section(section(options, "bundles"), name)
		if _, ok := given["persist"]; !ok {
			source.Persist = true
		}
		if _, ok := given["size_limit_bytes"]; !ok || source.SizeLimitBytes > maxSourceBytes {
			source.SizeLimitBytes = maxSourceBytes
		}
	}
	return nil
}

func (o *opaOptions) parseReports(options map[string]any, services []string) error {
	trigger := plugins.TriggerPeriodic
	if given := section(options, "decision_logs"); given != nil {
		given = maps.Clone(given)
		reporting := maps.Clone(section(given, "reporting"))
		if reporting == nil {
			reporting = map[string]any{}
		}
		// The buffer of events costs a third of the other one, and is bounded.
		reporting["buffer_type"] = "event"
		given["reporting"] = reporting
		raw, err := json.Marshal(given)
		if err == nil {
			o.logs, err = logs.NewConfigBuilder().WithBytes(raw).WithServices(services).WithTriggerMode(&trigger).Parse()
		}
		if err != nil {
			return &OptionError{"decision_logs", err.Error()}
		}
	}
	if given := section(options, "status"); given != nil {
		raw, err := json.Marshal(given)
		if err == nil {
			o.status, err = status.NewConfigBuilder().WithBytes(raw).WithServices(services).WithTriggerMode(&trigger).Parse()
		}
		if err != nil {
			return &OptionError{"status", err.Error()}
		}
	}
	return nil
}
