package rest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/podbeat/podbeat/es/body"
	"github.com/podbeat/podbeat/store"
	"github.com/podbeat/podbeat/store/mapping"
	"github.com/podbeat/podbeat/store/search"
)

// A failure is an error as Elasticsearch answers it.
type failure struct {
	status int // of HTTP; 0 is 400
	typ    string
	reason string
	meta   []body.Member // index, resource.id …
	cause  *failure
	roots  []*failure // root_cause; nil: what the causes say
	plain  bool       // answered as {"error": reason, "status": …}
}

func (f *failure) Error() string {
	if f.cause != nil {
		return f.reason + ": " + f.cause.Error()
	}
	return f.reason
}

func illegal(format string, args ...any) *failure {
	return &failure{typ: "illegal_argument_exception", reason: fmt.Sprintf(format, args...)}
}

// notServed refuses what Elasticsearch has and the store has not.
func notServed(format string, args ...any) *failure {
	return illegal(format+" is not served here", args...)
}

// invalid is what a request is refused with before it is looked at closely.
func invalid(reason string) *failure {
	return &failure{typ: "action_request_validation_exception", reason: "Validation Failed: 1: " + reason + ";"}
}

func (f *failure) with(name string, value any) *failure {
	f.meta = append(f.meta, body.Member{Name: name, Value: jsonOf(value)})
	return f
}

func noIndex(name string) *failure {
	f := &failure{status: http.StatusNotFound, typ: "index_not_found_exception", reason: "no such index [" + clip(name) + "]"}
	return f.with("resource.type", "index_or_alias").with("resource.id", name).with("index_uuid", "_na_").with("index", name)
}

func closedIndex(ix *indexState) *failure {
	f := &failure{typ: "index_closed_exception", reason: "closed"}
	return f.with("index_uuid", ix.uuid).with("index", ix.name)
}

// asFailure makes a failure of any error.
func asFailure(err error) *failure {
	var f *failure
	var refused *mapping.Error
	var syntax *body.Error
	switch {
	case errors.As(err, &f):
		return f
	case errors.As(err, &refused):
		f = fromMapping(refused)
		f.status = search.Status(refused)
		return f
	case errors.As(err, &syntax):
		return syntaxFailure(syntax)
	case errors.Is(err, store.ErrFull):
		return &failure{status: http.StatusTooManyRequests, typ: "cluster_block_exception", reason: err.Error()}
	case errors.Is(err, store.ErrNoIndex):
		return &failure{status: http.StatusNotFound, typ: "index_not_found_exception", reason: err.Error()}
	case errors.Is(err, store.ErrClosed):
		return &failure{typ: "index_closed_exception", reason: "closed"}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return &failure{typ: "task_cancelled_exception", reason: "the request was given up"}
	}
	return &failure{status: http.StatusInternalServerError, typ: "exception", reason: err.Error()}
}

func syntaxFailure(err *body.Error) *failure {
	kind := "json_parse_exception"
	if strings.HasPrefix(err.Reason, "unexpected end") {
		kind = "json_e_o_f_exception"
	}
	return &failure{typ: kind, reason: fmt.Sprintf("%s at byte %d", err.Reason, err.Offset)}
}

func fromMapping(e *mapping.Error) *failure {
	f := &failure{typ: e.Type, reason: e.Reason}
	if e.Cause != nil {
		f.cause = fromMapping(e.Cause)
	}
	return f
}

// foreign are the exceptions that are not Elasticsearch's own: as causes they are not named as roots.
var foreign = map[string]bool{"illegal_argument_exception": true, "illegal_state_exception": true, "json_parse_exception": true,
	"json_e_o_f_exception": true, "number_format_exception": true, "date_time_parse_exception": true, "date_time_exception": true,
	"null_pointer_exception": true, "action_request_validation_exception": true, "not_x_content_exception": true,
	"es_rejected_execution_exception": true, "x_content_parse_exception": true, "named_object_not_found_exception": true}

// root is what Elasticsearch takes for the first of all causes.
func (f *failure) root() *failure {
	lucene := func(f *failure) bool {
		return f.typ == "parse_exception" && strings.HasPrefix(f.reason, "Cannot parse '")
	}
	for f.cause != nil && (!foreign[f.cause.typ] && !lucene(f.cause) || f.typ == "x_content_parse_exception") {
		f = f.cause
	}
	return f
}

// value is the failure as the member error has it; roots says that it is the outermost.
func (f *failure) value(roots bool) body.Value {
	v := body.Value{Kind: body.Object}
	if roots {
		causes := f.roots
		if causes == nil {
			causes = []*failure{f.root()}
		}
		all := list()
		for _, cause := range causes {
			root := *cause
			root.cause = nil
			all.Items = append(all.Items, root.value(false))
		}
		v.Members = append(v.Members, body.Member{Name: "root_cause", Value: all})
	}
	reason := body.Text(f.reason)
	v.Members = append(v.Members, body.Member{Name: "type", Value: body.Text(f.typ)}, body.Member{Name: "reason", Value: reason})
	v.Members = append(v.Members, f.meta...)
	if f.cause != nil {
		v.Members = append(v.Members, body.Member{Name: "caused_by", Value: f.cause.value(false)})
	}
	return v
}

func (f *failure) code() int {
	if f.status == 0 {
		return http.StatusBadRequest
	}
	return f.status
}

// own says whether it is the server's fault: Elasticsearch answers some faults of clients with 500 and 503.
func (f *failure) own() bool {
	return f.code() == http.StatusInternalServerError && f.typ == "exception"
}

// fail answers with an error.
func (c *call) fail(err error) {
	f := asFailure(err)
	if f.own() {
		c.h.log.Error("cannot answer a request", "method", c.r.Method, "path", clip(c.r.URL.Path), "error", f.Error())
	}
	if f.plain {
		v := object("error", f.reason)
		if f.status != 0 {
			v = object("error", f.reason, "status", f.status)
		}
		c.reply(f.code(), v.Append(nil))
		return
	}
	c.reply(f.code(), object("error", f.value(true), "status", f.code()).Append(nil))
}
