package policy

import (
	"time"

	json "github.com/go-json-experiment/json"
)

// InputVersion is the version of the shape of [Input].
const InputVersion = 1

// PhaseRequest is the phase in which a request is decided before it runs.
const PhaseRequest = "request"

// Input is what a policy decides on, as schemas/input.json describes it. Every
// field is always present for Rego: a nil slice is an empty array, a nil map an
// empty object, and only the fields documented so are null.
//
// An Input is read, never written or kept, by this package.
type Input struct {
	Version int     `json:"version"` // InputVersion
	Phase   string  `json:"phase"`   // PhaseRequest
	Client  Client  `json:"client"`
	Request Request `json:"request"`
	Shell   Shell   `json:"shell"`
	Host    Host    `json:"host"`
}

// MarshalJSON writes the JSON that a policy sees.
func (in Input) MarshalJSON() ([]byte, error) {
	// Version 2 of encoding/json writes nil slices and maps as [] and {},
	// which is the promise that Input makes.
	type plain Input
	in.Request.Time = in.Request.Time.UTC()
	return json.Marshal(plain(in), json.Deterministic(true))
}

// Client says who signed the request.
type Client struct {
	Name   string            `json:"name"`
	Scheme string            `json:"scheme"`
	KeyID  string            `json:"key_id"`
	Roles  []string          `json:"roles"`
	Labels map[string]string `json:"labels"`
}

// Request says what was asked for, after everything that may rewrite it.
type Request struct {
	ID           string            `json:"id"`
	Time         time.Time         `json:"time"` // shown to the policy in UTC
	SourceIP     string            `json:"source_ip"`
	Command      string            `json:"command"`
	Argv         Argv              `json:"argv"`
	Workdir      string            `json:"workdir"` // "" is a private empty directory, otherwise a real path
	Env          map[string]string `json:"env"`
	EnvDangerous []string          `json:"env_dangerous"`
	Stdin        *Stdin            `json:"stdin"`    // nil is null
	Callback     *Callback         `json:"callback"` // nil is null
	Wait         bool              `json:"wait"`
	TimeoutMS    int64             `json:"timeout_ms"` // milliseconds, 0 when the caller named none
	Labels       map[string]string `json:"labels"`
	ChangedBy    []string          `json:"changed_by"`
}

// Argv is an argument vector given in place of a command string. Nil is null:
// the caller gave a string.
type Argv []string

// MarshalJSON writes null for nil, unlike every other slice of an Input.
func (a Argv) MarshalJSON() ([]byte, error) {
	if a == nil {
		return []byte("null"), nil
	}
	return json.Marshal([]string(a))
}

// Stdin describes the standard input that came with the request.
type Stdin struct {
	Size   int64   `json:"size"` // bytes
	SHA256 string  `json:"sha256"`
	Text   *string `json:"text"` // nil is null: longer than 4 KiB, or not text
}

// Callback is where the outcome is posted to.
type Callback struct {
	Scheme string `json:"scheme"`
	Host   string `json:"host"`
	Port   int    `json:"port"`
	Path   string `json:"path"`
	Query  string `json:"query"`
}

// Host describes the host that would run the command.
type Host struct {
	Name    string            `json:"name"`
	Labels  map[string]string `json:"labels"`
	Sandbox map[string]bool   `json:"sandbox"` // profile name: whether it can be enforced here
}
