package wasm

import (
	"net"
	"slices"
	"strings"
)

// Selector says for which messages something is meant: those for which all labels are equal and all
// expressions hold. An empty one matches every message. It is evaluated once, before a chain runs, so
// what plugins change does not change who runs.
//
// Keys are client.name, client.labels.K, host.name, host.labels.K, command, callback.origin and
// callback.host. Keys and values are compared literally.
type Selector struct {
	MatchLabels      map[string]string `json:"match_labels,omitempty"`
	MatchExpressions []Expression      `json:"match_expressions,omitempty"`
}

// Expression is one condition on one key. In holds if the key is there and its value is among the
// values; NotIn holds if that is not so, also if the key is missing; Exists and DoesNotExist take no
// values. These are the words and meanings of Kubernetes' label selectors.
//
// Only the first command of a line counts as command, and one whose name is not known has no such key.
// So what must see every use of a program must not be selected by it.
type Expression struct {
	Key      string   `json:"key"`
	Operator string   `json:"operator"`
	Values   []string `json:"values,omitempty"`
}

// The operators of an [Expression].
const (
	In           = "In"
	NotIn        = "NotIn"
	Exists       = "Exists"
	DoesNotExist = "DoesNotExist"
)

// Subject is what selectors look at.
type Subject struct {
	Client, Host             string
	ClientLabels, HostLabels map[string]string
	Command                  string // the first command's name; "" is not known
	Callback                 string // the destination as scheme://host:port; "" is none
}

// Empty reports whether the selector matches every message.
func (s Selector) Empty() bool { return len(s.MatchLabels) == 0 && len(s.MatchExpressions) == 0 }

// A condition is one part of a selector, made ready.
type condition struct {
	read   func(s *Subject, label string) (string, bool)
	label  string
	absent bool     // what holds for a missing key
	values []string // nil: any value will do
	negate bool     // the value must not be among them
}

func (c *condition) holds(s *Subject) bool {
	value, ok := c.read(s, c.label)
	if !ok {
		return c.absent
	}
	return (c.values == nil || slices.Contains(c.values, value)) != c.negate
}

// A matcher is a selector, made ready.
type matcher []condition

func (m matcher) matches(s *Subject) bool {
	for i := range m {
		if !m[i].holds(s) {
			return false
		}
	}
	return true
}

// compile makes a selector ready that checkSelector found nothing wrong with.
func (s Selector) compile() matcher {
	var m matcher
	for key, value := range s.MatchLabels {
		read, label := readerOf(key)
		m = append(m, condition{read: read, label: label, values: []string{value}})
	}
	for _, e := range s.MatchExpressions {
		read, label := readerOf(e.Key)
		c := condition{read: read, label: label}
		switch e.Operator {
		case In:
			c.values = slices.Clone(e.Values)
		case NotIn:
			c.values, c.negate, c.absent = slices.Clone(e.Values), true, true
		case DoesNotExist:
			c.negate, c.absent = true, true
		}
		m = append(m, c)
	}
	return m
}

// The keys that stand for themselves, and those that a label's name follows.
var (
	plainKeys = map[string]func(*Subject, string) (string, bool){
		"client.name":     func(s *Subject, _ string) (string, bool) { return s.Client, s.Client != "" },
		"host.name":       func(s *Subject, _ string) (string, bool) { return s.Host, s.Host != "" },
		"command":         func(s *Subject, _ string) (string, bool) { return s.Command, s.Command != "" },
		"callback.origin": func(s *Subject, _ string) (string, bool) { return s.Callback, s.Callback != "" },
		"callback.host":   func(s *Subject, _ string) (string, bool) { return hostOf(s.Callback), s.Callback != "" },
	}
	labelKeys = map[string]func(*Subject, string) (string, bool){
		"client.labels.": func(s *Subject, label string) (string, bool) { v, ok := s.ClientLabels[label]; return v, ok },
		"host.labels.":   func(s *Subject, label string) (string, bool) { v, ok := s.HostLabels[label]; return v, ok },
	}
)

// readerOf returns how to read a key, and the label it names; nil if there is no such key.
func readerOf(key string) (read func(*Subject, string) (string, bool), label string) {
	if read, ok := plainKeys[key]; ok {
		return read, ""
	}
	for prefix, read := range labelKeys {
		if label, ok := strings.CutPrefix(key, prefix); ok && label != "" {
			return read, label
		}
	}
	return nil, ""
}

// hostOf returns the host of an origin, an IPv6 address without its brackets.
func hostOf(origin string) string {
	_, authority, _ := strings.Cut(origin, "://")
	host, _, err := net.SplitHostPort(authority)
	if err != nil {
		return authority
	}
	return host
}
