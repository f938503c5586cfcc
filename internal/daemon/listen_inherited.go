package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sidegate/sidegate/internal/config"
	"github.com/sidegate/sidegate/internal/systemd"
)

// The names that a socket's unit may give it (FileDescriptorName=) to say what it is for. A socket with any other name is known by its address alone.
const (
	namedCallers = "listen"
	namedAdmin   = "admin"
)

// matchSockets finds the address of the configuration that each passed socket is for. What is passed and stands nowhere in the configuration is an error: somebody
// would be let in, or left waiting, whom the configuration does not know.
func matchSockets(c *config.Config, sockets []systemd.Socket) (map[string]net.Listener, error) {
	matched := make(map[string]net.Listener, len(sockets))
	var errs []error
	for _, s := range sockets {
		address, err := addressOf(c, s)
		if err == nil && matched[address] != nil {
			err = fmt.Errorf("is the second one for %s", address)
		}
		if err == nil {
			err = checkAccess(c, address)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("the socket %s (%s) that the service manager has passed %w", s.Addr(), s.Name, err))
			continue
		}
		matched[address] = s.Listener
	}
	return matched, errors.Join(errs...)
}

func addressOf(c *config.Config, s systemd.Socket) (string, error) {
	i := slices.IndexFunc(c.Listen, func(a string) bool { return isAt(s.Addr(), a) })
	admin := c.AdminListen != "" && isAt(s.Addr(), c.AdminListen)
	switch {
	case i >= 0 && s.Name == namedAdmin:
		return "", fmt.Errorf("is named %s, and its address is in listen; name it %s, or put the address into admin_listen", namedAdmin, namedCallers)
	case admin && s.Name == namedCallers:
		return "", fmt.Errorf("is named %s, and its address is admin_listen; name it %s, or put the address into listen", namedCallers, namedAdmin)
	case i >= 0:
		return c.Listen[i], nil
	case admin:
		return c.AdminListen, nil
	}
	return "", errors.New("is at an address that is neither in listen nor in admin_listen; put it there, or take the ListenStream= out of the socket unit")
}

// isAt tells whether a socket is the one of an address in the configuration.
func isAt(a net.Addr, address string) bool {
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		at, ok := a.(*net.UnixAddr)
		return ok && withoutLinks(at.Name) == withoutLinks(path)
	}
	at, ok := a.(*net.TCPAddr)
	if !ok {
		return false
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil || port != fmt.Sprint(at.Port) {
		return false
	}
	names := []string{host}
	if _, err := netip.ParseAddr(host); err != nil {
		if names, err = net.LookupHost(host); err != nil {
			return false
		}
	}
	return slices.ContainsFunc(names, func(n string) bool {
		ip, err := netip.ParseAddr(n)
		return err == nil && ip.Unmap() == at.AddrPort().Addr().Unmap()
	})
}

// withoutLinks is the path of a socket whose directory may be reached through links, as /var/run is.
func withoutLinks(path string) string {
	if dir, err := filepath.EvalSymlinks(filepath.Dir(path)); err == nil {
		return filepath.Join(dir, filepath.Base(path))
	}
	return filepath.Clean(path)
}

// checkAccess holds that a Unix socket that somebody else has made lets in nobody whom the configuration keeps out.
func checkAccess(c *config.Config, address string) error {
	path, ok := strings.CutPrefix(address, "unix:")
	if !ok {
		return nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("was at %s, and something else is there now", path)
	}
	if more := info.Mode().Perm() &^ c.SocketMode & 0o022; more != 0 {
		return fmt.Errorf("has the mode %04o, and socket_mode is %04o: set SocketMode=%04o in its unit, or socket_mode to what is meant", info.Mode().Perm(), c.SocketMode, c.SocketMode)
	}
	if c.SocketGroup == "" {
		return nil
	}
	gid, err := groupID(c.SocketGroup)
	if err != nil {
		return err
	}
	if _, has := ownerOf(info); int(has) != gid {
		return fmt.Errorf("belongs to the group %d, and socket_group is %s: set SocketGroup=%s in its unit", has, c.SocketGroup, c.SocketGroup)
	}
	return nil
}
