package policy

import (
	"maps"
	"slices"
	"strings"
)

// grammar says which keys a mapping of OPA's configuration may have.
type grammar struct {
	keys    map[string]grammar // nil: not a mapping with fixed keys
	each    *grammar           // of a mapping from names of the operator's choice
	kind    kind
	refused string // why the key is not taken
}

// kind is the type of a single value.
type kind string

const (
	aString  kind = "a string"
	aNumber  kind = "a positive whole number"
	aBoolean kind = "true or false"
	aMapping kind = "a mapping"
)

func leaf(k kind) grammar                     { return grammar{kind: k} }
func refusal(why string) grammar              { return grammar{refused: why} }
func mapping(keys map[string]grammar) grammar { return grammar{keys: keys, kind: aMapping} }
func each(g grammar) grammar                  { return grammar{each: &g, kind: aMapping} }
func eachOf(keys map[string]grammar) grammar  { return each(mapping(keys)) }

const (
	onlyFiles    = "credentials must not be in the configuration; name the file that holds it in credentials.bearer.token_path"
	reachesOut   = "is not supported: it fetches credentials from other places, past the guard on outgoing connections; use bearer.token_path or client_tls"
	onlyPeriodic = "is not supported: it is always periodic"
)

// opaGrammar is what policy.opa takes. What is not here could change decisions,
// let an unchecked bundle in, or reach out in ways that nobody here controls.
var opaGrammar = mapping(map[string]grammar{
	"services": eachOf(map[string]grammar{
		"url":                             leaf(aString),
		"headers":                         each(leaf(aString)),
		"response_header_timeout_seconds": leaf(aNumber),
		"tls": mapping(map[string]grammar{
			"ca_cert":            leaf(aString),
			"system_ca_required": leaf(aBoolean),
		}),
		"credentials": mapping(map[string]grammar{
			"bearer": mapping(map[string]grammar{
				"token_path": leaf(aString),
				"scheme":     leaf(aString),
				"token":      refusal(onlyFiles),
			}),
			"client_tls": mapping(map[string]grammar{
				"cert":                         leaf(aString),
				"private_key":                  leaf(aString),
				"cert_reread_interval_seconds": leaf(aNumber),
				"private_key_passphrase":       refusal("credentials must not be in the configuration; use a key file without a passphrase that only its owner can read"),
			}),
			"oauth2":                 refusal(reachesOut),
			"s3_signing":             refusal(reachesOut),
			"gcp_metadata":           refusal(reachesOut),
			"azure_managed_identity": refusal(reachesOut),
			"plugin":                 refusal("is not supported: there are no plugins to name"),
		}),
		"allow_insecure_tls": refusal("is not supported; name the server's authority in tls.ca_cert"),
		"type":               refusal("is not supported: bundles come over plain HTTP, not from OCI registries"),
	}),
	"keys": eachOf(map[string]grammar{
		"algorithm":   leaf(aString),
		"key":         leaf(aString),
		"scope":       leaf(aString),
		"private_key": refusal("is not supported: only public keys are needed here"),
	}),
	"bundles": eachOf(map[string]grammar{
		"service":          leaf(aString),
		"resource":         leaf(aString),
		"persist":          leaf(aBoolean),
		"size_limit_bytes": leaf(aNumber),
		"polling": mapping(map[string]grammar{
			"min_delay_seconds":            leaf(aNumber),
			"max_delay_seconds":            leaf(aNumber),
			"long_polling_timeout_seconds": refusal("is not supported; use min_delay_seconds and max_delay_seconds"),
		}),
		"signing": mapping(map[string]grammar{
			"keyid":                        leaf(aString),
			"scope":                        leaf(aString),
			"exclude_files":                refusal("is not supported: every file of a signed bundle must be signed"),
			"allow_unsigned_delta_bundles": refusal("is not supported: delta bundles are refused"),
		}),
		"trigger": refusal(onlyPeriodic),
	}),
	"decision_logs": mapping(map[string]grammar{
		"service":  leaf(aString),
		"console":  leaf(aBoolean),
		"resource": leaf(aString),
		"reporting": mapping(map[string]grammar{
			"buffer_size_limit_events": leaf(aNumber),
			"upload_size_limit_bytes":  leaf(aNumber),
			"min_delay_seconds":        leaf(aNumber),
			"max_delay_seconds":        leaf(aNumber),
			"max_decisions_per_second": leaf(aNumber),
			"buffer_type":              refusal("is not supported: it is always event"),
			"buffer_size_limit_bytes":  refusal("is not supported; use buffer_size_limit_events"),
			"trigger":                  refusal(onlyPeriodic),
		}),
		"mask_decision":    refusal("is not supported: it is always data.system.log.mask"),
		"drop_decision":    refusal("is not supported: it is always data.system.log.drop"),
		"plugin":           refusal("is not supported: there are no plugins to name"),
		"request_context":  refusal("is not supported: policies do not see HTTP headers"),
		"nd_builtin_cache": refusal("is not supported"),
	}),
	"status": mapping(map[string]grammar{
		"service":        leaf(aString),
		"console":        leaf(aBoolean),
		"partition_name": leaf(aString),
		"prometheus":     refusal("is not supported; the gateway's own metrics have it"),
		"plugin":         refusal("is not supported: there are no plugins to name"),
		"trigger":        refusal(onlyPeriodic),
	}),
	"persistence_directory": leaf(aString),
	"discovery":             refusal("is not supported: it would let a server replace this configuration and redirect the logs"),
	"bundle":                refusal("is not supported; use bundles"),
	"caching":               refusal("is not supported"),
	"default_decision":      refusal("is not supported: the entrypoint is data.sidegate.decision"),
	"server":                refusal("is not supported: OPA's API is never served"),
	"plugins":               refusal("is not supported: there are no plugins to name"),
})

func (g grammar) check(at string, value any, report reporter) {
	if g.kind != aMapping {
		if !g.kind.is(value) {
			report(at, "must be %s", g.kind)
		}
		return
	}
	content, ok := value.(map[string]any)
	if !ok && (at != "" || value != nil) {
		if at != "" {
			report(at, "must be a mapping")
		}
		return
	}
	for _, key := range slices.Sorted(maps.Keys(content)) {
		sub := strings.TrimPrefix(at+"."+key, ".")
		below, known := g.keys[key]
		if g.each != nil {
			below, known = *g.each, true
		}
		switch {
		case !known:
			report(sub, "unknown key; the keys here are %s", strings.Join(g.taken(), ", "))
		case below.refused != "":
			report(sub, "%s", below.refused)
		default:
			below.check(sub, content[key], report)
		}
	}
}

// taken lists the keys that are not refused.
func (g grammar) taken() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(g.keys)), func(key string) bool { return g.keys[key].refused != "" })
}

func (k kind) is(value any) bool {
	switch v := value.(type) {
	case string:
		return k == aString && v != ""
	case bool:
		return k == aBoolean
	case int:
		return k == aNumber && v > 0
	}
	return false
}
