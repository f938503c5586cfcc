package wasm

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"github.com/sidegate/sidegate/wasm/guest"
)

// take makes what a plugin wrote the message to go on with, if it is allowed.
func (r *run) take(p *pluginIn) error {
	after := r.out
	var changed []string
	if r.ex.MessageReplaced {
		var err error
		after.JSON, changed, err = p.rules[r.selected.phase].apply(r.out.JSON, r.ex.NewMessage)
		switch {
		case errors.Is(err, errMessage):
			return err
		case errors.Is(err, errForm):
			return r.fault(p, guest.KindABI, err)
		case err != nil:
			return r.fault(p, KindChange, err)
		}
	}
	if changed != nil && r.valid != nil {
		if err := r.valid(after.JSON); err != nil {
			return r.fault(p, KindChange, fmt.Errorf("made a %s that is not valid: %w", r.phase, err))
		}
	}
	if r.phase == PhaseResponse {
		changed = r.takeOutput(&after, changed)
	}
	if changed == nil {
		r.out = after
		return nil
	}
	slices.Sort(changed)
	if r.digest == "" {
		r.digest = r.digestOf(&r.out)
	}
	change := Change{Plugin: p.Name, Fields: changed, Before: r.digest, After: r.digestOf(&after)}
	if p.KeepText {
		change.BeforeText, change.AfterText = string(r.out.JSON), string(after.JSON)
	}
	r.digest = change.After
	r.out = after
	r.out.ChangedBy = append(r.out.ChangedBy, p.Name)
	r.out.Changes = append(r.out.Changes, change)
	return nil
}

// takeOutput makes what a plugin wrote to stdout and stderr what the next one reads, and adds to changed which of the two
// say something else now. Output that says the same is taken, too: a call may write where output was that an earlier one
// replaced, so nothing but the last may be an input.
func (r *run) takeOutput(after *Outcome, changed []string) []string {
	if r.ex.StdoutReplaced {
		if !bytes.Equal(r.ex.NewStdout, r.out.Stdout) {
			changed = append(changed, "stdout")
		}
		after.Stdout, r.lent[0] = r.ex.NewStdout, true
	}
	if r.ex.StderrReplaced {
		if !bytes.Equal(r.ex.NewStderr, r.out.Stderr) {
			changed = append(changed, "stderr")
		}
		after.Stderr, r.lent[1] = r.ex.NewStderr, true
	}
	return changed
}

// digestOf returns the digest that [Change] describes.
func (r *run) digestOf(o *Outcome) string {
	sum := sha256.Sum256(o.JSON)
	if r.phase == PhaseResponse {
		out, err := sha256.Sum256(o.Stdout), sha256.Sum256(o.Stderr)
		sum = sha256.Sum256(slices.Concat(sum[:], out[:], err[:]))
	}
	return hex.EncodeToString(sum[:])
}
