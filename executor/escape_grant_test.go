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

// tryTurnedSecret has the protected path lead to another file than it did when the gateway was started, as secrets are exchanged that a
// container is given, and reads that file.
func (g *escapeGateway) tryTurnedSecret() error {
	if err := g.scene.turn("two"); err != nil {
		return err
	}
	return errors.Join(g.readBelowTop("turning/two/key"), g.scene.turn("one"))
}

// turn makes the link lead to a directory.
func (s *scene) turn(dir string) error {
	link := s.in("turning/new")
	return errors.Join(os.Symlink(dir, link), os.Rename(link, s.in("turning/now")))
}

// tryNewSecret makes a protected file that was not there before.
func (g *escapeGateway) tryNewSecret() error {
	path := g.scene.in("later/key")
	defer os.Remove(path)
	if err := os.WriteFile(path, []byte(fileText), 0o666); err != nil {
		return err
	}
	return g.readBelowTop("later/key")
}

// readBelowTop runs a job that reads a file, with everything in the scene listed.
func (g *escapeGateway) readBelowTop(name string) error {
	job, err := g.shell(fmt.Sprintf("read -r line <'%s'", g.scene.in(name)))
	if err != nil {
		return err
	}
	job.Filesystem.Read = []string{g.scene.Top}
	return g.refused(job)
}
