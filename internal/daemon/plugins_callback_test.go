package daemon

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sidegate/sidegate/internal/journal"
)

// TestCallbacksThroughPlugins: what is delivered is what the plugins of the callback phase made, which is on record; where
// one fails, nothing is sent, and the attempt has failed and is made again.
func TestCallbacksThroughPlugins(t *testing.T) {
	type received struct{ token, body string }
	got := make(chan received, 8)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		got <- received{r.Header.Get("Authorization"), string(text)}
	}))
	defer receiver.Close()
	h := newHouse(t, "=/headers/Authorization='Bearer hunter2'")
	h.phase = "callback"
	h.yaml += "\ncallbacks: {allow: [\"" + receiver.URL + "/*\"]}\n"
	h.configure(t, "p.wasm", "=/headers/Authorization='Bearer hunter2'")
	d, url, stop := h.open(t)
	defer stop()
	delivery := func() journal.Delivery {
		t.Helper()
		all, err := d.journal.Deliveries(t.Context(), journal.DeliveryFilter{})
		if err != nil {
			t.Fatal(err)
		}
		return all[0]
	}
	h.call(t, url, map[string]string{"command": "echo done", "callbackURL": receiver.URL + "/done"})
	if r := <-got; r.token != "Bearer hunter2" || r.body != `{"kwargs":{"stdout":"done\n","stderr":""}}` {
		t.Errorf("received %+v", r)
	}
	eventually(t, "it is settled", func() bool { return delivery().State == journal.Delivered })
	if c := delivery().Changes; !strings.Contains(c, `"plugin":"p"`) || strings.Contains(c, "hunter2") {
		t.Errorf("the journal has %s", c)
	}
	h.configure(t, "p.wasm", "t")
	if err := d.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.call(t, url, map[string]string{"command": "echo again", "callbackURL": receiver.URL + "/done"})
	eventually(t, "an attempt has failed", func() bool { return delivery().Attempt > 0 })
	if now := delivery(); now.State != journal.Pending || now.LastError != "nothing was sent: plugin p failed (trap)" || now.NextAt.IsZero() {
		t.Errorf("the journal has %+v", now)
	}
	if len(got) > 0 {
		t.Errorf("received %+v", <-got)
	}
	if log := h.log.String(); strings.Contains(log, "hunter2") {
		t.Errorf("the log is %s", log)
	}
}
