package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sidegate/sidegate/internal/auth"
	"github.com/sidegate/sidegate/internal/journal"
)

// body is a call's.
type body = map[string]any

// signedCall is a call of POST path as the connector makes it.
func signedCall(ctx context.Context, path, client, nonce string, b body) *http.Request {
	text, err := json.Marshal(b)
	if err != nil {
		panic(err)
	}
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, path, bytes.NewReader(text))
	now := strconv.FormatInt(time.Now().Unix(), 10)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Auth-Nonce", nonce)
	r.Header.Set("X-Auth-Timestamp", now)
	r.Header.Set("X-Auth-Signature", auth.SignFunc([]byte("secret "+client), http.MethodPost, path, nonce, now, text))
	return r
}

// said is what a gateway answered to POST /shell or /v1/decisions.
type said struct {
	status int
	raw    string
	head   http.Header

	OK         bool
	Message    string
	Reason     Code
	Reasons    []string
	DecisionID string `json:"decision_id"`
	JobID      string `json:"job_id"`
	Status     any
	ExitCode   *int `json:"exit_code"`
	Data       *struct {
		JobID       string `json:"job_id"`
		Status      string
		Stdout      string
		Stderr      string
		ExitCode    int `json:"exit_code"`
		Truncated   bool
		WouldDeny   bool              `json:"would_deny"`
		HeldBy      []string          `json:"held_by"`
		AnsweredBy  string            `json:"answered_by"`
		Annotations map[string]string `json:"annotations"`
	}

	Allow      bool
	ChangedBy  []string `json:"changed_by"`
	AnsweredBy string   `json:"answered_by"`
	Incomplete bool
	Analysis   struct {
		Commands []struct {
			Argv         []*string
			ResolvedPath *string `json:"resolved_path"`
		}
	}
}

func (th *theatre) send(tb testing.TB, r *http.Request) said {
	tb.Helper()
	w := httptest.NewRecorder()
	th.Handler().ServeHTTP(w, r)
	s := said{status: w.Code, raw: w.Body.String(), head: w.Result().Header}
	if err := json.Unmarshal(w.Body.Bytes(), &s); err != nil {
		tb.Fatalf("%v: %s", err, w.Body)
	}
	return s
}

// shell makes one call of POST /shell by the client func.
func (th *theatre) shell(tb testing.TB, b body) said {
	tb.Helper()
	return th.shellAs(tb, "func", b)
}

func (th *theatre) shellAs(tb testing.TB, client string, b body) said {
	tb.Helper()
	return th.send(tb, signedCall(context.Background(), "/shell", client, auth.NewNonce(), b))
}

// twice makes the very same call two times, and returns both answers.
func (th *theatre) twice(tb testing.TB, path string, b body) (first, second said) {
	tb.Helper()
	return th.twiceAs(tb, "func", path, b)
}

func (th *theatre) twiceAs(tb testing.TB, client, path string, b body) (first, second said) {
	tb.Helper()
	nonce := auth.NewNonce()
	first = th.send(tb, signedCall(context.Background(), path, client, nonce, b))
	return first, th.send(tb, signedCall(context.Background(), path, client, nonce, b))
}

// row is a job in the journal, once it has ended.
func (th *theatre) row(tb testing.TB, id string) journal.Job {
	tb.Helper()
	var job journal.Job
	until(tb, "the job has ended", func() bool {
		var err error
		if job, err = th.journal.Job(context.Background(), id); err != nil {
			tb.Fatal(err)
		}
		return job.Status.Final()
	})
	return job
}

// jobs are all jobs in the journal.
func (th *theatre) jobs(tb testing.TB) []journal.Job {
	tb.Helper()
	all, err := th.journal.Jobs(context.Background(), journal.Filter{})
	if err != nil {
		tb.Fatal(err)
	}
	return all
}

// pendingCallback is a callback that waits, with its message.
type pendingCallback struct {
	journal.Delivery
	Body []byte
}

// callbackOf is the message that waits to be delivered about a job.
func (th *theatre) callbackOf(tb testing.TB, id string) pendingCallback {
	tb.Helper()
	due, err := th.journal.Deliveries(context.Background(), journal.DeliveryFilter{JobID: id, State: journal.Pending})
	if err != nil {
		tb.Fatal(err)
	}
	for _, d := range due {
		return pendingCallback{d, readAll(tb)(th.journal.OpenBody(context.Background(), d.ID))}
	}
	tb.Fatalf("no callback waits for job %s", id)
	return pendingCallback{}
}

// outputOf is what the journal has of a job's output, and says of it.
func (th *theatre) outputOf(tb testing.TB, id string) (stdout, stderr string, o journal.Output) {
	tb.Helper()
	o, err := th.journal.Output(context.Background(), id)
	if err != nil {
		tb.Fatal(err)
	}
	stdout = string(readAll(tb)(th.journal.OpenOutput(context.Background(), id, journal.Stdout)))
	return stdout, string(readAll(tb)(th.journal.OpenOutput(context.Background(), id, journal.Stderr))), o
}

// readAll reads what was opened, and closes it.
func readAll(tb testing.TB) func(*journal.Content, error) []byte {
	tb.Helper()
	return func(c *journal.Content, err error) []byte {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
		defer c.Close()
		text, err := c.ReadAll()
		if err != nil {
			tb.Fatal(err)
		}
		return text
	}
}

// stored is everything that the gateway keeps on disk, as bytes.
func (th *theatre) stored(tb testing.TB) []byte {
	tb.Helper()
	var all []byte
	err := filepath.WalkDir(filepath.Join(th.dir, "state"), func(name string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := os.ReadFile(name)
		all = append(all, text...)
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	return all
}

// nowhere fails if a text is in an answer, in the log or on disk.
func (th *theatre) nowhere(tb testing.TB, text string, answers ...said) {
	tb.Helper()
	for _, a := range answers {
		if strings.Contains(a.raw, text) {
			tb.Errorf("%q is in the answer %s", text, a.raw)
		}
	}
	if strings.Contains(th.log.String(), text) {
		tb.Errorf("%q is in the log", text)
	}
	if bytes.Contains(th.stored(tb), []byte(text)) {
		tb.Errorf("%q is on disk", text)
	}
}

// until waits, up to half a minute, until what is so.
func until(tb testing.TB, what string, is func() bool) {
	tb.Helper()
	for deadline := time.Now().Add(30 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			tb.Fatalf("it did not come about that %s", what)
		}
	}
}
