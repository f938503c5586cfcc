package daemon

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/sidegate/sidegate/internal/config"
)

// Output is where a log goes, as far as its form depends on it.
type Output struct {
	io.Writer
	Terminal bool // people read along
	Colour   bool // it shows colours, and they are wanted
	Journal  bool // journald reads it
}

// OutputOf looks at a file, and at the variables of the environment that tell more about it: NO_COLOR (no-color.org), TERM, and JOURNAL_STREAM
// (systemd.exec(5)), which names the file that journald reads; another one in its place is not journald's.
func OutputOf(f *os.File) Output {
	o := Output{Writer: f, Terminal: term.IsTerminal(int(f.Fd()))}
	o.Colour = o.Terminal && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	var st unix.Stat_t
	if stream := os.Getenv("JOURNAL_STREAM"); stream != "" && unix.Fstat(int(f.Fd()), &st) == nil {
		o.Journal = stream == fmt.Sprintf("%d:%d", st.Dev, st.Ino)
	}
	return o
}

// NewLog returns the gateway's log: lines for people on a terminal, JSON for machines elsewhere, behind the priority that journald reads where it does, unless
// the configuration names one of them. Whatever stands in values, one entry is one line, and none controls a terminal.
func NewLog(c config.Telemetry, to Output) *slog.Logger {
	level := new(slog.LevelVar)
	level.Set(levelOf(c))
	return slog.New(&logHandler{level: level, Handler: handlerOf(formOf(c, to), level, to)})
}

// formOf returns text, json or journald.
func formOf(c config.Telemetry, to Output) string {
	switch {
	case c.LogFormat != "auto":
		return c.LogFormat
	case to.Terminal:
		return "text"
	case to.Journal:
		return "journald"
	}
	return "json"
}

func handlerOf(form string, level slog.Leveler, to Output) slog.Handler {
	switch form {
	case "text":
		return &textHandler{out: &lines{w: to}, level: level, colour: to.Colour}
	case "journald":
		return newJournalHandler(to, level)
	}
	return slog.NewJSONHandler(escaping{to}, &slog.HandlerOptions{Level: level, ReplaceAttr: shortened})
}

func levelOf(c config.Telemetry) slog.Level {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.LogLevel)); err != nil {
		return slog.LevelInfo // the configuration was validated; this is its default
	}
	return level
}

// setLevel changes how much a log says, where NewLog made it.
func setLevel(log *slog.Logger, c config.Telemetry) {
	if h, ok := log.Handler().(*logHandler); ok {
		h.level.Set(levelOf(c))
	}
}

// logHandler gives each entry the key of its event.
type logHandler struct {
	slog.Handler
	level *slog.LevelVar
}

// Handle implements slog.Handler.
func (h *logHandler) Handle(ctx context.Context, r slog.Record) error {
	keyed := slog.NewRecord(r.Time, r.Level, r.Message, r.PC)
	keyed.AddAttrs(slog.String(eventKey, eventOf(r.Message)))
	r.Attrs(func(a slog.Attr) bool {
		keyed.AddAttrs(a)
		return true
	})
	return h.Handler.Handle(ctx, keyed)
}

// WithAttrs implements slog.Handler.
func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &logHandler{h.Handler.WithAttrs(attrs), h.level}
}

// WithGroup implements slog.Handler.
func (h *logHandler) WithGroup(name string) slog.Handler {
	return &logHandler{h.Handler.WithGroup(name), h.level}
}

// maxValue bounds a text in the log, in bytes: journald breaks lines of 48 KiB, and what begins the second half could be taken for a line of its own.
const maxValue = 8 << 10

// shortened is for slog.HandlerOptions.
func shortened(_ []string, a slog.Attr) slog.Attr {
	a.Key = short(a.Key)
	switch a.Value.Kind() {
	case slog.KindString:
		a.Value = slog.StringValue(short(a.Value.String()))
	case slog.KindAny:
		switch v := a.Value.Any().(type) {
		case error:
			a.Value = slog.StringValue(short(v.Error()))
		case []string:
			if text := fmt.Sprint(v); len(text) > maxValue {
				a.Value = slog.StringValue(short(text))
			}
		}
	case slog.KindDuration: // whose number alone has no unit
		a.Value = slog.StringValue(a.Value.Duration().Round(time.Microsecond).String())
	}
	return a
}

func short(s string) string {
	if len(s) > maxValue {
		return s[:maxValue] + "…"
	}
	return s
}
