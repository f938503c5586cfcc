package journal

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// finishAt ends a new job at the given time and returns its delivery's ID.
func finishAt(t *testing.T, j *Journal, at time.Time) string {
	t.Helper()
	o := outcome(inState(t, j, Running))
	o.At = at
	must(t, j.Finish(t.Context(), o))
	return o.Callback.DeliveryID
}

func ids(ds []Delivery) string {
	var s []string
	for _, d := range ds {
		s = append(s, d.ID)
	}
	return strings.Join(s, " ")
}

func TestDue(t *testing.T) {
	t.Parallel()
	j := openTest(t, t.TempDir())
	checkDue := func(now time.Time, limit int, want string, wantNext time.Time) {
		t.Helper()
		due, next, err := j.Due(t.Context(), receiver, now, limit)
		must(t, err)
		if ids(due) != want || !next.Equal(wantNext) {
			t.Errorf("Due(%v, %d): %q, next %v; want %q, next %v", now, limit, ids(due), next, want, wantNext)
		}
	}
	checkDue(epoch, 1, "", time.Time{})
	third := finishAt(t, j, epoch.Add(3*time.Second))
	first, second := finishAt(t, j, epoch.Add(time.Second)), finishAt(t, j, epoch.Add(2*time.Second))
	checkDue(epoch, 10, "", epoch.Add(time.Second))
	checkDue(epoch.Add(2*time.Second), 10, first+" "+second, epoch.Add(3*time.Second))
	checkDue(epoch.Add(time.Hour), 2, first+" "+second, epoch.Add(3*time.Second)) // more is due
	checkDue(epoch.Add(time.Hour), 3, first+" "+second+" "+third, time.Time{})
	_, _, err := j.Due(t.Context(), receiver, epoch, 0)
	wantErr(t, err, ErrInvalid)
}

// A callback fails, is retried and delivered; another one is given up.
func TestSettle(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j, err := Open(t.Context(), testConfig(dir))
	must(t, err)
	id := finishAt(t, j, epoch)
	want := Delivery{
		ID: id, JobID: strings.TrimPrefix(id, "c-"), Client: "func", Destination: receiver, URL: receiver + "/done", BodySize: 13,
		CreatedAt: epoch, NextAt: epoch, State: Pending, Seq: 1,
	}
	checkOne := func() {
		t.Helper()
		due, _, err := j.Due(t.Context(), receiver, want.NextAt, 10)
		must(t, err)
		if len(due) != 1 || !reflect.DeepEqual(due[0], want) {
			t.Fatalf("due are %+v, want %+v", due, want)
		}
	}
	checkOne()

	retry := Settlement{DeliveryID: id, Attempt: 1, State: Pending, NextAt: epoch.Add(time.Minute), StatusCode: 502, Error: "bad gateway", Changes: `["c"]`, At: epoch}
	must(t, j.Settle(t.Context(), retry))
	want.Attempt, want.NextAt, want.StatusCode, want.LastError, want.Changes = 1, retry.NextAt, 502, "bad gateway", `["c"]`
	if due, _, err := j.Due(t.Context(), receiver, epoch, 10); err != nil || len(due) != 0 {
		t.Errorf("due before its time: %v, %v", due, err)
	}
	must(t, j.Close())
	j = openTest(t, dir) // a restart forgets neither the callback nor its attempts
	checkOne()

	done := Settlement{DeliveryID: id, Attempt: 2, State: Delivered, StatusCode: 200, At: epoch.Add(time.Minute)}
	must(t, j.Settle(t.Context(), done))
	wantErr(t, j.Settle(t.Context(), done), ErrState)
	wantErr(t, j.Settle(t.Context(), retry), ErrState)
	dead := finishAt(t, j, epoch)
	long := strings.Repeat("中", maxErrorLength)
	must(t, j.Settle(t.Context(), Settlement{DeliveryID: dead, Attempt: 12, State: Dead, Error: long, At: epoch.Add(time.Hour)}))
	wantErr(t, j.Settle(t.Context(), Settlement{DeliveryID: dead, State: Delivered, At: epoch}), ErrState)
	if due, next, err := j.Due(t.Context(), receiver, epoch.AddDate(1, 0, 0), 10); err != nil || len(due) != 0 || !next.IsZero() {
		t.Errorf("still due: %v, next %v, %v", due, next, err)
	}

	all, err := j.Deliveries(t.Context(), DeliveryFilter{})
	must(t, err)
	if len(all) != 2 || all[0].ID != dead || all[0].State != Dead || all[0].Attempt != 12 || !all[0].SettledAt.Equal(epoch.Add(time.Hour)) {
		t.Errorf("deliveries are %+v", all)
	}
	if e := all[0].LastError; len(e) > maxErrorLength+3 || !strings.HasPrefix(long, strings.TrimSuffix(e, "\uFFFD")) {
		t.Errorf("an error of %d bytes was stored as %d: %q", len(long), len(e), e)
	}
	for filter, want := range map[DeliveryFilter]string{
		{State: Delivered}:                      id,
		{State: Pending}:                        "",
		{JobID: strings.TrimPrefix(dead, "c-")}: dead,
		{Before: all[0].Seq}:                    id,
		{Limit: 1}:                              dead,
		{State: Dead, Client: "func"}:           dead,
		{Client: "other"}:                       "",
		{Destination: receiver, State: Dead}:    dead,
		{Destination: "elsewhere"}:              "",
	} {
		ds, err := j.Deliveries(t.Context(), filter)
		must(t, err)
		if ids(ds) != want {
			t.Errorf("Deliveries(%+v): %q, want %q", filter, ids(ds), want)
		}
	}
	_, err = j.Deliveries(t.Context(), DeliveryFilter{State: "dead' OR '1'='1"})
	wantErr(t, err, ErrInvalid)
	if d, err := j.Delivery(t.Context(), dead); err != nil || !reflect.DeepEqual(d, all[0]) {
		t.Errorf("the delivery is %+v, %v", d, err)
	}
	_, err = j.Delivery(t.Context(), "nobody")
	wantErr(t, err, ErrNotFound)
}

// A delivery that was given up, or waits, is tried anew; its attempts go on counting, and do not count against it.
func TestRetry(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j, err := Open(t.Context(), testConfig(dir))
	must(t, err)
	id := finishAt(t, j, epoch)
	must(t, j.Settle(t.Context(), Settlement{DeliveryID: id, Attempt: 3, State: Dead, StatusCode: 500, Error: "the receiver answered 500", At: epoch.Add(time.Hour)}))
	want, err := j.Delivery(t.Context(), id)
	must(t, err)
	check := func(at time.Time) {
		t.Helper()
		want.State, want.NextAt, want.Since, want.SettledAt, want.Earlier = Pending, at, at, time.Time{}, want.Attempt
		due, _, err := j.Due(t.Context(), receiver, at, 10)
		if must(t, err); len(due) != 1 || !reflect.DeepEqual(due[0], want) {
			t.Errorf("due are %+v, want %+v", due, want)
		}
		if text := readAll(t)(j.OpenBody(t.Context(), id)); text != `{"kwargs":{}}` {
			t.Errorf("its message is %q", text)
		}
	}
	retry := func(at time.Time, leaf []byte) {
		t.Helper()
		if where, err := j.Retry(t.Context(), id, at, leaf); err != nil || where != receiver {
			t.Errorf("retried for %q, %v", where, err)
		}
		check(at)
	}
	retry(epoch.Add(2*time.Hour), []byte("retry"))
	must(t, j.Close())
	j = openTest(t, dir)
	check(epoch.Add(2 * time.Hour))
	later := Settlement{DeliveryID: id, Attempt: 4, State: Pending, NextAt: epoch.Add(9 * time.Hour), StatusCode: 500, Error: "the receiver answered 500", At: epoch}
	must(t, j.Settle(t.Context(), later))
	want.Attempt = 4
	retry(epoch.Add(3*time.Hour), nil) // it waits
	must(t, j.Settle(t.Context(), Settlement{DeliveryID: id, Attempt: 5, State: Delivered, StatusCode: 200, At: epoch.Add(3 * time.Hour)}))

	for _, tc := range []struct {
		id   string
		at   time.Time
		leaf []byte
		want error
	}{{id, epoch, []byte("x"), ErrState}, {"nobody", epoch, []byte("x"), ErrNotFound}, {id, time.Time{}, nil, ErrInvalid}, {id, epoch, []byte{}, ErrInvalid}} {
		_, err := j.Retry(t.Context(), tc.id, tc.at, tc.leaf)
		wantErr(t, err, tc.want)
	}
	var audit model
	audit.add(t, []byte("retry"))
	checkAudit(t, j.Reader, &audit)
}

// Each destination is there once, with the time of its first delivery, however many wait for it.
func TestDestinations(t *testing.T) {
	t.Parallel()
	j := openTest(t, t.TempDir())
	check := func(after string, limit int, want ...Destination) {
		t.Helper()
		got, err := j.Destinations(t.Context(), after, limit)
		if must(t, err); !slices.Equal(got, want) {
			t.Errorf("behind %q, up to %d: %v, want %v", after, limit, got, want)
		}
	}
	check("", 10)
	names := []string{"http://a:80", "http://b:80", "https://c:443", "https://d:443"}
	var all []Destination
	for i, name := range names {
		for k := range 5 {
			o := outcome(inState(t, j, Running))
			o.At, o.Callback.Destination = epoch.Add(time.Duration(10*i-k)*time.Second), name
			must(t, j.Finish(t.Context(), o))
			if k == 4 { // the first one of all is delivered or given up
				must(t, j.Settle(t.Context(), Settlement{DeliveryID: o.Callback.DeliveryID, State: []DeliveryState{Delivered, Dead}[i%2], At: epoch}))
			}
		}
		all = append(all, Destination{name, epoch.Add(time.Duration(10*i-3) * time.Second)})
	}
	check("", 10, all...)
	check("", 4, all...)
	check("", 2, all[:2]...)
	check(names[0], 2, all[1:3]...)
	check("http://b", 10, all[1:]...)
	check(names[3], 10)
	check("", 0)
}

func TestSettleRefuses(t *testing.T) {
	t.Parallel()
	j := openTest(t, t.TempDir())
	id := finishAt(t, j, epoch)
	for _, tc := range []struct {
		name string
		s    Settlement
		want error
	}{
		{"unknown", Settlement{DeliveryID: "nobody", State: Dead, At: epoch}, ErrNotFound},
		{"no state", Settlement{DeliveryID: id, At: epoch}, ErrInvalid},
		{"unknown state", Settlement{DeliveryID: id, State: "lost", At: epoch}, ErrInvalid},
		{"a retry at no time", Settlement{DeliveryID: id, State: Pending, At: epoch}, ErrInvalid},
		{"at no time", Settlement{DeliveryID: id, State: Dead}, ErrInvalid},
	} {
		t.Run(tc.name, func(t *testing.T) { wantErr(t, j.Settle(t.Context(), tc.s), tc.want) })
	}
}
