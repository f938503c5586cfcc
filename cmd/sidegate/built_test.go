package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// scratch holds what tests build, once for all of them.
var scratch = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "sidegate-built-") })

// tidy removes what was built after the last test.
type tidy struct{ *testing.M }

func (m tidy) Run() int {
	code := m.M.Run()
	if dir, err := scratch(); err == nil {
		_ = os.RemoveAll(dir)
	}
	return code
}

// goBuild builds a package as the Makefile does.
func goBuild(output, pkg string, env []string, flags ...string) (string, error) {
	dir, err := scratch()
	if err != nil {
		return "", err
	}
	output = filepath.Join(dir, output)
	args := append([]string{"build", "-trimpath", "-ldflags", "-s -w", "-o", output}, flags...)
	build := exec.Command("go", append(args, pkg)...)
	build.Env = append(os.Environ(), env...)
	if text, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build %s: %w\n%s", pkg, err, text)
	}
	return output, nil
}

// builtProgram is the program as it is shipped. Where a Go plugin is compiled it takes the place of the test's own binary:
// the race detector makes that last ten times as long.
var builtProgram = sync.OnceValues(func() (string, error) {
	return goBuild("sidegate", ".", []string{"CGO_ENABLED=0"})
})

var builtPlugins = map[string]func() (string, error){
	"redact":         builtPlugin("redact"),
	"token-injector": builtPlugin("token-injector"),
	"token-verifier": builtPlugin("token-verifier"),
}

func builtPlugin(name string) func() (string, error) {
	return sync.OnceValues(func() (string, error) {
		return goBuild(name+".wasm", "../../plugins/"+name, []string{"GOOS=wasip1", "GOARCH=wasm"}, "-buildmode=c-shared")
	})
}

// useBuilt puts the program as it is shipped first on a script's PATH: `built`. With arguments it also copies the example
// plugins of those names into the working directory: `built redact`.
func useBuilt(ts *testscript.TestScript, _ bool, args []string) {
	program, err := builtProgram()
	ts.Check(err)
	ts.Setenv("PATH", filepath.Dir(program)+string(os.PathListSeparator)+ts.Getenv("PATH"))
	for _, name := range args {
		build, ok := builtPlugins[name]
		if !ok {
			ts.Fatalf("there is no example plugin %s", name)
		}
		module, err := build()
		ts.Check(err)
		binary, err := os.ReadFile(module)
		ts.Check(err)
		ts.Check(os.WriteFile(ts.MkAbs(name+".wasm"), binary, 0o644))
	}
}

// goEnvironment lets a script build with the Go toolchain: with the caches of this user, who is not known to scripts, and
// without the network.
func goEnvironment() ([]string, error) {
	env := []string{"GOPROXY=off", "GOTOOLCHAIN=local", "GOFLAGS=-buildvcs=false", "GOWORK=off"}
	for _, key := range []string{"GOCACHE", "GOMODCACHE"} {
		text, err := exec.Command("go", "env", key).Output()
		if err != nil {
			return nil, fmt.Errorf("go env %s: %w", key, err)
		}
		env = append(env, key+"="+string(text[:len(text)-1]))
	}
	return env, nil
}
