package journal

import (
	"context"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// A watcher has inotify wake Wait. Without it Wait polls: what inotify tells is only that it is worth to look.
type watcher struct {
	file  *os.File
	fd    int // file's; asking file for it would make it block
	tried bool
	buf   [16 << 10]byte
}

// start begins watching; true the first time.
func (w *watcher) start(not bool) bool {
	if w.tried {
		return false
	}
	w.tried = true
	if not {
		return true
	}
	if fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK); err == nil {
		w.file, w.fd = os.NewFile(uintptr(fd), "inotify"), fd
	}
	return true
}

// add watches directories, also those that are watched already.
func (w *watcher) add(dirs map[string]time.Time) {
	if w.file == nil {
		return
	}
	const mask = unix.IN_CREATE | unix.IN_MOVED_TO | unix.IN_MOVED_FROM | unix.IN_DELETE | unix.IN_DELETE_SELF | unix.IN_MODIFY |
		unix.IN_ATTRIB | unix.IN_ONLYDIR
	for dir := range dirs {
		// What cannot be watched is polled.
		_, _ = unix.InotifyAddWatch(w.fd, dir, mask)
	}
}

// wait waits for a while, or until something happens. It says whether names may have changed.
func (w *watcher) wait(ctx context.Context, long time.Duration) bool {
	if w.file == nil {
		pause(ctx, long)
		return false
	}
	_ = w.file.SetReadDeadline(time.Now().Add(long))
	stop := context.AfterFunc(ctx, func() { _ = w.file.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	n, err := w.file.Read(w.buf[:])
	if err != nil && !os.IsTimeout(err) {
		pause(ctx, long)
	}
	for b := w.buf[:max(n, 0)]; len(b) >= unix.SizeofInotifyEvent; {
		if le.Uint32(b[4:])&^unix.IN_MODIFY != 0 {
			return true
		}
		b = b[min(len(b), unix.SizeofInotifyEvent+int(le.Uint32(b[12:]))):]
	}
	return false
}

func (w *watcher) close() error {
	if w.file == nil {
		return nil
	}
	return w.file.Close()
}
