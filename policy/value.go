package policy

import (
	"strconv"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
)

// The conversion from Input to OPA's values is written out by hand: going
// through JSON costs a fifth of a whole decision. Keys are terms made once and
// shared by every decision, which is safe because terms are not modified
// during evaluation.

// toValue returns the policy's view of in.
func toValue(in *Input) ast.Value {
	return ast.NewObject(
		field(keyVersion, number(int64(in.Version))),
		field(keyPhase, text(in.Phase)),
		field(keyClient, clientTerm(&in.Client)),
		field(keyRequest, requestTerm(&in.Request)),
		field(keyShell, shellTerm(&in.Shell)),
		field(keyHost, hostTerm(&in.Host)),
	)
}

func clientTerm(c *Client) *ast.Term {
	return ast.ObjectTerm(
		field(keyName, text(c.Name)),
		field(keyScheme, text(c.Scheme)),
		field(keyKeyID, text(c.KeyID)),
		field(keyRoles, texts(c.Roles)),
		field(keyLabels, textMap(c.Labels)),
	)
}

func requestTerm(r *Request) *ast.Term {
	argv := ast.InternedNullTerm
	if r.Argv != nil {
		argv = texts(r.Argv)
	}
	return ast.ObjectTerm(
		field(keyID, text(r.ID)),
		field(keyTime, text(r.Time.UTC().Format(time.RFC3339Nano))),
		field(keySourceIP, text(r.SourceIP)),
		field(keyCommand, text(r.Command)),
		field(keyArgv, argv),
		field(keyWorkdir, text(r.Workdir)),
		field(keyEnv, textMap(r.Env)),
		field(keyEnvDangerous, texts(r.EnvDangerous)),
		field(keyStdin, stdinTerm(r.Stdin)),
		field(keyCallback, callbackTerm(r.Callback)),
		field(keyWait, ast.InternedTerm(r.Wait)),
		field(keyTimeoutMS, number(r.TimeoutMS)),
		field(keyLabels, textMap(r.Labels)),
		field(keyChangedBy, texts(r.ChangedBy)),
	)
}

func stdinTerm(s *Stdin) *ast.Term {
	if s == nil {
		return ast.InternedNullTerm
	}
	return ast.ObjectTerm(
		field(keySize, number(s.Size)),
		field(keySHA256, text(s.SHA256)),
		field(keyText, textOrNull(s.Text)),
	)
}

func callbackTerm(c *Callback) *ast.Term {
	if c == nil {
		return ast.InternedNullTerm
	}
	return ast.ObjectTerm(
		field(keyScheme, text(c.Scheme)),
		field(keyHost, text(c.Host)),
		field(keyPort, number(int64(c.Port))),
		field(keyPath, text(c.Path)),
		field(keyQuery, text(c.Query)),
	)
}

func hostTerm(h *Host) *ast.Term {
	return ast.ObjectTerm(
		field(keyName, text(h.Name)),
		field(keyLabels, textMap(h.Labels)),
		field(keySandbox, flagMap(h.Sandbox)),
	)
}

func shellTerm(s *Shell) *ast.Term {
	return ast.ObjectTerm(
		field(keyClass, text(s.Class)),
		field(keyParseError, textOrNull(s.ParseError)),
		field(keyCharsetViolations, texts(s.CharsetViolations)),
		field(keyTruncated, ast.InternedTerm(s.Truncated)),
		field(keyAllStatic, ast.InternedTerm(s.AllStatic)),
		field(keyFeatures, flagMap(s.Features)),
		field(keyCommands, list(s.Commands, commandTerm)),
	)
}

func commandTerm(c *Command) *ast.Term {
	return ast.ObjectTerm(
		field(keyID, number(int64(c.ID))),
		field(keyParent, number(int64(c.Parent))),
		field(keyKind, text(c.Kind)),
		field(keyName, text(c.Name)),
		field(keyNameStatic, ast.InternedTerm(c.NameStatic)),
		field(keyPathKind, text(c.PathKind)),
		field(keyResolvedPath, textOrNull(c.ResolvedPath)),
		field(keyBuiltin, ast.InternedTerm(c.Builtin)),
		field(keyArgv, list(c.Argv, func(s **string) *ast.Term { return textOrNull(*s) })),
		field(keyArgs, list(c.Args, wordTerm)),
		field(keyArgsStatic, ast.InternedTerm(c.ArgsStatic)),
		field(keyRedirects, list(c.Redirects, redirectTerm)),
		field(keyAssignments, list(c.Assignments, assignmentTerm)),
		field(keyContext, texts(c.Context)),
		field(keyDepth, number(int64(c.Depth))),
		field(keyVia, texts(c.Via)),
		field(keyOpaque, textOrNull(c.Opaque)),
		field(keyTags, texts(c.Tags)),
	)
}

func wordTerm(w *Word) *ast.Term {
	return ast.ObjectTerm(
		field(keyValue, textOrNull(w.Value)),
		field(keyStatic, ast.InternedTerm(w.Static)),
		field(keyRaw, text(w.Raw)),
		field(keyDynamic, texts(w.Dynamic)),
	)
}

func redirectTerm(r *Redirect) *ast.Term {
	return ast.ObjectTerm(
		field(keyOp, text(r.Op)),
		field(keyMode, text(r.Mode)),
		field(keyFD, text(r.FD)),
		field(keyTarget, wordTerm(&r.Target)),
		field(keyPath, textOrNull(r.Path)),
		field(keyNet, ast.InternedTerm(r.Net)),
	)
}

func assignmentTerm(a *Assignment) *ast.Term {
	return ast.ObjectTerm(
		field(keyName, text(a.Name)),
		field(keyValue, wordTerm(&a.Value)),
		field(keyScope, text(a.Scope)),
		field(keyDangerous, ast.InternedTerm(a.Dangerous)),
	)
}

func field(key, value *ast.Term) [2]*ast.Term { return [2]*ast.Term{key, value} }

func text(s string) *ast.Term { return ast.InternedTerm(s) }

func textOrNull(s *string) *ast.Term {
	if s == nil {
		return ast.InternedNullTerm
	}
	return text(*s)
}

func number(n int64) *ast.Term {
	if int64(int(n)) == n {
		return ast.InternedTerm(int(n))
	}
	return ast.NewTerm(ast.Number(strconv.FormatInt(n, 10)))
}

func list[T any](from []T, term func(*T) *ast.Term) *ast.Term {
	if len(from) == 0 {
		return ast.InternedEmptyArray
	}
	terms := make([]*ast.Term, len(from))
	for i := range from {
		terms[i] = term(&from[i])
	}
	return ast.ArrayTerm(terms...)
}

func texts(from []string) *ast.Term {
	return list(from, func(s *string) *ast.Term { return text(*s) })
}

func textMap(from map[string]string) *ast.Term {
	if len(from) == 0 {
		return ast.InternedEmptyObject
	}
	items := make([][2]*ast.Term, 0, len(from))
	for key, value := range from {
		items = append(items, field(text(key), text(value)))
	}
	return ast.ObjectTerm(items...)
}

func flagMap(from map[string]bool) *ast.Term {
	if len(from) == 0 {
		return ast.InternedEmptyObject
	}
	items := make([][2]*ast.Term, 0, len(from))
	for key, value := range from {
		items = append(items, field(text(key), ast.InternedTerm(value)))
	}
	return ast.ObjectTerm(items...)
}
