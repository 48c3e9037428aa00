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
	return all
}
