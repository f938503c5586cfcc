// Command release builds what is given to users: for each architecture a tarball with the program, the unit, the installer and the documentation, a deb
// and an rpm package, a bill of materials, and a file with the digests of all of them. The same commit gives the same bytes, wherever and whenever.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// architectures that there are releases for: as Go, as uname, as deb calls them. rpm says what uname says.
var architectures = []struct{ goarch, machine, deb string }{
	{"amd64", "x86_64", "amd64"},
	{"arm64", "aarch64", "arm64"},
}

// A release is one version for all architectures.
type release struct {
	source  string // the root of the repository
	dist    string // where everything goes
	nfpm    string // the program that makes packages, or empty for none
	arch    string // of architectures, "host", or "all"
	version string
	commit  string
	date    time.Time // of the commit: the time of every file
}

func main() {
	syscall.Umask(0o022) // modes are those of the release, not of who makes it
	var r release
	flag.StringVar(&r.source, "source", ".", "root of the repository")
	flag.StringVar(&r.dist, "dist", "dist", "directory for what is built; what is in it goes")
	flag.StringVar(&r.nfpm, "nfpm", "", "the program nfpm, for packages; without it there are none")
	flag.StringVar(&r.arch, "arch", "all", "architecture: amd64, arm64, host, or all")
	flag.StringVar(&r.version, "version", "", "version (default what git describe says)")
	flag.StringVar(&r.commit, "commit", "", "commit (default HEAD)")
	epoch := flag.String("epoch", os.Getenv("SOURCE_DATE_EPOCH"), "time of all files, in seconds since 1970 (default that of the commit)")
	flag.Parse()
	if err := r.run(context.Background(), *epoch); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func (r release) run(ctx context.Context, epoch string) error {
	var err error
	for _, p := range []*string{&r.source, &r.dist} {
		if *p, err = filepath.Abs(*p); err != nil {
			return err
		}
	}
	if r.nfpm != "" {
		if r.nfpm, err = filepath.Abs(r.nfpm); err != nil {
			return err
		}
	}
	if err := r.identify(ctx, epoch); err != nil {
		return err
	}
	if err := os.RemoveAll(r.dist); err != nil {
		return err
	}
	if err := os.MkdirAll(r.dist, 0o755); err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "sidegate-release-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	native := filepath.Join(work, "sidegate-native")
	if r.nfpm != "" { // whose pages all packages have
		if err := r.build(ctx, runtime.GOARCH, native); err != nil {
			return err
		}
	}
	for _, a := range architectures {
		if r.arch != "all" && r.arch != a.goarch && (r.arch != "host" || runtime.GOARCH != a.goarch) {
			continue
		}
		program := filepath.Join(work, "sidegate-"+a.machine)
		if err := r.build(ctx, a.goarch, program); err != nil {
			return err
		}
		bill, err := r.billOf(program)
		if err != nil {
			return err
		}
		name := "sidegate-" + r.version + "-linux-" + a.machine
		files, err := r.contents(program, bill)
		if err != nil {
			return err
		}
		if err := writeTarball(filepath.Join(r.dist, name+".tar.gz"), name, files, r.date); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(r.dist, name+".cdx.json"), bill, 0o644); err != nil {
			return err
		}
		if r.nfpm != "" {
			if err := r.packages(ctx, program, native, a.deb, work); err != nil {
				return err
			}
		}
	}
	return writeSums(r.dist)
}

// identify asks git for what the flags do not say.
func (r *release) identify(ctx context.Context, epoch string) (err error) {
	ask := func(value *string, args ...string) {
		if *value != "" || err != nil {
			return
		}
		git := exec.CommandContext(ctx, "git", args...)
		git.Dir, git.Stderr = r.source, os.Stderr
		var text []byte
		if text, err = git.Output(); err != nil {
			err = fmt.Errorf("git %s: %w; outside of a checkout, give -version, -commit and -epoch", strings.Join(args, " "), err)
		}
		*value = strings.TrimSpace(string(text))
	}
	ask(&r.version, "describe", "--tags", "--always", "--dirty")
	ask(&r.commit, "rev-parse", "HEAD")
	ask(&epoch, "log", "-1", "--format=%ct")
	if err != nil {
		return err
	}
	r.version = strings.TrimPrefix(r.version, "v")
	seconds, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil {
		return fmt.Errorf("the time %q is not a number of seconds", epoch)
	}
	r.date = time.Unix(seconds, 0).UTC()
	return nil
}

// build compiles the program. What the linker writes into it does not depend on where that is done.
func (r release) build(ctx context.Context, goarch, output string) error {
	flags := fmt.Sprintf("-s -w -buildid= -X main.version=%s -X main.releaseDate=%s -X main.commit=%s", r.version, r.date.Format(time.DateOnly), r.commit)
	command := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", flags, "-o", output, "./cmd/sidegate")
	command.Dir, command.Stderr = r.source, os.Stderr
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+goarch, "GOFLAGS=-mod=readonly", "GOAMD64=v1", "GOARM64=v8.0", "GOEXPERIMENT=", "GOWORK=off")
	if err := command.Run(); err != nil {
		return fmt.Errorf("building for %s: %w", goarch, err)
	}
	return nil
}
