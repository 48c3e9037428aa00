package journalgen

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// The shapes of messages. styleAny is a mixture of the others as a busy node shows it.
type style int

const (
	styleAny style = iota
	styleText
	styleJSON
	styleKlog
	styleAccess
	styleTrace
	styleDump // 700 bytes and more: journald compresses from 512
	styleBinary
)

var words = strings.Fields(`request handled upstream connection closed by peer timeout waiting for lock cache miss
key user session created order shipped payment accepted retry attempt backend healthy probe failed reconcile object
updated version leader election renewed lease watch started index built segment merged flushing buffer batch records
committed offset partition consumer group rebalanced token refreshed certificate expires in days config reloaded`)

// wide are words whose characters take several bytes, so that cuts fall inside them.
var wide = strings.Fields(`größe überschritten 接続が切断されました узел недоступен 🚀 état précédent`)

var levels = [...]string{"INFO", "INFO", "DEBUG", "WARN", "ERROR"}

func (g *Generator) anyStyle() style {
	switch p := g.r.IntN(1000); {
	case p < 350:
		return styleText
	case p < 635:
		return styleJSON
	case p < 735:
		return styleKlog
	case p < 905:
		return styleAccess
	case p < 990:
		return styleTrace
	default:
		return styleDump
	}
}

// message builds a message of 80 to 400 bytes, skewed to the small side, in g.text.
func (g *Generator) message(s style, seq int) {
	if s == styleAny {
		s = g.anyStyle()
	}
	r := g.r
	size := 80 + int(r.Float64()*r.Float64()*320)
	sq := fmt.Sprintf("sq#%08d", seq)
	sec, us := g.realtime/1e6, g.realtime%1e6
	hh, mm, ss := sec/3600%24, sec/60%60, sec%60
	b := g.text[:0]
	switch s {
	case styleText:
		b = fmt.Appendf(b, "2024-05-17T%02d:%02d:%02d.%06dZ %s %s ", hh, mm, ss, us, levels[r.IntN(5)], sq)
	case styleJSON:
		b = fmt.Appendf(b, `{"ts":"2024-05-17T%02d:%02d:%02d.%06dZ","level":"%s","seq":"%s","caller":"server/handler.go:%d","trace_id":"%016x","msg":"`,
			hh, mm, ss, us, strings.ToLower(levels[r.IntN(5)]), sq, r.IntN(900), r.Uint64())
		b = appendWords(b, r, max(size-2, len(b)), words)
		g.text = append(b, `"}`...)
		return
	case styleKlog:
		b = fmt.Appendf(b, "%c0517 %02d:%02d:%02d.%06d %7d reconciler.go:%d] %s ", "IIIWE"[r.IntN(5)], hh, mm, ss, us, 1+r.IntN(90000), r.IntN(900), sq)
	case styleAccess:
		b = fmt.Appendf(b, `10.%d.%d.%d - - [17/May/2024:%02d:%02d:%02d +0000] "GET /api/v1/items/%d?q=%s HTTP/1.1" %d %d "-" "curl/7.88" `,
			r.IntN(256), r.IntN(256), r.IntN(256), hh, mm, ss, r.IntN(100000), sq, [...]int{200, 200, 200, 304, 404, 500}[r.IntN(6)], r.IntN(50000))
	case styleTrace:
		b = fmt.Appendf(b, "java.lang.IllegalStateException: %s ", sq)
		b = appendWords(b, r, len(b)+24, words)
		for len(b) < min(size+60, 400) {
			b = fmt.Appendf(b, "\n\tat com.example.svc%d.Handler%d.invoke(Handler.java:%d)", r.IntN(20), r.IntN(40), r.IntN(900))
		}
		g.text = b
		return
	case styleDump:
		size = 700 + r.IntN(3000)
		b = append(append(b, sq...), " dump: "...)
	case styleBinary:
		b = append(append(b, sq...), " \x1b[31mraw\x1b[0m\x00 "...)
		for range 16 {
			b = append(b, byte(0x80+r.IntN(0x80)))
		}
		b = append(b, ' ')
	}
	g.text = appendWords(b, r, size, words)
}

// longText builds one line of exactly size bytes, with characters of several bytes, in g.text.
func (g *Generator) longText(seq, size int) {
	b := fmt.Appendf(g.text[:0], "sq#%08d dump of %d bytes: ", seq, size)
	for len(b) < size-64 {
		b = appendWords(b, g.r, min(len(b)+200, size-64), words)
		b = append(append(b, ' '), wide[g.r.IntN(len(wide))]...)
		b = append(b, ' ')
	}
	g.text = appendWords(b, g.r, size, words)
}

// appendWords adds plain words until b has size bytes, cutting the last; a longer b stays as it is.
func appendWords(b []byte, r *rand.Rand, size int, from []string) []byte {
	if len(b) >= size {
		return b
	}
	for len(b) < size {
		b = append(b, from[r.IntN(len(from))]...)
		b = append(b, ' ')
	}
	return b[:size]
}
