package history

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/sidegate/sidegate/policy"
	"github.com/sidegate/sidegate/policy/authoring"
)

// want is a request that is to be allowed.
type want struct {
	Request
	before   Answer
	standing authoring.Standing
	after    Answer
	out      bool // it is refused
}

// secretName matches names of variables whose values are for nobody's policy.
var secretName = regexp.MustCompile(`(?i)pass|secret|token|key|cred|auth|pwd|cookie|session|private`)

// noEntry ends the reason of a denial by the library where a role that the client has refuses an option for what it does. Another role could list it all the
// same; to do so is for somebody who has read why not.
const noEntry = "; no entry can allow it"

// unsuitable says why a request is none that a suggestion should cover; "" if it is.
func (w *want) unsuitable() string {
	in := w.before.Input
	if w.before.Input.Request.Workdir == "/" && !w.standing.Workdir {
		return "it runs in the root directory, and everything is below that"
	}
	for _, reason := range w.before.Reasons {
		if strings.HasSuffix(reason, noEntry) {
			return reason
		}
	}
	for _, key := range w.standing.Env {
		if secretName.MatchString(key) {
			return fmt.Sprintf("the value of %s may be a secret, and a policy is no place for it: allow the variable by hand", key)
		}
	}
	if c := in.Request.Callback; c != nil && !w.standing.Callback && strings.Contains(c.Path, "*") {
		return "its callback's path has an asterisk, which would stand for other paths"
	}
	for _, i := range w.uncovered() {
		c := in.Shell.Commands[i]
		if c.Kind != "simple" || !c.NameStatic || !c.ArgsStatic || c.Opaque != nil {
			return "what it does is not known before a shell works it out: " + strings.Join(w.before.Reasons, "; ")
		}
		if why := seenOf(c).Refuse(); why != "" {
			return why
		}
	}
	return ""
}

// uncovered are the places of the commands that have no grant.
func (w *want) uncovered() (places []int) {
	for i := range w.before.Input.Shell.Commands {
		if !slices.Contains(w.standing.Covered, i) {
			places = append(places, i)
		}
	}
	return places
}

// seen are the commands that have no grant.
func (w *want) seen() (seen []authoring.Seen) {
	for _, i := range w.uncovered() {
		seen = append(seen, seenOf(w.before.Input.Shell.Commands[i]))
	}
	return seen
}

// seenOf is a command whose words are all known.
func seenOf(c policy.Command) authoring.Seen {
	seen := authoring.Seen{Name: c.Name, Words: []string{}}
	if c.PathKind == "absolute" {
		seen.Name = path.Base(c.Name) // as roles list it; whether it is the system's is for the policy to say
	}
	for _, word := range c.Argv[min(1, len(c.Argv)):] {
		if word != nil {
			seen.Words = append(seen.Words, *word)
		}
	}
	return seen
}
