package gateway

import (
	"net/http/httptest"
	"testing"
)

// TestTracingOffCostsNothing: where nothing is traced or timed, a stage is nothing.
func TestTracingOffCostsNothing(t *testing.T) {
	g := &Gateway{}
	w, r := &countedWriter{ResponseWriter: httptest.NewRecorder()}, httptest.NewRequest("POST", "/shell", nil)
	n := testing.AllocsPerRun(100, func() {
		trace := g.traced(w, r, "func")
		deciding := g.stage(trace, stageDecide)
		deciding.span.Child(spanPolicy).End()
		deciding.over()
		g.stage(trace, stageAdmit).failed()
		g.traceEnd(w)
		_ = Request{trace: trace}.traceAttr()
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkTracingOff(b *testing.B) {
	g := &Gateway{}
	b.ReportAllocs()
	for b.Loop() {
		deciding := g.stage(nil, stageDecide)
		deciding.span.Child(spanPolicy).End()
		deciding.over()
	}
}
