package cgroup

import "testing"

func BenchmarkMake(b *testing.B) {
	for name, idle := range map[string]int{"pooled": 4, "cold": 0} {
		b.Run(name, func(b *testing.B) {
			tree := openTree(b, func(c *Config) { c.Idle = idle })
			needs(b, "memory limit", tree.Support().Memory)
			for b.Loop() {
				g, err := tree.Make(Limits{Memory: 512 << 20, PIDs: 256})
				if err != nil {
					b.Fatal(err)
				}
				if err := g.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkKillNothing is Kill of a group whose processes have all ended by themselves, which is the usual case.
func BenchmarkKillNothing(b *testing.B) {
	tree := openTree(b, nil)
	needs(b, "killing", tree.Support().Kill)
	g, err := tree.Make(Limits{})
	if err != nil {
		b.Fatal(err)
	}
	defer g.Close()
	for b.Loop() {
		if err := g.Kill(0); err != nil {
			b.Fatal(err)
		}
	}
}
