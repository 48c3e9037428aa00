// Package logapi tests logapi from outside: attacks over raw sockets, and what reaches the backend.
package logapi

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/podbeat/podbeat/es/body"
	"github.com/podbeat/podbeat/test/harness"
	"github.com/podbeat/podbeat/token"
)

// A recorder stands where Elasticsearch does, and keeps what it is asked.
type recorder struct {
	*httptest.Server
	mu   sync.Mutex
	seen []seen
}

// seen is a request that came to the recorder from a client.
type seen struct {
	method, path, query, body string // the path as it came, escaped
	header                    http.Header
}

// own is where logapi keeps documents of its own, which no client may reach.
const own = "/.podbeat-system/"

// names are the recorder's indices and aliases. Team a's begin with team-a-; the alias team-a-sneaky is not among them.
const names = `{".system":{"aliases":{}},"team-a-1":{"aliases":{"mine":{},"both":{}}},"team-a-2":{"aliases":{"filtered-a":{"filter":{"term":{"n":1}}}}},
	"team-b-1":{"aliases":{"both":{},"team-a-sneaky":{},"filtered-b":{"filter":{"term":{"n":1}}}}},"shared":{"aliases":{}}}`

// record starts a recorder.
func record(t testing.TB) *recorder {
	r := &recorder{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Method == http.MethodGet && strings.HasPrefix(req.URL.EscapedPath(), own+"_doc/") { // the configuration, which logapi looks for by itself
			http.Error(w, `{"found":false}`, http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Type", "application/json; charset=UTF-8")
		w.Header().Set("X-Elastic-Product", "Elasticsearch")
		w.Header().Set("Set-Cookie", "internal=1")
		w.Header().Set("Www-Authenticate", "Basic")
		switch req.URL.RequestURI() { // what logapi asks for itself
		case "/_alias?expand_wildcards=open", "/_alias?expand_wildcards=all":
			io.WriteString(w, names)
			return
		case "/_field_caps?expand_wildcards=open%2Chidden&fields=kubernetes.namespace%2Cservice.id&ignore_unavailable=true":
			io.WriteString(w, `{"indices":["shared"],"fields":{"kubernetes.namespace":{"keyword":{"type":"keyword"}}}}`)
			return
		case "/":
			io.WriteString(w, `{"name":"node-of-ours","cluster_name":"logs","cluster_uuid":"secret-uuid","version":{"number":"7.17.29","build_hash":"580aff1"}}`)
			return
		}
		body, _ := io.ReadAll(req.Body)
		r.mu.Lock()
		r.seen = append(r.seen, seen{req.Method, req.URL.EscapedPath(), req.URL.RawQuery, string(body), req.Header.Clone()})
		r.mu.Unlock()
		io.WriteString(w, `{"_scroll_id":"cmF3","took":1,"hits":{"hits":[]}}`)
	}))
	t.Cleanup(r.Close)
	return r
}

// take returns what was seen since it was called last.
func (r *recorder) take() []seen {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.seen
	r.seen = nil
	return all
}

// A client is somebody with a token of a logapi in front of a recorder.
type client struct{ addr, token string }

// front starts logapi before the recorder and returns a client whose token narrows searches by other.
func front(t testing.TB, r *recorder, other string) client {
	t.Helper()
	l := harness.NewLogapi(t, fmt.Sprintf("elasticsearch: {hosts: [%q], username: logapi, password: backend password}\nhttp.access_log: false\n", r.URL))
	access := token.Access{Method: []string{"*"}, URL: []string{"{mscp_api_url}/default/es/**"}, Other: json.RawMessage(other)}
	return client{strings.TrimPrefix(l.URL, "http://"), l.Token("", access)}
}

var requestLine = regexp.MustCompile(`(?m)^([A-Za-z]+ +)(\S*)( +HTTP/\d\.\d\r\n)`)

// aim sends all that is in request to the searches of logapi, with the client's token.
func (c client) aim(request string) string {
	return requestLine.ReplaceAllStringFunc(request, func(line string) string {
		m := requestLine.FindStringSubmatch(line)
		if strings.HasPrefix(m[2], "/") || strings.HasPrefix(m[2], "?") {
			m[2] = "/default/es" + m[2]
		}
		return m[1] + m[2] + m[3] + "Authorization: Bearer " + c.token + "\r\n"
	})
}

// send writes request to a connection of its own and returns the answer's status, header and body; status 0: none
// came. After a request that is cut, it says that nothing follows.
func send(t testing.TB, addr, request string, cut bool) (status int, header http.Header, text string) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	_, _ = io.WriteString(conn, request)
	if cut {
		_ = conn.(*net.TCPConn).CloseWrite()
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: strings.SplitN(request, " ", 2)[0]})
	if err != nil {
		return 0, nil, ""
	}
	defer resp.Body.Close()
	data, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, resp.Header, string(data)
}

// plain writes a request: "POST /path", a body, further header lines.
func plain(line, body string, header ...string) string {
	kind := "application/json"
	if strings.Contains(line, "_msearch") {
		kind = "application/x-ndjson"
	}
	if body != "" && !strings.Contains(strings.Join(header, "\n"), "Content-Type") {
		header = append(header, "Content-Type: "+kind)
	}
	return fmt.Sprintf("%s HTTP/1.1\r\nHost: logs\r\nContent-Length: %d\r\n%s\r\n%s", line, len(body), strings.Join(append(header, ""), "\r\n"), body)
}

// allowed says what is wrong with a request that reached the recorder from a client of team a, by index: it must be
// one of the calls that read, and name nothing but team a's indices.
func allowed(s seen) error {
	parts := strings.Split(strings.TrimPrefix(s.path, "/"), "/")
	call := parts[0]
	if !strings.HasPrefix(call, "_") {
		if err := ours(parts[0]); err != nil {
			return err
		}
		parts = parts[1:]
		if len(parts) == 0 {
			return fmt.Errorf("no call")
		}
		call = parts[0]
	} else if call != "_msearch" && call != "_mget" {
		return fmt.Errorf("%s of every index", call)
	}
	methods := map[string]string{"_search": "GET POST", "_msearch": "GET POST", "_count": "GET POST", "_validate": "GET POST", "_field_caps": "GET POST", "_mapping": "GET",
		"_terms_enum": "GET POST", "_async_search": "POST", "_pit": "POST", "_mget": "GET POST", "_mtermvectors": "GET POST", "_doc": "GET HEAD", "_source": "GET HEAD", "_explain": "GET POST"}[call]
	if !strings.Contains(" "+methods+" ", " "+s.method+" ") {
		return fmt.Errorf("%s %s", s.method, call)
	}
	for _, name := range []string{"index=", "expand_wildcards=", "source=", "jwt=", ";"} {
		if strings.Contains(s.query, name) {
			return fmt.Errorf("%s in the query", name)
		}
	}
	for name := range s.header {
		switch name {
		case "Accept", "Accept-Encoding", "Authorization", "Content-Length", "Content-Type", "User-Agent":
		case "X-Opaque-Id":
			if s.header.Get(name) != "podbeat-logapi" {
				return fmt.Errorf("the X-Opaque-Id %q", s.header.Get(name))
			}
		default:
			return fmt.Errorf("the header %s", name)
		}
	}
	if user, password, _ := (&http.Request{Header: s.header}).BasicAuth(); user != "logapi" || password != "backend password" {
		return fmt.Errorf("the credentials %q", s.header["Authorization"])
	}
	return ourBody(call, s.body)
}

// ourBody looks for names of indices in a body.
func ourBody(call, text string) error {
	if text == "" {
		return nil
	}
	for i, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		v, err := body.Parse([]byte(line))
		if err != nil {
			return err
		}
		if call == "_msearch" && i%2 == 0 {
			index, ok := v.Get("index")
			if !ok || len(index.Items) == 0 {
				return fmt.Errorf("a line that names no index: %s", line)
			}
			for _, name := range index.Items {
				if err := ours(name.Text); err != nil {
					return err
				}
			}
		}
		if err := ourValue(v); err != nil {
			return err
		}
	}
	return nil
}

// ourValue looks at the places in which Elasticsearch reads a document by its index and id; elsewhere, index is a field.
func ourValue(v body.Value) error {
	for _, item := range v.Items {
		if err := ourValue(item); err != nil {
			return err
		}
	}
	has := func(name string) bool {
		_, ok := v.Get(name)
		return ok
	}
	for _, m := range v.Members {
		reads := m.Name == "index" && (has("id") || has("path")) || m.Name == "_index" && (has("_id") || has("doc")) || m.Name == "target_index"
		switch {
		case reads && (m.Value.Kind != body.String || ours(m.Value.Text) != nil):
			return fmt.Errorf("%s: %s", m.Name, m.Value)
		case m.Value.Kind == body.Object && (m.Name == "wrapper" || m.Name == "collate"):
			return fmt.Errorf("%s", m.Name)
		}
		if err := ourValue(m.Value); err != nil {
			return err
		}
	}
	return nil
}

// ours says what is wrong with an index expression of team a's.
func ours(expression string) error {
	elements := strings.Split(expression, ",")
	for i, name := range elements {
		switch {
		case i > 0 && strings.HasPrefix(name, "-"), name == "NO-INDEX-OF-THIS-TOKEN-*", name == "filtered-a":
		case strings.Contains(name, "*") && strings.HasPrefix("team-a-sneaky", strings.SplitN(name, "*", 2)[0]):
			return fmt.Errorf("%q stands for team-a-sneaky", name)
		case strings.HasPrefix(name, "team-a-") && name != "team-a-sneaky" && !strings.ContainsAny(name, "%:<>/ "):
		default:
			return fmt.Errorf("the name %q in %q", name, expression)
		}
	}
	return nil
}

// Whatever a client of team a sends, nothing reaches the backend but reading calls on team a's indices.
func TestAttacksOnIndices(t *testing.T) {
	r := record(t)
	team := front(t, r, `{"indices":["team-a-*"]}`)
	refused, passed := 0, 0
	list := attacksOnIndices()
	for i, request := range append(list, incomplete...) {
		status, header, text := send(t, team.addr, team.aim(request), i >= len(list))
		all := r.take()
		if strings.Contains(request, own) && status < 400 {
			t.Errorf("%.300q: %d %s", request, status, text)
		}
		for _, s := range all {
			if err := allowed(s); err != nil {
				t.Errorf("%.300q reached the backend as %s %s?%s %.300s: %v", request, s.method, s.path, s.query, s.body, err)
			}
		}
		switch {
		case status == 500, status == 502, status == 504:
			t.Errorf("%.300q: %d %s", request, status, text)
		case len(all) == 0:
			refused++
		default:
			passed++
		}
		if header.Get("Set-Cookie") != "" || header.Get("Authorization") != "" || strings.HasPrefix(header.Get("Www-Authenticate"), "Basic") {
			t.Errorf("%.300q: the answer has the backend's header: %s", request, header)
		}
		if strings.Contains(text, "team-b-1") && !strings.Contains(request, "team-b-1") || strings.Contains(text, "password") || strings.Contains(text, "secret-uuid") || strings.Contains(text, "node-of-ours") {
			t.Errorf("%.300q tells %s", request, text)
		}
	}
	t.Logf("%d requests refused, %d cut to what is open", refused, passed)
	if refused < 100 || passed < 20 {
		t.Errorf("%d requests refused, %d passed: the list is not what it was", refused, passed)
	}
}

// Behind a filter, whatever reaches the backend as a search has the filter around its query, and nothing that looks past it.
func TestAttacksOnFilter(t *testing.T) {
	r := record(t)
	team := front(t, r, `{"namespaces":["a"]}`)
	refused := 0
	f := func(request string, pass bool) {
		t.Helper()
		status, _, text := send(t, team.addr, team.aim(request), false)
		all := r.take()
		if pass != (len(all) == 1 && status == 200) || !pass && (status < 400 || status >= 500 || len(all) > 0) {
			t.Errorf("%.300q: %d %s, %d requests at the backend", request, status, text, len(all))
		}
		if !pass {
			refused++
		}
		for _, s := range all {
			if err := filtered(s); err != nil {
				t.Errorf("%.300q reached the backend as %s?%s %s: %v", request, s.path, s.query, s.body, err)
			}
		}
	}
	for _, c := range attacksOnFilter {
		f(c, false)
	}
	for _, c := range insideFilter {
		f(c, true)
	}
	if refused < 60 {
		t.Errorf("%d requests refused: the list is not what it was", refused)
	}
}

// behind says what is wrong with a search that must be behind the filter of the namespace a.
func behind(v body.Value, params string) error {
	const filter = `{"bool":{"filter":[{"bool":{"should":[{"bool":{"filter":[{"bool":{"should":[{"terms":{"kubernetes.namespace":["a"]}}],"minimum_should_match":1}}]}}],"minimum_should_match":1}}`
	query, _ := v.Get("query")
	if text := query.String(); !strings.HasPrefix(text, filter+",") && text != filter+"]}}" {
		return fmt.Errorf("no filter")
	}
	for pair := range strings.SplitSeq(params, "&") {
		switch name, _, _ := strings.Cut(pair, "="); name {
		case "q", "source", "explain", "suggest_field", "suggest_text", "index", "min_score", "rewrite", "terminate_after":
			return fmt.Errorf("the parameter %s", name)
		}
	}
	return within(v)
}

// within looks for what reaches past a filter.
func within(v body.Value) error {
	for _, item := range v.Items {
		if err := within(item); err != nil {
			return err
		}
	}
	for _, m := range v.Members {
		switch m.Name {
		case "global", "suggest", "runtime_mappings", "script_fields", "significant_terms", "more_like_this", "has_child", "has_parent", "wrapper", "inner_hits", "function_score", "script_score":
			if m.Value.Kind == body.Object && len(m.Value.Members) > 0 && m.Value.Members[0].Value.Kind == body.Object || m.Name == "global" && len(m.Value.Members) == 0 && m.Value.Kind == body.Object {
				return fmt.Errorf("%s: %s", m.Name, m.Value)
			}
		case "terms":
			for _, field := range m.Value.Members {
				if _, lookup := field.Value.Get("index"); lookup {
					return fmt.Errorf("a lookup: %s", m.Value)
				}
			}
		}
		if err := within(m.Value); err != nil {
			return err
		}
	}
	return nil
}
