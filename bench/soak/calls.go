package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/sidegate/sidegate/internal/trial"
)

// loads are all that the gateway has to live with.
func (s *site) loads() []load {
	return []load{
		{"allowed", 3, 5 * time.Millisecond, s.allowed},
		{"denied", 2, 10 * time.Millisecond, s.denied},
		{"pipeline", 1, 20 * time.Millisecond, s.pipeline},
		{"redacted", 1, 20 * time.Millisecond, s.redacted},
		{"callback", 2, 20 * time.Millisecond, s.callback},
		{"failing receiver", 1, time.Second, s.failingReceiver},
		{"followed job", 1, 20 * time.Millisecond, s.followed},
		{"cancelled job", 2, 50 * time.Millisecond, s.cancelled},
		{"list of jobs", 1, 200 * time.Millisecond, s.listed},
		{"policy edit", 1, 3 * time.Second, s.changePolicy},
		{"plugin swap", 1, 7 * time.Second, s.swapModule},
		{"bad signature", 1, 20 * time.Millisecond, s.badSignature},
		{"replay", 1, 20 * time.Millisecond, s.replayed},
		{"garbage", 1, 50 * time.Millisecond, s.garbage},
		{"slow loris", 4, 50 * time.Millisecond, s.slowLoris},
		{"hang-up", 2, 30 * time.Millisecond, s.hangUp},
		{"not a request", 1, 30 * time.Millisecond, s.notRequest},
	}
}

// excuse is errBusy or errSlow where an answer says so, and otherwise nil.
func excuse(status int, text string) error {
	switch {
	case status == 429, status == 503 && strings.Contains(text, "plugin_busy"):
		return errBusy
	case status == 503 && strings.Contains(text, "policy_timeout"), status == 502 && strings.Contains(text, "(deadline)"):
		return errSlow
	}
	return nil
}

// shell makes a signed call. The error is errBusy or errSlow where the gateway could not do it.
func (s *site) shell(ctx context.Context, o trial.Order) (*trial.Answer, error) {
	signed, err := s.gateway.Sign(o)
	if err != nil {
		return nil, err
	}
	a, err := s.gateway.Send(ctx, s.caller, signed)
	if err == nil {
		err = excuse(a.Status, a.Reason+" "+a.Message)
	}
	return a, err
}

// well makes a call that must end well, with this output.
func (s *site) well(ctx context.Context, command string, is func(stdout string) bool) error {
	a, err := s.shell(ctx, trial.Order{Command: command, Wait: true})
	if err != nil {
		return err
	}
	if a.Status != 200 || a.Data == nil || a.Data.Status != "exited" || a.Data.ExitCode != 0 || !is(a.Data.Stdout) {
		return a.Unexpected("200, exit code 0 and the output of " + command)
	}
	return nil
}

func (s *site) allowed(ctx context.Context) error {
	return s.well(ctx, "uptime", func(out string) bool { return strings.Contains(out, "load average") })
}

func (s *site) pipeline(ctx context.Context) error {
	return s.well(ctx, "ps aux | head -5", func(out string) bool { return strings.Count(out, "\n") == 5 })
}

func (s *site) redacted(ctx context.Context) error {
	return s.well(ctx, "echo 'it is "+secretText+" here'", func(out string) bool { return out == "it is [redacted] here\n" })
}

func (s *site) denied(ctx context.Context) error {
	a, err := s.shell(ctx, trial.Order{Command: "rm -rf /srv", Wait: true})
	if err == nil && (a.Status != 403 || a.Reason != "denied") {
		err = a.Unexpected("403 denied")
	}
	return err
}

// callback starts a job and waits until its callback has come.
func (s *site) callback(ctx context.Context) error {
	path := fmt.Sprintf("/done/%d", s.jobs.Add(1))
	come := s.good.await(path)
	if err := s.accepted(ctx, s.good.url+path); err != nil {
		return err
	}
	select {
	case <-come:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("no callback came: %w", ctx.Err())
	}
}

func (s *site) failingReceiver(ctx context.Context) error {
	return s.accepted(ctx, s.failing[int(s.jobs.Add(1))%len(s.failing)]+"/done")
}

func (s *site) accepted(ctx context.Context, callback string) error {
	a, err := s.shell(ctx, trial.Order{Command: "seq 100", CallbackURL: callback})
	if err == nil && (a.Status != 200 || a.Data == nil || a.Data.Status != "accepted") {
		err = a.Unexpected("200 and a job that is accepted")
	}
	return err
}

// followed has a job's output as it comes.
func (s *site) followed(ctx context.Context) error {
	resp, err := s.v1(ctx, http.MethodPost, "/v1/jobs", map[string]any{"argv": []string{"seq", "2000"}}, "text/event-stream")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return unexpected(resp, "200 with events")
	}
	var last string
	events := bufio.NewScanner(resp.Body)
	for events.Scan() {
		if name, is := strings.CutPrefix(events.Text(), "event: "); is {
			last = name
		} else if last == "result" && strings.HasPrefix(events.Text(), "data:") && !strings.Contains(events.Text(), `"exit_code":0`) {
			return fmt.Errorf("the job did not end well: %s", events.Text())
		}
	}
	if err := events.Err(); err != nil {
		return fmt.Errorf("the events were cut off behind %q: %w", last, err)
	}
	if last != "result" {
		return fmt.Errorf("the events ended with %q", last)
	}
	return nil
}

// cancelled starts a job that would go on, and cancels it.
func (s *site) cancelled(ctx context.Context) error {
	var job struct {
		JobID  string `json:"job_id"`
		Status string
	}
	if err := s.ask(ctx, http.MethodPost, "/v1/jobs", map[string]any{"argv": []string{"sleep", s.sleep}}, http.StatusAccepted, &job); err != nil {
		return err
	}
	if err := s.ask(ctx, http.MethodDelete, "/v1/jobs/"+job.JobID, nil, http.StatusAccepted, nil); err != nil {
		return err
	}
	for {
		if err := s.ask(ctx, http.MethodGet, "/v1/jobs/"+job.JobID, nil, http.StatusOK, &job); err != nil {
			return err
		}
		switch job.Status {
		case "killed", "signaled":
			return nil
		case "accepted", "running":
		default:
			return fmt.Errorf("a job that was cancelled is %s", job.Status)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("a job that was cancelled stays %s: %w", job.Status, ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (s *site) listed(ctx context.Context) error {
	var page struct{ Jobs []json.RawMessage }
	if err := s.ask(ctx, http.MethodGet, "/v1/jobs?limit=20", nil, http.StatusOK, &page); err != nil {
		return err
	}
	if len(page.Jobs) == 0 {
		return errors.New("there are no jobs")
	}
	return s.ask(ctx, http.MethodGet, "/v1/chains", nil, http.StatusOK, nil)
}

// ask makes a call of /v1 and decodes the answer.
func (s *site) ask(ctx context.Context, method, path string, body any, want int, into any) error {
	resp, err := s.v1(ctx, method, path, body, "application/json")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != want {
		return unexpected(resp, fmt.Sprintf("%s %s to answer %d", method, path, want))
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil || into == nil {
		return err
	}
	return json.Unmarshal(text, into)
}

func (s *site) v1(ctx context.Context, method, path string, body any, accept string) (*http.Response, error) {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return nil, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://gateway"+path, bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Accept", accept)
	return s.local.Do(req)
}

func unexpected(resp *http.Response, want string) error {
	text, err := io.ReadAll(io.LimitReader(resp.Body, 2000))
	if excused := excuse(resp.StatusCode, string(text)); excused != nil {
		return excused
	}
	return errors.Join(fmt.Errorf("expected %s, got %s: %s", want, resp.Status, text), err)
}
