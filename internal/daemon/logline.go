package daemon

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// lines writes whole lines, one after the other.
type lines struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lines) write(line []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, err := l.w.Write(line)
	return err
}

// escaping writes lines of JSON, with what has no shape as \u…: slog leaves DEL, C1 controls and changes of direction as they are, and a terminal that shows
// the file would obey them. The JSON means the same.
type escaping struct{ io.Writer }

// Write implements io.Writer for one line.
func (e escaping) Write(line []byte) (int, error) {
	if _, err := e.Writer.Write(escaped(line)); err != nil {
		return 0, err
	}
	return len(line), nil
}

func escaped(line []byte) []byte {
	harmless := func(r rune) bool { return r == '\n' || r != utf8.RuneError && unicode.IsPrint(r) }
	if bytes.IndexFunc(line, func(r rune) bool { return !harmless(r) }) < 0 {
		return line
	}
	var b bytes.Buffer
	for _, r := range string(line) {
		switch first, second := utf16.EncodeRune(r); {
		case harmless(r):
			b.WriteRune(r)
		case first != unicode.ReplacementChar:
			fmt.Fprintf(&b, `\u%04x\u%04x`, first, second)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.Bytes()
}

// journalHandler writes for journald: the priority as sd-daemon(3) has it, and JSON without the time, which journald knows.
type journalHandler struct {
	slog.Handler // writes to b
	out          *lines
	b            *lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func newJournalHandler(to io.Writer, level slog.Leveler) slog.Handler {
	b := new(lockedBuffer)
	replace := func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && a.Key == slog.TimeKey && a.Value.Kind() == slog.KindTime {
			return slog.Attr{}
		}
		return shortened(groups, a)
	}
	return &journalHandler{slog.NewJSONHandler(&b.Buffer, &slog.HandlerOptions{Level: level, ReplaceAttr: replace}), &lines{w: to}, b}
}

// Handle implements slog.Handler.
func (h *journalHandler) Handle(ctx context.Context, r slog.Record) error {
	h.b.mu.Lock()
	defer h.b.mu.Unlock()
	h.b.Reset()
	h.b.WriteString(priority(r.Level))
	if err := h.Handler.Handle(ctx, r); err != nil {
		return err
	}
	return h.out.write(escaped(h.b.Bytes()))
}

// WithAttrs implements slog.Handler.
func (h *journalHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &journalHandler{h.Handler.WithAttrs(attrs), h.out, h.b}
}

// WithGroup implements slog.Handler.
func (h *journalHandler) WithGroup(name string) slog.Handler {
	return &journalHandler{h.Handler.WithGroup(name), h.out, h.b}
}

func priority(level slog.Level) string {
	switch {
	case level >= slog.LevelError:
		return "<3>"
	case level >= slog.LevelWarn:
		return "<4>"
	case level >= slog.LevelInfo:
		return "<6>"
	}
	return "<7>"
}

// textHandler writes lines for people: time, level and message in columns, then what belongs to it. The key of the event is for machines, and left out.
type textHandler struct {
	out    *lines
	level  slog.Leveler
	colour bool
	before []byte // of With
	prefix string // of groups
}

var _ slog.Handler = (*textHandler)(nil)

// Enabled implements slog.Handler.
func (h *textHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= h.level.Level()
}

// WithAttrs implements slog.Handler.
func (h *textHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := *h
	with.before = bytes.Clone(h.before)
	for _, a := range attrs {
		with.before = appendAttr(with.before, h.prefix, a)
	}
	return &with
}

// WithGroup implements slog.Handler.
func (h *textHandler) WithGroup(name string) slog.Handler {
	with := *h
	if name != "" {
		with.prefix = h.prefix + name + "."
	}
	return &with
}

// messageColumn is how wide the message is at least.
const messageColumn = 28

// Handle implements slog.Handler.
func (h *textHandler) Handle(_ context.Context, r slog.Record) error {
	b := make([]byte, 0, 256)
	if !r.Time.IsZero() {
		b = append(r.Time.AppendFormat(b, "15:04:05.000"), ' ')
	}
	b = append(h.appendLevel(b, r.Level), ' ')
	message := shownText(r.Message)
	b = append(b, message...)
	for n := utf8.RuneCountInString(message); n < messageColumn; n++ {
		b = append(b, ' ')
	}
	b = append(b, h.before...)
	r.Attrs(func(a slog.Attr) bool {
		if a.Key != eventKey {
			b = appendAttr(b, h.prefix, a)
		}
		return true
	})
	return h.out.write(append(bytes.TrimRight(b, " "), '\n'))
}

func (h *textHandler) appendLevel(b []byte, level slog.Level) []byte {
	text := fmt.Sprintf("%-5s", level)
	colour := ""
	switch {
	case !h.colour:
	case level >= slog.LevelError:
		colour = "\x1b[31m"
	case level >= slog.LevelWarn:
		colour = "\x1b[33m"
	case level < slog.LevelInfo:
		colour = "\x1b[2m"
	}
	if colour == "" {
		return append(b, text...)
	}
	return append(append(append(b, colour...), text...), "\x1b[0m"...)
}

// appendAttr writes " key=value"; an attribute that says nothing is left out.
func appendAttr(b []byte, prefix string, a slog.Attr) []byte {
	a = shortened(nil, slog.Attr{Key: a.Key, Value: a.Value.Resolve()})
	if a.Equal(slog.Attr{}) {
		return b
	}
	if a.Value.Kind() == slog.KindGroup {
		if a.Key != "" {
			prefix += a.Key + "."
		}
		for _, member := range a.Value.Group() {
			b = appendAttr(b, prefix, member)
		}
		return b
	}
	text := a.Value.String()
	if a.Value.Kind() == slog.KindTime {
		text = a.Value.Time().Format(time.RFC3339)
	}
	b = append(append(append(b, ' '), shownText(prefix+a.Key)...), '=')
	if text == "" || strings.ContainsAny(text, " =\"") || shownText(text) != text {
		return strconv.AppendQuote(b, text)
	}
	return append(b, text...)
}

// shownText is a text that stays on its line and does nothing to a terminal.
func shownText(s string) string {
	if utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0 {
		return s
	}
	quoted := strconv.Quote(s)
	return quoted[1 : len(quoted)-1]
}
