package delivery

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/elastic/beats/v7/libbeat/common"
	"golang.org/x/sys/unix"

	"github.com/podbeat/podbeat/option"
)

// The levels, the surest first.
const (
	endToEnd       = "end-to-end"
	storeOnFailure = "store-on-failure"
	bestEffort     = "best-effort"
)

// levels says what each level does when its queue is full.
var levels = []struct{ level, full string }{{endToEnd, "block"}, {storeOnFailure, "spill"}, {bestEffort, "drop"}}

// Options are what every input takes besides its own.
type Options struct {
	// How sure the input's events are to arrive: `end-to-end`, `store-on-failure` or `best-effort`. Without it `queue.full` decides, and without that it is `end-to-end`.
	Delivery string `config:"delivery"`
	// Where the input's events wait for room in podbeat's queue. `end-to-end` has none: its events wait in their source.
	Queue QueueOptions `config:"queue"`
}

// QueueOptions are the section `queue:` of an input.
type QueueOptions struct {
	// What happens when it is full: `block` is `end-to-end`'s, `spill` is `store-on-failure`'s and `drop` is `best-effort`'s.
	Full string `config:"full"`
	// Most events that wait in memory.
	Events int `config:"events" default:"8192"`
	// Most bytes that they take, as they would be written to disk. A single event may be larger.
	Bytes option.Bytes `config:"bytes" default:"32MiB"`
	// Where `store-on-failure` puts events while the output fails.
	Disk DiskOptions `config:"disk"`
	// How much of the file system must stay free, a size or a part such as `5%`: below it nothing is written, and the input waits. 0 means that all may be used.
	FreeMin Space `config:"disk_free_min" default:"1GiB"`
}

// DiskOptions are the section `queue.disk:` of an input.
type DiskOptions struct {
	// Most bytes on disk.
	MaxSize option.Bytes `config:"max_size" default:"1GiB"`
	// What happens when there are that many: `block`, the input waits; or `drop`, its oldest event in memory is dropped for each new one.
	Full string `config:"full" default:"block"`
	// While the output fails, events that have waited in memory for so long go to disk, although there is room.
	After time.Duration `config:"after" default:"1s"`
}

// Space is how much of a file system is meant: a number of bytes, or a part of the whole.
type Space struct {
	bytes   option.Bytes
	percent float64
}

// Unpack reads a size, or a percentage. It is go-ucfg's hook.
func (s *Space) Unpack(v any) error {
	*s = Space{}
	text, _ := v.(string)
	number, ok := strings.CutSuffix(strings.TrimSpace(text), "%")
	if !ok {
		return s.bytes.Unpack(v)
	}
	p, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if err != nil || math.IsNaN(p) || p < 0 || p > 100 {
		return fmt.Errorf("cannot read part from %q: want a percentage such as 5%%", text)
	}
	s.percent = p
	return nil
}

// check says whether size more bytes leave so much free where dir is, or will be.
func (s Space) check(dir string, size int64) error {
	if s == (Space{}) {
		return nil
	}
	var fs unix.Statfs_t
	err := unix.Statfs(dir, &fs)
	for ; errors.Is(err, unix.ENOENT) && dir != parent(dir); err = unix.Statfs(dir, &fs) {
		dir = parent(dir)
	}
	if err != nil {
		return fmt.Errorf("cannot tell how much of the file system is free: %w", err)
	}
	block := float64(fs.Bsize)
	free, want := float64(fs.Bavail)*block-float64(size), max(float64(s.bytes), s.percent/100*float64(fs.Blocks)*block)
	if free < want {
		return fmt.Errorf("%w: it would leave %d bytes, and disk_free_min is %d", errFree, int64(max(free, 0)), int64(want))
	}
	return nil
}

// Check says what is wrong with the options of an input's configuration. id is the input's; "" if it has none.
func Check(cfg *common.Config, id string) error {
	opts, err := unpack(cfg)
	if err != nil {
		return err
	}
	return opts.named(id)
}

// named refuses a level that keeps events of an input without a name.
func (o *Options) named(id string) error {
	if id == "" && o.Delivery != endToEnd {
		return fmt.Errorf("cannot use delivery %s: the input has no name: give it an `id`", o.Delivery)
	}
	return nil
}

// unpack reads the options of an input's configuration, of which the rest is not looked at.
func unpack(cfg *common.Config) (o Options, err error) {
	given, ours := map[string]any{}, map[string]any{}
	if err := cfg.Unpack(&given); err != nil {
		return o, err
	}
	for _, name := range []string{"delivery", "queue"} {
		if v, ok := given[name]; ok {
			ours[name] = v
		}
	}
	if err := option.Unpack(option.From(ours), &o, "delivery"); err != nil {
		return o, err
	}
	if err := o.settle(); err != nil {
		return o, err
	}
	queue, _ := ours["queue"].(map[string]any)
	return o, o.useless(queue)
}

// settle makes the level of what is given, and refuses what contradicts itself.
func (o *Options) settle() error {
	q := &o.Queue
	if o.Delivery == "" && q.Full == "" {
		o.Delivery = endToEnd
	}
	var names, rules []string
	for _, l := range levels {
		names, rules = append(names, l.level), append(rules, l.full)
		if o.Delivery == l.level {
			if q.Full != "" && q.Full != l.full {
				return o.contradiction()
			}
			q.Full = l.full
		} else if o.Delivery == "" && q.Full == l.full {
			o.Delivery = l.level
		}
	}
	switch {
	case o.Delivery != "" && !slices.Contains(names, o.Delivery):
		return fmt.Errorf("cannot use delivery %q: want one of %s", o.Delivery, strings.Join(names, ", "))
	case !slices.Contains(rules, q.Full):
		return fmt.Errorf("cannot use queue.full %q: want one of %s", q.Full, strings.Join(rules, ", "))
	case q.Events < 1:
		return fmt.Errorf("cannot use queue.events %d: want 1 or more", q.Events)
	case q.Bytes < 1:
		return fmt.Errorf("cannot use queue.bytes %d: want 1 or more", q.Bytes)
	case q.Disk.MaxSize < minSize:
		return fmt.Errorf("cannot use queue.disk.max_size %v: want %v or more", q.Disk.MaxSize, minSize)
	case q.Disk.Full != "block" && q.Disk.Full != "drop":
		return fmt.Errorf("cannot use queue.disk.full %q: want block or drop", q.Disk.Full)
	case q.Disk.After < 0:
		return fmt.Errorf("cannot use queue.disk.after %v: want 0 or more", q.Disk.After)
	}
	return nil
}

// minSize is the least that max_size may be.
const minSize = option.Bytes(64 << 10)

func (o *Options) contradiction() error {
	for _, l := range levels {
		if l.full == o.Queue.Full {
			return fmt.Errorf("cannot use queue.full %q with delivery %q: it is what delivery %q does; give one of the two", o.Queue.Full, o.Delivery, l.level)
		}
	}
	return fmt.Errorf("cannot use queue.full %q: want block, spill or drop", o.Queue.Full)
}

// useless refuses what the level has no use for.
func (o *Options) useless(queue map[string]any) error {
	for _, option := range slices.Sorted(maps.Keys(queue)) {
		needs := ""
		switch {
		case option == "full" || queue[option] == nil:
		case o.Delivery == endToEnd:
			needs = cmp.Or(map[string]string{"disk": storeOnFailure, "disk_free_min": storeOnFailure}[option], storeOnFailure+" or "+bestEffort)
		case o.Delivery == bestEffort && (option == "disk" || option == "disk_free_min"):
			needs = storeOnFailure
		}
		if needs != "" {
			return fmt.Errorf("cannot use queue.%s with delivery %s, which has no such thing: set delivery to %s, or leave it out", option, o.Delivery, needs)
		}
	}
	return nil
}
