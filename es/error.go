package es

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Bounds, in bytes, of what an error says: of the server's reason, which may name every index of a request,
// and of the path.
const (
	maxReason = 1000
	maxShown  = 300
)

// An Error is an answer that says no.
type Error struct {
	Method, Path string // Path is escaped and without a host's prefix and the query
	Status       int    // of HTTP
	Type         string // of the exception, as index_not_found_exception; "" if the answer is not Elasticsearch's
	Reason       string // printable text of one line
	Index        string // the index meant, if one is

	retryAfter time.Duration
}

// Error says what was asked, what was answered, and what to do about it where that is known.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s: %d %s", e.Method, shorten(e.Path, maxShown), e.Status, http.StatusText(e.Status))
	if e.Type != "" {
		b.WriteString(": " + e.Type)
	}
	if e.Reason != "" {
		b.WriteString(": " + e.Reason)
	}
	if hint := e.hint(); hint != "" {
		b.WriteString(": " + hint)
	}
	return b.String()
}

func (e *Error) hint() string {
	switch {
	case e.Status == http.StatusUnauthorized:
		return "log in with a user and password, an API key or a token that the cluster knows"
	case e.Status == http.StatusForbidden && e.Type == "cluster_block_exception":
		return "an index or the cluster is blocked; if the disk is full, free some, then unset index.blocks.read_only_allow_delete"
	case e.Status == http.StatusForbidden:
		return "give the user, or the API key, a role with the privilege that is missing"
	case e.Status/100 == 3:
		return "give the address it points to as host"
	case e.Status == http.StatusBadRequest && e.Type == "" && strings.Contains(e.Reason, "HTTPS"):
		return "write https:// in the host"
	}
	return ""
}

// Status is that of the [*Error] in err, 0 if there is none.
func Status(err error) int {
	var e *Error
	if errors.As(err, &e) {
		return e.Status
	}
	return 0
}

// Type is the type of the exception of the [*Error] in err, "" if there is none.
func Type(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Type
	}
	return ""
}

// secrets replaces what a request logged in with: servers, and what is between, repeat it in errors. The request may be nil.
func secrets(sent *http.Request) *strings.Replacer {
	var pairs []string
	hide := func(secret string) {
		if len(secret) > 3 { // shorter ones are part of any text
			pairs = append(pairs, secret, "***")
		}
	}
	if sent != nil {
		_, credentials, _ := strings.Cut(sent.Header.Get("Authorization"), " ")
		hide(credentials)
		if plain, err := base64.StdEncoding.DecodeString(credentials); err == nil {
			_, password, _ := strings.Cut(string(plain), ":")
			hide(password)
		}
	}
	return strings.NewReplacer(pairs...)
}

// answered makes an error of an answer with a status of 300 or more.
func answered(method, path string, resp *http.Response, secrets *strings.Replacer) *Error {
	oneLine := func(s string) string { return oneLine(secrets.Replace(s)) }
	e := &Error{Method: method, Path: path, Status: resp.StatusCode}
	if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && seconds > 0 {
		e.retryAfter = time.Duration(min(seconds, 3600)) * time.Second
	} else if at, err := http.ParseTime(resp.Header.Get("Retry-After")); err == nil {
		e.retryAfter = time.Until(at)
	}
	if e.Status/100 == 3 {
		e.Reason = "it points to " + oneLine(bare(resp.Header.Get("Location")))
		return e
	}
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	var answer struct{ Error json.RawMessage }
	var cause struct {
		exception
		RootCause []exception `json:"root_cause"`
		CausedBy  exception   `json:"caused_by"`
	}
	switch {
	case json.Unmarshal(body, &answer) != nil:
		e.Reason = oneLine(string(body))
	case json.Unmarshal(answer.Error, &cause) == nil && cause.Type != "":
		e.Type, e.Index = oneLine(cause.Type), oneLine(cause.Index)
		e.Reason = oneLine(cause.Reason)
		for _, c := range append(cause.RootCause, cause.CausedBy) {
			if c.Reason != "" && !strings.Contains(cause.Reason, c.Reason) {
				e.Reason = oneLine(cause.Reason + ": " + c.Reason)
				break
			}
		}
	default: // OpenSearch's security plugin and older routes answer {"error": "text"}
		var text string
		json.Unmarshal(answer.Error, &text)
		e.Reason = oneLine(text)
	}
	return e
}

type exception struct {
	Type   string `json:"type"`
	Reason string `json:"reason"`
	Index  string `json:"index"`
}

// oneLine makes a server's text safe to print: bounded, and without control characters.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, shorten(s, maxReason))
	return strings.Join(strings.Fields(s), " ")
}

func shorten(s string, max int) string {
	if len(s) <= max {
		return s
	}
	return strings.ToValidUTF8(s[:max], "") + "…"
}
