package sidecar

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// A SudoRule is a line of sudoers(5) that is for a user or for a group of that user.
type SudoRule struct {
	File string // absolute
	Line int    // from 1, where the rule begins
	Text string // with its continuation lines joined
}

// SudoRules looks in etc/sudoers and etc/sudoers.d of a file system for the rules that are for a user, by name or as a member of one of the groups. It
// is for telling people what changes, not for deciding anything: aliases of users, netgroups and includes of other directories are not followed,
// and rules for ALL users are left out. The error is the first that kept a file from being read; what could be read is returned with it. A host without
// sudo has no rules.
func SudoRules(root fs.FS, user string, groups []string) ([]SudoRule, error) {
	files := []string{"etc/sudoers"}
	entries, first := fs.ReadDir(root, "etc/sudoers.d")
	if errors.Is(first, fs.ErrNotExist) {
		first = nil
	}
	for _, e := range entries {
		if name := e.Name(); !strings.Contains(name, ".") && !strings.HasSuffix(name, "~") { // which sudo passes over too
			files = append(files, path.Join("etc/sudoers.d", name))
		}
	}
	var rules []SudoRule
	for _, file := range files {
		text, err := fs.ReadFile(root, file)
		if err != nil {
			if first == nil && !errors.Is(err, fs.ErrNotExist) {
				first = err
			}
			continue
		}
		rules = append(rules, rulesIn("/"+file, string(text), user, groups)...)
	}
	return rules, first
}

func rulesIn(file, text, user string, groups []string) []SudoRule {
	var rules []SudoRule
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		start, line := i+1, strings.TrimSpace(lines[i])
		for strings.HasSuffix(line, `\`) && i+1 < len(lines) {
			i++
			line = strings.TrimSpace(strings.TrimSuffix(line, `\`)) + " " + strings.TrimSpace(lines[i])
		}
		if line == "" || line[0] == '#' || line[0] == '@' {
			continue
		}
		if who := strings.Fields(line)[0]; names(who, user, groups) {
			rules = append(rules, SudoRule{File: file, Line: start, Text: line})
		}
	}
	return rules
}

// names tells whether the list of users that begins a rule names the user or one of the groups.
func names(list, user string, groups []string) bool {
	for who := range strings.SplitSeq(list, ",") {
		group, isGroup := strings.CutPrefix(who, "%")
		if who == user || isGroup && slices.Contains(groups, group) {
			return true
		}
	}
	return false
}
