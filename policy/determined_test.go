package policy

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"math/rand"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/quick"

	"github.com/open-policy-agent/opa/v1/ast"
)

func debugLogger() *slog.Logger {
	return slog.New(slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// looked are the builtins that were looked at and left out of determined.
var looked = setOf(`
	http.send net.lookup_ip_addr opa.runtime rand.intn rego.parse_module uuid.rfc4122
	time.add_date time.clock time.date time.diff time.format time.now_ns time.parse_ns time.weekday
	io.jwt.decode_verify io.jwt.encode_sign io.jwt.encode_sign_raw
	crypto.parse_private_keys crypto.x509.parse_and_verify_certificates crypto.x509.parse_and_verify_certificates_with_options
	crypto.x509.parse_certificate_request crypto.x509.parse_certificates crypto.x509.parse_keypair crypto.x509.parse_rsa_private_key
	graphql.is_valid graphql.parse graphql.parse_and_verify graphql.parse_query graphql.parse_schema graphql.schema_is_valid
	internal.print internal.test_case json.match_schema json.verify_schema print providers.aws.sign_req
	rego.metadata.chain rego.metadata.rule trace`)

// A builtin that OPA gains has to be looked at.
func TestEveryBuiltinWasLookedAt(t *testing.T) {
	t.Parallel()
	for _, b := range ast.CapabilitiesForThisVersion().Builtins {
		switch {
		case determined[b.Name] == looked[b.Name]:
			t.Errorf("%s belongs to determined, or to what was left out of it", b.Name)
		case determined[b.Name] && b.IsNondeterministic():
			t.Errorf("OPA says that %s is not deterministic", b.Name)
		}
		delete(looked, b.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(looked)) {
		t.Errorf("OPA has no %s", name)
	}
}

func TestUndetermined(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		rules string // where ALLOW is what is decided
		why   string
	}{
		"constant":                   {`ALLOW := true`, ""},
		"the command":                {`ALLOW := input.request.command == "true"`, ""},
		"a variable below a part":    {`ALLOW if { some key; input.request.env[key] == "C" }`, ""},
		"a part below a part":        {`ALLOW if { env := input.request.env; env.LANG == "C" }`, ""},
		"regular expression":         {`ALLOW := regex.match("^ls", input.request.command)`, ""},
		"duration":                   {`ALLOW := time.parse_duration_ns("3s") > input.request.timeout_ms`, ""},
		"every and some in":          {`ALLOW if { every c in input.shell.commands { c.name in {"ls", "df"} } }`, ""},
		"unused rule with time":      {"ALLOW := true\nnow := time.now_ns()", ""},
		"time":                       {`ALLOW := time.now_ns() > 0`, "it calls time.now_ns"},
		"time in an unused variable": {"ALLOW if { _ = time.now_ns() }", "it calls time.now_ns"},
		"time in a rule":             {"ALLOW if now > 0\nnow := time.now_ns()", "p.rego:5: it calls time.now_ns"},
		"time in a function":         {"ALLOW if late(input.request.command)\nlate(_) if time.now_ns() > 0", "it calls time.now_ns"},
		"time in a comprehension":    {"ALLOW := count([t | t := time.now_ns()]) > 0", "it calls time.now_ns"},
		"time in an else":            {"ALLOW if late == 1\nlate := 1 if input.request.wait else := time.now_ns()", "it calls time.now_ns"},
		"time in a default's sister": {"default late := 1\nALLOW if late == 1\nlate := time.now_ns() if input.request.wait", "it calls time.now_ns"},
		"time behind not":            {"ALLOW if not late\nlate if time.now_ns() > 5", "it calls time.now_ns"},
		"time in a partial set":      {"ALLOW if 3 in late\nlate contains time.now_ns()", "it calls time.now_ns"},
		"time in a head":             {"ALLOW if late[3] == 1\nlate[time.now_ns()] := 1", "it calls time.now_ns"},
		"time found by a variable":   {"ALLOW if { some k; data.sidegate.more[k] == 3 }\nmore.now := time.now_ns()", "it calls time.now_ns"},
		"time in another package":    {"ALLOW if { some p; data.sidegate.other[p].late }", "it calls time.now_ns"},
		"time in every":              {"ALLOW if { every c in input.shell.commands { time.now_ns() > c.id } }", "it calls time.now_ns"},
		"time as a stand-in":         {"ALLOW if { x > 1 with input.request.wait as time.now_ns() }\nx := 2 if input.request.wait", "it calls time.now_ns"},
		"time instead of a function": {"ALLOW if { x == \"\" with f as time.weekday }\nx := f(3)\nf(_) := \"\"", "it calls time.weekday"},
		"time in a template":         {`ALLOW := $"{time.now_ns()}" == ""`, "it calls time.now_ns"},
		"weekday":                    {`ALLOW := time.weekday(1) == "Monday"`, "it calls time.weekday"},
		"certificates":               {`ALLOW := crypto.x509.parse_and_verify_certificates("")[0]`, "it calls crypto.x509.parse_and_verify_certificates"},
		"schema":                     {`ALLOW := json.match_schema("{}", {})[0]`, "it calls json.match_schema"},
		"time of the request":        {`ALLOW := input.request.time != ""`, "it reads input.request.time"},
		"id of the request":          {`ALLOW := input.request.id != ""`, "it reads input.request.id"},
		"id by a string":             {`ALLOW := input["request"]["id"] != ""`, `it reads input.request.id`},
		"id by an import":            {"import input.request as r\nALLOW := r.id != \"\"", "it reads input.request.id"},
		"id by a variable":           {`ALLOW if { x := "id"; input.request[x] != "" }`, "it reads input.request["},
		"id by any key":              {`ALLOW if { some k, v in input.request; v == k }`, "it reads input.request"},
		"id by the whole request":    {"ALLOW if f(input.request)\nf(r) if r.id != \"\"", "it reads input.request"},
		"id by a function":           {`ALLOW := object.get(input, ["request", "id"], "") != ""`, "it reads input"},
		"id by walk":                 {`ALLOW if { walk(input, [_, v]); v == 1 }`, "it reads input"},
		"id by a part that varies":   {`ALLOW if { some p; input[p].id != "" }`, "it reads input["},
		"id in an object":            {`ALLOW := count({"x": input}) > 0`, "it reads input"},
		"id in an array":             {`ALLOW := count([input]) > 0`, "it reads input"},
		"id in a message":            {`ALLOW := json.marshal(input.request) != ""`, "it reads input.request"},
		"another input":              {"ALLOW if { x with input as {\"request\": {}} }\nx if input.request.wait", "it reads input"},
		"id of the client":           {`ALLOW := input.client.key_id != ""`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rules := "decision := {\"allow\": ok, \"grants\": [], \"reasons\": [], \"obligations\": {}}\n" + strings.ReplaceAll(c.rules, "ALLOW", "ok")
			imports := ""
			if rest, ok := strings.CutPrefix(c.rules, "import "); ok {
				line, body, _ := strings.Cut(rest, "\n")
				imports = "import " + line
				rules = "decision := {\"allow\": ok, \"grants\": [], \"reasons\": [], \"obligations\": {}}\n" + strings.ReplaceAll(body, "ALLOW", "ok")
			}
			e, _, _ := openFiles(t, map[string]string{
				"p.rego": "package sidegate\n" + imports + "\n" + rules, "o.rego": "package sidegate.other.office\n\nlate if time.now_ns() > 3\n",
			})
			s := e.Status()
			if !s.Ready {
				t.Fatal(s.LastError)
			}
			if c.why == "" && s.Cache.Why != "" || !strings.Contains(s.Cache.Why, c.why) {
				t.Errorf("is %q, want %q", s.Cache.Why, c.why)
			}
			for range 2 {
				if _, err := e.Decide(t.Context(), oneCommand()); err != nil {
					t.Fatal(err)
				}
			}
			if s := e.Status().Cache; c.why != "" && (s.Hits != 0 || s.Entries != 0) {
				t.Errorf("it was remembered: %+v", s)
			}
		})
	}
}

// A builtin that the operator lets through is not remembered.
func TestAllowedBuiltinIsNotCached(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, map[string]string{"p.rego": answers(`{"allow": rand.intn("x", 2) == 1, "grants": [], "reasons": [], "obligations": {}}`)})
	e, _ := open(t, Config{Paths: []string{dir}, AllowBuiltins: []string{"rand.intn"}})
	if why := e.Status().Cache.Why; !strings.Contains(why, "it calls rand.intn") {
		t.Errorf("%q", why)
	}
}

// sameKey and sameView should say the same: keys are equal exactly where a policy sees no difference but in what is changing.
func sameKey(a, b Input) bool {
	return bytes.Equal(new(cacheKey).of(&a), new(cacheKey).of(&b))
}

func sameView(a, b Input) bool {
	a.Request.ID, a.Request.Time = b.Request.ID, b.Request.Time
	return toValue(&a).Compare(toValue(&b)) == 0
}

// Every field of an input is in its key, but for those that are changing.
func TestEveryFieldIsInTheKey(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewSource(3))
	var left []string
	for range 60 {
		made, ok := quick.Value(reflect.TypeFor[Input](), r)
		if !ok {
			t.Fatal("no input could be made")
		}
		in := made.Interface().(Input)
		before := slices.Clone(new(cacheKey).of(&in))
		left = changeEach(reflect.ValueOf(&in).Elem(), "", func(path string) bool {
			return !bytes.Equal(before, new(cacheKey).of(&in))
		})
		if slices.Sort(left); !slices.Equal(slices.Compact(left), []string{".Request.ID", ".Request.Time"}) {
			t.Fatalf("not in the key: %q", left)
		}
	}
}

// changeEach changes each value that v holds, one at a time, and returns the paths of those whose change is not seen.
func changeEach(v reflect.Value, path string, seen func(string) bool) (unseen []string) {
	try := func(set func()) {
		old := reflect.New(v.Type()).Elem()
		old.Set(v)
		if set(); !seen(path) {
			unseen = append(unseen, path)
		}
		v.Set(old)
	}
	switch v.Kind() {
	case reflect.String:
		try(func() { v.SetString(v.String() + "x") })
	case reflect.Bool:
		try(func() { v.SetBool(!v.Bool()) })
	case reflect.Int, reflect.Int64:
		try(func() { v.SetInt(v.Int() ^ 1) })
	case reflect.Pointer:
		if v.IsNil() {
			try(func() { v.Set(reflect.New(v.Type().Elem())) })
			return unseen
		}
		try(func() { v.SetZero() })
		return append(unseen, changeEach(v.Elem(), path, seen)...)
	case reflect.Slice:
		try(func() { v.Set(reflect.Append(v, reflect.Zero(v.Type().Elem()))) })
		for i := range v.Len() {
			unseen = append(unseen, changeEach(v.Index(i), path+"[]", seen)...)
		}
	case reflect.Map:
		try(func() {
			more := reflect.MakeMap(v.Type())
			for _, key := range v.MapKeys() {
				more.SetMapIndex(key, v.MapIndex(key))
			}
			more.SetMapIndex(reflect.ValueOf("more"), reflect.Zero(v.Type().Elem()))
			v.Set(more)
		})
	case reflect.Struct:
		if _, isTime := v.Addr().Interface().(interface{ UnixNano() int64 }); isTime {
			return append(unseen, path)
		}
		for i := range v.NumField() {
			unseen = append(unseen, changeEach(v.Field(i), path+"."+v.Type().Field(i).Name, seen)...)
		}
	}
	return unseen
}

// FuzzCacheKey: whatever the inputs are, their keys are equal exactly if a policy sees the same in both.
func FuzzCacheKey(f *testing.F) {
	for _, seed := range []string{`{}`, `{"client":{"name":"ab","scheme":"c"}}`, `{"client":{"name":"a","scheme":"bc"}}`, `{"request":{"argv":[]}}`,
		`{"request":{"stdin":{"text":""}}}`, `{"request":{"stdin":{}}}`, `{"request":{"env":{"a":"b","c":"d"}}}`, `{"request":{"labels":{"a":"b","c":"d"}}}`,
		`{"shell":{"commands":[{"argv":["a",null],"args":[{"value":"a"}]}]}}`, `{"shell":{"features":{"a":true},"commands":[{}]}}`} {
		for _, other := range []string{`{}`, seed, `{"request":{"argv":null}}`, `{"request":{"stdin":{"text":null}}}`, `{"shell":{"features":{"a":false}}}`} {
			f.Add([]byte(seed), []byte(other))
		}
	}
	f.Fuzz(func(t *testing.T, first, second []byte) {
		var a, b Input
		if json.Unmarshal(first, &a) != nil || json.Unmarshal(second, &b) != nil {
			return
		}
		if sameKey(a, b) != sameView(a, b) {
			t.Errorf("keys equal: %v, seen the same: %v, of\n%+v\n%+v", sameKey(a, b), sameView(a, b), a, b)
		}
	})
}
