package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/sidegate/sidegate/executor"
	"github.com/sidegate/sidegate/internal/journal"
	"github.com/sidegate/sidegate/internal/shell"
	"github.com/sidegate/sidegate/wasm"
)

// conclusion is the end of a job as everybody is told it: stored, replied and called back is what the plugins of the
// response phase left of the executor's result. It has to be closed, like that.
type conclusion struct {
	executor.Result

	annotations map[string]string // the plugins' own words
	heldBy      []string          // plugins that the output went through
	answeredBy  string            // the plugin that answered; nothing ran then
	changes     []wasm.Change
	withheld    *Error // why nobody gets the output
}

// conclude takes a result through the plugins of the response phase. If they fail, how the command ended is told and its
// output is not: what the plugins were there to take out must not get away because they could be made to fail.
func (g *Gateway) conclude(req Request, r *ruling, result executor.Result) conclusion {
	c := conclusion{Result: result}
	var (
		analysis *shell.Analysis
		decision string
	)
	if r != nil {
		analysis, decision = &r.analysis, r.id
	}
	chain := g.selectChain(wasm.PhaseResponse, req, analysis)
	if chain == nil {
		return c
	}
	defer chain.Close()
	defer g.stage(req.trace, stageResponsePlugins).over()
	c.heldBy = chain.Names()
	sent, err := json.Marshal(struct {
		Status      executor.Status   `json:"status"`
		ExitCode    int               `json:"exit_code"`
		Signal      string            `json:"signal"`
		Truncated   bool              `json:"truncated"`
		Annotations map[string]string `json:"annotations"`
	}{result.Status, result.ExitCode, result.Signal, result.Truncated, map[string]string{}})
	if err != nil {
		return g.withhold(req, c, err)
	}
	// The gateway may be stopping: a command that ran gets its end all the same. Each plugin has its deadline, and so
	// has waiting for its turn.
	stdout, err1 := result.Stdout.Bytes()
	stderr, err2 := result.Stderr.Bytes()
	if err := errors.Join(err1, err2); err != nil {
		return g.withhold(req, c, err)
	}
	told := reading[map[string]string]{decode: decodeAnnotations}
	out, err := chain.Run(context.Background(), wasm.Message{
		JSON: sent, Stdout: stdout, Stderr: stderr, Metadata: g.metadata(req, decision), Valid: told.valid,
	})
	c.changes = out.Changes // what was changed before a failure is on record too
	if err != nil {
		return g.withhold(req, c, err)
	}
	if told.last != nil {
		c.annotations = *told.last
	}
	if !bytes.Equal(out.Stdout, stdout) {
		c.Stdout, c.StdoutBytes = replaced(result.Stdout, result.StdoutBytes, out.Stdout)
	}
	if !bytes.Equal(out.Stderr, stderr) {
		c.Stderr, c.StderrBytes = replaced(result.Stderr, result.StderrBytes, out.Stderr)
	}
	return c
}

// decodeAnnotations reads what plugins may change of a result's message.
func decodeAnnotations(message []byte) (map[string]string, error) {
	var told struct {
		Annotations map[string]string `json:"annotations"`
	}
	if json.Unmarshal(message, &told) != nil { // whose text may quote the message
		return nil, &FieldError{"annotations", "must be an object of strings"}
	}
	return told.Annotations, nil
}

// replaced is an output in place of what was kept of another, and how much of it would have been written.
func replaced(kept *executor.Output, written int64, by []byte) (*executor.Output, int64) {
	kept.Close()
	return executor.OutputOf(by), int64(len(by)) + max(0, written-kept.Len())
}

// withhold keeps the output of a command from everybody.
func (g *Gateway) withhold(req Request, c conclusion, cause error) conclusion {
	g.log.Error("the output of a command is withheld, because of a plugin", "job", req.ID, "client", req.Principal.Client, "error", cause, req.traceAttr())
	c.withheld = &Error{
		Code: ResponseWithheld, Cause: cause, End: &End{JobID: req.ID, Status: string(c.Status), ExitCode: c.ExitCode},
		Message: fmt.Sprintf("the command ended (%s, exit code %d), and its output is withheld, because %s; the gateway's log says why", c.Status, c.ExitCode, blame(cause)),
	}
	c.drop()
	return c
}

// drop gives the output up.
func (c *conclusion) drop() {
	c.Close()
	c.Stdout, c.Stderr = nil, nil
	c.Truncated = c.Truncated || c.StdoutBytes+c.StderrBytes > 0
}

// keptWhenFull is how many bytes of each output are kept where the disk is full. With both of them as JSON, which may be six times as long, a callback still
// is no longer than what the journal keeps without a file.
const keptWhenFull = 4 << 10

// fullNote is the last line of the stderr of a command whose output was shortened.
const fullNote = "sidegate: the output is shortened, because the gateway's disk is full\n"

// shorten leaves the head and the tail of each output, in memory, so that it finds room where the disk is full, and says so in stderr. What is short stays as
// it is. Output that cannot be read back is journal.ErrContent.
func (c *conclusion) shorten() error {
	if max(c.Stdout.Len(), c.Stderr.Len()) <= keptWhenFull {
		return nil
	}
	stdout, err1 := c.Stdout.Shorten(keptWhenFull, c.StdoutBytes)
	stderr, err2 := c.Stderr.Shorten(keptWhenFull, c.StderrBytes)
	if err := errors.Join(err1, err2); err != nil {
		return fmt.Errorf("%w: %w", journal.ErrContent, err)
	}
	said, err := stderr.Bytes() // it is in memory, or short
	if err != nil {
		return fmt.Errorf("%w: %w", journal.ErrContent, err)
	}
	if n := len(said); n > 0 && said[n-1] != '\n' {
		said = append(said[:n:n], '\n')
	}
	c.Close()
	c.Stdout, c.Stderr = stdout, executor.OutputOf(append(said[:len(said):len(said)], fullNote...))
	c.Truncated = true
	return nil
}

// record is what the journal keeps of a conclusion beside its output.
func (c conclusion) record() []byte {
	if len(c.annotations) == 0 && len(c.changes) == 0 && c.withheld == nil {
		return nil
	}
	kept := struct {
		Annotations map[string]string `json:"annotations,omitempty"`
		Changes     []wasm.Change     `json:"changes,omitempty"`
		Withheld    string            `json:"withheld,omitempty"`
	}{Annotations: c.annotations, Changes: c.changes}
	if c.withheld != nil {
		kept.Withheld = c.withheld.Message
	}
	b, err := json.Marshal(kept)
	if err != nil {
		panic("gateway: text cannot be encoded: " + err.Error())
	}
	return b
}

// answered is the conclusion of a plugin that answered in place of a command.
func answered(out wasm.Outcome) *conclusion {
	return &conclusion{
		Result:     executor.Result{Status: statusAnswered, Stdout: executor.OutputOf(out.Stdout), Stderr: executor.OutputOf(out.Stderr), StdoutBytes: int64(len(out.Stdout)), StderrBytes: int64(len(out.Stderr))},
		answeredBy: out.Plugin,
	}
}

// statusAnswered is the status of what a plugin answered. It is no job's.
const statusAnswered executor.Status = "answered"
