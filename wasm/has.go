package wasm

// Has reports whether a message of the phase may meet a plugin, or fail because no set is loaded. Where it is false,
// [Host.Select] need not be asked.
func (h *Host) Has(phase Phase) bool {
	g := h.current.Load()
	n := phaseIndex(phase)
	return g == nil || n < 0 || len(g.chains[n]) > 0
}
