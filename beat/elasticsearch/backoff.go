package elasticsearch

import (
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

// A backoff is the wait of one client. It outlives its connections: only progress resets it.
type backoff struct {
	init, max time.Duration
	step      time.Duration // of the latest wait, 0 after a reset
}

// next returns how long to wait: twice the step before up to max, half of it random.
func (b *backoff) next() time.Duration {
	if b.step == 0 {
		b.step = b.init
	} else {
		b.step = min(2*b.step, b.max)
	}
	return b.step/2 + rand.N(b.step/2+1)
}

func (b *backoff) reset() { b.step = 0 }

// longestRetryAfter bounds what a server may ask for.
const longestRetryAfter = 5 * time.Minute

// retryAfter reads the header of that name, in seconds or as a date; 0 if there is none.
func retryAfter(h http.Header, now time.Time) time.Duration {
	v := h.Get("Retry-After")
	d := time.Duration(0)
	if n, err := strconv.ParseInt(v, 10, 32); err == nil {
		d = time.Duration(n) * time.Second
	} else if at, err := http.ParseTime(v); err == nil {
		d = at.Sub(now)
	}
	return min(max(d, 0), longestRetryAfter)
}
