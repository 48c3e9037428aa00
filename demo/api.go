package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// An api is a client of logapi, as a user of it might write one.
type api struct {
	url    string
	client *http.Client
	root   string // says who the user is, and opens nothing but /auth
	token  string // opens searches and the status
}

// An access is what a token opens.
type access struct {
	Method []string       `json:"method"`
	URL    []string       `json:"url"`
	Other  map[string]any `json:"other,omitempty"`
}

var searching = access{Method: []string{"GET", "POST"}, URL: []string{"{mscp_api_url}/default/es/**"}}

func newAPI(url string) *api {
	// Straight to this machine, whatever proxy the environment names.
	return &api{url: url, client: &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{}}}
}

// login gets the user's tokens.
func (a *api) login(ctx context.Context, user, password string) error {
	r, err := http.NewRequestWithContext(ctx, "GET", a.url+"/auth/token_root", nil)
	if err != nil {
		return err
	}
	r.SetBasicAuth(user, password)
	var answer struct{ Token string }
	if err := a.send(r, &answer); err != nil {
		return err
	}
	a.root = answer.Token
	a.token, err = a.access(ctx, searching, access{Method: []string{"GET"}, URL: []string{"{mscp_api_url}/default/system/log/status"}})
	return err
}

// access gets a token for this.
func (a *api) access(ctx context.Context, wanted ...access) (string, error) {
	var answer struct{ Token string }
	err := a.do(ctx, "POST", a.url+"/auth", a.root, wanted, &answer)
	return answer.Token, err
}

// A hit is a document that a search has found.
type hit struct {
	Index  string `json:"_index"`
	ID     string `json:"_id"`
	Source struct {
		Time       time.Time `json:"@timestamp"`
		Message    string
		Kubernetes struct {
			Namespace string
			Pod       struct{ Name string }
		}
		Log struct {
			Syslog struct{ Appname string }
		}
	} `json:"_source"`
}

// An answer is a search's.
type answer struct {
	ScrollID string `json:"_scroll_id"`
	Hits     struct {
		Total struct{ Value int }
		Hits  []hit
	}
	Aggregations struct {
		Namespaces struct {
			Buckets []struct {
				Key    string
				Count  int `json:"doc_count"`
				Errors struct {
					Count int `json:"doc_count"`
				}
			}
		}
	}
}

// search answers a request to a path below es/.
func (a *api) search(ctx context.Context, token, path string, query any) (*answer, error) {
	var found answer
	err := a.do(ctx, "POST", a.url+"/default/es/"+path, token, query, &found)
	return &found, err
}

// all calls f with each document that has this tag. fields is what a search takes as _source.
func (a *api) all(ctx context.Context, tag string, fields any, f func(*hit)) error {
	page, err := a.search(ctx, a.token, "logstash-*/_search?scroll=1m", map[string]any{
		"size": 5000, "_source": fields, "query": map[string]any{"term": map[string]any{"tags": tag}}})
	for ; err == nil && len(page.Hits.Hits) > 0; page, err = a.search(ctx, a.token, "_search/scroll", map[string]any{
		"scroll": "1m", "scroll_id": page.ScrollID}) {
		for i := range page.Hits.Hits {
			f(&page.Hits.Hits[i])
		}
	}
	return err
}

// get reads what is at a URL that wants no token.
func (a *api) get(ctx context.Context, url string, into any) error {
	return a.do(ctx, "GET", url, "", nil, into)
}

// do sends a request with a token and a body, and reads the answer.
func (a *api) do(ctx context.Context, method, url, token string, body, into any) error {
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		content = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, url, content)
	if err != nil {
		return err
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return a.send(r, into)
}

func (a *api) send(r *http.Request, into any) error {
	resp, err := a.client.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return fmt.Errorf("%s %s: %w", r.Method, r.URL, err)
	case resp.StatusCode/100 != 2:
		return fmt.Errorf("%s %s: %s: %s", r.Method, r.URL, resp.Status, plain(string(text), 500))
	case into == nil:
		return nil
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("%s %s: cannot read the answer: %w", r.Method, r.URL, err)
	}
	return nil
}

// plain makes what others wrote safe and short for a terminal.
func plain(s string, width int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '·'
		}
		return r
	}, s)
	if r := []rune(s); len(r) > width {
		return string(r[:width-1]) + "…"
	}
	return s
}
