package list

import (
	"regexp"
	"slices"
	"time"

	"github.com/podbeat/podbeat/tui/source"
	"github.com/podbeat/podbeat/tui/text"
)

// Found and NextLevel look at so much of what is here, then leave it to the server.
const (
	scanRows  = 5_000
	scanBytes = 8 << 20
)

// Cursor is the row that the cursor is on; nil if there is none.
func (l *List) Cursor() *source.Row {
	if len(l.rows) == 0 {
		return nil
	}
	return l.rows[l.cur]
}

// goTo puts the cursor on the row i.
func (l *List) goTo(i int) {
	i = max(0, min(i, len(l.rows)-1))
	switch {
	case i < l.cur:
		l.ahead = source.Older
	case i > l.cur:
		l.ahead = source.Newer
	}
	l.cur = i
	l.moved()
}

// moved is called when people have moved the cursor or what is on the screen.
func (l *List) moved() {
	l.held = [2]bool{}
	was := l.follow
	l.follow = len(l.rows) == 0 || l.cur == len(l.rows)-1 && l.ends[1]
	if l.follow && !was {
		l.badge = 0
	}
	l.touched()
}

// MoveBy moves the cursor by n rows, down if n is above zero. In a row that is higher than the screen it moves by lines.
func (l *List) MoveBy(n int) {
	if len(l.rows) == 0 || n == 0 {
		return
	}
	l.settle()
	high := l.lines(l.cur)
	if high > l.body() && l.top == l.cur {
		if skip := l.skip + n; n > 0 && l.skip+l.body() < high || n < 0 && l.skip > max(l.head(l.cur), 1-l.body()) {
			l.skip = max(l.head(l.cur), 1-l.body(), min(skip, high-l.body()))
			l.moved()
			return
		}
	}
	was := l.cur
	l.goTo(l.cur + n)
	if n < 0 && l.cur != was && l.lines(l.cur) > l.body() { // such a row is come to at its end
		l.top, l.skip = l.cur, l.lines(l.cur)-l.body()
	}
}

// ScrollBy moves what is on the screen by n lines; the cursor stays on its row as long as that is on the screen.
func (l *List) ScrollBy(n int) {
	if len(l.rows) == 0 || n == 0 {
		return
	}
	l.settle()
	l.ahead = source.Newer
	if n < 0 {
		l.ahead = source.Older
	}
	l.follow = false
	l.top, l.skip = l.step(l.top, l.skip, n)
	l.top, l.skip = l.fill(l.top, l.skip)
	first, last := l.visible()
	if l.skip > 0 && first < last && l.lines(first) <= l.body() {
		first++ // a row of which the beginning is not seen would be brought back by the cursor
	}
	l.cur = max(first, min(l.cur, last))
	l.moved()
}

// PageBy moves by n pages, half ones with PageBy of 0.5: the cursor stays on its line of the screen.
func (l *List) PageBy(n float64) {
	if len(l.rows) == 0 {
		return
	}
	l.settle()
	y, by := l.y, int(n*float64(max(1, l.body()-1)))
	if by == 0 && n != 0 {
		by = max(-1, min(1, int(n*2)))
	}
	top, skip := l.top, l.skip
	l.ScrollBy(by)
	if l.top == top && l.skip == skip { // there is no more: the cursor goes there
		if by < 0 {
			l.goTo(0)
		} else {
			l.goTo(len(l.rows) - 1)
		}
		return
	}
	i, _ := l.step(l.top, l.skip, y)
	first, last := l.visible()
	l.cur = max(first, min(i, last))
	l.moved()
}

// Top goes to the oldest row of all, which may have to be asked for.
func (l *List) Top() {
	if l.stale || !l.ends[0] {
		l.follow = false
		l.leap(source.Newer)
		return
	}
	l.stay()
	l.goTo(0)
	l.top, l.skip = 0, l.head(0)
}

// Bottom goes to the newest row of all, which may have to be asked for, and stays there when others come.
func (l *List) Bottom() {
	if l.stale || !l.ends[1] {
		l.leap(source.Older)
		return
	}
	l.stay()
	l.goTo(len(l.rows) - 1)
	l.follow, l.badge = true, 0
}

// Following says whether the cursor goes on to what comes.
func (l *List) Following() bool { return l.follow }

// Follow goes to the newest row and stays there, or lets the cursor stay where it is.
func (l *List) Follow(on bool) {
	if on {
		l.Bottom()
	} else {
		l.follow = false
		l.touched()
	}
}

// Goto puts the cursor on a row if that is here.
func (l *List) Goto(row *source.Row) bool {
	if l.stale {
		return false
	}
	i := l.index(row)
	if i < 0 {
		return false
	}
	l.jumpTo(i)
	return true
}

// GotoTime puts the cursor on the first row of that time or a later one, if it is certain which that is.
func (l *List) GotoTime(t time.Time) bool {
	i, _ := slices.BinarySearchFunc(l.rows, t, func(r *source.Row, t time.Time) int { return r.Time.Compare(t) })
	if l.stale || len(l.rows) == 0 || i == 0 && !l.ends[0] || i == len(l.rows) && !l.ends[1] {
		return false
	}
	l.jumpTo(i)
	return true
}

// jumpTo puts the cursor on the row i, in the middle of the screen if it was not there before.
func (l *List) jumpTo(i int) {
	l.stay()
	first, last := l.visible()
	l.goTo(i)
	if l.cur < first || l.cur > last {
		l.putLine(l.body() / 2)
	}
}

// Click puts the cursor on the row, and the cell, at a place of the part.
func (l *List) Click(x, y int) bool {
	l.Lines()
	if x < 0 || x >= l.w || y < 0 || y >= len(l.shown) || l.shown[y] < 0 {
		return false
	}
	l.goTo(l.shown[y])
	l.cell = l.cellAt(x)
	return true
}

// MoveCell chooses the cell n to the right of that which is chosen; left of the first one it is the whole row.
func (l *List) MoveCell(n int) {
	l.cell = max(-1, min(l.cell+n, len(l.cells())-1))
	l.touched()
}

// Cell is the field of the cell that is chosen; "" if it is the whole row.
func (l *List) Cell() string {
	cells := l.cells()
	if l.cell < 0 || l.cell >= len(cells) || len(l.rows) == 0 {
		return ""
	}
	if field := cells[l.cell]; field != sourceCell {
		return field
	}
	field, _ := l.sourceOf(l.Cursor())
	return field
}

// Pan moves long lines by n cells to the left if it is above zero, so that what is to the right is seen.
func (l *List) Pan(n int) {
	if l.wrap {
		return
	}
	widest := 0
	first, last := l.visible()
	for i := first; i <= last && len(l.rows) > 0; i++ {
		widest = max(widest, l.wide(l.rows[i]))
	}
	pan := max(0, min(l.pan+n, widest-1))
	if n > 0 {
		pan = max(pan, l.pan)
	}
	if pan != l.pan {
		l.pan = pan
		l.changed()
	}
}

// Select begins a selection at the cursor, or ends it. It goes from there to wherever the cursor is.
func (l *List) Select(on bool) {
	l.anchor = nil
	if on {
		l.anchor = l.Cursor()
	}
	l.touched()
}

// SelectTo moves the cursor by n rows, with a selection that begins where it was if there is none.
func (l *List) SelectTo(n int) {
	if l.anchor == nil {
		l.Select(true)
	}
	l.goTo(l.cur + n)
}

// Selection is the selected rows, oldest first; nil if there are none.
func (l *List) Selection() []*source.Row {
	first, last := l.selected()
	if first > last {
		return nil
	}
	return slices.Clone(l.rows[first : last+1])
}

// selected are the first and the last row of the selection; the first is behind the last if there is none.
func (l *List) selected() (first, last int) {
	if l.anchor == nil || len(l.rows) == 0 {
		return 0, -1
	}
	i := min(l.place(l.anchor), len(l.rows)-1)
	return min(i, l.cur), max(i, l.cur)
}

// Mark marks the cursor's row, or takes the mark away. Marks stay when the view changes.
func (l *List) Mark() {
	row := l.Cursor()
	if row == nil {
		return
	}
	h := l.hash(row)
	if _, marked := l.marked[h]; marked {
		delete(l.marked, h)
		l.marks = slices.DeleteFunc(l.marks, func(r *source.Row) bool { return same(r, row) })
	} else {
		l.marked[h] = struct{}{}
		i, _ := slices.BinarySearchFunc(l.marks, row, source.Compare)
		l.marks = slices.Insert(l.marks, i, row)
	}
	l.touched()
}

// Marks are the marked rows, oldest first, of this and other views.
func (l *List) Marks() []*source.Row { return slices.Clone(l.marks) }

// NextMark is the next marked row in a direction, nil if there is none. here says that the cursor has gone to it; if it has not,
// the row is not among those that are here.
func (l *List) NextMark(dir source.Direction) (row *source.Row, here bool) {
	cursor := l.Cursor()
	for _, r := range l.marks {
		if cursor != nil && source.Compare(r, cursor)*int(dir) <= 0 {
			continue
		}
		row = r
		if dir == source.Newer {
			break
		}
	}
	return row, row != nil && l.Goto(row)
}

// Fold unfolds the cursor's row, or folds it.
func (l *List) Fold() {
	row := l.Cursor()
	if row == nil {
		return
	}
	l.keepLine()
	h := l.hash(row)
	if _, turned := l.turned[h]; turned {
		delete(l.turned, h)
	} else {
		l.turned[h] = struct{}{}
	}
	l.touched()
}

// FoldAll folds all rows, or unfolds them.
func (l *List) FoldAll(fold bool) {
	l.keepLine()
	l.unfolded = !fold
	clear(l.turned)
	l.touched()
}

func (l *List) isUnfolded(row *source.Row) bool {
	if len(l.turned) == 0 {
		return l.unfolded
	}
	_, turned := l.turned[l.hash(row)]
	return turned != l.unfolded
}

// Found goes to the next row in a direction that has what Search looks for. If it is not found in what is here, which is not
// searched to its end if that is long, the cursor stays: the server knows.
func (l *List) Found(dir source.Direction) bool {
	if l.search == nil {
		return false
	}
	return l.next(dir, func(row *source.Row) bool { return l.matches(row, l.search) })
}

// NextLevel goes to the next row in a direction whose level is least or above. If it is not found in what is here the cursor stays.
func (l *List) NextLevel(dir source.Direction, least source.Level) bool {
	return l.next(dir, func(row *source.Row) bool { return row.Level >= least })
}

func (l *List) next(dir source.Direction, is func(*source.Row) bool) bool {
	bytes := 0
	for i, n := l.cur+int(dir), 0; i >= 0 && i < len(l.rows) && n < scanRows && bytes < scanBytes && !l.stale; i, n = i+int(dir), n+1 {
		if is(l.rows[i]) {
			l.jumpTo(i)
			return true
		}
		bytes += len(l.rows[i].Source)
	}
	return false
}

// matches says whether a row has what re means in what it shows: all of its message, its source, its columns.
func (l *List) matches(row *source.Row, re *regexp.Regexp) bool {
	if _, from := l.sourceOf(row); l.sources && re.MatchString(from) {
		return true
	}
	if message, ok := text.Get(row.Source, l.names.Message); ok && re.MatchString(message) || !ok && re.Match(row.Source) {
		return true
	}
	for _, c := range l.columns {
		if value, ok := text.Get(row.Source, c.Field); ok && re.MatchString(value) {
			return true
		}
	}
	return false
}
