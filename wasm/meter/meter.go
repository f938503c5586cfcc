package meter

// Rewrite meters a module. It never panics, whatever the bytes are, and takes time and
// memory in proportion to their number. An [*Error] says why a module is refused; any
// other error is about c. The module is not changed, and Binary does not share its memory.
//
// Rewrite checks what it relies on and what its additions could make valid; instructions'
// types and the like are left to the engine, which must validate Binary.
func Rewrite(wasm []byte, c Config) (*Module, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	m, err := decode(wasm, c)
	if err != nil {
		return nil, err
	}
	e := encoder{module: m, to: make([]byte, 0, len(wasm)+len(wasm)/2+256)}
	if err := e.encode(); err != nil {
		return nil, err
	}
	m.out.Binary = e.to
	m.out.Fuel, m.out.Depth = fuelName, depthName
	m.out.Refill = Extern{Module: Reserved, Name: refillName, Kind: FunctionKind, Signature: refillSignature}
	return &m.out, nil
}

var refillSignature = Signature{Params: []ValueType{I64}, Results: []ValueType{I64}}
