package sidecar

import (
	"io/fs"
	"reflect"
	"testing"
	"testing/fstest"
)

func TestSudoRules(t *testing.T) {
	t.Parallel()
	root := fstest.MapFS{
		"etc/sudoers": {Data: []byte("Defaults env_reset\n# dffs ALL=(ALL) ALL\nroot ALL=(ALL:ALL) ALL\n%docker ALL=(root) NOPASSWD: /usr/bin/docker\n" +
			"@includedir /etc/sudoers.d\nALL ALL=(ALL) /bin/true\n")},
		"etc/sudoers.d/dffs":        {Data: []byte("\nops,dffs ALL=(ALL) NOPASSWD: \\\n    /usr/bin/systemctl\n")},
		"etc/sudoers.d/README.dffs": {Data: []byte("dffs ALL=(ALL) ALL\n")},
		"etc/sudoers.d/old~":        {Data: []byte("dffs ALL=(ALL) ALL\n")},
		"etc/sudoers.d/others":      {Data: []byte("dffs2 ALL=(ALL) ALL\n%dffs ALL=(ALL) ALL\n")},
	}
	got, err := SudoRules(root, "dffs", []string{"docker"})
	want := []SudoRule{
		{"/etc/sudoers", 4, "%docker ALL=(root) NOPASSWD: /usr/bin/docker"},
		{"/etc/sudoers.d/dffs", 2, "ops,dffs ALL=(ALL) NOPASSWD: /usr/bin/systemctl"},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	if rules, err := SudoRules(fstest.MapFS{}, "dffs", nil); len(rules) > 0 || err != nil {
		t.Errorf("without sudo: %v, %v", rules, err)
	}
}

// unreadable is a file system of which nothing may be read.
type unreadable struct{}

func (unreadable) Open(name string) (fs.File, error) {
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
}

func TestSudoRulesThatCannotBeRead(t *testing.T) {
	t.Parallel()
	if rules, err := SudoRules(unreadable{}, "dffs", nil); len(rules) > 0 || err == nil {
		t.Errorf("got %v, %v, want an error", rules, err)
	}
}
