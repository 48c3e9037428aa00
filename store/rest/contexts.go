package rest

import (
	"net/http"
	"strings"
	"time"

	"github.com/podbeat/podbeat/es/body"
	"github.com/podbeat/podbeat/store/search"
)

// goneContext says that there is no point in time, or scroll, of an id.
func (h *Handler) goneContext(id string) error {
	return h.phase(&search.PhaseError{Failures: []search.Failure{{Err: &search.Error{Type: "search_context_missing_exception", Reason: "No search context found for id [" + clip(id) + "]"}}}}, "query")
}

// wellFormed says whether a text could be the id of a point in time or scroll.
func wellFormed(id string) bool {
	return len(id) == 52 && !strings.ContainsFunc(id, func(r rune) bool { return (r < 'A' || r > 'Z') && (r < '2' || r > '7') })
}

// keepFor checks how long something is to be kept.
func (h *Handler) keepFor(text string) (time.Duration, error) {
	d, err := search.ParseDuration(text)
	switch {
	case err != nil:
		return 0, illegal("failed to parse setting [keep_alive] with value [%s] as a time value: %s", clip(text), err)
	case d > search.MaxKeep:
		return 0, illegal("Keep alive for request (%s) is too large. It must be less than (1d). This limit can be set by changing the [search.max_keep_alive] cluster level setting.", clip(text))
	case d <= 0:
		return 0, illegal("cannot keep anything for [%s]: give a time as 1m", clip(text))
	}
	return d, nil
}

// openPoint answers _pit.
func (c *call) openPoint() error {
	if err := c.noBody(); err != nil {
		return err
	}
	if c.expression() == "" {
		return invalid("[index] is not specified")
	}
	text, ok := c.params["keep_alive"]
	if !ok {
		return invalid("[keep_alive] is not specified")
	}
	keep, err := c.h.keepFor(text)
	if err != nil {
		return err
	}
	if err := checkPreference(c.params["preference"]); err != nil {
		return err
	}
	o, err := c.indicesOptions(searchOptions)
	if err != nil {
		return err
	}
	over, _, err := c.h.open(c.expression(), o)
	if err != nil {
		return err
	}
	id, err := c.h.keeper.Open(over, keep, nil) // whose views they are now
	if err != nil {
		return err
	}
	return c.answer(object("id", id))
}

// searchPoint searches in a point in time.
func (c *call) searchPoint(r *search.Request) (*search.Response, error) {
	_, scrolls := c.params["scroll"]
	switch {
	case c.expression() != "":
		return nil, invalid("[indices] cannot be used with point in time. Do not specify any index with point in time.")
	case scrolls:
		return nil, invalid("using [point in time] is not allowed in a scroll context")
	}
	for _, name := range strings.Fields(indicesParams + "routing preference") {
		if _, ok := c.params[name]; !ok {
			continue
		}
		if strings.Contains(indicesParams, " "+name+" ") {
			name = "indicesOptions"
		}
		return nil, invalid("[" + name + "] cannot be used with point in time")
	}
	return c.searchIn(r)
}

// searchIn searches in the point in time that a request names.
func (c *call) searchIn(r *search.Request) (*search.Response, error) {
	if !wellFormed(r.PIT) {
		return nil, illegal("invalid id: [%s]", clip(r.PIT))
	}
	if r.KeepAlive > search.MaxKeep {
		return nil, illegal("Keep alive for request (%s) is too large. It must be less than (1d). This limit can be set by changing the [search.max_keep_alive] cluster level setting.", r.KeepAlive)
	}
	kept, ok := c.h.keeper.Use(r.PIT, r.KeepAlive)
	if !ok {
		return nil, c.h.goneContext(r.PIT)
	}
	response, err := search.Run(c.context(), kept.Indices, r, c.h.now())
	if err != nil {
		kept.Done()
		return nil, c.h.phase(err, "query")
	}
	response.OnClose(kept.Done)
	response.FailedShards = c.h.failedShards(response.Failures)
	return response, nil
}

// endPoint answers DELETE _pit.
func (c *call) endPoint() error {
	v, ok, err := c.value()
	if err != nil {
		return err
	}
	if !ok {
		return &failure{typ: "parse_exception", reason: "request body or source parameter is required"}
	}
	if v.Kind != body.Object {
		return illegal("Malformed content, must start with an object")
	}
	id := ""
	for _, m := range v.Members {
		switch {
		case m.Name != "id":
			return illegal("Unknown parameter [%s] in request body or parameter is of the wrong type[%s] ", clip(m.Name), m.Value.Kind)
		case m.Value.Kind != body.String:
			return illegal("the request must contain only [id] field")
		}
		id = m.Value.Text
	}
	if id == "" {
		return illegal("search context id is is not provided")
	}
	if !wellFormed(id) {
		return illegal("invalid id: [%s]", clip(id))
	}
	n, _ := c.h.keeper.Drop(id, false)
	return c.freed(n, n > 0)
}

// freed answers what ends contexts.
func (c *call) freed(n int, succeeded bool) error {
	status := http.StatusOK
	if n == 0 {
		status = http.StatusNotFound
	}
	c.reply(status, object("succeeded", succeeded, "num_freed", n).Append(nil))
	return nil
}

// startScroll gives the first hits of a scroll.
func (c *call) startScroll(r *search.Request) (*search.Response, error) {
	keep, err := c.h.keepFor(c.params["scroll"])
	if err != nil {
		return nil, err
	}
	if c.flag("request_cache", false) {
		return nil, invalid("[request_cache] cannot be used in a scroll context")
	}
	o, err := c.indicesOptions(searchOptions)
	if err != nil {
		return nil, err
	}
	over, _, err := c.h.open(c.expression(), o)
	if err != nil {
		return nil, err
	}
	id, err := c.h.keeper.Open(over, keep, r) // whose views they are now
	if err != nil {
		return nil, err
	}
	response, err := c.h.keeper.Scroll(c.context(), id, 0, c.h.now())
	if err != nil {
		c.h.keeper.Drop(id, true)
		return nil, c.h.phase(err, "query")
	}
	response.FailedShards = c.h.failedShards(response.Failures)
	return response, nil
}

// scrollRequest reads which scrolls are meant, and for how long they are to be kept: by the path, the URL, or the body.
func (c *call) scrollRequest(several bool) (ids []string, keep string, err error) {
	v, ok, err := c.value()
	if err != nil {
		return nil, "", err
	}
	keep = c.params["scroll"]
	for _, text := range []string{c.names["scroll_id"], c.params["scroll_id"]} {
		if text != "" {
			ids = []string{text}
			if several {
				ids = strings.Split(text, ",")
			}
		}
	}
	if !ok {
		return ids, keep, nil
	}
	if v.Kind != body.Object {
		return nil, "", illegal("Malformed content, must start with an object")
	}
	for _, m := range v.Members {
		switch {
		case m.Name == "scroll_id" && m.Value.Kind == body.String:
			ids = []string{m.Value.Text}
		case m.Name == "scroll_id" && m.Value.Kind == body.Array && several:
			ids = nil
			for _, item := range m.Value.Items {
				if item.Kind != body.String {
					return nil, "", illegal("scroll_id array element should only contain scroll_id")
				}
				ids = append(ids, item.Text)
			}
		case m.Name == "scroll" && m.Value.Kind == body.String && !several:
			keep = m.Value.Text
		default:
			return nil, "", illegal("Unknown parameter [%s] in request body or parameter is of the wrong type[%s] ", clip(m.Name), m.Value.Kind)
		}
	}
	return ids, keep, nil
}

// scroll gives the next hits of a scroll. Without a time to keep it for, they are its last.
func (c *call) scroll() error {
	ids, text, err := c.scrollRequest(false)
	if err != nil {
		return err
	}
	if len(ids) == 0 || ids[0] == "" {
		return invalid("scrollId is missing")
	}
	if !wellFormed(ids[0]) {
		return illegal("Cannot parse scroll id")
	}
	keep := time.Duration(0)
	if text != "" {
		if keep, err = c.h.keepFor(text); err != nil {
			return err
		}
	}
	response, err := c.h.keeper.Scroll(c.context(), ids[0], keep, c.h.now())
	if err != nil {
		if asFailure(err).typ == "search_context_missing_exception" {
			return c.h.goneContext(ids[0])
		}
		return c.h.phase(err, "query")
	}
	defer response.Close()
	if text == "" {
		c.h.keeper.Drop(ids[0], true)
		response.ScrollID = ""
	}
	response.TotalAsNumber = c.flag("rest_total_hits_as_int", false)
	response.FailedShards = c.h.failedShards(response.Failures)
	return c.write(response)
}

// endScroll answers DELETE _search/scroll.
func (c *call) endScroll() error {
	ids, _, err := c.scrollRequest(true)
	if err != nil {
		return err
	}
	if len(ids) == 0 {
		return invalid("no scroll ids specified")
	}
	if len(ids) == 1 && ids[0] == "_all" {
		c.reply(http.StatusOK, object("succeeded", true, "num_freed", c.h.keeper.DropScrolls()).Append(nil))
		return nil
	}
	for _, id := range ids {
		if !wellFormed(id) {
			return illegal("Cannot parse scroll id")
		}
	}
	freed := 0
	for _, id := range ids {
		n, _ := c.h.keeper.Drop(id, true)
		freed += n
	}
	return c.freed(freed, true)
}
