package tap

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// maxName is the longest name that a socket's address has room for. Longer ones are given by a descriptor of their directory.
const maxName = 107

// short returns a name for path that an address has room for; release is to be called once the name has been used.
func short(path string) (name string, release func(), err error) {
	if len(path) <= maxName {
		return path, func() {}, nil
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return "", nil, err
	}
	return fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path)), func() { dir.Close() }, nil
}

// dial connects to the socket at path.
func dial(path string) (net.Conn, error) {
	name, release, err := short(path)
	if err != nil {
		return nil, err
	}
	defer release()
	return (&net.Dialer{Timeout: 5 * time.Second}).Dial("unix", name)
}

// A socket is one that this process has made.
type socket struct {
	*net.UnixListener
	path string
}

// listenAt makes the socket at path, which only its owner may open. One that a killed process has left is replaced; one behind
// which somebody answers is not, and neither is anything else of that name.
func listenAt(path string) (*socket, error) {
	if err := clear(path); err != nil {
		return nil, err
	}
	name, release, err := short(path)
	if err != nil {
		return nil, fmt.Errorf("cannot make socket %s: %w", path, err)
	}
	defer release()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: name, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("cannot make socket %s: %w", path, err)
	}
	l.SetUnlinkOnClose(false)                     // by the short name
	if err := os.Chmod(path, 0o600); err != nil { // until here libbeat's umask keeps others out
		l.Close()
		return nil, fmt.Errorf("cannot keep others out of socket %s: %w", path, err)
	}
	return &socket{l, path}, nil
}

// clear removes the socket that a killed process has left at path.
func clear(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("cannot make socket %s: %w", path, err)
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("cannot make socket %s: there is something else of that name: move it away", path)
	}
	c, err := dial(path)
	if err == nil {
		c.Close()
		return fmt.Errorf("cannot make socket %s: another process answers there already", path)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("cannot replace socket %s, behind which another process may be: %w", path, err)
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("cannot replace socket %s, which a killed process has left: %w", path, err)
	}
	return nil
}

// Close closes the socket and removes it.
func (s *socket) Close() error { return errors.Join(s.UnixListener.Close(), os.Remove(s.path)) }
