package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
)

// reference has the program, which must be one for this machine, write its manual pages and completions below dir: man/*.1.gz and completions/*.
func (r release) reference(ctx context.Context, program, dir string) error {
	said := func(args ...string) ([]byte, error) {
		command := exec.CommandContext(ctx, program, args...)
		command.Env = append(os.Environ(), "SOURCE_DATE_EPOCH="+strconv.FormatInt(r.date.Unix(), 10))
		command.Stderr = os.Stderr
		text, err := command.Output()
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", filepath.Base(program), args[0], err)
		}
		return text, nil
	}
	man, completions := filepath.Join(dir, "man"), filepath.Join(dir, "completions")
	if _, err := said("man", man); err != nil {
		return err
	}
	pages, err := filepath.Glob(filepath.Join(man, "*.1"))
	if err != nil || len(pages) == 0 {
		return errors.Join(err, errors.New("there are no manual pages"))
	}
	for _, page := range pages {
		if err := compress(page); err != nil {
			return err
		}
	}
	if err := os.Mkdir(completions, 0o755); err != nil {
		return err
	}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		text, err := said("completion", shell)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(completions, shell), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// compress puts a file with the ending .gz in the place of one, without its time.
func compress(name string) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := w.Write(text); err != nil {
		return err
	}
	return errors.Join(w.Close(), os.WriteFile(name+".gz", packed.Bytes(), 0o644), os.Remove(name))
}
