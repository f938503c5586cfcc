package authoring

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/sidegate/sidegate/policy"
)

// files are obligations with a list of paths for each use.
func files(read, write, execute []string) policy.Obligations {
	return policy.Obligations{Filesystem: &policy.Filesystem{Read: read, Write: write, Execute: execute}}
}

func TestWeaker(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		strict, loose policy.Obligations
		want          []string // from strict to loose
		back          []string // from loose to strict
	}{
		"profile":      {policy.Obligations{Profile: "isolated"}, policy.Obligations{Profile: "confined"}, []string{"profile"}, nil},
		"profile host": {policy.Obligations{Profile: "confined"}, policy.Obligations{Profile: "host"}, []string{"profile"}, nil},
		"unknown":      {policy.Obligations{Profile: "host"}, policy.Obligations{Profile: "new"}, []string{"profile"}, nil},
		"network":      {policy.Obligations{Network: "none"}, policy.Obligations{Network: "netlink"}, []string{"network"}, nil},
		"no network":   {policy.Obligations{Network: "netlink"}, policy.Obligations{}, []string{"network"}, nil},
		"mode":         {policy.Obligations{Mode: "direct"}, policy.Obligations{Mode: "shell"}, []string{"mode"}, nil},
		"disconnect":   {policy.Obligations{OnDisconnect: "kill"}, policy.Obligations{}, []string{"on_disconnect"}, nil},
		"best effort":  {policy.Obligations{}, policy.Obligations{BestEffort: true}, []string{"best_effort"}, nil},
		"user":         {policy.Obligations{RunAs: "nobody"}, policy.Obligations{RunAs: "daemon"}, []string{"run_as"}, []string{"run_as"}},
		"timeout":      {policy.Obligations{Timeout: time.Second}, policy.Obligations{Timeout: time.Minute}, []string{"timeout"}, nil},
		"output":       {policy.Obligations{MaxOutput: 1}, policy.Obligations{MaxOutput: 2}, []string{"max_output"}, nil},
		"limits": {
			policy.Obligations{Limits: policy.Limits{Memory: 1, PIDs: 1, CPUSeconds: 1, OpenFiles: 1, FileSize: 1}},
			policy.Obligations{Limits: policy.Limits{Memory: 2, PIDs: 2, CPUSeconds: 2}},
			[]string{"limits.memory", "limits.file_size", "limits.pids", "limits.cpu_seconds", "limits.open_files"}, nil,
		},
		"read":           {files([]string{"/srv/a"}, nil, nil), files([]string{"/srv"}, nil, nil), []string{"filesystem.read"}, nil},
		"a like name":    {files([]string{"/srv"}, nil, nil), files([]string{"/srv-evil"}, nil, nil), []string{"filesystem.read"}, []string{"filesystem.read"}},
		"the root":       {files([]string{"/srv"}, nil, nil), files([]string{"/"}, nil, nil), []string{"filesystem.read"}, nil},
		"write":          {files([]string{"/srv"}, nil, nil), files([]string{"/srv"}, []string{"/srv"}, nil), []string{"filesystem.write"}, nil},
		"no files":       {files(nil, nil, []string{}), policy.Obligations{}, []string{"filesystem.read", "filesystem.write", "filesystem.execute"}, nil},
		"execute":        {files(nil, nil, []string{"gzip"}), files(nil, nil, []string{"gzip", "sh"}), []string{"filesystem.execute"}, nil},
		"execute any":    {files(nil, nil, []string{}), files(nil, nil, nil), []string{"filesystem.execute"}, nil},
		"variables":      {policy.Obligations{Env: policy.Env{Pass: []string{"A"}}}, policy.Obligations{Env: policy.Env{Pass: []string{"A", "B"}}}, []string{"env.pass"}, nil},
		"set variables":  {policy.Obligations{Env: policy.Env{Set: map[string]string{"A": "1"}}}, policy.Obligations{}, []string{"env.set"}, []string{"env.set"}},
		"nothing at all": {policy.Obligations{}, policy.Obligations{}, nil, nil},
	} {
		for _, way := range []struct {
			before, after policy.Obligations
			want          []string
		}{{c.strict, c.loose, c.want}, {c.loose, c.strict, c.back}} {
			var got []string
			for _, w := range Weaker(way.before, way.after) {
				got = append(got, w.What)
				if w.Before == w.After || w.String() == "" {
					t.Errorf("%s: %v says nothing", name, w)
				}
			}
			if !slices.Equal(got, way.want) {
				t.Errorf("%s: got %v, want %v", name, got, way.want)
			}
		}
	}
}

// Every obligation is compared: one that is added to policy.Obligations has to get a place in facets.
func TestEveryObligationIsCompared(t *testing.T) {
	t.Parallel()
	known := map[string]int{
		"Mode": 1, "Profile": 1, "BestEffort": 1, "Timeout": 1, "MaxOutput": 1, "RunAs": 1, "Limits": 5, "Filesystem": 3, "Network": 1, "Env": 2, "OnDisconnect": 1,
	}
	total := 0
	for field := range reflect.TypeFor[policy.Obligations]().Fields() {
		if known[field.Name] == 0 {
			t.Errorf("nobody compares %s", field.Name)
		}
		total += known[field.Name]
	}
	if total != len(facets) || reflect.TypeFor[policy.Limits]().NumField() != 5 || reflect.TypeFor[policy.Filesystem]().NumField() != 4 {
		t.Errorf("%d facets, want %d; or limits or lists of paths were added", len(facets), total)
	}
}
