package wasm

import (
	"maps"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// Message is what a chain transforms. It is read only, and must not change while the chain runs.
type Message struct {
	JSON           []byte // the message of the phase, as ABI.md describes it
	Stdout, Stderr []byte // response phase
	Metadata       Metadata
	NoFetch        bool // a dry run: http_fetch is disabled, and failures are not counted

	// Valid says what is wrong with a JSON text that a plugin made of the message, by the rules of whoever reads the Outcome, in
	// words for the log that repeat nothing secret. Such a text is a failure of that plugin and of no other. It is called for each
	// text that says something else than the one before it, once that may be changed, and the last that it accepts is
	// Outcome.JSON. It must keep nothing of the text. Nil accepts all.
	Valid func(json []byte) error
}

// Metadata is what plugins are told about a message. The chain adds plugin and phase.
type Metadata struct {
	Client, Host      Party
	JobID, DecisionID string // "" in the request phase
}

// Party is a client or the host.
type Party struct {
	Name   string
	Labels map[string]string
}

// Outcome is what a chain made of a message. Its slices may be those of the [Message] where nothing
// changed, and are not reused by the chain.
type Outcome struct {
	Verdict Verdict

	// JSON, Stdout and Stderr are the message as the chain left it. For Answer, Stdout and Stderr are the
	// answer.
	JSON, Stdout, Stderr []byte

	Reason string // for Deny; in the plugin's words
	Code   int    // for Deny: 401, 403, 429 or 503
	Plugin string // that denied or answered

	ChangedBy  []string // names of plugins that changed the message, in their order
	Changes    []Change // what each of those changed
	Skipped    []string // names of plugins that failed and were skipped
	Incomplete bool     // a plugin wanted to fetch and could not, because of NoFetch
}

// Change is what one plugin changed.
type Change struct {
	Plugin string   `json:"plugin"`
	Fields []string `json:"fields"` // members of the message, and stdout and stderr, in alphabetical order

	// Before and After are SHA-256 in lower-case hexadecimal: of the message's JSON text; in the response
	// phase, of the SHA-256 (32 bytes each) of that text, of stdout and of stderr, one behind the other.
	Before string `json:"before"`
	After  string `json:"after"`

	// BeforeText and AfterText are the message's JSON text, with Plugin.KeepText. They never hold output:
	// what a plugin takes out of it must not be kept.
	BeforeText string `json:"before_text,omitempty"`
	AfterText  string `json:"after_text,omitempty"`
}

// appendShared appends those members of the metadata that are the same for every plugin of a chain,
// and the closing brace. Text that is not UTF-8 is mended rather than refused: it is only shown.
func (m *Metadata) appendShared(dst []byte, phase Phase) []byte {
	dst = append(dst, `,"phase":`...)
	dst, _ = jsontext.AppendQuote(dst, string(phase))
	dst = append(dst, `,"client":`...)
	dst = m.Client.append(dst)
	dst = append(dst, `,"host":`...)
	dst = m.Host.append(dst)
	dst = append(dst, `,"job_id":`...)
	dst, _ = jsontext.AppendQuote(dst, m.JobID)
	dst = append(dst, `,"decision_id":`...)
	dst, _ = jsontext.AppendQuote(dst, m.DecisionID)
	return append(dst, '}')
}

func (p *Party) append(dst []byte) []byte {
	dst = append(dst, `{"name":`...)
	dst, _ = jsontext.AppendQuote(dst, p.Name)
	dst = append(dst, `,"labels":{`...)
	if len(p.Labels) > 0 {
		for i, key := range slices.Sorted(maps.Keys(p.Labels)) {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst, _ = jsontext.AppendQuote(dst, key)
			dst = append(dst, ':')
			dst, _ = jsontext.AppendQuote(dst, p.Labels[key])
		}
	}
	return append(dst, "}}"...)
}
