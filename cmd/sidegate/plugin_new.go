package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/sidegate/sidegate/sdk"
)

func newPluginNewCommand() *cobra.Command {
	language := &choice{value: "go", of: sdk.Languages()}
	cmd := &cobra.Command{
		Use:   "new --lang LANGUAGE NAME",
		Short: "Write a new plugin: a working template, the SDK and a test",
		Long: `New makes a directory NAME in the working directory and writes a plugin there that builds and passes its test: the SDK,
which is a single file, a template, fixtures, and a Makefile that says how it is built. Nothing is downloaded.`,
		Example: `  sidegate plugin new --lang go add-label
  cd add-label && make test`,
		Args: oneArgument("the plugin's name", "sidegate plugin new --lang go add-label"),
		RunE: func(cmd *cobra.Command, args []string) error {
			files, err := sdk.Files(language.value, args[0])
			if err != nil {
				return err
			}
			if err := writeNew(args[0], files); err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			for _, f := range files {
				fmt.Fprintln(out, filepath.Join(args[0], f.Name))
			}
			_, err = fmt.Fprintf(out, "\nNext:\n  cd %s && make test\n", args[0])
			return err
		},
	}
	cmd.Flags().Var(language, "lang", "language of the plugin")
	return cmd
}

// writeNew writes files into a directory that it makes. One that is there already stays as it is.
func writeNew(dir string, files []sdk.File) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("%s is there already; choose another name, or remove it", dir)
		}
		return err
	}
	for _, f := range files {
		name := filepath.Join(dir, filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(name, f.Data, 0o644); err != nil {
			return err
		}
	}
	return nil
}
