package guest

import (
	"strings"
	"testing"
	"time"
)

// TestFieldErrnos holds the errnos of the fields, in the order in which they are looked at.
func TestFieldErrnos(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		message, path, value string
		write                bool
		get, set             int32
	}{
		"there":         {`{"a":"b"}`, "/a", "1", false, 3, 0},
		"missing":       {`{}`, "/a/b", "1", false, -errnoNotFound, errnoNotFound},
		"no pointer":    {`{}`, "a", "1", false, -errnoPath, errnoPath},
		"long path":     {`{}`, "/" + strings.Repeat("a", 5000), "1", false, -errnoPath, errnoPath},
		"no value":      {`{"a":1}`, "/a", "1 2", false, 1, errnoJSON},
		"no message":    {`{`, "/a", "1", false, -errnoJSON, errnoJSON},
		"being written": {`{"a":1}`, "/a", "1", true, -errnoBusy, errnoBusy},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := plugin().abi()
			m.text(0, c.path)
			m.text(8000, c.value)
			var first []byte
			if c.write {
				first = ops(i32(0), i32(0), i32(0), call(fOutputWrite), drop)
			}
			path := ops(i32(0), i32(len(c.path)))
			m.function("on_request", ":i", 0, first,
				path, i32(9000), i32(2), call(fFieldGet), i32(int(c.get)), ne, ifOp, void, unreachable, end,
				path, i32(8000), i32(len(c.value)), call(fFieldSet), i32(int(c.set)), ne, ifOp, void, i32(7), ret, end,
				i32(0))
			x := Exchange{Message: []byte(c.message)}
			if _, err := mustConfigure(t, Config{Binary: m.build()}, "null").Call(t.Context(), Request, &x); err != nil {
				t.Fatalf("%v (a trap is field_get, a wrong number field_set)", err)
			}
			if x.MessageReplaced != (c.write || c.set == 0) {
				t.Errorf("replaced: %v, %q", x.MessageReplaced, x.NewMessage)
			}
		})
	}
}

// TestConfigGet asks for a field of the configuration in every phase and in sidegate_init, while the message is being written, too.
func TestConfigGet(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		config, path string
		room         int
		want         int32
	}{
		"there":      {`{"a":[1, "\u0062"]}`, "/a/1", 8, 8},
		"whole":      {` {"a":1.50} `, "", 100, 10},
		"no room":    {`{"a":"long"}`, "/a", 5, 6},
		"only size":  {`{"a":"long"}`, "/a", 0, 6},
		"null":       {`null`, "", 4, 4},
		"of null":    {`null`, "/a", 4, -errnoNotFound},
		"missing":    {`{"a":{}}`, "/a/b", 4, -errnoNotFound},
		"no pointer": {`{"a":1}`, "a", 4, -errnoPath},
		"no UTF-8":   {`{"a":1}`, "/\xff", 4, -errnoPath},
		"long path":  {`{"a":1}`, "/" + strings.Repeat("a", 5000), 4, -errnoPath},
		"no JSON":    {`{`, "/a", 4, -errnoJSON},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := plugin().abi()
			m.text(0, c.path)
			ask := ops(i32(0), i32(len(c.path)), i32(9000), i32(c.room), call(fConfigGet), i32(int(c.want)), ne, ifOp, void, unreachable, end)
			m.function(initExport, ":i", 0, ask, i32(0))
			for _, p := range phases {
				m.function(p.export, ":i", 0, i32(0), i32(9000), i32(c.room), call(fOutputWrite), drop, ask,
					i32(0), i32(9000), i32(c.room), call(fOutputWrite))
			}
			pool := mustConfigure(t, Config{Binary: m.build()}, c.config)
			want := make([]byte, c.room)
			if 0 < c.want && int(c.want) <= c.room {
				copy(want, strings.TrimSpace(c.config))
				if c.path != "" {
					copy(want, `"\u0062"`)
				}
			}
			for _, p := range phases {
				x := Exchange{Message: []byte(`{"a":"the message"}`)}
				if _, err := pool.Call(t.Context(), p.phase, &x); err != nil || string(x.NewMessage) != string(want)+string(want) {
					t.Errorf("%s: %q, %v, want %q twice", p.phase, x.NewMessage, err, want)
				}
			}
		})
	}
}

// TestConfigGetIsCharged: a guest that asks again and again for a field of a long configuration is stopped for what that
// costs the host.
func TestConfigGetIsCharged(t *testing.T) {
	t.Parallel()
	m := plugin().abi()
	m.function("on_request", ":i", 0, forever(ops(i32(0), i32(0), i32(0), i32(0), call(fConfigGet), drop)), i32(0))
	config := `"` + strings.Repeat("x", 100_000) + `"`
	pool := mustConfigure(t, Config{Binary: m.build(), Limits: Limits{Fuel: 10_000_000, Deadline: time.Minute}}, config)
	var x Exchange
	if _, err := pool.Call(t.Context(), Request, &x); kindOf(err) != KindFuel {
		t.Fatalf("got %v, want that its fuel ends", err)
	}
	if most := int64(10_000_000 + 2*fieldCost*len(config)); x.Fuel > most {
		t.Errorf("it used %d, want at most %d", x.Fuel, most)
	}
}
