package list

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/podbeat/podbeat/tui/source"
)

// filled is a list of many rows, some of several lines, some of wide characters.
func filled(b *testing.B, w, h, n int) *List {
	l := newList(b, "dark", w, h)
	l.limits.pages = n
	rows := make([]*source.Row, n)
	levels := []string{"debug", "info", "info", "warn", "error"}
	for i := range rows {
		message := fmt.Sprintf("request %d of user %d took %dms: %s", i, i%97, i%1013, strings.Repeat("and so on ", i%30))
		switch i % 10 {
		case 3:
			message += "\n\tat shop.Cart.add(Cart.java:12)\n\tat shop.Main.main(Main.java:3)"
		case 7:
			message += " 日本語 " + strings.Repeat("ログ", i%40)
		}
		rows[i] = logged(i, noon.Add(time.Duration(i)*time.Millisecond), levels[i%5], fmt.Sprintf("web-7d9f8c6b5d-%05d", i%20), message)
	}
	l.show(rows...)
	l.Lines()
	b.ReportAllocs()
	b.ResetTimer()
	return l
}

var sizes = [][2]int{{200, 50}, {320, 90}}

func each(b *testing.B, f func(b *testing.B, l *List)) {
	for _, size := range sizes {
		b.Run(fmt.Sprintf("%dx%d", size[0], size[1]), func(b *testing.B) { f(b, filled(b, size[0], size[1], 10_000)) })
	}
}

// Nothing has changed.
func BenchmarkLinesAgain(b *testing.B) {
	each(b, func(b *testing.B, l *List) {
		for b.Loop() {
			l.Lines()
		}
	})
}

// The cursor moves by one row, and the screen with it.
func BenchmarkScroll(b *testing.B) {
	each(b, func(b *testing.B, l *List) {
		n := -1
		for b.Loop() {
			if l.cur == 0 || l.cur == len(l.rows)-1 {
				n = -n
				l.PageBy(float64(n))
			}
			l.ScrollBy(n)
			l.MoveBy(n)
			l.Lines()
		}
	})
}

// Every row is another one.
func BenchmarkPage(b *testing.B) {
	each(b, func(b *testing.B, l *List) {
		n := 1.0
		for b.Loop() {
			if l.cur == 0 || l.cur == len(l.rows)-1 {
				n = -n
			}
			l.PageBy(n)
			l.Lines()
		}
	})
}

// Every row has to be drawn anew, wrapped.
func BenchmarkWrapped(b *testing.B) {
	each(b, func(b *testing.B, l *List) {
		l.SetWrap(true)
		for b.Loop() {
			l.changed()
			l.Lines()
		}
	})
}

// The tail brings rows, 5 % of them late, to a list that holds as many as it may.
func BenchmarkTail(b *testing.B) {
	each(b, func(b *testing.B, l *List) {
		l.limits.pages = 25
		n := len(l.rows)
		doc := l.rows[0].Source
		for b.Loop() {
			batch := make([]*source.Row, 200)
			for i := range batch {
				n++
				at := noon.Add(time.Duration(n) * time.Millisecond)
				if i%20 == 0 {
					at = at.Add(-20 * time.Second)
				}
				batch[i] = &source.Row{Index: "logstash", ID: fmt.Sprint(n), Time: at, Tie: int64(n), Source: doc}
			}
			l.Insert(batch)
			l.Lines()
		}
	})
}
