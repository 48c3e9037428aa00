package access

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/podbeat/podbeat/token"
)

// lines collects a log, which several write.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func TestRotateKeys(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	old := time.Now().Add(-25 * time.Hour)
	write(t, path, fmt.Sprintf(`{"keys":[{"kty":"oct","kid":"a","k":%q,"iat":%d}]}`, encode([]byte(secret)), old.Unix()))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var log lines
	var wait sync.WaitGroup
	for range 3 { // as many processes would
		wait.Go(func() {
			RotateKeys(ctx, path, 24*time.Hour, token.Rotation{Delay: time.Minute, Keep: time.Hour}, slog.New(slog.NewTextHandler(&log, nil)))
		})
	}
	var keys []token.Key
	for len(keys) < 2 {
		k, err := token.OpenKeys(path)
		if err != nil {
			t.Fatal(err)
		}
		keys = k.List()
	}
	cancel()
	wait.Wait()
	if k, _ := token.OpenKeys(path); len(k.List()) != 2 {
		t.Errorf("got %v", k.List())
	}
	if !keys[0].From.After(time.Now()) || keys[0].ID == "a" || keys[1].ID != "a" || time.Until(keys[1].Until) < time.Hour {
		t.Errorf("got %v", keys)
	}
	if log.String() != "" {
		t.Errorf("got log %s", &log)
	}
}

func TestRotateKeysSaysWhy(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	write(t, path, "{}")
	ctx, cancel := context.WithCancel(context.Background())
	var log lines
	var wait sync.WaitGroup
	wait.Go(func() { RotateKeys(ctx, path, time.Hour, token.Rotation{}, slog.New(slog.NewTextHandler(&log, nil))) })
	for !strings.Contains(log.String(), "cannot rotate keys") {
		time.Sleep(time.Millisecond)
	}
	cancel()
	wait.Wait()
}
