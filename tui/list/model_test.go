package list

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/podbeat/podbeat/tui/source"
	"github.com/podbeat/podbeat/tui/text"
)

// A world is a server with a tail, and the list beside it. It is the plain slice that the list is compared with.
type world struct {
	t    *testing.T
	r    *rand.Rand
	l    *List
	all  []*source.Row // that can be found, in order
	told map[*source.Row]bool
	n    int // rows made so far
	gen  int
	busy []*flight
	log  []string
}

// A flight is a page under way, or the first ones.
type flight struct {
	want   Want
	gen    int
	at     *source.Row
	begins bool
	slow   bool
	seen   []*source.Row // what the server could find when it looked; nil: it has not looked yet
}

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{t: t, r: rand.New(rand.NewPCG(seed, 7)), told: map[*source.Row]bool{}}
	w.l = newList(t, "none", 20+w.r.IntN(80), 1+w.r.IntN(16))
	w.l.limits = limits{page: 10, pages: 4, tail: 30, bytes: 1 << 20, pending: 12}
	for range w.r.IntN(300) {
		w.write()
	}
	for _, r := range w.all {
		w.told[r] = true
	}
	return w
}

// write makes a row be found: at the end, late, or of the very time of another.
func (w *world) write() {
	at := noon.Add(time.Duration(w.n) * 20 * time.Minute)
	switch w.r.IntN(4) {
	case 0:
		at = at.Add(-time.Duration(w.r.IntN(40*20)) * time.Minute)
	case 1:
		if len(w.all) > 0 {
			at = w.all[w.r.IntN(len(w.all))].Time
		}
	}
	message := fmt.Sprintf("line %d", w.n)
	if w.r.IntN(3) == 0 {
		message += strings.Repeat(" and more", w.r.IntN(60)) + strings.Repeat("\n\tat some place", w.r.IntN(25))
	}
	row := logged(w.n, at, "info", "pod-0", message)
	row.Tie = int64(w.r.IntN(2))
	w.n++
	i, _ := slices.BinarySearchFunc(w.all, row, source.Compare)
	w.all = slices.Insert(w.all, i, row)
}

func (w *world) look(f *flight) {
	if f.seen == nil {
		f.seen = append([]*source.Row{}, w.all...)
	}
}

func before(rows []*source.Row, row *source.Row, n int) source.Page {
	i := len(rows)
	if row != nil {
		i, _ = slices.BinarySearchFunc(rows, row, source.Compare)
	}
	return source.Page{Rows: copies(rows[max(0, i-n):i]), End: i <= n}
}

func after(rows []*source.Row, row *source.Row, n int) source.Page {
	i := 0
	if row != nil {
		var is bool
		if i, is = slices.BinarySearchFunc(rows, row, source.Compare); is {
			i++
		}
	}
	end := min(len(rows), i+n)
	return source.Page{Rows: copies(rows[i:end]), End: end == len(rows)}
}

// copies are rows as another answer would have them.
func copies(rows []*source.Row) []*source.Row {
	var all []*source.Row
	for _, r := range rows {
		c := *r
		all = append(all, &c)
	}
	return all
}

func (w *world) note(format string, args ...any) { w.log = append(w.log, fmt.Sprintf(format, args...)) }

// wants takes what the list asks for under way.
func (w *world) wants() {
	for _, want := range w.l.Wants() {
		w.note("wants %d %v", want.Dir, id(want.Row))
		w.busy = append(w.busy, &flight{want: want, gen: w.l.Gen(), slow: w.r.IntN(4) == 0})
	}
}

// answer gives one of the pages under way.
func (w *world) answer(i int) {
	f := w.busy[i]
	w.busy = slices.Delete(w.busy, i, i+1)
	w.look(f)
	if f.begins {
		w.note("first %v", id(f.at))
		if f.at == nil {
			w.l.First(f.gen, before(f.seen, nil, 10), source.Page{End: true}, nil)
			return
		}
		i, _ := slices.BinarySearchFunc(f.seen, f.at, source.Compare)
		newer := source.Page{Rows: copies(f.seen[i:min(len(f.seen), i+10)]), End: i+10 >= len(f.seen)}
		w.l.First(f.gen, before(f.seen, f.at, 10), newer, f.at)
		return
	}
	w.note("put %d %v", f.want.Dir, id(f.want.Row))
	if f.want.Dir == source.Older {
		w.l.Put(f.gen, f.want.Dir, before(f.seen, f.want.Row, f.want.N))
	} else {
		w.l.Put(f.gen, f.want.Dir, after(f.seen, f.want.Row, f.want.N))
	}
}

// begin changes to a view of the same rows.
func (w *world) begin() {
	w.gen++
	f := &flight{gen: w.gen, begins: true}
	if w.r.IntN(2) == 0 && len(w.all) > 0 {
		f.at = w.all[w.r.IntN(len(w.all))]
	}
	w.note("begin %v", id(f.at))
	w.l.Begin(w.gen)
	w.busy = append(w.busy, f)
}

// poll lets the tail bring what it has not brought yet.
func (w *world) poll() {
	var batch []*source.Row
	for _, r := range w.all {
		if !w.told[r] {
			w.told[r] = true
			batch = append(batch, r)
		}
	}
	batch = copies(batch)
	w.note("tail %d", len(batch))
	w.l.Insert(batch)
}

func (w *world) move() {
	l, r := w.l, w.r
	n := r.IntN(30) - 15
	switch r.IntN(12) {
	case 0:
		l.Top()
	case 1:
		l.Bottom()
	case 2:
		l.PageBy(float64(n%3) / 2)
	case 3:
		l.ScrollBy(n)
	case 4:
		if len(w.all) > 0 {
			l.Goto(w.all[r.IntN(len(w.all))])
		}
	case 5:
		l.GotoTime(noon.Add(time.Duration(n) * time.Hour))
	case 6:
		l.NextLevel(source.Direction(1-2*r.IntN(2)), source.Warn)
	case 7:
		l.Follow(r.IntN(2) == 0)
	case 8:
		l.SelectTo(n)
	case 9:
		l.MoveBy(n * 6)
	default:
		l.MoveBy(n)
	}
	w.note("moved, cursor %v", id(l.Cursor()))
}

func (w *world) change() {
	l, r := w.l, w.r
	switch r.IntN(9) {
	case 0:
		l.SetSize(1+r.IntN(120), 1+r.IntN(20))
	case 1:
		l.SetWrap(!l.Wrapped())
	case 2:
		l.Fold()
	case 3:
		l.FoldAll(r.IntN(2) == 0)
	case 4:
		l.Mark()
	case 5:
		l.Pan(r.IntN(30) - 15)
	case 6:
		l.Search(regexp.MustCompile("[l1]"))
	case 7:
		l.SetColumns([]Column{{Field: "kubernetes.namespace"}, {Field: "message"}}[:r.IntN(3)])
	case 8:
		l.SetClock(Clock(r.IntN(4)))
	}
	w.note("changed")
}

// step does one thing.
func (w *world) step() {
	if len(w.busy) > 0 && w.r.IntN(3) == 0 {
		w.look(w.busy[w.r.IntN(len(w.busy))])
	}
	l := w.l
	cursor, following, loading, lines := l.Cursor(), l.Following(), l.Loading(), l.Lines()
	var shown []*source.Row
	skip := 0
	if !l.Empty() {
		first, last := l.visible()
		shown, skip = slices.Clone(l.rows[first:last+1]), l.skip
	}
	stays := true
	switch n := w.r.IntN(20); {
	case n < 5:
		for range 1 + w.r.IntN(4) {
			w.write()
		}
	case n < 9:
		w.poll()
	case n < 13:
		if len(w.busy) > 0 {
			i := w.r.IntN(len(w.busy))
			if w.busy[i].slow && w.r.IntN(20) > 0 {
				break
			}
			stays = !w.busy[i].begins && !loading
			w.answer(i)
		}
	case n < 14:
		if len(w.busy) > 0 {
			if f := w.busy[0]; !f.begins && !f.slow && f.gen == l.Gen() {
				w.busy = w.busy[1:]
				w.note("failed %d", f.want.Dir)
				l.Failed(f.want.Dir)
				stays = !loading
			}
		}
	case n < 17:
		w.move()
		stays = false
	case n < 19:
		w.change()
		stays = false
		if !following && cursor != nil && l.Cursor() != cursor {
			w.t.Fatalf("the cursor went from %v to %v: %s", id(cursor), id(l.Cursor()), w.history())
		}
	default:
		w.begin()
		stays = false
	}
	w.check()
	if stays && !following && cursor != nil {
		if !same(l.Cursor(), cursor) {
			w.t.Fatalf("the cursor went from %v to %v: %s", id(cursor), id(l.Cursor()), w.history())
		}
		w.unmoved(shown, skip, lines)
	}
	w.wants()
}

// unmoved checks that what was on the screen still is, on the same lines, unless rows came between or it had free lines.
func (w *world) unmoved(shown []*source.Row, skip int, lines []string) {
	l := w.l
	i := l.index(shown[0])
	if i < 0 {
		w.t.Fatalf("%v was on the screen and is not held: %s", id(shown[0]), w.history())
	}
	if free := strings.TrimSpace(ansi.Strip(lines[len(lines)-1])) == ""; free || skip < 0 || l.clock == Delta {
		return
	}
	if i+len(shown) > len(l.rows) || !slices.EqualFunc(l.rows[i:i+len(shown)], shown, same) {
		return
	}
	if was, is := plainText(lines), plainText(l.Lines()); was != is {
		w.t.Fatalf("the screen moved from\n%s\nto\n%s\n%s", was, is, w.history())
	}
}

// check compares the list with what it is of.
func (w *world) check() {
	l, t := w.l, w.t
	lines := l.Lines()
	if len(lines) != l.h {
		t.Fatalf("%d lines, want %d: %s", len(lines), l.h, w.history())
	}
	for _, line := range lines {
		if n := text.Width(line); n != l.w {
			t.Fatalf("%q is %d wide, want %d: %s", line, n, l.w, w.history())
		}
	}
	if len(l.rows) > 0 && l.h > 0 {
		if !slices.Contains(l.shown, l.cur) {
			t.Fatalf("the cursor is not on the screen:\n%s%s", plainText(lines), w.history())
		}
		if free := strings.TrimSpace(ansi.Strip(lines[l.h-1])) == "" && l.shown[l.h-1] < 0; free && (l.top > 0 || l.skip > l.head(0)) {
			t.Fatalf("there are free lines although rows are above:\n%s%s", plainText(lines), w.history())
		}
	}
	if !slices.IsSortedFunc(l.rows, source.Compare) {
		t.Fatalf("not in order: %s", w.history())
	}
	have := map[string]bool{}
	for _, r := range l.rows {
		if have[r.ID] {
			t.Fatalf("%s twice: %s", r.ID, w.history())
		}
		have[r.ID] = true
	}
	if len(have) != len(l.keys) || len(l.memo) > 4*l.h+64+2*l.h {
		t.Fatalf("%d rows, %d keys, %d drawn: %s", len(have), len(l.keys), len(l.memo), w.history())
	}
	if most := max(l.limits.page*l.limits.pages+l.limits.tail, 4*l.limits.page+3*l.h) + l.limits.page; len(have) > most {
		t.Fatalf("%d rows, want at most %d: %s", len(have), most, w.history())
	}
	if l.Loading() || len(l.rows) == 0 {
		return
	}
	for _, r := range w.all {
		older, newer := source.Compare(r, l.rows[0]) < 0, source.Compare(r, l.Newest()) > 0
		if within := !older && !newer || older && l.ends[0] || newer && l.ends[1]; within && w.told[r] && !have[r.ID] {
			t.Fatalf("%s is missing among %s to %s: %s", r.ID, l.rows[0].ID, l.Newest().ID, w.history())
		}
	}
}

// rest lets everything arrive.
func (w *world) rest() {
	w.poll()
	for n := 0; ; n++ {
		w.wants()
		if len(w.busy) == 0 {
			return
		}
		if n > 100 {
			w.t.Fatalf("it always wants more: %s", w.history())
		}
		w.answer(w.r.IntN(len(w.busy)))
		w.check()
	}
}

// The list shows a gapless part of what there is, each row once and in order, whatever happens in whatever order, and stays where it is.
func TestAnyOrder(t *testing.T) {
	for seed := range uint64(100) {
		w := newWorld(t, seed)
		w.begin()
		for range 150 {
			w.step()
		}
		w.rest()
		for _, end := range []func(){w.l.Bottom, w.l.Top} {
			end()
			w.rest()
			if len(w.all) == 0 {
				continue
			}
			if row := w.l.Cursor(); row == nil || !same(row, w.all[0]) && !same(row, w.all[len(w.all)-1]) {
				t.Fatalf("seed %d: the cursor is on %v at the end of all: %s", seed, id(row), w.history())
			}
		}
		for seen := map[string]bool{}; len(w.all) > 0; { // down from the oldest row to the newest
			if row := w.l.Cursor(); seen[row.ID] && !same(row, w.all[len(w.all)-1]) {
				t.Fatalf("seed %d: stuck on %v: %s", seed, id(row), w.history())
			} else if seen[row.ID] = true; same(row, w.all[len(w.all)-1]) {
				if len(seen) != len(w.all) {
					t.Fatalf("seed %d: went over %d rows of %d: %s", seed, len(seen), len(w.all), w.history())
				}
				break
			}
			for was := w.l.Cursor(); w.l.Cursor() == was; { // by lines within rows that are higher than the screen
				y := w.l.skip
				if w.l.MoveBy(1); w.l.Cursor() == was && w.l.skip == y {
					break
				}
			}
			w.rest()
		}
	}
}

func (w *world) history() string { return strings.Join(w.log[max(0, len(w.log)-30):], "; ") }

func id(r *source.Row) string {
	if r == nil {
		return "nowhere"
	}
	return r.ID
}
