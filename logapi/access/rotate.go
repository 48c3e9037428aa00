package access

import (
	"context"
	"log/slog"
	"time"

	"github.com/podbeat/podbeat/token"
)

// RotateKeys puts a new key into the file of keys at path every so often, until ctx ends; the others it keeps as r says. It goes by
// the age of the youngest key in the file: several processes may do so with one file, and one that starts anew does not begin to count again.
// Where there is no file, token.RotateEvery makes it before it is opened.
func RotateKeys(ctx context.Context, path string, every time.Duration, r token.Rotation, log *slog.Logger) {
	for {
		now := time.Now()
		next, err := token.RotateEvery(path, every, r, now)
		if err != nil {
			log.Error("cannot rotate keys", "error", err)
		}
		// Looking again meets clocks that are set, and keys that others make.
		wait := min(max(next.Sub(now), time.Second), 10*time.Minute)
		if err != nil {
			wait = time.Minute
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
	}
}
