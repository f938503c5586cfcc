package policy

import (
	"context"
	"errors"
	"fmt"
	"math/rand"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/quick"
	"time"

	"github.com/open-policy-agent/opa/v1/storage"
)

// variants are inputs of which many are alike, as those of real callers are.
func variants(t *testing.T, n int) []Input {
	t.Helper()
	r := rand.New(rand.NewSource(1))
	var list []Input
	for range n {
		in := oneCommand()
		if r.Intn(2) == 0 {
			in = sixCommands()
		}
		in.Request.ID, in.Request.Time = fmt.Sprint(r.Int63()), time.Unix(r.Int63n(4e9), 0)
		switch r.Intn(6) {
		case 0:
			in.Client.Roles = []string{"nobody"}
		case 1:
			in.Request.Workdir = "/etc"
		case 2:
			in.Request.Env = map[string]string{"LD_PRELOAD": "x"}
			in.Request.EnvDangerous = []string{"LD_PRELOAD"}
		case 3:
			in.Shell.Commands[0].Argv = append(in.Shell.Commands[0].Argv, nil)
			in.Shell.Commands[0].ArgsStatic, in.Shell.AllStatic = false, false
		case 4:
			made, ok := quick.Value(reflect.TypeFor[Input](), r)
			if !ok {
				t.Fatal("no input could be made")
			}
			in = made.Interface().(Input)
		}
		list = append(list, in)
	}
	return list
}

// Whether a decision was remembered cannot be told from it.
func TestCachedEqualsUncached(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"testdata/small", "../policies"} {
		cached, _ := open(t, Config{Paths: []string{path}, Deadline: time.Minute})
		plain, _ := open(t, Config{Paths: []string{path}, Deadline: time.Minute, CacheBytes: -1})
		for _, in := range variants(t, 150) {
			want := decide(t, plain, in)
			for _, ask := range []string{"first", "second"} {
				if got := decide(t, cached, in); !reflect.DeepEqual(got, want) {
					t.Fatalf("%s, asked for the %s time: %.500v\nwithout cache %.500v\nof %.500v", path, ask, got, want, in)
				}
			}
		}
		if s := cached.Status().Cache; s.Why != "" || s.Hits < 100 || s.Misses == 0 || s.Entries == 0 || s.Bytes == 0 {
			t.Errorf("%s: %+v", path, s)
		}
		if s := plain.Status().Cache; s.Hits != 0 || s.Misses != 0 || s.Entries != 0 || s.Bypassed != 150 {
			t.Errorf("%s, without cache: %+v", path, s)
		}
	}
}

// What changes with each request does not matter, and everything else does.
func TestCacheHitsAndMisses(t *testing.T) {
	t.Parallel()
	e, _ := open(t, Config{Paths: []string{"testdata/small"}})
	decide(t, e, oneCommand())
	again := oneCommand()
	again.Request.ID, again.Request.Time = "another", time.Unix(1_800_000_000, 0)
	decide(t, e, again)
	if s := e.Status().Cache; s.Hits != 1 || s.Misses != 1 {
		t.Errorf("%+v", s)
	}
	other := oneCommand()
	other.Request.SourceIP = "172.17.0.3"
	decide(t, e, other)
	long := oneCommand()
	long.Request.Command = strings.Repeat("x", maxCacheKey)
	decide(t, e, long)
	if s := e.Status().Cache; s.Hits != 1 || s.Misses != 2 || s.Bypassed != 1 || s.Entries != 2 {
		t.Errorf("%+v", s)
	}
}

// Nobody who gets a decision can change what the next one gets.
func TestCachedDecisionsShareNothing(t *testing.T) {
	t.Parallel()
	e, _, _ := openFiles(t, map[string]string{"p.rego": answers(`{"allow": true, "grants": ["a", "b"], "reasons": [], "obligations": {
		"filesystem": {"read": ["/r"], "write": ["/w"], "read_if_present": ["/p"], "execute": ["x"]},
		"env": {"set": {"A": "1"}, "pass": ["B"]}, "limits": {"pids": 7}, "timeout": "3s"}}`)})
	want := fmt.Sprintf("%+v %+v", decide(t, e, oneCommand()), decide(t, e, oneCommand()).Obligations.Filesystem)
	for range 3 { // the one that was kept, and those that were remembered
		d := decide(t, e, oneCommand())
		spoil(reflect.ValueOf(&d).Elem())
	}
	d := decide(t, e, oneCommand())
	if got := fmt.Sprintf("%+v %+v", d, d.Obligations.Filesystem); !sameButForPointers(got, want) {
		t.Errorf("is %s\nwas %s", got, want)
	}
	if s := e.Status().Cache; s.Hits < 4 {
		t.Errorf("%+v", s)
	}
}

// A clone is equal, and shares nothing, whatever fields a decision has.
func TestClone(t *testing.T) {
	t.Parallel()
	for seed := range int64(40) {
		make := func() *Decision {
			made, ok := quick.Value(reflect.TypeFor[Decision](), rand.New(rand.NewSource(seed)))
			if !ok {
				t.Fatal("no decision could be made")
			}
			d := made.Interface().(Decision)
			return &d
		}
		d := make()
		c := d.clone()
		if !reflect.DeepEqual(c, *d) {
			t.Fatalf("the clone is %.300v, of %.300v", c, *d)
		}
		if spoil(reflect.ValueOf(&c).Elem()); !reflect.DeepEqual(d, make()) {
			t.Fatalf("what was done to the clone happened to the decision: %.300v", *d)
		}
	}
}

// spoil changes everything that can be reached through v.
func spoil(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			spoil(v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			spoil(v.Field(i))
		}
	case reflect.Slice:
		for i := range v.Len() {
			spoil(v.Index(i))
		}
		if v.CanSet() && v.Cap() > v.Len() {
			spoil(v.Slice(v.Len(), v.Cap()))
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			v.SetMapIndex(key, reflect.ValueOf("spoilt"))
		}
		if !v.IsNil() {
			v.SetMapIndex(reflect.ValueOf("MORE"), reflect.ValueOf("spoilt"))
		}
	case reflect.String:
		v.SetString("spoilt")
	}
}

func sameButForPointers(a, b string) bool {
	cut := func(s string) string {
		before, after, _ := strings.Cut(s, "0x")
		_, after, _ = strings.Cut(after, " ")
		return before + after
	}
	return cut(a) == cut(b)
}

// A failure is not remembered: it may pass.
func TestFaultsAreNotCached(t *testing.T) {
	t.Parallel()
	e, _, _ := openFiles(t, map[string]string{"p.rego": answers(`{"allow": to_number(input.request.command) == 1, "grants": [], "reasons": [], "obligations": {}}`)})
	for range 2 {
		if d := decide(t, e, oneCommand()); d.Fault == "" {
			t.Fatalf("%+v", d)
		}
	}
	if s := e.Status().Cache; s.Entries != 0 || s.Hits != 0 || s.Bypassed != 2 {
		t.Errorf("%+v", s)
	}
	one := oneCommand()
	one.Request.Command = "1"
	decide(t, e, one)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if d, err := e.Decide(over, one); err != nil || d.Allow || !strings.Contains(d.Reasons[0], "the request ended first") {
		t.Errorf("%+v, %v", d, err)
	}
}

// However often the policy changes, and however many ask meanwhile, nobody is
// answered by a policy that was replaced before he asked.
func TestNoStaleDecision(t *testing.T) {
	t.Parallel()
	rules := func(n int64) map[string]string {
		return map[string]string{"p.rego": answers(`{"allow": true, "grants": [data.sidegate.n], "reasons": [], "obligations": {}}`),
			"sidegate/data.json": fmt.Sprintf(`{"n": "%09d"}`, n)}
	}
	dir := t.TempDir()
	write(t, dir, rules(0))
	e, _ := open(t, Config{Paths: []string{dir}})
	var active atomic.Int64 // the last one that Reload has returned for
	stop := make(chan struct{})
	var askers sync.WaitGroup
	for range 4 {
		askers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				least := active.Load()
				d, err := e.Decide(t.Context(), oneCommand())
				if err != nil || d.Fault != "" || d.Grants[0] < fmt.Sprintf("%09d", least) {
					t.Errorf("%d was active, and %+v, %v was the answer", least, d, err)
					return
				}
			}
		})
	}
	for n := int64(1); n <= 20; n++ {
		write(t, dir, rules(n))
		if err := e.Reload(t.Context()); err != nil && !errors.Is(err, errUnsteady) {
			t.Error(err)
			break
		}
		active.Store(n)
		if d := decide(t, e, oneCommand()); d.Grants[0] < fmt.Sprintf("%09d", n) {
			t.Errorf("%d was active, and %+v was the answer", n, d)
		}
	}
	close(stop)
	askers.Wait()
	if s := e.Status().Cache; s.Hits == 0 || s.Misses < 2 {
		t.Errorf("%+v", s)
	}
}

// Data that changes by itself, which it does not, would be noticed.
func TestChangedDataEmptiesTheCache(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, map[string]string{"p.rego": answers(`{"allow": true, "grants": [data.sidegate.n], "reasons": [], "obligations": {}}`), "sidegate/data.json": `{"n": "a"}`})
	e, _ := open(t, Config{Paths: []string{dir}})
	decide(t, e, oneCommand())
	err := storage.Txn(t.Context(), e.store, storage.WriteParams, func(txn storage.Transaction) error {
		return e.store.Write(t.Context(), txn, storage.ReplaceOp, storage.MustParsePath("/sidegate/n"), "b")
	})
	if err != nil {
		t.Fatal(err)
	}
	if d := decide(t, e, oneCommand()); d.Grants[0] != "b" {
		t.Errorf("%+v", d)
	}
}

// The cache never takes more than it may, and keeps what is asked for again.
func TestCacheIsBounded(t *testing.T) {
	t.Parallel()
	const bytes = 64 << 10
	e, _ := open(t, Config{Paths: []string{"testdata/small"}, CacheBytes: bytes})
	often := oneCommand()
	for i := range 400 {
		in := oneCommand()
		in.Request.Command = fmt.Sprint("ls ", i)
		decide(t, e, in)
		decide(t, e, often)
		if s := e.Status().Cache; s.Bytes > bytes || s.Bytes > 0 && s.Entries == 0 {
			t.Fatalf("after %d: %+v", i, s)
		}
	}
	if s := e.Status().Cache; s.Hits != 399 || s.Misses != 401 {
		t.Errorf("%+v", s)
	}
	c := newCache(1<<40, new(cacheCounts))
	for i := range 3 * maxCacheEntries {
		c.put(fmt.Append(nil, i), &Decision{})
		if n, _ := c.fill(); n > maxCacheEntries {
			t.Fatalf("%d entries", n)
		}
	}
}

// The decision log has each decision under its own ID, remembered or not.
func TestCachedDecisionsAreLogged(t *testing.T) {
	t.Parallel()
	c := newCollector(t, false)
	e, _ := open(t, Config{Paths: []string{"testdata/small"}, OPA: logTo(c.URL)})
	for i := range 3 {
		in := oneCommand()
		in.Request.ID = fmt.Sprint("request ", i)
		if _, err := e.DecideAs(t.Context(), fmt.Sprint("decision ", i), in); err != nil {
			t.Fatal(err)
		}
	}
	if s := e.Status().Cache; s.Hits != 2 || s.Misses != 1 {
		t.Errorf("%+v", s)
	}
	for i := range 3 {
		event := c.next(t)
		input := event["input"].(map[string]any)["request"].(map[string]any)
		if event["decision_id"] != fmt.Sprint("decision ", i) || input["id"] != fmt.Sprint("request ", i) || event["result"].(map[string]any)["allow"] != true {
			t.Errorf("%d: %v", i, event)
		}
	}
}

// A policy that prints is asked each time, so that its author sees it print.
func TestPrintingPolicyAtDebugLevel(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, map[string]string{"p.rego": "package sidegate\n\ndecision := d if {\n\tprint(\"seen\")\n" +
		"\td := {\"allow\": true, \"grants\": [], \"reasons\": [], \"obligations\": {}}\n}\n"})
	quiet, _ := open(t, Config{Paths: []string{dir}})
	if why := quiet.Status().Cache.Why; why != "" {
		t.Errorf("nobody sees it print, and it is not remembered because %s", why)
	}
	loud, _ := open(t, Config{Paths: []string{dir}, Logger: debugLogger()})
	if why := loud.Status().Cache.Why; !strings.Contains(why, "p.rego:4: it calls internal.print") {
		t.Errorf("%q", why)
	}
}
