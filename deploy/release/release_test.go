package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestPackageVersion(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]string{
		"1.2.0": "1.2.0", "1.2.0-rc1": "1.2.0~rc1", "1.2.0-7-gabc1234": "1.2.0+7.gabc1234", "1.2.0-rc.1-7-gabc1234-dirty": "1.2.0~rc.1+7.gabc1234+dirty",
		"fe61f05": "0.0.0~20260102.fe61f05", "fe61f05-dirty": "0.0.0~20260102.fe61f05.dirty", "a/b c": "0.0.0~20260102.a.b.c", "1.2": "0.0.0~20260102.1.2",
	} {
		if got := packageVersion(version, "20260102"); got != want {
			t.Errorf("%s: %s, want %s", version, got, want)
		}
	}
}

// TestTarball: the order of files makes no difference, and every file is root's, of one time, below one directory.
func TestTarball(t *testing.T) {
	t.Parallel()
	dir, date := t.TempDir(), time.Unix(1767312000, 0)
	files := []file{{"version", 0o644, []byte("1\n")}, {"docs/b.md", 0o644, []byte("b")}, {"sidegate", 0o755, []byte("program")}, {"docs/a.md", 0o644, nil}}
	var all [2][]byte
	for i := range all {
		name := filepath.Join(dir, "x.tar.gz")
		if err := writeTarball(name, "x-1", files, date); err != nil {
			t.Fatal(err)
		}
		var err error
		if all[i], err = os.ReadFile(name); err != nil {
			t.Fatal(err)
		}
		slices.Reverse(files)
	}
	if !bytes.Equal(all[0], all[1]) {
		t.Error("another order gives another tarball")
	}
	packed, err := gzip.NewReader(bytes.NewReader(all[0]))
	if err != nil {
		t.Fatal(err)
	}
	if packed.Name != "" || !packed.ModTime.IsZero() {
		t.Errorf("gzip says %q, %v", packed.Name, packed.ModTime)
	}
	var got []string
	for archive := tar.NewReader(packed); ; {
		h, err := archive.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, h.FileInfo().Mode().String()+" "+h.Name)
		if h.Uid != 0 || h.Gid != 0 || !h.ModTime.Equal(date) {
			t.Errorf("%s is %d:%d, of %v", h.Name, h.Uid, h.Gid, h.ModTime)
		}
	}
	want := []string{"drwxr-xr-x x-1/", "drwxr-xr-x x-1/docs/", "-rw-r--r-- x-1/docs/a.md", "-rw-r--r-- x-1/docs/b.md", "-rwxr-xr-x x-1/sidegate", "-rw-r--r-- x-1/version"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// TestBill reads that of the test's own program.
func TestBill(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r := release{version: "1.0.0", commit: "abc", date: time.Unix(1767312000, 0).UTC()}
	text, err := r.billOf(self)
	if err != nil {
		t.Fatal(err)
	}
	again, err := r.billOf(self)
	if err != nil || !bytes.Equal(text, again) {
		t.Errorf("another time it is another (%v)", err)
	}
	var b bill
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&b); err != nil {
		t.Fatal(err)
	}
	if b.Metadata.Timestamp != "2026-01-02T00:00:00Z" || len(b.Serial) != len("urn:uuid:00000000-0000-0000-0000-000000000000") || b.Metadata.Component.Version != "1.0.0" {
		t.Errorf("got %+v", b)
	}
	if !slices.ContainsFunc(b.Components, func(c component) bool {
		return c.Name == "go.yaml.in/yaml/v3" && strings.HasPrefix(c.PURL, "pkg:golang/go.yaml.in/yaml/v3@v3.") && len(c.Properties) == 1
	}) {
		t.Errorf("a module that is linked is not in %+v", b.Components)
	}
	if len(b.Dependencies) != 1 || len(b.Dependencies[0].DependsOn) != len(b.Components) {
		t.Errorf("the dependencies are %+v", b.Dependencies)
	}
}

// TestUnits: the program is where the one who installs puts it.
func TestUnits(t *testing.T) {
	t.Parallel()
	r := release{source: "../.."}
	for _, program := range []string{installedProgram, packagedProgram} {
		files, err := r.units(program)
		if err != nil {
			t.Fatal(err)
		}
		if text := string(files[0].data); !strings.Contains(text, "\nExecStart="+program+" serve ") {
			t.Errorf("%s: %s", program, text)
		}
	}
}

// TestDocuments: what is in a release has all that its pages lead to.
func TestDocuments(t *testing.T) {
	t.Parallel()
	files, err := release{source: "../.."}.documents()
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	for _, f := range files {
		there[f.name] = true
		for _, dir := range parents(f.name) {
			there[dir] = true
		}
	}
	link := regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)|src="([^":]+)"`)
	found := 0
	for _, f := range files {
		if !strings.HasSuffix(f.name, ".md") {
			continue
		}
		for _, m := range link.FindAllStringSubmatch(string(f.data), -1) {
			found++
			if to := path.Join(path.Dir(f.name), m[1]+m[3]); !there[to] {
				t.Errorf("%s leads to %s, which is not in a release", f.name, to)
			}
		}
	}
	if found < 100 {
		t.Errorf("%d links were found", found)
	}
}
