package systemd

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// socketKey is the variable in which the service manager names its socket. Nothing that this process starts may have it: it would speak in its name.
const socketKey = "NOTIFY_SOCKET"

// A Supervisor is the service manager, as far as it wants to be told. The zero value and nil are nobody. It is safe for concurrent use.
//
// That something cannot be told is logged and no error: a gateway whose supervisor does not listen goes on working.
type Supervisor struct {
	listens  bool
	watchdog time.Duration
	log      *slog.Logger
	failed   atomic.Bool // and that has been logged
}

// FromEnvironment returns the supervisor that the environment names. It takes WATCHDOG_PID and WATCHDOG_USEC out of the environment; NOTIFY_SOCKET stays
// there, because every message goes to it, so whoever starts a process must not hand this process's environment on. An error means that the
// environment says what cannot be meant.
func FromEnvironment(log *slog.Logger) (*Supervisor, error) {
	every, err := daemon.SdWatchdogEnabled(true)
	if err != nil {
		return nil, fmt.Errorf("the service manager's watchdog (WATCHDOG_USEC, WATCHDOG_PID): %w", err)
	}
	s := &Supervisor{listens: os.Getenv(socketKey) != "", log: log}
	if s.listens {
		s.watchdog = every
	}
	return s, nil
}

// Listens tells whether there is somebody to be told.
func (s *Supervisor) Listens() bool { return s != nil && s.listens }

// Watchdog is how long the supervisor waits for a sign of life before it takes the process for dead; 0 where it does not look.
func (s *Supervisor) Watchdog() time.Duration {
	if s == nil {
		return 0
	}
	return s.watchdog
}

// Ready says that the process serves, or serves again after Reloading.
func (s *Supervisor) Ready(status string) { s.tell(daemon.SdNotifyReady, "STATUS="+line(status)) }

// Reloading says that the configuration is being read again. Ready must follow, whatever comes of it.
func (s *Supervisor) Reloading() {
	s.tell(daemon.SdNotifyReloading, daemon.SdNotifyMonotonicUsec(), "STATUS=reading the configuration again")
}

// Stopping says that the process is on its way to its end and needs so long for it.
func (s *Supervisor) Stopping(status string, within time.Duration) {
	s.tell(daemon.SdNotifyStopping, "STATUS="+line(status), extension(within))
}

// Status is what `systemctl status` shows, a line.
func (s *Supervisor) Status(status string) { s.tell("STATUS=" + line(status)) }

// Alive is a sign of life.
func (s *Supervisor) Alive(status string) { s.tell(daemon.SdNotifyWatchdog, "STATUS="+line(status)) }

// What Starting asks for: as much as extend at a time, no longer than mostExtended altogether.
const (
	extendEvery  = 5 * time.Second
	extend       = 30 * time.Second
	mostExtended = 10 * time.Minute
)

// Starting keeps asking for more time until ctx ends: an audit that is verified, or a journal that is brought in order after a crash, may take longer than the
// supervisor waits. After ten minutes it stops asking.
func (s *Supervisor) Starting(ctx context.Context) {
	if !s.Listens() {
		return
	}
	tick := time.NewTicker(extendEvery)
	defer tick.Stop()
	for end := time.Now().Add(mostExtended); time.Now().Before(end); {
		s.tell("STATUS=starting", extension(extend))
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func extension(t time.Duration) string {
	return fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", t.Microseconds())
}

// line keeps a text from becoming a second assignment.
func line(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r < ' ' }), " ")
}

func (s *Supervisor) tell(assignments ...string) {
	if !s.Listens() {
		return
	}
	if _, err := daemon.SdNotify(false, strings.Join(assignments, "\n")); err != nil && !s.failed.Swap(true) {
		s.log.Warn("the service manager cannot be told how the gateway fares", "error", err)
	}
}
