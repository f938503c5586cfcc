package gateway

import (
	"slices"
	"strconv"
	"strings"
)

// neutral are values with which dangerous variables do nothing but take a program's own configuration away: a pager, a
// prompt, a repository's hooks. A decision may set exactly these without the operator's word, because no policy gains
// anything by them. Whatever else changes how programs load or behave is the operator's to allow.
var neutral = map[string][]string{
	"GIT_ALLOW_PROTOCOL":  {"https", "ssh", "https:ssh", "file:https:ssh"},
	"GIT_ASKPASS":         {"false", "true"},
	"GIT_CONFIG_GLOBAL":   {"/dev/null"},
	"GIT_CONFIG_NOSYSTEM": {"1"},
	"GIT_CONFIG_SYSTEM":   {"/dev/null"},
	"GIT_EDITOR":          {"false", "true"},
	"GIT_NO_LAZY_FETCH":   {"1"},
	"GIT_OPTIONAL_LOCKS":  {"0"},
	"GIT_PAGER":           {"", "cat"},
	"GIT_SSH_COMMAND":     {"ssh -oBatchMode=yes"},
	"GIT_TERMINAL_PROMPT": {"0"},
	"PAGER":               {"", "cat"},
	"SSH_ASKPASS":         {"false", "true"},
	"SYSTEMD_PAGER":       {"", "cat"},
}

// neutralGit are values of git's configuration, which git takes from GIT_CONFIG_COUNT, GIT_CONFIG_KEY_<n> and
// GIT_CONFIG_VALUE_<n> (git-config(1)), that turn off what a repository could run.
var neutralGit = map[string][]string{
	"core.alternateRefsCommand": {"true", "false"},
	"core.fsmonitor":            {"false"},
	"core.hooksPath":            {"/dev/null"},
	"core.pager":                {"cat"},
	"core.sshCommand":           {"ssh -oBatchMode=yes"},
	"credential.helper":         {""},
	"diff.external":             {""},
	"fetch.recurseSubmodules":   {"false"},
	"format.pretty":             {"medium"},
	"gc.auto":                   {"0"},
	"gpg.program":               {"false"},
	"gpg.ssh.program":           {"false"},
	"gpg.x509.program":          {"false"},
	"log.showSignature":         {"false"},
	"maintenance.auto":          {"false"},
	"merge.verifySignatures":    {"false"},
	"pull.rebase":               {"false"},
	"safe.bareRepository":       {"explicit"},
	"status.submoduleSummary":   {"false"},
	"submodule.recurse":         {"false"},
}

// isNeutral tells whether a variable that a decision sets, among the others it sets, is one of these.
func isNeutral(set map[string]string, key string) bool {
	if values, ok := neutral[key]; ok {
		return slices.Contains(values, set[key])
	}
	if key == "GIT_CONFIG_COUNT" {
		n, err := strconv.Atoi(set[key])
		return err == nil && 0 <= n && n <= len(neutralGit)
	}
	index, isKey := strings.CutPrefix(key, "GIT_CONFIG_KEY_")
	if !isKey {
		if index, isKey = strings.CutPrefix(key, "GIT_CONFIG_VALUE_"); !isKey {
			return false
		}
	}
	value, paired := set["GIT_CONFIG_VALUE_"+index]
	return paired && slices.Contains(neutralGit[set["GIT_CONFIG_KEY_"+index]], value)
}
