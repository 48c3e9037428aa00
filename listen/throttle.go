package listen

import (
	"sync"
	"time"
)

// A Throttle lets ten things pass each second: what anybody can cause must not fill the log. The zero value is
// ready; it may be used by several goroutines.
type Throttle struct {
	mu     sync.Mutex
	second int64
	passed int
}

// Allow says whether one more may pass now.
func (t *Throttle) Allow(now time.Time) bool {
	const most = 10
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := now.Unix(); s != t.second {
		t.second, t.passed = s, 0
	}
	t.passed++
	return t.passed <= most
}
