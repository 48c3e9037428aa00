package tap

import (
	"bufio"
	"bytes"
	"strings"
	"testing"
	"time"
)

// TestText says how an event looks.
func TestText(t *testing.T) {
	before := time.Local
	time.Local = time.UTC
	defer func() { time.Local = before }()
	f := func(p printer, line, want string) {
		t.Helper()
		var out bytes.Buffer
		p.out = bufio.NewWriter(&out)
		if err := p.text([]byte(line)); err != nil {
			t.Errorf("%s: %v", line, err)
		}
		p.out.Flush()
		if got := strings.TrimSuffix(out.String(), "\n"); got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
	const at = `{"@timestamp":"2024-05-17T12:00:00.123456Z",`
	plain, colours := printer{}, printer{terminal: true, colours: true}
	f(plain, at+`"message":"hello","log":{"level":"err"},"kubernetes":{"namespace":"shop","pod":{"name":"web-1"}}}`, "2024-05-17 12:00:00.123  ERR     shop/web-1  hello")
	f(colours, at+`"message":"hello","log":{"level":"err"},"kubernetes":{"pod":{"name":"web-1"}}}`, "\x1b[2m2024-05-17 12:00:00.123\x1b[0m  \x1b[31mERR   \x1b[0m  web-1  hello")
	f(plain, at+`"message":"a\nb\nc\n","systemd":{"unit":"cron.service"}}`, "2024-05-17 12:00:00.123          cron.service  a …+2")
	f(plain, at+`"message":"\u001b[2J\u202e\tx","log":{"level":"\u001b","file":{"path":"/var/log/\u0007a.log"}}}`, `2024-05-17 12:00:00.123  \x1b    \aa.log  \x1b[2J\u202e    x`)
	f(plain, at+`"container":{"name":"`+strings.Repeat("n", 99)+`"}}`, "2024-05-17 12:00:00.123          "+strings.Repeat("n", 40)+"…")
	f(printer{fields: []string{"a.b", "n", "none", "x.*"}}, at+`"a":{"b":["1",{"c":2}]},"n":12345678901234567890,"x":{"z":1,"y":"\u001b"}}`,
		`2024-05-17 12:00:00.123  1,{"c":2}  12345678901234567890  -  x.y=\x1b x.z=1`)
	f(plain, `{"@timestamp":"\u001bnever"}`, `\x1bnever`)
}

// TestEscaped: on a terminal JSON stays JSON, and is harmless.
func TestEscaped(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		if got := escaped(text); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	f(`{"a":"é 日"}`, `{"a":"é 日"}`)
	f("{\"a\":\"\u202e\x7f\u009b\U000e0001\"}", `{"a":"\u202e\u007f\u009b\udb40\udc01"}`)
	f("\xff", "\uFFFD")
}

// TestPointed shows where a filter is wrong.
func TestPointed(t *testing.T) {
	const filter = "level: (error"
	_, err := matcher(filter, time.Now())
	if got := pointed(filter, err).Error(); !strings.HasSuffix(got, "\n  level: (error\n         ^") {
		t.Errorf("got %s", got)
	}
}
