package audit

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Type says what a leaf is about.
type Type string

// The types of leaves.
const (
	Admitted       Type = "admitted"      // a request became a job
	Observed       Type = "observed"      // like Admitted, but the policy denied it and observe mode let it through
	Denied         Type = "denied"        // a signed request was refused: by the policy, a ceiling, or because it was not valid
	PluginDenied   Type = "plugin_denied" // a plugin refused it, or failed
	Answered       Type = "answered"      // a plugin answered in place of a command
	Asked          Type = "asked"         // somebody asked what would be decided; nothing ran
	Started        Type = "started"       // the process of a job is about to be created
	Ended          Type = "ended"         // a job has its final status
	Cancelled      Type = "cancelled"     // somebody asked for the end of a job
	Callback       Type = "callback"      // what became of an attempt to deliver a callback
	Reload         Type = "reload"        // policies, plugins or configuration came into force
	CheckpointMade Type = "checkpoint"    // the leaves before were signed
	Pruned         Type = "pruned"        // jobs were forgotten; their leaves stay
	Recovered      Type = "recovered"     // a gateway started on this log
)

var types = map[Type]bool{
	Admitted: true, Observed: true, Denied: true, PluginDenied: true, Answered: true, Asked: true, Started: true, Ended: true, Cancelled: true,
	Callback: true, Reload: true, CheckpointMade: true, Pruned: true, Recovered: true,
}

// Types returns all types of leaves, sorted.
func Types() []Type { return slices.Sorted(maps.Keys(types)) }

// A Leaf is one entry of the log. Type and Time are always there; which of the others are depends on the type, and what is zero is left out.
//
// What should be told only to who knows it already, such as the values of environment variables, is there as a digest of [Key.Digest]: SHA-256 keyed
// with a secret of this log, in hexadecimal. Plain digests of short values could be guessed by whoever reads an export.
type Leaf struct {
	Type Type      `json:"type"`
	Time time.Time `json:"-"` // written in UTC, in microseconds; what is finer is cut off

	Job    string `json:"job,omitempty"`
	Client string `json:"client,omitempty"` // who signed, or asked for the end of a job
	KeyID  string `json:"key_id,omitempty"` // with which secret
	Source string `json:"source,omitempty"` // IP address
	// Roles are the client's.
	Roles []string `json:"roles,omitempty"`

	Command   string            `json:"command,omitempty"` // as it was decided on
	Argv      []string          `json:"argv,omitempty"`    // in place of Command
	Workdir   string            `json:"workdir,omitempty"`
	Env       map[string]string `json:"env,omitempty"`        // name to keyed digest
	Request   string            `json:"request,omitempty"`    // keyed digest of the request as it is stored with the job
	ChangedBy []string          `json:"changed_by,omitempty"` // plugins that rewrote the request

	Decision string   `json:"decision,omitempty"` // its ID
	Revision string   `json:"revision,omitempty"` // of the policy
	Grants   []string `json:"grants,omitempty"`
	Reasons  []string `json:"reasons,omitempty"`
	Code     string   `json:"code,omitempty"`   // of a refusal
	Plugin   string   `json:"plugin,omitempty"` // that refused or answered
	Profile  string   `json:"profile,omitempty"`
	User     string   `json:"user,omitempty"` // that the command runs as
	Mode     string   `json:"mode,omitempty"` // "direct" or "shell"
	Spec     string   `json:"spec,omitempty"` // keyed digest of what was decided, as it is stored with the job

	Status   string  `json:"status,omitempty"`    // of a job that ended, or what becomes of a callback
	ExitCode *int    `json:"exit_code,omitempty"` // nil where there is none
	Signal   string  `json:"signal,omitempty"`
	Stdout   *Stream `json:"stdout,omitempty"`
	Stderr   *Stream `json:"stderr,omitempty"`
	Micros   int64   `json:"duration_us,omitzero"` // how long it ran
	Reason   string  `json:"reason,omitempty"`     // why it ended so; why a callback failed
	Result   string  `json:"result,omitempty"`     // keyed digest of what else is stored of the end

	Delivery   string `json:"delivery,omitempty"` // ID of a callback
	Receiver   string `json:"receiver,omitempty"` // host and port; paths and queries often hold secrets
	Attempt    int    `json:"attempt,omitzero"`
	HTTPStatus int    `json:"http_status,omitzero"`

	Activated  map[string]string `json:"activated,omitempty"` // what came into force: name to digest or revision
	Version    string            `json:"version,omitempty"`   // of the program that started
	Count      int64             `json:"count,omitzero"`      // how many
	Jobs       []string          `json:"jobs,omitempty"`      // that were forgotten
	Checkpoint string            `json:"checkpoint,omitempty"`
}

// A Stream is what a leaf says of an output, as it was stored: after the plugins of the response phase.
type Stream struct {
	Bytes     int64  `json:"bytes"` // how many the command wrote
	Truncated bool   `json:"truncated,omitzero"`
	SHA256    string `json:"sha256"` // of what was kept, in hexadecimal; not keyed, so that whoever has the output can compare
}

// leafVersion is the form that Encode writes and Decode reads.
const leafVersion = 1

// wire is a leaf as it is written: version, time and type are always at the same place.
type wire struct {
	Version int   `json:"v"`
	Time    stamp `json:"time"`
	Leaf
}

// What Decode refuses.
var (
	// ErrLeaf says that the bytes are not what Encode returns.
	ErrLeaf = errors.New("not a leaf of the audit")
	// ErrLeafVersion says that a newer version of Sidegate wrote the leaf.
	ErrLeafVersion = errors.New("the leaf was written by a newer version")
)

// Decode is the inverse of Encode. It takes nothing else: unknown or repeated members, unknown types, and every other way to write the same are
// ErrLeaf. A leaf of another version is ErrLeafVersion. No error quotes the leaf.
func Decode(data []byte) (Leaf, error) {
	version, _, ok := header(data)
	if !ok {
		return Leaf{}, fmt.Errorf("%w: it does not begin with a version and a time", ErrLeaf)
	}
	if version != leafVersion {
		return Leaf{}, fmt.Errorf("%w: it has version %d and this program reads version %d", ErrLeafVersion, version, leafVersion)
	}
	var w wire
	if err := json.Unmarshal(data, &w, json.RejectUnknownMembers(true)); err != nil {
		return Leaf{}, fmt.Errorf("%w: %s", ErrLeaf, plainJSON(err))
	}
	if !types[w.Type] {
		return Leaf{}, fmt.Errorf("%w: its type is unknown", ErrLeaf)
	}
	w.Leaf.Time = time.Time(w.Time)
	if string(w.Encode()) != string(data) {
		return Leaf{}, fmt.Errorf("%w: it is not written as Encode writes it", ErrLeaf)
	}
	return w.Leaf, nil
}

// plainJSON says what is wrong with a document, without quoting it.
func plainJSON(err error) string {
	if e, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return "it is not valid JSON at byte " + strconv.FormatInt(e.ByteOffset, 10)
	}
	if e, ok := errors.AsType[*json.SemanticError](err); ok {
		if errors.Is(err, json.ErrUnknownName) {
			return "it has an unknown member"
		}
		return "it has a value of the wrong kind at byte " + strconv.FormatInt(e.ByteOffset, 10)
	}
	return "it cannot be read"
}

// The beginning of every leaf: `{"v":1,"time":"2026-03-01T12:00:00.000000Z","type":"`.
const (
	beforeVersion = `{"v":`
	beforeTime    = `,"time":"`
	afterTime     = `","type":"`
	stampFormat   = "2006-01-02T15:04:05.000000Z"
)

// header reads version and time without the rest, which takes a tenth of the time that Decode does.
func header(data []byte) (version int, at string, ok bool) {
	if len(data) < len(beforeVersion) || string(data[:len(beforeVersion)]) != beforeVersion {
		return 0, "", false
	}
	data = data[len(beforeVersion):]
	digits := 0
	for digits < len(data) && digits < 9 && data[digits] >= '0' && data[digits] <= '9' {
		version = 10*version + int(data[digits]-'0')
		digits++
	}
	data = data[digits:]
	if digits == 0 || len(data) < len(beforeTime)+len(stampFormat) || string(data[:len(beforeTime)]) != beforeTime {
		return 0, "", false
	}
	return version, string(data[len(beforeTime) : len(beforeTime)+len(stampFormat)]), true
}

// Peek reads type and time of a leaf without the rest. It is false where the beginning is not that of a leaf of this version. Whoever reads on decodes.
func Peek(data []byte) (t Type, at time.Time, ok bool) {
	version, stamped, ok := header(data)
	if !ok || version != leafVersion {
		return "", time.Time{}, false
	}
	const from = len(beforeVersion) + len("1") + len(beforeTime) + len(stampFormat)
	rest, found := bytes.CutPrefix(data[min(from, len(data)):], []byte(afterTime))
	name, _, ended := bytes.Cut(rest, []byte{'"'})
	at, err := parseStamp(stamped)
	t = Type(name)
	return t, at, found && ended && err == nil && types[t]
}

// isCheckpoint tells whether data claims to be a leaf of type CheckpointMade of this version.
func isCheckpoint(data []byte) bool {
	const from = len(beforeVersion) + len("1") + len(beforeTime) + len(stampFormat)
	const is = afterTime + string(CheckpointMade) + `"`
	return len(data) >= from+len(is) && string(data[from:from+len(is)]) == is
}

// stamp is a time as leaves and checkpoints write it: always as long, so that text sorts as time does.
type stamp time.Time

func (s stamp) String() string { return time.Time(s).UTC().Format(stampFormat) }

func (s stamp) MarshalText() ([]byte, error) {
	return time.Time(s).UTC().AppendFormat(nil, stampFormat), nil
}

func (s *stamp) UnmarshalText(text []byte) error {
	t, err := parseStamp(string(text))
	*s = stamp(t)
	return err
}

func parseStamp(text string) (time.Time, error) {
	t, err := time.Parse(stampFormat, text)
	if err != nil || stamp(t).String() != text {
		return time.Time{}, errors.New("not a time in UTC with microseconds")
	}
	return t, nil
}
