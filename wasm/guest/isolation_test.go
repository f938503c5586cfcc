package guest

import (
	"bytes"
	"context"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// counting answers with how often the instance has been called, kept where it says: what leaks from call to
// call makes that more than one.
var counting = map[string]func(m *module) []byte{
	"memory": func(*module) []byte {
		return ops(i32(40000), load(40000), i32(1), add, store32, 2, 0, load(40000))
	},
	"global": func(m *module) []byte {
		g := m.global(i32Type, i32(0))
		return ops(getGlobal(g), i32(1), add, setGlobal(g), getGlobal(g))
	},
	"i64 global": func(m *module) []byte {
		g := m.global(i64Type, i64(0))
		return ops(getGlobal(g), i64(1), 0x7c, setGlobal(g), getGlobal(g), 0xa7)
	},
	"table": func(m *module) []byte {
		m.tables = append(m.tables, []byte{funcref, 0, 2})
		m.elements = append(m.elements, ops(3, 0, uleb(1), uleb(len(m.imports)))) // declares abi for ref.func
		// Is entry 1 null? Then this is the first call: set it.
		return ops(i32(1), 0x25, 0, 0xd1, ifOp, i32Type, i32(1), i32(1), 0xd2, uleb(len(m.imports)), 0x26, 0, 0x05, i32(2), end)
	},
	"dropped data": func(m *module) []byte {
		m.data = append(m.data, ops(1, named("x"))) // passive
		// memory.init of one byte would trap after data.drop.
		return ops(i32(0), i32(0), i32(1), 0xfc, 8, 0, 0, 0xfc, 9, 0, i32(1))
	},
	"vector global": func(m *module) []byte {
		zero := append([]byte{0xfd, 12}, make([]byte, 16)...)
		one := append([]byte{0xfd, 12}, bytes.Repeat([]byte{1}, 16)...)
		g := m.global(v128Type, zero)
		// any_true of the global, plus one; then it is set.
		return ops(getGlobal(g), 0xfd, 0x53, i32(1), add, one, setGlobal(g))
	},
	"page that grew": func(*module) []byte {
		return ops(i32(1), memoryGrow, 0, drop, memorySize, 0, i32(1), sub)
	},
}

// countingPlugin writes the count as the one byte of its output.
func countingPlugin(kind string) []byte {
	m := plugin().abi()
	code := counting[kind](m)
	m.function("on_request", ":i", 1, code, set(0), i32(60000), get(0), store32, 2, 0,
		i32(0), i32(60000), i32(1), call(fOutputWrite))
	return m.build()
}

func TestIsolation(t *testing.T) {
	t.Parallel()
	for kind := range counting {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			pool := mustConfigure(t, Config{Binary: countingPlugin(kind)}, "null")
			var x Exchange
			for range 5 {
				x.Message = []byte("{}")
				if _, err := pool.Call(t.Context(), Request, &x); err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(x.NewMessage, []byte{1}) {
					t.Fatalf("sees %v earlier calls", x.NewMessage[0]-1)
				}
			}
		})
	}
}

// TestPersistent keeps state, but not that of a call that failed.
func TestPersistent(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"memory", "global", "table"} {
		pool := mustConfigure(t, Config{Binary: countingPlugin(kind), Persistent: true, Limits: Limits{Concurrency: 1}}, "null")
		var x Exchange
		for want := byte(1); want <= 2; want++ {
			x.Message = []byte("{}")
			if _, err := pool.Call(t.Context(), Request, &x); err != nil || x.NewMessage[0] != want {
				t.Fatalf("%s: %v %v, want %d", kind, x.NewMessage, err, want)
			}
		}
	}
	m := plugin().abi()
	g := m.global(i32Type, i32(0))
	m.function("on_request", ":i", 0, getGlobal(g), i32(1), setGlobal(g)) // 0 at first, then denies
	m.function("on_callback", ":i", 0, unreachable)
	pool := mustConfigure(t, Config{Binary: m.build(), Persistent: true, Limits: Limits{Concurrency: 1}}, "null")
	for i, want := range []Verdict{Continue, Deny, Continue} {
		if i == 2 {
			if _, err := pool.Call(t.Context(), Callback, &Exchange{}); kindOf(err) != KindTrap {
				t.Fatal(err)
			}
		}
		if v, err := pool.Call(t.Context(), Request, &Exchange{}); v != want || err != nil {
			t.Fatalf("call %d: %v %v, want %v", i, v, err, want)
		}
	}
}

// TestImageReset writes anywhere in memories of several sizes, and must find the image again, over more resets
// than it takes to refresh.
func TestImageReset(t *testing.T) {
	t.Parallel()
	for _, size := range []int{pageSize, 2 * pageSize, 37 * pageSize} {
		want := make([]byte, size)
		for i := range want {
			if i/4096%3 != 0 { // some pages stay holes
				want[i] = byte(rand.Uint32())
			}
		}
		image, err := newImage(want)
		if err != nil {
			t.Fatal(err)
		}
		defer image.close()
		m, err := reserve(int64(size))
		if err != nil {
			t.Fatal(err)
		}
		defer m.Free()
		m.Reallocate(uint64(size))
		if err := image.install(m); err != nil {
			t.Fatal(err)
		}
		for round := range 2*refreshEvery + 10 {
			for range rand.IntN(8) {
				at := rand.IntN(size)
				m.space[at]++
				for i := range rand.IntN(min(300, size-at)) {
					m.space[at+i] = byte(round)
				}
			}
			if err := image.reset(m); err != nil {
				t.Fatal(err)
			}
			if size > 4*pageSize && round%16 != 0 && round%refreshEvery > 1 {
				continue // comparing is what takes the time
			}
			if !bytes.Equal(m.space[:size], want) {
				t.Fatalf("size %d, round %d: not the image", size, round)
			}
		}
	}
}

// TestOutputsDoNotAlias makes each output the next input, as a chain does, and keeps older ones.
func TestOutputsDoNotAlias(t *testing.T) {
	t.Parallel()
	m := plugin().abi()
	m.text(0, `/n/-`)
	m.text(8, `1`)
	m.function("on_request", ":i", 0, i32(0), i32(4), i32(8), i32(1), call(fFieldSet), drop,
		i32(0), i32(4), i32(8), i32(1), call(fFieldSet))
	pool := mustConfigure(t, Config{Binary: m.build()}, "null")
	x := Exchange{Message: []byte(`{"n":[]}`)}
	for i, want := range []string{`{"n":[1,1]}`, `{"n":[1,1,1,1]}`, `{"n":[1,1,1,1,1,1]}`} {
		if _, err := pool.Call(t.Context(), Request, &x); err != nil || string(x.NewMessage) != want {
			t.Fatalf("%d: %q %v", i, x.NewMessage, err)
		}
		if cap(x.NewMessage) != len(x.NewMessage) {
			t.Error("an output can be appended to in place")
		}
		x.Message = x.NewMessage
	}
}

// TestConcurrentCalls keeps good calls right beside failing ones, and their messages apart.
func TestConcurrentCalls(t *testing.T) {
	t.Parallel()
	m := plugin().abi()
	m.function("on_request", ":i", 1,
		i32(0), call(fInputLen), set(0),
		i32(0), i32(1024), i32(0), get(0), call(fInputRead), drop,
		get(0), i32(3), ne, eqz, ifOp, void, unreachable, end,
		i32(0), i32(1024), get(0), call(fOutputWrite))
	pool := mustConfigure(t, Config{Binary: m.build(), Limits: Limits{Concurrency: 3, Deadline: time.Minute}}, "null")
	var wg sync.WaitGroup
	var failed atomic.Int64
	for w := range 8 {
		wg.Go(func() {
			var x Exchange
			for i := range 200 {
				if i%10 == 0 {
					x.Message = []byte("bad")
					if _, err := pool.Call(t.Context(), Request, &x); kindOf(err) == KindTrap {
						failed.Add(1)
					}
					continue
				}
				x.Message = bytes.Repeat([]byte{byte('a' + w)}, 10+i)
				if _, err := pool.Call(t.Context(), Request, &x); err != nil || !bytes.Equal(x.Message, x.NewMessage) {
					t.Errorf("%v %q", err, x.NewMessage)
				}
			}
		})
	}
	wg.Wait()
	if failed.Load() != 8*20 {
		t.Errorf("%d failed", failed.Load())
	}
	if n := len(pool.idle); n < 1 || n > 3 || pool.plugin.Instances() != n {
		t.Errorf("%d idle instances of %d for 3 calls at once", n, pool.plugin.Instances())
	}
}

func TestBusyAndCancelled(t *testing.T) {
	t.Parallel()
	entered, leave := make(chan struct{}), make(chan struct{})
	m := plugin()
	f := m.importing(abiModule, fetchImport, "iiii:i")
	m.abi().text(0, `{"url":"http://a"}`)
	m.function("on_request", ":i", 0, i32(0), i32(18), i32(100), i32(1000), call(f), drop, i32(0))
	p := mustLoad(t, Config{Binary: m.build(), Limits: Limits{Concurrency: 1, Deadline: 50 * time.Millisecond},
		Fetch: func(ctx context.Context, _ FetchRequest) (FetchResponse, error) {
			entered <- struct{}{}
			<-leave
			<-ctx.Done()
			return FetchResponse{}, ctx.Err()
		}})
	pool, err := p.Configure(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	result := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_, err := pool.Call(ctx, Request, &Exchange{})
		result <- err
	}()
	<-entered
	if _, err := pool.Call(t.Context(), Request, &Exchange{}); kindOf(err) != KindBusy {
		t.Errorf("second call: %v", err)
	}
	gone, stop := context.WithCancel(t.Context())
	stop()
	if _, err := pool.Call(gone, Request, &Exchange{}); kindOf(err) != KindCancelled {
		t.Errorf("cancelled before it began: %v", err)
	}
	if n := p.Instances(); n != 1 {
		t.Errorf("%d instances during a call", n)
	}
	if err := p.Close(gone); err == nil {
		t.Error("closed during a call")
	}
	close(leave)
	if err := <-result; kindOf(err) != KindDeadline {
		t.Errorf("first call: %v", err)
	}
	go func() {
		_, err := pool.Call(ctx, Request, &Exchange{})
		result <- err
	}()
	<-entered
	cancel()
	if err := <-result; kindOf(err) != KindCancelled {
		t.Errorf("cancelled on the way: %v", err)
	}
	if err := p.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := pool.Call(t.Context(), Request, &Exchange{}); err != ErrClosed || p.Instances() != 0 {
		t.Errorf("after Close: %v, %d instances", err, p.Instances())
	}
}

// TestGrowthDiscards: an instance whose memory has grown cannot be put back.
func TestGrowthDiscards(t *testing.T) {
	t.Parallel()
	pool := mustConfigure(t, Config{Binary: countingPlugin("page that grew")}, "null")
	var x Exchange
	for range 3 {
		if _, err := pool.Call(t.Context(), Request, &x); err != nil || x.Memory != 2*pageSize {
			t.Fatalf("%v, memory %d", err, x.Memory)
		}
		if len(pool.idle) != 0 || pool.plugin.Instances() != 0 {
			t.Fatal("the instance was kept")
		}
	}
}

// TestCloseFrees loads, calls and closes many times; no file and no mapping may stay.
func TestCloseFrees(t *testing.T) {
	count := func() (n int) {
		maps, err := os.ReadFile("/proc/self/maps")
		if err != nil {
			t.Skipf("needs /proc to see what is left: %v", err)
		}
		n = strings.Count(string(maps), "sidegate-plugin")
		files, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skipf("needs /proc to see what is left: %v", err)
		}
		for _, f := range files {
			if to, _ := os.Readlink("/proc/self/fd/" + f.Name()); strings.Contains(to, "sidegate-plugin") {
				n++
			}
		}
		return n
	}
	before := count()
	for _, kind := range []string{"memory", "table"} {
		for range 20 {
			p, err := Load(t.Context(), Config{Name: "p", Binary: countingPlugin(kind)})
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				pool, err := p.Configure(t.Context(), nil)
				if err != nil {
					t.Fatal(err)
				}
				var wg sync.WaitGroup
				for range 4 {
					wg.Go(func() {
						if _, err := pool.Call(t.Context(), Request, &Exchange{}); err != nil {
							t.Error(err)
						}
					})
				}
				wg.Wait()
			}
			if kind == "memory" && count() == before {
				t.Fatal("this test does not see mappings")
			}
			if err := p.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if after := count(); after != before {
		t.Errorf("%d files and mappings before, %d after", before, after)
	}
}
