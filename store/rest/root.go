package rest

// version is that of the Elasticsearch whose answers these are.
const version = "7.17.29"

// root answers GET /.
func (c *call) root() error {
	if _, ok := c.params["pretty"]; !ok {
		c.params["pretty"] = "true"
	}
	return c.answer(object("name", "podbeat", "cluster_name", c.h.cluster, "cluster_uuid", c.h.uuid,
		"version", object("number", version, "build_flavor", "default", "build_type", "tar", "build_hash", "580aff1a0064ce4c93293aaab6fcc55e22c10d1c",
			"build_date", "2025-06-19T01:37:57.847711500Z", "build_snapshot", false, "lucene_version", "8.11.3",
			"minimum_wire_compatibility_version", "6.8.0", "minimum_index_compatibility_version", "6.0.0-beta1"),
		"tagline", "You Know, for Search"))
}

// table are all routes.
func (h *Handler) table() []*route {
	var all []*route
	add := func(some []*route) { all = append(all, some...) }
	add(routes("GET|HEAD", "/", "", (*call).root))
	add(h.bulkRoutes())
	add(h.documentRoutes())
	add(h.adminRoutes())
	add(h.templateRoutes())
	add(h.aliasRoutes())
	add(h.catRoutes())
	add(h.clusterRoutes())
	add(h.statsRoutes())
	add(h.searchRoutes())
	add(h.backupRoutes())
	for name, paths := range map[string]string{
		"_reindex":         "/_reindex",
		"_delete_by_query": "/{index}/_delete_by_query",
		"_update_by_query": "/{index}/_update_by_query",
		"_rollover":        "/{index}/_rollover,/{index}/_rollover/{name}",
	} {
		add(unservedRoutes("POST", name, paths))
	}
	for _, name := range []string{"_shrink", "_split", "_clone"} {
		add(unservedRoutes("POST|PUT", name, "/{index}/"+name+"/{target}"))
	}
	return all
}

// unservedRoutes are paths that Elasticsearch has and the store has not: they are refused by name.
func unservedRoutes(methods, name, paths string) []*route {
	all := with(routes(methods, paths, "", func(*call) error { return notServed("[%s]", name) }), true, nil)
	for _, r := range all {
		r.anyParams = true
	}
	return all
}
