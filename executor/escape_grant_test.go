package executor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Decisions that grant what none can. Such a job is refused.

// grant runs a job that reads the secret, with that in its lists.
func grant(list func(*Filesystem, *scene)) func(*escapeGateway) error {
	return func(g *escapeGateway) error {
		job, err := g.shell(fmt.Sprintf("read -r line <'%s'", g.scene.Secret))
		if err != nil {
			return err
		}
		list(job.Filesystem, &g.scene)
		return g.refused(job)
	}
}

// refused runs a job, and returns nil if it could do what it was made for.
func (g *escapeGateway) refused(job Job) error {
	res, err := g.run(job)
	for _, reason := range []error{ErrProtected, ErrForeignLink} {
		if errors.Is(err, reason) {
			return reason
		}
	}
	if err == nil && res.ExitCode != 0 {
		err = fmt.Errorf("exit code %d", res.ExitCode)
	}
	return err
}

// tryForeignLink lists a root that the command's user can replace, and has replaced.
func (g *escapeGateway) tryForeignLink() error {
	id, err := g.runner.identityOf(g.user())
	if err != nil {
		return err
	}
	dir := g.scene.in("foreign-directory")
	defer os.RemoveAll(dir)
	link := filepath.Join(dir, "root")
	uid, gid := int(id.uid), int(id.gid)
	if err := errors.Join(os.Mkdir(dir, 0o755), os.Symlink(g.scene.Outside, link), os.Lchown(link, uid, gid), os.Chown(dir, uid, gid)); err != nil {
		return err
	}
	job, err := g.shell(fmt.Sprintf("read -r line <'%s/file'", link))
	if err != nil {
		return err
	}
	job.Filesystem.Read = []string{link}
	return g.refused(job)
}
