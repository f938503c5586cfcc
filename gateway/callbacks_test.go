package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sidegate/sidegate/internal/callback"
	"github.com/sidegate/sidegate/internal/journal"
)

// called creates a job with a callback and returns the job's ID and the callback's, once that waits.
func (h *house) called(t *testing.T, uid int, url string) (job, delivery string) {
	t.Helper()
	job = create(t, h.as(t, uid), fmt.Sprintf(`{"argv": ["echo"], "callback": {"url": %q}}`, url))
	ended(t, h.as(t, uid), job)
	page := h.callbacksOf(t, uid, "?job="+job)
	if len(page.Callbacks) != 1 {
		t.Fatalf("got %+v", page)
	}
	return job, page.Callbacks[0].DeliveryID
}

// callbacksOf lists callbacks.
func (h *house) callbacksOf(t *testing.T, uid int, query string) (page callbacksReply) {
	t.Helper()
	res, text := ask(t, h.as(t, uid), "GET", "/v1/callbacks"+query, "")
	if err := json.Unmarshal([]byte(text), &page); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: got %d %s", query, res.StatusCode, text)
	}
	return page
}

// settle records what became of an attempt.
func (h *house) settle(t *testing.T, delivery string, attempt int, state journal.DeliveryState, status int, why string) {
	t.Helper()
	s := journal.Settlement{DeliveryID: delivery, Attempt: attempt, State: state, StatusCode: status, Error: why, At: h.now(), NextAt: h.now().Add(time.Hour)}
	if err := h.journal.Settle(context.Background(), s); err != nil {
		t.Fatal(err)
	}
}

// TestCallbacks: a client sees its own callbacks, operators all; of a URL nobody sees what may be a secret.
func TestCallbacks(t *testing.T) {
	t.Parallel()
	h := newHouse(t, theatreOptions{})
	hisJob, his := h.called(t, bob, "http://func.test/x")
	herJob, hers := h.called(t, alice, "http://func.test:8088/hook/s3cret?token=t0ken")
	_, dead := h.called(t, alice, "http://func.test/y")
	h.settle(t, hers, 3, journal.Pending, 0, "dial tcp 10.9.8.7:8088: connection refused")
	h.settle(t, dead, 12, journal.Dead, 500, "answered 500")
	for _, c := range []struct {
		uid   int
		query string
		want  []string
	}{
		{alice, "", []string{dead, hers}}, {bob, "", []string{his}}, {0, "", []string{dead, hers, his}},
		{0, "?client=alice", []string{dead, hers}}, {alice, "?client=alice", []string{dead, hers}},
		{0, "?state=dead", []string{dead}}, {0, "?state=pending", []string{hers, his}}, {0, "?state=delivered", nil},
		{0, "?job=" + herJob, []string{hers}}, {alice, "?job=" + hisJob, nil}, {0, "?limit=2", []string{dead, hers}},
		{0, "?destination=http://func.test:8088", []string{hers}}, {0, "?destination=http://FUNC.test:80/any", []string{dead, his}}, {0, "?destination=http://other.test", nil},
	} {
		page := h.callbacksOf(t, c.uid, c.query)
		var got []string
		for _, d := range page.Callbacks {
			got = append(got, d.DeliveryID)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("user %d, %s: got %v, want %v", c.uid, c.query, got, c.want)
		}
		if page.Next != "" {
			if rest := h.callbacksOf(t, c.uid, "?cursor="+page.Next).Callbacks; len(rest) != 1 || rest[0].DeliveryID != his {
				t.Errorf("the next page is %+v", rest)
			}
		}
	}
	for uid, why := range map[int]string{alice: "", 0: "dial tcp 10.9.8.7:8088: connection refused"} {
		_, text := ask(t, h.as(t, uid), "GET", "/v1/callbacks", "")
		if strings.Contains(text, "s3cret") || strings.Contains(text, "t0ken") || strings.Contains(text, "hook") || why == "" && strings.Contains(text, "10.9.8.7") {
			t.Errorf("user %d sees %s", uid, text)
		}
		d := h.callbacksOf(t, uid, "?state=pending&client=alice").Callbacks[0]
		if d.Destination != "http://func.test:8088" || d.Attempts != 3 || d.State != "pending" || d.NextAt == nil || d.SettledAt != nil || d.JobID != herJob || d.LastError != why || d.Bytes == 0 {
			t.Errorf("user %d sees %+v", uid, d)
		}
		d = h.callbacksOf(t, uid, "?state=dead").Callbacks[0]
		if d.StatusCode != 500 || d.NextAt != nil || d.SettledAt == nil {
			t.Errorf("user %d sees %+v", uid, d)
		}
	}
	for _, c := range []struct {
		query  string
		status int
		says   string
	}{
		{"?client=bob", 403, "operator"}, {"?state=lost", 400, "pending, delivered or dead"}, {"?destination=func.test", 400, "destination"},
		{"?destination=", 400, "is empty"}, {"?limit=1001", 400, "limit"}, {"?cursor=0", 400, "cursor"}, {"?status=dead", 400, "status"}, {"?state=dead&state=pending", 400, "twice"},
	} {
		if res, text := ask(t, h.as(t, alice), "GET", "/v1/callbacks"+c.query, ""); res.StatusCode != c.status || !strings.Contains(text, c.says) {
			t.Errorf("%s: got %d %s", c.query, res.StatusCode, text)
		}
	}
}

// TestRetry: who may see a callback may ask for it again, unless it was delivered.
func TestRetry(t *testing.T) {
	t.Parallel()
	h := newHouse(t, theatreOptions{})
	_, hers := h.called(t, alice, "http://func.test/x")
	h.settle(t, hers, 12, journal.Dead, 500, "answered 500")
	h.retry = func(ctx context.Context, id string) error {
		_, err := h.journal.Retry(ctx, id, h.now(), nil)
		return err
	}
	for _, c := range []struct {
		uid              int
		path, body, says string
		status           int
	}{
		{bob, hers, "", `"not_found"`, 404},
		{alice, "nothing", "", `"not_found"`, 404},
		{alice, hers + "?x=1", "", "unknown parameter", 400},
		{alice, hers, "{}", "must be empty", 400},
		{64003, hers, "", "64003", 401},
		{alice, hers, "", `"state":"pending"`, 202},
		{0, hers, "", `"retried_at":`, 202},
	} {
		id, query, _ := strings.Cut(c.path, "?")
		if query != "" {
			query = "?" + query
		}
		res, text := ask(t, h.as(t, c.uid), "POST", "/v1/callbacks/"+id+"/retry"+query, c.body)
		if res.StatusCode != c.status || !strings.Contains(text, c.says) {
			t.Errorf("user %d, %s %s: got %d %s, want %d with %s", c.uid, c.path, c.body, res.StatusCode, text, c.status, c.says)
		}
	}
	if d, err := h.journal.Delivery(t.Context(), hers); err != nil || d.State != journal.Pending || d.Earlier != 12 {
		t.Errorf("it is %+v, %v", d, err)
	}
	h.settle(t, hers, 13, journal.Delivered, 200, "")
	again := func() (int, string) {
		res, text := ask(t, h.as(t, alice), "POST", "/v1/callbacks/"+hers+"/retry", "")
		return res.StatusCode, text
	}
	if status, text := again(); status != 409 || !strings.Contains(text, `"already_delivered"`) {
		t.Errorf("delivered: got %d %s", status, text)
	}
	h.retry = func(context.Context, string) error { return callback.ErrUnderWay }
	if status, text := again(); status != 409 || !strings.Contains(text, `"attempt_under_way"`) {
		t.Errorf("under way: got %d %s", status, text)
	}
	h.retry = func(context.Context, string) error { return journal.ErrNoSpace }
	if status, text := again(); status != 507 || !strings.Contains(text, `"journal_unavailable"`) {
		t.Errorf("disk full: got %d %s", status, text)
	}
	if res, _ := ask(t, h.as(t, alice), "GET", "/v1/callbacks/"+hers+"/retry", ""); res.StatusCode != 405 || res.Header.Get("Allow") != "POST" {
		t.Errorf("GET: %d", res.StatusCode)
	}
}
