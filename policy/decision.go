package policy

import (
	"strconv"
	"time"

	json "github.com/go-json-experiment/json"
)

// Decision is the answer to an [Input]. The zero value denies.
//
// A Decision that allows has no Reasons and no Fault. One that denies has at
// least one Reason.
type Decision struct {
	Allow       bool        `json:"allow"`
	Grants      []string    `json:"grants"`  // names of the grants that covered the request
	Reasons     []string    `json:"reasons"` // why not; the caller may read them
	Obligations Obligations `json:"obligations"`

	// Revision names the policy that answered.
	Revision string `json:"revision"`

	// Fault says why the policy gave no answer that can be used; it is empty
	// when the policy answered. It may quote the policy and what the policy
	// computed, so it belongs in the operator's log and not in a reply.
	Fault string `json:"fault,omitempty"`
	// FaultAt is where in the policy the fault was, as file:line: code, where it was in a rule; it quotes nothing.
	FaultAt string `json:"-"`
	// TimedOut says that the fault was the time: the same question may be answered later.
	TimedOut bool `json:"-"`

	// Called names the builtins that were called and whose result follows not from
	// their operands alone, such as time.now_ns, sorted; with [Config.NoteCalls].
	Called []string `json:"-"`
}

// Obligations say how an allowed request must run. They can only narrow what
// the configuration permits. The zero value of every field means that the
// policy did not say, and the configured default applies.
type Obligations struct {
	Mode       string // "direct" or "shell"
	Profile    string // "host", "confined" or "isolated"
	BestEffort bool   // run even where a part of the profile is missing; default false
	Timeout    time.Duration
	MaxOutput  int64 // bytes per stream
	RunAs      string
	Limits     Limits

	// Filesystem lists what the command may touch. Nil: the policy did not
	// say. Not nil: exactly this, and nothing when it is empty.
	Filesystem *Filesystem

	Network      string // "none", "netlink" or "full"
	Env          Env
	OnDisconnect string // "continue" or "kill"
}

// Limits bound one command. Zero: the policy did not say.
type Limits struct {
	Memory     int64 // bytes
	PIDs       int64
	CPUSeconds int64
	OpenFiles  int64
	FileSize   int64 // bytes
}

// Filesystem holds absolute, cleaned paths; each stands for what lies below it too.
type Filesystem struct {
	Read, Write []string

	// ReadIfPresent is like Read, for what this host need not have. A path of
	// Read and Write that is not there refuses the command.
	ReadIfPresent []string

	// Execute lists what the command may start besides what it is itself: a
	// bare name is looked up in executor.path. Nil: the policy did not say. Not
	// nil: exactly these, and nothing when it is empty.
	Execute []string
}

// Env changes the command's environment.
type Env struct {
	Set map[string]string // variables to set

	// Pass names the keys of the request's env to hand over. Nil: the policy
	// did not say, and allowed the request with all of them. Not nil: exactly
	// these, and none when it is empty.
	Pass []string
}

// MarshalJSON writes the obligations as a policy writes them: absent ones are
// left out, times and sizes are strings.
func (o Obligations) MarshalJSON() ([]byte, error) {
	return json.Marshal(o.wire(), json.Deterministic(true))
}

// wireObligations is the form of Obligations that Rego writes and
// schemas/decision.json describes.
type wireObligations struct {
	Mode         string          `json:"mode,omitempty"`
	Profile      string          `json:"profile,omitempty"`
	BestEffort   bool            `json:"best_effort,omitzero"`
	Timeout      string          `json:"timeout,omitempty"`
	MaxOutput    string          `json:"max_output,omitempty"`
	RunAs        string          `json:"run_as,omitempty"`
	Limits       wireLimits      `json:"limits,omitzero"`
	Filesystem   *wireFilesystem `json:"filesystem,omitzero"`
	Network      string          `json:"network,omitempty"`
	Env          wireEnv         `json:"env,omitzero"`
	OnDisconnect string          `json:"on_disconnect,omitempty"`
}

type wireLimits struct {
	Memory     string `json:"memory,omitempty"`
	PIDs       int64  `json:"pids,omitzero"`
	CPUSeconds int64  `json:"cpu_seconds,omitzero"`
	OpenFiles  int64  `json:"open_files,omitzero"`
	FileSize   string `json:"file_size,omitempty"`
}

type wireFilesystem struct {
	Read          []string `json:"read"`
	Write         []string `json:"write"`
	ReadIfPresent []string `json:"read_if_present,omitempty"`
	Execute       []string `json:"execute,omitzero"`
}

type wireEnv struct {
	Set  map[string]string `json:"set,omitempty"`
	Pass []string          `json:"pass,omitzero"`
}

func (o Obligations) wire() wireObligations {
	w := wireObligations{
		Mode:       o.Mode,
		Profile:    o.Profile,
		BestEffort: o.BestEffort,
		MaxOutput:  wireSize(o.MaxOutput),
		RunAs:      o.RunAs,
		Limits: wireLimits{
			Memory:     wireSize(o.Limits.Memory),
			PIDs:       o.Limits.PIDs,
			CPUSeconds: o.Limits.CPUSeconds,
			OpenFiles:  o.Limits.OpenFiles,
			FileSize:   wireSize(o.Limits.FileSize),
		},
		Network:      o.Network,
		Env:          wireEnv(o.Env),
		OnDisconnect: o.OnDisconnect,
	}
	if o.Timeout > 0 {
		w.Timeout = o.Timeout.String()
	}
	if o.Filesystem != nil {
		files := wireFilesystem(*o.Filesystem)
		w.Filesystem = &files
	}
	return w
}

// wireSize writes n bytes in the largest unit that says it exactly.
func wireSize(n int64) string {
	if n <= 0 {
		return ""
	}
	unit := 0
	for n%1024 == 0 && unit < len(sizeUnits)-1 {
		n /= 1024
		unit++
	}
	return strconv.FormatInt(n, 10) + sizeUnits[unit]
}

var sizeUnits = []string{"B", "KiB", "MiB", "GiB", "TiB"}
