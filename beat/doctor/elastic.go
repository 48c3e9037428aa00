package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/esleg/eslegclient"
	"github.com/elastic/beats/v7/libbeat/template"
)

// callTime is how long a server may take to answer.
const callTime = 5 * time.Second

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 8 << 20

// A server is the Elasticsearch of the output: its nodes, and those of them that answer.
type server struct {
	once  sync.Once
	err   error // no node can be asked
	nodes []node
	up    *node // one that answers
}

// A node is one host of output.elasticsearch.
type node struct {
	conn eslegclient.Connection
	url  string // without secrets
	err  error
	skew *time.Duration // how much its clock is ahead, if it says
}

// ask connects to the nodes, the first time.
func (s *subject) ask() *server {
	srv := &s.server
	srv.once.Do(func() {
		cfg, err := common.MergeConfigs(s.Output.Config())
		if err == nil {
			err = cfg.Merge(map[string]any{"timeout": callTime.String()})
		}
		if err != nil {
			srv.err = err
			return
		}
		conns, err := eslegclient.NewClients(cfg, s.Info.Beat)
		if err != nil {
			srv.err = err
			return
		}
		const most = 10
		srv.nodes = make([]node, min(len(conns), most))
		var all sync.WaitGroup
		for i := range srv.nodes {
			n := &srv.nodes[i]
			n.conn = conns[i]
			n.url = withoutSecrets(n.conn.URL)
			n.conn.HTTP = &boundedClient{n.conn.HTTP, n}
			all.Go(func() { n.err = n.conn.Connect() })
		}
		all.Wait()
		for i := range srv.nodes {
			if srv.nodes[i].err == nil {
				srv.up = &srv.nodes[i]
				break
			}
		}
	})
	return srv
}

func withoutSecrets(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "(no URL)"
	}
	u.User = nil
	return u.String()
}

// A boundedClient reads no more than maxAnswer of an answer, and the clock that came with it.
type boundedClient struct {
	client interface {
		Do(req *http.Request) (resp *http.Response, err error)
		CloseIdleConnections()
	}
	node *node
}

func (c *boundedClient) CloseIdleConnections() { c.client.CloseIdleConnections() }

func (c *boundedClient) Do(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(req.Context(), callTime)
	before := time.Now()
	resp, err := c.client.Do(req.WithContext(ctx))
	if err != nil {
		cancel()
		return nil, err
	}
	if at, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		c.node.clock(at.Add(500*time.Millisecond), before) // it is cut to seconds
	}
	resp.Body = boundedBody{io.LimitReader(resp.Body, maxAnswer), resp.Body, cancel}
	return resp, nil
}

type boundedBody struct {
	io.Reader
	body   io.Closer
	cancel func()
}

func (b boundedBody) Close() error {
	defer b.cancel()
	return b.body.Close()
}

// clock notes the node's time, which it told in a call that began before.
func (n *node) clock(at, before time.Time) {
	middle := before.Add(time.Since(before) / 2)
	skew := at.Sub(middle)
	n.skew = &skew
}

// call asks the node for JSON. A status above 299 is an error too.
func (n *node) call(method, path string, params map[string]string, body, into any) (status int, err error) {
	status, answer, err := n.conn.Request(method, path, "", params, body)
	if err != nil {
		return status, errors.New(clip300(err.Error()))
	}
	return status, json.Unmarshal(answer, into)
}

func (s *subject) isElastic() bool { return s.Output.Name() == "elasticsearch" }

func (s *subject) checkElastic() []Finding {
	srv := s.ask()
	if srv.err != nil {
		return []Finding{{State: Problem, Found: "cannot use output.elasticsearch: " + clip300(srv.err.Error()), Do: "mend output.elasticsearch: podbeat test output"}}
	}
	var f findings
	down := 0
	for i := range srv.nodes {
		if n := &srv.nodes[i]; n.err != nil {
			down++
			f.add(Warning, advise(n.err), "%s does not answer: %s", n.url, clip300(n.err.Error()))
		}
	}
	if down == len(srv.nodes) {
		for i := range f {
			f[i].State = Problem
		}
		return f
	}
	version := srv.up.conn.GetVersion()
	if !version.IsValid() {
		f.add(Warning, "see that hosts of output.elasticsearch is Elasticsearch", "%s answers, but names no version", srv.up.url)
	}
	f = append(f, s.checkPrivileges(srv.up)...)
	f = append(f, s.checkBlocks(srv.up)...)
	f = append(f, checkShards(srv.up)...)
	return f.or("%s answers, version %s", srv.up.url, version.String())
}

func advise(err error) string {
	text := err.Error()
	switch {
	case strings.HasPrefix(text, "401"):
		return "mend username and password, or api_key, of output.elasticsearch"
	case strings.HasPrefix(text, "403"):
		return "give the user or API key of output.elasticsearch the cluster privilege monitor"
	case strings.Contains(text, "x509") || strings.Contains(text, "tls"):
		return "mend ssl.certificate_authorities of output.elasticsearch, and https or http in its hosts"
	case strings.Contains(text, "no such host"):
		return "mend hosts of output.elasticsearch, or the name server"
	}
	return "see that it runs, that hosts of output.elasticsearch has its address, and that no firewall is between: podbeat test output"
}

// checkPrivileges asks whether documents and indices may be created, where Elasticsearch has users.
func (s *subject) checkPrivileges(n *node) []Finding {
	names := s.indices()
	for i, name := range names {
		names[i] = stars(name)
	}
	if len(names) == 0 {
		return nil
	}
	want := map[string]any{"index": []any{map[string]any{"names": names, "privileges": []string{"create_doc", "create_index"}}}}
	var answer struct {
		Username string                                `json:"username"`
		All      bool                                  `json:"has_all_requested"`
		Index    map[string]map[string]json.RawMessage `json:"index"`
	}
	if _, err := n.call("POST", "/_security/user/_has_privileges", nil, want, &answer); err != nil || answer.All {
		return nil // without security, nothing is forbidden
	}
	var missing []string
	for index, rights := range answer.Index {
		for right, has := range rights {
			if string(has) == "false" {
				missing = append(missing, right+" on "+clip80(index))
			}
		}
	}
	slices.Sort(missing)
	var f findings
	f.add(Problem, "give the role of that user or API key the privileges create_doc and auto_configure (or create_index) on these indices",
		"user %q may not %s", clip80(answer.Username), few(missing))
	return f
}

// checkBlocks looks for indices that take no documents, as Elasticsearch makes them when a disk is full.
func (s *subject) checkBlocks(n *node) []Finding {
	var names []string
	for _, name := range s.indices() {
		names = append(names, stars(name))
	}
	if len(names) == 0 || slices.Contains(names, "*") {
		return nil
	}
	var answer map[string]struct {
		Settings map[string]string `json:"settings"`
	}
	params := map[string]string{"flat_settings": "true", "allow_no_indices": "true", "ignore_unavailable": "true"}
	if _, err := n.call("GET", "/"+url.PathEscape(strings.Join(names, ","))+"/_settings/index.blocks.*", params, nil, &answer); err != nil {
		return nil
	}
	blocked := map[string][]string{}
	for index, a := range answer {
		for name, value := range a.Settings {
			if value == "true" && strings.HasPrefix(name, "index.blocks.") {
				blocked[name] = append(blocked[name], clip80(index))
			}
		}
	}
	var f findings
	for name, indices := range blocked {
		slices.Sort(indices)
		do := "take the block away when nothing needs it any more: PUT /INDEX/_settings {\"" + clip80(name) + "\": null}"
		if name == "index.blocks.read_only_allow_delete" {
			do = "make room on Elasticsearch's disks: it has blocked these indices for want of it, and unblocks them by itself"
		}
		f.add(Problem, do, "%s take no documents: %s", few(indices), clip80(name))
	}
	return f
}

// checkShards says whether Elasticsearch would make tomorrow's index.
func checkShards(n *node) []Finding {
	var health struct {
		Status     string `json:"status"`
		Active     int    `json:"active_shards"`
		Unassigned int    `json:"unassigned_shards"`
		Nodes      int    `json:"number_of_data_nodes"`
	}
	if _, err := n.call("GET", "/_cluster/health", map[string]string{"timeout": "2s"}, nil, &health); err != nil {
		return nil
	}
	var f findings
	if health.Status == "red" {
		f.add(Warning, "GET /_cluster/allocation/explain says why", "the cluster is red: some of its indices take no documents")
	}
	var settings map[string]map[string]any
	params := map[string]string{"flat_settings": "true", "include_defaults": "true"} // filter_path does not know flat names
	if _, err := n.call("GET", "/_cluster/settings", params, nil, &settings); err != nil {
		return f
	}
	limit := 0
	for _, level := range []string{"transient", "persistent", "defaults"} {
		text, _ := settings[level]["cluster.max_shards_per_node"].(string)
		if n, err := strconv.Atoi(text); err == nil && n > 0 {
			limit = n
			break
		}
	}
	if used, most := health.Active+health.Unassigned, limit*health.Nodes; most > 0 && used >= most-most/50 {
		f.add(Problem, "delete old indices (curator), have fewer shards an index, or raise cluster.max_shards_per_node: else no new index can be made",
			"the cluster has %d shards of %d that it may have", used, most)
	}
	return f
}

// indices are the patterns of the output's indices, as they are configured.
func (s *subject) indices() (patterns []string) {
	var o struct {
		Index   string `config:"index"`
		Indices []struct {
			Index string `config:"index"`
		} `config:"indices"`
	}
	if err := s.Output.Config().Unpack(&o); err != nil {
		return nil
	}
	for _, one := range o.Indices {
		patterns = append(patterns, one.Index)
	}
	return slices.DeleteFunc(append(patterns, o.Index), func(s string) bool { return s == "" })
}

var expansion = regexp.MustCompile(`%\{([^}]*)\}`)

// stars has a * for whatever an event makes of a pattern.
func stars(pattern string) string {
	name := strings.ToLower(expansion.ReplaceAllString(pattern, "*"))
	for strings.Contains(name, "**") {
		name = strings.ReplaceAll(name, "**", "*")
	}
	return name
}

// usual is what the pattern makes of an event without anything special, with a * for what no default says.
func usual(pattern string) string {
	return strings.ToLower(expansion.ReplaceAllStringFunc(pattern, func(part string) string {
		inner := part[2 : len(part)-1]
		if strings.HasPrefix(inner, "+") {
			return "2006.01.02"
		}
		if _, def, ok := strings.Cut(inner, "]:"); ok {
			return def
		}
		return "*"
	}))
}

func checkTemplate(_ context.Context, s *subject) []Finding {
	if !s.isElastic() {
		return nil
	}
	section, err := s.Root.Child("setup.template", -1)
	if err != nil {
		section = common.NewConfig()
	}
	cfg, err := template.Unpack(section)
	if err != nil {
		return []Finding{{State: Problem, Found: "setup.template: " + clip300(err.Error()), Do: "mend setup.template"}}
	}
	if !cfg.Enabled {
		return one(OK, "podbeat loads none: setup.template.enabled is false")
	}
	n := s.ask().up
	if n == nil {
		return one(NotChecked, "no Elasticsearch answers: see output")
	}
	name := cfg.Name
	if name == "" {
		name = s.Info.Beat + "-" + s.Info.Version
	}
	kind := map[template.IndexTemplateType]string{template.IndexTemplateLegacy: "_template", template.IndexTemplateComponent: "_component_template", template.IndexTemplateIndex: "_index_template"}[cfg.Type]
	var raw json.RawMessage
	status, err := n.call("GET", "/"+kind+"/"+url.PathEscape(name), nil, nil, &raw)
	var f findings
	switch {
	case status == http.StatusNotFound:
		f.add(Warning, "podbeat setup --index-management, before the first event comes", "template %q is not there: podbeat loads it when it connects, indices that are there by then do without", name)
		return f
	case err != nil:
		return one(NotChecked, "cannot read template %q: %s", name, clip300(err.Error()))
	}
	t := parseTemplate(raw)
	for _, pattern := range s.indices() {
		index := usual(pattern)
		if strings.Contains(index, "*") || len(t.patterns) == 0 {
			continue
		}
		if !slices.ContainsFunc(t.patterns, func(p string) bool { ok, _ := path.Match(p, index); return ok }) {
			f.add(Problem, "set setup.template.pattern, and podbeat setup --index-management -E setup.template.overwrite=true",
				"events go to %s, for which template %q is not: it is for %s", stars(pattern), name, few(t.patterns))
		}
	}
	if t.version != "" && t.version != s.Info.Version {
		f.add(Warning, "podbeat setup --index-management -E setup.template.overwrite=true", "template %q is of version %s, this podbeat is %s", name, clip80(t.version), s.Info.Version)
	}
	return f.or("template %q is there, for %s", name, few(t.patterns))
}

// A foundTemplate is what matters of a template.
type foundTemplate struct {
	patterns []string
	version  string // of the beat that made it
}

func parseTemplate(raw json.RawMessage) (t foundTemplate) {
	type mappings struct {
		Meta struct {
			Version string `json:"version"`
		} `json:"_meta"`
	}
	var legacy map[string]struct {
		Patterns []string `json:"index_patterns"`
		Mappings mappings `json:"mappings"`
	}
	var composable struct {
		Templates []struct {
			Template struct {
				Patterns []string `json:"index_patterns"`
				Template struct {
					Mappings mappings `json:"mappings"`
				} `json:"template"`
			} `json:"index_template"`
		} `json:"index_templates"`
	}
	if json.Unmarshal(raw, &composable) == nil && len(composable.Templates) > 0 {
		one := composable.Templates[0].Template
		t.patterns, t.version = one.Patterns, one.Template.Mappings.Meta.Version
	} else if json.Unmarshal(raw, &legacy) == nil {
		for _, one := range legacy {
			t.patterns, t.version = one.Patterns, one.Mappings.Meta.Version
		}
	}
	for i, p := range t.patterns {
		t.patterns[i] = clip80(p)
	}
	return t
}
