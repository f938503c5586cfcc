package guest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"

	"github.com/sidegate/sidegate/wasm/meter"
)

const (
	abiModule   = "sidegate"
	wasiModule  = "wasi_snapshot_preview1"
	abiExport   = "sidegate_abi_v1"
	startExport = "_initialize"
	initExport  = "sidegate_init"
)

// types reads a signature written as "iI:i": i is i32, I is i64, results follow the colon.
func types(s string) meter.Signature {
	of := func(s string) []meter.ValueType {
		var t []meter.ValueType
		for _, c := range s {
			if c == 'I' {
				t = append(t, meter.I64)
			} else {
				t = append(t, meter.I32)
			}
		}
		return t
	}
	params, results, _ := strings.Cut(s, ":")
	return meter.Signature{Params: of(params), Results: of(results)}
}

// exportTypes are the functions of the contract that a module may export.
var exportTypes = map[string]meter.Signature{
	abiExport: types(":"), startExport: types(":"), initExport: types(":i"),
	"on_request": types(":i"), "on_response": types(":i"), "on_callback": types(":i"),
}

// checkModule holds a module against the contract.
func (c *Config) checkModule(m *meter.Module) error {
	if err := c.checkImports(m.Imports); err != nil {
		return err
	}
	if err := c.checkMemory(m); err != nil {
		return err
	}
	return c.checkExports(m)
}

func (c *Config) refuse(fix, problem string, args ...any) error {
	return &LoadError{Plugin: c.Name, Problem: fmt.Sprintf(problem, args...), Fix: fix}
}

func (c *Config) checkImports(imports []meter.Extern) error {
	for _, i := range imports {
		name := shown(i.Module) + "." + shown(i.Name)
		if i.Kind != meter.FunctionKind {
			return c.refuse("a plugin has its own memory, tables and globals", "it imports the %s %s", i.Kind, name)
		}
		functions, ok := hostFunctions[i.Module]
		if !ok {
			return c.refuse(foreignModule(i), "it imports %s, and there is no module %s", name, shown(i.Module))
		}
		f, ok := functions[i.Name]
		if !ok {
			return c.refuse(nearest(i.Name, keys(functions)), "it imports %s, which does not exist", name)
		}
		if !f.signature.Equal(i.Signature) {
			return c.refuse("", "it imports %s as %s, but it is %s", name, signature(i.Signature), signature(f.signature))
		}
		if i.Module == abiModule && i.Name == fetchImport && c.Fetch == nil {
			return c.refuse("list the destinations it may fetch from in its configuration, or use another plugin",
				"it imports %s, and has not been granted that", name)
		}
	}
	return nil
}

func foreignModule(i meter.Extern) string {
	switch {
	case i.Module == "env" && i.Name == "abort":
		return "AssemblyScript: compile with --use abort=, naming a function of your own"
	case i.Module == "env":
		return "the linker left a function undefined: link without --allow-undefined"
	case strings.HasPrefix(i.Module, "wasi_"):
		return "build for WASI preview 1, " + wasiModule
	}
	return "a plugin imports from " + abiModule + " and " + wasiModule
}

func (c *Config) checkMemory(m *meter.Module) error {
	e := m.Export("memory")
	switch {
	case e == nil || m.Memory == nil:
		return c.refuse("export it by that name", "it does not export its memory as \"memory\"")
	case e.Kind != meter.MemoryKind:
		return c.refuse("", "its export \"memory\" is a %s", e.Kind)
	case int64(m.Memory.Min)*pageSize > c.Limits.Memory:
		return c.refuse("raise the plugin's memory limit", "it begins with %d bytes of memory, and %d are allowed",
			int64(m.Memory.Min)*pageSize, c.Limits.Memory)
	}
	return nil
}

func (c *Config) checkExports(m *meter.Module) error {
	for _, e := range m.Exports {
		want, ok := exportTypes[e.Name]
		switch {
		case e.Name == "_start":
			return c.refuse("Go: -buildmode=c-shared; clang: -mexec-model=reactor", "it was built as a command: it exports _start")
		case !ok && (strings.HasPrefix(e.Name, "sidegate_") || strings.HasPrefix(e.Name, "on_")):
			return c.refuse(nearest(e.Name, keys(exportTypes)), "it exports %s, which means nothing", shown(e.Name))
		case !ok:
		case e.Kind != meter.FunctionKind:
			return c.refuse("", "its export %s is a %s, not a function", e.Name, e.Kind)
		case !want.Equal(e.Signature):
			return c.refuse("", "its export %s is %s, but must be %s", e.Name, signature(e.Signature), signature(want))
		}
	}
	if m.Export(abiExport) == nil {
		return c.refuse("build it with the SDK, or "+nearOr(m, abiExport, "export it"), "it does not export %s", abiExport)
	}
	for _, p := range phases {
		if m.Export(p.export) != nil {
			return nil
		}
	}
	return c.refuse(nearOr(m, "on_request", "export a function for each phase that it is for"),
		"it exports none of on_request, on_response and on_callback")
}

// nearOr names the export of m that looks like a misspelt name, or gives the other advice.
func nearOr(m *meter.Module, name, or string) string {
	for _, e := range m.Exports {
		if _, known := exportTypes[e.Name]; !known && e.Kind == meter.FunctionKind && alike(e.Name, name) {
			return fmt.Sprintf("it exports %s: call it %s", shown(e.Name), name)
		}
	}
	return or
}

// nearest suggests the one of names that is most like name.
func nearest(name string, names []string) string {
	best := slices.MinFunc(names, func(a, b string) int {
		return cmp.Or(levenshtein.ComputeDistance(plain(name), plain(a))-levenshtein.ComputeDistance(plain(name), plain(b)), cmp.Compare(a, b))
	})
	if !alike(name, best) {
		return ""
	}
	return "did you mean " + best + "?"
}

// alike reports whether a is probably meant to be b.
func alike(a, b string) bool {
	return levenshtein.ComputeDistance(plain(a), plain(b)) <= max(2, len(b)/3)
}

// plain drops what spellings of one name differ in: case and underscores.
func plain(s string) string {
	return strings.ToLower(strings.ReplaceAll(s[:min(len(s), 64)], "_", ""))
}

func keys[V any](m map[string]V) []string {
	k := make([]string, 0, len(m))
	for name := range m {
		k = append(k, name)
	}
	return k
}

// shown is a name that a module chose, for an error.
func shown(name string) string {
	const most = 64
	if len(name) > most {
		return printable([]byte(name[:most])) + "…"
	}
	return printable([]byte(name))
}

func signature(s meter.Signature) string {
	list := func(t []meter.ValueType) string {
		names := make([]string, 0, len(t))
		for _, v := range t[:min(len(t), 12)] {
			names = append(names, v.String())
		}
		if len(t) > len(names) {
			names = append(names, "…")
		}
		return "(" + strings.Join(names, " ") + ")"
	}
	return list(s.Params) + " -> " + list(s.Results)
}
