package search

import (
	"strconv"
	"strings"

	"github.com/podbeat/podbeat/es/body"
)

// A walker looks through a body for what reaches beyond the indices that are searched, and, behind a filter, for
// all that is not known to stay within it.
type walker struct{ plan *plan }

// refs checks the places in v, whatever v is, in which Elasticsearch reads a document of another index than
// those it searches, and cuts their names. Where such a place cannot be seen through, it is refused.
func (w *walker) refs(v *body.Value) error {
	for i := range v.Items {
		if err := w.refs(&v.Items[i]); err != nil {
			return err
		}
	}
	for i := range v.Members {
		m := &v.Members[i]
		if err := w.ref(v, m); err != nil {
			return err
		}
		if err := w.refs(&m.Value); err != nil {
			return err
		}
	}
	return nil
}

// ref looks at one member of an object.
func (w *walker) ref(v *body.Value, m *body.Member) error {
	switch m.Name {
	case "wrapper":
		if m.Value.Kind == body.Object {
			return forbidden("a wrapper query is refused: write the query itself")
		}
	case "collate": // a template of the phrase suggester, which becomes a query
		if m.Value.Kind == body.Object {
			return forbidden("collate is refused: its template cannot be looked into")
		}
	case "index":
		if has(v, "id") || has(v, "path") { // terms lookup, indexed_shape, percolate
			return w.single(&m.Value)
		}
	case "_index":
		if has(v, "_id") || has(v, "doc") { // like and unlike of more_like_this, pinned
			return w.single(&m.Value)
		}
	case "target_index": // a lookup field of Elasticsearch 8
		return w.single(&m.Value)
	case "indexed_shape": // whose index is "shapes" if it names none
		if m.Value.Kind == body.Object && !has(&m.Value, "index") {
			return illegal("indexed_shape must name its index")
		}
	case "indices_boost":
		return w.boosts(&m.Value)
	}
	return nil
}

func has(v *body.Value, name string) bool {
	_, ok := v.Get(name)
	return ok
}

// single cuts the name of the one index in v.
func (w *walker) single(v *body.Value) error {
	if v.Kind != body.String {
		return illegal("the index of a document must be a text")
	}
	c, err := w.plan.one(v.Text)
	if err != nil {
		return err
	}
	if c.filter != nil {
		return narrowed("a document named by its id")
	}
	v.Text = c.names[0]
	return nil
}

// boosts checks the names of indices_boost, [{"logs": 1.5}] or {"logs": 1.5}.
func (w *walker) boosts(v *body.Value) error {
	for i := range v.Items {
		if err := w.boosts(&v.Items[i]); err != nil {
			return err
		}
	}
	for _, m := range v.Members {
		if m.Value.Kind != body.Number {
			continue // a field of that name
		}
		if _, err := w.plan.cut(m.Name); err != nil {
			return err
		}
	}
	return nil
}

// Queries that hold others: the members in which they are; what else there is are scalars.
var compounds = map[string]map[string]bool{
	"bool":           words("must filter should must_not"),
	"constant_score": words("filter"),
	"dis_max":        words("queries"),
	"boosting":       words("positive negative"),
	"nested":         words("query"),
}

func words(s string) map[string]bool {
	set := map[string]bool{}
	for _, w := range strings.Fields(s) {
		set[w] = true
	}
	return set
}

// query refuses a query in which anything but compounds and leaves stand.
func (w *walker) query(v body.Value) error {
	if v.Kind != body.Object || len(v.Members) != 1 {
		return illegal("a query must be an object of one member, the kind of the query")
	}
	kind, value := v.Members[0].Name, v.Members[0].Value
	if value.Kind != body.Object {
		return illegal("the query " + quote(kind) + " must be an object")
	}
	if leaves[kind] {
		return w.leaf(kind, value)
	}
	holds := compounds[kind]
	if holds == nil {
		return narrowed("the query " + quote(kind))
	}
	for _, m := range value.Members {
		switch {
		case holds[m.Name] && m.Value.Kind == body.Array:
			for _, item := range m.Value.Items {
				if err := w.query(item); err != nil {
					return err
				}
			}
		case holds[m.Name]:
			if err := w.query(m.Value); err != nil {
				return err
			}
		case !m.Value.Scalar():
			return narrowed(quote(m.Name) + " of the query " + quote(kind))
		}
	}
	return nil
}

// queries refuses queries by name or in a list that query refuses.
func (w *walker) queries(v body.Value) error {
	for _, item := range v.Items {
		if err := w.query(item); err != nil {
			return err
		}
	}
	for _, m := range v.Members {
		if err := w.query(m.Value); err != nil {
			return err
		}
	}
	if v.Scalar() {
		return illegal("filters must be an object or an array of queries")
	}
	return nil
}

// never are settings that reach further than what they are in.
var never = words("script _script script_fields init_script map_script combine_script reduce_script runtime_mappings inner_hits " +
	"indexed_shape background_filter")

// plain refuses settings in which something is hidden that is more than a value: a script, a query, an inner search.
func (w *walker) plain(v body.Value, where string) error {
	for _, item := range v.Items {
		if err := w.plain(item, where); err != nil {
			return err
		}
	}
	for _, m := range v.Members {
		if never[m.Name] && !isFalse(m.Value) {
			return narrowed(quote(m.Name) + " in " + where)
		}
		if err := w.plain(m.Value, where); err != nil {
			return err
		}
	}
	return nil
}

func isFalse(v body.Value) bool { return v.Kind == body.Bool && v.Text == "false" }

// Aggregations that count what was found, and nothing else.
var (
	aggregations = words("terms multi_terms date_histogram auto_date_histogram histogram variable_width_histogram range date_range ip_range " +
		"missing nested reverse_nested sampler diversified_sampler composite geohash_grid geotile_grid geo_distance " +
		"min max avg sum value_count cardinality stats extended_stats percentiles percentile_ranks median_absolute_deviation " +
		"weighted_avg geo_bounds geo_centroid top_hits top_metrics boxplot string_stats rate matrix_stats " +
		"avg_bucket sum_bucket min_bucket max_bucket stats_bucket extended_stats_bucket percentiles_bucket " +
		"derivative cumulative_sum cumulative_cardinality moving_avg serial_diff bucket_sort normalize " +
		"filter filters adjacency_matrix")
	// Terms of documents that were not found have a count of 0.
	counting0 = words("terms multi_terms")
	// Elasticsearch 7 gives these, and what they are in, an empty meta if a range in them is wider or narrower than what is in
	// an index, hidden documents with it. They all get one.
	marking = words("filter filters adjacency_matrix")
	// What is said of an aggregation. What is said by a script, or of other documents, is not among it.
	settings = words("field fields size shard_size min_doc_count shard_min_doc_count order include exclude missing execution_hint collect_mode format " +
		"show_term_doc_count_error value_type calendar_interval fixed_interval interval time_zone offset extended_bounds hard_bounds keyed " +
		"ranges from to buckets minimum_interval initial_buffer path max_docs_per_value sources after precision bounds origin unit distance_type " +
		"precision_threshold rehash sigma percents values tdigest hdr compression mode value weight wrap_longitude sort metrics " +
		"_source docvalue_fields stored_fields version seq_no_primary_term highlight track_scores show_distribution buckets_path gap_policy window model " +
		"settings predict minimize lag missing_bucket missing_order terms separator other_bucket other_bucket_key filters method")
)

// aggs refuses aggregations that could show documents which were not found.
func (w *walker) aggs(v body.Value) error {
	if v.Kind != body.Object {
		return illegal("aggregations must be an object")
	}
	for i := range v.Members {
		named := &v.Members[i]
		if named.Value.Kind != body.Object {
			return illegal("the aggregation " + quote(named.Name) + " must be an object")
		}
		marked := false
		for _, m := range named.Value.Members {
			var err error
			switch {
			case m.Name == "aggs" || m.Name == "aggregations":
				err = w.aggs(m.Value)
				marked = true
			case m.Name == "meta":
			default:
				err = w.agg(m.Name, m.Value)
				marked = marked || marking[m.Name]
			}
			if err != nil {
				return err
			}
		}
		if marked && !has(&named.Value, "meta") {
			setMember(&named.Value, "meta", body.Value{Kind: body.Object})
		}
	}
	return nil
}

// agg refuses one aggregation.
func (w *walker) agg(kind string, v body.Value) error {
	if !aggregations[kind] {
		return narrowed("the aggregation " + quote(kind))
	}
	if kind == "filter" {
		return w.query(v)
	}
	if v.Kind != body.Object {
		return illegal("the aggregation " + quote(kind) + " must be an object")
	}
	for _, m := range v.Members {
		if !settings[m.Name] {
			return narrowed(quote(m.Name) + " of the aggregation " + quote(kind))
		}
		var err error
		switch m.Name {
		case "filters":
			err = w.queries(m.Value)
		case "min_doc_count":
			if n, e := strconv.Atoi(m.Value.Text); counting0[kind] && (e != nil || n < 1) {
				return narrowed("min_doc_count below 1, with which terms of any document appear,")
			}
			if !m.Value.Scalar() {
				return illegal("min_doc_count must be a number")
			}
		case "sources":
			err = w.sources(m.Value)
		case "sort":
			err = w.sort(m.Value)
		case "highlight":
			err = w.highlight(m.Value)
		default:
			err = w.plain(m.Value, "the aggregation "+quote(kind))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// sources refuses the sources of a composite aggregation, each an aggregation with a name.
func (w *walker) sources(v body.Value) error {
	if v.Kind != body.Array {
		return w.aggs(v)
	}
	for _, item := range v.Items {
		if err := w.aggs(item); err != nil {
			return err
		}
	}
	return nil
}

// sort refuses orders by scripts, and looks at the queries of nested ones.
func (w *walker) sort(v body.Value) error {
	for _, item := range v.Items {
		if err := w.sort(item); err != nil {
			return err
		}
	}
	for _, field := range v.Members {
		if field.Name == "_script" {
			return narrowed("a sort by script")
		}
		if err := w.order(field.Value); err != nil {
			return err
		}
	}
	return nil
}

// order looks at what is said of one field to sort by, or of the nested documents it is in.
func (w *walker) order(v body.Value) error {
	for _, item := range v.Items {
		if err := w.order(item); err != nil {
			return err
		}
	}
	for _, m := range v.Members {
		var err error
		switch m.Name {
		case "filter", "nested_filter":
			err = w.query(m.Value)
		case "nested":
			err = w.order(m.Value)
		default:
			err = w.plain(m.Value, "sort")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// highlight looks at the queries of its own that highlighting may have.
func (w *walker) highlight(v body.Value) error {
	for _, item := range v.Items {
		if err := w.highlight(item); err != nil {
			return err
		}
	}
	for _, m := range v.Members {
		look := w.highlight
		switch {
		case m.Name == "highlight_query":
			look = w.query
		case m.Name == "type" && m.Value.Scalar() && m.Value.Text != "unified" && m.Value.Text != "plain": // fvh takes some of the terms, as in leaf.go
			return narrowed("a highlighter but unified and plain")
		}
		if err := look(m.Value); err != nil {
			return err
		}
	}
	return nil
}

// Members of a search that stay behind a filter as they are.
var members = words("from size timeout version seq_no_primary_term track_scores track_total_hits _source fields docvalue_fields " +
	"stored_fields search_after slice pit collapse")

// search refuses a search behind a filter.
func (w *walker) search(v body.Value) error {
	for _, m := range v.Members {
		var err error
		switch m.Name {
		case "query", "post_filter":
			err = w.query(m.Value)
		case "aggs", "aggregations":
			err = w.aggs(m.Value)
		case "sort":
			err = w.sort(m.Value)
		case "highlight":
			err = w.highlight(m.Value)
		default:
			switch {
			case members[m.Name]:
				err = w.plain(m.Value, quote(m.Name))
			case (m.Name == "script_fields" || m.Name == "runtime_mappings") && m.Value.Kind == body.Object && len(m.Value.Members) == 0: // Grafana, Kibana
			case !isFalse(m.Value): // "explain": false
				err = narrowed(quote(m.Name))
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// enforce puts filter around the query of a search or count, after the query of the URL has taken the body's
// place, as in Elasticsearch. Nothing is scored: how rare a word is would tell of the other documents.
func (w *walker) enforce(v *body.Value, filter body.Value) error {
	if q, ok := w.plan.textQuery(); ok {
		setMember(v, "query", q)
	}
	if err := w.search(*v); err != nil {
		return err
	}
	both := array(filter)
	if q, ok := v.Get("query"); ok {
		both.Items = append(both.Items, q)
	}
	setMember(v, "query", object("bool", object("filter", both)))
	return nil
}

// textQuery takes the query that the parameters hold.
func (p *plan) textQuery() (body.Value, bool) {
	q, ok := p.params.take("q")
	query := object("query", body.Text(q))
	for _, s := range []struct{ param, member string }{{"df", "default_field"}, {"analyzer", "analyzer"}, {"default_operator", "default_operator"}} {
		if value, given := p.params.take(s.param); given {
			setMember(&query, s.member, body.Text(value))
		}
	}
	for _, name := range []string{"analyze_wildcard", "lenient"} {
		if value, given := p.params.take(name); given {
			setMember(&query, name, body.Boolean(value == "true"))
		}
	}
	return object("query_string", query), ok
}
