package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/sidegate/sidegate/internal/config"
	"github.com/sidegate/sidegate/policies"
)

// packages makes a deb and an rpm package with deploy/packages/nfpm.yaml, from a directory that has every file under its name there. native is the program
// for this machine, program the one to be packed.
func (r release) packages(ctx context.Context, program, native, arch, work string) error {
	stage := filepath.Join(work, "stage")
	if err := errors.Join(os.RemoveAll(stage), os.MkdirAll(filepath.Join(stage, "scripts"), 0o755)); err != nil {
		return err
	}
	if err := errors.Join(r.reference(ctx, native, stage), r.stage(program, stage)); err != nil {
		return err
	}
	for _, format := range []string{"deb", "rpm"} {
		command := exec.CommandContext(ctx, r.nfpm, "package", "--config", "nfpm.yaml", "--packager", format, "--target", r.dist+"/")
		command.Dir, command.Stderr = stage, os.Stderr
		command.Env = append(os.Environ(), "SOURCE_DATE_EPOCH="+strconv.FormatInt(r.date.Unix(), 10), "PACKAGE_ARCH="+arch, "PACKAGE_VERSION="+packageVersion(r.version, r.date.Format("20060102")))
		if text, err := command.Output(); err != nil {
			return fmt.Errorf("nfpm: %w\n%s", err, text)
		}
	}
	return nil
}

// stage lays out the files of a package, all of one time.
func (r release) stage(program, dir string) error {
	units, err := r.units(packagedProgram)
	if err != nil {
		return err
	}
	write := func(name string, data []byte, mode os.FileMode) {
		err = errors.Join(err, os.WriteFile(filepath.Join(dir, name), data, mode))
	}
	for _, u := range units {
		write(u.name, u.data, 0o644)
	}
	write("sidegate.yaml", config.Starter(config.Installed()), 0o644)
	err = errors.Join(err, os.CopyFS(filepath.Join(dir, "policies"), policies.FS))
	copyOf := func(from, to string) {
		data, readErr := os.ReadFile(from)
		err = errors.Join(err, readErr)
		write(to, data, 0o755)
	}
	copyOf(program, "sidegate")
	for _, name := range []string{"nfpm.yaml", "scripts/postinstall.sh", "scripts/preremove.sh", "scripts/postremove.sh"} {
		copyOf(filepath.Join(r.source, "deploy/packages", filepath.Base(name)), name)
	}
	documents, documentsErr := r.documents()
	err = errors.Join(err, documentsErr)
	for _, d := range documents {
		name := filepath.Join("documents", filepath.FromSlash(d.name))
		err = errors.Join(err, os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755))
		write(name, d.data, 0o644)
	}
	if err != nil {
		return err
	}
	return filepath.WalkDir(dir, func(name string, _ os.DirEntry, err error) error {
		return errors.Join(err, os.Chtimes(name, r.date, r.date))
	})
}

var described = regexp.MustCompile(`^(\d+\.\d+\.\d+)(?:-([A-Za-z][0-9A-Za-z.]*))?(?:-(\d+)-g([0-9a-f]+))?(-dirty)?$`)

// packageVersion is a version that deb and rpm order as it is meant: 1.2.0-rc1 before 1.2.0, and 7 commits after 1.2.0 behind it. Without a release before it, a
// commit is a version before the first.
func packageVersion(version, date string) string {
	m := described.FindStringSubmatch(version)
	if m == nil {
		return "0.0.0~" + date + "." + strings.Map(func(r rune) rune {
			if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
				return r
			}
			return '.'
		}, version)
	}
	text := m[1]
	if m[2] != "" {
		text += "~" + m[2]
	}
	if m[3] != "" {
		text += "+" + m[3] + ".g" + m[4]
	}
	if m[5] != "" {
		text += "+dirty"
	}
	return text
}
