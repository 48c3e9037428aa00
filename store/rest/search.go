package rest

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/podbeat/podbeat/es/body"
	"github.com/podbeat/podbeat/store"
	"github.com/podbeat/podbeat/store/mapping"
	"github.com/podbeat/podbeat/store/search"
)

// Parameters of searches, by what they are about.
const (
	textParams   = " q df analyzer analyze_wildcard lenient default_operator "
	routeParams  = " preference routing "
	shapeParams  = " rest_total_hits_as_int typed_keys "
	gatherParams = " search_type ccs_minimize_roundtrips max_concurrent_shard_requests pre_filter_shard_size "
	searchParams = indicesParams + textParams + routeParams + shapeParams + gatherParams + " _source _source_includes _source_excludes stored_fields docvalue_fields" +
		" from size sort explain version seq_no_primary_term track_scores track_total_hits timeout terminate_after stats request_cache batched_reduce_size" +
		" allow_partial_search_results scroll suggest_field suggest_mode suggest_size suggest_text "
)

// searchRoutes are those that look for documents.
func (h *Handler) searchRoutes() []*route {
	var all []*route
	add := func(methods, paths, params string, serve func(*call) error) {
		all = append(all, with(routes(methods, paths, params, serve), true, h.searches)...)
	}
	add("GET|POST", "/_search,/{index}/_search", searchParams, (*call).search)
	add("GET|POST", "/_msearch,/{index}/_msearch", indicesParams+shapeParams+gatherParams+" max_concurrent_searches ", (*call).searchMany)
	add("GET|POST", "/_count,/{index}/_count", indicesParams+textParams+routeParams+" min_score terminate_after ", (*call).count)
	add("GET|POST", "/_validate/query,/{index}/_validate/query", indicesParams+textParams+" explain rewrite all_shards ", (*call).validate)
	add("GET|POST", "/_field_caps,/{index}/_field_caps", indicesParams+" fields include_unmapped ", (*call).fieldCaps)
	add("GET|POST", "/_search/scroll,/_search/scroll/{scroll_id}", " scroll scroll_id rest_total_hits_as_int ", (*call).scroll)
	// What ends something never waits.
	all = append(all, with(routes("DELETE", "/_search/scroll,/_search/scroll/{scroll_id}", " scroll_id ", (*call).endScroll), true, nil)...)
	all = append(all, with(routes("DELETE", "/_pit", "", (*call).endPoint), true, nil)...)
	all = append(all, with(routes("POST", "/_pit,/{index}/_pit", indicesParams+routeParams+" keep_alive ", (*call).openPoint), false, h.searches)...)
	return append(all, unserved()...)
}

// unserved are routes of searches that Elasticsearch has and the store has not.
func unserved() []*route {
	var all []*route
	for name, paths := range map[string]string{
		"_async_search":     "/_async_search,/{index}/_async_search,/_async_search/{id},/_async_search/status/{id}",
		"_eql":              "/{index}/_eql/search,/_eql/search/{id}",
		"_explain":          "/{index}/_explain/{id}",
		"_graph":            "/{index}/_graph/explore",
		"_knn_search":       "/{index}/_knn_search",
		"_msearch/template": "/_msearch/template,/{index}/_msearch/template",
		"_mtermvectors":     "/_mtermvectors,/{index}/_mtermvectors",
		"_rank_eval":        "/_rank_eval,/{index}/_rank_eval",
		"_render":           "/_render/template,/_render/template/{id}",
		"_rollup_search":    "/{index}/_rollup_search",
		"_search/template":  "/_search/template,/{index}/_search/template",
		"_search_shards":    "/_search_shards,/{index}/_search_shards",
		"_sql":              "/_sql,/_sql/translate,/_sql/close",
		"_terms_enum":       "/{index}/_terms_enum",
		"_termvectors":      "/{index}/_termvectors,/{index}/_termvectors/{id}",
	} {
		all = append(all, unservedRoutes("GET|POST|DELETE", name, paths)...)
	}
	return all
}

// search answers _search.
func (c *call) search() error {
	v, _, err := c.value()
	if err != nil {
		return err
	}
	r, err := search.Parse(v)
	if err != nil {
		return err
	}
	if err := c.setAll(r); err != nil {
		return err
	}
	var response *search.Response
	switch _, scrolls := c.params["scroll"]; {
	case r.PIT != "":
		response, err = c.searchPoint(r)
	case scrolls:
		response, err = c.startScroll(r)
	default:
		response, err = c.searchIndices(r)
	}
	if err != nil {
		return err
	}
	defer response.Close()
	return c.write(response)
}

func (c *call) write(response *search.Response) error {
	s := &sink{c: c}
	return s.end(response.Write(s))
}

func (c *call) searchIndices(r *search.Request) (*search.Response, error) {
	o, err := c.indicesOptions(searchOptions)
	if err != nil {
		return nil, err
	}
	return c.run(r, c.expression(), o)
}

// run searches the indices of an expression, which the response keeps until it is closed.
func (c *call) run(r *search.Request, expression string, o indicesOptions) (*search.Response, error) {
	over, release, err := c.h.open(expression, o)
	if err != nil {
		return nil, err
	}
	response, err := search.Run(c.context(), over, r, c.h.now())
	if err != nil {
		release()
		return nil, c.h.phase(err, "query")
	}
	response.OnClose(release)
	response.FailedShards = c.h.failedShards(response.Failures)
	return response, nil
}

// open opens the indices of an expression. One that goes or is closed meanwhile, as by retention, was none of those that a pattern
// stands for.
func (h *Handler) open(expression string, o indicesOptions) (over []search.Index, release func(), err error) {
	for range 5 {
		var names []string
		if names, err = h.resolve(expression, o); err != nil {
			return nil, nil, err
		}
		if names, err = h.openOnes(names, o); err != nil {
			continue
		}
		var gone *failure
		over, release, err = h.viewAll(names)
		if !(errors.As(err, &gone) && gone.status == http.StatusNotFound) && !errors.Is(err, store.ErrClosed) {
			break
		}
	}
	return over, release, err
}

// viewAll opens indices. One that cannot be read is among them with its error.
func (h *Handler) viewAll(names []string) (over []search.Index, release func(), err error) {
	release = func() {
		for _, ix := range over {
			if ix.Err == nil {
				ix.View.Release()
			}
		}
	}
	for _, name := range names {
		one, _, err := h.view([]string{name})
		var refused *failure
		switch {
		case err == nil:
			over = append(over, one...)
		case errors.As(err, &refused), errors.Is(err, store.ErrClosed):
			release()
			return nil, nil, err
		default:
			over = append(over, search.Index{Name: name, Err: err})
		}
	}
	return over, release, nil
}

// openOnes leaves out closed indices, which a pattern may stand for, or refuses them.
func (h *Handler) openOnes(names []string, o indicesOptions) ([]string, error) {
	var out []string
	for _, name := range names {
		ix, err := h.lookup(name)
		switch {
		case err != nil || !ix.closed:
			out = append(out, name)
		case !o.ignoreUnavailable:
			return nil, closedIndex(ix)
		}
	}
	return out, nil
}

// setAll gives the parameters of the URL to a search.
func (c *call) setAll(r *search.Request) error {
	if err := c.checkText(); err != nil {
		return err
	}
	if err := checkGathering(c.params); err != nil {
		return err
	}
	names := make([]string, 0, len(c.params))
	for name := range c.params {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		switch {
		case strings.HasPrefix(name, "suggest_"):
			return notServed("[%s]", name)
		case slices.Contains(common, name) || name == "scroll" || name == "stats" || slices.Contains(strings.Fields(indicesParams), name):
			continue
		}
		if known, err := r.Set(name, c.params[name]); err != nil {
			return err
		} else if !known {
			return notServed("[%s]", name)
		}
	}
	return r.Finish()
}

// checkText refuses what says how to read q where there is no q, as Elasticsearch does.
func (c *call) checkText() error {
	if _, ok := c.params["q"]; ok {
		return nil
	}
	var strange []string
	for name := range c.params {
		if slices.Contains(strings.Fields(textParams), name) {
			strange = append(strange, name)
		}
	}
	if len(strange) > 0 {
		return c.unrecognized(strange)
	}
	return nil
}

// checkGathering checks parameters that say where and how to search, which changes nothing here.
func checkGathering(params map[string]string) error {
	for _, least := range []struct {
		name, says string
		n          int64
	}{
		{"batched_reduce_size", "batchedReduceSize must be >= 2", 2},
		{"max_concurrent_shard_requests", "maxConcurrentShardRequests must be >= 1", 1},
		{"pre_filter_shard_size", "preFilterShardSize must be >= 1", 1},
		{"max_concurrent_searches", "maxConcurrentSearchRequests must be positive", 1},
	} {
		value, ok := params[least.name]
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(value, 10, 32)
		if err != nil {
			f := illegal("Failed to parse int parameter [%s] with value [%s]", least.name, clip(value))
			f.cause = &failure{typ: "number_format_exception", reason: `For input string: "` + clip(value) + `"`}
			return f
		}
		if n < least.n {
			return illegal("%s", least.says)
		}
	}
	for _, name := range []string{"ccs_minimize_roundtrips", "request_cache", "allow_partial_search_results", "ignore_throttled", "rest_total_hits_as_int", "typed_keys"} {
		if value := params[name]; value != "" && value != "true" && value != "false" {
			return illegal("Failed to parse value [%s] as only [true] or [false] are allowed.", clip(value))
		}
	}
	switch kind, ok := params["search_type"]; {
	case ok && kind != "query_then_fetch" && kind != "dfs_query_then_fetch":
		return illegal("No search type for [%s]", clip(kind))
	}
	return checkPreference(params["preference"])
}

// checkPreference refuses those that could name a shard which there is not.
func checkPreference(s string) error {
	kind, _, _ := strings.Cut(s, ":")
	switch {
	case !strings.HasPrefix(s, "_"), s == "_local", s == "_only_local":
		return nil
	case kind == "_shards", kind == "_prefer_nodes", kind == "_only_nodes":
		return notServed("the preference [%s]", kind)
	}
	return illegal("no Preference for [%s]", clip(s))
}

// phase makes of what a search was refused with what Elasticsearch does.
func (h *Handler) phase(err error, phase string) error {
	var all *search.PhaseError
	var refused *mapping.Error
	if !errors.As(err, &all) {
		if errors.As(err, &refused) && refused.Type == "too_many_buckets_exception" { // when the answer is put together
			f := &failure{status: search.Status(refused), typ: "search_phase_execution_exception", roots: []*failure{}, cause: fromMapping(refused)}
			return f.with("phase", "fetch").with("grouped", true).with("failed_shards", list())
		}
		return err
	}
	f := &failure{typ: "search_phase_execution_exception", reason: "all shards failed", status: search.Status(all.Failures[0].Err)}
	if all.Partial {
		f.reason = "Partial shards failure"
	}
	shards := list()
	for _, one := range all.Failures {
		why := h.shardFailure(one)
		f.roots = append(f.roots, why.root())
		shards.Items = append(shards.Items, h.failedShard(one.Index, why))
	}
	f.with("phase", phase).with("grouped", true).with("failed_shards", shards)
	if first := f.roots[0]; foreign[first.typ] && !all.Partial {
		first.cause = &failure{typ: first.typ, reason: first.reason}
		f.cause = first
	}
	return f
}

// shardFailure is why an index could not be searched.
func (h *Handler) shardFailure(one search.Failure) *failure {
	f := fromMapping(one.Err)
	if f.typ == "i_o_exception" {
		h.log.Error("cannot search an index", "index", one.Index, "error", f.Error())
	}
	if f.typ == "query_shard_exception" {
		uuid := "_na_"
		if ix, err := h.lookup(one.Index); err == nil {
			uuid = ix.uuid
		}
		f.with("index_uuid", uuid).with("index", one.Index)
	}
	return f
}

func (h *Handler) failedShard(index string, why *failure) body.Value {
	if index == "" { // of a context that is gone
		return object("shard", -1, "index", nil, "reason", why.value(false))
	}
	return object("shard", 0, "index", index, "node", h.node, "reason", why.value(false))
}

// failedShards is what an answer says of indices that could not be searched.
func (h *Handler) failedShards(failures []search.Failure) []byte {
	if len(failures) == 0 {
		return nil
	}
	v := list()
	for _, one := range failures {
		v.Items = append(v.Items, h.failedShard(one.Index, h.shardFailure(one)))
	}
	return v.Append(nil)
}
