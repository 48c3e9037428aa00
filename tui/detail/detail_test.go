package detail

import (
	"strings"
	"testing"
	"time"

	"github.com/podbeat/podbeat/tui/source"
	"github.com/podbeat/podbeat/tui/theme"
	"github.com/podbeat/podbeat/tui/when"
)

const document = `{"@timestamp":"2026-11-20T10:00:00.000001Z","ecs":{"version":"1.12.0"},"agent":{"type":"podbeat","version":"7.17.29"},
"kubernetes":{"namespace":"web","pod":{"name":"shop-1","uid":"8a2b"},"labels":{"app":"shop","tier":"front"}},
"log":{"level":"ERROR","offset":12},"log.stream":"console","message":"boom\n\tat a.B(C.java:1)\n\tat d.E(F.java:2)\nCaused by: x","tags":["a","b"],"items":[{"id":1},{"id":2}],
"empty":{},"none":null,"ok":true,"odd.dotted.name":1.50,"evil":"\u001b[31mred\u202e"}`

func shown(t *testing.T, doc string, w, h int) *Detail {
	t.Helper()
	th, err := theme.New("", true, false)
	if err != nil {
		t.Fatal(err)
	}
	d := New(th)
	d.SetZone(when.UTC)
	d.SetSize(w, h)
	d.SetDocument(&source.Row{Index: "i", ID: "1", Level: source.Error, Time: time.Unix(0, 0)}, []byte(doc))
	return d
}

func TestX(t *testing.T) {
	d := shown(t, document, 76, 34)
	d.SetFocus(true)
	for range 4 {
		t.Log(d.Title() + "\n" + strings.Join(d.Lines(), "\n"))
		d.SetMode(d.Mode().Next())
	}
}
