package list

// What is on the screen is told by its first line: a row and a line of it. Lines of a row are numbered from 0; one that begins a day
// has a line -1 before, unless the list begins with it.

// body is how many lines there are for rows.
func (l *List) body() int { return max(1, l.h-l.header()) }

// header is how many lines there are above the rows.
func (l *List) header() int {
	if l.h < 4 || l.w < 20 {
		return 0
	}
	return 1
}

// head is the first line of row i.
func (l *List) head(i int) int {
	if i > 0 && i < len(l.rows) && l.newDay(l.rows[i-1], l.rows[i]) {
		return -1
	}
	return 0
}

// lines is how many lines row i has, without its day's.
func (l *List) lines(i int) int {
	if l.wrap || l.isUnfolded(l.rows[i]) {
		return len(l.block(i).lines)
	}
	return 1
}

// step is n lines further down, or up, but not beyond the first or the last line of all.
func (l *List) step(row, line, n int) (int, int) {
	line += n
	for line < l.head(row) && row > 0 {
		row--
		line += l.lines(row) - l.head(row+1)
	}
	for line >= l.lines(row) && row < len(l.rows)-1 {
		line -= l.lines(row) - l.head(row+1)
		row++
	}
	return row, max(l.head(row), min(line, l.lines(row)-1))
}

// down is how many lines the row i's line 0 is below a line, at most limit. Lines above count as less than zero only within the row.
func (l *List) down(row, line, i, limit int) int {
	n := -line
	for ; row < i && n < limit; row++ {
		n += l.lines(row) - l.head(row+1)
	}
	return min(n, limit)
}

// fill is the line or one above it, so that the screen has no free lines at its end as long as there are any above.
func (l *List) fill(row, line int) (int, int) {
	last := len(l.rows) - 1
	toEnd := l.down(row, line, last, l.body()*2)
	if toEnd += l.lines(last); toEnd >= l.body() {
		return row, line
	}
	return l.step(row, line, toEnd-l.body())
}

// settle brings the cursor's row on the screen, and fills it.
func (l *List) settle() {
	if l.settled || len(l.rows) == 0 {
		return
	}
	l.settled = true
	body, last := l.body(), len(l.rows)-1
	if l.follow {
		l.cur = last
	}
	l.cur = max(0, min(l.cur, last))
	l.top = max(0, min(l.top, last))
	l.skip = max(l.head(l.top), min(l.skip, l.lines(l.top)-1))
	high := l.lines(l.cur)
	if l.pinned {
		l.top, l.skip = l.step(l.cur, 0, -max(0, min(l.pin, body-min(high, body))))
		l.pinned = false
	}
	switch {
	case l.follow:
		l.top, l.skip = l.step(last, high-1, 1-body)
	case l.cur < l.top:
		l.top, l.skip = l.cur, max(l.head(l.cur), 1-body)
	case l.cur == l.top && high <= body && l.skip > 0:
		l.skip = 0
	default:
		if below := l.down(l.top, l.skip, l.cur, body*2) + high - body; below > 0 && (l.cur != l.top || high <= body) {
			if high > body {
				l.top, l.skip = l.cur, 0
			} else {
				l.top, l.skip = l.step(l.cur, high-1, 1-body)
			}
		}
	}
	l.top, l.skip = l.fill(l.top, l.skip)
	l.y = l.down(l.top, l.skip, l.cur, body)
}

// keepLine makes the cursor stay on its line of the screen although rows become higher or lower.
func (l *List) keepLine() {
	if len(l.rows) == 0 || l.h == 0 || l.w == 0 {
		return
	}
	l.settle()
	l.putLine(l.y)
}

// putLine puts the cursor's row on line y of the screen when it is next settled, if it is not following.
func (l *List) putLine(y int) {
	if len(l.rows) == 0 {
		return
	}
	l.pin, l.pinned = y, true
	l.touched()
}

// visible are the first and the last row that are on the screen.
func (l *List) visible() (first, last int) {
	if len(l.rows) == 0 {
		return 0, -1
	}
	l.settle()
	return l.top, l.bottom()
}

// bottom is the last row on the screen.
func (l *List) bottom() int {
	i, _ := l.step(l.top, l.skip, l.body()-1)
	return i
}
