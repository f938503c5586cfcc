package main

import (
	"encoding/json"
	"strings"
)

// readLog counts what the gateway has warned of, by level and message.
func (s *site) readLog() map[string]int {
	found := map[string]int{}
	for line := range strings.Lines(s.gateway.Log()) {
		var entry struct{ Level, Msg string }
		if err := json.Unmarshal([]byte(line), &entry); err != nil || entry.Level != "WARN" && entry.Level != "ERROR" {
			continue
		}
		found[entry.Level+" "+entry.Msg]++
	}
	return found
}
