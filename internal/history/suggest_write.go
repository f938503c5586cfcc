package history

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/sidegate/sidegate/policy/authoring"
)

// grow makes the roles of each client; nil where something had to be taken out.
func (s *suggestion) grow() map[string][]authoring.Role {
	byClient := map[string][]*want{}
	for _, w := range s.live() {
		byClient[w.Newest.Principal.Client] = append(byClient[w.Newest.Principal.Client], w)
	}
	roles := map[string][]authoring.Role{}
	for client, wants := range byClient {
		name := s.Role
		if len(byClient) > 1 {
			name += "-" + client
		}
		if grown := s.growFor(name, wants); grown != nil {
			roles[client] = grown
		}
	}
	if len(roles) < len(byClient) {
		return nil
	}
	return roles
}

// growFor makes the roles of one client; nil where something had to be taken out.
func (s *suggestion) growFor(name string, wants []*want) []authoring.Role {
	if !roleName.MatchString(name) {
		for _, w := range wants {
			s.refuse(w, fmt.Sprintf("%q is no name of a role: ask for one client at a time, with --client", name))
		}
		return nil
	}
	var seen []authoring.Seen
	for _, w := range wants {
		seen = append(seen, w.seen()...)
	}
	roles, refused := authoring.Grow(name, seen, s.Generalize)
	for _, w := range wants {
		for _, c := range w.seen() {
			if why := refused[c.Name]; why != "" && !w.out {
				s.refuse(w, why)
			}
		}
		w.ask(&roles[0], s.Generalize)
	}
	if slices.ContainsFunc(wants, func(w *want) bool { return w.out }) {
		return nil
	}
	return roles
}

// ask adds to a role what the request needs beside its commands.
func (w *want) ask(role *authoring.Role, generalize bool) {
	in := w.before.Input.Request
	add := func(list []string, text string) []string {
		if slices.Contains(list, text) {
			return list
		}
		return slices.Sorted(slices.Values(append(list, text)))
	}
	if !w.standing.Workdir {
		role.Workdirs = add(role.Workdirs, in.Workdir)
	}
	for _, key := range w.standing.Env {
		if values := add(role.Env[key], in.Env[key]); len(values) <= authoring.MaxValues || !generalize {
			role.Env[key] = values
		} else {
			role.Env[key] = values[:authoring.MaxValues+1] // stands for any
		}
	}
	if c := in.Callback; c != nil && !w.standing.Callback {
		origin := fmt.Sprintf("%s://%s:%d", c.Scheme, c.Host, c.Port)
		role.Callbacks[origin] = add(role.Callbacks[origin], c.Path)
	}
}

// write puts the data of the roles into the directory.
func (s *suggestion) write(roles map[string][]authoring.Role) error {
	if err := empty(s.Dir); err != nil {
		return err
	}
	s.Files, s.Roles, s.Grants = []string{}, map[string][]string{}, 0
	for _, client := range slices.Sorted(maps.Keys(roles)) {
		for _, role := range roles[client] {
			about := []string{
				fmt.Sprintf("What client %s was seen to call, and nothing else. Made by sidegate policy suggest: read it before you use it.", client),
				"Paths may be read. A command that writes needs path: write, and a directory that is there, which no audit tells.",
			}
			if err := s.file(filepath.Join("sidegate", "roles", role.Name, "data.yaml"), role.YAML(about)); err != nil {
				return err
			}
			s.Roles[client] = append(s.Roles[client], role.Name)
			s.Grants += len(role.Commands)
		}
	}
	return nil
}

func (s *suggestion) file(name string, content []byte) error {
	at := filepath.Join(s.Dir, name)
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		return err
	}
	s.Files = append(s.Files, name)
	return os.WriteFile(at, content, 0o644)
}

// empty removes what is in a directory.
func empty(dir string) error {
	entries, err := os.ReadDir(dir)
	for _, entry := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, entry.Name())))
	}
	return err
}
