//go:build !linux

package journal

import (
	"context"
	"time"
)

// A watcher is what polls where there is no inotify.
type watcher struct{ tried bool }

func (w *watcher) start(bool) bool {
	first := !w.tried
	w.tried = true
	return first
}

func (w *watcher) add(map[string]time.Time) {}

func (w *watcher) wait(ctx context.Context, long time.Duration) bool {
	pause(ctx, long)
	return false
}

func (w *watcher) close() error { return nil }
