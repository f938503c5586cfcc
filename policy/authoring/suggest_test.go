package authoring

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/sidegate/sidegate/policy"
)

// library is the shipped policies.
const library = "../../policies"

// commandOf is an input of one command, as the analysis of such an argument vector would have it.
func commandOf(roles []string, argv ...string) policy.Input {
	resolved := "/usr/bin/" + argv[0]
	c := policy.Command{Parent: -1, Kind: "simple", Name: argv[0], NameStatic: true, PathKind: "bare", ResolvedPath: &resolved, ArgsStatic: true}
	for _, word := range argv {
		c.Argv = append(c.Argv, &word)
		c.Args = append(c.Args, policy.Word{Value: &word, Static: true, Raw: word})
	}
	return policy.Input{
		Version: policy.InputVersion, Phase: policy.PhaseRequest, Client: policy.Client{Name: "c", Scheme: "func", Roles: roles},
		Request: policy.Request{Argv: argv}, Shell: policy.Shell{Class: "simple", AllStatic: true, Commands: []policy.Command{c}},
	}
}

// decidedBy asks the library with roles laid over it, in one go, and returns which of the lines are allowed.
func decidedBy(t testing.TB, roles []Role, lines [][]string) []bool {
	t.Helper()
	dir := t.TempDir()
	var names []string
	for _, r := range roles {
		names = append(names, r.Name)
		at := filepath.Join(dir, "sidegate", "roles", r.Name)
		if err := os.MkdirAll(at, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(at, "data.yaml"), r.YAML([]string{"about\n" + strings.Join(lines[0], " ")}), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cases := make([]Case, len(lines))
	for i, line := range lines {
		cases[i] = Case{Input: commandOf(names, line...), Keys: []string{"allow"}}
	}
	answers, err := answersTo(t.Context(), []string{library, dir}, cases, nil)
	if err != nil {
		t.Fatalf("%v\n%s", err, roles[0].YAML(nil))
	}
	allowed := make([]bool, len(lines))
	for i := range answers {
		allowed[i], _ = answers[i]["allow"].(bool)
	}
	return allowed
}

func seenOf(lines [][]string) (seen []Seen) {
	for _, line := range lines {
		seen = append(seen, Seen{line[0], line[1:]})
	}
	return seen
}

func words(line string) []string { return strings.Split(line, " ") }

// Roles allow what was seen, and not what is made of its words in another way.
func TestGrow(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		seen, others []string
		roles        int
	}{
		"bare":         {[]string{"uptime"}, []string{"uptime -p"}, 1},
		"options":      {[]string{"frob -l", "frob -l -a"}, []string{"frob", "frob -a", "frob -la", "frob -l -a -l", "frob -a -l"}, 2},
		"one place":    {[]string{"frob -n 5", "frob -n 6"}, []string{"frob -n 7", "frob -n", "frob 5 -n", "frob -n5"}, 1},
		"two places":   {[]string{"cp a b", "cp c d"}, []string{"cp a d", "cp c b", "cp b a", "cp a", "cp a b c"}, 1},
		"no verbs":     {[]string{"cp ./a b", "cp ./c d"}, []string{"cp ./a d", "cp ./c b", "cp b ./a"}, 2},
		"verbs":        {[]string{"systemctl restart nginx", "systemctl restart app", "systemctl status nginx", "systemctl stop"}, []string{"systemctl status app", "systemctl stop nginx", "systemctl restart", "systemctl -f stop"}, 1},
		"paths":        {[]string{"frob /srv/a", "frob /srv/b.c"}, []string{"frob /srv", "frob /srv/a/x", "frob /srv/bxc", "frob /srv/ab", "frob -x"}, 1},
		"odd paths":    {[]string{"frob /srv/a+[b].c|d", "frob /srv/(x"}, []string{"frob /srv/aab.c", "frob d", "frob /srv/a+[b]xc|d"}, 1},
		"path or word": {[]string{"frob /srv/a", "frob -x"}, []string{"frob /srv", "frob -y"}, 2},
		"verb or none": {[]string{"frob", "frob go", "frob go on"}, []string{"frob on"}, 3},
		"wrapped up":   {[]string{"frob *", "frob (a|b) [c]", `frob \d "x" 'y'`}, []string{"frob d", "frob a [c]"}, 3},
	} {
		var seen, others [][]string
		for _, line := range c.seen {
			seen = append(seen, words(line))
		}
		for _, line := range c.others {
			others = append(others, words(line))
		}
		roles, refused := Grow("grown", seenOf(seen), false)
		if len(refused) > 0 || len(roles) != c.roles {
			t.Errorf("%s: %d roles, refused %v", name, len(roles), refused)
		}
		for i, ok := range decidedBy(t, roles, slices.Concat(seen, others)) {
			if ok != (i < len(seen)) {
				t.Errorf("%s: %q is allowed: %v\n%s", name, slices.Concat(seen, others)[i], ok, roles[0].YAML(nil))
			}
		}
	}
}

func TestGrowGeneralized(t *testing.T) {
	t.Parallel()
	seen := [][]string{words("frob -l /srv/a"), words("frob -x /srv/b"), words("frob -l /opt")}
	roles, _ := Grow("grown", seenOf(seen), true)
	others := [][]string{words("frob -l /srv/c"), words("frob -x /opt"), words("frob -x /opt/y"), words("frob -l /etc/passwd"), words("frob /srv/a"), words("frob -l /")}
	got := decidedBy(t, roles, slices.Concat(seen, others))
	if want := []bool{true, true, true, true, true, true, false, false, false}; !slices.Equal(got, want) || len(roles) != 1 {
		t.Errorf("%v\n%s", got, roles[0].YAML(nil))
	}
}

func TestGrowRefuses(t *testing.T) {
	t.Parallel()
	var seen []Seen
	for i := range MaxForms + 1 {
		seen = append(seen, Seen{"frob", slices.Repeat([]string{"-x"}, i+1)}, Seen{"ok", []string{"-x"}})
	}
	roles, refused := Grow("grown", seen, false)
	if len(roles) != 1 || roles[0].Commands["ok"].Words == nil || !strings.Contains(refused["frob"], "10 forms") {
		t.Errorf("%+v, %v", roles, refused)
	}
	for _, s := range []Seen{{"", nil}, {"./x", nil}, {strings.Repeat("x", 256), nil}, {"ls", []string{"/"}}, {"ls", []string{"/.//"}}, {"ls", []string{strings.Repeat("x", maxWord+1)}}, {"ls", make([]string, maxWords+1)}} {
		if s.Refuse() == "" {
			t.Errorf("%.50v is not refused", s)
		}
	}
	if why := (Seen{"ls", []string{"/srv", "-l"}}).Refuse(); why != "" {
		t.Error(why)
	}
}

// What is written is read back as it was, whatever it is.
func FuzzRoleYAML(f *testing.F) {
	for _, text := range hostile {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) || len(text) > 255 {
			t.Skip("nothing that is decided is not UTF-8, and such a name is refused")
		}
		roles, _ := Grow("grown", []Seen{{text, []string{text}}, {"x", []string{"/" + text, text}}, {"y", []string{"verb", text}}}, false)
		for i := range roles {
			roles[i].Workdirs, roles[i].Env[text], roles[i].Callbacks[text] = []string{text}, []string{text}, []string{text}
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "data.yaml"), roles[i].YAML([]string{text}), 0o600); err != nil {
				t.Fatal(err)
			}
			results, err := Eval(t.Context(), []string{dir}, "x := data", nil, EvalOptions{})
			if err != nil {
				t.Fatalf("%q: %.300v\n%.1000s", text, err, roles[i].YAML(nil))
			}
			got, _ := results[0].Bindings["x"].(map[string]any)
			want := map[string]any{"workdirs": []any{text}, "env": map[string]any{text: []any{text}}, "callbacks": map[string]any{text: []any{text}}}
			for key := range want {
				if a, b := jsonOf(got[key]), jsonOf(want[key]); a != b {
					t.Errorf("%q: %s is %s, want %s", text, key, a, b)
				}
			}
			for name, form := range roles[i].Commands {
				spec, _ := got["commands"].(map[string]any)[name].(map[string]any)
				if len(form.Words) == 1 && len(form.Words[0].Roots) == 0 && jsonOf(spec["operands"]) != fmt.Sprintf(`{"max":1,"min":1,"type":%s}`, jsonOf(form.Words[0].Words)) {
					t.Errorf("%q: %s", text, jsonOf(spec))
				}
			}
		}
	})
}

func jsonOf(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return string(text)
}
