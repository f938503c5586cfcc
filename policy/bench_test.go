package policy

import "testing"

func benchmarkDecide(b *testing.B, path string, in Input) {
	e, _ := open(b, Config{Paths: []string{path}})
	if d := decide(b, e, in); !d.Allow {
		b.Fatalf("decision %+v", d)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := e.Decide(b.Context(), in); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecideOneCommand(b *testing.B)  { benchmarkDecide(b, "testdata/small", oneCommand()) }
func BenchmarkDecideSixCommands(b *testing.B) { benchmarkDecide(b, "testdata/small", sixCommands()) }

func BenchmarkDecideParallel(b *testing.B) {
	e, _ := open(b, Config{Paths: []string{"testdata/small"}})
	in := oneCommand()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := e.Decide(b.Context(), in); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkInputValueSixCommands(b *testing.B) {
	in := sixCommands()
	b.ReportAllocs()
	for b.Loop() {
		toValue(&in)
	}
}
