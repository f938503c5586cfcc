package gateway

import (
	"encoding/json"
	"errors"
	"io"
	"slices"

	"github.com/sidegate/sidegate/executor"
)

// callbackBody writes what Func's API takes: the keyword arguments of the function that is called. These two have no place for
// a status, so what ended otherwise than by itself says so in a last line of stderr; a client may be configured to get more. Output is
// written in pieces: as JSON it may be six times as long.
type callbackBody struct {
	c    conclusion
	more []callbackMember // beside stdout and stderr
}

// callbackMember is one more argument.
type callbackMember struct {
	name  string
	value any // that always can be encoded
}

// moreOf are the members of those names that are known of a job's end, always in the same order.
func moreOf(job string, c conclusion, names []string) []callbackMember {
	if len(names) == 0 {
		return nil
	}
	var exitCode *int // how an interrupted command ended is not known
	if c.Status != executor.StatusInterrupted {
		exitCode = &c.ExitCode
	}
	all := []callbackMember{
		{"job_id", job}, {"status", c.Status}, {"exit_code", exitCode}, {"signal", c.Signal}, {"truncated", c.Truncated},
		{"duration_ms", c.Ended.Sub(c.Started).Milliseconds()},
	}
	return slices.DeleteFunc(all, func(m callbackMember) bool { return !slices.Contains(names, m.name) })
}

// SetCallbackKwargs says what callbacks of each client's jobs hold beside stdout and stderr, out of job_id, status, exit_code, signal, truncated and
// duration_ms. A client that is not there gets nothing more. It holds for jobs that end from now on; the map must not be changed any more.
func (g *Gateway) SetCallbackKwargs(byClient map[string][]string) { g.callbackKwargs.Store(&byClient) }

// kwargsOf names what callbacks of a client's jobs hold beside stdout and stderr.
func (g *Gateway) kwargsOf(client string) []string {
	if byClient := g.callbackKwargs.Load(); byClient != nil {
		return (*byClient)[client]
	}
	return nil
}

// WriteTo implements io.WriterTo. It can be called again.
func (b callbackBody) WriteTo(w io.Writer) (int64, error) {
	said, err := b.note()
	if err != nil {
		return 0, err
	}
	out := jsonWriter{w: w}
	out.raw(`{"kwargs":{"stdout":`)
	err1 := out.text(b.c.Stdout)
	out.raw(`,"stderr":`)
	err2 := out.textWith(b.c.Stderr, said)
	for _, m := range b.more {
		text, err := json.Marshal(m.value)
		if err != nil {
			return out.written, err
		}
		out.raw(`,"` + m.name + `":` + string(text))
	}
	out.raw(`}}`)
	return out.written, errors.Join(err1, err2, out.err)
}

// note returns the lines that the gateway adds to stderr.
func (b callbackBody) note() (string, error) {
	said := endNotes[b.c.Status]
	if b.c.withheld != nil {
		said = b.c.withheld.Message
	}
	if said != "" {
		said = "sidegate: " + said + "\n"
	}
	if n := b.c.Stderr.Len(); said != "" && n > 0 {
		last := make([]byte, 1)
		if _, err := b.c.Stderr.ReadAt(last, n-1); err != nil && !errors.Is(err, io.EOF) {
			return "", err
		}
		if last[0] != '\n' {
			said = "\n" + said
		}
	}
	return said, nil
}

// endNotes says in words how a command ended that did not end by itself.
var endNotes = map[executor.Status]string{
	executor.StatusInterrupted: "the gateway ended while the command ran; how far it came is not known, and it is not run again",
	executor.StatusTimedOut:    "the command was ended because its time was over",
	executor.StatusKilled:      "the command was ended before it was done",
}
