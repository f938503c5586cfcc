package audit

import (
	"maps"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Encode returns the leaf as it is hashed and stored: one line of JSON without the line feed, with members in the order of the fields and those of
// objects sorted, so that equal leaves have equal bytes. Text that is not UTF-8 becomes U+FFFD. It cannot fail, because what has happened must be
// written down.
//
// It writes what json.Marshal would, in a third of the time: every request waits for it.
func (l Leaf) Encode() []byte {
	o := object{make([]byte, 0, 768)}
	o.buf = append(o.buf, beforeVersion...)
	o.buf = strconv.AppendInt(o.buf, leafVersion, 10)
	o.buf = append(o.buf, beforeTime...)
	o.buf = l.Time.UTC().AppendFormat(o.buf, stampFormat)
	o.buf = append(o.buf, '"')
	o.name("type")
	o.quote(string(l.Type))
	l.appendRequest(&o)
	l.appendDecision(&o)
	l.appendOutcome(&o)
	return append(o.buf, '}')
}

// appendRequest writes who asked for what.
func (l *Leaf) appendRequest(o *object) {
	o.text("job", l.Job)
	o.text("client", l.Client)
	o.text("key_id", l.KeyID)
	o.text("source", l.Source)
	o.list("roles", l.Roles)
	o.text("command", l.Command)
	o.list("argv", l.Argv)
	o.text("workdir", l.Workdir)
	o.members("env", l.Env)
	o.text("request", l.Request)
	o.list("changed_by", l.ChangedBy)
}

// appendDecision writes what was decided, and under what it runs.
func (l *Leaf) appendDecision(o *object) {
	o.text("decision", l.Decision)
	o.text("revision", l.Revision)
	o.list("grants", l.Grants)
	o.list("reasons", l.Reasons)
	o.text("code", l.Code)
	o.text("plugin", l.Plugin)
	o.text("profile", l.Profile)
	o.text("user", l.User)
	o.text("mode", l.Mode)
	o.text("spec", l.Spec)
}

// appendOutcome writes how it ended, who was told, and what leaves that are about no job say.
func (l *Leaf) appendOutcome(o *object) {
	o.text("status", l.Status)
	if l.ExitCode != nil {
		o.name("exit_code")
		o.buf = strconv.AppendInt(o.buf, int64(*l.ExitCode), 10)
	}
	o.text("signal", l.Signal)
	o.stream("stdout", l.Stdout)
	o.stream("stderr", l.Stderr)
	o.number("duration_us", l.Micros)
	o.text("reason", l.Reason)
	o.text("result", l.Result)
	o.text("delivery", l.Delivery)
	o.text("receiver", l.Receiver)
	o.number("attempt", int64(l.Attempt))
	o.number("http_status", int64(l.HTTPStatus))
	o.members("activated", l.Activated)
	o.text("version", l.Version)
	o.number("count", l.Count)
	o.list("jobs", l.Jobs)
	o.text("checkpoint", l.Checkpoint)
}

// An object is a JSON object that is being written. A member is left out when it is zero or empty; what always stands there is written by name.
type object struct{ buf []byte }

// name writes a name that needs no escapes.
func (o *object) name(name string) {
	o.next()
	o.buf = append(o.buf, '"')
	o.buf = append(o.buf, name...)
	o.buf = append(o.buf, `":`...)
}

func (o *object) next() {
	if o.buf[len(o.buf)-1] != '{' {
		o.buf = append(o.buf, ',')
	}
}

func (o *object) text(name, value string) {
	if value != "" {
		o.name(name)
		o.quote(value)
	}
}

func (o *object) number(name string, value int64) {
	if value != 0 {
		o.name(name)
		o.buf = strconv.AppendInt(o.buf, value, 10)
	}
}

func (o *object) list(name string, values []string) {
	if len(values) == 0 {
		return
	}
	o.name(name)
	separator := byte('[')
	for _, v := range values {
		o.buf = append(o.buf, separator)
		o.quote(v)
		separator = ','
	}
	o.buf = append(o.buf, ']')
}

func (o *object) members(name string, values map[string]string) {
	if len(values) == 0 {
		return
	}
	o.name(name)
	o.buf = append(o.buf, '{')
	for _, key := range slices.Sorted(maps.Keys(values)) {
		o.next()
		o.quote(key)
		o.buf = append(o.buf, ':')
		o.quote(values[key])
	}
	o.buf = append(o.buf, '}')
}

func (o *object) stream(name string, s *Stream) {
	if s == nil {
		return
	}
	o.name(name)
	o.buf = append(o.buf, '{')
	o.name("bytes")
	o.buf = strconv.AppendInt(o.buf, s.Bytes, 10)
	if s.Truncated {
		o.name("truncated")
		o.buf = append(o.buf, "true"...)
	}
	o.name("sha256")
	o.quote(s.SHA256)
	o.buf = append(o.buf, '}')
}

func (o *object) quote(text string) {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c >= utf8.RuneSelf || c == '"' || c == '\\' {
			o.buf, _ = jsontext.AppendQuote(o.buf, text) // whose error says that something was not UTF-8, and is U+FFFD now
			return
		}
	}
	o.buf = append(o.buf, '"')
	o.buf = append(o.buf, text...)
	o.buf = append(o.buf, '"')
}
