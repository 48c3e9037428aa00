package logs

import (
	"fmt"
	"strings"
)

// id is how each message names itself, so that it can be told from all others.
func (g *generator) id() string { return fmt.Sprintf("req-%07d", g.n) }

// special are messages that are there once each in a day of 1,000 lines or more, by the number of their document: what a terminal must
// not obey, or cannot show as it stands.
var special = map[int]string{
	101: "INFO  \x1b[31mred\x1b[0m \x1b[2J\x1b]0;title taken\x07 and \u009b5n",
	202: "WARN  user \u202egnp.exe\u202c renamed, zero\u200bwidth, a\u0301 combining, \u2028 line separator",
	303: "INFO  family 👩‍👩‍👧‍👦 flag 🇪🇺 wide 日本語のログ 한국어 half ﾊﾝｶｸ",
	404: "INFO  مرحبا بالعالم and שלום עולם from right to left",
	505: "INFO  tab\tseparated\tvalues\tone\ttwo",
	606: "DEBUG carriage\rreturn and back\bspace and bell\a and null-ish \x01\x02\x7f",
	707: "ERROR `rm -rf /`; $(reboot) %s %n {{.Env}} <script>alert(1)</script> '; DROP TABLE logs; --",
	808: "INFO  long " + strings.Repeat("0123456789 ", 30_000),
}

func (g *generator) special() (line, bool) {
	text, ok := special[g.n]
	if !ok || g.total < 1000 {
		return line{}, false
	}
	word, _, _ := strings.Cut(text, " ")
	return line{text: text + " " + g.id(), level: levelNames[word]}, true
}

// levelNames are what podbeat makes of the words in messages.
var levelNames = map[string]string{"TRACE": "trace", "DEBUG": "debug", "INFO": "info", "WARN": "warning", "ERROR": "err", "FATAL": "crit"}

// plain is the console of most apps.
func plain(g *generator, p *Pod) line {
	r := g.r
	say := func(word, format string, args ...any) line {
		return line{text: fmt.Sprintf("%-5s ", word) + fmt.Sprintf(format, args...) + " " + g.id(), level: levelNames[word], err: word == "ERROR" || word == "FATAL"}
	}
	n := r.IntN(1000)
	if g.incident() && p.App == "ledger" && n < 500 {
		return say("ERROR", "no connection to database db-%d.payments:5432: connection refused", r.IntN(3))
	}
	switch {
	case n < 30:
		return say("ERROR", "cannot store order %d: deadline exceeded after %d ms", r.IntN(100_000), 1000+r.IntN(4000))
	case n < 90:
		return say("WARN", "retrying request to %s in %d ms, attempt %d", []string{"ledger", "fraud", "cart"}[r.IntN(3)], 100*(1+r.IntN(9)), 1+r.IntN(4))
	case n < 250:
		return say("DEBUG", "cache %s for key user:%d", []string{"hit", "miss"}[r.IntN(2)], r.IntN(50_000))
	case n < 270:
		return say("TRACE", "enter handler %s", []string{"getOrder", "putItem", "listItems"}[r.IntN(3)])
	case n < 272:
		return say("FATAL", "out of memory: heap limit %d MiB reached", 256<<r.IntN(3))
	case n < 600:
		return say("INFO", "order %d accepted from customer %d, %d items", r.IntN(1_000_000), r.IntN(50_000), 1+r.IntN(9))
	}
	return say("INFO", "handled %s /api/v1/items/%d in %d ms", []string{"GET", "PUT", "POST"}[r.IntN(3)], r.IntN(9999), 1+r.IntN(400))
}

// access is a web server's console: JSON that nobody has parsed, so podbeat gives the level of the output.
func access(g *generator, p *Pod) line {
	r := g.r
	status := []int{200, 200, 200, 200, 200, 200, 204, 304, 404, 500}[r.IntN(10)]
	if g.incident() && r.IntN(2) == 0 {
		status = 502
	}
	l := line{level: "info"}
	if status >= 500 {
		l.level, l.err = "err", true
	}
	l.text = fmt.Sprintf(`{"remote":"10.%d.%d.%d","method":"%s","path":"/shop/%s/%d","status":%d,"bytes":%d,"seconds":0.%03d,"id":"%s"}`,
		r.IntN(256), r.IntN(256), r.IntN(256), []string{"GET", "GET", "GET", "POST"}[r.IntN(4)], []string{"items", "cart", "search"}[r.IntN(3)],
		r.IntN(9999), status, r.IntN(90_000), r.IntN(1000), g.id())
	return l
}

// request is a line of ECS in JSON, of a request that other apps have lines of as well.
func request(g *generator, p *Pod) line {
	r := g.r
	l := line{json: true, level: "info", text: fmt.Sprintf("%s checkout of customer %d %s", p.App, r.IntN(50_000), g.id())}
	if len(g.hops) > 0 && g.hops[0].app == p.App {
		l.trace, g.hops = g.hops[0].trace, g.hops[1:]
	} else {
		l.trace = fmt.Sprintf("%016x%016x", r.Uint64(), r.Uint64())
		for _, app := range []string{"orders", "ledger", "orders"}[:1+r.IntN(3)] {
			g.hops = append(g.hops, hop{app, l.trace})
		}
		g.hops = g.hops[max(0, len(g.hops)-60):]
	}
	switch n := r.IntN(100); {
	case n < 4:
		l.level, l.text = "error", fmt.Sprintf("%s payment refused: the card has expired %s", p.App, g.id())
	case n < 10:
		l.level, l.text = "warn", fmt.Sprintf("%s slow answer of the payment provider: %d ms %s", p.App, 2000+r.IntN(3000), g.id())
	case n < 25:
		l.level, l.text = "debug", fmt.Sprintf("%s session of customer %d refreshed %s", p.App, r.IntN(50_000), g.id())
	}
	return l
}

// java is a log file with stack traces.
func java(g *generator, p *Pod) line {
	r := g.r
	if len(g.hops) > 0 && g.hops[0].app == p.App {
		l := request(g, p)
		if g.incident() {
			l.level, l.text = "error", fmt.Sprintf("%s cannot book payment: no connection %s", p.App, g.id())
		}
		return l
	}
	thread := fmt.Sprintf("[http-nio-8080-exec-%d]", r.IntN(40))
	n := r.IntN(100)
	if g.incident() && n < 70 || n < 3 {
		return line{level: "err", text: fmt.Sprintf("ERROR %s c.e.ledger.Book - cannot book payment %s\n", thread, g.id()) + stack(g)}
	}
	word := []string{"INFO", "INFO", "INFO", "DEBUG", "DEBUG", "WARN"}[r.IntN(6)]
	return line{level: levelNames[word], text: fmt.Sprintf("%-5s %s c.e.ledger.Book - booked %d.%02d EUR for account %d %s", word, thread, r.IntN(900), r.IntN(100), r.IntN(9999), g.id())}
}

// stack is what Java writes of an exception.
func stack(g *generator) string {
	var b strings.Builder
	b.WriteString("java.sql.SQLTransientConnectionException: ledger-pool - Connection is not available, request timed out after 30000ms.")
	for i := range 4 + g.r.IntN(9) {
		fmt.Fprintf(&b, "\n\tat com.example.ledger.%s.%s(%s.java:%d)", []string{"Book", "Pool", "Account", "Filter"}[i%4], []string{"get", "run", "book", "doFilter"}[g.r.IntN(4)],
			[]string{"Book", "Pool", "Account", "Filter"}[i%4], 10+g.r.IntN(400))
	}
	b.WriteString("\nCaused by: java.net.ConnectException: Connection refused\n\t... 11 more")
	return b.String()
}

// python is a console on stderr, whatever it says.
func python(g *generator, p *Pod) line {
	word := []string{"INFO", "INFO", "INFO", "WARNING", "ERROR"}[g.r.IntN(5)]
	level := map[string]string{"INFO": "info", "WARNING": "warning", "ERROR": "err"}[word]
	return line{level: level, err: true, text: fmt.Sprintf("%s:fraud.score:transaction %d scored %.3f by model v%d %s", word, g.r.IntN(1_000_000), g.r.Float64(), 3+g.r.IntN(2), g.id())}
}

// logfmt is what programs in Go write.
func logfmt(g *generator, p *Pod) line {
	word := []string{"info", "info", "info", "debug", "warn", "error"}[g.r.IntN(6)]
	level := map[string]string{"info": "info", "debug": "debug", "warn": "warning", "error": "err"}[word]
	return line{level: level, err: true, text: fmt.Sprintf(`ts=%s level=%s caller=collector.go:%d msg="collector finished" name=%s duration_seconds=%.6f id=%s`,
		stamp(g.at), word, 100+g.r.IntN(200), []string{"cpu", "diskstats", "netdev", "filefd"}[g.r.IntN(4)], g.r.Float64()/10, g.id())}
}

// worldwide is text that is wider, or narrower, than it is long.
func worldwide(g *generator, p *Pod) line {
	text := []string{"接続が切断されました", "Größe überschritten", "соединение разорвано", "🚢 lieferung unterwegs 📦", "تم قطع الاتصال", "संपर्क टूट गया"}[g.r.IntN(6)]
	return line{level: "info", text: "INFO  " + text + " " + g.id()}
}

// mobile is what an app on telephones pushes.
func mobile(g *generator) line {
	r := g.r
	switch n := r.IntN(100); {
	case n < 5:
		return line{level: "err", text: "crash in view Checkout: index out of range " + g.id()}
	case n < 15:
		return line{level: "warning", text: fmt.Sprintf("slow frame: %d ms in view Cart %s", 40+r.IntN(400), g.id())}
	}
	return line{level: "info", text: fmt.Sprintf("opened view %s %s", []string{"Home", "Search", "Item", "Cart", "Checkout"}[r.IntN(5)], g.id())}
}
