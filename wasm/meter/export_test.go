package meter

import "time"

// The limits of what the compiler takes.
const (
	MaxEffort      = maxEffort
	MaxTotalEffort = maxTotalEffort
)

// Efforts returns what the compiler is estimated to take for the function that takes longest, and for the module.
func Efforts(wasm []byte) (largest, total time.Duration, err error) {
	c, err := Config{}.withDefaults()
	if err != nil {
		return 0, 0, err
	}
	m, err := decode(wasm, c)
	if err != nil {
		return 0, 0, err
	}
	e := encoder{module: m}
	if err := e.encode(); err != nil {
		return 0, 0, err
	}
	total = m.totalEffort
	b, r := body{module: m}, m.section[sectionCode]
	if r.b == nil {
		return 0, total, nil
	}
	for i := range r.count("functions", c.MaxFunctions) {
		f := r
		size := int(f.u32())
		f.end = f.p + size
		b.rewrite(f, i, false)
		largest = max(largest, b.effort.took)
		r.p = f.end
	}
	return largest, total, nil
}
