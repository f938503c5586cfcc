package main

import (
	"fmt"
	"os"
	"os/user"
	"strings"

	"github.com/sidegate/sidegate/internal/config"
	"github.com/sidegate/sidegate/internal/sidecar"
)

// sudoNotes tells what sudo would let the users do whom commands run as, and does not: every command of a sandbox runs with no_new_privs, with which
// setuid programs give nothing. Who comes from the Sidecar may have built on it.
func sudoNotes(c *config.Config) []string {
	var notes []string
	for i, name := range append([]string{c.Executor.User}, c.Executor.Allow.RunAs...) {
		u, err := user.Lookup(name)
		if name == "" || err != nil { // which is told elsewhere
			continue
		}
		key := "executor.user"
		if i > 0 {
			key = fmt.Sprintf("executor.allow.run_as[%d]", i-1)
		}
		rules, err := sidecar.SudoRules(os.DirFS("/"), name, groupNames(u))
		if len(rules) > 0 {
			lines := make([]string, len(rules))
			for i, r := range rules {
				lines[i] = fmt.Sprintf("\n%s:%d: %s", r.File, r.Line, r.Text)
			}
			notes = append(notes, fmt.Sprintf("%s: %s: sudo does nothing for commands here, because they run with no_new_privs and gain no privileges from any setuid program. "+
				"What these rules of sudoers let %s do needs another way: a user or a group that may do it, named in the policy's run_as and in executor.allow.run_as%s",
				c.Position(key), key, name, strings.Join(lines, "")))
		}
		if err != nil {
			notes = append(notes, fmt.Sprintf("%s: %s: whether sudo has rules for %s cannot be told (%v); sudo does nothing for commands here, so look there as root", c.Position(key), key, name, err))
		}
	}
	return notes
}

// groupNames are the groups of a user that have a name.
func groupNames(u *user.User) []string {
	ids, _ := u.GroupIds() // without them, fewer rules are found
	var names []string
	for _, id := range ids {
		if g, err := user.LookupGroupId(id); err == nil {
			names = append(names, g.Name)
		}
	}
	return names
}
