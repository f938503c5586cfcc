package main

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A file is one of a tarball.
type file struct {
	name string // in the tarball, with slashes
	mode int64
	data []byte
}

// Where the program is put by packages, and by the installer.
const (
	packagedProgram  = "/usr/bin/sidegate"
	installedProgram = "/usr/local/bin/sidegate"
)

// contents are the files of a tarball.
func (r release) contents(program string, bill []byte) ([]file, error) {
	files := []file{{"version", 0o644, []byte(r.version + "\n")}, {"sbom.cdx.json", 0o644, bill}}
	add := func(from, to string, mode int64) error {
		data, err := os.ReadFile(from)
		if err == nil {
			files = append(files, file{to, mode, data})
		}
		return err
	}
	err := errors.Join(add(program, "sidegate", 0o755), add(filepath.Join(r.source, "deploy/install.sh"), "install.sh", 0o755))
	documents, documentsErr := r.documents()
	files, err = append(files, documents...), errors.Join(err, documentsErr)
	dropIns, globErr := filepath.Glob(filepath.Join(r.source, "deploy/systemd/drop-in/*.conf"))
	err = errors.Join(err, globErr)
	for _, name := range dropIns {
		err = errors.Join(err, add(name, "drop-in/"+filepath.Base(name), 0o644))
	}
	units, unitsErr := r.units(installedProgram)
	files = append(files, units...)
	return files, errors.Join(err, unitsErr)
}

// documented are the pages, and what they lead to: a user of a release follows the same links as one of the repository.
var documented = []string{
	"README.md", "README.zh.md", "SECURITY.md", "CHANGELOG.md", "RATIONALE.md", "LICENSE*", "docs/*.md", "policies/README.md", "plugins/README.md", "schemas/*.json",
	"sdk/README.md", "sdk/python/README.md", "sdk/python/sidegate.py", "sdk/python/func_callback.py", "wasm/ABI.md",
	"deploy/kubernetes/*.yaml", "deploy/grafana/*.json", "deploy/prometheus/*.yaml", "bench/RESULTS.md", "bench/results.json", "bench/bench.svg",
}

// documents are the files of documented, under their names in the repository.
func (r release) documents() ([]file, error) {
	var files []file
	for _, pattern := range documented {
		names, err := filepath.Glob(filepath.Join(r.source, pattern))
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			data, err := os.ReadFile(name)
			if err != nil {
				return nil, err
			}
			to, err := filepath.Rel(r.source, name)
			if err != nil {
				return nil, err
			}
			files = append(files, file{filepath.ToSlash(to), 0o644, data})
		}
	}
	return files, nil
}

// units are the files for systemd, with the program where it will be.
func (r release) units(program string) ([]file, error) {
	var files []file
	for _, name := range []string{"sidegate.service", "sidegate.socket"} {
		data, err := os.ReadFile(filepath.Join(r.source, "deploy/systemd", name))
		if errors.Is(err, fs.ErrNotExist) && name == "sidegate.socket" {
			continue // it is not needed
		}
		if err != nil {
			return nil, err
		}
		text := string(data)
		text = strings.ReplaceAll(text, installedProgram, packagedProgram)
		text = strings.ReplaceAll(text, packagedProgram, program)
		if name == "sidegate.service" && !strings.Contains(text, "\nExecStart="+program+" ") {
			return nil, fmt.Errorf("%s does not start %s", name, program)
		}
		files = append(files, file{name, 0o644, []byte(text)})
	}
	return files, nil
}

// writeTarball writes files below one directory, in the order of their names, as root's and of one time.
func writeTarball(name, dir string, files []file, date time.Time) (err error) {
	out, err := os.Create(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	packed, err := gzip.NewWriterLevel(out, gzip.BestCompression)
	if err != nil {
		return err
	}
	archive := tar.NewWriter(packed)
	head := func(name string, kind byte, mode int64, size int) error {
		return archive.WriteHeader(&tar.Header{Typeflag: kind, Name: name, Mode: mode, Size: int64(size), ModTime: date, Format: tar.FormatUSTAR, Uname: "root", Gname: "root"})
	}
	files = slices.SortedFunc(slices.Values(files), func(a, b file) int { return strings.Compare(a.name, b.name) })
	made := map[string]bool{}
	for _, f := range files {
		for _, parent := range parents(path.Join(dir, f.name)) {
			if made[parent] {
				continue
			}
			made[parent] = true
			if err := head(parent+"/", tar.TypeDir, 0o755, 0); err != nil {
				return err
			}
		}
		if err := head(path.Join(dir, f.name), tar.TypeReg, f.mode, len(f.data)); err != nil {
			return err
		}
		if _, err := archive.Write(f.data); err != nil {
			return err
		}
	}
	return errors.Join(archive.Close(), packed.Close())
}

// parents are the directories above a name, from the outermost.
func parents(name string) []string {
	var all []string
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		all = append([]string{dir}, all...)
	}
	return all
}

// writeSums writes the digests of all files of a directory as sha256sum -c reads them.
func writeSums(dir string) error {
	entries, err := os.ReadDir(dir) // in the order of names
	if err != nil {
		return err
	}
	var text strings.Builder
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(&text, "%x  %s\n", sha256.Sum256(data), e.Name())
	}
	return os.WriteFile(filepath.Join(dir, "SHA256SUMS"), []byte(text.String()), 0o644)
}
