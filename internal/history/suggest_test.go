package history

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sidegate/sidegate/gateway"
	"github.com/sidegate/sidegate/internal/callback"
	"github.com/sidegate/sidegate/internal/config"
	"github.com/sidegate/sidegate/policy/authoring"
)

// shippedPolicies are those that a new gateway gets.
const shippedPolicies = "../../policies"

// suggestedFor is the configuration of the gateway that gets suggestions.
func suggestedFor() config.Config {
	c := config.Default()
	c.Callbacks.Allow = []string{"http://h:1/*"}
	return c
}

// called makes a request of a client with the role readonly that ran in observe mode, or was denied.
func called(client, verdict string, argv []string, change func(*Request)) Request {
	a := asking("", verdict, change)
	a.Newest.Principal.Client, a.Newest.Principal.Roles, a.Newest.Order.Command, a.Newest.Argv = client, []string{"readonly"}, "", argv
	return a
}

func suggested(t testing.TB, o SuggestOptions, asked ...Request) (*Suggestion, string) {
	t.Helper()
	o.Dir = t.TempDir()
	if o.Role == "" {
		o.Role = "web"
	}
	o.Paths = []string{shippedPolicies}
	open := 0
	o.Load = func(ctx context.Context, paths []string) (Policies, func(), error) {
		e, err := load(ctx, suggestedFor(), paths...)
		if err != nil {
			return nil, nil, err
		}
		open++
		return e, func() { open--; e.Close(ctx) }, nil
	}
	s, err := Suggest(t.Context(), loaded(t, suggestedFor(), shippedPolicies), Requests{Distinct: asked}, o)
	if err != nil || open != 0 {
		t.Fatalf("%v; %d policies are still loaded", err, open)
	}
	return s, o.Dir
}

// whys is what is not covered, in short.
func whys(s *Suggestion) string {
	var all []string
	for _, u := range s.Refused {
		all = append(all, fmt.Sprintf("%s %s %d: %s", u.Client, u.Command, u.Events, u.Why))
	}
	return strings.Join(all, "\n")
}

// Each client may do what it did, with everything that belongs to it, and nothing that another did.
func TestSuggest(t *testing.T) {
	t.Parallel()
	workdir := t.TempDir()
	full := called("a", Observed, []string{"frob", "/srv/x"}, func(a *Request) {
		a.Newest.Workdir, a.Newest.Env = workdir, []gateway.Variable{{Key: "MODE", Value: `it's "x": [y]`}, {Key: "LANG", Value: "C"}}
		a.Newest.Callback = &callback.Destination{Scheme: "http", Host: "h", Port: 1, Path: "/done"}
	})
	other := called("b", Observed, []string{"nob"}, nil)
	now := called("a", Observed, []string{"uptime"}, nil)
	denied := called("a", Denied, []string{"rm", "x"}, func(a *Request) { a.Count = 5 })
	s, dir := suggested(t, SuggestOptions{}, full, other, now, denied)
	if s.Wanted != 2 || s.Covered != 2 || s.Already != 1 || s.Denials != 5 || s.Grants != 2 || s.Tests != 4 || len(s.Refused) > 0 || fmt.Sprint(s.Roles) != "map[a:[web-a] b:[web-b]]" {
		t.Fatalf("%+v", s)
	}
	with := WithRoles(loaded(t, suggestedFor(), shippedPolicies, dir), s.Roles)
	for name, c := range map[string]struct {
		asked Request
		allow bool
	}{
		"all": {full, true}, "other": {other, true},
		"another's":      {called("b", "", []string{"frob", "/srv/x"}, nil), false},
		"another path":   {called("a", "", []string{"frob", "/srv/y"}, nil), false},
		"another value":  {called("a", "", []string{"frob", "/srv/x"}, func(a *Request) { a.Newest.Env = []gateway.Variable{{Key: "MODE", Value: "z"}} }), false},
		"another place":  {called("a", "", []string{"frob", "/srv/x"}, func(a *Request) { a.Newest.Workdir = "/" }), false},
		"another caller": {called("c", "", []string{"nob"}, nil), false},
	} {
		if got, err := answerOf(t.Context(), with, c.asked.Newest); err != nil || got.Allow != c.allow {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	got, _ := answerOf(t.Context(), with, full.Newest)
	if files := got.Obligations.Filesystem; files == nil || !slices.Contains(files.Read, "/srv/x") || len(files.Write) > 0 {
		t.Errorf("%+v", got.Obligations)
	}
}

func TestSuggestRefuses(t *testing.T) {
	t.Parallel()
	env := func(key string) func(*Request) {
		return func(a *Request) { a.Newest.Env = []gateway.Variable{{Key: key, Value: "v"}} }
	}
	line := func(command string) Request {
		a := called("a", Observed, nil, nil)
		a.Newest.Command = command
		return a
	}
	wants := map[string]string{}
	var asked []Request
	for name, c := range map[string]struct {
		asked Request
		want  string
	}{
		"shell":           {called("a", Observed, []string{"bash", "x.sh"}, nil), "no role can allow"},
		"interpreter":     {called("a", Observed, []string{"python3", "-c", "print()"}, nil), "no role can allow"},
		"privileges":      {called("a", Observed, []string{"sudo", "ls"}, nil), "no role can allow"},
		"root":            {called("a", Observed, []string{"frob", "/.."}, nil), "it names the root directory"},
		"path":            {called("a", Observed, []string{"/opt/x/frob"}, nil), "/opt/x/frob"},
		"relative":        {called("a", Observed, []string{"./frob"}, nil), "called by a path"},
		"dynamic":         {line("frob $X"), "a shell works it out"},
		"substitution":    {line("frob $(id)"), "a shell works it out"},
		"redirect":        {line("frob > /tmp/x"), "redirect"},
		"secret":          {called("a", Observed, []string{"frob"}, env("DB_PASSWORD")), "may be a secret"},
		"dangerous":       {called("a", Observed, []string{"frob"}, env("LD_PRELOAD")), "changes how programs load"},
		"unknown value":   {called("a", Observed, []string{"frob"}, func(a *Request) { a.Unknown = []string{"the value of A"} }), "is not known"},
		"stranger":        {called("a", Observed, []string{"frob"}, func(a *Request) { a.Stranger = true }), "not in the configuration"},
		"root as workdir": {called("a", Observed, []string{"frob"}, func(a *Request) { a.Newest.Workdir = "/" }), "root directory"},
		"option": {called("a", Observed, []string{"find", "/srv", "-delete"}, func(a *Request) {
			a.Newest.Principal.Roles = []string{"readonly"}
		}), "which deletes files; no entry can allow it"},
		"callback": {called("a", Observed, []string{"frob"}, func(a *Request) {
			a.Newest.Callback = &callback.Destination{Scheme: "http", Host: "elsewhere", Port: 1, Path: "/"}
		}), "callbacks.allow"},
	} {
		client := strings.ReplaceAll(name, " ", "-")
		c.asked.Newest.Principal.Client = client
		asked, wants[client] = append(asked, c.asked), c.want
	}
	s, dir := suggested(t, SuggestOptions{}, asked...)
	for _, u := range s.Refused {
		if want, ok := wants[u.Client]; !ok || !strings.Contains(u.Why, want) || u.Events != 1 {
			t.Errorf("%s: %s", u.Client, u.Why)
		}
		delete(wants, u.Client)
	}
	if len(wants) > 0 || len(s.Files) > 0 || s.Covered > 0 || s.Wanted != int64(len(asked)) {
		t.Errorf("not refused: %v\n%s\n%+v", wants, whys(s), s.Files)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		t.Errorf("%v is left in the directory (%v)", entries, err)
	}
}

// What is refused for two reasons is told once.
func TestSuggestRefusesOnce(t *testing.T) {
	t.Parallel()
	s, _ := suggested(t, SuggestOptions{}, append(manyForms("No-Role"), called("b", Observed, []string{"nob"}, nil))...)
	if len(s.Refused) != 1 || s.Refused[0].Events != authoring.MaxForms+1 || !strings.Contains(whys(s), `"web-No-Role" is no name of a role`) || s.Covered != 1 {
		t.Errorf("%d covered\n%s", s.Covered, whys(s))
	}
}

// manyForms calls a command in more forms than any role has.
func manyForms(client string) (asked []Request) {
	for i := range authoring.MaxForms + 1 {
		asked = append(asked, called(client, Observed, append([]string{"frob"}, strings.Split(strings.Repeat("-x ", i), " ")...), nil))
	}
	return asked
}

// What is not covered stands in one order, whether anything is covered or not: what is most first.
func TestSuggestRefusedInOrder(t *testing.T) {
	t.Parallel()
	asked := slices.Concat(manyForms("d"), manyForms("b"), manyForms("c"), manyForms("a"), []Request{
		called("a", Observed, []string{"sh", "-c", "id"}, nil), called("a", Observed, []string{"sh", "-c", "id"}, func(a *Request) { a.Count = 100 }),
	})
	for _, fine := range [][]Request{nil, {called("e", Observed, []string{"nob"}, nil)}} {
		s, _ := suggested(t, SuggestOptions{}, append(fine, asked...)...)
		var order []string
		for _, u := range s.Refused {
			order = append(order, u.Client+" "+u.Command)
		}
		if got := strings.Join(order, ", "); got != "a id, sh, a frob, b frob, c frob, d frob" || s.Covered != int64(len(fine)) {
			t.Errorf("%s\n%s", got, whys(s))
		}
	}
}

// What would let through a request that was denied is not written, also where the audit does not have all of that.
func TestSuggestStaysDenied(t *testing.T) {
	t.Parallel()
	wide := SuggestOptions{Generalize: true}
	a, b := called("a", Observed, []string{"frob", "-l", "/srv/a"}, nil), called("a", Observed, []string{"frob", "-x", "/srv/b"}, nil)
	fine := called("a", Observed, []string{"nob"}, nil)
	denied := called("a", Denied, []string{"frob", "-x", "/srv/a"}, nil)
	if s, _ := suggested(t, wide, a, b, fine); s.Covered != 3 {
		t.Errorf("%s, %+v", whys(s), s)
	}
	s, dir := suggested(t, wide, a, b, fine, denied)
	if s.Covered != 1 || s.Denials != 1 || !strings.Contains(whys(s), "would allow what was denied too") {
		t.Errorf("%s, %+v", whys(s), s)
	}
	text, err := os.ReadFile(filepath.Join(dir, "sidegate/roles/web/data.yaml"))
	if err != nil || strings.Contains(string(text), "frob") {
		t.Errorf("%s, %v", text, err)
	}
	if s, _ := suggested(t, SuggestOptions{}, a, b, fine, denied); s.Covered != 3 || s.Denials != 1 { // no wider than seen
		t.Errorf("%s, %+v", whys(s), s)
	}
	unknown := called("a", Denied, []string{"nob"}, func(a *Request) {
		a.Unknown, a.Newest.Env = []string{"the value of A"}, []gateway.Variable{{Key: "A"}}
	})
	if s, _ := suggested(t, SuggestOptions{}, fine, unknown); s.Covered != 0 || len(s.Files) > 0 || s.Denials != 1 {
		t.Errorf("%s, %+v", whys(s), s)
	}
	// The same request was observed before: it is to be allowed.
	same := called("a", Denied, []string{"nob"}, nil)
	if s, _ := suggested(t, SuggestOptions{}, fine, same); s.Covered != 1 || s.Denials != 0 {
		t.Errorf("%s, %+v", whys(s), s)
	}
	if s, _ := suggested(t, SuggestOptions{Denied: true}, denied); s.Covered != 1 || s.Wanted != 1 {
		t.Errorf("%s, %+v", whys(s), s)
	}
}

func TestSuggestValues(t *testing.T) {
	t.Parallel()
	var asked []Request
	for i := range 12 {
		asked = append(asked, called("a", Observed, []string{"nob"}, func(a *Request) {
			a.Newest.Env = []gateway.Variable{{Key: "MODE", Value: fmt.Sprint("v", i)}}
		}))
	}
	if s, _ := suggested(t, SuggestOptions{}, asked...); s.Covered != 0 || !strings.Contains(whys(s), "has 12 values") {
		t.Errorf("%s", whys(s))
	}
	elsewhere := called("b", Denied, []string{"nob"}, nil) // is told where nothing is suggested, too
	if s, _ := suggested(t, SuggestOptions{}, append(asked[:12:12], elsewhere)...); s.Covered != 0 || s.Denials != 1 {
		t.Errorf("%s, %+v", whys(s), s)
	}
	if s, _ := suggested(t, SuggestOptions{Generalize: true}, asked...); s.Covered != 12 {
		t.Errorf("%s", whys(s))
	}
	if s, _ := suggested(t, SuggestOptions{}, asked[:10]...); s.Covered != 10 {
		t.Errorf("%s", whys(s))
	}
}

// Whatever is in a request, what is written says just that, or nothing.
func TestSuggestHostileText(t *testing.T) {
	t.Parallel()
	var asked []Request
	for _, text := range []string{
		`"`, `\`, "`", "a\nb: c", "\"}\n}\ntest_evil := true #", "\u202e\u2028 \U000e0041", "- a: b\n? c", "'", "%s", strings.Repeat("x", 1000), strings.Repeat("y", 100_000), "# METADATA",
		"\u0085\ufeff", "~", "null", "yes", "0x1", "{{x}}", "a|b(c", "*", "\x1b[31m", "\x7f", "/srv/a\nb", "/srv/[x]|/etc", "/srv/../etc", "--", "-",
	} {
		asked = append(asked, called("a", Observed, []string{"frob" + fmt.Sprint(len(asked)), text}, nil),
			called("a", Observed, []string{"nob" + fmt.Sprint(len(asked))}, func(a *Request) {
				a.Newest.Env = []gateway.Variable{{Key: fmt.Sprint("MODE", len(asked)), Value: text}}
			}))
	}
	s, dir := suggested(t, SuggestOptions{}, asked...)
	refused := int64(0)
	for _, u := range s.Refused {
		refused += u.Events
	}
	if s.Covered < 40 || s.Covered+refused != s.Wanted {
		t.Errorf("%d of %d covered: %.3000s", s.Covered, s.Wanted, whys(s))
	}
	with := WithRoles(loaded(t, suggestedFor(), shippedPolicies, dir), s.Roles)
	covered := int64(0)
	for _, a := range asked {
		if got, err := answerOf(t.Context(), with, a.Newest); err != nil {
			t.Error(err)
		} else if got.Allow {
			covered++
		}
	}
	if covered != s.Covered {
		t.Errorf("%d are allowed, and %d were told", covered, s.Covered)
	}
}

func TestSuggestFails(t *testing.T) {
	t.Parallel()
	other := policyDir(t, "package sidegate\n\ndecision := {\"allow\": false, \"grants\": [], \"reasons\": [\"not for you\"], \"obligations\": {}}\n")
	for _, c := range []struct {
		role, paths, want string
	}{{"Bad", shippedPolicies, "is no name of a role"}, {"readonly", shippedPolicies, "there is a role readonly already"}, {"web", other, noLibrary}} {
		_, err := Suggest(t.Context(), loaded(t, suggestedFor(), c.paths), Requests{Distinct: []Request{called("a", Observed, []string{"nob"}, nil)}}, SuggestOptions{Role: c.role, Paths: []string{c.paths}, Dir: t.TempDir()})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.want, err)
		}
	}
}

// noLibrary begins what policies of another make are refused with.
const noLibrary = "these policies are not built on the library"
