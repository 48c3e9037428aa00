package store

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
)

// TestEverythingAtOnce does all that a store can do from many goroutines: nothing waits for ever, and the only errors are those of indices that
// are gone or closed.
func TestEverythingAtOnce(t *testing.T) {
	s := create(t)
	s.most = 200000
	backups := t.TempDir()
	var g sync.WaitGroup
	for w := range 6 {
		g.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 1))
			for n := range 60 {
				name := fmt.Sprint("x", r.IntN(3))
				var err error
				switch k := r.IntN(20); {
				case k < 8:
					ops := make([]Op, 200)
					for i := range ops {
						ops[i] = put(OpKind(r.IntN(3)), fmt.Sprint("d", r.IntN(2000)), i)
					}
					_, err = s.Bulk(ctx, name, ops)
				case k < 11:
					var v *View
					if v, err = s.View(name); err == nil {
						contents(t, v)
						v.Release()
					}
				case k < 13:
					err = s.Create(ctx, name)
				case k == 13:
					err = s.Delete(ctx, name)
				case k == 14:
					err = s.Compact(ctx, name)
				case k == 15:
					_, err = s.List()
				case k == 16:
					err = s.Flush(name)
				case k == 17:
					err = s.SetClosed(ctx, name, r.IntN(3) == 0)
				case k == 18:
					err = s.SetMeta(ctx, Meta{Index: name, Key: "mapping", Value: []byte("{}")})
				default:
					var report Report
					if report, err = s.Verify(ctx, name); len(report.Problems) > 0 {
						t.Error(report)
					}
					err = errors.Join(err, s.Backup(ctx, filepath.Join(backups, fmt.Sprint(w, n))))
				}
				if err != nil && !errors.Is(err, ErrNoIndex) && !errors.Is(err, ErrClosed) && !errors.Is(err, ErrExists) {
					t.Error(err)
				}
			}
		})
	}
	g.Wait()
	s = again(t, s)
	for _, name := range s.Names() {
		if err := s.SetClosed(ctx, name, false); err != nil {
			t.Error(err)
		}
		if r, err := s.Verify(ctx, name); err != nil || len(r.Problems) > 0 {
			t.Error(r, err)
		}
	}
}
