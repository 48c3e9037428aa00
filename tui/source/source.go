// Package source asks whatever speaks the Elasticsearch search API for logs: rows around an anchor by points in time, histograms,
// facets, counts, fields, a tail that misses nothing, exports.
//
// It knows nothing of screens. Every call has a context that ends the search in the server, too, and may be made from any goroutine.
package source
