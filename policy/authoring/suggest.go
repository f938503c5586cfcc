package authoring

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
)

// A Seen is a command that was called and is to be allowed.
type Seen struct {
	Name  string   // under which roles list the program
	Words []string // behind the name
}

// A Role is data of the library's roles, with no more in it than was seen. Make it with [Grow].
type Role struct {
	Name      string
	Commands  map[string]Form // by name
	Workdirs  []string
	Env       map[string][]string // values by name; more than MaxValues stand for any
	Callbacks map[string][]string // paths by origin
}

// A Form is how a command may be called: as a few words, each of which may be one of some. Either it has Subcommands, of which the first word is one, or
// Words.
type Form struct {
	Words       []Slot            // one for each word
	Subcommands map[string][]Slot // by the first word, the places of the others
}

// A Slot is what may stand at the place of a word: Words that are all paths, or none of which is.
type Slot struct {
	Words []string // sorted
	Roots []string // of paths: what the command may read, with everything below; sorted
	Any   bool     // any path below Roots, and not only those of Words
}

// MaxValues is how many values of a variable a role lists.
const MaxValues = 10

// MaxForms is how many forms of one command get a role each, where one form would allow lines that were not seen.
const MaxForms = 9

// Grow makes roles that allow the commands seen, and nothing else: a command that was called in forms that do not go together, such as "cp a b" and "cp c d",
// has one in each of several roles, of which the first has the name given, and the others a number behind it. Absolute paths may be read.
//
// With generalize, forms of as many words go together, and a path stands for all that is in its directory. What needs more than MaxForms roles, or would open
// the root directory, is answered as refused, with the reason.
func Grow(name string, seen []Seen, generalize bool) (roles []Role, refused map[string]string) {
	refused = map[string]string{}
	byName := map[string][][]string{}
	for _, s := range seen {
		byName[s.Name] = append(byName[s.Name], s.Words)
	}
	for _, command := range slices.Sorted(maps.Keys(byName)) {
		forms := formsOf(byName[command], generalize)
		if len(forms) > MaxForms {
			refused[command] = fmt.Sprintf("is called in %d forms that do not go together: write its spec by hand, or see --generalize", len(forms))
			continue
		}
		for i, form := range forms {
			if i == len(roles) {
				roles = append(roles, newRole(name, i))
			}
			roles[i].Commands[command] = form
		}
	}
	if len(roles) == 0 {
		roles = append(roles, newRole(name, 0))
	}
	return roles, refused
}

func newRole(name string, i int) Role {
	if i > 0 {
		name = fmt.Sprintf("%s-%d", name, i+1)
	}
	return Role{Name: name, Commands: map[string]Form{}, Env: map[string][]string{}, Callbacks: map[string][]string{}}
}

// Refuse says why a command cannot be a part of a suggestion, whatever the policy would say; "" if it can.
func (s Seen) Refuse() string {
	switch {
	case len(s.Words) > maxWords:
		return fmt.Sprintf("it has more than %d words", maxWords)
	case len(s.Name) > maxName:
		return fmt.Sprintf("its name has more than %d bytes", maxName)
	case s.Name == "" || strings.Contains(s.Name, "/"):
		return "it is called by a path that is not one of the system's programs"
	}
	for _, word := range s.Words {
		if strings.HasPrefix(word, "/") && path.Clean(word) == "/" {
			return "it names the root directory, and to read that is to read everything"
		}
		if len(word) > maxWord {
			return fmt.Sprintf("it has a word of more than %d bytes", maxWord)
		}
	}
	return ""
}

const (
	maxName  = 255 // as of files
	maxWords = 64
	maxWord  = 1024
)

// cluster is a form while it grows: argument vectors of one length that differ in one place at most.
type cluster struct {
	words [][]string // by place
	vary  int        // the one place with more than one word, or -1
}

// take adds an argument vector, if the cluster then still stands for nothing else; loose takes all of its length.
func (c *cluster) take(argv []string, loose bool) bool {
	if len(argv) != len(c.words) {
		return false
	}
	vary := c.vary
	for i, word := range argv {
		switch {
		case isPath(word) != isPath(c.words[i][0]): // a place has one type
			return false
		case slices.Contains(c.words[i], word) && (len(c.words[i]) == 1 || i == c.vary):
		case loose, vary < 0, vary == i:
			vary = i
		default:
			return false
		}
	}
	c.vary = vary
	for i, word := range argv {
		if !slices.Contains(c.words[i], word) {
			c.words[i] = append(c.words[i], word)
		}
	}
	return true
}

func clustersOf(argvs [][]string, loose bool) []cluster {
	argvs = slices.Clone(argvs)
	slices.SortFunc(argvs, func(a, b []string) int { return cmp.Or(cmp.Compare(len(a), len(b)), slices.Compare(a, b)) })
	argvs = slices.CompactFunc(argvs, slices.Equal)
	var all []cluster
	for _, argv := range argvs {
		taken := false
		for i := range all {
			if taken = all[i].take(argv, loose); taken {
				break
			}
		}
		if !taken {
			c := cluster{vary: -1}
			for _, word := range argv {
				c.words = append(c.words, []string{word})
			}
			all = append(all, c)
		}
	}
	return all
}

func isPath(word string) bool { return strings.HasPrefix(word, "/") }

// isVerb matches first words that may be subcommands: they name no file and are no option.
var isVerb = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,31}$`)

// formsOf are the forms in which a command was called, as few as stand for nothing else.
func formsOf(argvs [][]string, generalize bool) []Form {
	verbs := map[string][][]string{}
	var others [][]string
	for _, argv := range argvs {
		if len(argv) > 0 && isVerb.MatchString(argv[0]) {
			verbs[argv[0]] = append(verbs[argv[0]], argv[1:])
		} else {
			others = append(others, argv)
		}
	}
	var forms []Form
	for verb, rest := range verbs {
		for i, c := range clustersOf(rest, generalize) {
			if i == len(forms) {
				forms = append(forms, Form{Subcommands: map[string][]Slot{}})
			}
			forms[i].Subcommands[verb] = c.slots(generalize)
		}
	}
	for _, c := range clustersOf(others, generalize) {
		forms = append(forms, Form{Words: c.slots(generalize)})
	}
	return forms
}

func (c cluster) slots(generalize bool) []Slot {
	slots := make([]Slot, len(c.words))
	for i, words := range c.words {
		p := Slot{Words: slices.Sorted(slices.Values(words))}
		for _, word := range p.Words {
			if !isPath(word) {
				continue
			}
			root := path.Clean(word)
			if up := path.Dir(root); generalize && up != "/" {
				root, p.Any = up, true
			}
			p.Roots = append(p.Roots, root)
		}
		slices.Sort(p.Roots)
		p.Roots = slices.Compact(p.Roots)
		slots[i] = p
	}
	return slots
}
