package shell

// Class is the shape of a whole command string.
type Class string

const (
	// ClassEmpty has no command at all: blank input or only comments.
	ClassEmpty Class = "empty"
	// ClassSimple is one plain command of static words, without assignments,
	// redirects, negation, time or background. Executing Commands[0].Argv
	// without any shell is what bash would do with the string, apart from bash
	// running its own builtin of that name (see Command.Builtin). Commands
	// after the first are those its wrappers run (see Command.Via).
	ClassSimple Class = "simple"
	// ClassPipeline is one pipeline of two or more plain commands. Their
	// words, redirects and assignments may still be dynamic.
	ClassPipeline Class = "pipeline"
	// ClassCompound is everything else that bash would run.
	ClassCompound Class = "compound"
	// ClassInvalid was refused: forbidden characters, too long, nested too
	// deep, not bash, or read differently by bash and by this package.
	// ParseError says which, and Commands is empty.
	ClassInvalid Class = "invalid"
)

// Kind is what a Command is.
type Kind string

const (
	KindSimple   Kind = "simple"   // words: a program, builtin or function with arguments
	KindAssign   Kind = "assign"   // NAME=VALUE alone, and the list of a for or select loop
	KindDecl     Kind = "decl"     // declare, export, local, readonly, typeset
	KindRedirect Kind = "redirect" // redirects alone, or those of a compound command
	KindTest     Kind = "test"     // [[ … ]]
	KindArith    Kind = "arith"    // (( … )) and the header of for (( ; ; ))
	KindLet      Kind = "let"      // let …
	KindFunc     Kind = "func"     // the declaration of a function
	KindOther    Kind = "other"    // the words of a case
)

// PathKind is how a command names its program.
type PathKind string

const (
	PathBare     PathKind = "bare"     // no slash: a function, a builtin or a search of PATH
	PathAbsolute PathKind = "absolute" // starts with a slash
	PathRelative PathKind = "relative" // has a slash: resolved against the working directory
	PathDynamic  PathKind = "dynamic"  // not known before it runs
	PathNone     PathKind = "none"     // names no program (every kind but simple)
)

// Analysis is input.shell of a policy. Every field is always present in its
// JSON form, and no array or object is ever null.
type Analysis struct {
	Class Class `json:"class"`
	// ParseError says why the class is invalid, and is null otherwise.
	ParseError *string `json:"parse_error"`
	// CharsetViolations names the kinds of forbidden characters, sorted.
	CharsetViolations []string `json:"charset_violations"`
	// Truncated is set when a cap was exceeded, so that something the string
	// would run may be missing from Commands.
	Truncated bool `json:"truncated"`
	// AllStatic is set when there is a command, nothing is truncated or
	// opaque, and every name, word, redirect target and assigned value is known.
	AllStatic bool `json:"all_static"`
	// Features names what the string uses; see the table in features.go.
	// A feature that is not used is absent.
	Features map[string]bool `json:"features"`
	// Commands lists everything that would or might run, in source order, a
	// parent always before its children.
	Commands []Command `json:"commands"`
}

// Command is one thing that bash would do.
type Command struct {
	// ID is the command's index in Analysis.Commands.
	ID int `json:"id"`
	// Parent is the ID of the command in whose words, redirect or body this
	// one stands or whose wrapper runs it, and -1 when there is none.
	Parent int  `json:"parent"`
	Kind   Kind `json:"kind"`
	// Name is the first word exactly as it would be executed, so a bare "ls"
	// is never equal to "./ls" or "/tmp/ls". It is the keyword for decl, test,
	// let and other, the declared name for func, and empty otherwise.
	Name string `json:"name"`
	// NameStatic is false when the name is not known before it runs.
	NameStatic bool     `json:"name_static"`
	PathKind   PathKind `json:"path_kind"`
	// ResolvedPath is the realpath of the regular, executable file that the
	// name stands for. It is filled in for a builtin too, when a program of
	// that name exists. It is null when there is no such file, and when the
	// line itself may change what the name stands for: an assignment to PATH,
	// hash, a function of that name, a directory change before a relative
	// name, or a wrapper that searches another PATH or root.
	ResolvedPath *string `json:"resolved_path"`
	// Builtin is set when bash has a builtin of this name, which it would run
	// in place of the program.
	Builtin bool `json:"builtin"`
	// Argv holds the values of Args: null where a value is not known.
	Argv []*string `json:"argv"`
	// Args are the words. For kind simple and decl the first is the name; for
	// test and other they are the operands.
	Args []Word `json:"args"`
	// ArgsStatic is set when every word's value is known. It is false for
	// arith and let, whose operands are variables.
	ArgsStatic  bool         `json:"args_static"`
	Redirects   []Redirect   `json:"redirects"`
	Assignments []Assignment `json:"assignments"`
	// Context is the set of surroundings, from the outside in: pipe, subshell,
	// cmdsubst, procsubst, background, function, loop, conditional.
	Context []string `json:"context"`
	// Depth counts the commands and the nested constructs around this one.
	Depth int `json:"depth"`
	// Via names the wrappers that run this command, outermost first.
	Via []string `json:"via"`
	// Opaque says why this command may run something that is not listed.
	Opaque *string `json:"opaque"`
	// Tags are properties of the program that Name's last path element names:
	// shell, interpreter, wrapper, privilege, network, remote, deferred.
	Tags []string `json:"tags"`

	// Program identifies the file at ResolvedPath; nil when that is null.
	Program *Program `json:"-"`
}

// Program is an executable file at the moment of analysis. Whoever executes
// it must compare Dev and Ino with the descriptor that is executed.
type Program struct {
	Path string // realpath
	Dev  uint64
	Ino  uint64
}

// Word is one shell word.
type Word struct {
	// Value is what the word expands to, as exactly one field. It is null
	// when that depends on anything but the string itself.
	Value *string `json:"value"`
	// Static is set exactly when Value is not null.
	Static bool `json:"static"`
	// Raw is the source text.
	Raw string `json:"raw"`
	// Dynamic names what keeps the value from being known, each once: param,
	// cmdsubst, procsubst, arith, glob, brace, tilde, extglob, array,
	// unresolvable, and stdin_args for what xargs, parallel and find fill in.
	Dynamic []string `json:"dynamic"`
}

// Redirect is one redirection.
type Redirect struct {
	// Op is the operator as written: > >> < <> >| >& <& &> &>> << <<- <<<.
	Op string `json:"op"`
	// Mode is read, write, append, readwrite, dup, heredoc or herestring.
	Mode string `json:"mode"`
	// FD is the number or {name} before the operator, and empty without one.
	FD string `json:"fd"`
	// Target is the word after the operator; of a heredoc, its body.
	Target Word `json:"target"`
	// Path is the target of a mode that opens a file, exactly as bash would
	// open it: relative paths and dot segments are kept. It is null when the
	// target is dynamic, and for dup, heredoc and herestring.
	Path *string `json:"path"`
	// Net is set when Path is one of bash's network names below /dev/tcp/ and
	// /dev/udp/.
	Net bool `json:"net"`
}

// Assignment is one variable assignment.
type Assignment struct {
	// Name is the variable, or empty when the word that holds it is dynamic.
	Name string `json:"name"`
	// Value is dynamic for arrays and for +=, whose result is not known.
	Value Word `json:"value"`
	// Scope is prefix (for one command's environment) or shell.
	Scope string `json:"scope"`
	// Dangerous is DangerousEnv(Name).
	Dangerous bool `json:"dangerous"`
}
