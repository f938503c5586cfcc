package executor

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
)

// finding is what became of one try.
type finding struct {
	Try     string
	Profile Profile
	Way     Way
	Who     string
	// Through says that it succeeded. Detail is then what it has got, else the error.
	Through bool
	Detail  string
	// Excuse says, under the profile host, why it cannot succeed without a sandbox either.
	Excuse string
	// Softer says that the kernel lacks what is to prevent it.
	Softer bool
	// By is what denies it, as far as that was found out.
	By string
	// Untried says that nothing was tried, because the job was refused or could not be made.
	Untried bool
}

// judge returns what is wrong with a finding, "" for nothing.
func (f *finding) judge() string {
	t, ok := tryNamed(f.Try)
	switch {
	case !ok:
		return "there is no such try"
	case f.Untried && f.Excuse == "":
		return "it was not tried: " + f.Detail
	case f.Untried:
		return ""
	case t.allowed && !f.Through:
		return "it has to be possible: " + f.Detail
	case f.Profile == ProfileHost && !f.Through && f.Excuse == "":
		return "it fails without a sandbox too, and so proves nothing: " + f.Detail
	case f.By == byUnknown && t.excuse == nil: // else it depends on the host
		return "it is denied without every layer of the sandbox, so that what denies it is not known: " + f.Detail
	case f.Profile != ProfileHost && f.Through && !t.allowed && !f.Softer && !t.left.holds(f):
		return strings.TrimSpace("ALLOWED " + f.Detail)
	}
	return ""
}

// outcome is what the table says of a finding.
func (f *finding) outcome() string {
	t, _ := tryNamed(f.Try)
	switch {
	case f.Untried:
		return "not tried: " + f.Detail
	case t.allowed && f.Through:
		return "allowed, as it should be"
	case f.Profile == ProfileHost && f.Through:
		return strings.TrimSpace("the control succeeds " + f.Detail)
	case f.Profile == ProfileHost:
		return fmt.Sprintf("the control fails too (%s): %s", f.Detail, f.Excuse)
	case !f.Through:
		return "denied " + f.Detail
	case t.left.holds(f):
		return "possible, documented: " + t.left.why
	case f.Softer:
		return "possible, reported as missing: " + t.hardening
	}
	return strings.TrimSpace("ALLOWED " + f.Detail)
}

// residue is what a command can still do, and where.
type residue struct {
	why string
	in  []Profile
	as  []string // empty: whoever it runs as
}

func (r *residue) holds(f *finding) bool {
	return slices.Contains(r.in, f.Profile) && (len(r.as) == 0 || slices.Contains(r.as, f.Who))
}

// escapeTable writes the findings with those of one outcome in one line.
func escapeTable(all []finding) string {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TRY\tPROFILE\tWAY\tUSER\tOUTCOME")
	for _, line := range refusedLines(all) {
		fmt.Fprintf(w, "(everything)\t%s\n", line)
	}
	for _, t := range allTries() {
		name := t.name
		for _, profile := range profiles {
			lines := tableLines(all, t.name, profile, (*finding).outcome)
			if profile == ProfileConfined {
				lines = append(lines, tableLines(all, t.name, profile, (*finding).denier)...)
			}
			for _, line := range lines {
				fmt.Fprintf(w, "%s\t%s\t%s\n", name, profile, line)
				name = ""
			}
		}
	}
	w.Flush()
	return text.String() + escapeCounts(all)
}

// denier is what the table says of what denies a try; "" for nothing.
func (f *finding) denier() string {
	if f.By == "" {
		return ""
	}
	return "  denied by " + f.By
}

// escapeCounts writes how many findings there are of each kind, and which tries have been possible nowhere, not even without a sandbox.
func escapeCounts(all []finding) string {
	kinds, deniers, possible := map[string]int{}, map[string]int{}, map[string]bool{}
	for i := range all {
		f := &all[i]
		kinds[fmt.Sprintf("%s: %s", f.Profile, f.kind())]++
		if f.By != "" {
			deniers[f.By]++
		}
		possible[f.Try] = possible[f.Try] || f.Through
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%d tries, %d findings\n", len(allTries()), len(all))
	for _, counts := range []map[string]int{kinds, deniers} {
		for _, key := range slices.Sorted(maps.Keys(counts)) {
			fmt.Fprintf(&text, "%6d %s\n", counts[key], key)
		}
	}
	for _, t := range allTries() {
		if _, tried := possible[t.name]; tried && !possible[t.name] {
			fmt.Fprintf(&text, "not possible on this host, for nobody: %s\n", t.name)
		}
	}
	return text.String()
}

// kind is what escapeCounts counts.
func (f *finding) kind() string {
	for _, kind := range []string{"not tried", "allowed", "the control succeeds", "the control fails too", "denied", "possible, documented", "possible, reported"} {
		if strings.HasPrefix(f.outcome(), kind) {
			return kind
		}
	}
	return f.outcome()
}

// refusedLines are those of profiles under which no job was run: profile, way, user, outcome.
func refusedLines(all []finding) (lines []string) {
	for _, f := range all {
		line := fmt.Sprintf("%s\t%s\t%s\trefused: %s", f.Profile, f.Way, f.Who, f.Excuse)
		if f.Untried && f.Excuse != "" && !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	return lines
}

// tableLines are the lines of one try under one profile: way, user, and what is said of each.
func tableLines(all []finding, name string, profile Profile, outcome func(*finding) string) (lines []string) {
	type group struct{ outcome, ways, whos string }
	var outcomes []string
	who := map[string]map[Way][]string{}
	for i := range all {
		f := &all[i]
		if f.Try != name || f.Profile != profile || f.Excuse != "" && f.Untried {
			continue
		}
		o := outcome(f)
		if o == "" {
			continue
		}
		if who[o] == nil {
			who[o] = map[Way][]string{}
			outcomes = append(outcomes, o)
		}
		who[o][f.Way] = append(who[o][f.Way], f.Who)
	}
	slices.Sort(outcomes)
	for _, o := range outcomes {
		var groups []group
		for _, way := range []Way{WayVfork, WayHelper} {
			slices.Sort(who[o][way])
			whos := strings.Join(who[o][way], " ")
			switch {
			case whos == "":
			case len(groups) == 1 && groups[0].whos == whos:
				groups[0].ways += " " + string(way)
			default:
				groups = append(groups, group{o, string(way), whos})
			}
		}
		for _, g := range groups {
			lines = append(lines, g.ways+"\t"+g.whos+"\t"+g.outcome)
		}
	}
	return lines
}
