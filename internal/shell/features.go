package shell

// The features an Analysis can name. A policy that allows dynamic words still
// wants to refuse most of them by name.
const (
	// Structure.
	featureList        = "list"         // more than one statement, or && and ||
	featureAndOr       = "and_or"       // && or ||
	featurePipe        = "pipe"         // |
	featurePipeAll     = "pipe_all"     // |&, which also redirects stderr
	featureBackground  = "background"   // &
	featureNegated     = "negated"      // !
	featureTime        = "time"         // the time keyword
	featureSubshell    = "subshell"     // ( … )
	featureBlock       = "block"        // { …; }
	featureConditional = "conditional"  // if or case
	featureLoop        = "loop"         // for, while, until or select
	featureUnbounded   = "unbounded"    // a loop whose end depends on a condition: while, until, select, for ((;;))
	featureSelect      = "select"       // select, which reads stdin
	featureFunction    = "function"     // a function is declared
	featureCoproc      = "coproc"       // coproc
	featureCompound    = "compound"     // any compound command
	featureTest        = "test"         // [[ … ]]
	featureArithCmd    = "arith_cmd"    // (( … ))
	featureLet         = "let"          // let
	featureDecl        = "decl"         // declare, export, local, readonly, typeset
	featureShellAssign = "shell_assign" // an assignment that outlives its command

	// Words.
	featureParam         = "param"                 // $x, ${x}
	featureParamIndirect = "param_indirect"        // ${!x}, ${!x*}
	featureParamTransfom = "param_transform"       // ${x@P} and the other @ operators; @P runs substitutions
	featureParamAssign   = "param_assign"          // ${x=v}, ${x:=v}
	featureCmdsubst      = "cmdsubst"              // $(…), `…`
	featureProcsubst     = "procsubst"             // <(…), >(…)
	featureArith         = "arith"                 // $((…))
	featureArray         = "array"                 // array values and subscripts
	featureGlob          = "glob"                  // * ? [ unquoted
	featureExtglob       = "extglob"               // @(…) and its kin, in [[ ]] only
	featureBrace         = "brace"                 // {a,b}, {1..9}
	featureBraceBomb     = "brace_bomb"            // a brace expansion to more than 64 words
	featureTilde         = "tilde"                 // ~ unquoted where it may expand
	featureLocaleString  = "locale_string"         // $"…", translated by the locale
	featureUnresolvable  = "unresolvable"          // an escape this package does not vouch for
	featureControlChars  = "control_chars_in_word" // a value holds a character that a command string may not
	featureDynamicName   = "dynamic_command_name"  // what runs is not known

	// Redirects.
	featureRedirect     = "redirect"            // any redirect
	featureBareRedirect = "bare_redirect"       // redirects without a command
	featureFileWrite    = "file_write_redirect" // a redirect that may create or change a file
	featureNetRedirect  = "net_redirect"        // /dev/tcp, /dev/udp
	featureHeredoc      = "heredoc"             // << and <<-
	featureHerestring   = "herestring"          // <<<
	featureFDVariable   = "fd_variable"         // {fd}>

	// Commands that run others or change how others are read.
	featureEval         = "eval"          // eval
	featureSource       = "source"        // source and .
	featureTrap         = "trap"          // trap
	featureAlias        = "alias"         // alias, unalias
	featureShellState   = "shell_state"   // builtins that change how later commands are found or read: hash, enable, set, shopt …
	featureSubscript    = "subscript"     // a static text that bash would evaluate as a subscript with a substitution
	featureWrapper      = "wrapper"       // a program that runs another
	featureEnvSplit     = "env_split"     // env -S
	featureFindExec     = "find_exec"     // find -exec and its kin
	featureStdinArgs    = "stdin_args"    // xargs, parallel
	featureNestedScript = "nested_script" // sh -c, eval, trap: a script within a word
	featureOpaque       = "opaque"        // something that is run is not listed
	featureTruncated    = "truncated"     // over a cap
)

// A dynamic is a set of reasons why a word's value is not known.
type dynamic uint16

const (
	dynParam dynamic = 1 << iota
	dynCmdsubst
	dynProcsubst
	dynArith
	dynGlob
	dynBrace
	dynTilde
	dynExtglob
	dynArray
	dynStdinArgs
	dynUnresolvable
)

// dynamicNames are the names of the bits of dynamic, lowest first, and the
// features that they set.
var dynamicNames = [...]string{
	"param", "cmdsubst", "procsubst", "arith", "glob", "brace", "tilde", "extglob", "array", "stdin_args", "unresolvable",
}

var dynamicFeatures = [...]string{
	featureParam, featureCmdsubst, featureProcsubst, featureArith, featureGlob, featureBrace, featureTilde,
	featureExtglob, featureArray, featureStdinArgs, featureUnresolvable,
}

func (d dynamic) names() []string {
	names := []string{}
	for i, name := range dynamicNames {
		if d&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return names
}
