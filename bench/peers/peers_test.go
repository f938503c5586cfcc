package peers

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	RunChild()
	os.Exit(m.Run())
}

func post(t *testing.T, url, body string, header http.Header) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = header
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func TestBare(t *testing.T) {
	s, err := StartBare(t.Context(), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for range 2 {
		for _, test := range []struct {
			route, body string
			status      int
			want        string
		}{
			{"/run", `{"argv": ["echo", "one two"]}`, 200, `"stdout":"one two\n"`},
			{"/run", `{"argv": ["false"]}`, 500, "exit status 1"},
			{"/run", `{}`, 400, "no argv"},
			{"/stream", `{"argv": ["echo", "three"]}`, 200, "three\n"},
		} {
			if status, text := post(t, s.URL+test.route, test.body, nil); status != test.status || !strings.Contains(text, test.want) {
				t.Errorf("%s %s: %d %s", test.route, test.body, status, text)
			}
		}
		before := s.PID()
		if err := s.Restart(t.Context()); err != nil || s.PID() == before {
			t.Fatalf("restart: %v, process %d was %d", err, s.PID(), before)
		}
	}
}

func TestWebhook(t *testing.T) {
	const secret = "secret"
	s, err := StartWebhook(t.Context(), t.TempDir(), secret, []Hook{{ID: "say", Program: "/bin/echo", Arguments: []Argument{{"string", "it is"}, {"payload", "what"}}}})
	if errors.Is(err, ErrNoWebhook) {
		t.Skipf("there is nothing to start: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	body := `{"what": "so; it is"}`
	header := http.Header{"Content-Type": {"application/json"}, "X-Signature": {SignWebhook(secret, []byte(body))}}
	if status, text := post(t, s.URL+"/hooks/say", body, header); status != 200 || text != "it is so; it is\n" {
		t.Errorf("%d %q", status, text)
	}
	if status, text := post(t, s.URL+"/hooks/say", body+" ", header); status < 400 {
		t.Errorf("another body: %d %q", status, text)
	}
}

// TestNoWebhook: the error says how to get it.
func TestNoWebhook(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if _, err := StartWebhook(t.Context(), t.TempDir(), "secret", nil); !errors.Is(err, ErrNoWebhook) || !strings.Contains(err.Error(), "apt-get install webhook") {
		t.Error(err)
	}
	if _, err := WebhookVersion(t.Context()); !errors.Is(err, ErrNoWebhook) {
		t.Error(err)
	}
}

func TestHooksFile(t *testing.T) {
	text, err := HooksFile("the secret", []Hook{{ID: "a", Program: "/bin/a"}, {ID: "b", Program: "/bin/b"}})
	var hooks []map[string]any
	if err := errors.Join(err, json.Unmarshal(text, &hooks)); err != nil || len(hooks) != 2 || hooks[1]["execute-command"] != "/bin/b" || hooks[1]["trigger-rule"] == nil {
		t.Errorf("%v: %s", err, text)
	}
}
