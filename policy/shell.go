package policy

// Shell is the analysis of the command string. Its values come from the
// analyzer; this package only hands them to Rego.
type Shell struct {
	Class             string          `json:"class"`
	ParseError        *string         `json:"parse_error"` // nil is null
	CharsetViolations []string        `json:"charset_violations"`
	Truncated         bool            `json:"truncated"`
	AllStatic         bool            `json:"all_static"`
	Features          map[string]bool `json:"features"`
	Commands          []Command       `json:"commands"`
}

// Command is one command of the analysis.
type Command struct {
	ID           int          `json:"id"`
	Parent       int          `json:"parent"` // -1 when there is none
	Kind         string       `json:"kind"`
	Name         string       `json:"name"`
	NameStatic   bool         `json:"name_static"`
	PathKind     string       `json:"path_kind"`
	ResolvedPath *string      `json:"resolved_path"` // nil is null
	Builtin      bool         `json:"builtin"`
	Argv         []*string    `json:"argv"` // a nil element is null: the word is dynamic
	Args         []Word       `json:"args"`
	ArgsStatic   bool         `json:"args_static"`
	Redirects    []Redirect   `json:"redirects"`
	Assignments  []Assignment `json:"assignments"`
	Context      []string     `json:"context"`
	Depth        int          `json:"depth"`
	Via          []string     `json:"via"`
	Opaque       *string      `json:"opaque"` // nil is null: what it runs can be seen
	Tags         []string     `json:"tags"`
}

// Word is one word of a command.
type Word struct {
	Value   *string  `json:"value"` // nil is null: not known before the shell runs
	Static  bool     `json:"static"`
	Raw     string   `json:"raw"`
	Dynamic []string `json:"dynamic"`
}

// Redirect is one redirection of a command.
type Redirect struct {
	Op     string  `json:"op"`
	Mode   string  `json:"mode"`
	FD     string  `json:"fd"` // as written, "" for the operator's own
	Target Word    `json:"target"`
	Path   *string `json:"path"` // nil is null
	Net    bool    `json:"net"`
}

// Assignment is one variable assignment of a command.
type Assignment struct {
	Name      string `json:"name"`
	Value     Word   `json:"value"`
	Scope     string `json:"scope"`
	Dangerous bool   `json:"dangerous"`
}
