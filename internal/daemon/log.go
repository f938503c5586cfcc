package daemon

import (
	"io"
	"log/slog"

	"github.com/sidegate/sidegate/internal/config"
)

// NewLog returns the gateway's log: text for people where w is a terminal, JSON for machines elsewhere, unless the
// configuration names one of them.
func NewLog(c config.Telemetry, w io.Writer, terminal bool) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.LogLevel)); err != nil {
		level = slog.LevelInfo // the configuration was validated; this is its default
	}
	options := &slog.HandlerOptions{Level: level}
	if c.LogFormat == "text" || c.LogFormat == "auto" && terminal {
		return slog.New(slog.NewTextHandler(w, options))
	}
	return slog.New(slog.NewJSONHandler(w, options))
}
