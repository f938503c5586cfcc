package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/sidegate/sidegate/internal/config"
	"github.com/sidegate/sidegate/policies"
)

// What the record remembers of what was shipped last.
const (
	recordedConfig   = "sidegate.yaml"
	recordedPolicies = "policies.sha256"
)

// shipped puts what this version ships beside what is there, where that has changed since the version before: the operator's own files are kept, and
// nobody finds out by himself that there is something new. It then remembers what it has shipped.
func (o setupOptions) shipped(w wish, present []byte, notes io.Writer) error {
	if o.record == "" {
		return nil
	}
	if err := os.MkdirAll(o.record, 0o755); err != nil {
		return err
	}
	before, err := os.ReadFile(filepath.Join(o.record, recordedConfig))
	if notMissing(err) != nil {
		return err
	}
	if present != nil && err == nil && !bytes.Equal(before, w.shipped) {
		file := filepath.Join(o.dir, configName)
		text, err := o.renewed(file)
		if err != nil {
			return err
		}
		if err := placeFile(file+".new", text, 0o644, nil, nil); err != nil {
			return err
		}
		fmt.Fprintf(notes, "note: the configuration that this version ships has changed; yours is kept, and %s.new is what a new one would be\n", file)
	}
	if err := o.shippedPolicies(notes); err != nil {
		return err
	}
	return placeFile(filepath.Join(o.record, recordedConfig), w.shipped, 0o644, nil, nil)
}

// shippedPolicies does the same for the policies, of which nobody keeps the text.
func (o setupOptions) shippedPolicies(notes io.Writer) error {
	now, err := digestOf(policies.FS)
	if err != nil {
		return err
	}
	record, dir := filepath.Join(o.record, recordedPolicies), filepath.Join(o.dir, policiesName)
	before, err := os.ReadFile(record)
	if notMissing(err) != nil {
		return err
	}
	here, hereErr := digestOf(os.DirFS(dir))
	if notMissing(hereErr) != nil {
		return hereErr
	}
	if hereErr == nil && err == nil && string(before) != now && here != now {
		if err := os.RemoveAll(dir + ".new"); err != nil {
			return err
		}
		if err := replaceTree(dir + ".new"); err != nil {
			return err
		}
		fmt.Fprintf(notes, "note: the policies that this version ships have changed; yours are kept, and %s.new are the new ones (diff -ru %[1]s %[1]s.new)\n", dir)
	}
	return placeFile(record, []byte(now), 0o644, nil, nil)
}

// renewed is what a new configuration would be with the values that this one has.
func (o setupOptions) renewed(file string) ([]byte, error) {
	c, err := config.Load(file)
	if err != nil {
		return nil, err
	}
	s := config.StarterOptions{
		Listen: c.Listen, AdminListen: c.AdminListen, StateDir: c.StateDir, CallbackAllow: c.Callbacks.Allow,
		Profile: c.Executor.Profile, User: c.Executor.User, ObserveUntil: c.Policy.ObserveUntil, BestEffort: c.Executor.Allow.BestEffort,
	}
	for _, client := range c.Clients {
		switch client.Scheme {
		case "func":
			s.ClientName, s.Roles = client.Name, client.Roles
		case "peercred":
			s.OperatorUIDs = client.UIDs
		}
	}
	return config.Starter(s), nil
}

// digestOf is a digest of the names and the contents of all files below a directory.
func digestOf(dir fs.FS) (string, error) {
	sum := sha256.New()
	err := fs.WalkDir(dir, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := fs.ReadFile(dir, name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a link to nowhere
		}
		fmt.Fprintf(sum, "%d %s %d ", len(name), name, len(text))
		sum.Write(text)
		return err
	})
	return hex.EncodeToString(sum.Sum(nil)), err
}
