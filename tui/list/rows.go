package list

import (
	"cmp"
	"hash/maphash"
	"slices"

	"github.com/podbeat/podbeat/tui/source"
)

// A Want is a page that the list needs: N rows from Row on in the direction Dir, or, if Row is nil, the newest (Older) or the
// oldest (Newer) ones.
type Want struct {
	Dir source.Direction
	Row *source.Row
	N   int
}

// A request is a page that is under way.
type request struct {
	row  *source.Row
	void bool // the rows that it would join are gone
}

func side(dir source.Direction) int {
	if dir == source.Older {
		return 0
	}
	return 1
}

// byInstant orders rows as servers do. Those it holds for equal have the order in which pages bring them.
func byInstant(a, b *source.Row) int {
	return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Tie, b.Tie))
}

func (l *List) hash(r *source.Row) uint64 {
	var h maphash.Hash
	h.SetSeed(l.seed)
	h.WriteString(r.Index)
	h.WriteByte(0)
	h.WriteString(r.ID)
	return h.Sum64()
}

// Begin announces another view: the rows stay, dimmed, until First brings its own.
func (l *List) Begin(gen int) {
	l.gen, l.jumps, l.jump = gen, 0, 0
	l.stale = true
	l.forget()
	l.dropped, l.badge, l.tailed = 0, 0, false
	l.changed()
}

// forget drops what is under way.
func (l *List) forget() {
	l.asked, l.held, l.edges = [2]*request{}, [2]bool{}, [2]*source.Row{}
	l.pending, l.overflow = nil, false
}

// Gen is what answers to Wants have to be put with. It changes with Begin, and with jumps to rows that are not here.
func (l *List) Gen() int {
	if l.jumps == 0 {
		return l.gen
	}
	return -(l.gen<<20 + l.jumps)
}

// First brings the first rows of the view that Begin announced. The cursor goes to at, or to its place; if that is nil to the
// first one of newer, or to the newest line if newer has none.
func (l *List) First(gen int, older, newer source.Page, at *source.Row) {
	if gen != l.gen || !l.stale {
		return
	}
	jump, following, overflow := l.jump, l.follow, l.overflow
	y := l.y
	if at == nil {
		y = l.body() / 2
	}
	l.replace(append(slices.Clone(older.Rows), newer.Rows...))
	l.stale, l.jump = false, 0
	l.ends = [2]bool{older.End, newer.End && !overflow}
	switch {
	case len(l.rows) == 0:
		l.follow = true
	case at != nil:
		l.cur = min(l.place(at), len(l.rows)-1)
		l.follow = following && l.cur == len(l.rows)-1 && l.ends[1]
	case len(newer.Rows) > 0:
		l.cur = min(l.place(newer.Rows[0]), len(l.rows)-1)
		l.follow = false
	default:
		l.cur, l.follow = len(l.rows)-1, l.ends[1]
	}
	if overflow && len(l.rows) > 0 { // among the others some may be missing: they are asked for again
		l.follow = false
		l.replace(l.rows[l.cur : l.cur+1])
		l.ends = [2]bool{}
	}
	l.top, l.skip = l.cur, 0
	l.absorb()
	l.putLine(y)
	l.evict()
	switch jump {
	case source.Newer:
		l.Top()
	case source.Older:
		l.Bottom()
	}
}

// replace makes rows all there are.
func (l *List) replace(rows []*source.Row) {
	pending := l.pending
	l.forget()
	l.pending = pending
	l.rows, l.bytes, l.keys = nil, 0, make(map[uint64]struct{}, len(rows))
	l.memo = map[*source.Row]*block{}
	l.rows = l.fresh(rows)
	l.cur, l.top, l.skip, l.anchor = 0, 0, 0, nil
	l.sourceSeen = 0
	clear(l.widths)
	l.changed()
}

// fresh takes into account those of rows that are not known yet, and returns them in order.
func (l *List) fresh(rows []*source.Row) []*source.Row {
	var fresh []*source.Row
	for _, r := range rows {
		if r == nil {
			continue
		}
		h := l.hash(r)
		if _, known := l.keys[h]; known {
			continue
		}
		l.keys[h] = struct{}{}
		l.bytes += size(r)
		fresh = append(fresh, r)
	}
	if !slices.IsSortedFunc(fresh, byInstant) {
		slices.SortStableFunc(fresh, byInstant)
	}
	return fresh
}

// size is about what a row takes, in bytes.
func size(r *source.Row) int64 { return int64(len(r.Source)+len(r.Index)+len(r.ID)) + 200 }

// Put joins a page to the rows, which was asked for with Gen as it is now, or belongs to those that First brought: the rows that
// follow the first or the last of them in the direction dir, or, after a jump, the first ones of all.
func (l *List) Put(gen int, dir source.Direction, page source.Page) {
	if gen != l.Gen() || l.stale {
		return
	}
	if l.jump != 0 {
		l.land(dir, page)
		return
	}
	s := side(dir)
	request := l.asked[s]
	l.asked[s], l.held[s] = nil, false
	if request != nil && request.void {
		l.absorb()
		return
	}
	if !page.End && (len(page.Rows) == 0 || request != nil && same(outermost(page.Rows, dir), request.row)) {
		l.held[s] = true // it led no step further: asked again at once, neither would the next one
	}
	l.ends[s] = page.End
	if len(page.Rows) > 0 {
		fresh := l.fresh(page.Rows)
		l.join(dir, fresh)
		if edge := outermost(page.Rows, dir); len(l.rows) > 0 && !same(edge, outermost(l.rows, dir)) {
			l.edges[s] = edge
		} else {
			l.edges[s] = nil
		}
	}
	l.absorb()
	l.evict()
	l.touched()
}

func outermost(rows []*source.Row, dir source.Direction) *source.Row {
	if dir == source.Older {
		return rows[0]
	}
	return rows[len(rows)-1]
}

func same(a, b *source.Row) bool { return a == b || a.ID == b.ID && a.Index == b.Index }

// land puts the page that a jump waits for.
func (l *List) land(dir source.Direction, page source.Page) {
	if dir != l.jump || l.asked[side(dir)] == nil {
		return
	}
	if l.asked[side(dir)].void {
		l.forget() // asked once more
		return
	}
	newest := dir == source.Older
	l.replace(page.Rows)
	l.jump = 0
	l.ends = [2]bool{page.End || !newest, page.End || newest}
	l.follow = newest
	if newest {
		l.cur, l.badge = max(len(l.rows)-1, 0), 0
	}
	l.absorb()
	if l.follow {
		l.cur = max(len(l.rows)-1, 0)
	}
	l.evict()
	l.touched()
}

// join puts rows that follow the first or the last one before or behind it; those that do not, because something came between, are
// put in their place.
func (l *List) join(dir source.Direction, rows []*source.Row) {
	if len(l.rows) == 0 {
		l.rows = append(l.rows, rows...)
		return
	}
	if dir == source.Older {
		first := l.rows[0]
		n := len(rows)
		for n > 0 && byInstant(rows[n-1], first) > 0 {
			n--
		}
		l.rows = slices.Insert(l.rows, 0, rows[:n]...)
		l.cur += n
		l.top += n
		l.merge(rows[n:])
		return
	}
	last := l.rows[len(l.rows)-1]
	n := 0
	for n < len(rows) && byInstant(rows[n], last) < 0 {
		n++
	}
	l.rows = append(l.rows, rows[n:]...)
	l.merge(rows[:n])
}

// merge puts each of some rows in its place.
func (l *List) merge(rows []*source.Row) {
	if len(rows) == 0 {
		return
	}
	slices.SortFunc(rows, source.Compare)
	end := len(l.rows) // of those that have not been moved yet
	cur, top := l.cur, l.top
	l.rows = append(l.rows, rows...)
	for n := len(rows) - 1; n >= 0; n-- {
		at := end
		if end > 0 && source.Compare(l.rows[end-1], rows[n]) > 0 {
			at, _ = slices.BinarySearchFunc(l.rows[:end], rows[n], source.Compare)
		}
		copy(l.rows[at+n+1:], l.rows[at:end])
		l.rows[at+n] = rows[n]
		if cur >= at && cur < end {
			l.cur = cur + n + 1
		}
		if top >= at && top < end {
			l.top = top + n + 1
		}
		end = at
	}
}

// place is where row is among the rows, or where it would be.
func (l *List) place(row *source.Row) int {
	i, _ := slices.BinarySearchFunc(l.rows, row, byInstant)
	first := i
	for ; i < len(l.rows) && byInstant(l.rows[i], row) == 0; i++ {
		if same(l.rows[i], row) {
			return i
		}
	}
	for first < i && source.Compare(l.rows[first], row) < 0 {
		first++
	}
	return first
}

// index is where row is; -1 if it is not here.
func (l *List) index(row *source.Row) int {
	if row == nil || len(l.rows) == 0 {
		return -1
	}
	if i := l.place(row); i < len(l.rows) && same(l.rows[i], row) {
		return i
	}
	return -1
}

// Insert puts rows of the tail in their places, those that are not here yet. Those beyond an end that is open come with pages
// instead: the view has to be renewed after Insert and before Wants. It says how many it put, and how many of them were late.
func (l *List) Insert(rows []*source.Row) (added, late int) {
	var take []*source.Row
	for _, r := range rows {
		if l.Loading() {
			l.wait(r)
		}
		if _, known := l.keys[l.hash(r)]; known || l.stale {
			continue
		}
		if !l.follow {
			l.badge++
		}
		l.tailed = true
		switch {
		case l.inside(r):
			take = append(take, r)
			if r.Late {
				late++
			}
		default:
			l.dropped++
			if l.jump == 0 {
				l.wait(r)
			}
		}
	}
	before := len(l.rows)
	l.merge(l.fresh(take))
	added = len(l.rows) - before
	l.held = [2]bool{}
	l.dropped += l.evict()
	l.touched()
	return added, min(late, added)
}

// wait keeps a row that may belong to a page under way, which may have been made before the row could be found. If there are too
// many of them, the page is not taken.
func (l *List) wait(r *source.Row) {
	if len(l.pending) >= l.limits.pending {
		l.pending, l.overflow = nil, l.stale
		for _, request := range l.asked {
			if request != nil {
				request.void = true
			}
		}
	}
	if l.stale && !l.overflow || l.underWay() {
		l.pending = append(l.pending, r)
	}
}

// underWay says whether there is a page under way that will be taken.
func (l *List) underWay() bool {
	return l.asked[0] != nil && !l.asked[0].void || l.asked[1] != nil && !l.asked[1].void
}

// inside says whether there is nothing unknown between a row and those that are here.
func (l *List) inside(r *source.Row) bool {
	if len(l.rows) == 0 {
		return l.ends[0] && l.ends[1]
	}
	return (l.ends[0] || source.Compare(r, l.rows[0]) > 0) && (l.ends[1] || source.Compare(r, l.rows[len(l.rows)-1]) < 0)
}

// absorb takes the rows that have waited for a page, as far as there is nothing unknown before them now.
func (l *List) absorb() {
	var take, rest []*source.Row
	for _, r := range l.pending {
		if l.inside(r) {
			take = append(take, r)
		} else {
			rest = append(rest, r)
		}
	}
	l.merge(l.fresh(take))
	l.pending = rest
	if !l.underWay() {
		l.pending = nil
	}
}

// Gap says that the tail left lines out: what comes is not what follows the newest row. It is asked for in pages, or, if the list
// is following, jumped over.
func (l *List) Gap() {
	l.ends[1] = false
	if l.follow {
		l.Bottom()
	}
}

// page is how many rows are asked for at once: fewer if they are big.
func (l *List) page() int {
	if len(l.rows) == 0 {
		return l.limits.page
	}
	average := l.bytes / int64(len(l.rows))
	return int(min(int64(l.limits.page), max(10, l.limits.bytes/8/max(average, 1))))
}

// evict lets go of rows far from the screen if there are too many, and says of how many.
func (l *List) evict() int {
	limit := l.limits.page * l.limits.pages
	if l.tailed {
		limit += l.limits.tail
	}
	if len(l.rows) <= limit && l.bytes <= l.limits.bytes {
		return 0
	}
	l.settle()
	near := max(2*l.page(), l.body())
	gone := 0
	for len(l.rows) > limit || l.bytes > l.limits.bytes {
		low, high := l.top-near, len(l.rows)-1-l.bottom()-near
		n, newer := low, false
		if high > low {
			n, newer = high, true
		}
		if len(l.rows) > limit {
			n = min(n, len(l.rows)-limit)
		} else {
			n = min(n, max(1, near/8))
		}
		if n <= 0 {
			break
		}
		l.drop(n, newer)
		gone += n
	}
	return gone
}

// drop lets go of the n oldest or newest rows. None of them is on the screen.
func (l *List) drop(n int, newer bool) {
	from, s := 0, 0
	if newer {
		from, s = len(l.rows)-n, 1
	}
	for _, r := range l.rows[from : from+n] {
		delete(l.keys, l.hash(r))
		delete(l.memo, r)
		l.bytes -= size(r)
	}
	l.rows = slices.Delete(l.rows, from, from+n)
	if !newer {
		l.top -= n
		l.cur -= n
	} else {
		l.follow = false
	}
	l.ends[s], l.edges[s] = false, nil
	if l.asked[s] != nil {
		l.asked[s].void = true
	}
}

// Wants are the pages needed for the screen and one more in each direction, the more urgent one first. They are under way from then
// on, until Put or Failed.
func (l *List) Wants() []Want {
	if l.stale {
		return nil
	}
	if l.jump != 0 {
		if s := side(l.jump); l.asked[s] == nil && !l.held[s] {
			l.asked[s] = &request{}
			return []Want{{l.jump, nil, l.limits.page}}
		}
		return nil
	}
	if len(l.rows) == 0 {
		if l.ends != [2]bool{true, true} && !l.held[0] {
			l.leap(source.Older)
			return l.Wants()
		}
		return nil
	}
	l.settle()
	n := l.page()
	var wants []Want
	for _, dir := range []source.Direction{source.Older, source.Newer} {
		s, distance := side(dir), l.top
		if dir == source.Newer {
			distance = len(l.rows) - 1 - l.bottom()
		}
		if l.ends[s] || l.held[s] || l.asked[s] != nil || distance >= n {
			continue
		}
		row := l.edges[s]
		if row == nil {
			row = outermost(l.rows, dir)
		}
		l.asked[s] = &request{row: row}
		wants = append(wants, Want{dir, row, n})
	}
	if len(wants) == 2 && l.ahead == source.Newer {
		wants[0], wants[1] = wants[1], wants[0]
	}
	return wants
}

// Failed says that a page could not be had. It is asked for again after Again, a motion, or when the tail brings rows. A jump is off.
func (l *List) Failed(dir source.Direction) {
	if l.jump == dir && !l.stale {
		l.stay()
	}
	s := side(dir)
	l.asked[s], l.held[s] = nil, true
	l.absorb()
}

// Again allows what failed to be asked for once more.
func (l *List) Again() { l.held = [2]bool{} }

// stay ends a jump that is under way: the rows are kept.
func (l *List) stay() {
	if l.jump != 0 {
		l.leap(0)
	}
}

// leap begins a jump to the end that a page from nowhere in the direction dir is of.
func (l *List) leap(dir source.Direction) {
	l.jump = dir
	if l.stale {
		return
	}
	l.jumps++
	l.forget()
	l.changed()
}
