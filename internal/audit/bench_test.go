package audit

import "testing"

func BenchmarkEncode(b *testing.B) {
	l := exampleLeaf()
	b.SetBytes(int64(len(l.Encode())))
	b.ReportAllocs()
	for b.Loop() {
		l.Encode()
	}
}

func BenchmarkDecode(b *testing.B) {
	data := exampleLeaf().Encode()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Decode(data); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkVerify reads 115,000 leaves, with a checkpoint behind each thousand.
func BenchmarkVerify(b *testing.B) {
	log := newLog(b, 115_000, 1000)
	b.ReportAllocs()
	for b.Loop() {
		r, err := Verify(b.Context(), log.source(), Expect{Keys: log.key.Known()})
		if err != nil || !r.OK() || r.Size != log.size() {
			b.Fatal(err, r)
		}
	}
}

// BenchmarkProof proves a leaf of 115,000, and checks the proof.
func BenchmarkProof(b *testing.B) {
	log := newLog(b, 115_000, 115_000)
	b.ReportAllocs()
	for b.Loop() {
		log.prove(b, 77_777, 0)
	}
}
