package status

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/podbeat/podbeat/es/body"
	"github.com/podbeat/podbeat/token"
)

// peerHeader names the region that asks. Whoever is asked by a peer asks no further one.
const peerHeader = "X-Podbeat-Region"

// maxRegions bounds how many regions are named at once.
const maxRegions = 64

// regionsOf are the regions that a request is for, all of which its client may ask about.
func (s *Service) regionsOf(r *http.Request) ([]string, error) {
	text := r.PathValue("region")
	known := append([]string{s.Region}, slices.Sorted(maps.Keys(s.Peers))...)
	if r.Header.Get(peerHeader) != "" {
		known = known[:1]
	}
	if text == "_all" {
		known = slices.DeleteFunc(known, func(name string) bool { return !s.mayAsk(r, name) })
		if len(known) == 0 {
			return nil, refuseWith(http.StatusForbidden, "forbidden", errors.New("the token does not open the status of any region"))
		}
		return known, nil
	}
	names := strings.Split(text, ",")
	if len(names) > maxRegions {
		return nil, refuseWith(http.StatusBadRequest, "path", fmt.Errorf("more than %d regions are named", maxRegions))
	}
	for i, name := range names {
		switch {
		case len(names) > 1 && !s.mayAsk(r, name): // of a single one, the path itself has been looked at
			return nil, refuseWith(http.StatusForbidden, "forbidden", fmt.Errorf("the token does not open the status of region %q", line(name)))
		case !slices.Contains(known, name):
			return nil, refuseWith(http.StatusNotFound, "path", fmt.Errorf("there is no region %q here", line(name)))
		case slices.Contains(names[:i], name):
			return nil, refuseWith(http.StatusBadRequest, "path", fmt.Errorf("region %q is named twice", line(name)))
		}
	}
	return names, nil
}

func (s *Service) mayAsk(r *http.Request, region string) bool {
	return s.Allowed(r, r.Method, statusPath(region))
}

func statusPath(region string) string { return "/" + url.PathEscape(region) + "/system/log/status" }

// regions are the documents of some regions, in their order, and the entity tag if this one alone is asked.
func (s *Service) regions(r *http.Request, names []string) (list body.Value, tag string, err error) {
	ctx, cancel := context.WithTimeout(r.Context(), peerTime)
	defer cancel()
	list = body.Value{Kind: body.Array, Items: make([]body.Value, len(names))}
	var wg sync.WaitGroup
	var own error
	for i, name := range names {
		wg.Go(func() {
			if name == s.Region {
				var f *findings
				f, list.Items[i], own = s.localValue(ctx)
				if own == nil && len(names) == 1 && f.stateErr == nil {
					tag = f.state.etag()
				}
				return
			}
			v, err := s.askPeer(ctx, r, name)
			if err != nil {
				s.Log.Warn("another region does not tell its status", "region", name, "error", err)
				v = unknownRegion(name, s.Now().Unix(), err)
			}
			list.Items[i] = v
		})
	}
	wg.Wait()
	return list, tag, own
}

// unknownRegion is the element of a region that has not answered.
func unknownRegion(name string, now int64, why error) body.Value {
	return body.Value{Kind: body.Object, Members: []body.Member{
		{Name: "status", Value: body.Text(red)},
		{Name: "timestemp", Value: body.Int(now)},
		{Name: "region", Value: body.Text(name)},
		{Name: "detail", Value: body.Value{Kind: body.Array, Items: []body.Value{body.Text("the region does not answer: " + brief(why))}}},
	}}
}

// maxPeer bounds the answer of a peer.
const maxPeer = maxDocument

// askPeer asks another region, with the token of the client.
func (s *Service) askPeer(ctx context.Context, r *http.Request, name string) (body.Value, error) {
	raw, err := token.FromRequest(r)
	if err != nil {
		return body.Value{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(s.Peers[name], "/")+statusPath(name), nil)
	if err != nil {
		return body.Value{}, errors.New("its address is not a URL")
	}
	req.Header.Set("Authorization", "Bearer "+raw)
	req.Header.Set(peerHeader, s.Region)
	resp, err := s.peers.Do(req)
	if err != nil {
		var where *url.Error
		switch {
		case ctx.Err() != nil:
			return body.Value{}, fmt.Errorf("no answer within %v", peerTime)
		case errors.As(err, &where):
			return body.Value{}, where.Err // the URL is not the client's to see
		}
		return body.Value{}, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return body.Value{}, fmt.Errorf("it answers %d", resp.StatusCode)
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxPeer+1))
	switch {
	case ctx.Err() != nil:
		return body.Value{}, fmt.Errorf("no whole answer within %v", peerTime)
	case err != nil || len(data) > maxPeer:
		return body.Value{}, errors.New("its answer breaks off or is too long")
	}
	v, err := body.Parse(data)
	if err != nil || v.Kind != body.Array || len(v.Items) != 1 {
		return body.Value{}, errors.New("its answer is not a status")
	}
	region, _ := v.Items[0].Get("region")
	color, _ := v.Items[0].Get("status")
	if region.Text != name || !slices.Contains([]string{green, yellow, red}, color.Text) {
		return body.Value{}, errors.New("its answer is not the status of that region")
	}
	return v.Items[0], nil
}
