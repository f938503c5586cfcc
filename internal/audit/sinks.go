package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// LogSink writes each checkpoint to a log, as a whole, so that a log that is collected elsewhere keeps them.
func LogSink(log *slog.Logger) Sink {
	return Sink{Name: "log", Send: func(ctx context.Context, checkpoint string) error {
		log.InfoContext(ctx, "audit checkpoint", "checkpoint", checkpoint)
		return nil
	}}
}

// FileSink appends each checkpoint to a file, brought to disk at once. The file is opened for each, so that it may be moved away at any time, and made
// where it is missing. It is of use where it outlives the log: on another file system, on another host's, or where it can only be appended to.
//
// What the file holds at its end is read now. A file that is there and cannot be read, or is not a file of checkpoints, is an error.
func FileSink(path string) (Sink, error) {
	last, err := lastIn(path)
	if err != nil {
		return Sink{}, err
	}
	return Sink{Name: "file", Last: last, Send: func(_ context.Context, checkpoint string) error { return appendTo(path, checkpoint) }}, nil
}

// lastIn returns the last whole checkpoint in a file, or "".
func lastIn(path string) (string, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	size, err := regularSize(f)
	if err != nil {
		return "", err
	}
	last, from := "", max(size-maxNote, 0)
	// What the reading begins in the middle of is no whole checkpoint.
	for p, err := range pieces(io.NewSectionReader(f, from, size-from)) {
		if err != nil {
			return "", fmt.Errorf("%s: %w", path, err)
		}
		if _, err := Unverified(p.text); err == nil && !isTorn(p.text) {
			last = p.text
		}
	}
	if last == "" && size > maxNote {
		return "", fmt.Errorf("%s: %w", path, errNotNotes)
	}
	return last, nil
}

func appendTo(path, checkpoint string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	made := errors.Is(err, fs.ErrNotExist)
	if made {
		f, err = os.OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE|os.O_EXCL, 0o644)
	}
	if err != nil {
		return err
	}
	err = appendNote(f, checkpoint)
	err = errors.Join(err, f.Close())
	if err == nil && made {
		err = syncDir(filepath.Dir(path))
	}
	return err
}

// appendNote adds a checkpoint and the empty line behind it. Behind what a crash cut off there are two empty lines first.
func appendNote(f *os.File, checkpoint string) error {
	size, err := regularSize(f)
	if err != nil {
		return err
	}
	end := make([]byte, min(size, 2))
	if _, err := f.ReadAt(end, size-int64(len(end))); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	gap := "\n\n"
	if size == 0 || bytes.Equal(end, []byte(gap)) {
		gap = ""
	}
	if _, err := f.WriteString(gap + checkpoint + "\n"); err != nil {
		_ = f.Truncate(size) // where it can only be appended to, the piece stays, and readers pass it over
		return err
	}
	return f.Sync()
}

func regularSize(f *os.File) (int64, error) {
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", f.Name())
	}
	if err != nil {
		return 0, err
	}
	return st.Size(), nil
}

// HTTPSink sends each checkpoint to a URL as the body of a POST, of type text/plain. Any 2xx answer is good; redirects are not followed. client dials,
// and may have its own rules of where to; its cookies and its rule for redirects are not used. No error holds the path or the query of the URL, nor
// what the receiver answered.
func HTTPSink(client *http.Client, url string) Sink {
	once := *client
	once.Jar = nil
	once.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return Sink{Name: "http", Send: func(ctx context.Context, checkpoint string) error { return post(ctx, &once, url, checkpoint) }}
}

// maxAnswer is how much of an answer is read, so that the connection can be used again.
const maxAnswer = 64 << 10

func post(ctx context.Context, client *http.Client, url, checkpoint string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(checkpoint))
	if err != nil {
		return errors.New("the URL cannot be used")
	}
	r.Header.Set("Content-Type", "text/plain; charset=utf-8")
	answer, err := client.Do(r)
	if err != nil {
		return plainHTTP(ctx, err)
	}
	defer answer.Body.Close()
	_, _ = io.CopyN(io.Discard, answer.Body, maxAnswer)
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("the receiver answered %d", answer.StatusCode)
	}
	return nil
}

// plainHTTP says why there was no answer. The text of package http has the URL in it.
func plainHTTP(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("no answer: %w", ctx.Err())
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op // addresses, and what the system or the dial guard said
	}
	if lookup, ok := errors.AsType[*net.DNSError](err); ok {
		return lookup
	}
	return errors.New("the receiver gave no valid answer")
}
