package wasm

import (
	"strings"
	"testing"
)

// FuzzTurns plays what the fuzzer says, one step at a time, and holds every slot that is given against the promises of
// [turns].
func FuzzTurns(f *testing.F) {
	f.Add(uint8(2), []byte("aaaaabbcd0000000000000000"))
	f.Add(uint8(1), []byte("abcdefgabcdefgABC000000000000abc00000000000000000"))
	f.Add(uint8(8), []byte(strings.Repeat("aaaabc0", 40)))
	f.Add(uint8(3), []byte("aaabcdeab0c0d1e2a3b4ABCDE01234"))
	f.Fuzz(func(t *testing.T, slots uint8, steps []byte) {
		g := game{t: t, turns: newTurns(int(slots%8) + 1), slots: int(slots%8) + 1}
		for _, step := range steps[:min(len(steps), 1000)] {
			switch {
			case step >= 'a' && step <= 'z':
				g.wants(string(step))
			case step >= 'A' && step <= 'Z':
				g.leaves(int(step - 'A'))
			default:
				g.gives(int(step))
			}
			g.check()
		}
	})
}

// A game is turns and what is known of them from outside.
type game struct {
	t       *testing.T
	turns   *turns
	slots   int
	holders []string // a client for each slot that is taken
	waiting []want   // in the order they came
}

// A want is a call that waits.
type want struct {
	client string
	turn   chan struct{}
	// atMost is how many slots may fall free before it is given one, for the first call of a client that holds none; else -1.
	atMost int
}

func (g *game) held(client string) (n int) {
	for _, c := range g.holders {
		if c == client {
			n++
		}
	}
	return n
}

func (g *game) wants(client string) {
	turn := g.turns.join(client)
	if turn == nil {
		g.holders = append(g.holders, client)
		return
	}
	w := want{client, turn, -1}
	waiting := map[string]bool{client: true}
	for _, other := range g.waiting {
		waiting[other.client] = true
	}
	if g.held(client) == 0 && g.first(client) < 0 {
		w.atMost = len(waiting)
	}
	g.waiting = append(g.waiting, w)
}

// first is the oldest call of a client that waits, or -1.
func (g *game) first(client string) int {
	for i, w := range g.waiting {
		if w.client == client {
			return i
		}
	}
	return -1
}

func (g *game) leaves(i int) {
	if len(g.waiting) == 0 {
		return
	}
	i %= len(g.waiting)
	w := g.waiting[i]
	if !g.turns.leave(w.client, w.turn) {
		g.t.Fatalf("a call of %s has a slot that nobody gave", w.client)
	}
	if g.turns.leave(w.client, w.turn) {
		g.t.Fatal("it left twice")
	}
	g.waiting = append(g.waiting[:i], g.waiting[i+1:]...)
}

func (g *game) gives(i int) {
	if len(g.holders) == 0 {
		return
	}
	i %= len(g.holders)
	client := g.holders[i]
	g.holders = append(g.holders[:i], g.holders[i+1:]...)
	g.turns.give(client)
	given := -1
	for i, w := range g.waiting {
		select {
		case <-w.turn:
			if given >= 0 {
				g.t.Fatal("one slot was given twice")
			}
			given = i
		default:
			if g.waiting[i].atMost--; g.waiting[i].atMost == 0 {
				g.t.Fatalf("%s holds none and was passed over", w.client)
			}
		}
	}
	if given < 0 {
		if len(g.waiting) > 0 {
			g.t.Fatal("a slot was given to nobody")
		}
		return
	}
	w := g.waiting[given]
	if g.first(w.client) != given {
		g.t.Fatalf("a younger call of %s was served first", w.client)
	}
	for _, other := range g.waiting {
		if g.held(other.client) < g.held(w.client) {
			g.t.Fatalf("%s holds %d and was given another, before %s with %d", w.client, g.held(w.client), other.client, g.held(other.client))
		}
	}
	g.waiting = append(g.waiting[:given], g.waiting[given+1:]...)
	g.holders = append(g.holders, w.client)
}

// check compares what the turns say of themselves.
func (g *game) check() {
	if g.turns.free+len(g.holders) != g.slots || g.turns.free > 0 && len(g.waiting) > 0 {
		g.t.Fatalf("%d slots are free, %d taken, and %d calls wait", g.turns.free, len(g.holders), len(g.waiting))
	}
	if running, waiting := g.turns.count(); running != len(g.holders) || waiting != len(g.waiting) {
		g.t.Fatalf("%d running and %d waiting, want %d and %d", running, waiting, len(g.holders), len(g.waiting))
	}
	for client, n := range g.turns.held {
		if n <= 0 || n != g.held(client) {
			g.t.Fatalf("%s holds %d, want %d", client, n, g.held(client))
		}
	}
}
