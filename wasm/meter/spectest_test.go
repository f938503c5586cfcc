package meter_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/sidegate/sidegate/wasm/meter"
)

// A script is a file of the WebAssembly specification's test suite, as wazero's sources
// carry it: modules, and what to do with them.
type script struct {
	Commands []command `json:"commands"`
}

type command struct {
	Type       string `json:"type"`
	Line       int    `json:"line"`
	Name       string `json:"name"`
	Filename   string `json:"filename"`
	As         string `json:"as"`
	ModuleType string `json:"module_type"`
	Text       string `json:"text"`
	Action     struct {
		Type   string  `json:"type"`
		Module string  `json:"module"`
		Field  string  `json:"field"`
		Args   []value `json:"args"`
	} `json:"action"`
}

type value struct {
	Type     string          `json:"type"`
	LaneType string          `json:"lane_type"`
	Value    json.RawMessage `json:"value"`
}

// words returns a value the way wazero takes it.
func (v value) words(t *testing.T) []uint64 {
	t.Helper()
	if v.Type == "v128" {
		var lanes []string
		if err := json.Unmarshal(v.Value, &lanes); err != nil {
			t.Fatal(err)
		}
		width := 128 / len(lanes)
		words := make([]uint64, 2)
		for i, lane := range lanes {
			words[i*width/64] |= number(t, lane, width) << (i * width % 64)
		}
		return words
	}
	var text string
	if err := json.Unmarshal(v.Value, &text); err != nil {
		t.Fatal(err)
	}
	switch {
	case text == "null":
		return []uint64{0}
	case v.Type == "externref":
		return []uint64{number(t, text, 64) + 1} // wazero's null is 0
	case strings.HasSuffix(v.Type, "32"):
		return []uint64{number(t, text, 32)}
	}
	return []uint64{number(t, text, 64)}
}

func number(t *testing.T, text string, width int) uint64 {
	t.Helper()
	if strings.HasPrefix(text, "nan:") {
		return map[int]uint64{32: 0x7fc00000, 64: 0x7ff8000000000000}[width]
	}
	if strings.HasPrefix(text, "-") {
		n, err := strconv.ParseInt(text, 10, width)
		if err != nil {
			t.Fatal(err)
		}
		return uint64(n) & (1<<width - 1)
	}
	n, err := strconv.ParseUint(text, 10, width)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// suite returns the folder of wazero's sources that holds the specification's tests.
func suite(t testing.TB) string {
	t.Helper()
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/tetratelabs/wazero").Output()
	if err != nil || len(dir) == 0 {
		t.Skipf("the Go command does not find wazero's sources, with the specification's tests: %v", err)
	}
	return filepath.Join(strings.TrimSpace(string(dir)), "internal", "integration_test", "spectest")
}

// A side runs the modules of a script, metered or as they are.
type side struct {
	runtime wazero.Runtime
	metered bool
	last    api.Module
	named   map[string]api.Module
}

func newSide(t *testing.T, metered bool) *side {
	t.Helper()
	s := &side{runtime: newRuntime(t), metered: metered, named: map[string]api.Module{}}
	if metered {
		provideRefill(t, s.runtime, func(int64) int64 { return 1 << 40 })
	}
	return s
}

func (s *side) instantiate(ctx context.Context, wasm []byte, name string) (api.Module, error) {
	if s.metered {
		m, err := meter.Rewrite(wasm, meter.Config{Stack: 64 << 20})
		if err != nil {
			return nil, err
		}
		wasm = m.Binary
	}
	return s.runtime.InstantiateWithConfig(ctx, wasm, wazero.NewModuleConfig().WithName(name))
}

func (s *side) module(name string) api.Module {
	if name == "" {
		return s.last
	}
	return s.named[name]
}

// TestSpecification runs each script on modules as they are and metered, side by side: what
// one side accepts, refuses, returns or traps with, the other must too.
func TestSpecification(t *testing.T) {
	t.Parallel()
	root := suite(t)
	spectest, err := os.ReadFile(filepath.Join(root, "testdata", "spectest.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	scripts, err := filepath.Glob(filepath.Join(root, "v2", "testdata", "*.json"))
	if err != nil || len(scripts) < 100 {
		t.Fatalf("%d scripts, %v", len(scripts), err)
	}
	for _, file := range scripts {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if testing.Short() && strings.HasPrefix(name, "simd_") {
				t.Skip("the vector instructions' scripts take a while")
			}
			runScript(t, file, spectest)
		})
	}
}

func runScript(t *testing.T, file string, spectest []byte) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var s script
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	plain, metered := newSide(t, false), newSide(t, true)
	for _, side := range []*side{plain, metered} {
		if _, err := side.instantiate(t.Context(), spectest, "spectest"); err != nil {
			t.Fatal(err)
		}
	}
	for i, c := range s.Commands {
		if c.Type == "module" {
			if next := i + 1; next < len(s.Commands) && s.Commands[next].Type == "register" {
				c.As = s.Commands[next].As
			}
		}
		runCommand(t, c, filepath.Dir(file), plain, metered)
	}
}

func runCommand(t *testing.T, c command, dir string, plain, metered *side) {
	switch c.Type {
	case "module":
		wasm, err := os.ReadFile(filepath.Join(dir, c.Filename))
		if err != nil {
			t.Fatal(err)
		}
		for _, side := range []*side{plain, metered} {
			m, err := side.instantiate(t.Context(), wasm, c.As)
			if err != nil {
				t.Fatalf("line %d: metered %t: %v", c.Line, side.metered, err)
			}
			side.last = m
			if c.Name != "" {
				side.named[c.Name] = m
			}
		}
	case "assert_malformed", "assert_invalid", "assert_unlinkable", "assert_uninstantiable":
		if c.ModuleType == "text" {
			return
		}
		wasm, err := os.ReadFile(filepath.Join(dir, c.Filename))
		if err != nil {
			t.Fatal(err)
		}
		_, want := plain.instantiate(t.Context(), wasm, "")
		_, got := metered.instantiate(t.Context(), wasm, "")
		if (want == nil) != (got == nil) {
			t.Errorf("line %d, %s, %s: plain %v, metered %v", c.Line, c.Type, c.Filename, want, got)
		}
	case "assert_return", "assert_trap", "assert_exhaustion", "action":
		act(t, c, plain, metered)
	case "register":
	default:
		t.Fatalf("line %d: unknown command %s", c.Line, c.Type)
	}
}

func act(t *testing.T, c command, plain, metered *side) {
	p, m := plain.module(c.Action.Module), metered.module(c.Action.Module)
	if c.Action.Type == "get" {
		if want, got := p.ExportedGlobal(c.Action.Field).Get(), m.ExportedGlobal(c.Action.Field).Get(); want != got {
			t.Errorf("line %d: global %s: plain %#x, metered %#x", c.Line, c.Action.Field, want, got)
		}
		return
	}
	var args []uint64
	for _, a := range c.Action.Args {
		args = append(args, a.words(t)...)
	}
	resetDepth(m, 64<<20)
	want, wantErr := p.ExportedFunction(c.Action.Field).Call(t.Context(), args...)
	got, gotErr := m.ExportedFunction(c.Action.Field).Call(t.Context(), args...)
	if c.Type == "assert_exhaustion" {
		if gotErr == nil || wantErr == nil {
			t.Errorf("line %d: %s: plain %v, metered %v", c.Line, c.Action.Field, wantErr, gotErr)
		}
		return
	}
	references := slices.ContainsFunc(p.ExportedFunction(c.Action.Field).Definition().ResultTypes(), func(t api.ValueType) bool { return t == api.ValueType(meter.FuncRef) })
	if trap(wantErr) != trap(gotErr) || !references && !slices.Equal(want, got) {
		t.Errorf("line %d: %s(%#x): plain %#x, %v; metered %#x, %v", c.Line, c.Action.Field, args, want, wantErr, got, gotErr)
	}
	if pm, mm := p.Memory(), m.Memory(); !reflect.ValueOf(pm).IsNil() { // wazero returns a nil pointer in an interface
		a, _ := pm.Read(0, pm.Size())
		b, _ := mm.Read(0, mm.Size())
		if string(a) != string(b) {
			t.Errorf("line %d: %s: memories differ", c.Line, c.Action.Field)
		}
	}
}

// trap returns what wazero says of a trap, without the stack trace.
func trap(err error) string {
	if err == nil {
		return ""
	}
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			first, _, _ := strings.Cut(err.Error(), "\n")
			return first
		}
		err = inner
	}
}
