package policy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand"
	"reflect"
	"strings"
	"testing"
	"testing/quick"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
)

func ptr[T any](v T) *T { return &v }

func testCommand(id int, program string, args ...string) Command {
	c := Command{
		ID: id, Parent: -1, Kind: "simple", Name: program, NameStatic: true, PathKind: "bare",
		ResolvedPath: ptr("/usr/bin/" + program), ArgsStatic: true,
	}
	for _, word := range append([]string{program}, args...) {
		c.Argv = append(c.Argv, &word)
		c.Args = append(c.Args, Word{Value: &word, Static: true, Raw: word})
	}
	return c
}

func oneCommand() Input {
	return Input{
		Version: InputVersion,
		Phase:   PhaseRequest,
		Client:  Client{Name: "func", Scheme: "func", KeyID: "1", Roles: []string{"readonly"}, Labels: map[string]string{"app": "dataflux-func"}},
		Request: Request{
			ID: "0192b3a5-0000-7000-8000-000000000001", Time: time.Unix(1_700_000_000, 0), SourceIP: "172.17.0.2",
			Command: "ls -l /var/log", Wait: true, Env: map[string]string{"LANG": "C.UTF-8"},
		},
		Shell: Shell{Class: "simple", AllStatic: true, Commands: []Command{testCommand(0, "ls", "-l", "/var/log")}},
		Host:  Host{Name: "host", Sandbox: map[string]bool{"host": true, "confined": true, "isolated": false}},
	}
}

func sixCommands() Input {
	in := oneCommand()
	in.Request.Command = "cat /var/log/a | head -n 100 | sort -u | wc -l; df -h; ls /srv"
	in.Shell.Class = "pipeline"
	in.Shell.Features = map[string]bool{"pipe": true}
	in.Shell.Commands = []Command{
		testCommand(0, "cat", "/var/log/a"), testCommand(1, "head", "-n", "100"), testCommand(2, "sort", "-u"),
		testCommand(3, "wc", "-l"), testCommand(4, "df", "-h"), testCommand(5, "ls", "/srv"),
	}
	return in
}

// Generate makes times that JSON can hold, which testing/quick does not.
func (Request) Generate(r *rand.Rand, size int) reflect.Value {
	type plain Request
	value := reflect.New(reflect.TypeFor[plain]()).Elem()
	for i := range value.NumField() {
		field := value.Field(i)
		if field.Type() == reflect.TypeFor[time.Time]() {
			zone := time.FixedZone("", r.Intn(24*3600)-12*3600)
			field.Set(reflect.ValueOf(time.Unix(r.Int63n(4e9), r.Int63n(1e9)).In(zone)))
			continue
		}
		if made, ok := quick.Value(field.Type(), r); ok && r.Intn(4) > 0 {
			field.Set(made)
		}
	}
	return value.Convert(reflect.TypeFor[Request]())
}

// The hand-built value is the JSON that the types describe, for any input.
func TestValueEqualsJSON(t *testing.T) {
	t.Parallel()
	same := func(in Input) bool {
		encoded, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		viaJSON, err := ast.ValueFromReader(bytes.NewReader(encoded))
		if err != nil {
			t.Fatal(err)
		}
		direct := toValue(&in)
		if direct.Compare(viaJSON) != 0 {
			t.Errorf("by hand %v\nby JSON %v", direct, viaJSON)
			return false
		}
		return true
	}
	if err := quick.Check(same, &quick.Config{MaxCount: 150}); err != nil {
		t.Error(err)
	}
	same(Input{})
	same(oneCommand())
	same(sixCommands())
}

// Whatever is absent in Go is null or empty in the policy's input, never missing.
func TestZeroInputIsWhole(t *testing.T) {
	t.Parallel()
	got := fmt.Sprint(toValue(&Input{Shell: Shell{Commands: []Command{{Redirects: []Redirect{{}}, Assignments: []Assignment{{}}}}}}))
	for _, want := range []string{
		`"roles": []`, `"labels": {}`, `"argv": null`, `"env_dangerous": []`, `"stdin": null`, `"callback": null`,
		`"changed_by": []`, `"parse_error": null`, `"features": {}`, `"opaque": null`, `"dynamic": []`, `"via": []`, `"sandbox": {}`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is not in %s", want, got)
		}
	}
}

func TestArgvNullOrList(t *testing.T) {
	t.Parallel()
	for want, argv := range map[string]Argv{"null": nil, "[]": {}, `["ls"]`: {"ls"}} {
		encoded, err := json.Marshal(argv)
		if err != nil || string(encoded) != want {
			t.Errorf("%v: %s, %v", argv, encoded, err)
		}
		in := Input{Request: Request{Argv: argv}}
		got := toValue(&in).(ast.Object).Get(keyRequest).Value.(ast.Object).Get(keyArgv)
		if got.String() != want {
			t.Errorf("%v: %v, want %s", argv, got, want)
		}
	}
}
