package meter

import (
	"fmt"
	"strings"
	"time"
)

// A module is what the rewriter knows of the module that it was given.
type module struct {
	config  Config
	section [sections]reader // sections the module does not have are without bytes
	items   [sections]int    // offset of the first item
	count   [sections]int    // number of items

	types     []Signature
	functions []uint32 // type of every function, imported ones first
	imported  int      // functions that are imported
	globals   []globalType
	tables    int
	memories  int
	tableMax  []tableLimits // of the tables that the module defines
	start     int           // function index, -1 without
	elements  int           // in all element segments so far

	totalLocals, totalValues int           // of the functions so far
	totalEffort              time.Duration // of the module and the functions so far

	out Module
}

type globalType struct {
	valueType ValueType
	mutable   bool
}

type tableLimits struct {
	element  ValueType
	min, max uint32
}

// decode reads everything before the code.
func decode(b []byte, c Config) (*module, error) {
	m := &module{config: c, start: -1, totalEffort: time.Duration(byteEffort * len(b))}
	if len(b) > c.MaxModule {
		return nil, &Error{Kind: ErrLimit, Function: -1, Reason: fmt.Sprintf("%d bytes: at most %d are allowed", len(b), c.MaxModule)}
	}
	r := reader{b: b, end: len(b), function: -1}
	if m.split(&r); r.err != nil {
		return nil, r.err
	}
	for _, v := range []struct {
		id   int
		what string
		most int
		item func(*reader, int)
	}{
		{sectionType, "types", maxTypes, m.readType},
		{sectionImport, "imports", maxImports, m.readImport},
		{sectionFunction, "functions", c.MaxFunctions, m.readFunction},
		{sectionTable, "tables", maxTables, m.readTable},
		{sectionMemory, "memories", maxTables, m.readMemory},
		{sectionGlobal, "globals", maxGlobals, m.readGlobal},
		{sectionExport, "exports", maxExports, m.readExport},
	} {
		if err := m.each(v.id, v.what, v.most, v.item); err != nil {
			return nil, err
		}
	}
	if err := m.readStart(); err != nil {
		return nil, err
	}
	return m, nil
}

func (m *module) readImport(r *reader, _ int) {
	start := r.p
	e := Extern{Module: r.name(), Name: r.name()}
	if e.Module == Reserved {
		r.failAt(start, ErrUnsupported, "import of %s from %s, which is reserved", quote(e.Name), Reserved)
		return
	}
	kind := r.byte()
	e.Kind = Kind(kind)
	switch e.Kind {
	case FunctionKind:
		var i uint32
		i, e.Signature = m.typeIndex(r)
		m.functions = append(m.functions, i)
		m.imported++
	case TableKind:
		e.Type = m.tableType(r).element
		m.tables++
	case MemoryKind:
		m.memoryType(r, true)
	case GlobalKind:
		g := readGlobalType(r)
		e.Type, e.Mutable = g.valueType, g.mutable
		m.addGlobal(g)
	default:
		if kind == 4 {
			r.failAt(start, ErrUnsupported, "exception handling (import of a tag) is not supported")
		}
		r.malformed(start, "import kind %#x", kind)
	}
	m.out.Imports = append(m.out.Imports, e)
}

func (m *module) readFunction(r *reader, _ int) {
	i, _ := m.typeIndex(r)
	m.functions = append(m.functions, i)
}

// readTable lowers the maximum: growing a table further fails, as it may by the specification.
func (m *module) readTable(r *reader, _ int) {
	t := m.tableType(r)
	t.max = min(t.max, uint32(m.config.MaxTableElements))
	m.tableMax = append(m.tableMax, t)
	m.tables++
}

func (m *module) readMemory(r *reader, _ int) { m.memoryType(r, false) }

func (m *module) memoryType(r *reader, imported bool) {
	if m.memories++; m.memories > 1 {
		r.failAt(r.p, ErrUnsupported, "more than one memory (multi-memory) is not supported")
	}
	low, high, has := limits(r, "memory", 1<<16)
	m.out.Memory = &Memory{Min: low, Max: high, HasMax: has, Imported: imported}
}

func (m *module) addGlobal(g globalType) {
	if g.mutable {
		m.out.Globals = append(m.out.Globals, Global{Export: fmt.Sprint(globalPrefix, len(m.globals)), Type: g.valueType})
		m.out.OpaqueGlobals = m.out.OpaqueGlobals || g.valueType == V128 || g.valueType.reference()
	}
	m.globals = append(m.globals, g)
}

func (m *module) readGlobal(r *reader, _ int) {
	g := readGlobalType(r)
	m.constant(r, nil)
	m.addGlobal(g)
}

func (m *module) readExport(r *reader, _ int) {
	start := r.p
	e := Extern{Name: r.name()}
	kind, at := r.byte(), r.p
	i := r.u32()
	if r.err != nil {
		return
	}
	if strings.HasPrefix(e.Name, Reserved) {
		r.failAt(start, ErrUnsupported, "export %s: names that begin with %s are reserved", quote(e.Name), Reserved)
		return
	}
	if kind == 4 {
		r.failAt(start, ErrUnsupported, "exception handling (export of a tag) is not supported")
		return
	}
	spaces := [...]int{len(m.functions), m.tables, m.memories, len(m.globals)}
	if int(kind) >= len(spaces) {
		r.malformed(start, "export kind %#x", kind)
		return
	}
	e.Kind = Kind(kind)
	if int64(i) >= int64(spaces[kind]) {
		r.malformed(at, "export %s: unknown %s %d", quote(e.Name), e.Kind, i)
		return
	}
	switch e.Kind {
	case FunctionKind:
		e.Signature = m.types[m.functions[i]]
	case GlobalKind:
		e.Type, e.Mutable = m.globals[i].valueType, m.globals[i].mutable
	}
	m.out.Exports = append(m.out.Exports, e)
}

func (m *module) readStart() error {
	r := m.section[sectionStart]
	if r.b == nil {
		return nil
	}
	m.start = int(m.functionIndex(&r))
	m.out.Start = true
	return m.done(&r)
}

// functionIndex reads the index of a function.
func (m *module) functionIndex(r *reader) uint32 {
	start := r.p
	i := r.u32()
	if int64(i) >= int64(len(m.functions)) {
		r.malformed(start, "unknown function %d", i)
		return 0
	}
	return i
}

// shifted is the index that a function has after the refill import was added as the last
// of the imported functions.
func (m *module) shifted(i uint32) uint32 {
	if int(i) >= m.imported {
		i++
	}
	return i
}
