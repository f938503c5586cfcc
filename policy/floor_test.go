package policy

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/bundle"
)

func TestOrderOfRevisions(t *testing.T) {
	t.Parallel()
	rev := func(s string) mark { return mark{Revision: s} }
	for _, test := range []struct {
		new, floor mark
		older      bool
		err        string
	}{
		{rev("2"), rev("1"), false, ""},
		{rev("1"), rev("2"), true, ""},
		{rev("9"), rev("10"), true, ""},
		{rev("1.2.0"), rev("1.2"), false, ""},
		{rev("1.2"), rev("1.2.0"), false, ""},
		{rev("v1.10.0"), rev("1.9.9"), false, ""},
		{rev("1.2"), rev("1.2.1"), true, ""},
		{rev("2026-07-01T10:00:00Z"), rev("2026-07-01T10:00:01Z"), true, ""},
		{rev("20260702.1"), rev("20260701.9"), false, ""},
		{rev("99999999999999999999999998"), rev("99999999999999999999999999"), true, ""},
		{rev("0"), rev("0.0"), false, ""},
		{rev("1.0-rc1"), rev("1.0"), false, "cannot be compared"},
		{rev("1.0"), rev("abcdef"), false, "cannot be compared"},
		{rev("abcdef"), rev("abcdef"), false, ""},
		{mark{7, "x"}, mark{8, "y"}, true, ""},
		{mark{8, "1"}, mark{7, "2"}, false, ""},
		{rev("9"), mark{8, "2"}, false, "has no metadata.sequence"},
		{mark{1, "1"}, rev("2"), true, ""},
		{mark{1, "3"}, rev("2"), false, ""},
		{mark{1, "x"}, rev("2"), false, "cannot be compared"},
	} {
		older, err := test.new.olderThan(test.floor)
		if older != test.older || (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%+v against %+v: older %t, error %v", test.new, test.floor, older, err)
		}
	}
}

func TestMarks(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{
		`1`: 1, `9007199254740993`: 9007199254740993, `1e3`: 1000,
		`0`: 0, `-1`: 0, `1.5`: 0, `"x"`: 0, `null`: 0, `[1]`: 0, `true`: 0, `1e40`: 0,
	} {
		var m bundle.Manifest
		decoder := json.NewDecoder(strings.NewReader(`{"metadata": {"sequence": ` + text + `}}`))
		decoder.UseNumber()
		if err := decoder.Decode(&m); err != nil {
			t.Fatal(err)
		}
		got, err := markOf(m)
		if got.Sequence != want && err == nil || (err == nil) != (want > 0) {
			t.Errorf("sequence %s is %d, error %v", text, got.Sequence, err)
		}
	}
}

func TestFloorsThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f, err := openFloors(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "floors.json"), 0o700); err != nil { // nothing can be renamed over it
		t.Fatal(err)
	}
	if err := f.move(map[string]mark{"main": {Revision: "1"}}); err == nil || len(f.marks) > 0 {
		t.Errorf("error %v, marks %v", err, f.marks)
	}
	if left, err := filepath.Glob(filepath.Join(dir, ".floors*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if _, err := openFloors(dir, nil); err == nil {
		t.Error("a floor that cannot be read was taken for none")
	}
}

// A bundle is not activated when it cannot be kept: after a restart, the one
// on disk would be below the floor.
func TestBundleThatCannotBeKept(t *testing.T) {
	t.Parallel()
	server := newBundleServer(t)
	server.put(rules("1", unless("a")).bytes(t))
	config := remote(server.URL, t.TempDir())
	write(t, config.StateDir, map[string]string{"policy/bundles/main": "a file where the directory belongs"})
	e, changes := openRemote(t, config)
	s := await(t, changes, refusing)
	if s.Ready || !strings.Contains(s.LastError.Error(), "cannot be kept on disk") && !strings.Contains(s.LastError.Error(), "not a directory") {
		t.Errorf("status %+v", s)
	}
	if _, err := e.Decide(t.Context(), oneCommand()); !errors.Is(err, ErrNotLoaded) {
		t.Errorf("error %v", err)
	}
}
