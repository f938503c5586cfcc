package gateway

import (
	"os"
	"reflect"
	"strings"
	"testing"
)

// TestJobsAreDocumented: docs/jobs.md names every field that jobs, callbacks and events have, and every event.
func TestJobsAreDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/jobs.md")
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"accepted", "held", "stdout", "stderr", "result", "error", "end", "jobs", "callbacks", "next", "held_by", "annotations", "changes", "plugin", "fields", "withheld"}
	for _, of := range []any{jobReply{}, outputReply{}, outputEvent{}, deliveryReply{}} {
		for _, f := range reflect.VisibleFields(reflect.TypeOf(of)) {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			names = append(names, name)
		}
	}
	for _, name := range names {
		if !strings.Contains(string(page), "`"+name+"`") && !strings.Contains(string(page), `"`+name+`":`) {
			t.Errorf("docs/jobs.md does not name %s", name)
		}
	}
}
