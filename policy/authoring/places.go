package authoring

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/bundle"
	"go.yaml.in/yaml/v3"
)

// Place is where policies hold a part of their data.
type Place struct {
	Key  string `json:"key"`  // such as sidegate.roles.readonly.commands
	File string `json:"file"` // a data file, or a bundle that was built with the data
	Line int    `json:"line"` // 0 for the whole file, and in a bundle
}

// Places knows the data files of policies, by what they hold. Make it with
// FindPlaces.
type Places struct {
	files []dataFile
}

// dataFile is one file with data. In a directory, its own directory names the
// part of data that it holds.
type dataFile struct {
	name   string
	at     string // such as sidegate.roles.readonly; "" for all of data
	root   *yaml.Node
	bundle bool
}

// FindPlaces reads the data files in directories and bundles. What cannot be
// read or parsed is left out: loading the policies says what is wrong with it.
func FindPlaces(paths []string) *Places {
	p := &Places{}
	for _, path := range paths {
		info, err := os.Stat(path)
		switch {
		case err != nil:
		case info.IsDir():
			p.addDir(path)
		case isSource(path):
			p.addBundle(path)
		}
	}
	return p
}

// addDir follows links, as the gateway does.
func (p *Places) addDir(dir string) {
	var names []string
	var walk func(at string, depth int)
	walk = func(at string, depth int) {
		entries, err := os.ReadDir(filepath.Join(dir, at))
		if err != nil || depth > maxDepth {
			return
		}
		for _, entry := range entries {
			name := filepath.Join(at, entry.Name())
			info, err := os.Stat(filepath.Join(dir, name))
			switch {
			case err != nil || strings.HasPrefix(entry.Name(), "."):
			case info.IsDir():
				walk(name, depth+1)
			case info.Mode().IsRegular() && isData(name):
				names = append(names, name)
			}
		}
	}
	walk("", 0)
	for _, name := range names {
		content, err := fs.ReadFile(os.DirFS(dir), filepath.ToSlash(name))
		if err != nil {
			continue
		}
		if root := parseYAML(content); root != nil {
			at := ""
			if in := filepath.Dir(name); in != "." {
				at = strings.ReplaceAll(filepath.ToSlash(in), "/", ".")
			}
			p.files = append(p.files, dataFile{name: filepath.Join(dir, name), at: at, root: root})
		}
	}
}

// maxDepth bounds how deep directories are searched, links included.
const maxDepth = 32

func isData(name string) bool {
	return slices.Contains([]string{".json", ".yaml", ".yml"}, filepath.Ext(name))
}

func (p *Places) addBundle(path string) {
	content, err := os.ReadFile(path)
	if err != nil {
		return
	}
	b, err := bundle.NewReader(bytes.NewReader(content)).WithSkipBundleVerification(true).Read()
	if err != nil {
		return
	}
	var root yaml.Node
	if root.Encode(b.Data) == nil {
		p.files = append(p.files, dataFile{name: path, root: &root, bundle: true})
	}
}

// parseYAML returns the value of a YAML or JSON document, or nil.
func parseYAML(content []byte) *yaml.Node {
	var document yaml.Node
	if yaml.Unmarshal(content, &document) != nil || len(document.Content) != 1 {
		return nil
	}
	return document.Content[0]
}

// Find returns where a part of the data is, or would have to be added: a place
// is known when all of its key but the last part is there.
func (p *Places) Find(key string) (Place, bool) {
	var best Place
	known, exact := false, false
	for _, f := range p.files {
		node, rest, ok := f.find(key)
		if !ok || known && (exact || rest != "") {
			continue
		}
		best, known, exact = Place{Key: key, File: f.name}, true, rest == ""
		if !f.bundle && node != nil {
			best.Line = node.Line
		}
	}
	return best, known
}

// find follows a key into the file. The node is where the value's key is
// written, nil for the whole file; the rest is what is not there.
func (f dataFile) find(key string) (node *yaml.Node, rest string, ok bool) {
	if f.at != "" {
		if key, ok = strings.CutPrefix(key, f.at); !ok || key != "" && key[0] != '.' {
			return nil, "", false
		}
		key = strings.TrimPrefix(key, ".")
	}
	value := f.root
	for key != "" {
		name, below, left := step(value, key)
		if name == nil {
			break
		}
		node, value, key = name, below, left
	}
	return node, key, !strings.Contains(key, ".")
}

// step finds the member of a mapping that the key begins with. Names may hold
// dots: the longest counts.
func step(value *yaml.Node, key string) (name, below *yaml.Node, left string) {
	if value.Kind == yaml.AliasNode {
		value = value.Alias
	}
	if value.Kind != yaml.MappingNode {
		return nil, nil, key
	}
	for i := 0; i+1 < len(value.Content); i += 2 {
		k := value.Content[i]
		after, ok := strings.CutPrefix(key, k.Value)
		if !ok || k.Value == "" || after != "" && after[0] != '.' || name != nil && len(k.Value) < len(name.Value) {
			continue
		}
		name, below, left = k, value.Content[i+1], strings.TrimPrefix(after, ".")
	}
	return name, below, left
}

// dataKey matches the name of a part of the library's data in a sentence.
var dataKey = regexp.MustCompile(`\bsidegate(?:\.[^\s.,:;()'"]+)+`)

// Named returns the places of all parts of the data that a sentence names.
func (p *Places) Named(sentence string) []Place {
	var places []Place
	for _, key := range dataKey.FindAllString(sentence, -1) {
		if place, ok := p.Find(key); ok && !slices.Contains(places, place) {
			places = append(places, place)
		}
	}
	return places
}
