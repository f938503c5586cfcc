package daemon

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/sidegate/sidegate/internal/config"
	"github.com/sidegate/sidegate/wasm"
	"github.com/sidegate/sidegate/wasm/guest"
)

// TestRefusalIsNotShownToEverybody: what a plugin says when it refuses is for the log, in quotes, of one line, without the
// values that it was configured with; a readiness report says only that it refuses.
func TestRefusalIsNotShownToEverybody(t *testing.T) {
	h := newHouse(t, echo("one"))
	d, _, stop := h.open(t)
	defer stop()
	text, err := os.ReadFile(h.file)
	if err != nil {
		t.Fatal(err)
	}
	before, _, _ := strings.Cut(string(text), "plugin_configs:")
	write(t, h.file, before+`plugin_configs:
- plugin: p
  selector: {matchLabels: {client.name: func}}
  config: "hunter2-token"
- plugin: p
  config: "!hunter2-token is bad\n\u202elevel=ERROR \"forged\""
`, 0o600)
	err = d.Reload(t.Context())
	want := `plugin_configs[1].config: plugin p refuses its configuration, in its own words: "[redacted] is bad\\n\\u202e[redacted]"`
	if err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	ready := admin(t, d, "/readyz")
	if !strings.Contains(ready, "plugin_configs[1].config: plugin p refuses its configuration; the log has what it says") || strings.Contains(ready, "is bad") {
		t.Errorf("readiness is %s", ready)
	}
	eventually(t, "the log has it", func() bool { return strings.Contains(h.log.String(), "[redacted] is bad") })
	if strings.Contains(h.log.String(), "hunter2") {
		t.Errorf("the log is %s", h.log)
	}
}

func TestRefusal(t *testing.T) {
	t.Parallel()
	c := &config.Config{PluginConfigs: []config.PluginConfig{
		{Plugin: "p", Config: config.NewSecret([]byte(`{"name of a member":"hunter2-token","n":[123456,["abcdef","cdefgh"]],"short":"abc","quoted":"\"a\"b\\c","key":"BEGIN\nfirst line\nsecond"}`))},
		{Plugin: "p", Config: config.NewSecret([]byte(`"` + strings.Repeat("long", 500) + `"`))},
		{Plugin: "other", Config: config.NewSecret([]byte(`"another's"`))},
		{Plugin: "p", Config: config.NewSecret([]byte("null"))},
	}}
	for _, tt := range []struct{ words, want string }{
		{"", "plugin p refuses its configuration without saying why"},
		{"name of a member, another's", `"name of a member, another's"`},
		{"hunter2-token", `"[redacted]"`},
		{"hunter2-tokenhunter2-token or hunter2-toke", `"[redacted] or hunter2-toke"`},
		{"1234567 is too much", `"[redacted]7 is too much"`},
		{"abcdefgh abc", `"[redacted] abc"`},
		{`BEGIN\nfirst line\nthird`, `"[redacted]\\n[redacted]\\nthird"`},
		{`"a"b\c and \"a\"b\\c`, `"[redacted] and [redacted]"`},
		{"it is hunter2-to…", `"it is [redacted]…"`},
		{"it is hun…", `"it is hun…"`},
		{"it is " + strings.Repeat("long", 250) + "lo…", `"it is [redacted]…"`},
	} {
		refused := &guest.RefusedError{Plugin: "p", Reason: tt.words}
		r := refusalOf(c, wasm.Problem{Message: "it sees null, and " + refused.Error(), Err: fmt.Errorf("it sees null, and %w", refused)})
		want := "it sees null, and plugin p refuses its configuration"
		if tt.words != "" {
			tt.want = want + ", in its own words: " + tt.want
		} else {
			tt.want = "it sees null, and " + tt.want
		}
		if r.Error() != tt.want {
			t.Errorf("%s:\ngot  %s\nwant %s", tt.words, r, tt.want)
		}
		if public := r.withoutWords().Error(); tt.words != "" && public != want+"; the log has what it says" {
			t.Errorf("everybody reads %s", public)
		}
	}
	if r := refusalOf(c, wasm.Problem{Message: "no", Err: errors.New("no")}); r != nil {
		t.Errorf("%v is no refusal", r)
	}
}
