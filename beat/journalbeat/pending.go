package journalbeat

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
)

// A Pending is an event that journalbeat has read and has not seen acknowledged.
type Pending struct {
	Cursor   string // of the journal entry it was made from
	SeqnumID string // the cursor's chain of sequence numbers, 32 hexadecimal digits
	Seqnum   uint64 // the cursor's number in that chain
	Realtime uint64 // the cursor's time, microseconds since 1970 UTC
	// The event as journalbeat would have sent it, "@timestamp" and "type" among the fields. Whole
	// numbers are int64, or uint64 beyond its range, all others float64.
	Fields map[string]any
}

// maxPending is the largest pending queue that is read; in memory it takes about three times that.
var maxPending int64 = 128 << 20

// ReadPending reads the file that mheese's journalbeat calls pending_queue.file, a JSON object of
// events by cursor. It returns them in the journal's order, which the file has lost: chain by
// chain, the chains by their first time, by sequence number within.
//
// An entry that cannot be read, for a torn or damaged file or a key that is no cursor, costs that
// entry alone: the error then names each, and the file still has them. With an error, a nil
// slice says that nothing was read and the file must not be retired; any other, even an empty
// one, that it was read as far as it can be. A file that does not exist wraps fs.ErrNotExist.
func ReadPending(path string) ([]Pending, error) {
	data, err := readFile(path, maxPending)
	if err != nil {
		return nil, fmt.Errorf("cannot read pending queue %q: %w", path, err)
	}
	pending, err := parsePending(data)
	if err != nil {
		return pending, fmt.Errorf("cannot read all of pending queue %q: %w", path, err)
	}
	return pending, nil
}

// parsePending never returns a nil slice.
func parsePending(data []byte) ([]Pending, error) {
	q := queue{events: map[string]Pending{}}
	q.read(data)
	if q.bad == 0 && !json.Valid(data) { // read calmly passes over a missing comma
		q.fail("the file is no JSON")
	}
	pending := make([]Pending, 0, len(q.events))
	for _, p := range q.events {
		pending = append(pending, p)
	}
	sortPending(pending)
	if more := q.bad - len(q.errs); more > 0 {
		q.errs = append(q.errs, fmt.Errorf("and %d more", more))
	}
	return pending, errors.Join(q.errs...)
}

// sortPending sorts by chain and number. Chains have no order among themselves but that of time.
func sortPending(pending []Pending) {
	first := map[string]uint64{}
	for _, p := range pending {
		if t, ok := first[p.SeqnumID]; !ok || p.Realtime < t {
			first[p.SeqnumID] = p.Realtime
		}
	}
	slices.SortFunc(pending, func(a, b Pending) int {
		return cmp.Or(
			cmp.Compare(first[a.SeqnumID], first[b.SeqnumID]),
			cmp.Compare(a.SeqnumID, b.SeqnumID),
			cmp.Compare(a.Seqnum, b.Seqnum),
			cmp.Compare(a.Realtime, b.Realtime),
			cmp.Compare(a.Cursor, b.Cursor))
	})
}

// queue is what has been read of a pending queue.
type queue struct {
	events map[string]Pending // by cursor: as in journalbeat's own map, the last of two counts
	errs   []error            // the first of them
	bad    int                // all of them
}

// maxErrors bounds the log line that names unreadable entries.
const maxErrors = 50

func (q *queue) fail(format string, args ...any) {
	if q.bad++; len(q.errs) < maxErrors {
		q.errs = append(q.errs, fmt.Errorf(format, args...))
	}
}

// entryKey is where an entry starts. Within JSON's strings, where log messages are, the quotes
// would have backslashes before them, so nothing logged can look like it.
var entryKey = regexp.MustCompile(`^"` + cursorForm + `"[ \t\r\n]{0,100}:`)

// nextKey returns where the first entryKey at or after from begins and ends: at the end of data if
// there is none.
func nextKey(data []byte, from int) (start, end int) {
	for ; ; from++ {
		i := bytes.Index(data[from:], []byte(`"s=`)) // far faster than the expression
		if i < 0 {
			return len(data), len(data)
		}
		from += i
		if key := entryKey.FindIndex(data[from:min(len(data), from+300)]); key != nil {
			return from, from + key[1]
		}
	}
}

// read splits the file before each key that is a cursor, so that damage does not spread from one
// entry to the next.
func (q *queue) read(data []byte) {
	if len(bytes.TrimSpace(data)) == 0 {
		q.fail("the file is empty")
		return
	}
	at, from := nextKey(data, 0)
	head := bytes.TrimLeft(data[:at], " \t\r\n")
	if rest, ok := bytes.CutPrefix(head, []byte("{")); ok {
		q.rest(rest, at-len(rest), at == len(data))
	} else {
		q.fail("%d bytes at its beginning: %s is no JSON object", at, quote(string(head)))
	}
	for at < len(data) {
		next, nextFrom := nextKey(data, from)
		cursor := string(data[at+1 : bytes.LastIndexByte(data[:from], '"')])
		if size, ok := q.entry(cursor, data[from:next], at); ok {
			q.rest(data[from+size:next], from+size, next == len(data))
		}
		at, from = next, nextFrom
	}
}

// entry reads the entry of a key, which is at byte at; text begins with its value. It returns how
// many bytes that takes, or false when this cannot be told.
func (q *queue) entry(key string, text []byte, at int) (size int, ok bool) {
	raw, size, err := value(text)
	if err != nil {
		q.fail("entry %s at byte %d: %w", quote(key), at, err)
		return 0, false
	}
	p := Pending{Cursor: key}
	if p.SeqnumID, p.Seqnum, p.Realtime, ok = parseCursor(key); !ok {
		q.fail("entry %s at byte %d: the key is no journal cursor", quote(key), at)
	} else if p.Fields, err = fields(raw); err != nil {
		q.fail("entry %s at byte %d: %w", quote(key), at, err)
	} else {
		q.events[key] = p
	}
	return size, true
}

// rest reads what follows an entry up to the next key that entryKey finds: a comma, other
// entries, or at last the end of the object.
func (q *queue) rest(text []byte, at int, last bool) {
	for {
		left := bytes.TrimLeft(text, " \t\r\n,")
		at += len(text) - len(left)
		if len(left) == 0 {
			if last {
				q.fail("at byte %d: the file ends before its object does", at)
			}
			return
		}
		if last && left[0] == '}' && len(bytes.TrimSpace(left[1:])) == 0 {
			return
		}
		var key string
		raw, size, err := value(left)
		if err == nil {
			err = json.Unmarshal(raw, &key)
		}
		after, ok := bytes.CutPrefix(bytes.TrimLeft(left[size:], " \t\r\n"), []byte(":"))
		if err != nil || !ok {
			q.fail("%d bytes at byte %d: %s is no entry", len(left), at, quote(string(left)))
			return
		}
		if size, ok = q.entry(key, after, at); !ok {
			return
		}
		at += len(left) - len(after) + size
		text = after[size:]
	}
}

// value returns the JSON value at the beginning of text and how many bytes it takes.
func value(text []byte) (raw json.RawMessage, size int, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	if err := d.Decode(&raw); err != nil {
		return nil, 0, fmt.Errorf("%w in %s", err, quote(string(text)))
	}
	return raw, int(d.InputOffset()), nil
}

// fields reads an event.
func fields(raw json.RawMessage) (map[string]any, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var m map[string]any
	if err := d.Decode(&m); err != nil {
		return nil, err
	}
	if m == nil {
		return nil, errors.New("it is null instead of an event")
	}
	return exact(m).(map[string]any), nil
}

// exact turns JSON's numbers into Go's, so that none loses a digit that it could keep.
func exact(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			v[k] = exact(e)
		}
	case []any:
		for i, e := range v {
			v[i] = exact(e)
		}
	case json.Number:
		if n, err := strconv.ParseInt(v.String(), 10, 64); err == nil {
			return n
		}
		if n, err := strconv.ParseUint(v.String(), 10, 64); err == nil {
			return n
		}
		if f, err := v.Float64(); err == nil {
			return f
		}
		return v.String() // 1e999
	}
	return v
}

// Retire renames path to path.done, or to path.done.2 and so on when there is one already, and
// returns once the folder is on disk. The free name is looked for first: path must have no other
// user.
func Retire(path string) error {
	done := path + ".done"
	for n := 2; ; n++ {
		_, err := os.Lstat(done)
		if errors.Is(err, fs.ErrNotExist) {
			break
		}
		if err != nil {
			return fmt.Errorf("cannot put %q aside: %w", path, err)
		}
		done = path + ".done." + strconv.Itoa(n)
	}
	if err := os.Rename(path, done); err != nil {
		return fmt.Errorf("cannot put %q aside: %w", path, err)
	}
	folder, err := os.Open(filepath.Dir(path))
	if err == nil {
		err = errors.Join(folder.Sync(), folder.Close())
	}
	if err != nil {
		return fmt.Errorf("cannot sync the folder of %q after renaming it: %w", path, err)
	}
	return nil
}
