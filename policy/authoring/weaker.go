package authoring

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/sidegate/sidegate/policy"
)

// A Weakening is an obligation that holds a command less than it did.
type Weakening struct {
	What   string `json:"what"` // such as network
	Before string `json:"before"`
	After  string `json:"after"`
}

func (w Weakening) String() string {
	return fmt.Sprintf("%s: %s instead of %s", w.What, w.After, w.Before)
}

// Weaker says in which respects a command would be held less. Both are the obligations in force, with the defaults of
// the gateway filled in: Env.Pass has the variables that the command gets, and is never nil.
func Weaker(before, after policy.Obligations) []Weakening {
	var found []Weakening
	for _, f := range facets {
		if was, is, weaker := f.compare(before, after); weaker {
			found = append(found, Weakening{f.what, was, is})
		}
	}
	return found
}

// A facet is a respect in which obligations hold a command.
type facet struct {
	what    string
	compare func(before, after policy.Obligations) (was, is string, weaker bool)
}

// facets is what "weaker" means. What cannot be ordered, such as users, is weaker when it is another.
var facets = []facet{
	{"profile", ranked(func(o policy.Obligations) string { return o.Profile }, "isolated", "confined", "host")},
	{"network", ranked(func(o policy.Obligations) string { return cmp.Or(o.Network, "full") }, "none", "netlink", "full")},
	{"mode", ranked(func(o policy.Obligations) string { return cmp.Or(o.Mode, "direct") }, "direct", "shell")},
	{"on_disconnect", ranked(func(o policy.Obligations) string { return cmp.Or(o.OnDisconnect, "continue") }, "kill", "continue")},
	{"best_effort", ranked(func(o policy.Obligations) string { return fmt.Sprint(o.BestEffort) }, "false", "true")},
	{"run_as", other(func(o policy.Obligations) string { return cmp.Or(o.RunAs, "the gateway's user") })},
	{"timeout", above(func(o policy.Obligations) int64 { return int64(o.Timeout) }, func(o policy.Obligations) string { return o.Timeout.String() })},
	{"max_output", above(func(o policy.Obligations) int64 { return o.MaxOutput }, func(o policy.Obligations) string { return bytesOf(o.MaxOutput) })},
	{"limits.memory", above(func(o policy.Obligations) int64 { return o.Limits.Memory }, func(o policy.Obligations) string { return bytesOf(o.Limits.Memory) })},
	{"limits.file_size", above(func(o policy.Obligations) int64 { return o.Limits.FileSize }, func(o policy.Obligations) string { return bytesOf(o.Limits.FileSize) })},
	{"limits.pids", counted(func(o policy.Obligations) int64 { return o.Limits.PIDs })},
	{"limits.cpu_seconds", counted(func(o policy.Obligations) int64 { return o.Limits.CPUSeconds })},
	{"limits.open_files", counted(func(o policy.Obligations) int64 { return o.Limits.OpenFiles })},
	{"filesystem.read", wider(readable, below)},
	{"filesystem.write", wider(func(f *policy.Filesystem) []string { return f.Write }, below)},
	{"filesystem.execute", executes},
	{"env.pass", passes},
	{"env.set", other(func(o policy.Obligations) string { return setOf(o.Env.Set) })},
}

// ranked compares words of which the first holds most. A word that is not known is weaker than each that is.
func ranked(of func(policy.Obligations) string, order ...string) func(before, after policy.Obligations) (string, string, bool) {
	rank := func(word string) int {
		if i := slices.Index(order, word); i >= 0 {
			return i
		}
		return len(order)
	}
	return func(before, after policy.Obligations) (string, string, bool) {
		was, is := of(before), of(after)
		return was, is, was != is && rank(is) >= rank(was)
	}
}

// other compares what has no order.
func other(of func(policy.Obligations) string) func(before, after policy.Obligations) (string, string, bool) {
	return func(before, after policy.Obligations) (string, string, bool) {
		was, is := of(before), of(after)
		return was, is, was != is
	}
}

// above compares bounds, of which 0 is none.
func above(of func(policy.Obligations) int64, text func(policy.Obligations) string) func(before, after policy.Obligations) (string, string, bool) {
	told := func(o policy.Obligations) string {
		if of(o) <= 0 {
			return "none"
		}
		return text(o)
	}
	return func(before, after policy.Obligations) (string, string, bool) {
		was, is := of(before), of(after)
		return told(before), told(after), was > 0 && (is <= 0 || is > was)
	}
}

func counted(of func(policy.Obligations) int64) func(before, after policy.Obligations) (string, string, bool) {
	return above(of, func(o policy.Obligations) string { return humanize.Comma(of(o)) })
}

func bytesOf(n int64) string { return humanize.IBytes(uint64(max(n, 0))) }

// wider compares lists of which nil holds nothing back: more is what no member of the list before holds.
func wider(of func(*policy.Filesystem) []string, held func(path, root string) bool) func(before, after policy.Obligations) (string, string, bool) {
	return func(before, after policy.Obligations) (string, string, bool) {
		if before.Filesystem == nil {
			return "", "", false
		}
		was := of(before.Filesystem)
		if after.Filesystem == nil {
			return listOf(was), "everything", true
		}
		is := of(after.Filesystem)
		return listOf(was), listOf(is), slices.ContainsFunc(is, func(path string) bool {
			return !slices.ContainsFunc(was, func(root string) bool { return held(path, root) })
		})
	}
}

func readable(f *policy.Filesystem) []string { return slices.Concat(f.Read, f.ReadIfPresent, f.Write) }

func below(path, root string) bool {
	return path == root || strings.HasPrefix(path, strings.TrimSuffix(root, "/")+"/")
}

// executes compares what may be started: nil is whatever the programs of the system are.
func executes(before, after policy.Obligations) (string, string, bool) {
	if before.Filesystem == nil || before.Filesystem.Execute == nil {
		return "", "", false
	}
	if after.Filesystem == nil || after.Filesystem.Execute == nil {
		return listOf(before.Filesystem.Execute), "everything", true
	}
	return wider(func(f *policy.Filesystem) []string { return f.Execute }, below)(before, after)
}

func passes(before, after policy.Obligations) (string, string, bool) {
	was, is := before.Env.Pass, after.Env.Pass
	return listOf(was), listOf(is), slices.ContainsFunc(is, func(key string) bool { return !slices.Contains(was, key) })
}

func setOf(set map[string]string) string {
	entries := make([]string, 0, len(set))
	for _, key := range slices.Sorted(maps.Keys(set)) {
		entries = append(entries, key+"="+set[key])
	}
	return listOf(entries)
}

func listOf(list []string) string {
	if len(list) == 0 {
		return "nothing"
	}
	list = slices.Clone(list)
	slices.Sort(list)
	return strings.Join(slices.Compact(list), ", ")
}
