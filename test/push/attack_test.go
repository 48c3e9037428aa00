package push

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/podbeat/podbeat/test/harness"
)

// No token but ours opens anything, and none is answered with why.
func TestTokens(t *testing.T) {
	a := start(t, "", quick)
	const header, access = `{"typ":"JWT","alg":"HS256"}`, `"access":[{"method":["POST"],"url":["{mscp_api_url}/apps/{appid:UUID}/log"]}]`
	exp := fmt.Sprintf(`"exp":%d`, time.Now().Add(time.Hour).Unix())
	claims := "{" + exp + "," + access + "}"
	good := forge(header, claims, secret)
	post := func(raw string) result {
		t.Helper()
		return a.request("POST", "/apps/"+app+"/log", body("x"), "Authorization: Bearer "+raw, "Content-Type: application/json")
	}
	if r := post(good); r.status != 202 {
		t.Fatalf("a good token: %d %s", r.status, r.body)
	}
	f := func(name, raw string) {
		t.Helper()
		if r := post(raw); r.status != 401 || r.body != `{"error":"authorization failed"}`+"\n" {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
	}
	for _, h := range []string{`{"alg":"none"}`, `{"alg":"None"}`, `{"alg":"hs256"}`, `{"alg":"HS256","alg":"none"}`, `{"alg":"HS384"}`, `{"alg":"HS512"}`, `{"alg":"RS256"}`,
		`{"alg":"HS256","crit":["x"]}`, `{"alg":"HS256","b64":false}`, `{"alg":"HS256","jku":"http://127.0.0.1/"}`, `{"alg":"HS256","jwk":{}}`, `{"alg":"HS256","x5u":"x"}`,
		`{"alg":"HS256","kid":"../../etc/passwd"}`, `{"alg":"HS256","typ":"at+jwt"}`, `{"alg":"HS256"}{}`, `null`} {
		f(h, forge(h, claims, secret))
	}
	for _, c := range []string{"{" + access + "}", `{"exp":null,` + access + "}", "null", `{"exp":"2147483647",` + access + "}", "{" + exp + `,"exp":1,` + access + "}", `{"EXP":2147483647,` + access + "}",
		fmt.Sprintf(`{"exp":%d,%s}`, time.Now().Unix()-60, access), fmt.Sprintf(`{"iat":%d,%s,%s}`, time.Now().Unix()+600, exp, access), fmt.Sprintf(`{"nbf":%d,%s,%s}`, time.Now().Unix()+600, exp, access),
		`{"exp":253402300799,` + access + "}", "{" + exp + "," + access + "," + strings.ToUpper(access) + "}", claims + "{}",
		"{" + exp + `,"access":[{"method":["POST"],"url":["/**"],"deny":[]}]}`, "{" + exp + `,"access":` + strings.Repeat("[", 2000) + "}"} {
		f(c, forge(header, c, secret))
	}
	f("another secret", forge(header, claims, "another secret of 32 bytes or more"))
	f("empty secret", forge(header, claims, ""))
	f("padded", good+"=")
	f("cut", good[:len(good)-1])
	f("no signature", good[:strings.LastIndexByte(good, '.')+1])
	f("long", good+strings.Repeat("A", 9000))
	f("dots", strings.Repeat(".", 9000))
	for i, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_" {
		if i%8 != 0 && good[len(good)-1] != byte(c) {
			f("last character altered", good[:len(good)-1]+string(c))
		}
	}
	if got := a.messages(); len(got) != 1 {
		t.Errorf("%d entries were taken", len(got))
	}
	a.Term()
	if strings.Contains(a.Log(), good[20:60]) || strings.Contains(a.Log(), secret) {
		t.Error("a token or the secret is in the log")
	}
}

// raw sends bytes, and returns the statuses of all answers until the connection is closed or stays silent.
func (a *api) raw(t *testing.T, request string, patience time.Duration) (statuses []int, closed bool) {
	t.Helper()
	c, err := net.Dial("tcp", a.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	go io.WriteString(c, request) // podbeat may answer and close before it has read all
	c.SetReadDeadline(time.Now().Add(patience))
	r := bufio.NewReader(c)
	for {
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			return statuses, !errors.Is(err, os.ErrDeadlineExceeded)
		}
		io.Copy(io.Discard, resp.Body)
		statuses = append(statuses, resp.StatusCode)
	}
}

// Requests that two programs may read differently, and paths that are not what they seem. A client never gets more than one answer to
// what a proxy may have taken for one request.
func TestRawRequests(t *testing.T) {
	a := start(t, "", quick)
	path := "/api/apps/" + app + "/log"
	auth := "Authorization: " + a.pusher() + "\r\nContent-Type: application/json\r\nHost: x\r\n"
	all := "Authorization: " + a.token("1", "* /**") + "\r\nContent-Type: application/json\r\nHost: x\r\n"
	b := body("raw")
	length := fmt.Sprintf("Content-Length: %d\r\n", len(b))
	chunked := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(b), b)
	smuggled := "POST " + path + " HTTP/1.1\r\n" + auth + length + "\r\n" + b
	taken := 0

	f := func(name, request string, want ...int) {
		t.Helper()
		got, closed := a.raw(t, request, time.Minute)
		if fmt.Sprint(got) != fmt.Sprint(want) || !closed {
			t.Errorf("%s: %v, closed: %v, want %v", name, got, closed, want)
		}
		for _, s := range got {
			if s == 202 {
				taken++
			}
		}
	}
	line := func(line string) string { return line + "\r\n" + auth + "Connection: close\r\n" + length + "\r\n" + b }
	f("plain", line("POST "+path+" HTTP/1.1"), 202)
	f("HTTP/1.0", "POST "+path+" HTTP/1.0\r\n"+auth+length+"\r\n"+b, 202)
	f("absolute URL", line("POST http://other.example"+path+" HTTP/1.1"), 202)
	f("two lengths", "POST "+path+" HTTP/1.1\r\n"+auth+length+"Content-Length: 3\r\n\r\n"+b, 400)
	f("negative length", "POST "+path+" HTTP/1.1\r\n"+auth+"Content-Length: -1\r\n\r\n"+b, 400)
	f("length with a sign", "POST "+path+" HTTP/1.1\r\n"+auth+fmt.Sprintf("Content-Length: +%d\r\n\r\n", len(b))+b, 400)
	f("2^64 length", "POST "+path+" HTTP/1.1\r\n"+auth+"Content-Length: 18446744073709551616\r\n\r\n"+b, 400)
	f("huge length", "POST "+path+" HTTP/1.1\r\n"+auth+"Content-Length: 9223372036854775807\r\n\r\n"+b, 413)
	f("length and chunks", "POST "+path+" HTTP/1.1\r\n"+auth+length+"Transfer-Encoding: chunked\r\n\r\n"+chunked+smuggled, 202)
	f("length 0 and chunks", "POST "+path+" HTTP/1.1\r\n"+auth+"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n"+chunked+smuggled, 202)
	f("chunks and more", "POST "+path+" HTTP/1.1\r\n"+auth+"Transfer-Encoding: chunked\r\n\r\n"+chunked+smuggled, 202)
	f("chunks, name with a blank", "POST "+path+" HTTP/1.1\r\n"+auth+"Transfer-Encoding : chunked\r\n\r\n"+chunked, 400)
	f("xchunked", "POST "+path+" HTTP/1.1\r\n"+auth+"Transfer-Encoding: xchunked\r\n\r\n"+chunked, 501)
	f("chunked twice", "POST "+path+" HTTP/1.1\r\n"+auth+"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"+chunked, 501)
	f("broken chunks", "POST "+path+" HTTP/1.1\r\n"+auth+"Transfer-Encoding: chunked\r\n\r\nzz\r\n"+b, 400)
	f("two hosts", "POST "+path+" HTTP/1.1\r\nHost: y\r\n"+auth+length+"\r\n"+b, 400)
	f("no host", "POST "+path+" HTTP/1.1\r\n"+strings.Replace(auth, "Host: x\r\n", "", 1)+length+"\r\n"+b, 400)
	f("two tokens", "POST "+path+" HTTP/1.1\r\nAuthorization: x\r\nConnection: close\r\n"+auth+length+"\r\n"+b, 401)
	f("a folded header", "POST "+path+" HTTP/1.1\r\nX: y\r\n z\r\n"+auth+"Connection: close\r\n"+length+"\r\n"+b, 202)
	f("NUL in a header", "POST "+path+" HTTP/1.1\r\nX: \x00\r\n"+auth+length+"\r\n"+b, 400)
	f("long headers", "POST "+path+" HTTP/1.1\r\nX: "+strings.Repeat("x", 64<<10)+"\r\n"+auth+length+"\r\n"+b, 431)
	f("a long path", line("POST "+path+strings.Repeat("/x", 32<<10)+" HTTP/1.1"), 431)
	f("many headers", "POST "+path+" HTTP/1.1\r\n"+strings.Repeat("X: y\r\n", 10_000)+auth+length+"\r\n"+b, 431)
	f("HTTP/2 with prior knowledge", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 401)
	f("upgrade to h2c", "POST "+path+" HTTP/1.1\r\n"+auth+"Connection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n"+length+"\r\n"+b, 202)
	f("TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400)
	f("no HTTP", strings.Repeat("\x00", 100)+"\r\n\r\n", 400)

	lines := func(line string, want int) {
		t.Helper()
		f(line, line+" HTTP/1.1\r\n"+all+"Connection: close\r\n"+length+"\r\n"+b, want)
	}
	lines("post "+path, 403)
	lines("Post "+path, 403)
	lines("GET "+path, 405)
	lines("POST /"+path, 403)
	lines("POST "+path+"/", 403)
	lines("POST /api//apps/"+app+"/log", 403)
	lines("POST /api/apps/./"+app+"/log", 403)
	lines("POST /api/apps/x/../"+app+"/log", 403)
	lines("POST /api/apps/%2e%2e/"+app+"/log", 403)
	lines("POST /api/apps/"+app+"%2flog", 403)
	lines("POST /api/apps/"+app+"%00/log", 403)
	lines("POST /api/apps/"+app+`\log`, 403)
	lines("POST /api/apps/"+app+"/lo%2567", 403)
	lines("POST /api/apps/"+app+"/log%zz", 400)
	lines("POST /api/apps/"+app+"/LOG", 404)
	lines("POST /apps/"+app+"/log", 404)
	lines("POST /api/apps/"+app+"/log;x=y", 404)
	lines("POST /api/apps/%63aa0c2f0"+app[8:]+"/log", 202)
	lines("POST "+path+"?x=y&x=z", 202)
	lines("POST "+path+"?x=%zz", 401)
	lines("POST *", 403)
	lines("OPTIONS *", 403)
	lines("CONNECT x:80", 403)
	if got := len(a.messages()); got != taken {
		t.Errorf("%d entries are delivered, %d were answered with 202", got, taken)
	}
}

// A client that is slow, or says nothing, is sent away.
func TestSlowClients(t *testing.T) {
	a := start(t, "  header_timeout: 300ms\n  read_timeout: 600ms\n  idle_timeout: 300ms\n  max_connections: 20\n", quick)
	head := "POST /api/apps/" + app + "/log HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: " + a.pusher() + "\r\n"
	f := func(name, request string, want ...int) {
		t.Helper()
		if got, closed := a.raw(t, request, time.Minute); fmt.Sprint(got) != fmt.Sprint(want) || !closed {
			t.Errorf("%s: %v, closed: %v, want %v", name, got, closed, want)
		}
	}
	f("nothing", "")
	f("half a line", "POST /api", 400)
	f("half the headers", head)
	f("no body", head+"Content-Length: 100\r\n\r\n", 408)
	f("half a body", head+"Content-Length: 100\r\n\r\n[{", 408)
	f("half a chunk", head+"Transfer-Encoding: chunked\r\n\r\n20\r\n[{", 408)
	f("a chunk of 2^64 bytes", head+"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n[{", 408)
	f("idle", head+fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body("x")), body("x")), 202)

	// More than max_connections of them hold up nobody for long.
	var group sync.WaitGroup
	for range 60 {
		group.Go(func() {
			c, err := net.Dial("tcp", a.addr)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			io.Copy(io.Discard, c)
		})
	}
	if r := a.push(body("y")); r.status != 202 {
		t.Errorf("among silent connections: %d %s", r.status, r.body)
	}
	group.Wait()
	if s := a.Stats(); s["podbeat.push.api.connections"] > 2 {
		t.Errorf("%v connections are open", s["podbeat.push.api.connections"])
	}
}

// However many connections clients without a token keep, others are answered.
func TestSilentConnections(t *testing.T) {
	a := start(t, "  header_timeout: 10m\n  read_timeout: 10m\n  idle_timeout: 10m\n  max_connections: 20\n", quick)
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	headers := []string{"Authorization: " + a.pusher(), "Content-Type: application/json"}
	path := "/apps/" + app + "/log"
	f := func(name, begin string) {
		t.Helper()
		for range 60 {
			c, err := net.Dial("tcp", a.addr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			io.WriteString(c, begin)
		}
		if r, err := a.try(client, "GET", "/health", ""); err != nil || r.status != 200 {
			t.Errorf("%s: /health: %d %v", name, r.status, err)
		}
		if r, err := a.try(client, "POST", path, body(name), headers...); err != nil || r.status != 202 {
			t.Errorf("%s: %d %v", name, r.status, err)
		}
	}
	f("nothing", "")
	f("half the headers", "POST "+path+" HTTP/1.1\r\nHo")
	f("no body, no token", "POST /api"+path+" HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n")
	f("idle", "GET /api/health HTTP/1.1\r\nHost: x\r\n\r\n")
	if n := a.Stats()["podbeat.push.api.connections"]; n > 20 {
		t.Errorf("%v connections are open", n)
	}
}

// What needs no token does not fill the log.
func TestLogOfStrangers(t *testing.T) {
	a := start(t, "", quick)
	const n = 3000
	const one = "DELETE /api/health HTTP/1.1\r\nHost: x\r\n"
	if got, _ := a.raw(t, strings.Repeat(one+"\r\n", n-1)+one+"Connection: close\r\n\r\n", time.Minute); len(got) != n {
		t.Errorf("%d answers, want %d", len(got), n)
	}
	a.Wait("a request is logged", func(harness.Stats) bool { return strings.Contains(a.Log(), "DELETE") })
	if got := strings.Count(a.Log(), "DELETE"); got > n/2 {
		t.Errorf("%d of %d requests are logged", got, n)
	}
	a.push(body("x"))
	a.Wait("a request with a token is", func(harness.Stats) bool { return strings.Contains(a.Log(), `"user": "12203"`) })
}

// A client that sends all of its body before it reads gets the answer.
func TestAnswerAfterBody(t *testing.T) {
	a := start(t, "", quick)
	f := func(name string, want, size int, headers ...string) {
		t.Helper()
		for range 5 {
			c, err := net.Dial("tcp", a.addr)
			if err != nil {
				t.Fatal(err)
			}
			c.SetDeadline(time.Now().Add(30 * time.Second))
			_, err = fmt.Fprintf(c, "POST /api/apps/%s/log HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n%s\r\n\r\n%s", app, size, strings.Join(headers, "\r\n"), strings.Repeat("x", size))
			got := 0
			if err == nil {
				var resp *http.Response
				if resp, err = http.ReadResponse(bufio.NewReader(c), nil); err == nil {
					got = resp.StatusCode
				}
			}
			if got != want {
				t.Errorf("%s: %d %v, want %d", name, got, err, want)
			}
			c.Close()
		}
	}
	auth, json := "Authorization: "+a.pusher(), "Content-Type: application/json"
	f("no token", 401, 8<<20, json)
	f("another's token", 403, 8<<20, json, "Authorization: "+a.token("1", "POST /x"))
	f("no type", 415, 8<<20, auth)
	f("too long", 413, 20<<20, json, auth)
	f("bad", 400, 8<<20, json, auth)
}

// memory is what podbeat holds now, in MiB.
func (a *api) memory() int { return int(a.Stats()["beat.memstats.rss"]) >> 20 }

// Whatever is sent, podbeat's memory stays where it was, and it goes on.
func TestMemory(t *testing.T) {
	a := start(t, "  access_log: false\n  max_in_flight_bytes: 32MiB\n  header_timeout: 5m\n  read_timeout: 5m\n", quick) // all at once take their time
	path, auth := "/apps/"+app+"/log", "Authorization: "+a.pusher()
	const json, lines, zipped = "Content-Type: application/json", "Content-Type: application/x-ndjson", "Content-Encoding: gzip"
	send := func(want int, body string, headers ...string) {
		t.Helper()
		r, err := a.try(http.DefaultClient, "POST", path, body, append(headers, auth)...)
		if err != nil && !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) { // podbeat may close before it has read all
			t.Error(err)
		}
		if err == nil && r.status != want && r.status != 429 {
			t.Errorf("%d %.200s, want %d", r.status, r.body, want)
		}
	}
	var bomb bytes.Buffer
	z, _ := gzip.NewWriterLevel(&bomb, gzip.BestCompression)
	for range 1 << 10 {
		z.Write(make([]byte, 1<<20))
	}
	z.Close()
	var members strings.Builder
	for range 200_000 {
		members.WriteString("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00") // empty, each
	}
	noise := make([]byte, 4<<20)
	rand.Read(noise)
	many := "[" + strings.Repeat(entryOf("")+",", 60_000) + entryOf("") + "]"

	attack := func() {
		var group sync.WaitGroup
		for range 8 {
			group.Go(func() { send(413, bomb.String(), json, zipped) })
			group.Go(func() { send(413, bomb.String(), lines, zipped) })
			group.Go(func() { send(400, members.String(), json, zipped) })
			group.Go(func() { send(400, zip(members.String()), json, zipped) })
			group.Go(func() { send(400, string(noise), json) })
			group.Go(func() { send(400, strings.Repeat("[", 8<<20), json) })
			group.Go(func() { send(400, strings.Repeat(`{"a":`, 1<<20), json) })
			group.Go(func() { send(400, strings.Repeat("\n", 8<<20), lines) })
			group.Go(func() { send(413, `[{"`+strings.Repeat("k", 8<<20-10)+`":1}]`, json) })
			group.Go(func() { send(413, `[{"message":"`+strings.Repeat(`\u0000`, 1<<20)+`"}]`, json) })
			group.Go(func() { send(400, "["+strings.Repeat("9", 8<<20-2)+"]", json) })
			group.Go(func() { send(413, many, json) })
			group.Go(func() { send(413, strings.Repeat(entryOf("")+"\n", 60_000), lines) })
		}
		group.Wait()
	}
	attack()
	before := a.memory()
	for range 4 {
		attack()
	}
	after := a.memory()
	t.Logf("%d MiB, and %d MiB after four times as much", before, after)
	if after > before+128 || after > 500 {
		t.Errorf("memory grew from %d to %d MiB", before, after)
	}
	a.Wait("nothing is in flight", func(s harness.Stats) bool {
		return s != nil && s[inFlight] == 0 && s["podbeat.push.api.in_flight.bytes"] == 0
	})
	if r := a.push(body("x")); r.status != 202 {
		t.Errorf("after it all: %d %s", r.status, r.body)
	}
	if got := a.messages(); len(got) != 1 {
		t.Errorf("%d entries were taken", len(got))
	}
}

// Entries that take much more memory than they do in a body keep to what the README says of them.
func TestMemoryOfLabels(t *testing.T) {
	a := start(t, "  access_log: false\n", "output.console: {codec.format.string: ''}\n")
	var labels []string
	for i := range 64 {
		labels = append(labels, fmt.Sprintf(`{"key":"k%d","value":""}`, i))
	}
	one := strings.Replace(entryOf(""), `"type"`, `"annotations":[`+strings.Join(labels, ",")+`],"type"`, 1)
	all := "[" + strings.Repeat(one+",", 4199) + one + "]"
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 4 {
				if r := a.push(all); r.status != 202 && r.status != 429 && r.status != 503 {
					t.Errorf("%d %s", r.status, r.body)
				}
			}
		})
	}
	group.Wait()
	a.Wait("nothing is in flight", func(s harness.Stats) bool { return s != nil && s[inFlight] == 0 })
	if s := a.Stats(); s["podbeat.push.api.requests.202"] == 0 {
		t.Error("nothing was taken")
	}
	m := a.memory()
	t.Logf("%d MiB", m)
	if m > 600 {
		t.Errorf("podbeat holds %d MiB", m)
	}
}
