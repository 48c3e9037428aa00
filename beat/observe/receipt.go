package observe

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/elastic/beats/v7/libbeat/logp"

	"github.com/podbeat/podbeat/beat/receipt"
)

// receipt answers with JSON, or with a table for `Accept: text/plain`.
func (o *Observer) receipt(w http.ResponseWriter, r *http.Request) {
	p := o.parts.Load()
	if p == nil {
		answer(w, http.StatusServiceUnavailable, starting)
		return
	}
	whole := p.Book.Receipt()
	w.Header().Set("Vary", "Accept")
	if !strings.HasPrefix(r.Header.Get("Accept"), "text/plain") {
		answer(w, http.StatusOK, whole)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	writeTable(w, &whole)
}

// columns are those of the table.
var columns = []string{"READ", "RESUMED", "FILTERED", "ACKED", "DEAD", "DROPPED", "ABANDONED", "IN FLIGHT"}

func writeTable(w io.Writer, r *receipt.Receipt) {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', tabwriter.AlignRight)
	row := func(name string, e *receipt.Entry) {
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t\n",
			plain(name), e.Read, e.Resumed, e.Filtered, e.Acked, e.DeadLetters, e.Dropped, e.Abandoned, e.InFlight)
	}
	fmt.Fprintf(t, "INPUT\t%s\t\n", strings.Join(columns, "\t"))
	for i := range r.Inputs {
		row(r.Inputs[i].Type+" "+r.Inputs[i].ID, &r.Inputs[i].Entry)
	}
	row("all", &r.Total)
	fmt.Fprintf(t, "\t\t\t\t\t\t\t\t\t\nNAMESPACE\t%s\t\n", strings.Join(columns, "\t"))
	for i := range r.Namespaces {
		row(r.Namespaces[i].Name, &r.Namespaces[i].Entry)
	}
	_ = t.Flush()
	fmt.Fprintf(w, "\nSince %s: %s\n", r.Since.UTC().Format(time.RFC3339), sum(r.AddsUp, r.Difference))
}

func sum(addsUp bool, difference int64) string {
	if addsUp {
		return "it adds up."
	}
	return fmt.Sprintf("IT DOES NOT ADD UP: the difference is %d.", difference)
}

// LogReceipt writes a line for each input, as a process does when it stops.
func LogReceipt(log *logp.Logger, b *receipt.Book) {
	r := b.Receipt()
	for i := range r.Inputs {
		a := &r.Inputs[i]
		line := fmt.Sprintf("Receipt of input %s %q: read %d + resumed %d = filtered %d + acked %d + dead letters %d + dropped %d + abandoned %d + in flight %d",
			a.Type, a.ID, a.Read, a.Resumed, a.Filtered, a.Acked, a.DeadLetters, a.Dropped, a.Abandoned, a.InFlight)
		if a.Difference == 0 {
			log.Info(line)
		} else {
			log.Errorf("%s. %s", line, sum(false, a.Difference))
		}
	}
}

// plain is s without what would move a terminal's cursor.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029' {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}
