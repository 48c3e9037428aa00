package list

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/podbeat/podbeat/tui/source"
)

// numbered are n rows, a second apart, every tenth of them an error.
func numbered(n int) []*source.Row {
	var rows []*source.Row
	for i := range n {
		level := "info"
		if i%10 == 0 {
			level = "error"
		}
		rows = append(rows, logged(i, noon.Add(time.Duration(i)*time.Second), level, "web-0", fmt.Sprintf("line %d", i)))
	}
	return rows
}

func TestMove(t *testing.T) {
	rows := numbered(100)
	// From row 50, of rows 0 to 99 of which 10 are on the screen, to want.
	f := func(what string, move func(l *List) bool, moved bool, want int) {
		t.Helper()
		l := newList(t, "none", 80, 11)
		l.Begin(3)
		l.First(3, source.Page{Rows: rows[:50], End: true}, source.Page{Rows: rows[50:], End: true}, nil)
		l.Mark()
		if got := move(l); got != moved || l.Cursor() != rows[want] {
			t.Errorf("%s: %v, cursor on %s, want %v and %s", what, got, l.Cursor().ID, moved, rows[want].ID)
		}
		if first, last := l.visible(); l.cur < first || l.cur > last {
			t.Errorf("%s: the cursor is not on the screen", what)
		}
	}
	do := func(move func(*List)) func(*List) bool { return func(l *List) bool { move(l); return true } }
	f("begins at the first of the newer ones", do(func(*List) {}), true, 50)
	f("down", do(func(l *List) { l.MoveBy(3) }), true, 53)
	f("far down", do(func(l *List) { l.MoveBy(300) }), true, 99)
	f("page up", do(func(l *List) { l.PageBy(-1) }), true, 41)
	f("half a page down", do(func(l *List) { l.PageBy(0.5) }), true, 54)
	f("pages down", do(func(l *List) { l.PageBy(100); l.PageBy(1) }), true, 99)
	f("scroll", do(func(l *List) { l.ScrollBy(2) }), true, 50)
	f("scroll until the cursor has to follow", do(func(l *List) { l.ScrollBy(20) }), true, 65)
	f("oldest", do((*List).Top), true, 0)
	f("newest", do((*List).Bottom), true, 99)
	f("next error", func(l *List) bool { return l.NextLevel(source.Newer, source.Error) }, true, 60)
	f("error before", func(l *List) bool { return l.NextLevel(source.Older, source.Error) }, true, 40)
	f("no fatal one", func(l *List) bool { return l.NextLevel(source.Older, source.Fatal) }, false, 50)
	f("row", func(l *List) bool { return l.Goto(copies(rows[7:8])[0]) }, true, 7)
	f("no such row", func(l *List) bool { return l.Goto(numbered(101)[100]) }, false, 50)
	f("time", func(l *List) bool { return l.GotoTime(noon.Add(19500 * time.Millisecond)) }, true, 20)
	f("time before all", func(l *List) bool { return l.GotoTime(noon.Add(-time.Hour)) }, true, 0)
	f("time after all", func(l *List) bool { return l.GotoTime(noon.Add(time.Hour)) }, true, 99)
	search := func(re string, dir source.Direction) func(*List) bool {
		return func(l *List) bool { l.Search(regexp.MustCompile(re)); return l.Found(dir) }
	}
	f("found", search("line .7$", source.Newer), true, 57)
	f("found before", search("line .7$", source.Older), true, 47)
	f("not found", search("web-1", source.Older), false, 50)
	f("source found", search("web-0", source.Older), true, 49)
	mark := func(dir source.Direction) func(*List) bool {
		return func(l *List) bool {
			l.MoveBy(20)
			_, here := l.NextMark(dir)
			return here
		}
	}
	f("mark before", mark(source.Older), true, 50)
	f("no mark behind", mark(source.Newer), false, 70)
	f("first line of the screen", func(l *List) bool { return l.Click(3, 1) }, true, 45)
	f("header", func(l *List) bool { return l.Click(3, 0) }, false, 50)
}

func TestSelection(t *testing.T) {
	f := func(want string, change func(l *List)) {
		t.Helper()
		l := newList(t, "none", 80, 11)
		l.show(numbered(20)...)
		l.MoveBy(-9)
		change(l)
		var ids []string
		for _, r := range l.Selection() {
			ids = append(ids, strings.TrimLeft(r.ID, "id0"))
		}
		if got := strings.Join(ids, " "); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	f("", func(l *List) {})
	f("10", func(l *List) { l.Select(true) })
	f("10 11 12", func(l *List) { l.Select(true); l.MoveBy(2) })
	f("8 9 10", func(l *List) { l.SelectTo(-1); l.SelectTo(-1) })
	f("", func(l *List) { l.SelectTo(-1); l.Select(false) })
	f("9 99 10 11", func(l *List) {
		l.SelectTo(-1)
		late := logged(99, noon.Add(9500*time.Millisecond), "info", "web-0", "late")
		l.Insert([]*source.Row{late})
		l.Select(false)
		l.Select(true)
		l.MoveBy(3)
	})
}

func TestCell(t *testing.T) {
	f := func(columns []Column, n int, want string) {
		t.Helper()
		l := newList(t, "none", 80, 11)
		l.SetColumns(columns)
		l.show(numbered(20)...)
		l.Lines()
		l.MoveCell(n)
		if got := l.Cell(); got != want {
			t.Errorf("%d to the right is %q, want %q", n, got, want)
		}
	}
	f(nil, 0, "")
	f(nil, 1, "@timestamp")
	f(nil, 2, "log.level")
	f(nil, 3, "kubernetes.pod.name")
	f(nil, 9, "message")
	f([]Column{{Field: "host.name"}, {Field: "trace.id"}}, 3, "host.name")
	f([]Column{{Field: "host.name"}, {Field: "trace.id"}}, 5, "message")
	f([]Column{{Field: "message"}, {Field: "trace.id"}}, 5, "trace.id")
}

// The list goes on with the tail while its cursor is on the newest row; when it is not it counts what it has not shown.
func TestFollow(t *testing.T) {
	rows := numbered(300)
	l := newList(t, "none", 80, 11)
	l.show(rows[:100]...)
	f := func(what string, following bool, badge, cursor int) {
		t.Helper()
		l.Lines()
		if l.Following() != following || l.Badge() != badge || l.Cursor() != rows[cursor] {
			t.Errorf("%s: following %v with %d new on %s, want %v, %d, %s", what, l.Following(), l.Badge(), l.Cursor().ID, following, badge, rows[cursor].ID)
		}
	}
	f("begins at the newest", true, 0, 99)
	l.Insert(rows[100:110])
	f("tail", true, 0, 109)
	l.Insert(rows[100:110])
	f("the same again", true, 0, 109)
	l.MoveBy(-1)
	l.Insert(rows[110:120])
	f("tail below", false, 10, 108)
	l.MoveBy(100)
	f("back at the end", true, 0, 119)
	l.Follow(false)
	l.Insert(rows[120:130])
	f("held", false, 10, 119)
	l.Follow(true)
	f("followed", true, 0, 129)
	late := *rows[50]
	late.ID, late.Late = "late", true
	if added, n := l.Insert([]*source.Row{&late}); added != 1 || n != 1 {
		t.Errorf("%d put, %d late", added, n)
	}
	f("late row above", true, 0, 129)
	if i := l.index(&late); l.rows[i-1] != rows[50] && l.rows[i+1] != rows[50] {
		t.Error("the late row is not in its place")
	}
	l.Gap()
	if wants := l.Wants(); len(wants) != 1 || wants[0].Row != nil || wants[0].Dir != source.Older {
		t.Fatalf("wants %v behind a gap, not the newest page", wants)
	}
	l.Put(l.Gen(), source.Older, source.Page{Rows: rows[250:]})
	f("behind a gap", true, 0, 299)
	if n := len(l.Rows()); n != 50 || !l.AtEnd() {
		t.Errorf("%d rows behind a gap, at the end: %v", n, l.AtEnd())
	}
}

// Rows that servers hold for equal, more than a list may have at once, come in the order of the server: none is skipped or doubled.
func TestOneInstant(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var all []*source.Row
	for i := range 500 {
		all = append(all, &source.Row{ID: fmt.Sprint(i), Time: noon, Source: []byte("{}")})
	}
	r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	l := newList(t, "none", 80, 11)
	l.limits.page, l.limits.pages = 10, 8
	l.Begin(1)
	l.First(1, source.Page{Rows: all[490:]}, source.Page{End: true}, nil)
	for _, by := range []int{-7, 5, -3} {
		for n := 0; n < 600; n++ {
			for _, want := range l.Wants() {
				at := slices.Index(all, want.Row)
				if want.Dir == source.Older {
					l.Put(l.Gen(), want.Dir, source.Page{Rows: all[max(0, at-want.N):at], End: at <= want.N})
				} else {
					end := min(len(all), at+1+want.N)
					l.Put(l.Gen(), want.Dir, source.Page{Rows: all[at+1 : end], End: end == len(all)})
				}
				if first := slices.Index(all, l.rows[0]); !slices.Equal(l.rows, all[first:first+len(l.rows)]) {
					t.Fatal("the rows are not those of the server")
				}
				if len(l.rows) > 100 {
					t.Fatalf("%d rows are held", len(l.rows))
				}
			}
			was := l.Cursor()
			if l.MoveBy(by); l.Cursor() == was {
				break
			}
		}
		if end := map[bool]*source.Row{true: all[len(all)-1], false: all[0]}[by > 0]; l.Cursor() != end {
			t.Fatalf("by %d: got to %d of %d", by, slices.Index(all, l.Cursor()), len(all))
		}
	}
}

// Big documents are asked for in small pages, let go of early, and not asked for in circles.
func TestMemory(t *testing.T) {
	rows := numbered(400)
	for _, row := range rows {
		row.Source = append(row.Source[:len(row.Source)-1], `,"x":"`+strings.Repeat("x", 100_000)+`"}`...)
	}
	l := newList(t, "none", 80, 11)
	l.limits.bytes = 4 << 20
	l.Begin(1)
	l.First(1, before(rows, nil, 200), source.Page{End: true}, nil)
	for asked := 0; ; {
		for wants := l.Wants(); len(wants) > 0; wants = l.Wants() {
			for _, want := range wants {
				if asked++; want.N > 20 || asked > 200 {
					t.Fatalf("asks %d times, for %d rows", asked, want.N)
				}
				l.Put(l.Gen(), want.Dir, before(rows, want.Row, want.N))
			}
		}
		if l.bytes > 6<<20 {
			t.Fatalf("%d bytes are held", l.bytes)
		}
		if l.cur == 0 {
			break
		}
		l.PageBy(-1)
	}
	if !same(l.Cursor(), rows[0]) {
		t.Errorf("got to %s", l.Cursor().ID)
	}
}

// What failed is asked for again when people move, or are told that it can be had again.
func TestFailed(t *testing.T) {
	rows := numbered(300)
	l := newList(t, "none", 80, 11)
	l.Begin(1)
	if wants := l.Wants(); len(wants) != 0 {
		t.Fatalf("wants %v before the first rows", wants)
	}
	l.First(1, source.Page{Rows: rows[100:]}, source.Page{End: true}, nil)
	f := func(what string, change func(), want int) {
		t.Helper()
		change()
		wants := l.Wants()
		if len(wants) != want {
			t.Errorf("%s: wants %v", what, wants)
		}
		for _, w := range wants {
			l.Failed(w.Dir)
		}
	}
	f("screen far from the end", func() { l.Lines() }, 1)
	f("failed", func() {}, 0)
	f("moved", func() { l.MoveBy(-1) }, 1)
	f("again", l.Again, 1)
	f("to the oldest", l.Top, 1)
	if l.Loading() || l.Cursor() == nil {
		t.Error("a jump that failed is not off")
	}
	l.Top()
	l.Wants()
	l.Put(l.Gen(), source.Newer, after(rows, nil, 200))
	f("landed", func() {}, 1)
	if !same(l.Cursor(), rows[0]) {
		t.Errorf("landed on %s", l.Cursor().ID)
	}
}

// A page that comes when the row that it was asked from is not held any more is not joined to others.
func TestTooLate(t *testing.T) {
	rows := numbered(500)
	for _, dir := range []source.Direction{source.Older, source.Newer} {
		l := newList(t, "none", 80, 11)
		l.limits.page, l.limits.pages = 10, 4
		l.Begin(1)
		l.First(1, source.Page{Rows: rows[240:250]}, source.Page{Rows: rows[250:260]}, nil)
		var late Want
		for range 40 {
			for _, want := range l.Wants() {
				page := before(rows, want.Row, want.N)
				if want.Dir == source.Newer {
					page = after(rows, want.Row, want.N)
				}
				if want.Dir != dir {
					l.Put(l.Gen(), want.Dir, page)
				} else if late.Row == nil {
					late = want
				}
			}
			l.MoveBy(-9 * int(dir))
		}
		if l.index(late.Row) >= 0 {
			t.Fatal("the row is held still")
		}
		l.limits.pages = 40 // more may be held now, as when a tail begins
		page := before(rows, late.Row, late.N)
		if dir == source.Newer {
			page = after(rows, late.Row, late.N)
		}
		l.Put(l.Gen(), dir, page)
		if at := slices.IndexFunc(rows, func(r *source.Row) bool { return same(r, l.rows[0]) }); !slices.EqualFunc(l.rows, rows[at:at+len(l.rows)], same) {
			t.Errorf("the rows have gaps")
		}
		if dir == source.Older {
			l.MoveBy(-len(l.rows))
		} else {
			l.MoveBy(len(l.rows))
		}
		if wants := l.Wants(); len(wants) != 1 || wants[0].Dir != dir {
			t.Errorf("wants %v after that", wants)
		}
	}
}
