package replay

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/podbeat/podbeat/beat/deadletter"
	"github.com/podbeat/podbeat/cli"
)

// A replay is one call of the command.
type replay struct {
	options
	sender   *sender
	progress *cli.Progress
	warn     func(format string, args ...any)

	refusedTo *os.File // nil until something is refused
	total     tally
	done      int64 // lines behind us, of all files
	lines     int64 // of all files
	started   time.Time
}

// A tally counts letters.
type tally struct {
	delivered, duplicates, refused, dropped int
	filtered, unreadable, beyond            int // not sent: the filters leave them out; they are no letters; --limit is reached
	firstUnreadable                         string
}

func (t *tally) sent() int { return t.delivered + t.duplicates + t.refused + t.dropped }

// maxBytes bounds a batch, in bytes of its lines.
const maxBytes = 8 << 20

// one sends the letters of a file. With --remove what has left it for good is taken out of it, also when the rest could not be sent.
func (r *replay) one(ctx context.Context, f *file) error {
	gone := map[int]bool{}
	err := r.letters(ctx, f, gone)
	if r.remove && len(gone) > 0 {
		if e := f.remove(func(line int) bool { return gone[line] }); err == nil {
			err = e
		} else if e != nil {
			r.warn("%v", e)
		}
	}
	return err
}

// letters sends them in batches in which no id is twice, and notes in gone which lines are settled.
func (r *replay) letters(ctx context.Context, f *file, gone map[int]bool) (failed error) {
	var letters []*letter
	ids, bytes, line, before := map[string]bool{}, 0, 0, r.done
	flush := func() error {
		if len(letters) == 0 {
			return nil
		}
		err := r.batch(ctx, letters, gone)
		if err != nil {
			r.done = before + int64(letters[0].line) - 1
		} else if err = r.pace(ctx); err != nil {
			r.done = before + int64(letters[len(letters)-1].line)
		}
		letters, bytes = nil, 0
		clear(ids)
		return err
	}
	most := r.sender.size()
	if r.rate > 0 {
		most = max(1, min(most, r.rate))
	}
	err := f.lines(func(text []byte) bool {
		line++
		r.done++
		l := r.want(f, line, text)
		if l == nil {
			return true
		}
		id := l.event.Meta["_id"].(string)
		if ids[id] || len(letters) >= most || bytes+len(text) > maxBytes {
			if failed = flush(); failed != nil {
				return false
			}
		}
		if r.limit > 0 && r.total.sent()+len(letters) >= r.limit {
			r.total.beyond++
			return true
		}
		letters, bytes = append(letters, l), bytes+len(text)
		ids[id] = true
		return true
	})
	if failed == nil {
		failed = flush()
	}
	if failed == nil {
		failed = err
	}
	return failed
}

// want returns the letter of a line, nil if it is not to be sent.
func (r *replay) want(f *file, line int, text []byte) *letter {
	l, err := (*letter)(nil), errLong
	if text != nil {
		l, err = parse(text)
	}
	if err != nil {
		if r.total.unreadable++; r.total.firstUnreadable == "" {
			r.total.firstUnreadable = fmt.Sprintf("%s:%d: %v", f.path, line, err)
		}
		return nil
	}
	if !r.asksFor(l) {
		r.total.filtered++
		return nil
	}
	l.line = line
	return l
}

var errLong = fmt.Errorf("it is longer than %s", cli.Bytes(maxLine))

// batch sends letters and puts what is refused again on disk, beside the files.
func (r *replay) batch(ctx context.Context, letters []*letter, gone map[int]bool) error {
	if ctx.Err() != nil {
		return errInterrupted
	}
	err := r.sender.send(ctx, letters)
	r.say()
	if err != nil {
		return err
	}
	why, err := r.sender.refused()
	if err != nil {
		return err
	}
	duplicates, dropped := r.sender.take()
	refused, err := r.putAside(letters, why)
	if err != nil {
		return err
	}
	r.total.refused += refused
	r.total.duplicates += duplicates
	r.total.dropped += dropped
	r.total.delivered += len(letters) - refused - duplicates - dropped
	if dropped == 0 { // else nobody knows which
		for _, l := range letters {
			gone[l.line] = true
		}
	}
	r.progress.Step("replay", r.done, r.lines)
	return nil
}

func (r *replay) putAside(letters []*letter, why map[string]json.RawMessage) (n int, err error) {
	var lines []byte
	for _, l := range letters {
		reason, ok := why[l.event.Meta["_id"].(string)]
		if !ok {
			continue
		}
		line, err := l.again(reason)
		if err != nil {
			return 0, err
		}
		lines = append(lines, line...)
		n++
	}
	if n == 0 {
		return 0, nil
	}
	if r.refusedTo == nil {
		if r.refusedTo, err = r.create(); err != nil {
			return 0, err
		}
	}
	if _, err = r.refusedTo.Write(lines); err == nil {
		err = r.refusedTo.Sync()
	}
	if err != nil {
		return 0, fmt.Errorf("cannot write what is refused again (nothing has been removed): %w", err)
	}
	return n, nil
}

// create makes the file of what is refused again, beside the first file.
func (r *replay) create() (*os.File, error) {
	dir, now := filepath.Dir(r.files[0].path), r.started.UTC().Format("20060102T150405Z")
	for n := 1; ; n++ {
		name := filepath.Join(dir, "dead-letter-"+now+".ndjson")
		if n > 1 {
			name = filepath.Join(dir, fmt.Sprintf("dead-letter-%s-%d.ndjson", now, n))
		}
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if os.IsExist(err) && n < 100 {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("cannot make the file of what is refused again: %w", err)
		}
		info, err := r.files[0].Stat()
		if err == nil {
			err = keepOwner(f, info)
		}
		if err == nil {
			err = deadletter.SyncDir(dir)
		}
		return f, err
	}
}

// pace waits as long as --rate wants.
func (r *replay) pace(ctx context.Context) error {
	if r.rate <= 0 {
		return nil
	}
	due := r.started.Add(time.Duration(float64(r.total.sent()) / float64(r.rate) * float64(time.Second)))
	select {
	case <-ctx.Done():
		return errInterrupted
	case <-time.After(time.Until(due)):
		return nil
	}
}

// report says how far it got.
func (r *replay) report(w io.Writer) {
	t := &r.total
	fmt.Fprintf(w, "%d sent: %d delivered, %d there already, %d refused again", t.sent(), t.delivered, t.duplicates, t.refused)
	if t.dropped > 0 {
		fmt.Fprintf(w, ", %d dropped by the output", t.dropped)
	}
	fmt.Fprintf(w, "\n%d not sent: %d left out by the filters, %d unreadable, %d beyond --limit\n", t.filtered+t.unreadable+t.beyond, t.filtered, t.unreadable, t.beyond)
	if t.firstUnreadable != "" {
		fmt.Fprintf(w, "unreadable: %s\n", cli.Printable(t.firstUnreadable))
	}
	if r.refusedTo != nil {
		fmt.Fprintf(w, "refused again: %s\n", cli.Printable(r.refusedTo.Name()))
	}
}
