package sdk

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

//go:embed python/sidegate.py python/func_callback.py
var python embed.FS

// Connector returns the Python connector, a single file.
func Connector() []byte { return mustRead("python/sidegate.py") }

// Callback returns the function for DataFlux Func that takes the results of commands.
func Callback() []byte { return mustRead("python/func_callback.py") }

func mustRead(name string) []byte {
	data, err := python.ReadFile(name)
	if err != nil {
		panic(err) // it is embedded
	}
	return data
}

//go:embed gitignore fixtures go/sidegate/sidegate.go go/template c assemblyscript
var content embed.FS

// A File is one file of a new plugin.
type File struct {
	Name string // its path in the plugin's folder, with slashes
	Data []byte
}

// ErrName says that a name is not one for a plugin.
var ErrName = errors.New("want lower-case letters, digits and single dashes, beginning with a letter, at most 63")

var validName = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

// In the templates this is the plugin's name, and this the path that a plugin
// in Go imports its copy of the SDK by.
const (
	templateName   = "plugin-name"
	templateImport = "github.com/sidegate/sidegate/sdk/go/sidegate"
)

// Languages are the languages that there is an SDK for.
func Languages() []string { return []string{"assemblyscript", "c", "go"} }

// moved are files that are elsewhere in a new plugin than in its template, by
// language.
var moved = map[string]map[string]string{
	"assemblyscript": {"assemblyscript/sidegate.ts": "assembly/sidegate.ts"},
	"c":              {"c/sidegate.h": "sidegate.h"},
	"go":             {"go/sidegate/sidegate.go": "sidegate/sidegate.go", "go/template/go.mod.txt": "go.mod"},
}

// Files returns the files of a new plugin, in the order of their names: a
// working one, that passes its own test. An error wraps [ErrName] if the name
// is not one for a plugin.
func Files(language, name string) ([]File, error) {
	if !slices.Contains(Languages(), language) {
		return nil, fmt.Errorf("sdk: no language %q: want one of %s", language, strings.Join(Languages(), ", "))
	}
	if !validName.MatchString(name) || len(name) > 63 {
		return nil, fmt.Errorf("sdk: plugin name %q: %w", name, ErrName)
	}
	sources := map[string]string{"gitignore": ".gitignore"}
	for _, dir := range []string{"fixtures", language + "/template"} {
		if err := list(sources, dir, path.Dir(dir)); err != nil {
			return nil, err
		}
	}
	for from, to := range moved[language] {
		sources[from] = to
	}
	files := make([]File, 0, len(sources))
	for from, to := range sources {
		data, err := content.ReadFile(from)
		if err != nil {
			return nil, err
		}
		data = bytes.ReplaceAll(data, []byte(templateImport), []byte("example.com/"+name+"/sidegate"))
		data = bytes.ReplaceAll(data, []byte(templateName), []byte(name))
		files = append(files, File{Name: to, Data: data})
	}
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	return files, nil
}

// list adds the files below dir to sources. Those of a template go to the top of
// the plugin's folder, and others keep their folder.
func list(sources map[string]string, dir, top string) error {
	entries, err := content.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		if e.IsDir() {
			if err := list(sources, name, top); err != nil {
				return err
			}
			continue
		}
		to := strings.TrimPrefix(name, top+"/")
		sources[name] = strings.TrimPrefix(to, "template/")
	}
	return nil
}
