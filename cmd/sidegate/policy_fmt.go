package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/sidegate/sidegate/policy/authoring"
)

// formatting is what one `sidegate policy fmt` does.
type formatting struct {
	paths                   policyPaths
	write, list, diff, fail bool
	json                    bool

	changed []string
}

func newPolicyFmtCommand() *cobra.Command {
	var o formatting
	cmd := &cobra.Command{
		Use:   "fmt [PATH...]",
		Short: "Format policies",
		Long: `Fmt formats Rego files as opa fmt does, byte for byte, and prints them; --write, --list, --diff or --fail say what to do
instead. Without a path it formats standard input. A file that does not parse is an error, and nothing after it is
touched.

Exit codes: 0; 1 for files that cannot be formatted; 2 with --fail when a file is not formatted.`,
		Example: `  sidegate policy fmt --write policies
  sidegate policy fmt --diff policies
  sidegate policy fmt --list --fail policies`,
		RunE: o.run,
	}
	o.paths.bind(cmd)
	f := cmd.Flags()
	f.BoolVarP(&o.write, "write", "w", false, "write formatted files over the files")
	f.BoolVarP(&o.list, "list", "l", false, "print the names of files that are not formatted")
	f.BoolVarP(&o.diff, "diff", "d", false, "print what would change, as a unified diff")
	f.BoolVar(&o.fail, "fail", false, "exit with 2 when a file is not formatted")
	f.BoolVar(&o.json, "json", false, "print the names of files that are not formatted as JSON")
	return cmd
}

func (o *formatting) run(cmd *cobra.Command, args []string) error {
	o.changed = []string{}
	paths, err := o.paths.with(args)
	if err != nil {
		return o.stdin(cmd)
	}
	out := cmd.OutOrStdout()
	if err := authoring.Format(paths, func(f authoring.Formatted) error { return o.one(out, f) }); err != nil {
		return cannotLoad(cmd, err)
	}
	if o.json {
		if err := printJSON(out, map[string][]string{"changed": o.changed}); err != nil {
			return err
		}
	}
	if o.fail && len(o.changed) > 0 {
		return &exitError{exitNo, fmt.Errorf("%s not formatted: run sidegate policy fmt --write", count(len(o.changed), "file"))}
	}
	return nil
}

// one deals with one file as the flags say.
func (o *formatting) one(out io.Writer, f authoring.Formatted) error {
	if f.Changed() {
		o.changed = append(o.changed, f.File)
	}
	if f.Changed() && o.write {
		if err := replaceFile(f.File, f.After); err != nil {
			return err
		}
	}
	var err error
	switch {
	case o.json: // once all are known
	case o.list:
		if f.Changed() {
			_, err = fmt.Fprintln(out, f.File)
		}
	case o.diff:
		_, err = out.Write(authoring.Diff(f.File, f.Before, f.After))
	case !o.write && !o.fail:
		_, err = out.Write(f.After)
	}
	return err
}

func (o *formatting) stdin(cmd *cobra.Command) error {
	if o.write {
		return errors.New("--write needs the path of a file or a directory")
	}
	source, err := io.ReadAll(cmd.InOrStdin())
	if err != nil {
		return err
	}
	after, err := authoring.FormatSource("stdin", source)
	if err != nil {
		return cannotLoad(cmd, err)
	}
	_, err = cmd.OutOrStdout().Write(after)
	return err
}

// replaceFile writes a file anew beside the old one and moves it into its place, so that neither a full disk nor a
// gateway that is watching sees half of it. The file keeps its mode.
func replaceFile(name string, content []byte) (err error) {
	name, err = filepath.EvalSymlinks(name)
	if err != nil {
		return err
	}
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	return writeBeside(name, content, info.Mode().Perm())
}

// writeBeside writes a file through a temporary one in the same directory.
func writeBeside(name string, content []byte, mode os.FileMode) (err error) {
	f, err := os.CreateTemp(filepath.Dir(name), ".sidegate-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(content)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}
