package policy

import (
	"encoding/binary"
	"slices"
)

// cacheKey is an Input without what is in changing, written so that two keys
// are equal exactly if a policy sees the same in all the rest. Everything has
// its length in front or a length of its own, so nothing can be moved from one
// field to the next. Keys never leave the process.
type cacheKey struct {
	bytes []byte
	names []string // for sorting
}

// of writes the key of in, in place of what was there.
func (k *cacheKey) of(in *Input) []byte {
	k.bytes = k.bytes[:0]
	k.int(int64(in.Version))
	k.text(in.Phase)
	k.client(&in.Client)
	k.request(&in.Request)
	k.shell(&in.Shell)
	k.text(in.Host.Name)
	k.texts(in.Host.Labels)
	k.flags(in.Host.Sandbox)
	return k.bytes
}

func (k *cacheKey) client(c *Client) {
	k.text(c.Name)
	k.text(c.Scheme)
	k.text(c.KeyID)
	k.list(c.Roles)
	k.texts(c.Labels)
}

// request leaves out ID and Time: see changing.
func (k *cacheKey) request(r *Request) {
	k.text(r.SourceIP)
	k.text(r.Command)
	if k.flag(r.Argv != nil) {
		k.list(r.Argv)
	}
	k.text(r.Workdir)
	k.texts(r.Env)
	k.list(r.EnvDangerous)
	if k.flag(r.Stdin != nil) {
		k.int(r.Stdin.Size)
		k.text(r.Stdin.SHA256)
		k.optional(r.Stdin.Text)
	}
	if c := r.Callback; k.flag(c != nil) {
		k.text(c.Scheme)
		k.text(c.Host)
		k.int(int64(c.Port))
		k.text(c.Path)
		k.text(c.Query)
	}
	k.flag(r.Wait)
	k.int(r.TimeoutMS)
	k.texts(r.Labels)
	k.list(r.ChangedBy)
}

func (k *cacheKey) shell(s *Shell) {
	k.text(s.Class)
	k.optional(s.ParseError)
	k.list(s.CharsetViolations)
	k.flag(s.Truncated)
	k.flag(s.AllStatic)
	k.flags(s.Features)
	k.int(int64(len(s.Commands)))
	for i := range s.Commands {
		k.command(&s.Commands[i])
	}
}

func (k *cacheKey) command(c *Command) {
	k.int(int64(c.ID))
	k.int(int64(c.Parent))
	k.text(c.Kind)
	k.text(c.Name)
	k.flag(c.NameStatic)
	k.text(c.PathKind)
	k.optional(c.ResolvedPath)
	k.flag(c.Builtin)
	k.int(int64(len(c.Argv)))
	for _, word := range c.Argv {
		k.optional(word)
	}
	k.int(int64(len(c.Args)))
	for i := range c.Args {
		k.word(&c.Args[i])
	}
	k.flag(c.ArgsStatic)
	k.int(int64(len(c.Redirects)))
	for i := range c.Redirects {
		r := &c.Redirects[i]
		k.text(r.Op)
		k.text(r.Mode)
		k.text(r.FD)
		k.word(&r.Target)
		k.optional(r.Path)
		k.flag(r.Net)
	}
	k.int(int64(len(c.Assignments)))
	for i := range c.Assignments {
		a := &c.Assignments[i]
		k.text(a.Name)
		k.word(&a.Value)
		k.text(a.Scope)
		k.flag(a.Dangerous)
	}
	k.list(c.Context)
	k.int(int64(c.Depth))
	k.list(c.Via)
	k.optional(c.Opaque)
	k.list(c.Tags)
}

func (k *cacheKey) word(w *Word) {
	k.optional(w.Value)
	k.flag(w.Static)
	k.text(w.Raw)
	k.list(w.Dynamic)
}

func (k *cacheKey) int(n int64) { k.bytes = binary.AppendVarint(k.bytes, n) }

func (k *cacheKey) text(s string) {
	k.int(int64(len(s)))
	k.bytes = append(k.bytes, s...)
}

// flag returns what it writes.
func (k *cacheKey) flag(b bool) bool {
	var n byte
	if b {
		n = 1
	}
	k.bytes = append(k.bytes, n)
	return b
}

func (k *cacheKey) optional(s *string) {
	if k.flag(s != nil) {
		k.text(*s)
	}
}

func (k *cacheKey) list(l []string) {
	k.int(int64(len(l)))
	for _, s := range l {
		k.text(s)
	}
}

func (k *cacheKey) texts(m map[string]string) {
	for _, name := range sorted(k, m) {
		k.text(name)
		k.text(m[name])
	}
}

func (k *cacheKey) flags(m map[string]bool) {
	for _, name := range sorted(k, m) {
		k.text(name)
		k.flag(m[name])
	}
}

// sorted writes how many keys a map has, and returns them in order.
func sorted[V any](k *cacheKey, m map[string]V) []string {
	k.int(int64(len(m)))
	k.names = k.names[:0]
	for name := range m {
		k.names = append(k.names, name)
	}
	slices.Sort(k.names)
	return k.names
}
